//! A distribution of latencies, as data.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Significant digits of every histogram.
pub const DIGITS: u8 = 3;

/// The percentiles that are kept ready.
pub const PERCENTILES: [f64; 10] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// A distribution of latencies. All times in nanoseconds, to three significant digits.
///
/// [`Latency::buckets`] is the histogram itself, without loss: any percentile, a merge with another or a chart can be
/// made of it ([`Latency::histogram`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Values.
    pub count: u64,
    /// The least.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: f64,
    /// The standard deviation.
    pub stdev_ns: f64,
    /// The greatest.
    pub max_ns: u64,
    /// [`PERCENTILES`], ascending.
    pub percentiles: Vec<Percentile>,
    /// Every bucket of the histogram that is not empty, ascending: its greatest value in nanoseconds, and how many
    /// values are in it.
    pub buckets: Vec<(u64, u64)>,
}

/// A percentile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// Which, 0 to 100.
    pub percent: f64,
    /// So many percent of the values are at most this.
    pub ns: u64,
}

impl Latency {
    /// The value that `percent` (0 to 100) of the values do not exceed; `None` when there are no values.
    #[must_use]
    pub fn at(&self, percent: f64) -> Option<u64> {
        // What rounding adds is no value more: 99.9 / 100 * 1,000 is a little above 999.
        let exact = percent / 100.0 * self.count as f64 * (1.0 - 4.0 * f64::EPSILON);
        let rank = exact.ceil().max(1.0) as u64;
        let mut below = 0;
        let (ns, _) = self.buckets.iter().find(|(_, count)| {
            below += count;
            below >= rank
        })?;
        Some((*ns).min(self.max_ns))
    }

    /// The histogram that this was made of; empty when the buckets are none that a histogram has.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u64> {
        let mut histogram = histogram();
        for &(ns, count) in &self.buckets {
            // It grows as needed; only an absurd value is refused.
            let _ = histogram.record_n(ns, count);
        }
        histogram
    }
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let bucket = |value: hdrhistogram::iterators::IterationValue<u64>| {
            (value.value_iterated_to(), value.count_at_value())
        };
        let mut latency = Self {
            count: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            stdev_ns: histogram.stdev(),
            max_ns: histogram.max(),
            percentiles: Vec::new(),
            buckets: histogram.iter_recorded().map(bucket).collect(),
        };
        let percentile = |percent| {
            let ns = latency.at(percent)?;
            Some(Percentile { percent, ns })
        };
        latency.percentiles = PERCENTILES.into_iter().filter_map(percentile).collect();
        latency
    }
}

/// A histogram of nanoseconds that grows with what it is given.
#[expect(
    clippy::expect_used,
    reason = "the constructor takes the constant that it is given"
)]
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are allowed")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> Histogram<u64> {
        let mut histogram = histogram();
        for i in 1..=10_000u64 {
            histogram.record(i * i).unwrap();
        }
        histogram
    }

    #[test]
    fn the_buckets_are_the_histogram() {
        let histogram = sample();
        let latency = Latency::from(&histogram);
        let again = latency.histogram();
        assert_eq!(latency.buckets, Latency::from(&again).buckets);
        for percent in [0.0, 0.1, 33.3, 50.0, 99.0, 99.99, 100.0] {
            let direct = histogram.value_at_percentile(percent).min(histogram.max());
            assert_eq!(latency.at(percent), Some(direct), "{percent}");
        }
        assert!(
            latency
                .percentiles
                .iter()
                .all(|p| latency.at(p.percent) == Some(p.ns))
        );
    }

    #[test]
    fn ranks_are_exact_where_there_is_no_rounding() {
        for (count, percent, rank) in [
            (1_000u64, 99.9, 999),
            (3_000, 99.9, 2_997),
            (1_000, 99.0, 990),
            (10_000, 99.99, 9_999),
            (10_001, 99.99, 10_000),
            (1_001, 99.9, 1_000),
            (10, 50.0, 5),
            (10, 0.0, 1),
            (10, 100.0, 10),
        ] {
            // Of the greatest 2,000 values each has a bucket of its own.
            let equal = count.saturating_sub(2_000);
            let mut histogram = histogram();
            histogram.record_n(0, equal).unwrap();
            for value in 1..=count - equal {
                histogram.record(value).unwrap();
            }
            let latency = Latency::from(&histogram);
            let value = rank - equal;
            assert_eq!(latency.at(percent), Some(value), "{percent} of {count}");
        }
    }

    #[test]
    fn an_empty_one_has_no_percentiles() {
        let latency = Latency::from(&histogram());
        assert_eq!(latency, Latency::default());
        assert_eq!(latency.at(50.0), None);
        assert!(latency.histogram().is_empty());
    }
}
