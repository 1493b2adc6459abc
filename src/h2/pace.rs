//! How fast the transport takes what we send, and so how much may be committed at a time.
//!
//! What is in a slot goes out before anything that is answered later, however urgent. So the slot, and with it the
//! frame, is bounded by what the transport takes within [`LATENCY_BOUND_NS`] at the rate that was measured: the bytes
//! of the slots over the time in which the transport was full. What it takes at once it takes at the speed of memory,
//! however late that is told: the driver may have had others to see to. A connection that has only little to send, which
//! is taken at once, says nothing about the rate.

use super::limits::{
    LATENCY_BOUND_NS, LEAST_BURST, LEAST_SHARED_BURST, MAX_SHARED_FRAME, MAX_UNPACED_FRAME,
};

/// Time after which a measurement weighs a half, in nanoseconds of being busy: some cycles of a socket buffer that
/// fills at the speed of memory and drains at that of the network.
const MEMORY_NS: f64 = 100_000_000.0;

/// The rate of what is taken at once, in bytes per nanosecond.
const AT_ONCE: usize = 10;

/// Bytes that are no measurement when they are taken within [`QUICK_NS`]: the cost of the call would be measured.
const LITTLE: usize = 16_384;
const QUICK_NS: u64 = 1_000_000;

/// Bounds are rounded down to whole records of TLS and pages of files.
const GRAIN: usize = 16_384;

/// The measurement of one connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes taken lately, and the time they took.
    bytes: f64,
    busy_ns: f64,
    /// Bytes that count as a measurement so far, up to what is enough of them.
    measured: usize,
    /// What is taken within the bound; meaningless before enough is measured.
    bound: usize,
    in_flight: usize,
    /// Since when the transport owes the next of what is in flight.
    since_ns: u64,
    /// Whether the driver says what is taken at all.
    told: bool,
}

impl Pace {
    /// A slot of `len` wire bytes was filled.
    pub(super) fn filled(&mut self, len: usize, now_ns: u64) {
        if self.in_flight == 0 {
            self.since_ns = now_ns;
        }
        self.in_flight += len;
    }

    /// The transport has taken `len` bytes, and had been full before if it was `waited` for; `all` when nothing is left,
    /// also of what was never sent.
    pub(super) fn drained(&mut self, len: usize, all: bool, waited: bool, now_ns: u64) {
        self.told = true;
        let elapsed_ns = if waited {
            now_ns.saturating_sub(self.since_ns).max(1)
        } else {
            (len / AT_ONCE) as u64 + 1
        };
        self.since_ns = now_ns;
        self.in_flight = if all {
            0
        } else {
            self.in_flight.saturating_sub(len)
        };
        // Little at once counts where more was not allowed: else a bound that was low once would be so for ever.
        let limited = !waited && self.measured > 0 && 2 * len >= self.bound;
        if len < LITTLE && elapsed_ns < QUICK_NS && !limited {
            return;
        }
        // Exact enough: neither comes near 2^53.
        let elapsed = elapsed_ns as f64;
        let keep = MEMORY_NS / (MEMORY_NS + elapsed);
        self.bytes = self.bytes.mul_add(keep, len as f64);
        self.busy_ns = self.busy_ns.mul_add(keep, elapsed);
        self.measured = self.measured.saturating_add(len);
        // Never more than was taken lately: a fast start says how large the socket's buffer is, not how fast it drains.
        let most = self.bytes.max(f64::from(MAX_UNPACED_FRAME));
        let bound = (self.bytes / self.busy_ns * LATENCY_BOUND_NS as f64).min(most);
        // The cast saturates.
        let bound = bound as usize;
        self.bound = if bound > GRAIN {
            bound - bound % GRAIN
        } else {
            bound
        };
    }

    /// Wire bytes that may be committed at a time, once the rate is known; `alone` when no other stream is open.
    pub(super) fn bound(&self, alone: bool) -> Option<usize> {
        let least = if alone {
            LEAST_BURST
        } else {
            LEAST_SHARED_BURST
        };
        (self.measured >= MAX_UNPACED_FRAME as usize).then(|| self.bound.max(least))
    }

    /// The largest payload of a DATA frame on a connection whose peer allows `peer_limit`.
    pub(super) fn frame_limit(&self, peer_limit: u32, alone: bool) -> usize {
        let most = if alone {
            usize::MAX
        } else {
            MAX_SHARED_FRAME as usize
        };
        let bound = self
            .bound(alone)
            .unwrap_or(MAX_UNPACED_FRAME as usize)
            .min(most);
        bound.min(peer_limit as usize)
    }

    /// Whether something is on its way through the transport.
    pub(super) fn is_busy(&self) -> bool {
        self.told && self.in_flight > 0
    }

    /// Since when the transport takes nothing although there is something, as far as the driver says.
    pub(super) fn stalled_ns(&self) -> Option<u64> {
        self.is_busy().then_some(self.since_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Sends `slots` slots of `len` bytes, each taken at `rate` bytes per second.
    fn send(pace: &mut Pace, now_ns: &mut u64, slots: usize, len: usize, rate: u64) {
        for _ in 0..slots {
            pace.filled(len, *now_ns);
            *now_ns += len as u64 * SECOND / rate;
            pace.drained(len, true, true, *now_ns);
        }
    }

    #[test]
    fn the_bound_is_what_the_rate_allows() {
        for rate in [4_000_000, 20_000_000, 100_000_000, 1_000_000_000_u64] {
            let (mut pace, mut now) = (Pace::default(), 0);
            assert_eq!(pace.bound(true), None);
            send(&mut pace, &mut now, 4_000, 65_536, rate);
            let allowed = (rate / 200) as usize;
            let bound = pace.bound(true).unwrap_or(0);
            assert!(
                bound <= allowed && bound + GRAIN > allowed,
                "{rate}: {bound}"
            );
            assert_eq!(pace.frame_limit(u32::MAX, true), bound);
            assert_eq!(pace.frame_limit(16_384, true), 16_384);
            assert_eq!(pace.frame_limit(u32::MAX, false), bound.min(65_536));
        }
    }

    #[test]
    fn a_slow_peer_has_a_least() {
        let (mut pace, mut now) = (Pace::default(), 0);
        send(&mut pace, &mut now, 20, 16_384, 10_000);
        assert_eq!(
            (pace.bound(true), pace.bound(false)),
            (Some(LEAST_BURST), Some(LEAST_SHARED_BURST))
        );
    }

    #[test]
    fn a_socket_buffer_is_not_taken_for_the_network() {
        let (mut pace, mut now) = (Pace::default(), 0);
        // 64 KiB at the speed of memory allow no more than 64 KiB.
        send(&mut pace, &mut now, 1, 65_536, 5_000_000_000);
        assert_eq!(pace.bound(true), Some(65_536));
        // A buffer of 2 MiB that then drains at 10 MB/s: after a few cycles the mean counts.
        for _ in 0..10 {
            send(&mut pace, &mut now, 31, 65_536, 5_000_000_000);
            pace.filled(65_536, now);
            now += 200_000_000;
            pace.drained(65_536, true, true, now);
        }
        let bound = pace.bound(true).unwrap_or(0);
        assert!(bound <= 50_000, "{bound}");
    }

    #[test]
    fn small_answers_and_pauses_measure_nothing() {
        let (mut pace, mut now) = (Pace::default(), 0);
        for _ in 0..10_000 {
            send(&mut pace, &mut now, 1, 200, 10_000_000);
            now += SECOND;
        }
        assert_eq!(pace.bound(true), None);
        send(&mut pace, &mut now, 100, 65_536, 1_000_000_000);
        let before = pace.bound(true);
        now += 1_000 * SECOND;
        send(&mut pace, &mut now, 1, 65_536, 1_000_000_000);
        assert!(pace.bound(true) >= before);
    }

    #[test]
    fn a_busy_driver_is_not_taken_for_a_slow_network() {
        let (mut pace, mut now) = (Pace::default(), 0);
        let at_once = |pace: &mut Pace, now: &mut u64, len| {
            pace.filled(len, *now);
            *now += 20_000_000;
            pace.drained(len, true, false, *now);
        };
        for _ in 0..20 {
            at_once(&mut pace, &mut now, 22_000);
        }
        assert!(pace.bound(false) >= Some(65_536), "{:?}", pace.bound(false));
        // A network that was slow for seconds, and is no more.
        send(&mut pace, &mut now, 2_000, 4_000, 1_000_000);
        assert_eq!(pace.bound(false), Some(5_000));
        for _ in 0..2_000 {
            let len = pace.bound(false).unwrap_or(0).min(22_000);
            at_once(&mut pace, &mut now, len);
        }
        assert!(pace.bound(false) >= Some(22_000), "{:?}", pace.bound(false));
    }

    #[test]
    fn a_stall_is_seen_only_when_the_driver_speaks() {
        let mut pace = Pace::default();
        pace.filled(100, 5);
        assert_eq!(pace.stalled_ns(), None);
        pace.drained(60, false, false, 9);
        assert_eq!(pace.stalled_ns(), Some(9));
        pace.drained(1, true, true, 11);
        assert_eq!(pace.stalled_ns(), None);
        assert!(!pace.is_busy());
    }
}
