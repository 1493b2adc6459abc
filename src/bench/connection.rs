//! One connection: how it comes about, what is spoken on it, how it ends.
//!
//! Connect, shake hands where TLS is spoken, then requests and responses: [`input`](super::input) has what comes,
//! [`output`](super::output) what goes. It ends when the server ends it, when the protocol is violated, when nothing
//! comes for too long, or when it is not needed any more ([`ending`](super::ending)); what was in flight fails then, but for
//! what the server says that it has not processed: that is made again.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::exchange::Exchange;
use super::feed::Job;
use super::h1::H1Connection;
use super::options::Protocol;
use super::result::ErrorKind;
use super::worker::Shared;
use crate::h2::ErrorCode;
use crate::h2::client::{ClientConnection, RequestError, StreamMap};
use crate::transport::tls::{Handshake, Session};
use crate::uring::{Event, Gather, Owner, UserData};

/// Where a connection is in its life.
pub(super) enum Phase {
    Connecting,
    Handshake(Box<Handshake>),
    Open,
    /// Waiting for operations to come back.
    Closing,
}

/// How far a connection has come, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Open,
    /// It takes no more requests, and what is in flight on it may take long.
    Draining,
    Closing,
}

/// What is spoken.
pub(super) enum Spoken {
    /// It is not known yet.
    Nothing,
    H2(Box<H2Side>),
    H1(Box<H1Side>),
}

/// HTTP/2 and the requests in flight.
pub(super) struct H2Side {
    pub(super) core: ClientConnection,
    pub(super) exchanges: StreamMap<Exchange>,
    /// The code of the server's GOAWAY.
    pub(super) goaway: Option<ErrorCode>,
    /// Whether a response ever came.
    pub(super) answered: bool,
}

/// HTTP/1.1 and the request in flight.
pub(super) struct H1Side {
    pub(super) core: H1Connection,
    pub(super) exchange: Option<Exchange>,
    /// Requests made.
    pub(super) made: u32,
    /// Whether a response ever came.
    pub(super) answered: bool,
}

/// What the ring does for a connection's receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    Nothing,
    /// Every buffer that comes.
    Multi(UserData),
    /// The same, and it is called back.
    Cancelling,
    /// A few bytes, once.
    Once,
    /// Throwing content away.
    Discard,
}

/// A connection to the server.
pub(super) struct Connection {
    pub(super) key: Owner,
    /// Which one in this run.
    pub(super) number: u64,
    pub(super) socket: OwnedFd,
    pub(super) phase: Phase,
    pub(super) session: Option<Box<Session>>,
    pub(super) spoken: Spoken,
    /// Bytes that go before any slot: handshake flights, control records.
    pub(super) raw: Vec<u8>,
    /// What is being sent and is not with the ring.
    pub(super) outgoing: Option<Box<Gather>>,
    /// Whether a send, or a wait for room, is under way.
    pub(super) sending: bool,
    pub(super) receiving: Receiving,
    /// Receives in a row that were followed by nothing to throw away.
    pub(super) small: u32,
    /// Operations that the ring has.
    pub(super) operations: u32,
    /// Whether it is in the queue of those that have something to say.
    pub(super) dirty: bool,
    /// Whether it is in the queue of those that take requests.
    listed: bool,
    /// The server takes no more streams than there are.
    pub(super) busy: bool,
    /// It is to end when it is idle.
    pub(super) retiring: bool,
    /// When it was asked for; then, when it was there.
    pub(super) began_ns: u64,
    /// When anything came or went last.
    pub(super) progress_ns: u64,
    /// When anything came last.
    pub(super) heard_ns: u64,
}

impl Connection {
    /// A connection on a socket that is being connected.
    pub(super) fn new(key: Owner, number: u64, socket: OwnedFd, shared: &mut Shared) -> Self {
        let mut connection = Self {
            key,
            number,
            socket,
            phase: Phase::Connecting,
            session: None,
            spoken: Spoken::Nothing,
            raw: Vec::new(),
            outgoing: None,
            sending: false,
            receiving: Receiving::Nothing,
            small: 0,
            operations: 0,
            dirty: false,
            listed: false,
            busy: false,
            retiring: false,
            began_ns: shared.now_ns,
            progress_ns: shared.now_ns,
            heard_ns: shared.now_ns,
        };
        connection.poll_writable(shared);
        connection
    }

    /// An operation has ended.
    pub(super) fn handle(&mut self, event: Event, shared: &mut Shared) {
        match event {
            Event::Received { data, more } => {
                self.operations -= u32::from(!more);
                if !more {
                    self.receiving = Receiving::Nothing;
                }
                self.received(data, shared);
            }
            Event::Discarded { result } => {
                self.operations -= 1;
                self.receiving = Receiving::Nothing;
                self.discarded(result, shared);
            }
            Event::Sent { gather, result } => {
                self.operations -= 1;
                self.sent(gather, result, shared);
            }
            Event::Writable { result } => {
                self.operations -= 1;
                self.sending = false;
                match self.phase {
                    Phase::Connecting => self.connected(shared),
                    Phase::Closing => {}
                    Phase::Handshake(_) | Phase::Open => self.writable(result, shared),
                }
            }
            Event::Accepted { .. }
            | Event::Opened { .. }
            | Event::Populated { .. }
            | Event::Read { .. }
            | Event::Released { .. }
            | Event::Woken { .. } => {}
        }
    }

    /// The system has a connection, or has none.
    fn connected(&mut self, shared: &mut Shared) {
        let outcome = match sockopt::socket_error(&self.socket) {
            Ok(outcome) => outcome,
            Err(errno) => Err(errno),
        };
        // From here on the ring waits, not the caller.
        let outcome = outcome.and_then(|()| rustix::io::ioctl_fionbio(&self.socket, false));
        if let Err(errno) = outcome {
            return self.fail(connect_error(errno), shared);
        }
        let took_ns = shared.now_ns - self.began_ns;
        let _ = shared.recorder.connect.record(took_ns);
        self.began_ns = shared.now_ns;
        self.progress_ns = shared.now_ns;
        self.heard_ns = shared.now_ns;
        let Some(tls) = &shared.tls else {
            let protocol = shared.plan.options.protocols.first().copied();
            self.open(protocol.unwrap_or(Protocol::H2), shared);
            return self.receive(shared);
        };
        match Handshake::connect(Arc::clone(&tls.config), tls.name.clone()) {
            Ok(handshake) => {
                self.phase = Phase::Handshake(Box::new(handshake));
                self.receive(shared);
                // The client's hello.
                self.shake_hands(&mut [], shared);
            }
            Err(error) => self.fail(tls_error(&error), shared),
        }
    }

    /// Begins to speak.
    pub(super) fn open(&mut self, protocol: Protocol, shared: &mut Shared) {
        self.phase = Phase::Open;
        self.spoken = match protocol {
            Protocol::H2 => Spoken::H2(Box::new(H2Side {
                core: ClientConnection::new(shared.h2_config.clone()),
                exchanges: StreamMap::default(),
                goaway: None,
                answered: false,
            })),
            Protocol::Http1 => Spoken::H1(Box::new(H1Side {
                core: H1Connection::new(),
                exchange: None,
                made: 0,
                answered: false,
            })),
        };
        shared.opened(protocol);
        self.mark(shared);
        self.list(shared);
    }

    /// How many requests can be made on it now.
    fn room(&self, shared: &Shared) -> usize {
        if self.is_draining() || self.busy {
            return 0;
        }
        match &self.spoken {
            Spoken::Nothing => 0,
            Spoken::H1(side) => usize::from(side.exchange.is_none() && side.core.is_idle()),
            Spoken::H2(side) => {
                let streams = shared.plan.options.streams as usize;
                streams.saturating_sub(side.exchanges.len())
            }
        }
    }

    /// Enters the queue of those that take requests, if it does.
    pub(super) fn list(&mut self, shared: &mut Shared) {
        if !self.listed && self.room(shared) > 0 {
            self.listed = true;
            shared.available.push_back(self.key);
        }
    }

    /// Its turn in the queue: makes requests, one in an open model, else as many as there is room for.
    pub(super) fn feed(&mut self, shared: &mut Shared) {
        self.listed = false;
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        let room = self.room(shared);
        let most = if shared.feed.is_open() {
            room.min(1)
        } else {
            room
        };
        for _ in 0..most {
            let Some(job) = shared.feed.take(shared.now_ns) else {
                break;
            };
            match self.request(job, shared) {
                Ok(()) => self.mark(shared),
                Err(error) => {
                    shared.feed.give_back(job);
                    self.busy = true;
                    self.retiring |= error == RequestError::Exhausted;
                    if error != RequestError::Busy {
                        self.mark(shared);
                    }
                    return;
                }
            }
        }
        if shared.feed.is_open() {
            self.list(shared);
        }
    }

    fn request(&mut self, job: Job, shared: &mut Shared) -> Result<(), RequestError> {
        let range = shared.requests.next_range(job.target);
        let exchange = Exchange::new(job, range, shared.now_ns);
        match &mut self.spoken {
            Spoken::Nothing => return Err(RequestError::Busy),
            Spoken::H2(side) => {
                let request = shared.requests.h2(job.target, range);
                let stream = side.core.request(request)?;
                side.exchanges.insert(stream, exchange);
            }
            Spoken::H1(side) => {
                let (head, body) = shared.requests.h1(job.target, range);
                side.core.request(head, body);
                side.exchange = Some(exchange);
                side.made += 1;
            }
        }
        shared.in_flight += 1;
        Ok(())
    }

    /// Something has come that may have made room.
    pub(super) fn refresh(&mut self, shared: &mut Shared) {
        self.busy = false;
        self.list(shared);
        if self.wants_flush() {
            self.mark(shared);
        }
        if self.is_done() {
            self.close(shared);
        }
    }

    /// Whether nothing more can or shall come of it.
    pub(super) fn is_done(&self) -> bool {
        match &self.spoken {
            Spoken::Nothing => self.retiring,
            Spoken::H2(side) => side.core.is_done() || (self.retiring && side.exchanges.is_empty()),
            Spoken::H1(side) => side.exchange.is_none() && (side.core.is_over() || self.retiring),
        }
    }

    /// Whether it takes no more requests, as the server or this side wants it.
    fn is_draining(&self) -> bool {
        let goaway = matches!(&self.spoken, Spoken::H2(side) if side.goaway.is_some());
        self.retiring || goaway
    }

    /// Whether a response ever came.
    pub(super) fn has_answered(&self) -> bool {
        match &self.spoken {
            Spoken::Nothing => false,
            Spoken::H2(side) => side.answered,
            Spoken::H1(side) => side.answered,
        }
    }

    /// Whether nothing of it is left in the ring.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closing) && self.operations == 0
    }

    /// How far it has come.
    pub(super) fn stage(&self) -> Stage {
        match self.phase {
            Phase::Connecting | Phase::Handshake(_) => Stage::Connecting,
            Phase::Open if self.is_draining() => Stage::Draining,
            Phase::Open => Stage::Open,
            Phase::Closing => Stage::Closing,
        }
    }

    /// Queues it to be flushed at the end of this turn.
    pub(super) fn mark(&mut self, shared: &mut Shared) {
        if !self.dirty {
            self.dirty = true;
            shared.dirty.push_back(self.key);
        }
    }

    pub(super) fn receive(&mut self, shared: &mut Shared) {
        let receive = shared.ring.recv(self.socket.as_fd(), self.key);
        self.receiving = Receiving::Multi(receive);
        self.operations += 1;
    }

    pub(super) fn receive_once(&mut self, most: u32, shared: &mut Shared) {
        shared.ring.recv_once(self.socket.as_fd(), most, self.key);
        self.receiving = Receiving::Once;
        self.operations += 1;
    }

    pub(super) fn discard(&mut self, len: u32, shared: &mut Shared) {
        shared.ring.discard(self.socket.as_fd(), len, self.key);
        self.receiving = Receiving::Discard;
        self.operations += 1;
    }

    pub(super) fn poll_writable(&mut self, shared: &mut Shared) {
        shared.ring.poll_writable(self.socket.as_fd(), self.key);
        self.sending = true;
        self.operations += 1;
    }

    pub(super) fn send(&mut self, gather: Box<Gather>, shared: &mut Shared) {
        shared.ring.send(self.socket.as_fd(), gather, self.key);
        self.sending = true;
        self.operations += 1;
    }
}

/// Asks the system for a connection: a socket that is being connected.
///
/// # Errors
/// Why there can be none.
pub(super) fn connect(address: std::net::SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match address {
        std::net::SocketAddr::V4(_) => AddressFamily::INET,
        std::net::SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Why there is no connection.
pub(super) fn connect_error(errno: Errno) -> ErrorKind {
    match errno {
        Errno::CONNREFUSED => ErrorKind::ConnectRefused,
        Errno::TIMEDOUT => ErrorKind::ConnectTimeout,
        Errno::MFILE => ErrorKind::Connect {
            reason: format!("{errno}: `ulimit -n` allows no more connections"),
        },
        errno => ErrorKind::Connect {
            reason: errno.to_string(),
        },
    }
}

pub(super) fn tls_error(error: &crate::transport::tls::TlsError) -> ErrorKind {
    ErrorKind::Tls {
        reason: error.to_string(),
    }
}

/// The name of an error code, or its number when it has none.
pub(super) fn code_name(code: ErrorCode) -> String {
    match code.name() {
        "unknown" => format!("{:#x}", code.0),
        name => name.to_owned(),
    }
}
