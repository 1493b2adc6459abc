//! What one worker has measured, and the sum of what all have.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::feed::Job;
use super::latency::histogram;
use super::progress::Counts;
use super::result::{
    Bytes, Connections, ErrorCount, ErrorKind, Latencies, MAX_MISMATCHES, Measures, Mismatch,
    Requests, Sample,
};

/// Length of a stretch of the series, in nanoseconds.
pub(super) const SAMPLE_NS: u64 = 100_000_000;

/// What was measured of one target in one step.
#[derive(Debug)]
struct Record {
    requests: Requests,
    body: u64,
    statuses: Vec<(u16, u64)>,
    errors: BTreeMap<ErrorKind, u64>,
    first_byte: Histogram<u64>,
    last_byte: Histogram<u64>,
    /// Last byte from when it was due; in an open model only.
    from_due: Histogram<u64>,
    /// How old were the requests that got no whole response: given up, cut off, or unfinished.
    ages: Histogram<u64>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            requests: Requests::default(),
            body: 0,
            statuses: Vec::new(),
            errors: BTreeMap::new(),
            first_byte: histogram(),
            last_byte: histogram(),
            from_due: histogram(),
            ages: histogram(),
        }
    }
}

impl Record {
    fn add(&mut self, other: &Self) {
        self.requests.succeeded += other.requests.succeeded;
        self.requests.failed += other.requests.failed;
        self.requests.unfinished += other.requests.unfinished;
        self.requests.retried += other.requests.retried;
        self.body += other.body;
        for &(status, count) in &other.statuses {
            count_in(&mut self.statuses, status, count);
        }
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        add(&mut self.first_byte, &other.first_byte);
        add(&mut self.last_byte, &other.last_byte);
        add(&mut self.from_due, &other.from_due);
        add(&mut self.ages, &other.ages);
    }

    /// The interval at which requests are to be expected in a closed model: the median.
    fn expected_interval_ns(&self) -> u64 {
        self.last_byte.value_at_quantile(0.5)
    }

    /// The latencies corrected for coordinated omission: see [`Latencies::corrected`].
    fn corrected(&self, open: bool) -> Histogram<u64> {
        let interval_ns = self.expected_interval_ns();
        let mut ages = histogram();
        for age in self.ages.iter_recorded() {
            if age.value_iterated_to() > interval_ns {
                record_n(&mut ages, age.value_iterated_to(), age.count_at_value());
            }
        }
        if open {
            let mut corrected = self.from_due.clone();
            add(&mut corrected, &ages);
            return corrected;
        }
        let mut corrected = histogram();
        for part in [&self.last_byte, &ages] {
            // It grows as needed.
            let _ = corrected.add_correct(part, interval_ns);
        }
        corrected
    }
}

/// What came and went while a step was on, whatever it was for.
#[derive(Clone, Copy, Debug, Default)]
struct Wire {
    /// Requests that succeeded, whichever step they were due in.
    succeeded: u64,
    uploaded: u64,
    received: u64,
    sent: u64,
}

/// What one worker measures.
#[derive(Debug)]
pub(super) struct Recorder {
    /// By step, then by target.
    records: Vec<Vec<Record>>,
    wire: Vec<Wire>,
    open: bool,
    apart: bool,
    pub(super) connect: Histogram<u64>,
    pub(super) tls: Histogram<u64>,
    pub(super) connections: Connections,
    pub(super) mismatches: Vec<Mismatch>,
    samples: Vec<Sample>,
    /// The step that is on, and the stretch of the series; `None` while warming up.
    on: Option<(usize, usize)>,
    /// Since the beginning of the load, and since it was last told.
    live: Live,
}

/// What is told while a run is on.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) counts: Counts,
    pub(super) latency: Histogram<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            latency: histogram(),
        }
    }
}

impl Recorder {
    /// For so many steps and targets. Targets are kept `apart`, or as one.
    pub(super) fn new(steps: usize, targets: usize, apart: bool, open: bool) -> Self {
        let targets = if apart { targets } else { 1 };
        let step = |_| (0..targets).map(|_| Record::default()).collect();
        Self {
            records: (0..steps).map(step).collect(),
            wire: vec![Wire::default(); steps],
            open,
            apart,
            connect: histogram(),
            tls: histogram(),
            connections: Connections::default(),
            mismatches: Vec::new(),
            samples: Vec::new(),
            on: None,
            live: Live::default(),
        }
    }

    /// Tells the time: so long after the warm-up, in this step.
    pub(super) fn tick(&mut self, step: Option<u32>, since_measure_ns: u64) {
        self.on = step.map(|step| (step as usize, (since_measure_ns / SAMPLE_NS) as usize));
        if let Some((_, sample)) = self.on
            && self.samples.len() <= sample
        {
            self.samples.resize(sample + 1, Sample::default());
        }
    }

    /// What there is to tell since the last time.
    pub(super) fn take_live(&mut self) -> Live {
        std::mem::take(&mut self.live)
    }

    fn record(&mut self, job: &Job) -> Option<&mut Record> {
        let target = if self.apart { job.target as usize } else { 0 };
        self.records
            .get_mut(job.step? as usize)
            .and_then(|step| step.get_mut(target))
    }

    fn sample(&mut self) -> Option<&mut Sample> {
        self.samples.get_mut(self.on?.1)
    }

    /// Bytes came from a socket.
    pub(super) fn received(&mut self, bytes: usize) {
        self.live.counts.received_bytes += bytes as u64;
        if let Some((step, _)) = self.on {
            self.wire[step].received += bytes as u64;
        }
        if let Some(sample) = self.sample() {
            sample.received_bytes += bytes as u64;
        }
    }

    /// A socket took bytes.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some((step, _)) = self.on {
            self.wire[step].sent += bytes as u64;
        }
    }

    /// Content of requests was handed over.
    pub(super) fn uploaded(&mut self, bytes: usize) {
        if let Some((step, _)) = self.on {
            self.wire[step].uploaded += bytes as u64;
        }
    }

    /// Content of a response came.
    pub(super) fn body(&mut self, job: &Job, bytes: usize) {
        self.live.counts.body_bytes += bytes as u64;
        let Some((step, sample)) = self.on else {
            return;
        };
        self.samples[sample].body_bytes += bytes as u64;
        let target = if self.apart { job.target as usize } else { 0 };
        self.records[step][target].body += bytes as u64;
    }

    /// A response's head came, `after_ns` after the request.
    pub(super) fn head(&mut self, job: &Job, status: u16) {
        if let Some(record) = self.record(job) {
            count_in(&mut record.statuses, status, 1);
        }
    }

    /// A request succeeded: nanoseconds from its start to the first and the last byte, and from when it was due.
    pub(super) fn succeeded(&mut self, job: &Job, first_ns: u64, last_ns: u64, due_ns: u64) {
        let open = self.open;
        let shown_ns = if open { due_ns } else { last_ns };
        self.live.counts.succeeded += 1;
        record_n(&mut self.live.latency, shown_ns, 1);
        let Some(record) = self.record(job) else {
            return;
        };
        record.requests.succeeded += 1;
        record_n(&mut record.first_byte, first_ns, 1);
        record_n(&mut record.last_byte, last_ns, 1);
        if open {
            record_n(&mut record.from_due, due_ns, 1);
        }
        if let Some((step, _)) = self.on {
            self.wire[step].succeeded += 1;
        }
        if let Some(sample) = self.sample() {
            sample.succeeded += 1;
            sample.slowest_ns = sample.slowest_ns.max(shown_ns);
        }
    }

    /// A request failed, so old.
    pub(super) fn failed(&mut self, job: &Job, error: ErrorKind, age_ns: u64) {
        self.live.counts.failed += 1;
        let Some(record) = self.record(job) else {
            return;
        };
        record.requests.failed += 1;
        let whole = matches!(
            error,
            ErrorKind::Status { .. } | ErrorKind::RangeIgnored | ErrorKind::Mismatch
        );
        if !whole {
            record_n(&mut record.ages, age_ns, 1);
        }
        *record.errors.entry(error).or_default() += 1;
        if let Some(sample) = self.sample() {
            sample.failed += 1;
        }
    }

    /// A request is to be made again: the server refused it unprocessed.
    pub(super) fn retried(&mut self, job: &Job) {
        if let Some(record) = self.record(job) {
            record.requests.retried += 1;
        }
    }

    /// A request was not over when time was, so old.
    pub(super) fn unfinished(&mut self, job: &Job, age_ns: u64) {
        if let Some(record) = self.record(job) {
            record.requests.unfinished += 1;
            record_n(&mut record.ages, age_ns, 1);
        }
    }

    /// So many requests were never made.
    pub(super) fn never_made(&mut self, requests: u64) {
        if let Some(record) = self.records.first_mut().and_then(|step| step.first_mut()) {
            record.requests.unfinished += requests;
        }
    }

    /// A connection could not be had.
    pub(super) fn no_connection(&mut self, error: ErrorKind) {
        self.connections.failed += 1;
        note(&mut self.connections.errors, error, 1);
    }

    /// A body was not what it should be.
    pub(super) fn mismatch(&mut self, mismatch: impl FnOnce() -> Mismatch) {
        if self.mismatches.len() < MAX_MISMATCHES {
            self.mismatches.push(mismatch());
        }
    }

    /// Adds what another worker has measured.
    pub(super) fn add(&mut self, other: &Self) {
        for (step, others) in self.records.iter_mut().zip(&other.records) {
            for (record, other) in step.iter_mut().zip(others) {
                record.add(other);
            }
        }
        for (wire, other) in self.wire.iter_mut().zip(&other.wire) {
            wire.succeeded += other.succeeded;
            wire.uploaded += other.uploaded;
            wire.received += other.received;
            wire.sent += other.sent;
        }
        add(&mut self.connect, &other.connect);
        add(&mut self.tls, &other.tls);
        add_connections(&mut self.connections, &other.connections);
        let room = MAX_MISMATCHES - self.mismatches.len().min(MAX_MISMATCHES);
        self.mismatches
            .extend(other.mismatches.iter().take(room).cloned());
        let longer = self.samples.len().max(other.samples.len());
        self.samples.resize(longer, Sample::default());
        for (sample, other) in self.samples.iter_mut().zip(&other.samples) {
            sample.succeeded += other.succeeded;
            sample.failed += other.failed;
            sample.body_bytes += other.body_bytes;
            sample.received_bytes += other.received_bytes;
            sample.slowest_ns = sample.slowest_ns.max(other.slowest_ns);
        }
    }

    /// The series.
    pub(super) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Everything, over `elapsed_s`.
    pub(super) fn total(&self, elapsed_s: f64) -> Measures {
        let all = 0..self.records.len();
        let mut total = self.measures(all, None, elapsed_s);
        total.latency.connect = (&self.connect).into();
        total.latency.tls = (&self.tls).into();
        total
    }

    /// One step, which took `elapsed_s`.
    pub(super) fn step(&self, step: usize, elapsed_s: f64) -> Measures {
        self.measures(step..step + 1, None, elapsed_s)
    }

    /// One target, and its expected interval in nanoseconds in a closed model.
    pub(super) fn target(&self, target: usize, elapsed_s: f64) -> (Measures, Option<u64>) {
        let all = 0..self.records.len();
        let mut sum = Record::default();
        for step in &self.records {
            step.get(target).into_iter().for_each(|one| sum.add(one));
        }
        let interval_ns = sum.expected_interval_ns();
        let interval_ns = (!self.open && interval_ns > 0).then_some(interval_ns);
        (self.measures(all, Some(target), elapsed_s), interval_ns)
    }

    /// The sum over steps and targets. Corrections are made for each step and target by itself: what is normal for one
    /// need not be for another.
    fn measures(
        &self,
        steps: std::ops::Range<usize>,
        target: Option<usize>,
        elapsed_s: f64,
    ) -> Measures {
        let mut sum = Record::default();
        let mut corrected = histogram();
        for step in &self.records[steps.clone()] {
            for (index, record) in step.iter().enumerate() {
                if target.is_none_or(|target| target == index) {
                    sum.add(record);
                    add(&mut corrected, &record.corrected(self.open));
                }
            }
        }
        let mut bytes = Bytes {
            body: sum.body,
            ..Bytes::default()
        };
        // Where the server cannot keep up, what a step was due ends in later ones: that is no throughput of it.
        let mut succeeded = sum.requests.succeeded;
        if target.is_none() {
            succeeded = 0;
            for wire in &self.wire[steps] {
                succeeded += wire.succeeded;
                bytes.uploaded += wire.uploaded;
                bytes.received += wire.received;
                bytes.sent += wire.sent;
            }
        }
        let errors = sum.errors.into_iter();
        let per_s = |count: u64| match elapsed_s > 0.0 {
            true => count as f64 / elapsed_s,
            false => 0.0,
        };
        Measures {
            elapsed_s,
            requests_per_s: per_s(succeeded),
            body_bytes_per_s: per_s(sum.body),
            requests: sum.requests,
            bytes,
            statuses: sum.statuses.into_iter().collect(),
            errors: errors
                .map(|(kind, count)| ErrorCount { kind, count })
                .collect(),
            latency: Latencies {
                first_byte: (&sum.first_byte).into(),
                last_byte: (&sum.last_byte).into(),
                corrected: (&corrected).into(),
                ..Latencies::default()
            },
        }
    }
}

fn add_connections(sum: &mut Connections, other: &Connections) {
    sum.opened += other.opened;
    sum.failed += other.failed;
    sum.lost += other.lost;
    sum.resumed += other.resumed;
    for (sums, others) in [
        (&mut sum.protocols, &other.protocols),
        (&mut sum.ciphers, &other.ciphers),
    ] {
        for (name, count) in others {
            *sums.entry(name.clone()).or_default() += count;
        }
    }
    for error in &other.errors {
        note(&mut sum.errors, error.kind.clone(), error.count);
    }
}

fn note(errors: &mut Vec<ErrorCount>, kind: ErrorKind, count: u64) {
    match errors.iter_mut().find(|error| error.kind == kind) {
        Some(error) => error.count += count,
        None => errors.push(ErrorCount { kind, count }),
    }
}

fn count_in(counts: &mut Vec<(u16, u64)>, status: u16, count: u64) {
    match counts.iter_mut().find(|(known, _)| *known == status) {
        Some((_, sum)) => *sum += count,
        None => counts.push((status, count)),
    }
}

/// They grow as needed, so that nothing is refused.
fn add(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    let _ = sum.add(part);
}

fn record_n(histogram: &mut Histogram<u64>, ns: u64, count: u64) {
    let _ = histogram.record_n(ns, count);
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
