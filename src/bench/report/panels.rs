//! What the charts of a page show.

use super::chart::{Axis, Chart, Interval, Intervals, Mark};
use crate::bench::compare::{ComparedFigure, Comparison, Verdict, known, ratio};
use crate::bench::latency::{Latency, histogram};
use crate::bench::result::{LoadSetup, Measures, RunResult, Sample};
use crate::bench::units;

/// Points of a line at most: more than a screen has.
const MAX_POINTS: usize = 240;
/// Bars of a histogram.
const BINS: usize = 64;
/// The last stretch of a series is left out when there is less of it than this: its rate would be chance.
const LEAST_STRETCH: f64 = 0.5;

/// A chart with what stands around it.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) note: &'static str,
    pub(super) legend: Vec<Legend>,
    pub(super) svg: String,
}

/// What a colour stands for.
pub(super) struct Legend {
    pub(super) class: String,
    pub(super) text: String,
}

fn legend(class: &str, text: &str) -> Legend {
    Legend {
        class: class.to_owned(),
        text: text.to_owned(),
    }
}

fn time(ns: f64) -> String {
    units::time(ns as u64)
}

fn percent(value: f64) -> String {
    format!(
        "{}%",
        units::digits(value)
            .trim_end_matches('0')
            .trim_end_matches('.')
    )
}

/// The charts of a run.
pub(super) fn run(result: &RunResult) -> Vec<Panel> {
    let mut panels = Vec::new();
    panels.extend(over_time(result));
    let latency = &result.total.latency;
    let lines = [
        ("c0", "last byte, raw", &latency.last_byte),
        ("c1", "last byte, corrected", &latency.corrected),
        ("c2 dashed", "first byte", &latency.first_byte),
    ];
    let lines = lines.map(|(class, text, latency)| (class.to_owned(), text.to_owned(), latency));
    panels.extend(percentiles(&lines));
    panels.extend(distribution(&lines[..2]));
    panels.extend(ramp(result));
    panels
}

/// The charts of a comparison.
pub(super) fn comparison(comparison: &Comparison) -> Vec<Panel> {
    let mut panels = Vec::new();
    for index in 1..comparison.targets.len() {
        panels.extend(ratios(comparison, index));
    }
    for name in [
        "requests_per_s",
        "body_bytes_per_s",
        "corrected_p50_ns",
        "last_byte_p99_ns",
        "corrected_p99_ns",
    ] {
        let figure = comparison
            .figures
            .iter()
            .find(|figure| figure.figure == name);
        panels.extend(figure.and_then(rounds));
    }
    let merged = |part: fn(&Measures) -> &Latency| -> Vec<Latency> {
        let targets = comparison.targets.iter().map(|target| {
            let mut sum = histogram();
            for run in &target.runs {
                // It grows as needed.
                let _ = sum.add(part(&run.total).histogram());
            }
            Latency::from(&sum)
        });
        targets.collect()
    };
    let corrected = merged(|measures| &measures.latency.corrected);
    let raw = merged(|measures| &measures.latency.last_byte);
    let mut lines = Vec::new();
    for (index, target) in comparison.targets.iter().enumerate() {
        let (class, name) = (class(index), &target.name);
        lines.push((
            class.clone(),
            format!("{name}, corrected"),
            &corrected[index],
        ));
        lines.push((
            format!("{class} dashed"),
            format!("{name}, raw"),
            &raw[index],
        ));
    }
    panels.extend(percentiles(&lines));
    let corrected: Vec<_> = lines.into_iter().step_by(2).collect();
    panels.extend(distribution(&corrected));
    panels
}

/// The colour of one of several targets.
fn class(index: usize) -> String {
    format!("c{}", index % 6)
}

/// What came when.
fn over_time(result: &RunResult) -> Vec<Panel> {
    let (interval_s, elapsed_s) = (result.series.interval_s, result.total.elapsed_s);
    let samples = &result.series.samples;
    if samples.is_empty() || interval_s <= 0.0 {
        return Vec::new();
    }
    // Several stretches become one where there are more than can be seen.
    let group = samples.len().div_ceil(MAX_POINTS);
    let mut stretches: Vec<(f64, f64, Sample)> = Vec::new();
    for (index, part) in samples.chunks(group).enumerate() {
        let begin_s = (index * group) as f64 * interval_s;
        let end_s = (begin_s + part.len() as f64 * interval_s).min(elapsed_s);
        let enough = end_s - begin_s >= LEAST_STRETCH * interval_s * group as f64;
        if enough || stretches.is_empty() {
            let length_s = (end_s - begin_s).max(interval_s * 1e-3);
            stretches.push((begin_s, length_s, sum(part)));
        }
    }
    let rate = |get: fn(&Sample) -> u64| -> Vec<(f64, f64)> {
        let point = |(begin_s, length_s, sample): &(f64, f64, Sample)| {
            (begin_s + length_s / 2.0, get(sample) as f64 / length_s)
        };
        stretches.iter().map(point).collect()
    };
    let most = |points: &[(f64, f64)]| points.iter().map(|point| point.1).fold(0.0, f64::max);
    let time_axis = || Axis::time("time since the warm-up", elapsed_s);
    let steps = step_rules(result);
    let (succeeded, failed) = (rate(|s| s.succeeded), rate(|s| s.failed));
    let mut requests = Panel {
        title: "Requests over time".to_owned(),
        note: "Those that ended, per second.",
        legend: Vec::new(),
        svg: String::new(),
    };
    let mut marks = vec![trace("c0", succeeded.clone())];
    if result.total.requests.failed > 0 {
        marks.push(trace("bad", failed.clone()));
        requests.legend = vec![legend("c0", "succeeded"), legend("bad", "failed")];
    }
    marks.extend(steps.iter().cloned());
    requests.svg = Chart {
        description: "Requests per second over time".to_owned(),
        x: time_axis(),
        y: Axis::linear(
            "requests/s",
            most(&succeeded).max(most(&failed)),
            units::count,
        ),
        marks,
    }
    .svg();
    let bytes = rate(|s| s.body_bytes);
    let content = Chart {
        description: "Content in bytes per second over time".to_owned(),
        x: time_axis(),
        y: Axis::linear("content", most(&bytes), units::bytes_per_s),
        marks: [vec![trace("c0", bytes)], steps.clone()].concat(),
    };
    let slowest: Vec<(f64, f64)> = stretches
        .iter()
        .filter(|(_, _, sample)| sample.slowest_ns > 0)
        .map(|(begin_s, length_s, sample)| (begin_s + length_s / 2.0, sample.slowest_ns as f64))
        .collect();
    let least = slowest
        .iter()
        .map(|point| point.1)
        .fold(f64::INFINITY, f64::min);
    let mut panels = vec![
        requests,
        Panel {
            title: "Content over time".to_owned(),
            note: "Bytes of responses without framing and TLS, per second.",
            legend: Vec::new(),
            svg: content.svg(),
        },
    ];
    if !slowest.is_empty() {
        let chart = Chart {
            description: "The slowest request of each stretch of time".to_owned(),
            x: time_axis(),
            y: Axis::log("slowest", least, most(&slowest), time),
            marks: [vec![trace("c1", slowest)], steps].concat(),
        };
        panels.push(Panel {
            title: "Slowest request over time".to_owned(),
            note: match result.options.load {
                LoadSetup::Open { .. } => {
                    "Of those that ended in each stretch, from when they were due."
                }
                _ => "Of those that ended in each stretch, to the last byte.",
            },
            legend: Vec::new(),
            svg: chart.svg(),
        });
    }
    panels
}

/// A line, or a dot where there is but one point.
fn trace(class: &str, points: Vec<(f64, f64)>) -> Mark {
    let class = class.to_owned();
    match points.len() {
        0..3 => Mark::Dots { class, points },
        _ => Mark::Line { class, points },
    }
}

fn sum(samples: &[Sample]) -> Sample {
    samples
        .iter()
        .fold(Sample::default(), |sum, sample| Sample {
            succeeded: sum.succeeded + sample.succeeded,
            failed: sum.failed + sample.failed,
            body_bytes: sum.body_bytes + sample.body_bytes,
            received_bytes: sum.received_bytes + sample.received_bytes,
            slowest_ns: sum.slowest_ns.max(sample.slowest_ns),
        })
}

/// Where the steps of a ramp begin, but for the first.
fn step_rules(result: &RunResult) -> Vec<Mark> {
    let duration_s = match result.options.load {
        LoadSetup::ClosedRequests { .. } => return Vec::new(),
        LoadSetup::ClosedDuration { duration_s, .. } | LoadSetup::Open { duration_s, .. } => {
            duration_s
        }
    };
    let begins = (1..result.steps.len()).map(|step| step as f64 * duration_s);
    let within = begins.filter(|begin_s| *begin_s < result.total.elapsed_s);
    within.map(|x| Mark::Rule { x }).collect()
}

/// Percentiles on an axis on which every nine takes the same room.
fn percentiles(lines: &[(String, String, &Latency)]) -> Option<Panel> {
    let known = || lines.iter().filter(|(_, _, latency)| latency.count > 0);
    let count = known().map(|(_, _, latency)| latency.count).max()?;
    let low = known().map(|(_, _, latency)| latency.min_ns).min()?;
    let high = known().map(|(_, _, latency)| latency.max_ns).max()?;
    let x = Axis::nines("percentile", count);
    let marks = known().map(|(class, _, latency)| Mark::Line {
        class: class.clone(),
        points: points(latency, &x),
    });
    let chart = Chart {
        description: "Latency by percentile".to_owned(),
        y: Axis::log("latency", low as f64, high as f64, time),
        marks: marks.collect(),
        x: x.clone(),
    };
    Some(Panel {
        title: "Latency by percentile".to_owned(),
        note: "So many percent of the requests took at most so long. Every further nine takes the same room.",
        legend: known()
            .map(|(class, text, _)| legend(class, text))
            .collect(),
        svg: chart.svg(),
    })
}

/// Shares of the values with what they do not exceed, no nearer than can be seen.
fn points(latency: &Latency, x: &Axis) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, latency.min_ns as f64)];
    let (mut below, mut last) = (0, 0.0);
    for (index, &(ns, count)) in latency.buckets.iter().enumerate() {
        below += count;
        let share = (below as f64 - 0.5) / latency.count as f64;
        let place = x.at(share);
        if place - last >= 1.0 / MAX_POINTS as f64 || index + 1 == latency.buckets.len() {
            points.push((share, ns.min(latency.max_ns) as f64));
            last = place;
        }
    }
    points
}

/// How many requests took how long: the first as bars, the others as lines.
fn distribution(lines: &[(String, String, &Latency)]) -> Option<Panel> {
    let known = || lines.iter().filter(|(_, _, latency)| latency.count > 0);
    let low = known().map(|(_, _, latency)| latency.min_ns).min()?;
    let high = known().map(|(_, _, latency)| latency.max_ns).max()?;
    let x = Axis::log("latency", low as f64, high as f64, time);
    let shares: Vec<Vec<f64>> = known()
        .map(|(_, _, latency)| {
            let mut bins = vec![0.0; BINS];
            for &(ns, count) in &latency.buckets {
                let bin = (x.at(ns as f64) * BINS as f64) as usize;
                bins[bin.min(BINS - 1)] += count as f64 * 100.0 / latency.count as f64;
            }
            bins
        })
        .collect();
    let most = shares.iter().flatten().copied().fold(0.0, f64::max);
    let edge = |bin: usize| x.log_value(bin as f64 / BINS as f64);
    let marks = known()
        .zip(&shares)
        .enumerate()
        .map(|(index, ((class, ..), shares))| {
            let class = class.clone();
            let bars = shares.iter().enumerate();
            match index {
                0 => Mark::Bars {
                    class,
                    bars: bars
                        .map(|(bin, share)| (edge(bin), edge(bin + 1), *share))
                        .collect(),
                },
                _ => Mark::Line {
                    class,
                    points: bars
                        .flat_map(|(bin, share)| [(edge(bin), *share), (edge(bin + 1), *share)])
                        .collect(),
                },
            }
        });
    let chart = Chart {
        description: "Histogram of latencies".to_owned(),
        marks: marks.collect(),
        y: Axis::linear("share of requests", most, percent),
        x: x.clone(),
    };
    Some(Panel {
        title: "Histogram of latencies".to_owned(),
        note: "Which share of the requests took how long, to the last byte.",
        legend: known()
            .map(|(class, text, _)| legend(class, text))
            .collect(),
        svg: chart.svg(),
    })
}

/// Percentiles and rates of a ramp's steps.
fn ramp(result: &RunResult) -> Vec<Panel> {
    let steps = &result.steps;
    if steps.len() < 2 {
        return Vec::new();
    }
    let open = steps.iter().all(|step| step.rate.is_some());
    let loads: Vec<f64> = steps
        .iter()
        .map(|step| step.rate.unwrap_or(f64::from(step.connections)))
        .collect();
    let most = loads.iter().copied().fold(0.0, f64::max);
    let title = if open {
        "requests/s asked for"
    } else {
        "connections"
    };
    let x = || Axis::linear(title, most, units::count);
    let mut sorted: Vec<(f64, &Measures)> = loads
        .iter()
        .copied()
        .zip(steps.iter().map(|step| &step.measures))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = |class: &str, get: &dyn Fn(&Measures) -> Option<f64>| Mark::Dots {
        class: class.to_owned(),
        points: sorted
            .iter()
            .filter_map(|(load, m)| Some((*load, get(m)?)))
            .collect(),
    };
    let at = |percent: f64| move |m: &Measures| m.latency.corrected.at(percent).map(|ns| ns as f64);
    let raw = |m: &Measures| m.latency.last_byte.at(99.0).map(|ns| ns as f64);
    let all = || {
        let each = |(_, m): &(f64, &Measures)| [at(50.0)(m), at(99.9)(m), raw(m)];
        sorted.iter().flat_map(each).flatten()
    };
    let rates: Vec<f64> = sorted.iter().map(|(_, m)| m.requests_per_s).collect();
    let rate = Chart {
        description: "Requests per second by load".to_owned(),
        x: x(),
        y: Axis::linear(
            "requests/s",
            rates.iter().copied().fold(0.0, f64::max),
            units::count,
        ),
        marks: vec![line("c0", &|m| Some(m.requests_per_s))],
    };
    let mut panels = vec![Panel {
        title: "Requests by load".to_owned(),
        note: "Those that succeeded per second, in each step of the ramp.",
        legend: Vec::new(),
        svg: rate.svg(),
    }];
    if all().next().is_some() {
        let (low, high) = all().fold((f64::INFINITY, 0.0), |(low, high), ns| {
            (ns.min(low), ns.max(high))
        });
        let chart = Chart {
            description: "Latency by load".to_owned(),
            x: x(),
            y: Axis::log("latency", low, high, time),
            marks: vec![
                line("c0", &at(50.0)),
                line("c2", &at(99.0)),
                line("c2 dashed", &raw),
                line("c1", &at(99.9)),
            ],
        };
        panels.push(Panel {
            title: "Latency by load".to_owned(),
            note: "Percentiles of each step of the ramp, corrected but for one.",
            legend: vec![
                legend("c0", "p50"),
                legend("c2", "p99"),
                legend("c2 dashed", "p99, raw"),
                legend("c1", "p99.9"),
            ],
            svg: chart.svg(),
        });
    }
    panels
}

/// The ratios of a target to the first, with their intervals.
fn ratios(comparison: &Comparison, index: usize) -> Option<Panel> {
    let rows: Vec<Interval> = comparison
        .figures
        .iter()
        .filter_map(|compared| {
            let against = compared.targets.get(index)?.against_first?;
            Some(Interval {
                class: match against.verdict {
                    Verdict::Better => "good",
                    Verdict::Worse => "bad",
                    Verdict::NoDifference | Verdict::TooFewRounds => "quiet",
                },
                name: known(compared)?.label,
                text: ratio(&against),
                value: against.ratio,
                ends: against.interval,
            })
        })
        .collect();
    let ends = || {
        let row = |row: &Interval| {
            let (low, high) = row.ends.unwrap_or((row.value, row.value));
            [low, row.value, high]
        };
        rows.iter().flat_map(row)
    };
    let (first, name) = (
        &comparison.targets.first()?.name,
        &comparison.targets.get(index)?.name,
    );
    let low = ends().fold(f64::INFINITY, f64::min);
    let high = ends().fold(0.0, f64::max);
    if rows.is_empty() {
        return None;
    }
    let chart = Intervals {
        description: "Ratios of all figures with their intervals".to_owned(),
        x: Axis::ratio("ratio", low, high),
        rule: 1.0,
        rows,
    };
    Some(Panel {
        title: format!("{name} / {first}"),
        note: "The ratio of each figure with its 95 % interval. For requests/s, content and the share that succeeded more is better, for the rest less.",
        legend: vec![
            legend("good", "better"),
            legend("bad", "worse"),
            legend("quiet", "no difference found"),
        ],
        svg: chart.svg(),
    })
}

/// A figure of every target, round by round.
fn rounds(compared: &ComparedFigure) -> Option<Panel> {
    let figure = known(compared)?;
    let all = || {
        compared
            .targets
            .iter()
            .flat_map(|target| target.values.iter().copied())
    };
    let most = all().fold(0.0, f64::max);
    let count = compared.targets.first()?.values.len();
    let show: fn(f64) -> String = match figure.unit {
        crate::bench::figures::Unit::Nanoseconds => time,
        crate::bench::figures::Unit::BytesPerSecond => units::bytes_per_s,
        _ => units::count,
    };
    let dots = compared
        .targets
        .iter()
        .enumerate()
        .map(|(index, target)| Mark::Dots {
            class: class(index),
            points: (1..=count)
                .map(|round| round as f64)
                .zip(target.values.iter().copied())
                .collect(),
        });
    let chart = Chart {
        description: format!("{} in each round", figure.label),
        x: Axis::linear("round", count as f64, |round| format!("{round:.0}")),
        y: Axis::linear(figure.label, most, show),
        marks: dots.collect(),
    };
    let names = compared.targets.iter().enumerate();
    Some(Panel {
        title: format!("{}, round by round", figure.label),
        note: "What the machine was busy with besides shows as ups and downs of all targets together.",
        legend: names
            .map(|(index, target)| legend(&class(index), &target.name))
            .collect(),
        svg: chart.svg(),
    })
}
