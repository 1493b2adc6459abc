//! A result as one table, a line for each figure, after RFC 4180.
//!
//! | column | what stands in it |
//! |---|---|
//! | `target` | the target's name in a comparison; empty for a single run |
//! | `round` | the round of a comparison, from 1; empty for what is said of all; 1 for a single run |
//! | `scope` | `total`; `step` or `target` with its number from 1; `time` for a stretch of the series; `against` |
//! | `at` | a step's connections or rate, a target's URL, the beginning of a stretch in seconds, what is compared with |
//! | `figure` | what was measured |
//! | `unit` | its unit; empty for counts |
//! | `value` | the value |

use super::Report;
use crate::bench::compare::Comparison;
use crate::bench::figures::FIGURES;
use crate::bench::latency::Latency;
use crate::bench::result::{Measures, RunResult};

const HEADER: [&str; 7] = ["target", "round", "scope", "at", "figure", "unit", "value"];

/// The table.
pub(super) fn text(report: &Report<'_>) -> String {
    let mut table = Table {
        writer: csv::Writer::from_writer(Vec::new()),
        target: String::new(),
        round: 1,
    };
    table.put(HEADER);
    match report {
        Report::Run(result, _) => table.run(result),
        Report::Comparison(comparison) => {
            for target in &comparison.targets {
                table.target.clone_from(&target.name);
                for (index, run) in target.runs.iter().enumerate() {
                    table.round = index + 1;
                    table.run(run);
                }
            }
            table.comparison(comparison);
        }
    }
    let bytes = table.writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Table {
    writer: csv::Writer<Vec<u8>>,
    target: String,
    round: usize,
}

/// What a line is about.
#[derive(Clone, Copy)]
struct Scope<'a> {
    scope: &'a str,
    at: &'a str,
}

impl Table {
    fn put(&mut self, line: [&str; 7]) {
        // Writing to memory cannot fail, nor have lines different lengths.
        let _ = self.writer.write_record(line);
    }

    fn line(&mut self, scope: Scope<'_>, figure: &str, unit: &str, value: &dyn ToString) {
        let (round, value) = (self.round.to_string(), value.to_string());
        let target = self.target.clone();
        self.put([&target, &round, scope.scope, scope.at, figure, unit, &value]);
    }

    fn comparison(&mut self, comparison: &Comparison) {
        let first = comparison.targets.first().map_or("", |first| &first.name);
        for compared in &comparison.figures {
            for of in &compared.targets {
                let Some(against) = of.against_first else {
                    continue;
                };
                let figure = |end: &str| format!("{}_{end}", compared.figure);
                let (low, high) = against.interval.unzip();
                let values = [
                    (figure("ratio"), Some(against.ratio)),
                    (figure("ratio_low"), low),
                    (figure("ratio_high"), high),
                    (figure("probability"), Some(against.probability)),
                ];
                for (figure, value) in values {
                    if let Some(value) = value {
                        let value = value.to_string();
                        self.put([&of.name, "", "against", first, &figure, "", &value]);
                    }
                }
            }
        }
    }

    fn run(&mut self, run: &RunResult) {
        let total = Scope {
            scope: "total",
            at: "",
        };
        self.measures(total, &run.total);
        for figure in &FIGURES {
            // The rest is among the measures.
            if figure.name.starts_with("server_")
                && let Some(value) = figure.of(run)
            {
                self.line(total, figure.name, figure.unit.name(), &value);
            }
        }
        for (index, step) in run.steps.iter().enumerate() {
            let at = step.rate.unwrap_or(f64::from(step.connections));
            let (scope, at) = (format!("step {}", index + 1), at.to_string());
            let scope = Scope {
                scope: &scope,
                at: &at,
            };
            self.measures(scope, &step.measures);
        }
        for (index, target) in run
            .targets
            .iter()
            .enumerate()
            .filter(|_| run.targets.len() > 1)
        {
            let scope = format!("target {}", index + 1);
            let scope = Scope {
                scope: &scope,
                at: &target.url,
            };
            self.measures(scope, &target.measures);
        }
        for (index, sample) in run.series.samples.iter().enumerate() {
            let at = format!("{:.3}", index as f64 * run.series.interval_s);
            let scope = Scope {
                scope: "time",
                at: &at,
            };
            self.line(scope, "succeeded", "", &sample.succeeded);
            self.line(scope, "failed", "", &sample.failed);
            self.line(scope, "body_bytes", "bytes", &sample.body_bytes);
            self.line(scope, "received_bytes", "bytes", &sample.received_bytes);
            self.line(scope, "slowest_ns", "ns", &sample.slowest_ns);
        }
    }

    fn measures(&mut self, scope: Scope<'_>, measures: &Measures) {
        self.line(scope, "elapsed_s", "s", &measures.elapsed_s);
        self.line(scope, "succeeded", "", &measures.requests.succeeded);
        self.line(scope, "failed", "", &measures.requests.failed);
        self.line(scope, "unfinished", "", &measures.requests.unfinished);
        self.line(scope, "retried", "", &measures.requests.retried);
        self.line(scope, "requests_per_s", "1/s", &measures.requests_per_s);
        self.line(scope, "body_bytes", "bytes", &measures.bytes.body);
        self.line(
            scope,
            "body_bytes_per_s",
            "bytes/s",
            &measures.body_bytes_per_s,
        );
        self.line(scope, "received_bytes", "bytes", &measures.bytes.received);
        self.line(scope, "sent_bytes", "bytes", &measures.bytes.sent);
        self.line(scope, "uploaded_bytes", "bytes", &measures.bytes.uploaded);
        for error in &measures.errors {
            self.line(scope, &format!("error: {}", error.kind), "", &error.count);
        }
        let latency = &measures.latency;
        for (name, latency) in [
            ("connect", &latency.connect),
            ("tls", &latency.tls),
            ("first_byte", &latency.first_byte),
            ("last_byte", &latency.last_byte),
            ("corrected", &latency.corrected),
        ] {
            self.latency(scope, name, latency);
        }
    }

    fn latency(&mut self, scope: Scope<'_>, name: &str, latency: &Latency) {
        if latency.count == 0 {
            return;
        }
        self.line(scope, &format!("{name}_count"), "", &latency.count);
        self.line(scope, &format!("{name}_min_ns"), "ns", &latency.min_ns);
        self.line(scope, &format!("{name}_mean_ns"), "ns", &latency.mean_ns);
        for percentile in &latency.percentiles {
            let percent = percentile.percent.to_string().replace('.', "_");
            self.line(
                scope,
                &format!("{name}_p{percent}_ns"),
                "ns",
                &percentile.ns,
            );
        }
        self.line(scope, &format!("{name}_max_ns"), "ns", &latency.max_ns);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::compare::Comparison;
    use crate::bench::testing::run_result;

    fn lines(report: &Report<'_>) -> Vec<Vec<String>> {
        let text = text(report);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), &HEADER[..]);
        let records = reader.records();
        records
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn a_run_is_a_table() {
        let run = run_result(1e6);
        let lines = lines(&Report::Run(&run, &[]));
        let value = |scope: &str, at: &str, figure: &str| {
            let is = |line: &&Vec<String>| line[2] == scope && line[3] == at && line[4] == figure;
            let found: Vec<_> = lines.iter().filter(is).collect();
            assert_eq!(found.len(), 1, "{scope} {at} {figure}");
            found[0][6].clone()
        };
        assert_eq!(value("total", "", "succeeded"), "20000");
        assert_eq!(value("total", "", "requests_per_s"), "1000");
        let p99 = run.total.latency.corrected.at(99.0).unwrap();
        assert_eq!(value("total", "", "corrected_p99_ns"), p99.to_string());
        assert_eq!(
            value("time", "0.300", "succeeded"),
            run.series.samples[3].succeeded.to_string()
        );
    }

    #[test]
    fn a_comparison_names_targets_and_rounds() {
        let run = || run_result(1e6);
        let targets = vec![
            ("a,\"b\"".to_owned(), vec![run(), run()]),
            ("c".to_owned(), vec![run(), run()]),
        ];
        let comparison = Comparison::new(targets).unwrap();
        let lines = lines(&Report::Comparison(&comparison));
        let of = |target: &str, round: &str| {
            let is = |line: &&Vec<String>| line[0] == target && line[1] == round;
            lines.iter().filter(is).count()
        };
        assert!(of("a,\"b\"", "1") > 50);
        assert_eq!(of("a,\"b\"", "2"), of("c", "2"));
        let ratio = [
            "c",
            "",
            "against",
            "a,\"b\"",
            "requests_per_s_ratio",
            "",
            "1",
        ];
        assert!(lines.iter().any(|line| line[..] == ratio), "{lines:?}");
    }
}
