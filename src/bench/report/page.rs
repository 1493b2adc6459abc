//! A result as one page that needs nothing else: no network, no script, no file beside it.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Report;
use super::panels::{self, Panel};
use crate::bench::compare::kept::{Loss, change};
use crate::bench::compare::{Comparison, Verdict, known, ratio, spread, verdict};
use crate::bench::latency::Latency;
use crate::bench::result::{LoadSetup, Outcome, RunResult, Setup};
use crate::bench::units;

/// What is between `<style>` and `</style>`; the page's policy names its hash.
const STYLE: &str = include_str!("style.css");

/// The percentiles of the table.
const SHOWN: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

#[derive(Template)]
#[template(path = "page.html", config = "src/bench/report/askama.toml")]
struct Page {
    policy: String,
    style: &'static str,
    title: String,
    subtitle: String,
    warnings: Vec<String>,
    tiles: Vec<Tile>,
    tables: Vec<Table>,
    panels: Vec<Panel>,
    facts: Vec<(&'static str, String)>,
}

/// A figure that is seen first.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Row>,
    /// Which cell of a row has the colour of its class.
    verdict: usize,
    note: String,
}

struct Row {
    class: &'static str,
    cells: Vec<String>,
}

/// The page.
pub(super) fn text(report: &Report<'_>) -> String {
    let page = match report {
        Report::Run(result, losses) => run(result, losses),
        Report::Comparison(compared) => comparison(compared),
    };
    // Writing to a string cannot fail.
    page.render().unwrap_or_default()
}

fn page(title: String, subtitle: String) -> Page {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    Page {
        policy: format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
        ),
        style: STYLE,
        title,
        subtitle,
        warnings: Vec::new(),
        tiles: Vec::new(),
        tables: Vec::new(),
        panels: Vec::new(),
        facts: Vec::new(),
    }
}

fn run(result: &RunResult, losses: &[Loss]) -> Page {
    let total = &result.total;
    let first = result.options.targets.first();
    let title = match (first, result.options.targets.len()) {
        (Some(target), 1) => target.url.clone(),
        (Some(target), count) => format!("{} and {} more", target.url, count - 1),
        (None, _) => "ringlane bench".to_owned(),
    };
    let load = load(&result.options);
    let mut page = page(
        title,
        format!("{}, {load}", units::date(result.started_unix_ms)),
    );
    page.warnings = warnings(result);
    let at = |percent| {
        let show = |latency: &Latency| latency.at(percent).map_or("-".to_owned(), units::time);
        (
            show(&total.latency.corrected),
            show(&total.latency.last_byte),
        )
    };
    let ((p50, raw50), (p99, raw99)) = (at(50.0), at(99.0));
    page.tiles = vec![
        Tile {
            name: "Requests",
            value: units::count(total.requests_per_s) + "/s",
            note: format!("{} succeeded", units::grouped(total.requests.succeeded)),
        },
        Tile {
            name: "Content",
            value: units::bytes_per_s(total.body_bytes_per_s),
            note: format!(
                "{} in {}s",
                units::bytes(total.bytes.body as f64),
                units::digits(total.elapsed_s)
            ),
        },
        Tile {
            name: "p50, corrected",
            value: p50,
            note: format!("raw {raw50}"),
        },
        Tile {
            name: "p99, corrected",
            value: p99,
            note: format!("raw {raw99}"),
        },
    ];
    if let Some(server) = &result.server {
        let figure = |value: Option<f64>| value.map_or("-".to_owned(), units::digits);
        page.tiles.push(Tile {
            name: "Server CPU",
            value: figure(server.cpu_s_per_gb) + " s/GB",
            note: format!("{}us per request", figure(server.cpu_us_per_request)),
        });
        page.tiles.push(Tile {
            name: "Server memory",
            value: units::bytes(server.highest_memory_bytes as f64),
            note: "the most while the load was on".to_owned(),
        });
    }
    page.tables.push(latency_table(result));
    page.tables.extend(kept_table(losses));
    page.tables.extend(target_table(result));
    page.panels = panels::run(result);
    page.facts = facts(result);
    page
}

fn warnings(result: &RunResult) -> Vec<String> {
    let mut warnings = Vec::new();
    match result.outcome {
        Outcome::Complete => {}
        Outcome::Interrupted => {
            warnings.push("Interrupted: this was measured until then.".to_owned())
        }
        Outcome::ServerGone if result.total.statuses.is_empty() => warnings.push(
            "No response came, and no connection lasted: this was measured until then.".to_owned(),
        ),
        Outcome::ServerGone => {
            warnings.push("The server went away: this was measured until then.".to_owned())
        }
    }
    for error in result.total.errors.iter().chain(&result.connections.errors) {
        warnings.push(format!("{}: {}", error.kind, units::grouped(error.count)));
    }
    for wrong in result.mismatches.iter().take(10) {
        let (url, connection, stream) = (&wrong.url, wrong.connection, wrong.stream);
        warnings.push(format!(
            "wrong body of {url} on connection {connection}, stream {stream}: {}",
            wrong.what
        ));
    }
    warnings
}

fn latency_table(result: &RunResult) -> Table {
    let latency = &result.total.latency;
    let mut columns = vec![
        ("last byte, raw", &latency.last_byte),
        ("corrected", &latency.corrected),
        ("first byte", &latency.first_byte),
        ("connect", &latency.connect),
    ];
    if latency.tls.count > 0 {
        columns.push(("TLS", &latency.tls));
    }
    let row = |name: String, show: &dyn Fn(&Latency) -> Option<String>| Row {
        class: "",
        cells: [name]
            .into_iter()
            .chain(
                columns
                    .iter()
                    .map(|(_, latency)| show(latency).unwrap_or("-".to_owned())),
            )
            .collect(),
    };
    let some = |latency: &Latency| latency.count > 0;
    let mut rows: Vec<Row> = SHOWN
        .iter()
        .map(|&percent| row(format!("p{percent}"), &|l| l.at(percent).map(units::time)))
        .collect();
    rows.push(row("max".to_owned(), &|l| {
        some(l).then(|| units::time(l.max_ns))
    }));
    rows.push(row("mean".to_owned(), &|l| {
        some(l).then(|| units::time(l.mean_ns as u64))
    }));
    rows.push(row("count".to_owned(), &|l| Some(units::grouped(l.count))));
    let head = ["".to_owned()].into_iter();
    Table {
        title: "Latency".to_owned(),
        head: head.chain(columns.iter().map(|(name, _)| (*name).to_owned())).collect(),
        rows,
        verdict: 0,
        note: match result.options.load {
            LoadSetup::Open { .. } => {
                "Raw counts from when a request was sent; corrected from when it was due, so that a server that stalls \
                 is charged for every request that had to wait."
            }
            _ => {
                "Corrected for coordinated omission: while a slow response is waited for, the requests that would have \
                 been made are missing from the raw figures, and are added here."
            }
        }
        .to_owned(),
    }
}

fn kept_table(losses: &[Loss]) -> Option<Table> {
    let row = |loss: &Loss| Row {
        class: match loss.percent {
            percent if percent >= 1.0 => "bad",
            percent if percent <= -1.0 => "good",
            _ => "",
        },
        cells: vec![
            loss.figure.label.to_owned(),
            loss.figure.unit.show(loss.kept),
            loss.figure.unit.show(loss.now),
            change(loss.percent),
        ],
    };
    (!losses.is_empty()).then(|| Table {
        title: "Against the kept run".to_owned(),
        head: ["", "kept", "now", "change"].map(str::to_owned).to_vec(),
        rows: losses.iter().map(row).collect(),
        verdict: 3,
        note: "One run against one: what of it is chance is not known.".to_owned(),
    })
}

fn target_table(result: &RunResult) -> Option<Table> {
    let row = |target: &crate::bench::result::Target| {
        let measures = &target.measures;
        let at = |latency: &Latency| latency.at(99.0).map_or("-".to_owned(), units::time);
        Row {
            class: "",
            cells: vec![
                target.url.clone(),
                units::count(measures.requests_per_s) + "/s",
                units::bytes_per_s(measures.body_bytes_per_s),
                at(&measures.latency.last_byte),
                at(&measures.latency.corrected),
            ],
        }
    };
    (result.targets.len() > 1).then(|| Table {
        title: "Targets".to_owned(),
        head: ["", "requests", "content", "p99, raw", "p99, corrected"]
            .map(str::to_owned)
            .to_vec(),
        rows: result.targets.iter().map(row).collect(),
        verdict: 0,
        note: String::new(),
    })
}

fn comparison(comparison: &Comparison) -> Page {
    let names: Vec<&str> = comparison
        .targets
        .iter()
        .map(|target| &*target.name)
        .collect();
    let runs = || {
        comparison
            .targets
            .iter()
            .filter_map(|target| target.runs.first())
    };
    let load = runs()
        .next()
        .map_or(String::new(), |run| load(&run.options));
    let date = units::date(comparison.started_unix_ms);
    let subtitle = format!("{date}, {} rounds in turn, each {load}", comparison.rounds);
    let mut page = page(names.join(" against "), subtitle);
    for target in &comparison.targets {
        let failed: u64 = target
            .runs
            .iter()
            .map(|run| run.total.requests.failed)
            .sum();
        let wrong: usize = target.runs.iter().map(|run| run.mismatches.len()).sum();
        if failed > 0 {
            let failed = units::grouped(failed);
            page.warnings.push(format!(
                "{}: {failed} requests failed, {wrong} wrong bodies",
                target.name
            ));
        }
    }
    for (index, name) in names.iter().enumerate().skip(1) {
        page.tables
            .push(compared_table(comparison, index, names[0], name));
    }
    page.panels = panels::comparison(comparison);
    page.facts = runs().next().map_or(Vec::new(), facts);
    page.facts
        .retain(|(name, _)| !["Targets", "Client", "Server", "Connections made"].contains(name));
    for target in &comparison.targets {
        let urls = target.runs.first().map(|run| urls(&run.options));
        page.facts.push((
            "Target",
            format!("{}: {}", target.name, urls.unwrap_or_default()),
        ));
    }
    page
}

fn compared_table(comparison: &Comparison, index: usize, first: &str, name: &str) -> Table {
    let rows = comparison.figures.iter().filter_map(|compared| {
        let figure = known(compared)?;
        let (of_first, of) = (compared.targets.first()?, compared.targets.get(index)?);
        let against = of.against_first?;
        Some(Row {
            class: match against.verdict {
                Verdict::Better => "good",
                Verdict::Worse => "bad",
                Verdict::NoDifference | Verdict::TooFewRounds => "",
            },
            cells: vec![
                figure.label.to_owned(),
                verdict(&against, figure).to_owned(),
                ratio(&against),
                spread(figure, of_first),
                spread(figure, of),
            ],
        })
    });
    let few = match comparison.rounds < comparison.least_rounds {
        true => format!(
            " A difference can be told from chance with {} rounds or more.",
            comparison.least_rounds
        ),
        false => String::new(),
    };
    Table {
        title: format!("{name} against {first}"),
        head: vec![
            String::new(),
            String::new(),
            format!("{name} / {first} (95 %)"),
            format!("{first}: median (lowest-highest)"),
            name.to_owned(),
        ],
        rows: rows.collect(),
        verdict: 1,
        note: format!(
            "Ratios: geometric mean of the rounds' ratios, with a bootstrap interval. A difference is one above 1 % that \
             chance makes in any of the figures in less than one of a hundred comparisons.{few}"
        ),
    }
}

/// The load in words.
fn load(setup: &Setup) -> String {
    let plural = |count: u64, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{} {word}s", units::grouped(count)),
    };
    let connections = plural(u64::from(setup.connections), "connection");
    let streams = plural(u64::from(setup.streams), "stream");
    let what = match &setup.load {
        LoadSetup::ClosedRequests { requests } => plural(*requests, "request"),
        LoadSetup::ClosedDuration { duration_s, steps } if steps.is_empty() => {
            format!("{duration_s}s")
        }
        LoadSetup::ClosedDuration { duration_s, steps } => {
            let steps: Vec<String> = steps.iter().map(u32::to_string).collect();
            return format!(
                "{} connections of {streams}, {duration_s}s each",
                steps.join(", ")
            );
        }
        LoadSetup::Open { rates, duration_s } => {
            let rates: Vec<String> = rates.iter().map(f64::to_string).collect();
            format!("{} requests/s due, {duration_s}s", rates.join(", "))
        }
    };
    format!("{connections} of {streams}, {what}")
}

fn urls(setup: &Setup) -> String {
    let url = |target: &crate::bench::result::TargetSetup| match target.weight {
        1 => target.url.clone(),
        weight => format!("{} (weight {weight})", target.url),
    };
    setup.targets.iter().map(url).collect::<Vec<_>>().join(", ")
}

/// What was asked for, and what it ran on.
fn facts(result: &RunResult) -> Vec<(&'static str, String)> {
    let setup = &result.options;
    let cores: Vec<String> = setup.cores.iter().map(usize::to_string).collect();
    let machine = &result.machine;
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        let each = counts
            .iter()
            .map(|(name, count)| format!("{name}: {count}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let connections = &result.connections;
    let mut facts = vec![
        ("Targets", urls(setup)),
        ("Load", load(setup)),
        ("Protocols offered", setup.protocol.clone()),
        ("Spoken", counts(&connections.protocols)),
        (
            "Windows",
            format!(
                "{} for a stream, {} for a connection",
                units::bytes(f64::from(setup.window_bytes)),
                units::bytes(f64::from(setup.connection_window_bytes))
            ),
        ),
        (
            "Frames",
            format!(
                "at most {}, policy {}",
                units::bytes(f64::from(setup.max_frame_size_bytes)),
                setup.frame_policy
            ),
        ),
        ("Warm-up", format!("{}s", setup.warmup_s)),
        ("Bodies checked", setup.verify.clone()),
        (
            "Connections made",
            format!(
                "{}, {} failed, {} lost, {} resumed",
                connections.opened, connections.failed, connections.lost, connections.resumed
            ),
        ),
        (
            "Client",
            format!(
                "{} s user, {} s system",
                units::digits(result.client.user_s),
                units::digits(result.client.system_s)
            ),
        ),
        ("Client's cores", cores.join(", ")),
        (
            "Machine",
            format!(
                "{} x {}, {}",
                machine.processors,
                machine.processor,
                units::bytes(machine.memory_bytes as f64)
            ),
        ),
        ("Kernel", machine.kernel.clone()),
        ("Made by", format!("ringlane {}", result.ringlane)),
    ];
    if !connections.ciphers.is_empty() {
        facts.insert(4, ("TLS", counts(&connections.ciphers)));
    }
    if let Some(range) = &setup.range {
        facts.push(("Range", range.clone()));
    }
    if setup.upload_bytes > 0 {
        facts.push(("Upload", units::bytes(setup.upload_bytes as f64)));
    }
    if let Some(server) = &result.server {
        let usage = &server.usage;
        facts.push((
            "Server",
            format!(
                "{}: {} s user, {} s system, {} + {} context switches",
                server.source,
                units::digits(usage.user_s),
                units::digits(usage.system_s),
                usage.voluntary_switches,
                usage.involuntary_switches
            ),
        ));
    }
    facts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::result::{ErrorCount, ErrorKind, Step};
    use crate::bench::testing::run_result;

    /// What would fetch something, run something, or be refused by the page's own policy.
    fn check(page: &str) {
        for word in [
            "<script", "style=", "src=", "href=", "url(", "@import", "onclick", "NaN", "inf\"",
            "infs",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(
            page.contains("default-src &#39;none&#39;")
                || page.contains("default-src &#x27;none&#x27;")
        );
        assert!(page.starts_with("<!doctype html>") && page.contains("</html>"));
    }

    #[test]
    fn a_run_has_its_charts() {
        let mut run = run_result(1e6);
        run.total.requests.failed = 3;
        run.total.errors.push(ErrorCount {
            kind: ErrorKind::Status { status: 503 },
            count: 3,
        });
        let page = text(&Report::Run(&run, &[]));
        check(&page);
        // The URL has angle brackets.
        assert!(page.contains("&#60;a&#62;") && !page.contains("<a>"));
        for title in [
            "Requests over time",
            "Content over time",
            "Slowest request",
            "Latency by percentile",
            "Histogram",
        ] {
            assert!(page.contains(title), "{title}");
        }
        assert!(page.contains("status 503: 3"));
        assert!(page.contains("corrected") && page.contains("raw"));
    }

    #[test]
    fn a_ramp_has_steps_and_an_empty_run_is_a_page_too() {
        let mut run = run_result(1e6);
        for connections in [1, 10] {
            run.steps.push(Step {
                connections,
                rate: None,
                measures: run.total.clone(),
            });
        }
        let page = text(&Report::Run(&run, &[]));
        check(&page);
        assert!(page.contains("Latency by load"));
        run.outcome = Outcome::ServerGone;
        assert!(text(&Report::Run(&run, &[])).contains("The server went away"));
        run.total = Default::default();
        run.series = Default::default();
        run.steps.clear();
        let page = text(&Report::Run(&run, &[]));
        check(&page);
        assert!(!page.contains("Histogram") && page.contains("No response came"));
    }

    #[test]
    fn a_comparison_shows_its_intervals() {
        let runs = |ns: f64| (0..9).map(|_| run_result(ns)).collect::<Vec<_>>();
        let targets = vec![("one".to_owned(), runs(1e6)), ("two".to_owned(), runs(2e6))];
        let page = text(&Report::Comparison(&Comparison::new(targets).unwrap()));
        check(&page);
        assert!(page.contains("two against one") && page.contains("WORSE: higher"));
        assert!(page.contains("two / one") && page.contains("round by round"));
    }

    #[test]
    fn the_policy_is_that_of_the_style() {
        let page = text(&Report::Run(&run_result(1e6), &[]));
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = BASE64_STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(page.contains(&format!("sha256-{hash}")));
    }
}
