//! What a connection sends: a slot is leased, filled by the core, prepared, sent, and given back.
//!
//! One slot at a time, one send in flight. A send is never left waiting in the kernel: a full socket answers at once
//! (`MSG_DONTWAIT`), the rest waits for writability, and what it refers to is looked at again before it goes out.

use std::os::fd::AsFd;

use bytes::Bytes;
use rustix::io::Errno;

use super::connection::{Connection, Phase, Transport};
use super::long::{Reader, Times};
use super::page_cache::{self, BegunRead};
use super::prepare;
use super::shared::Shared;
use super::timers::Timer;
use super::turns::Verdict;
use super::unsent::{MAX_UNSENT, MIN_UNSENT};
use super::wire::Cursor;
use super::zero_copy;
use crate::files::FileRef;
use crate::slot::{Layout, Plan, Slot};
use crate::uring::{Gather, Lease};

/// Wire bytes of the first slots of a connection, and of one whose socket was full.
pub(super) const MIN_BURST: usize = 64 << 10;
/// Wire bytes of a slot that is large.
pub(super) const BULK: usize = MIN_BURST / 2;
/// Wire bytes of a slot on a connection that takes them whole.
pub(super) const MAX_BURST: usize = 1 << 20;
/// The same while another connection asks for little: its answers wait for no more than that. It is one packet for the
/// device, which takes 64 KiB with all headers: a few bytes more would be a second one, at nearly the cost of the first.
const CONSIDERATE_BURST: usize = 60 << 10;
/// How long a connection that was answered with little is expected to ask again.
const EXPECTED_FOR_NS: u64 = 20_000_000;
/// Buffer of a gathered slot: frame headers, field blocks and small bodies only.
const GATHERED_SLOT: usize = 64 << 10;
/// Buffer of a placed or sealed slot at most: larger ones cost no less, and tie more of the arena up.
const MAX_FILLED_SLOT: usize = 256 << 10;
/// The same of one that is read although it could be gathered: it is in the cache still when it is copied to the socket.
const MAX_READ_SLOT: usize = 512 << 10;
/// From this many wire bytes on, a send is submitted at once, so that the slot is still in the cache.
const SUBMIT_AT_ONCE: usize = 32 << 10;

/// A filled slot on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Absent while the ring owns it.
    pub(super) gather: Option<Box<Gather>>,
    pub(super) plan: Box<Plan<FileRef>>,
    pub(super) cursor: Cursor,
    /// It is a TLS record of this type, which the socket seals.
    record_type: Option<u8>,
    /// How the ring reads into the holes now.
    pub(super) read: Option<BegunRead>,
    /// Holes that are ready, and bytes of the next one that are.
    pub(super) ready: (usize, usize),
    /// Bytes of the slot that the first send took; it tells how fast the peer drains.
    accepted: usize,
    /// When the socket took something last.
    pub(super) progress_ns: u64,
    /// When the socket was found full.
    pub(super) stalled_ns: Option<u64>,
    /// Bytes of the send that is under way, and whether it is made without a copy.
    sending: (usize, bool),
    /// Of a slot of a long answer that could be read or gathered, until it is first sent.
    times: Option<Times>,
    /// Of one that is read, as long as there is anything left of it.
    reader: Option<Reader>,
}

/// A slot that is to be filled.
struct Next {
    layout: Layout,
    /// Of its buffer.
    bytes: usize,
    /// Wire bytes after which no more body is taken.
    burst: usize,
    /// Of a long answer, it could be read or gathered.
    timed: bool,
    /// When it is read.
    reader: Option<Reader>,
}

/// Reusable parts of [`Outgoing`].
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<(Box<Gather>, Box<Plan<FileRef>>)>);

/// Pairs kept for reuse; more are freed.
const POOLED: usize = 64;

impl Pool {
    fn take(&mut self) -> (Box<Gather>, Box<Plan<FileRef>>) {
        self.0
            .pop()
            .unwrap_or_else(|| (Gather::new(), Box::default()))
    }

    fn put(&mut self, mut gather: Box<Gather>, mut plan: Box<Plan<FileRef>>) {
        gather.clear();
        plan.clear();
        if self.0.len() < POOLED {
            self.0.push((gather, plan));
        }
    }
}

impl Outgoing {
    /// A slot that was just filled, to be sent after `prefix`.
    pub(super) fn new(
        gather: Box<Gather>,
        plan: Box<Plan<FileRef>>,
        prefix: Bytes,
        now_ns: u64,
    ) -> Self {
        let cursor = Cursor::new(prefix, &plan);
        Self {
            gather: Some(gather),
            plan,
            cursor,
            record_type: None,
            read: None,
            ready: (0, 0),
            accepted: 0,
            progress_ns: now_ns,
            stalled_ns: None,
            sending: (0, false),
            times: None,
            reader: None,
        }
    }
}

impl Connection {
    /// Sends what there is to send, if the last send is done.
    pub(super) fn flush(&mut self, shared: &mut Shared) {
        self.dirty = false;
        if self.phase != Phase::Open || self.outgoing.is_some() || self.starved {
            return;
        }
        self.listings
            .retain_mut(|listing| listing.supply(&mut self.protocol));
        self.hand_over(shared);
        let mut record_type = None;
        match &mut self.transport {
            Transport::Session(session) if session.is_handed_over() => {
                if let Some((kind, alert)) = session.take_alert() {
                    record_type = Some(kind);
                    self.raw.extend(alert);
                }
            }
            Transport::Session(session) => session.take_control(&mut self.raw),
            Transport::Cleartext | Transport::Handshake(_) => {}
        }
        let prefix = Bytes::from(std::mem::take(&mut self.raw));
        let next = if record_type.is_some() {
            None
        } else {
            self.next_slot(shared)
        };
        let (mut gather, mut plan) = shared.pool.take();
        let (mut timed, mut reader) = (false, None);
        if let Some(next) = next {
            match lease(shared, next.bytes) {
                Some(mut lease) => {
                    let mut slot = Slot::new(&mut lease, &mut plan, next.layout, next.burst);
                    self.protocol.poll_transmit(shared.now_ns, &mut slot);
                    slot.finish();
                    if plan.wire_len > 0 {
                        gather.set_buffer(lease);
                    }
                    (timed, reader) = (next.timed, next.reader);
                }
                None => {
                    self.starved = true;
                    shared.starved.push_back(self.key);
                }
            }
        }
        if prefix.is_empty() && plan.wire_len == 0 {
            shared.pool.put(gather, plan);
            self.pause(shared);
            return;
        }
        self.last_slot = plan.wire_len;
        self.places = reader.is_none() && plan.holes.iter().any(|hole| !hole.gathered);
        if self.burst == MIN_BURST && self.last_slot < BULK {
            shared.answered_briefly = Some((self.key, shared.now_ns));
        }
        let mut outgoing = Outgoing::new(gather, plan, prefix, shared.now_ns);
        outgoing.record_type = record_type;
        outgoing.times = timed.then(Times::default);
        outgoing.reader = reader;
        self.outgoing = Some(outgoing);
        self.prepare(shared);
    }

    /// The slot that is to be filled next, if the protocol has something to say and may.
    fn next_slot(&mut self, shared: &Shared) -> Option<Next> {
        if self.abandoned || self.is_untold() || !self.protocol.wants_transmit() {
            return None;
        }
        let burst = self.considerate_burst(shared);
        let layout = match &self.transport {
            Transport::Handshake(_) => return None,
            Transport::Session(session) if !session.is_handed_over() => {
                Layout::Sealed(session.layout())
            }
            _ => Layout::Gathered,
        };
        let (timed, reader) = match layout {
            Layout::Gathered => self.reads(burst, shared),
            Layout::Placed | Layout::Sealed(_) => (false, None),
        };
        let (read, filled) = (burst.min(MAX_READ_SLOT), burst.min(MAX_FILLED_SLOT));
        let (layout, bytes, burst) = match layout {
            Layout::Gathered if reader.is_some() => (Layout::Placed, read, read),
            Layout::Gathered if self.places => (Layout::Gathered, filled, burst),
            Layout::Gathered => (Layout::Gathered, GATHERED_SLOT, burst),
            _ => (layout, filled, usize::MAX),
        };
        Some(Next {
            layout,
            bytes,
            burst,
            timed,
            reader,
        })
    }

    /// Wire bytes of the next slot, with those in mind who wait while it is copied.
    fn considerate_burst(&self, shared: &Shared) -> usize {
        if self.has_company(shared) {
            self.burst.min(CONSIDERATE_BURST)
        } else {
            self.burst
        }
    }

    /// Whether the next slot is of a long answer and could be read or gathered, and the right to read it, if it is. Not where
    /// nothing is copied, or is read anyway; nor beside other downloads: those of one file that move through it together, and
    /// so find it in the cache, would part.
    fn reads(&mut self, burst: usize, shared: &Shared) -> (bool, Option<Reader>) {
        let may = matches!(self.transport, Transport::Cleartext)
            && burst >= shared.long.least
            && self.long.is_long(&shared.long)
            && !self.zero_copy.works()
            && !self.places
            && shared.turns.are_few();
        let Some(reader) = may.then(|| shared.reader.another()).flatten() else {
            return (false, None);
        };
        let reads = self.long.reads_next(&shared.gathered);
        (true, reads.then_some(reader))
    }

    /// Whether another connection asks for little.
    fn has_company(&self, shared: &Shared) -> bool {
        shared.answered_briefly.is_some_and(|(other, at_ns)| {
            other != self.key && shared.now_ns < at_ns + EXPECTED_FOR_NS
        })
    }

    /// Goes on with the slot until it is sent or waits for the kernel.
    pub(super) fn prepare(&mut self, shared: &mut Shared) {
        if self.phase == Phase::Closing {
            return self.drop_outgoing(shared);
        }
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        if let Some(times) = &mut outgoing.times {
            times.begun_ns = shared.ring.thread_time_ns();
        }
        let step = prepare::prepare(
            outgoing,
            &mut self.protocol,
            &mut self.transport,
            &mut shared.ring,
            self.key,
            shared.now_ns,
        );
        if let Some(times) = &mut outgoing.times {
            times.ready_ns = shared.ring.thread_time_ns();
        }
        match step {
            prepare::Step::Ready => self.send(shared),
            prepare::Step::Waiting => {
                self.operations += 1;
                if outgoing.times.take().is_some() && outgoing.reader.is_some() {
                    // It is not in memory.
                    self.long.note_read(false);
                }
            }
            prepare::Step::Broken => self.close(shared),
        }
    }

    fn send(&mut self, shared: &mut Shared) {
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        let Some(mut gather) = outgoing.gather.take() else {
            return;
        };
        outgoing.cursor.gather(&outgoing.plan, &mut gather);
        if let Some(kind) = outgoing.record_type {
            gather.set_record_type(kind);
        }
        let bytes = gather.remaining();
        let (socket, key, ring) = (self.socket.as_fd(), self.key, &mut shared.ring);
        let wants = self.zero_copy.wants(bytes, &shared.zero_copy, ring.arena());
        let refused = match wants {
            true => ring.send_zero_copy(socket, gather, key).err(),
            false => Some(gather),
        };
        outgoing.sending = (bytes, refused.is_none());
        match refused {
            Some(gather) => ring.send(socket, gather, key),
            None => self.zero_copy.note_begun(),
        }
        self.operations += 1;
        if bytes >= SUBMIT_AT_ONCE {
            shared.ring.submit();
        }
        if let Some(times) = &mut outgoing.times {
            times.sent_ns = shared.ring.thread_time_ns();
        }
    }

    /// The send came back.
    pub(super) fn sent(
        &mut self,
        shared: &mut Shared,
        gather: Box<Gather>,
        result: Result<usize, Errno>,
    ) {
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        outgoing.gather = Some(gather);
        if self.phase == Phase::Closing {
            return self.drop_outgoing(shared);
        }
        let mut short = false;
        let n = match result {
            Ok(n) => n,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(errno) if outgoing.sending.1 && zero_copy::is_refusal(errno) => {
                self.zero_copy.note_refused();
                return self.prepare(shared);
            }
            // Of the system, not of the socket, which may well be said to have room.
            Err(Errno::NOBUFS | Errno::NOMEM) => {
                short = true;
                0
            }
            // EFAULT: a file shrank under the send, in the middle of a frame, so the wire is out of step. All else:
            // the peer is gone.
            Err(_) => return self.close(shared),
        };
        shared.counters.bytes += n as u64;
        if n > 0 {
            outgoing.progress_ns = shared.now_ns;
        }
        outgoing.cursor.advance(n, &outgoing.plan);
        if let Some(times) = outgoing.times.take()
            && n > 0
        {
            let cost = times.ns_per_mib(outgoing.plan.wire_len, n);
            match &outgoing.reader {
                Some(_) => self.long.note_read(shared.gathered.cost_more(cost)),
                None => shared.gathered.note(cost),
            }
        }
        self.unsent.note_taken(n);
        self.long.note_taken(n);
        if n > 0 {
            shared.turns.note_sent(self.key, &mut self.place, n);
        }
        let (bytes, zero_copy) = outgoing.sending;
        self.zero_copy.note_sent(bytes, n, &shared.zero_copy);
        if zero_copy && n == 0 {
            self.zero_copy.note_untold(&shared.zero_copy);
        }
        if outgoing.stalled_ns.is_none() {
            outgoing.accepted = n;
        }
        let done = outgoing.cursor.is_done(&outgoing.plan);
        if n > 0 {
            let waited = outgoing.stalled_ns.is_some();
            self.protocol.note_drained(n, done, waited, shared.now_ns);
        }
        if !self.note_key_use(n, shared) {
            return self.close(shared);
        }
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        if !done {
            self.stall(shared);
            if short {
                // It has no operation under way: the one that is, if any, is somebody else's.
                shared.coalescing.lone_stall = false;
                return shared.timers.start(Timer::Retry, self.key, shared.now_ns);
            }
            return self.poll_writable(shared);
        }
        let wire_len = outgoing.plan.wire_len;
        if outgoing.stalled_ns.is_some() {
            self.burst = outgoing
                .accepted
                .next_power_of_two()
                .clamp(MIN_BURST, MAX_BURST);
        } else if wire_len >= self.burst / 2 {
            self.burst = (self.burst * 2).min(MAX_BURST);
        }
        page_cache::drop_sent(&outgoing.plan, &mut shared.ring);
        for i in 0..outgoing.plan.ended.len() {
            let started_ns = outgoing.plan.ended[i];
            shared
                .counters
                .latency(shared.now_ns.saturating_sub(started_ns));
        }
        self.drop_outgoing(shared);
        if self.wants_flush() {
            self.mark(shared)
        } else {
            self.pause(shared)
        }
    }

    /// There is nothing to send now, or nothing that may be.
    fn pause(&mut self, shared: &mut Shared) {
        shared.turns.leave(self.key, &mut self.place);
        self.long.note_pause();
        self.settle(shared);
    }

    /// The socket is full: what is left waits until it takes more.
    fn stall(&mut self, shared: &mut Shared) {
        let clear = matches!(self.transport, Transport::Cleartext);
        let alone = self.long.is_long(&shared.long) && shared.turns.are_few();
        let close = clear && self.near;
        let company = self.has_company(shared);
        shared.coalescing.lone_stall = close && alone && !company;
        let most = if (close && !alone) || company {
            MIN_UNSENT
        } else {
            MAX_UNSENT
        };
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        shared.turns.join(self.key, &mut self.place);
        prepare::secure_begun_frame(outgoing, &shared.ring);
        if outgoing.stalled_ns.is_none() {
            outgoing.stalled_ns = Some(shared.now_ns);
        }
        if !self.stall_watched {
            self.stall_watched = true;
            shared.timers.start(Timer::Stalled, self.key, shared.now_ns);
        }
        if let Some(limit) = self.unsent.note_full(most, shared.now_ns) {
            // One that is no TCP socket does without.
            let _ = shared.ring.limit_unsent(self.socket.as_fd(), limit);
        }
    }

    /// The socket takes more.
    pub(super) fn writable(&mut self, shared: &mut Shared) {
        if self.phase == Phase::Closing {
            return self.drop_outgoing(shared);
        }
        if shared.turns.waits(self.key, &self.place, shared.now_ns) {
            return shared.timers.start(Timer::Turn, self.key, shared.now_ns);
        }
        // What is left is looked at again: its files may have shrunk meanwhile.
        self.prepare(shared);
    }

    /// It has waited for others: goes on with that or with its slot.
    pub(super) fn judge_turn(&mut self, shared: &mut Shared) {
        let verdict = (shared.turns).judge(self.key, &mut self.place, shared.now_ns);
        if verdict == Verdict::Over {
            return;
        }
        if let Some(outgoing) = &mut self.outgoing {
            // It is not its peer that takes nothing.
            outgoing.progress_ns = shared.now_ns;
        }
        if verdict == Verdict::Wait {
            shared.timers.start(Timer::Turn, self.key, shared.now_ns);
        } else {
            self.prepare(shared);
        }
    }

    /// A peer that has taken too long over a slot gives it back and waits with a copy of the rest.
    pub(super) fn release_slot(&mut self, shared: &mut Shared) {
        self.stall_watched = false;
        let Some(outgoing) = &mut self.outgoing else {
            return;
        };
        let (Some(stalled_ns), Some(gather)) = (outgoing.stalled_ns, &mut outgoing.gather) else {
            return;
        };
        if shared.now_ns < stalled_ns + Timer::Stalled.after_ns() {
            // The timer was started for a slot that is sent; this one's time is not over.
            self.stall_watched = true;
            shared.timers.start(Timer::Stalled, self.key, shared.now_ns);
            return;
        }
        if let Some(lease) = gather.take_buffer() {
            let rest = outgoing.cursor.rest(&mut outgoing.plan);
            gather.set_buffer(lease.into_heap(rest, 0));
        }
        if !self.stuck_watched {
            self.stuck_watched = true;
            shared.timers.start(Timer::Stuck, self.key, shared.now_ns);
        }
    }

    /// A peer that has taken nothing for as long as that is gone, whatever its socket says.
    pub(super) fn give_up_if_stuck(&mut self, shared: &mut Shared) {
        self.stuck_watched = false;
        let Some(outgoing) = &self.outgoing else {
            return;
        };
        if outgoing.stalled_ns.is_none() {
            return;
        }
        if shared.now_ns >= outgoing.progress_ns + Timer::Stuck.after_ns() {
            return self.close(shared);
        }
        self.stuck_watched = true;
        shared.timers.start(Timer::Stuck, self.key, shared.now_ns);
    }

    /// Gives everything back.
    pub(super) fn drop_outgoing(&mut self, shared: &mut Shared) {
        let Some(outgoing) = self.outgoing.take() else {
            return;
        };
        // Should the ring still have the gather, it comes back to a connection that wants it no more.
        if let Some(gather) = outgoing.gather {
            shared.pool.put(gather, outgoing.plan);
        }
    }
}

/// Leases a slot of `bytes`, or a smaller one when there is none.
fn lease(shared: &mut Shared, bytes: usize) -> Option<Lease> {
    let arena = shared.ring.arena();
    let mut bytes = bytes;
    loop {
        if let Some(lease) = arena.lease(bytes) {
            return Some(lease);
        }
        if bytes <= 16 << 10 {
            return None;
        }
        bytes /= 4;
    }
}
