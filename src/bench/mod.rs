//! `ringlane bench`: load for any HTTP/1.1 or HTTP/2 server, and honest figures about it.

mod latency;
pub mod progress;
pub mod result;

pub use latency::{DIGITS, Latency, PERCENTILES, Percentile};
