//! The bandwidth-delay product of what we receive, timed by a PING.
//!
//! What arrives from the frame that asks for a PING until its acknowledgement is what the path holds in a round trip, as long as the window
//! does not hold the peer back; when it does, it is about the window, and twice that is a better one. The samples
//! only ever raise the estimate. When several in a row did not, the next PING waits longer, so that a steady upload
//! costs a PING every few seconds.

use super::limits::{BDP_PATIENCE, BDP_PROBE_AFTER, BDP_PROBE_PAUSE_MAX_NS, BDP_PROBE_PAUSE_NS};

/// The estimator of one connection.
#[derive(Debug, Default)]
pub(super) struct Bdp {
    /// Bytes received since the PING was queued, or since the last sample.
    bytes: u32,
    state: Probe,
    /// No PING before this time.
    not_before_ns: u64,
    /// Samples in a row that were no news.
    stale: u32,
    /// From the largest sample.
    estimate: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Probe {
    #[default]
    None,
    Queued,
    InFlight,
}

impl Bdp {
    /// DATA has arrived; whether a PING is to be queued now.
    pub(super) fn received(&mut self, len: u32, now_ns: u64) -> bool {
        self.bytes = self.bytes.saturating_add(len);
        let due = self.state == Probe::None
            && self.bytes >= BDP_PROBE_AFTER
            && now_ns >= self.not_before_ns;
        if due {
            self.state = Probe::Queued;
            // This frame counts: when the window holds the peer back, it and what came with it are all that comes
            // before the acknowledgement.
            self.bytes = len;
        }
        due
    }

    /// The PING was put on the wire.
    pub(super) fn sent(&mut self) {
        self.state = Probe::InFlight;
    }

    /// The PING was acknowledged; `None` when none was in flight, `Some(estimate)` with the estimate in bytes if this
    /// sample has raised it.
    pub(super) fn acknowledged(&mut self, now_ns: u64) -> Option<Option<u32>> {
        if self.state != Probe::InFlight {
            return None;
        }
        self.state = Probe::None;
        let sample = std::mem::take(&mut self.bytes);
        // Half more than was seen: credit comes in halves of a window, and a peer that waits for it sends half
        // a window in a round trip, which is what the estimate was already.
        let raised = sample.saturating_add(sample / 2);
        if raised > self.estimate {
            self.estimate = raised;
            self.stale = 0;
            return Some(Some(raised));
        }
        // A window that has grown takes a round trip or two to be used.
        let doublings = self.stale.checked_sub(BDP_PATIENCE);
        self.stale = self.stale.saturating_add(1);
        let pause_ns = doublings.map_or(0, |doublings| {
            BDP_PROBE_PAUSE_NS
                .saturating_mul(1 << doublings.min(16))
                .min(BDP_PROBE_PAUSE_MAX_NS)
        });
        self.not_before_ns = now_ns.saturating_add(pause_ns);
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_only_raise_and_pauses_grow() {
        let mut bdp = Bdp::default();
        assert_eq!(bdp.acknowledged(0), None);
        assert!(!bdp.received(BDP_PROBE_AFTER - 1, 0));
        assert!(bdp.received(1, 0));
        assert!(!bdp.received(40_000, 0), "one at a time");
        bdp.sent();
        assert!(!bdp.received(59_999, 0));
        assert_eq!(bdp.acknowledged(10), Some(Some(150_000)));
        assert_eq!(bdp.acknowledged(10), None);
        // It was news: the next one goes at once.
        let mut now = 10;
        assert!(bdp.received(BDP_PROBE_AFTER, now));
        for n in 0..20 {
            bdp.sent();
            bdp.received(50_000, now);
            assert_eq!(bdp.acknowledged(now), Some(None));
            if n >= BDP_PATIENCE {
                assert!(!bdp.received(BDP_PROBE_AFTER, now));
                now += BDP_PROBE_PAUSE_MAX_NS;
            }
            assert!(bdp.received(BDP_PROBE_AFTER, now));
        }
        bdp.sent();
        assert_eq!(bdp.acknowledged(now), Some(None));
        assert!(!bdp.received(1 << 20, now + BDP_PROBE_PAUSE_MAX_NS - 1));
    }
}
