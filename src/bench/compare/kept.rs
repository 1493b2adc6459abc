//! A run against one that an earlier run has kept.
//!
//! One run against one tells nothing of chance: what the figures lose has to be compared with what they lose from one
//! run to the next anyway. That limit is the user's to set.

use std::fmt::{Display, Write};
use std::fs;
use std::path::Path;

use crate::bench::args::MaxLoss;
use crate::bench::figures::{CONTENT, FIGURES, Figure, SUCCEEDED};
use crate::bench::options::OptionsError;
use crate::bench::result::{RESULT_VERSION, RunResult, Setup};

/// A figure then and now.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Loss {
    pub(in crate::bench) figure: &'static Figure,
    pub(in crate::bench) kept: f64,
    pub(in crate::bench) now: f64,
    /// By how many percent of what it was it is worse now.
    pub(in crate::bench) percent: f64,
}

impl Loss {
    /// Whether it is more than what is allowed: for the figure by name, else for all that decide.
    pub(in crate::bench) fn exceeds(&self, limits: &[MaxLoss]) -> bool {
        let named = |limit: &&MaxLoss| limit.figure.as_deref() == Some(self.figure.name);
        let all = |limit: &&MaxLoss| limit.figure.is_none() && self.figure.decides;
        let limit = limits.iter().rfind(named).or(limits.iter().rfind(all));
        limit.is_some_and(|limit| self.percent > limit.percent)
    }
}

/// Reads a result.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(path: &Path) -> Result<RunResult, OptionsError> {
    let wrong = |why: String| OptionsError::Kept {
        path: path.to_owned(),
        why,
    };
    let text = fs::read_to_string(path).map_err(|error| OptionsError::file(path, &error))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
        wrong(format!(
            "it is no JSON ({error}): keep a result with --json"
        ))
    })?;
    if value.get("rounds").is_some() {
        let why = "it is a comparison: keep the result of a single run with --json";
        return Err(wrong(why.to_owned()));
    }
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(RESULT_VERSION) => {}
        Some(version) => {
            let why = format!(
                "it is of version {version}, this program reads {RESULT_VERSION}: keep a new result with --json"
            );
            return Err(wrong(why));
        }
        None => {
            let why = "it is no result of ringlane bench: keep one with --json";
            return Err(wrong(why.to_owned()));
        }
    }
    serde_json::from_value(value).map_err(|error| {
        wrong(format!(
            "it is incomplete ({error}): keep a new result with --json"
        ))
    })
}

/// Checks that two runs are of the same load. Where the server is may differ, and the file that results go to.
///
/// # Errors
/// The first option that differs.
pub fn same_load(kept: &Setup, now: &Setup) -> Result<(), OptionsError> {
    let targets = |setup: &Setup| {
        let target = |target: &crate::bench::result::TargetSetup| {
            let (scheme, rest) = target.url.split_once("://").unwrap_or_default();
            let path = rest.find('/').map_or("/", |at| &rest[at..]);
            format!("{scheme}://.../{}={}", &path[1..], target.weight)
        };
        setup
            .targets
            .iter()
            .map(target)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let load = |setup: &Setup| serde_json::to_string(&setup.load).unwrap_or_default();
    let fields = |setup: &Setup| match &setup.fields[..] {
        [] => "none".to_owned(),
        fields => fields.join(" "),
    };
    let range = |setup: &Setup| setup.range.clone().unwrap_or_else(|| "none".to_owned());
    type Get = fn(&Setup) -> &dyn Display;
    let options: [(&'static str, Get); 11] = [
        ("--connections", |setup| &setup.connections),
        ("--streams", |setup| &setup.streams),
        ("--warmup (seconds)", |setup| &setup.warmup_s),
        ("protocols", |setup| &setup.protocol),
        ("--window", |setup| &setup.window_bytes),
        ("--conn-window", |setup| &setup.connection_window_bytes),
        ("--max-frame-size", |setup| &setup.max_frame_size_bytes),
        ("--frame-policy", |setup| &setup.frame_policy),
        ("--tls-resumption", |setup| &setup.tls_resumption),
        ("--upload", |setup| &setup.upload_bytes),
        ("body checks:", |setup| &setup.verify),
    ];
    let texts = options.map(|(option, get)| (option, get(kept).to_string(), get(now).to_string()));
    let others = [
        ("the URLs", targets(kept), targets(now)),
        ("the load", load(kept), load(now)),
        ("--range", range(kept), range(now)),
        ("-H (hashes)", fields(kept), fields(now)),
        (
            "cores:",
            kept.cores.len().to_string(),
            now.cores.len().to_string(),
        ),
    ];
    match others
        .into_iter()
        .chain(texts)
        .find(|(_, kept, now)| kept != now)
    {
        None => Ok(()),
        Some((option, kept, now)) => Err(OptionsError::OtherLoad { option, kept, now }),
    }
}

/// Every figure that both runs have, and that says something of one of them.
pub(in crate::bench) fn losses(kept: &RunResult, now: &RunResult) -> Vec<Loss> {
    let loss = |figure: &'static Figure| {
        let (kept, now) = (figure.of(kept)?, figure.of(now)?);
        let loss = || Loss {
            figure,
            kept,
            now,
            percent: figure.better.loss_percent(kept, now),
        };
        (!figure.is_idle([kept, now].into_iter())).then(loss)
    };
    FIGURES.iter().filter_map(loss).collect()
}

/// The figures then and now, in lines.
pub(in crate::bench) fn text(losses: &[Loss], limits: &[MaxLoss]) -> String {
    let mut text = format!(
        "\n{:28}{:>14}{:>14}\n",
        "against the kept run", "kept", "now"
    );
    for loss in losses {
        let show = |value| loss.figure.unit.show(value);
        let too_much = loss.exceeds(limits);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:28}{:>14}{:>14}  {}{}",
            loss.figure.label,
            show(loss.kept),
            show(loss.now),
            change(loss.percent),
            if too_much { "  TOO MUCH" } else { "" }
        );
    }
    for name in unknown(losses, limits) {
        let _ = writeln!(
            text,
            "{name}: not in both runs, or of too few requests  TOO MUCH"
        );
    }
    text
}

/// The figures that have a limit by name and cannot be held against it, since one of the runs does not have them.
pub(in crate::bench) fn unknown<'a>(losses: &[Loss], limits: &'a [MaxLoss]) -> Vec<&'a str> {
    let names = limits.iter().filter_map(|limit| limit.figure.as_deref());
    names
        .filter(|name| losses.iter().all(|loss| loss.figure.name != *name))
        // Every run has these: in neither did anything fail, or come.
        .filter(|name| ![SUCCEEDED, CONTENT].contains(name))
        .collect()
}

/// A loss in words.
pub(in crate::bench) fn change(percent: f64) -> String {
    match percent {
        percent if percent.abs() < 0.05 => "the same".to_owned(),
        percent if percent > 0.0 => format!("{percent:.1} % worse"),
        f64::NEG_INFINITY => "better: there was nothing".to_owned(),
        percent => format!("{:.1} % better", -percent),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::bench::testing::run_result;

    #[test]
    fn losses_are_told_by_figure() {
        let (kept, now) = (run_result(1e6), run_result(1.25e6));
        let losses = losses(&kept, &now);
        let named = |name: &str| losses.iter().find(|loss| loss.figure.name == name).unwrap();
        assert!((named("requests_per_s").percent - 20.0).abs() < 0.01);
        assert!((named("corrected_p99_ns").percent - 25.0).abs() < 0.2);
        let limits = |words: &[&str]| -> Vec<MaxLoss> {
            words.iter().map(|word| word.parse().unwrap()).collect()
        };
        let exceeds = |name: &str, words: &[&str]| named(name).exceeds(&limits(words));
        assert!(exceeds("requests_per_s", &["19"]) && !exceeds("requests_per_s", &["21"]));
        // Too restless to be meant by a number alone.
        assert!(!exceeds("corrected_p99_ns", &["1"]));
        assert!(exceeds("corrected_p99_ns", &["90", "corrected_p99_ns=24"]));
        assert!(!exceeds("requests_per_s", &["requests_per_s=21", "1"]));
        assert!(!exceeds("requests_per_s", &[]));
        let said = text(&losses, &limits(&["22"]));
        assert_eq!(said.matches("TOO MUCH").count(), 1, "{said}");
        // What was not measured is not within its limit.
        let limit = limits(&["server_cpu_s_per_gb=5", "requests_per_s=50"]);
        assert_eq!(unknown(&losses, &limit), ["server_cpu_s_per_gb"]);
        assert!(text(&losses, &limit).contains("server_cpu_s_per_gb: not in both runs"));
        let same = super::losses(&kept, &kept);
        assert!(same.iter().all(|loss| !loss.exceeds(&limits(&["0"]))));
    }

    #[test]
    fn failures_are_a_loss() {
        let kept = run_result(1e6);
        let mut now = run_result(1e6);
        assert!(
            losses(&kept, &now)
                .iter()
                .all(|loss| loss.figure.name != SUCCEEDED)
        );
        now.total.requests.failed = 20_000;
        let losses = losses(&kept, &now);
        let share = losses.iter().find(|loss| loss.figure.name == SUCCEEDED);
        assert!((share.unwrap().percent - 50.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_at_all_is_a_loss_and_no_gap() {
        let kept = run_result(1e6);
        let mut now = run_result(1e6);
        now.total.body_bytes_per_s = 0.0;
        let content = |losses: &[Loss]| losses.iter().find(|l| l.figure.name == CONTENT).copied();
        let lost = losses(&kept, &now);
        let limits = [
            "50".parse().unwrap(),
            "body_bytes_per_s=50".parse().unwrap(),
        ];
        assert!(content(&lost).unwrap().exceeds(&limits[..1]));
        assert!(text(&lost, &limits).contains("100.0 % worse  TOO MUCH"));
        let gained = losses(&now, &kept);
        assert!(!content(&gained).unwrap().exceeds(&limits));
        assert!(text(&gained, &limits).contains("better: there was nothing"));
        // Nothing then and nothing now is within any limit.
        let none = losses(&now, &now);
        assert!(content(&none).is_none() && unknown(&none, &limits).is_empty());
    }

    #[test]
    fn only_the_same_load_is_compared() {
        let kept = run_result(1e6).options;
        let mut now = kept.clone();
        now.targets[0].url = "http://other:99/<a>".to_owned();
        same_load(&kept, &now).unwrap();
        now.targets[0].url = "http://other:99/b".to_owned();
        let error = same_load(&kept, &now).unwrap_err().to_string();
        assert!(
            error.contains("/<a>=1") && error.contains("/b=1"),
            "{error}"
        );
        let mut now = kept.clone();
        now.streams = 7;
        let error = same_load(&kept, &now).unwrap_err().to_string();
        assert!(error.contains("had --streams 1, this one has 7"), "{error}");
        let mut now = kept.clone();
        now.fields = vec!["accept-encoding=0a1b2c3d".to_owned()];
        let error = same_load(&kept, &now).unwrap_err().to_string();
        assert!(error.contains("had -H (hashes) none, this"), "{error}");
    }

    #[test]
    fn what_is_no_result_says_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = |text: &str| {
            fs::write(file.path(), text).unwrap();
            read(file.path()).unwrap_err().to_string()
        };
        assert!(said("").contains("no JSON"));
        assert!(said("{}").contains("no result"));
        assert!(said("{\"version\":99}").contains("version 99"));
        assert!(said("{\"version\":1}").contains("incomplete"));
        assert!(said("{\"version\":1,\"rounds\":3}").contains("comparison"));
        let kept = run_result(1e6);
        fs::write(file.path(), serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(
            read(file.path()).unwrap().total.requests,
            kept.total.requests
        );
        assert!(
            read(Path::new("/nowhere"))
                .unwrap_err()
                .to_string()
                .contains("/nowhere")
        );
    }
}
