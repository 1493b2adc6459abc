//! What is measured, and how it is put together.

use super::*;

const JOB: Job = Job {
    target: 0,
    step: Some(0),
    due_ns: 0,
    refusals: 0,
    made_ns: 0,
};
const MS: u64 = 1_000_000;

fn recorder(open: bool) -> Recorder {
    let mut recorder = Recorder::new(1, 1, true, open);
    recorder.tick(Some(0), 0);
    recorder
}

fn near(ns: Option<u64>, ms: u64) -> bool {
    ns.is_some_and(|ns| ns.abs_diff(ms * MS) <= ms * MS / 50)
}

#[test]
fn a_stall_shows_in_the_corrected_latencies_of_a_closed_model() {
    let mut recorder = recorder(false);
    // Nine seconds of one request each 10 ms, then one that takes a second.
    for _ in 0..900 {
        recorder.succeeded(&JOB, MS, 10 * MS, 10 * MS);
    }
    recorder.succeeded(&JOB, MS, 1_000 * MS, 1_000 * MS);
    let latency = recorder.total(10.0).latency;
    assert!(near(latency.last_byte.at(99.0), 10));
    assert_eq!(latency.corrected.count, 900 + 100);
    // Of a thousand, the hundred of the stall are spread evenly from 10 ms to a second.
    assert!(
        near(latency.corrected.at(90.1), 10),
        "{:?}",
        latency.corrected.at(90.1)
    );
    assert!(near(latency.corrected.at(95.0), 500));
    assert!(near(latency.corrected.at(99.0), 900));
}

#[test]
fn a_stall_that_does_not_end_counts_with_its_age() {
    for failure in [None, Some(ErrorKind::Timeout), Some(ErrorKind::Closed)] {
        let failed = u64::from(failure.is_some());
        let mut recorder = recorder(false);
        for _ in 0..900 {
            recorder.succeeded(&JOB, MS, 10 * MS, 10 * MS);
        }
        // And one that is in flight as usual.
        recorder.unfinished(&JOB, 3 * MS);
        match failure {
            Some(error) => recorder.failed(&JOB, error, 1_000 * MS),
            None => recorder.unfinished(&JOB, 1_000 * MS),
        }
        let total = recorder.total(10.0);
        assert_eq!(total.latency.last_byte.count, 900);
        assert_eq!(total.latency.corrected.count, 1_000);
        assert!(near(total.latency.corrected.at(95.0), 500));
        assert_eq!(total.requests.failed, failed);
    }
}

#[test]
fn an_open_model_counts_from_when_requests_were_due() {
    let mut recorder = recorder(true);
    for i in 0..100 {
        recorder.succeeded(&JOB, MS, 10 * MS, (10 + i) * MS);
    }
    recorder.unfinished(&JOB, 5_000 * MS);
    let latency = recorder.total(1.0).latency;
    assert_eq!(
        (latency.last_byte.count, latency.corrected.count),
        (100, 101)
    );
    assert!(near(latency.corrected.at(50.0), 60));
    assert!(near(latency.corrected.at(100.0), 5_000));
}

#[test]
fn what_is_normal_for_one_target_need_not_be_for_another() {
    let mut recorder = Recorder::new(1, 2, true, false);
    recorder.tick(Some(0), 0);
    let large = Job { target: 1, ..JOB };
    for _ in 0..100 {
        recorder.succeeded(&JOB, MS, MS, MS);
        recorder.succeeded(&large, MS, 1_000 * MS, 1_000 * MS);
    }
    let total = recorder.total(1.0);
    assert_eq!(total.latency.corrected.count, 200, "nothing was omitted");
    let (measures, interval_ns) = recorder.target(1, 1.0);
    assert_eq!(measures.requests.succeeded, 100);
    assert!(near(interval_ns, 1_000));
}

#[test]
fn workers_add_up_and_warming_up_does_not_count() {
    let mut sum = recorder(false);
    let mut other = Recorder::new(1, 1, true, false);
    let warm = Job { step: None, ..JOB };
    other.received(100);
    other.succeeded(&warm, MS, MS, MS);
    assert_eq!(other.take_live().counts.succeeded, 1, "but it is told");
    other.tick(Some(0), 3 * SAMPLE_NS + 1);
    other.received(1_000);
    other.body(&JOB, 900);
    other.head(&JOB, 200);
    other.succeeded(&JOB, MS, 2 * MS, 2 * MS);
    other.failed(&JOB, ErrorKind::Status { status: 404 }, MS);
    other.no_connection(ErrorKind::ConnectRefused);
    sum.add(&other);
    sum.add(&other);
    let total = sum.total(1.0);
    assert_eq!((total.bytes.received, total.bytes.body), (2_000, 1_800));
    assert_eq!((total.requests.succeeded, total.requests.failed), (2, 2));
    assert_eq!(total.statuses.get(&200), Some(&2));
    assert_eq!(total.errors[0].count, 2);
    assert_eq!(sum.connections.errors[0].count, 2);
    assert_eq!(sum.samples().len(), 4);
    let sample = sum.samples()[3];
    assert_eq!(
        (sample.succeeded, sample.failed, sample.body_bytes),
        (2, 2, 1_800)
    );
    assert_eq!(
        sum.step(0, 1.0),
        Measures {
            latency: Latencies {
                connect: Default::default(),
                tls: Default::default(),
                ..total.latency.clone()
            },
            ..total
        }
    );
}

#[test]
fn throughput_is_of_the_step_in_which_requests_end() {
    let mut recorder = Recorder::new(2, 1, true, true);
    let second = Job {
        step: Some(1),
        ..JOB
    };
    recorder.tick(Some(0), 0);
    for _ in 0..10 {
        recorder.succeeded(&JOB, MS, MS, MS);
    }
    // Twenty of the first step come too late for it, and all but five of the second for the run.
    recorder.tick(Some(1), 1_000 * MS);
    for _ in 0..20 {
        recorder.succeeded(&JOB, MS, MS, 1_000 * MS);
    }
    for _ in 0..5 {
        recorder.succeeded(&second, MS, MS, 1_000 * MS);
    }
    let steps = [0, 1].map(|step| recorder.step(step, 1.0));
    assert_eq!(
        steps.each_ref().map(|step| step.requests_per_s),
        [10.0, 25.0]
    );
    // Fates and latencies are of the step in which they were due.
    assert_eq!(
        steps.each_ref().map(|step| step.requests.succeeded),
        [30, 5]
    );
    assert_eq!(recorder.total(2.0).requests_per_s, 17.5);
}
