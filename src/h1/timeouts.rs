//! What happens when nothing happens: deadlines, each computed from when something last did.
//!
//! None of them is a timer of its own. [`Connection::poll_timeout`] gives the nearest; it mostly moves to later, and
//! costs a few comparisons.

use super::connection::{Closing, Connection};
use super::error::ConnectionError;
use super::limits::{
    FIRST_REQUEST_TIMEOUT_NS, IDLE_TRIM_NS, INCOMPLETE_TIMEOUT_NS, MIN_PROGRESS, STALL_TIMEOUT_NS,
};
use super::recv::Reading;
use crate::slot::Source;

/// When an idle peer is given up. Off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Nanoseconds without a request after which the connection is ended.
    pub idle_ns: Option<u64>,
}

/// When things last happened, in nanoseconds.
#[derive(Debug)]
pub(super) struct Clocks {
    /// When the connection began, until its peer says something.
    pub(super) first_ns: Option<u64>,
    /// Since when a head or content is incomplete.
    pub(super) incomplete_ns: Option<u64>,
    /// The last time that there was a request, or that something of an answer was taken by the transport.
    busy_ns: u64,
    /// Bytes that the transport was given and has not taken.
    in_flight: usize,
    /// Since when it owes the next [`MIN_PROGRESS`] of them.
    owed_ns: u64,
    /// Bytes of those that it has taken.
    moved: usize,
    /// Whether the driver says what is taken at all.
    told: bool,
}

impl Clocks {
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            first_ns: Some(now_ns),
            incomplete_ns: None,
            busy_ns: now_ns,
            in_flight: 0,
            owed_ns: now_ns,
            moved: 0,
            told: false,
        }
    }

    /// There is something to do.
    pub(super) fn busy(&mut self, now_ns: u64) {
        self.busy_ns = now_ns;
    }

    /// A slot of `len` wire bytes was filled.
    pub(super) fn filled(&mut self, len: usize, now_ns: u64) {
        if self.in_flight == 0 {
            self.owed_ns = now_ns;
            self.moved = 0;
        }
        self.in_flight += len;
    }

    /// The transport has taken `len` bytes; `all` when nothing is left.
    fn drained(&mut self, len: usize, all: bool, now_ns: u64) {
        self.told = true;
        self.busy_ns = now_ns;
        self.moved += len;
        if self.moved >= MIN_PROGRESS {
            self.moved = 0;
            self.owed_ns = now_ns;
        }
        self.in_flight = if all {
            0
        } else {
            self.in_flight.saturating_sub(len)
        };
    }

    /// Since when the transport takes nothing although there is something, as far as the driver says.
    fn stalled_ns(&self) -> Option<u64> {
        (self.told && self.in_flight > 0).then_some(self.owed_ns)
    }
}

impl<F: Source> Connection<F> {
    /// The transport has taken `len` more bytes of what [`Connection::poll_transmit`] gave; `all` when nothing of it is
    /// left, also of what was dropped instead of being sent. From these the connection knows whether the peer still
    /// reads.
    pub fn note_drained(&mut self, len: usize, all: bool, now_ns: u64) {
        self.clocks.drained(len, all, now_ns);
    }

    /// Acts on what was due by `now_ns`.
    pub fn handle_timeout(&mut self, now_ns: u64) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now_ns);
        if due(self.drain_deadline()) {
            self.die(ConnectionError::Stalled);
        } else if due(self.first_deadline()) {
            // There is nothing that an answer could be to: a client may take it for that to its first request.
            self.fail_silently(ConnectionError::NoRequest);
        } else if due(self.incomplete_deadline()) {
            match self.reading {
                // Half an empty line is no request.
                Reading::Head(_) if self.partial == b"\r" => self.end(),
                Reading::Head(scan) => {
                    let is_head = scan.is_head(&self.partial);
                    self.fail(ConnectionError::HeadTimeout, is_head, now_ns);
                }
                Reading::Content(_) => self.fail_content(ConnectionError::ContentTimeout),
                Reading::Ended => {}
            }
        } else if due(self.idle_deadline()) {
            self.end();
        }
        if due(self.trim_deadline()) {
            self.queue.trim();
        }
        self.invariants();
    }

    /// When [`Connection::handle_timeout`] is to be called, if at all. It moves with every call, mostly later: a
    /// timer that fires early and asks again does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let deadlines = [
            self.drain_deadline(),
            self.first_deadline(),
            self.incomplete_deadline(),
            self.idle_deadline(),
            self.trim_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The transport must take what it was given.
    fn drain_deadline(&self) -> Option<u64> {
        let since_ns = self.clocks.stalled_ns().filter(|_| !self.is_dead())?;
        Some(since_ns.saturating_add(STALL_TIMEOUT_NS))
    }

    fn first_deadline(&self) -> Option<u64> {
        let began_ns = self
            .clocks
            .first_ns
            .filter(|_| self.closing == Closing::No)?;
        Some(began_ns.saturating_add(FIRST_REQUEST_TIMEOUT_NS))
    }

    fn incomplete_deadline(&self) -> Option<u64> {
        Some(
            self.clocks
                .incomplete_ns?
                .saturating_add(INCOMPLETE_TIMEOUT_NS),
        )
    }

    fn idle_deadline(&self) -> Option<u64> {
        let idle_ns = self.config.timeouts.idle_ns?;
        let idle = self.closing == Closing::No
            && self.queue.is_empty()
            && self.clocks.incomplete_ns.is_none()
            && self.clocks.stalled_ns().is_none();
        idle.then(|| self.clocks.busy_ns.saturating_add(idle_ns))
    }

    fn trim_deadline(&self) -> Option<u64> {
        let trimmable = self.queue.is_trimmable();
        trimmable.then(|| self.clocks.busy_ns.saturating_add(IDLE_TRIM_NS))
    }
}
