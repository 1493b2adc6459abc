//! One connection: its socket, its transport, its core, and how it ends.
//!
//! A connection is a state machine that completions drive directly. It counts its operations in the ring: the
//! descriptor is closed and the slab slot reused only when none is left.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::coalescing::Heard;
use super::listings::Sending;
use super::long::Long;
use super::output::{BULK, MIN_BURST, Outgoing};
use super::prepare;
use super::protocol::Protocol;
use super::shared::Shared;
use super::timers::{Timer, Watch};
use super::turns::Place;
use super::unsent::Unsent;
use super::zero_copy::ZeroCopy;
use crate::site::CertificateId;
use crate::transport::tls::{Handshake, Session};
use crate::uring::{Event, Owner, UserData};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Serving.
    Open,
    /// The last word is sent and our side shut down; what the peer still says is read and thrown away, for closing
    /// now would reset the connection and destroy that last word on its way.
    Lingering,
    /// Waiting for the last operations to come back.
    Closing,
}

/// What carries the bytes.
pub(super) enum Transport {
    Cleartext,
    Handshake(Box<Handshake>),
    Session(Box<Session>),
}

/// See the module's documentation.
pub(super) struct Connection {
    pub(super) key: Owner,
    pub(super) socket: OwnedFd,
    pub(super) phase: Phase,
    pub(super) transport: Transport,
    pub(super) protocol: Protocol,
    /// Transport bytes to be sent in front of the next slot: handshake flights, control records.
    pub(super) raw: Vec<u8>,
    pub(super) outgoing: Option<Outgoing>,
    /// Wire bytes of the next slot.
    pub(super) burst: usize,
    /// Operations in the ring that have not come back.
    pub(super) operations: u32,
    /// Queued to be flushed.
    pub(super) dirty: bool,
    /// Wire bytes of its last slot.
    pub(super) last_slot: usize,
    /// Some of that could only be read into the slot: there is to be room for more in the next.
    pub(super) places: bool,
    /// Listings of which a part is to be appended to their answers yet.
    pub(super) listings: Vec<Sending>,
    /// Requests that wait: for their file to be opened, or for what else is to be known of it.
    pub(super) opening: u32,
    /// The core or the transport has failed: the time for its last words runs.
    ending: bool,
    /// The timer of a peer that takes nothing runs.
    pub(super) stuck_watched: bool,
    /// Its peer is on this machine, and nothing paces what it is sent.
    pub(super) near: bool,
    pub(super) unsent: Unsent,
    pub(super) long: Long,
    /// Among those who have more to send than their sockets take.
    pub(super) place: Place,
    pub(super) zero_copy: ZeroCopy,
    /// Its socket was asked to seal, and cannot.
    pub(super) sealed_here: bool,
    /// It is ended since its write key is used up.
    worn_out: bool,
    /// In the queue for an arena slot.
    pub(super) starved: bool,
    /// The core's timers that run.
    watch: Watch,
    /// The timer of a stalled slot runs.
    pub(super) stall_watched: bool,
    /// The transport has failed: what it still has to say (an alert) is the last that is sent.
    pub(super) abandoned: bool,
    /// close_notify is queued.
    notified: bool,
    /// The certificate that the client was shown, when it said for which host it wants one.
    pub(super) certificate: Option<CertificateId>,
    /// The peer's first bytes, in the clear, while they are too few to tell the protocol.
    pub(super) first: Option<Vec<u8>>,
    /// When something last came from it.
    heard: Heard,
    /// The receive that goes on.
    receiving: Option<UserData>,
    /// The wait for room in the socket.
    polling: Option<UserData>,
    /// The peer has ended its side.
    ended: bool,
}

impl Connection {
    /// A connection that was just accepted.
    pub(super) fn new(
        key: Owner,
        socket: OwnedFd,
        transport: Transport,
        near: bool,
        shared: &mut Shared,
    ) -> Self {
        let mut connection = Self {
            key,
            socket,
            phase: Phase::Open,
            transport,
            protocol: Protocol::http2(&shared.configs, shared.now_ns),
            raw: Vec::new(),
            outgoing: None,
            burst: MIN_BURST,
            operations: 0,
            dirty: false,
            last_slot: 0,
            places: false,
            listings: Vec::new(),
            opening: 0,
            ending: false,
            stuck_watched: false,
            near,
            unsent: Unsent::new(shared.now_ns),
            long: Long::default(),
            place: Place::default(),
            zero_copy: ZeroCopy::default(),
            sealed_here: false,
            worn_out: false,
            starved: false,
            watch: Watch::default(),
            stall_watched: false,
            abandoned: false,
            notified: false,
            certificate: None,
            first: Some(Vec::new()),
            heard: Heard::default(),
            receiving: None,
            polling: None,
            ended: false,
        };
        // Our SETTINGS go out with the first answer, when the peer has shown that it speaks HTTP/2.
        connection.receive(shared);
        match connection.transport {
            Transport::Handshake(_) => shared.timers.start(Timer::Handshake, key, shared.now_ns),
            _ => connection.watch(shared),
        }
        connection
    }

    /// Handles one completion of this connection.
    pub(super) fn handle(&mut self, event: Event, shared: &mut Shared) {
        match event {
            Event::Received { data, more } => {
                shared.coalescing.note_heard(&mut self.heard);
                if !more {
                    self.operations -= 1;
                    self.receiving = None;
                }
                match data {
                    Ok(bytes) if bytes.is_empty() => self.peer_ended(shared),
                    Ok(mut bytes) if self.answers() => self.handle_bytes(&mut bytes, shared),
                    // Lingering or closing: thrown away. Without a free buffer: armed again below, when this turn has
                    // given its buffers back.
                    Ok(_) | Err(Errno::NOBUFS | Errno::CANCELED | Errno::INTR | Errno::AGAIN) => {}
                    Err(_) => self.close(shared),
                }
                if self.receiving.is_none() && !self.ended && self.phase != Phase::Closing {
                    self.receive(shared);
                }
            }
            Event::Sent { gather, result } => {
                self.operations -= 1;
                self.sent(shared, gather, result);
            }
            // No operation of its own: the send has been told of.
            Event::Released { copied } => {
                if self.zero_copy.note_released(copied) {
                    tracing::debug!(copied, "zero-copy sends were tried");
                }
            }
            Event::Writable { result } => {
                self.operations -= 1;
                self.polling = None;
                shared.coalescing.lone_stall = false;
                match result {
                    Ok(true) | Err(Errno::INTR | Errno::AGAIN) => self.writable(shared),
                    Ok(false) if self.phase != Phase::Closing => {
                        shared.timers.start(Timer::Retry, self.key, shared.now_ns);
                    }
                    Ok(false) => self.drop_outgoing(shared),
                    Err(_) => self.close(shared),
                }
            }
            Event::Read { gather, result } => {
                self.operations -= 1;
                if let Some(outgoing) = &mut self.outgoing {
                    match prepare::read_done(outgoing, &mut self.protocol, gather, result) {
                        prepare::Step::Broken => self.close(shared),
                        _ => self.prepare(shared),
                    }
                }
            }
            Event::Populated { result } => {
                self.operations -= 1;
                if let Some(outgoing) = &mut self.outgoing {
                    match prepare::populated(outgoing, &mut self.protocol, &shared.ring, result) {
                        prepare::Step::Broken => self.close(shared),
                        _ => self.prepare(shared),
                    }
                }
            }
            Event::Accepted { .. }
            | Event::Discarded { .. }
            | Event::Opened { .. }
            | Event::Woken { .. } => {}
        }
    }

    /// A timer of this connection has expired.
    pub(super) fn expired(&mut self, timer: Timer, shared: &mut Shared) {
        match timer {
            Timer::Stalled => self.release_slot(shared),
            Timer::Retry => self.writable(shared),
            Timer::Turn => self.judge_turn(shared),
            Timer::Stuck => self.give_up_if_stuck(shared),
            Timer::Lingering if self.ending || self.phase == Phase::Lingering => self.close(shared),
            Timer::Handshake if matches!(self.transport, Transport::Handshake(_)) => {
                self.close(shared);
            }
            Timer::Lingering | Timer::Handshake => {}
            Timer::Draining => {
                self.protocol.shutdown();
                self.mark(shared);
            }
            Timer::Core | Timer::CoreLater | Timer::CoreMuchLater => {
                self.watch.expired(timer);
                if self
                    .protocol
                    .poll_timeout()
                    .is_some_and(|due| due <= shared.now_ns)
                {
                    self.protocol.handle_timeout(shared.now_ns);
                    if self.protocol.is_dead() {
                        return self.close(shared);
                    }
                    self.note_end(shared);
                    self.mark(shared);
                    if let Transport::Session(session) = &mut self.transport
                        && self.protocol.open_streams() == 0
                    {
                        session.release_keys();
                    }
                }
                self.watch(shared);
            }
        }
    }

    /// Keeps a timer running while the core has a deadline.
    pub(super) fn watch(&mut self, shared: &mut Shared) {
        if self.phase == Phase::Open
            && let Some(due_ns) = self.protocol.poll_timeout()
            && let Some(timer) = self.watch.needs(due_ns, shared.now_ns)
        {
            shared.timers.start(timer, self.key, shared.now_ns);
        }
    }

    /// Whether anything may still be answered: nothing is looked for, coded or hashed for one that is ending.
    pub(super) fn answers(&self) -> bool {
        self.phase == Phase::Open && !self.abandoned
    }

    /// Stops after what is in flight.
    pub(super) fn drain(&mut self, shared: &mut Shared) {
        match self.transport {
            _ if self.phase != Phase::Open => {}
            Transport::Handshake(_) => self.close(shared),
            // It is not known what it speaks, so there is nothing that can be said to it.
            _ if self.is_untold() => self.linger(shared),
            _ => {
                self.protocol.shutdown();
                shared
                    .timers
                    .start(Timer::Draining, self.key, shared.now_ns);
                self.mark(shared);
            }
        }
    }

    /// Whether the socket seals what is sent.
    pub(super) fn is_handed_over(&self) -> bool {
        matches!(&self.transport, Transport::Session(session) if session.is_handed_over())
    }

    /// The socket took so many bytes, which wears the write key; whether more may be sent with it.
    pub(super) fn note_key_use(&mut self, bytes: usize, shared: &mut Shared) -> bool {
        let Transport::Session(session) = &mut self.transport else {
            return true;
        };
        if session.is_handed_over() {
            session.note_sealed(bytes);
        }
        let (worn_out, exhausted) = (session.is_worn_out(), session.is_exhausted());
        if worn_out && !self.worn_out {
            self.worn_out = true;
            self.drain(shared);
        }
        !exhausted
    }

    /// Whether it is not known yet which protocol the peer speaks.
    pub(super) fn is_untold(&self) -> bool {
        matches!(self.transport, Transport::Cleartext) && self.first.is_some()
    }

    /// Queues the connection to be flushed at the end of this turn.
    pub(super) fn mark(&mut self, shared: &mut Shared) {
        if !self.dirty {
            self.dirty = true;
            shared.dirty.push(self.key, self.last_slot >= BULK);
        }
    }

    /// Whether a flush would send something.
    pub(super) fn wants_flush(&self) -> bool {
        let control = match &self.transport {
            Transport::Session(session) => session.has_control(),
            _ => false,
        };
        let open = !matches!(self.transport, Transport::Handshake(_)) && !self.is_untold();
        let more = self.protocol.wants_transmit() || !self.listings.is_empty();
        control || !self.raw.is_empty() || (open && !self.abandoned && more)
    }

    /// Everything is sent: ends the connection if it has come to its end.
    pub(super) fn settle(&mut self, shared: &mut Shared) {
        // Who waits for an arena slot has something to say yet.
        if self.phase != Phase::Open || self.outgoing.is_some() || self.starved {
            return;
        }
        if self.abandoned {
            return self.linger(shared);
        }
        // Nothing can be sent, and when no file is being opened and no window will be opened any more, nothing ever can.
        let over = self.is_told_all() && self.opening == 0;
        if !over && !self.protocol.is_done() {
            return;
        }
        if let Transport::Session(session) = &mut self.transport
            && !self.notified
        {
            self.notified = true;
            session.close_notify();
            return self.mark(shared);
        }
        self.linger(shared);
    }

    /// Whether the peer will say nothing more: it has ended its side, or said over TLS that it does.
    pub(super) fn is_told_all(&self) -> bool {
        self.ended
            || matches!(&self.transport, Transport::Session(session) if session.peer_closed())
    }

    fn linger(&mut self, shared: &mut Shared) {
        if self.ended {
            return self.close(shared);
        }
        self.phase = Phase::Lingering;
        // A socket that seals may have records that would be lost by it; close_notify has told the peer.
        if !self.is_handed_over() {
            // A peer that is gone already makes this fail; the receive says so too.
            let _ = shared.ring.shutdown_write(self.socket.as_fd());
        }
        shared
            .timers
            .start(Timer::Lingering, self.key, shared.now_ns);
    }

    /// Ends the connection now: nothing more is sent, and what is in flight is called back.
    pub(super) fn close(&mut self, shared: &mut Shared) {
        if self.phase == Phase::Closing {
            return;
        }
        self.phase = Phase::Closing;
        shared.turns.leave(self.key, &mut self.place);
        // All else ends by itself.
        for waiting in self.receiving.into_iter().chain(self.polling) {
            shared.ring.cancel_one(waiting);
        }
        // What the ring still has comes back later, to a connection that gives it up then.
        if self
            .outgoing
            .as_ref()
            .is_some_and(|outgoing| outgoing.gather.is_some())
        {
            self.drop_outgoing(shared);
        }
    }

    /// What holds between two turns, with so many of its operations in the ring.
    #[cfg(test)]
    pub(super) fn invariants(&self, in_flight: u32) {
        assert_eq!(self.operations, in_flight, "each operation is counted");
        assert!(!self.is_over(), "one that is over is gone");
        let receives = u32::from(self.receiving.is_some());
        assert!(receives > 0 || self.ended || self.phase == Phase::Closing);
        if let Some(outgoing) = &self.outgoing
            && self.phase != Phase::Closing
        {
            let lent = outgoing.gather.is_none();
            assert!(!lent || in_flight > receives, "what is lent comes back");
            assert!(!self.dirty || self.phase == Phase::Open);
        }
    }

    /// Whether nothing of it is left in the ring and it can go.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Closing && self.operations == 0
    }

    /// When the core has failed, its last words have only so long to be taken.
    pub(super) fn note_end(&mut self, shared: &mut Shared) {
        if !self.ending && (self.abandoned || self.protocol.has_failed()) {
            self.ending = true;
            self.protocol.log_failure();
            shared
                .timers
                .start(Timer::Lingering, self.key, shared.now_ns);
        }
    }

    /// Says the last words of the transport, then ends the connection.
    pub(super) fn abandon(&mut self, shared: &mut Shared) {
        self.abandoned = true;
        self.note_end(shared);
        if self.outgoing.is_none() {
            self.mark(shared)
        }
    }

    fn peer_ended(&mut self, shared: &mut Shared) {
        self.ended = true;
        match self.phase {
            // What is known is still sent; then it ends.
            Phase::Open => self.mark(shared),
            Phase::Lingering => self.close(shared),
            Phase::Closing => {}
        }
    }

    fn receive(&mut self, shared: &mut Shared) {
        let receive = shared.ring.recv(self.socket.as_fd(), self.key);
        self.receiving = Some(receive);
        self.operations += 1;
    }

    pub(super) fn poll_writable(&mut self, shared: &mut Shared) {
        let poll = shared.ring.poll_writable(self.socket.as_fd(), self.key);
        self.polling = Some(poll);
        self.operations += 1;
    }
}
