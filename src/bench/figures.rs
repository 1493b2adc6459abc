//! The figures by which runs are compared, and what each is made of.

use super::latency::Latency;
use super::result::RunResult;
use super::units;

/// Values that have to lie beyond a percentile for it to be a figure: with fewer it is chance.
const VALUES_BEYOND: f64 = 3.0;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    Higher,
    Lower,
}

impl Better {
    /// Its name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }

    /// By how many percent `now` is worse than `before`: negative when it is better, without end where there was nothing.
    pub(super) fn loss_percent(self, before: f64, now: f64) -> f64 {
        match self {
            _ if before == now => 0.0,
            Self::Higher => (1.0 - now / before) * 100.0,
            Self::Lower => (now / before - 1.0) * 100.0,
        }
    }
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    PerSecond,
    BytesPerSecond,
    Nanoseconds,
    SecondsPerGb,
    Microseconds,
    Bytes,
    Share,
}

impl Unit {
    /// Its name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "1/s",
            Self::BytesPerSecond => "bytes/s",
            Self::Nanoseconds => "ns",
            Self::SecondsPerGb => "s/GB",
            Self::Microseconds => "us",
            Self::Bytes => "bytes",
            Self::Share => "",
        }
    }

    /// A value for people.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => units::count(value),
            Self::BytesPerSecond => units::bytes_per_s(value),
            Self::Nanoseconds => units::time(value as u64),
            Self::SecondsPerGb => units::digits(value),
            Self::Microseconds => units::digits(value) + "us",
            Self::Bytes => units::bytes(value),
            Self::Share => format!("{value:.5}"),
        }
    }
}

/// A figure of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// Its name in results, which ends in the unit where that is a simple one.
    pub(super) name: &'static str,
    /// Its name for people.
    pub(super) label: &'static str,
    pub(super) unit: Unit,
    pub(super) better: Better,
    /// Whether a `--max-loss` that names no figure is for it: only for what chance changes little.
    pub(super) decides: bool,
    get: fn(&RunResult) -> Option<f64>,
}

impl Figure {
    /// Its value in a run: none when it was not measured, or rests on too few values.
    pub(super) fn of(&self, run: &RunResult) -> Option<f64> {
        // No time and no memory are too little to be measured; no throughput is as bad as can be.
        let measured = |value: f64| value > 0.0 || (value == 0.0 && self.better == Better::Higher);
        (self.get)(run).filter(|value| value.is_finite() && measured(*value))
    }

    /// Whether there is nothing to say of these values: nothing failed anywhere, or nothing came anywhere.
    pub(super) fn is_idle(&self, mut values: impl Iterator<Item = f64>) -> bool {
        let idle = if self.name == SUCCEEDED { 1.0 } else { 0.0 };
        values.all(|value| value == idle)
    }
}

const fn figure(
    name: &'static str,
    label: &'static str,
    unit: Unit,
    better: Better,
    decides: bool,
    get: fn(&RunResult) -> Option<f64>,
) -> Figure {
    Figure {
        name,
        label,
        unit,
        better,
        decides,
        get,
    }
}

use Better::{Higher, Lower};
use Unit::{Bytes, BytesPerSecond, Microseconds, Nanoseconds, PerSecond, SecondsPerGb, Share};

/// The name of the share that succeeded.
pub(super) const SUCCEEDED: &str = "succeeded_share";

/// The name of the content that came per second.
pub(super) const CONTENT: &str = "body_bytes_per_s";

/// All figures, in the order in which they are shown.
pub(super) const FIGURES: [Figure; 18] = [
    figure(
        "requests_per_s",
        "requests/s",
        PerSecond,
        Higher,
        true,
        |run| Some(run.total.requests_per_s),
    ),
    figure(CONTENT, "content", BytesPerSecond, Higher, true, |run| {
        Some(run.total.body_bytes_per_s)
    }),
    figure(SUCCEEDED, "succeeded", Share, Higher, true, |run| {
        let requests = run.total.requests;
        let ended = requests.succeeded + requests.failed;
        Some(requests.succeeded as f64 / ended.max(1) as f64)
    }),
    figure(
        "connect_p50_ns",
        "connect p50",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.connect, 50.0),
    ),
    figure("tls_p50_ns", "TLS p50", Nanoseconds, Lower, false, |run| {
        at(&run.total.latency.tls, 50.0)
    }),
    figure(
        "first_byte_p50_ns",
        "first byte p50",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.first_byte, 50.0),
    ),
    figure(
        "first_byte_p99_ns",
        "first byte p99",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.first_byte, 99.0),
    ),
    figure(
        "last_byte_p50_ns",
        "last byte p50, raw",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.last_byte, 50.0),
    ),
    figure(
        "corrected_p50_ns",
        "last byte p50, corrected",
        Nanoseconds,
        Lower,
        true,
        |run| at(&run.total.latency.corrected, 50.0),
    ),
    figure(
        "last_byte_p90_ns",
        "last byte p90, raw",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.last_byte, 90.0),
    ),
    figure(
        "corrected_p90_ns",
        "last byte p90, corrected",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.corrected, 90.0),
    ),
    figure(
        "last_byte_p99_ns",
        "last byte p99, raw",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.last_byte, 99.0),
    ),
    figure(
        "corrected_p99_ns",
        "last byte p99, corrected",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.corrected, 99.0),
    ),
    figure(
        "last_byte_p99_9_ns",
        "last byte p99.9, raw",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.last_byte, 99.9),
    ),
    figure(
        "corrected_p99_9_ns",
        "last byte p99.9, corrected",
        Nanoseconds,
        Lower,
        false,
        |run| at(&run.total.latency.corrected, 99.9),
    ),
    figure(
        "server_cpu_s_per_gb",
        "server CPU s/GB",
        SecondsPerGb,
        Lower,
        true,
        |run| run.server.as_ref()?.cpu_s_per_gb,
    ),
    figure(
        "server_cpu_us_per_request",
        "server CPU per request",
        Microseconds,
        Lower,
        true,
        |run| run.server.as_ref()?.cpu_us_per_request,
    ),
    figure(
        "server_memory_bytes",
        "server memory, most",
        Bytes,
        Lower,
        false,
        |run| Some(run.server.as_ref()?.highest_memory_bytes as f64),
    ),
];

/// A percentile that enough values lie beyond.
fn at(latency: &Latency, percent: f64) -> Option<f64> {
    let beyond = latency.count as f64 * (1.0 - percent / 100.0);
    // Half a value for what the multiplication loses.
    (beyond + 0.5 >= VALUES_BEYOND)
        .then(|| latency.at(percent))
        .flatten()
        .map(|ns| ns as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::latency::histogram;

    #[test]
    fn a_percentile_needs_values_beyond_it() {
        let of = |count: u64| {
            let mut histogram = histogram();
            for ms in 1..=count {
                histogram.record(ms * 1_000_000).unwrap();
            }
            Latency::from(&histogram)
        };
        assert!(at(&of(300), 99.0).is_some() && at(&of(240), 99.0).is_none());
        assert!(at(&of(3_000), 99.9).is_some() && at(&of(300), 99.9).is_none());
        assert!(at(&of(6), 50.0).is_some());
        assert_eq!(at(&Latency::default(), 50.0), None);
    }

    #[test]
    fn losses_are_of_what_there_was() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(Better::Higher.loss_percent(100.0, 90.0), 10.0));
        assert!(near(Better::Lower.loss_percent(100.0, 90.0), -10.0));
        assert!(near(Better::Lower.loss_percent(100.0, 125.0), 25.0));
        assert!(near(Better::Higher.loss_percent(100.0, 0.0), 100.0));
        assert!(near(Better::Higher.loss_percent(0.0, 0.0), 0.0));
        assert_eq!(Better::Higher.loss_percent(0.0, 1.0), f64::NEG_INFINITY);
    }
}
