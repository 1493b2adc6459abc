//! The shards' counters as lines for people.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::shard::Snapshot;

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    requests: u64,
    dispatches: u64,
    bytes: u64,
    connections: u64,
    accepted: u64,
    leased: usize,
    panics: u64,
}

/// Adds up what the shards report.
#[derive(Debug)]
pub(super) struct Meter {
    started: Instant,
    shards: Vec<Totals>,
    last: Totals,
    last_at: Instant,
    since_last: Option<Histogram<u64>>,
    since_start: Option<Histogram<u64>>,
}

impl Meter {
    /// Counts from `now` for that many shards.
    pub(super) fn new(shards: usize, now: Instant) -> Self {
        Self {
            started: now,
            shards: vec![Totals::default(); shards],
            last: Totals::default(),
            last_at: now,
            since_last: None,
            since_start: None,
        }
    }

    /// Takes in what one shard reported.
    pub(super) fn record(&mut self, snapshot: &Snapshot) {
        let Some(shard) = self.shards.get_mut(snapshot.shard) else {
            return;
        };
        *shard = Totals {
            requests: snapshot.requests,
            dispatches: snapshot.dispatches,
            bytes: snapshot.bytes,
            connections: snapshot.connections,
            accepted: snapshot.accepted,
            leased: snapshot.leased,
            panics: snapshot.panics,
        };
        for sum in [&mut self.since_last, &mut self.since_start] {
            merge(sum, &snapshot.latency);
        }
    }

    /// The line for the time since the last one, which ends here.
    pub(super) fn interval_line(&mut self, now: Instant) -> String {
        let sum = self.sum();
        let line = line(
            now - self.started,
            now - self.last_at,
            sum.requests.saturating_sub(self.last.requests),
            sum.bytes.saturating_sub(self.last.bytes),
            sum.connections,
            self.since_last.as_ref(),
        );
        self.last = sum;
        self.last_at = now;
        self.since_last = None;
        line
    }

    /// The line for all the time from the start.
    pub(super) fn total_line(&self, now: Instant) -> String {
        let sum = self.sum();
        let elapsed = now - self.started;
        let line = line(
            elapsed,
            elapsed,
            sum.requests,
            sum.bytes,
            sum.connections,
            self.since_start.as_ref(),
        );
        format!("total {line}")
    }

    /// A line for each shard: its share of the work, and what it has not given back.
    pub(super) fn shard_lines(&self) -> String {
        let line = |(number, shard): (usize, &Totals)| {
            format!(
                "shard {number}: {} requests, {:.2} dispatches each, {}, {} accepted, {} connections left, leased {} bytes, {} panics\n",
                shard.requests,
                shard.dispatches as f64 / shard.requests.max(1) as f64,
                human_bytes(shard.bytes as f64),
                shard.accepted,
                shard.connections,
                shard.leased,
                shard.panics,
            )
        };
        self.shards.iter().enumerate().map(line).collect()
    }

    fn sum(&self) -> Totals {
        self.shards
            .iter()
            .fold(Totals::default(), |sum, shard| Totals {
                requests: sum.requests + shard.requests,
                dispatches: sum.dispatches + shard.dispatches,
                bytes: sum.bytes + shard.bytes,
                connections: sum.connections + shard.connections,
                accepted: sum.accepted + shard.accepted,
                leased: sum.leased + shard.leased,
                panics: sum.panics + shard.panics,
            })
    }
}

fn merge(sum: &mut Option<Histogram<u64>>, part: &Histogram<u64>) {
    match sum {
        None => {
            let mut first = part.clone();
            first.auto(true);
            *sum = Some(first);
        }
        Some(sum) => {
            if let Err(error) = sum.add(part) {
                tracing::warn!("latencies of a shard are left out of the report: {error}");
            }
        }
    }
}

fn line(
    elapsed: Duration,
    period: Duration,
    requests: u64,
    bytes: u64,
    connections: u64,
    latency: Option<&Histogram<u64>>,
) -> String {
    let seconds = period.as_secs_f64().max(1e-9);
    let latency = match latency {
        Some(latency) if !latency.is_empty() => {
            let at = |quantile| milliseconds(latency.value_at_quantile(quantile));
            format!(
                "latency p50 {} p90 {} p99 {} p99.9 {} max {}",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                milliseconds(latency.max())
            )
        }
        _ => "no latencies".to_owned(),
    };
    format!(
        "{:.1}s  {} req/s  {}/s  {} connections  {latency}",
        elapsed.as_secs_f64(),
        grouped((requests as f64 / seconds).round() as u64),
        human_bytes(bytes as f64 / seconds),
        grouped(connections),
    )
}

/// `45,678`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.2 GB`; decimal units.
fn human_bytes(mut bytes: f64) -> String {
    let mut units = ["B", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if bytes < 999.95 {
            break;
        }
        bytes /= 1000.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{bytes:.0} {unit}")
    } else {
        format!("{bytes:.1} {unit}")
    }
}

/// Nanoseconds as `0.12 ms`: two or three digits that say something.
fn milliseconds(nanoseconds: u64) -> String {
    let ms = nanoseconds as f64 / 1e6;
    let decimals = match ms {
        ms if ms < 0.1 => 3,
        ms if ms < 10.0 => 2,
        ms if ms < 100.0 => 1,
        _ => 0,
    };
    format!("{ms:.decimals$} ms")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn snapshot(shard: usize, requests: u64, bytes: u64, latencies: &[u64]) -> Snapshot {
        let mut latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for &nanoseconds in latencies {
            latency.record(nanoseconds).unwrap();
        }
        Snapshot {
            shard,
            requests,
            dispatches: requests * 2,
            bytes,
            connections: 100,
            accepted: 7,
            latency,
            leased: 0,
            in_flight: 0,
            panics: 0,
        }
    }

    #[test]
    fn intervals_are_differences_and_the_total_is_not() {
        let start = Instant::now();
        let mut meter = Meter::new(2, start);
        meter.record(&snapshot(0, 40_000, 1_000_000_000, &[120_000]));
        meter.record(&snapshot(1, 50_000, 1_400_000_000, &[130_000]));
        let two = start + Duration::from_secs(2);
        let line = meter.interval_line(two);
        assert!(
            line.starts_with("2.0s  45,000 req/s  1.2 GB/s  200 connections  latency p50 0.12 ms"),
            "{line}"
        );
        assert!(line.ends_with("max 0.13 ms"), "{line}");
        meter.record(&snapshot(0, 40_500, 1_000_000_500, &[]));
        let line = meter.interval_line(two + Duration::from_secs(1));
        assert_eq!(
            line,
            "3.0s  500 req/s  500 B/s  200 connections  no latencies"
        );
        assert_eq!(
            meter.shard_lines().lines().next(),
            Some(
                "shard 0: 40500 requests, 2.00 dispatches each, 1.0 GB, 7 accepted, 100 connections left, leased 0 bytes, 0 panics"
            )
        );
        let line = meter.total_line(two + Duration::from_secs(1));
        assert!(line.starts_with("total 3.0s  30,167 req/s"), "{line}");
        assert!(line.contains("p50 0.12 ms"), "{line}");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000), grouped(12_345_678)],
            ["0", "999", "1,000", "12,345,678"]
        );
        assert_eq!(
            [999.0, 1000.0, 999_960.0, 2.5e9].map(human_bytes),
            ["999 B", "1.0 kB", "1.0 MB", "2.5 GB"]
        );
        assert_eq!(
            [12_000, 1_234_000, 12_340_000, 1_234_000_000].map(milliseconds),
            ["0.012 ms", "1.23 ms", "12.3 ms", "1234 ms"]
        );
    }
}
