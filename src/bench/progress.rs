//! What is known while a run is on: for a bar, a line, a picture that moves.

use std::time::Duration;

use hdrhistogram::Histogram;

/// How far a run has come. Given to whoever watches, some five times a second.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Where the run is.
    pub phase: Phase,
    /// Time since the phase began; in a ramp since its first step did.
    pub elapsed: Duration,
    /// How much of the phase is done, 0 to 1, by requests or by time; `None` while connecting.
    pub done: Option<f64>,
    /// Connections that are established now.
    pub connections: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Requests that were due and wait for a free stream now (open model).
    pub waiting: u64,
    /// Since the phase began.
    pub since_start: Counts,
    /// Since the last time that this was told.
    pub since_last: Counts,
    /// How long `since_last` was.
    pub interval: Duration,
    /// Nanoseconds from the start (open model: from when it was due) to the last byte of each success, since the last
    /// time that this was told.
    pub latency: &'a Histogram<u64>,
}

/// What was done in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Content of responses in bytes.
    pub body_bytes: u64,
    /// All that was read from sockets, in bytes.
    pub received_bytes: u64,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connections are made; no request is.
    Connecting,
    /// Load that is not measured.
    Warmup,
    /// Load that is measured: the step of the ramp, from 0, and how many there are (one without a ramp).
    Measuring {
        /// Which step.
        step: usize,
        /// Of how many.
        steps: usize,
    },
}
