//! What a shard counts: written by it alone.

use hdrhistogram::Histogram;

/// Latencies are kept from a microsecond to a minute, in nanoseconds, at three digits.
const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

/// What a shard has done, as it tells it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Number of the shard.
    pub shard: usize,
    /// Requests answered since the start.
    pub requests: u64,
    /// Completions handed to connections, and to the opening of files for them, since the start: two for each request
    /// on its own whose answer is known at once (what was received, what was sent), fewer for those that come together.
    pub dispatches: u64,
    /// Bytes handed to sockets since the start, all protocol overhead included.
    pub bytes: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Arena slots leased now.
    pub leased: usize,
    /// Operations in flight in the ring now.
    pub in_flight: usize,
    /// Panics caught in connections since the start.
    pub panics: u64,
    /// From a request's field block to its answer's last byte given to the socket, in nanoseconds, since the
    /// snapshot before.
    pub latency: Histogram<u64>,
}

/// The running counters.
pub(super) struct Counters {
    pub(super) requests: u64,
    pub(super) dispatches: u64,
    pub(super) bytes: u64,
    pub(super) accepted: u64,
    pub(super) panics: u64,
    latency: Histogram<u64>,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            requests: 0,
            dispatches: 0,
            bytes: 0,
            accepted: 0,
            panics: 0,
            latency: histogram(),
        }
    }

    pub(super) fn latency(&mut self, ns: u64) {
        self.latency.saturating_record(ns.max(LOWEST_NS));
    }

    /// Everything so far; the latencies begin anew.
    pub(super) fn snapshot(&mut self, shard: usize) -> Snapshot {
        Snapshot {
            shard,
            requests: self.requests,
            dispatches: self.dispatches,
            bytes: self.bytes,
            connections: 0,
            accepted: self.accepted,
            leased: 0,
            in_flight: 0,
            panics: self.panics,
            latency: std::mem::replace(&mut self.latency, histogram()),
        }
    }
}

#[allow(
    clippy::expect_used,
    reason = "the bounds are constants that the constructor takes"
)]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("the bounds are valid")
}
