//! A made-up result, for tests of what is made of results.

use super::latency::{Latency, histogram};
use super::result::*;

/// A run of requests that took `ns` each, some of them ten times that.
pub(super) fn run_result(ns: f64) -> RunResult {
    let mut raw = histogram();
    let mut corrected = histogram();
    for i in 0..20_000u64 {
        let factor = if i % 200 == 0 {
            10.0
        } else {
            1.0 + (i % 100) as f64 / 100.0
        };
        // They grow as needed.
        // They grow as needed.
        let _ = raw.record((ns * factor) as u64);
        let _ = corrected.record((ns * factor * 1.1) as u64);
    }
    let latency = Latencies {
        connect: Latency::from(&raw),
        tls: Latency::default(),
        first_byte: Latency::from(&raw),
        last_byte: Latency::from(&raw),
        corrected: Latency::from(&corrected),
    };
    let requests_per_s = 1e9 / ns;
    let total = Measures {
        elapsed_s: 20_000.0 / requests_per_s,
        requests_per_s,
        body_bytes_per_s: requests_per_s * 1_000.0,
        requests: Requests {
            succeeded: 20_000,
            failed: 0,
            unfinished: 1,
            retried: 0,
        },
        bytes: Bytes {
            body: 20_000_000,
            uploaded: 0,
            received: 21_000_000,
            sent: 1_000_000,
        },
        statuses: [(200, 20_000)].into(),
        errors: Vec::new(),
        latency,
    };
    let sample = |i: u64| Sample {
        succeeded: 1_000 + i * 37 % 100,
        failed: 0,
        body_bytes: 1_000_000 + i * 37_000 % 100_000,
        received_bytes: 1_050_000,
        slowest_ns: (ns * (2.0 + (i % 7) as f64)) as u64,
    };
    RunResult {
        version: RESULT_VERSION,
        ringlane: "0.0.0".to_owned(),
        started_unix_ms: 1_795_664_149_721,
        machine: Machine::default(),
        options: Setup {
            targets: vec![TargetSetup {
                url: "http://127.0.0.1:1/<a>".to_owned(),
                weight: 1,
            }],
            load: LoadSetup::ClosedDuration {
                duration_s: 2.0,
                steps: Vec::new(),
            },
            connections: 1,
            streams: 1,
            cores: vec![0],
            warmup_s: 0.0,
            timeout_s: 30.0,
            protocol: "h2".to_owned(),
            window_bytes: 1 << 20,
            connection_window_bytes: 1 << 20,
            max_frame_size_bytes: 16_384,
            frame_policy: "none".to_owned(),
            tls_resumption: true,
            fields: Vec::new(),
            upload_bytes: 0,
            range: None,
            verify: "none".to_owned(),
        },
        outcome: Outcome::Complete,
        total,
        steps: Vec::new(),
        targets: Vec::new(),
        connections: Connections::default(),
        series: Series {
            interval_s: 0.1,
            samples: (0..20).map(sample).collect(),
        },
        client: Usage::default(),
        server: None,
        mismatches: Vec::new(),
    }
}
