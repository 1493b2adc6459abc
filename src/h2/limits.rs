//! Every limit of the HTTP/2 core, each with the attack it stops.
//!
//! What a peer may do without asking is bounded in two ways: by plain limits (sizes and counts), and by
//! [`Budgets`]: each kind of frame that costs us work and brings none is paid from a budget, which refills with
//! useful work (responses completed, body frames sent) and slowly with time. A peer that overdraws one is told
//! GOAWAY(ENHANCE_YOUR_CALM).

use super::error::ConnectionError;

/// Length of the client's connection preface in bytes (RFC 9113, section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest flow-control window (RFC 9113, section 6.9.1).
pub const MAX_WINDOW: u32 = (1 << 31) - 1;

/// The window of a connection, and of a stream before any SETTINGS, in bytes (RFC 9113, section 6.9.2).
pub const DEFAULT_WINDOW: u32 = 65_535;

/// The smallest and the initial SETTINGS_MAX_FRAME_SIZE in bytes (RFC 9113, section 6.5.2).
pub const MIN_MAX_FRAME_SIZE: u32 = 16_384;

/// The largest SETTINGS_MAX_FRAME_SIZE in bytes (RFC 9113, section 6.5.2).
pub const MAX_MAX_FRAME_SIZE: u32 = (1 << 24) - 1;

/// The largest DATA frame that is sent before it is known how fast the transport takes bytes: a peer that allows
/// 16 MiB could otherwise make a small response wait for one frame of another.
pub const MAX_UNPACED_FRAME: u32 = 65_536;

/// The largest DATA frame while other streams are open, in bytes: larger ones save nothing worth having (9 bytes in
/// 65,536), and those that take turns would take long ones.
pub const MAX_SHARED_FRAME: u32 = 65_536;

/// Nanoseconds that a response waits at most behind the part of another that is already committed to the transport,
/// at the rate that the transport has taken bytes lately. Neither a frame nor a slot is larger than that.
pub const LATENCY_BOUND_NS: u64 = 5_000_000;

/// Wire bytes that a slot may take on a connection with one stream, however slow it is. Below 3.3 MB/s this is more
/// than the latency bound, but there what the transport has buffered decides; less would only cost calls.
pub const LEAST_BURST: usize = 16_384;

/// As [`LEAST_BURST`], while other streams are open, whose responses may be the urgent ones.
pub const LEAST_SHARED_BURST: usize = 4_096;

/// The most that a stream's window for a request body grows to, in bytes: 10 Gbit/s over 13 ms.
pub const RECV_STREAM_WINDOW_MAX: u32 = 16 << 20;

/// The most that a connection's window for request bodies grows to, in bytes: a stream's, and room for others.
pub const RECV_CONNECTION_WINDOW_MAX: u32 = 24 << 20;

/// Bytes by which all connections of a shard together may exceed what each may receive from the start: what windows
/// grow by, and what slow readers hold. Stops: many uploads at once, each with a large window, taking all memory.
pub const SHARED_RECV_BYTES: usize = 64 << 20;

/// Bytes of request bodies that a connection's readers may hold without slowing its other streams, from the start.
pub const HELD_BASE: u32 = 262_144;

/// As [`HELD_BASE`], on top of it and as far as the shared budget goes. Stops: slow readers that hold memory without
/// end.
pub const HELD_MAX: u32 = 16 << 20;

/// DATA bytes that arrive before a PING times the path: a small upload needs no larger window.
pub const BDP_PROBE_AFTER: u32 = 32_768;

/// PINGs in a row that may bring no news before the next one waits.
pub const BDP_PATIENCE: u32 = 4;

/// Nanoseconds that it then waits: doubled each time, from the first to the second. What counts PINGs as a flood is
/// not bothered.
pub const BDP_PROBE_PAUSE_NS: u64 = 50_000_000;
/// See [`BDP_PROBE_PAUSE_NS`].
pub const BDP_PROBE_PAUSE_MAX_NS: u64 = 5_000_000_000;

/// A response whose body has at most this many bytes goes out whole together with its field block, ahead of larger
/// bodies of the same urgency, when the windows allow it.
pub const SMALL_BODY: u64 = 16_384;

/// No body frame smaller than this many bytes is put at the end of a slot that holds something already: a sliver
/// costs the peer as much as a full frame.
pub const MIN_FRAME_AT_END: usize = 1_024;

/// Bytes of one field block as it arrives (HEADERS and its CONTINUATION frames), as a multiple of the advertised
/// SETTINGS_MAX_HEADER_LIST_SIZE. Stops: CONTINUATION floods (CVE-2024-27316); the block is kept until it is
/// complete, since the HPACK state needs all of it.
pub const FIELD_BLOCK_FACTOR: usize = 2;

/// CONTINUATION frames of one field block. Stops: a field block cut into countless empty CONTINUATION frames, which
/// never reaches a limit in bytes. 64 is what a block of 1 MiB needs at the default frame size.
pub const MAX_CONTINUATIONS: u16 = 64;

/// Bytes of a field block that is sent. No frame of another stream may come between its frames (RFC 9113, section 4.3).
/// Stops: one response's fields that keep all others off the wire. A peer's SETTINGS_MAX_HEADER_LIST_SIZE is advice (section
/// 10.5.1) that only the application could heed, which knows what may be left out.
pub const MAX_SENT_BLOCK: usize = 4 << 20;

/// Control frames that wait to be sent. Stops: a peer that asks for answers (PING, SETTINGS, requests to be refused)
/// and does not read them (CVE-2019-9512, CVE-2019-9515).
pub const MAX_QUEUED_CONTROL: usize = 1_024;

/// Priorities kept for streams that do not exist yet (RFC 9218, section 7.1), eight bytes each. Stops: unbounded memory for
/// PRIORITY_UPDATE frames about idle streams. As many as streams may be open by default, which a client may prioritize.
pub const MAX_EARLY_PRIORITIES: usize = 256;

/// Parameters in one SETTINGS frame. Stops: a frame full of window changes, each of which touches every open stream
/// (CVE-2019-9515). The registry has fewer than 20.
pub const MAX_SETTINGS_PER_FRAME: usize = 64;

/// Nanoseconds in which the preface and the first SETTINGS frame must arrive once the transport has taken our SETTINGS.
/// Stops: connections that are opened and say nothing.
pub const PREFACE_TIMEOUT_NS: u64 = 10_000_000_000;

/// Nanoseconds in which our SETTINGS must be acknowledged once the transport has taken them (RFC 9113, section 6.5.3).
pub const SETTINGS_TIMEOUT_NS: u64 = 30_000_000_000;

/// Nanoseconds in which a frame that was begun, or a field block that was begun, must be complete. Stops: slow
/// headers ("Slowloris"), which hold up to a field block of memory each.
pub const INCOMPLETE_TIMEOUT_NS: u64 = 20_000_000_000;

/// Nanoseconds in which the transport must take something of what it has, a stream whose window is shut must get
/// [`MIN_PROGRESS`] bytes on their way, and a connection whose window is shut likewise. Stops: peers that ask for files
/// and never read, each of which holds a file and its share of memory open for ever.
pub const STALL_TIMEOUT_NS: u64 = 300_000_000_000;

/// Nanoseconds that the rest of a request may take whose answer is out, until its sender is told to stop. Stops: uploads
/// that are answered and never end, each of which keeps a stream; what is taken of them is bounded as well.
pub const ANSWERED_TIMEOUT_NS: u64 = 30_000_000_000;

/// The same where the peer waits for 100 (Continue), which it does not get: it may never send the content, now that it
/// has its answer (RFC 9110, section 10.1.1), and wait for the stream's end, as nghttp does. Longer than the second for
/// which curl waits. Not at once: curl 7.88 throws an answer away that comes together with the reset.
pub const EXPECTATION_TIMEOUT_NS: u64 = 2_000_000_000;

/// Nanoseconds between two looks for such streams.
pub const STALL_SWEEP_NS: u64 = 30_000_000_000;

/// Bytes of bodies that count as moving on. Stops: the same with a window that is opened by single bytes.
pub const MIN_PROGRESS: u32 = 1_024;

/// Nanoseconds that an idle peer has to acknowledge that the connection is to end.
pub const IDLE_NOTICE_NS: u64 = 5_000_000_000;

/// Nanoseconds without streams after which an idle connection gives its memory back.
pub const IDLE_TRIM_NS: u64 = 1_000_000_000;

/// A kind of frame that is paid from a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Streams that end by RST_STREAM of either side, and requests that are refused. Stops: rapid reset
    /// (CVE-2023-44487), MadeYouReset (CVE-2025-8671).
    Resets,
    /// PING frames. Stops: PING floods (CVE-2019-9512).
    Pings,
    /// SETTINGS frames. Stops: SETTINGS floods and window churn (CVE-2019-9515).
    Settings,
    /// WINDOW_UPDATE frames. Stops: floods of them. Data that is dribbled out one byte at a time (CVE-2019-9511) pays for its
    /// own: none of it is queued, and what makes no progress ends ([`MIN_PROGRESS`]).
    WindowUpdates,
    /// Frames that carry nothing: DATA without data, PRIORITY, PRIORITY_UPDATE, unknown types, RST_STREAM on closed
    /// streams, trailers. Stops: floods of those (CVE-2019-9513, CVE-2019-9518).
    Idle,
}

/// What a budget holds at most, what a second gives back, what a response or body frame gives back, and the violation.
struct Allowance {
    most: u16,
    per_second: u16,
    per_use: u16,
    violation: ConnectionError,
}

/// In the order of [`Budget`].
const ALLOWANCES: [Allowance; 5] = [
    // A browser that leaves a page resets a hundred streams at once; a person does that every few seconds.
    Allowance {
        most: 400,
        per_second: 20,
        per_use: 1,
        violation: ConnectionError::TooManyResets,
    },
    // Bandwidth probes of clients: one PING for each read of the socket at most.
    Allowance {
        most: 200,
        per_second: 20,
        per_use: 1,
        violation: ConnectionError::TooManyPings,
    },
    Allowance {
        most: 100,
        per_second: 4,
        per_use: 0,
        violation: ConnectionError::TooManySettings,
    },
    // The most covers all streams opening at once; see [`BYTES_PER_UPDATE`] for what bodies earn beside and beyond it.
    Allowance {
        most: 4_000,
        per_second: 200,
        per_use: 8,
        violation: ConnectionError::TooManyWindowUpdates,
    },
    Allowance {
        most: 1_000,
        per_second: 50,
        per_use: 2,
        violation: ConnectionError::TooManyIdleFrames,
    },
];

/// Bytes of bodies sent that earn one WINDOW_UPDATE frame: a peer may open both windows, its stream's and the connection's,
/// with every kilobyte that it reads. To take the frame in costs no more than to send so many bytes.
const BYTES_PER_UPDATE: u32 = 512;

/// Bytes that a body frame counts for at least: a peer that opens its window by little gets as little in a frame.
const LEAST_PER_FRAME: u32 = 8 * BYTES_PER_UPDATE;

/// The budgets of one connection.
#[derive(Clone, Debug)]
pub struct Budgets {
    left: [u16; ALLOWANCES.len()],
    /// Useful work since the last payment, which earned what it is worth when the next is due.
    uses: u16,
    /// Bytes of bodies sent since then, which the peer's windows have to be opened for again.
    sent: u32,
    refilled_ns: u64,
}

impl Budgets {
    /// All budgets full.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        Self {
            left: ALLOWANCES.map(|allowance| allowance.most),
            uses: 0,
            sent: 0,
            refilled_ns: now_ns,
        }
    }

    /// Pays for one frame.
    ///
    /// # Errors
    /// The violation that the budget is there for, when it is spent.
    pub fn spend(&mut self, budget: Budget, now_ns: u64) -> Result<(), ConnectionError> {
        self.pay_in();
        let at = budget as usize;
        if self.left[at] == 0 {
            self.refill(now_ns);
        }
        self.left[at] = self.left[at]
            .checked_sub(1)
            .ok_or(ALLOWANCES[at].violation)?;
        Ok(())
    }

    /// Useful work was done: a response begun, or a body frame sent or received.
    pub fn earn(&mut self) {
        self.uses = self.uses.saturating_add(1);
    }

    /// A body frame of `len` bytes was sent.
    pub fn earn_updates(&mut self, len: u32) {
        self.sent = self.sent.saturating_add(len.max(LEAST_PER_FRAME));
    }

    /// Gives what was earned. Only payments lower a budget, so that all of it at once is as good as each at its time.
    fn pay_in(&mut self) {
        let uses = std::mem::take(&mut self.uses);
        if uses > 0 {
            for (at, allowance) in ALLOWANCES.iter().enumerate() {
                self.give(at, allowance.per_use.saturating_mul(uses));
            }
        }
        let updates = u16::try_from(self.sent / BYTES_PER_UPDATE).unwrap_or(u16::MAX);
        self.sent %= BYTES_PER_UPDATE;
        // Beyond the most: what was sent may all be on its way, and its updates come at once when it is read.
        let left = &mut self.left[Budget::WindowUpdates as usize];
        *left = left.saturating_add(updates);
    }

    fn give(&mut self, at: usize, back: u16) {
        let left = self.left[at];
        self.left[at] = left.max(left.saturating_add(back).min(ALLOWANCES[at].most));
    }

    /// Gives back what whole seconds give.
    fn refill(&mut self, now_ns: u64) {
        let seconds = now_ns.saturating_sub(self.refilled_ns) / 1_000_000_000;
        if seconds > 0 {
            self.refilled_ns += seconds * 1_000_000_000;
            let seconds = u16::try_from(seconds).unwrap_or(u16::MAX);
            for (at, allowance) in ALLOWANCES.iter().enumerate() {
                self.give(at, allowance.per_second.saturating_mul(seconds));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_refills_with_work_and_time() {
        let mut budgets = Budgets::new(0);
        for _ in 0..200 {
            assert_eq!(budgets.spend(Budget::Pings, 0), Ok(()));
        }
        assert_eq!(
            budgets.spend(Budget::Pings, 0),
            Err(ConnectionError::TooManyPings)
        );
        budgets.earn();
        assert_eq!(budgets.spend(Budget::Pings, 0), Ok(()));
        assert_eq!(
            budgets.spend(Budget::Pings, 999_999_999),
            Err(ConnectionError::TooManyPings)
        );
        for _ in 0..20 {
            assert_eq!(budgets.spend(Budget::Pings, 1_000_000_000), Ok(()));
        }
        assert!(budgets.spend(Budget::Pings, 1_999_999_999).is_err());
        assert_eq!(budgets.spend(Budget::Pings, u64::MAX), Ok(()));
    }
}
