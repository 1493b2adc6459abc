//! What happens when nothing happens: deadlines, each computed from when something last did.
//!
//! None of them is a timer of its own. [`Connection::poll_timeout`] gives the nearest; it mostly moves to later, and
//! costs a few comparisons.

use super::connection::{Closing, Connection};
use super::control::Control;
use super::error::{ConnectionError, ErrorCode};
use super::limits::{
    ANSWERED_TIMEOUT_NS, EXPECTATION_TIMEOUT_NS, IDLE_NOTICE_NS, IDLE_TRIM_NS,
    INCOMPLETE_TIMEOUT_NS, MIN_PROGRESS, PREFACE_TIMEOUT_NS, SETTINGS_TIMEOUT_NS, STALL_SWEEP_NS,
    STALL_TIMEOUT_NS,
};
use super::stream::State;
use super::streams::{Index, Phase};
use crate::slot::Source;

/// When an idle or silent peer is given up. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Nanoseconds without any stream after which the connection is ended in order, by two GOAWAY frames, so that a
    /// request that is on its way is still served. PING frames do not keep it.
    pub idle_ns: Option<u64>,
    /// Whether a silent peer is asked if it is still there.
    pub keepalive: Option<Keepalive>,
}

/// A PING to a peer that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Nanoseconds without a byte from the peer after which it gets a PING.
    pub interval_ns: u64,
    /// Nanoseconds after the transport took that PING, or stopped taking what is before it, without a byte from the peer
    /// after which it is given up for dead.
    pub timeout_ns: u64,
}

/// When things last happened, in nanoseconds.
#[derive(Debug)]
pub(super) struct Clocks {
    /// The last byte from the peer.
    pub(super) received_ns: u64,
    /// The last time that there was a stream, or that something of one was taken by the transport.
    pub(super) busy_ns: u64,
    /// Whether something of a stream may be among what the transport has not taken.
    pub(super) sending: bool,
    /// Since when our SETTINGS are the peer's to answer: since the transport took what they are in, as far as it has.
    settings_ns: u64,
    /// It has taken all of that.
    settings_gone: bool,
    /// The last time that bodies moved on, whichever.
    pub(super) data_ns: u64,
    /// Bytes of bodies since then.
    pub(super) data_moved: u32,
    /// When to look for streams that have come to a halt.
    sweep_ns: u64,
    /// Since when the keepalive PING that is out is the peer's to answer: since it was queued, or the transport took what
    /// is before it or what it is in, as far as it has.
    asked_ns: Option<u64>,
    /// It has taken all of that.
    asked_gone: bool,
    /// Keepalive PINGs without an acknowledgement: a peer that sent something else meanwhile still owes it.
    acks_due: u8,
    /// When the end for idleness began.
    notice_ns: Option<u64>,
}

impl Clocks {
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            received_ns: now_ns,
            busy_ns: now_ns,
            sending: false,
            settings_ns: now_ns,
            settings_gone: false,
            data_ns: now_ns,
            data_moved: 0,
            sweep_ns: now_ns.saturating_add(STALL_SWEEP_NS),
            asked_ns: None,
            asked_gone: false,
            acks_due: 0,
            notice_ns: None,
        }
    }

    /// The peer has said something.
    pub(super) fn received(&mut self, now_ns: u64) {
        self.received_ns = now_ns;
        self.asked_ns = None;
    }

    /// A keepalive PING was acknowledged; whether one was due.
    pub(super) fn acknowledged(&mut self) -> bool {
        let due = self.acks_due > 0;
        self.acks_due = self.acks_due.saturating_sub(1);
        due
    }

    /// The transport has taken something of what was framed; whether that was `all`, and whether a keepalive PING is still
    /// to be framed.
    pub(super) fn drained(&mut self, all: bool, asking: bool, now_ns: u64) {
        // What answers a PING, or is one of ours, is not what a connection is for.
        if self.sending {
            (self.busy_ns, self.sending) = (now_ns, !all);
        }
        if !self.settings_gone {
            (self.settings_ns, self.settings_gone) = (now_ns, all);
        }
        if !self.asked_gone
            && let Some(asked_ns) = &mut self.asked_ns
        {
            (*asked_ns, self.asked_gone) = (now_ns, all && !asking);
        }
    }

    /// A request was answered whose sender waits for 100 (Continue).
    pub(super) fn note_expectation(&mut self, now_ns: u64) {
        let due_ns = now_ns.saturating_add(EXPECTATION_TIMEOUT_NS);
        self.sweep_ns = self.sweep_ns.min(due_ns);
    }

    /// So many bytes of bodies were framed.
    pub(super) fn moved(&mut self, len: u32, now_ns: u64) {
        self.data_moved = self.data_moved.saturating_add(len);
        if self.data_moved >= MIN_PROGRESS {
            self.data_moved = 0;
            self.data_ns = now_ns;
        }
    }
}

impl<F: Source> Connection<F> {
    /// Acts on what was due by `now_ns`.
    pub fn handle_timeout(&mut self, now_ns: u64) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now_ns);
        if !matches!(self.closing, Closing::Failed(..)) {
            let violations = [
                (self.preface_deadline(), ConnectionError::PrefaceTimeout),
                (self.settings_deadline(), ConnectionError::SettingsTimeout),
                (
                    self.incomplete_deadline(),
                    ConnectionError::IncompleteTimeout,
                ),
                (self.drain_deadline(), ConnectionError::Stalled),
                (self.alive_deadline(), ConnectionError::KeepaliveTimeout),
            ];
            let violation = violations
                .into_iter()
                .find(|(deadline, _)| due(*deadline))
                .map(|(_, error)| error);
            if let Some(error) = violation {
                self.fail(error);
            } else {
                self.keep(now_ns);
            }
        }
        if due(self.trim_deadline()) {
            self.streams.trim();
            self.encoder.trim();
            self.early = Vec::new();
            self.ended.shrink_to_fit();
            self.control.shrink_to_fit();
        }
    }

    /// What a connection that is in order does by itself.
    fn keep(&mut self, now_ns: u64) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now_ns);
        if due(self.ask_deadline()) {
            (self.clocks.asked_ns, self.clocks.asked_gone) = (Some(now_ns), false);
            self.clocks.acks_due = self.clocks.acks_due.saturating_add(1);
            self.control.push_back(Control::KeepalivePing);
        }
        if due(self.sweep_deadline()) {
            self.clocks.sweep_ns = now_ns.saturating_add(STALL_SWEEP_NS);
            self.sweep(now_ns);
        }
        if due(self.idle_deadline()) {
            self.clocks.notice_ns = Some(now_ns);
            self.shutdown();
        } else if due(self.notice_deadline()) {
            self.drain();
        }
    }

    /// Ends the responses that have not moved on for [`STALL_TIMEOUT_NS`] although we had bytes for them (those whose
    /// own window is shut, and all when the connection's is), and the requests that go on [`ANSWERED_TIMEOUT_NS`] after
    /// their answer, or [`EXPECTATION_TIMEOUT_NS`] when they wait for 100 (Continue).
    fn sweep(&mut self, now_ns: u64) {
        let over = |since_ns: u64, after_ns| since_ns.saturating_add(after_ns) <= now_ns;
        let shut = self.send_window.available() == 0;
        let data_ns = self.clocks.data_ns;
        for index in 0..self.streams.places() {
            let stream = self.streams.get_mut(index);
            let answered = stream.state == State::HalfClosedLocal;
            let answered_timeout_ns = if stream.expects_continue {
                EXPECTATION_TIMEOUT_NS
            } else {
                ANSWERED_TIMEOUT_NS
            };
            let code = match stream.phase {
                _ if stream.id == 0 => None,
                Phase::Waiting if answered && over(stream.moved_ns, answered_timeout_ns) => {
                    Some(ErrorCode::NO_ERROR)
                }
                Phase::Waiting if answered && stream.expects_continue => {
                    self.clocks.note_expectation(now_ns);
                    None
                }
                Phase::Blocked if over(stream.moved_ns, STALL_TIMEOUT_NS) => {
                    Some(ErrorCode::CANCEL)
                }
                // Until the window was shut it may have waited for others.
                Phase::Body if shut && over(stream.moved_ns.max(data_ns), STALL_TIMEOUT_NS) => {
                    Some(ErrorCode::CANCEL)
                }
                Phase::Dry => {
                    // What waits for the application is no fault of the peer's: its time begins with more bytes.
                    stream.moved_ns = now_ns;
                    None
                }
                _ => None,
            };
            if let Some(code) = code {
                self.reset_stream(index, code);
            }
        }
    }

    /// A response has moved on by `len` bytes, or begun with 0.
    pub(super) fn note_progress(&mut self, index: Index, len: u32) {
        let now_ns = self.active_ns;
        self.clocks.moved(len, now_ns);
        let stream = self.streams.get_mut(index);
        stream.moved = stream.moved.saturating_add(len);
        if len == 0 || stream.moved >= MIN_PROGRESS {
            stream.moved = 0;
            stream.moved_ns = now_ns;
        }
    }

    /// When [`Connection::handle_timeout`] is to be called, if at all. It moves with every call, mostly later: a
    /// timer that fires early and asks again does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        if matches!(self.closing, Closing::Failed(..)) {
            return self.trim_deadline();
        }
        let deadlines = [
            self.preface_deadline(),
            self.settings_deadline(),
            self.incomplete_deadline(),
            self.drain_deadline(),
            self.alive_deadline(),
            self.ask_deadline(),
            self.sweep_deadline(),
            self.idle_deadline(),
            self.notice_deadline(),
            self.trim_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn preface_deadline(&self) -> Option<u64> {
        (!self.settings_received)
            .then(|| self.clocks.settings_ns.saturating_add(PREFACE_TIMEOUT_NS))
    }

    fn settings_deadline(&self) -> Option<u64> {
        (!self.settings_acked).then(|| self.clocks.settings_ns.saturating_add(SETTINGS_TIMEOUT_NS))
    }

    fn incomplete_deadline(&self) -> Option<u64> {
        self.incomplete_ns
            .map(|since| since.saturating_add(INCOMPLETE_TIMEOUT_NS))
    }

    /// The transport must take what it was given.
    fn drain_deadline(&self) -> Option<u64> {
        let since_ns = self.pace.stalled_ns()?;
        Some(since_ns.saturating_add(STALL_TIMEOUT_NS))
    }

    /// A peer that was asked must say something.
    fn alive_deadline(&self) -> Option<u64> {
        let keepalive = self.config.timeouts.keepalive?;
        Some(self.clocks.asked_ns?.saturating_add(keepalive.timeout_ns))
    }

    /// A silent peer is asked.
    fn ask_deadline(&self) -> Option<u64> {
        let keepalive = self.config.timeouts.keepalive?;
        let quiet = self.settings_received && self.clocks.asked_ns.is_none();
        quiet.then(|| {
            self.clocks
                .received_ns
                .saturating_add(keepalive.interval_ns)
        })
    }

    fn sweep_deadline(&self) -> Option<u64> {
        (self.streams.len() > 0).then_some(self.clocks.sweep_ns)
    }

    fn idle_deadline(&self) -> Option<u64> {
        let idle_ns = self.config.timeouts.idle_ns?;
        let idle = self.closing == Closing::No && self.streams.len() == 0 && !self.pace.is_busy();
        (idle && self.settings_received).then(|| self.clocks.busy_ns.saturating_add(idle_ns))
    }

    /// An idle peer that does not acknowledge that the connection is to end.
    fn notice_deadline(&self) -> Option<u64> {
        let since_ns = self.clocks.notice_ns?;
        (self.closing == Closing::Notice).then(|| since_ns.saturating_add(IDLE_NOTICE_NS))
    }

    fn trim_deadline(&self) -> Option<u64> {
        let control = self.control.is_empty() && self.control.capacity() > 0;
        let trimmable = self.streams.is_trimmable() || self.encoder.is_trimmable() || control;
        (trimmable && self.streams.len() == 0).then(|| self.active_ns.saturating_add(IDLE_TRIM_NS))
    }
}
