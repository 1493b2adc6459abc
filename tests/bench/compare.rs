//! Comparisons: a server with itself, with a slower one, and with what was kept.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::client::{begun, bench, command, result, said};
use super::raw::{Raw, respond};
use super::server::Server;

/// A server that takes so many milliseconds for each answer.
fn takes(ms: u64) -> Raw {
    Raw::start(move |stream| {
        thread::sleep(Duration::from_millis(ms));
        respond(stream, b"content")
    })
}

/// The verdicts on the second target, by figure.
fn verdicts(comparison: &Value) -> Vec<(String, String)> {
    let figures = comparison["figures"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    figures
        .map(|figure| {
            let against = &figure["targets"][1]["against_first"];
            (text(&figure["figure"]), text(&against["verdict"]))
        })
        .collect()
}

fn differing(comparison: &Value) -> Vec<String> {
    let found = verdicts(comparison).into_iter();
    found
        .filter(|(_, verdict)| verdict != "no_difference")
        .map(|(figure, _)| figure)
        .collect()
}

#[test]
fn a_server_does_not_differ_from_itself() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), vec![7; 1_000]).unwrap();
    let server = Server::start(folder.path(), &["--shards", "1"]);
    let url = format!("http://{}/file", server.http);
    let (a, b) = (format!("A={url}"), format!("B={url}"));
    let compare = || result(&["compare", &a, &b, "-c", "4", "-n", "1000"], 0);
    let first = compare();
    assert_eq!(
        (&first["rounds"], &first["targets"][1]["name"]),
        (&10.into(), &"B".into())
    );
    assert!(verdicts(&first).len() >= 8, "{:?}", verdicts(&first));
    let found = differing(&first);
    if !found.is_empty() {
        // One comparison in a hundred may find a difference by chance. The same one twice: one in thousands.
        let again = differing(&compare());
        let both: Vec<_> = found
            .iter()
            .filter(|figure| again.contains(figure))
            .collect();
        assert!(both.is_empty(), "{both:?}");
    }
}

#[test]
fn a_slower_server_is_found() {
    let (quick, slow) = (takes(1), takes(12));
    let (a, b) = (
        format!("quick={}", quick.url("/")),
        format!("slow={}", slow.url("/")),
    );
    let arguments = [
        "compare", &a, &b, "--http1", "-c", "2", "-n", "20", "--rounds", "8",
    ];
    let comparison = result(&arguments, 0);
    let verdict = |name: &str| {
        let all = verdicts(&comparison);
        all.into_iter()
            .find(|(figure, _)| figure == name)
            .unwrap()
            .1
    };
    assert_eq!(verdict("requests_per_s"), "worse");
    assert_eq!(verdict("last_byte_p50_ns"), "worse");
    let ratio = &comparison["figures"][0]["targets"][1]["against_first"];
    // A twelfth, as far as the machine sleeps as it is told.
    assert!(ratio["ratio"].as_f64().unwrap() < 0.7, "{ratio}");
    assert!(ratio["interval"][1].as_f64().unwrap() < 1.0, "{ratio}");
    // Turns: each round has both, one after the other.
    let began = |target: usize, round: usize| {
        comparison["targets"][target]["runs"][round]["started_unix_ms"]
            .as_u64()
            .unwrap()
    };
    for round in 0..8 {
        assert!(began(0, round) <= began(1, round));
        assert!(round == 0 || began(1, round - 1) <= began(0, round));
    }
    // The other way round it is better.
    let arguments = [
        "compare", &b, &a, "--http1", "-c", "2", "-n", "20", "--rounds", "8",
    ];
    let said = bench(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("quick / slow") && said.out.contains("better: higher"),
        "{}",
        said.out
    );
}

#[test]
fn few_rounds_decide_nothing() {
    let (quick, slow) = (takes(1), takes(12));
    let (a, b) = (
        format!("A={}", quick.url("/")),
        format!("B={}", slow.url("/")),
    );
    let said = bench(&["compare", &a, &b, "--http1", "-n", "10", "--rounds", "2"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("too few rounds to tell"), "{}", said.out);
    assert!(said.out.contains("--rounds 8 or more"), "{}", said.out);
}

#[test]
fn a_server_that_answers_nothing_is_no_comparison() {
    let server = takes(1);
    let (a, b) = (format!("A={}", server.url("/")), "B=http://127.0.0.1:1/");
    let said = bench(&["compare", &a, b, "--http1", "-n", "10", "--rounds", "2"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("connection refused"), "{}", said.out);
    assert!(
        said.err.contains("no round was made to its end"),
        "{}",
        said.err
    );
}

#[test]
fn an_interrupt_leaves_the_rounds_until_then() {
    let server = takes(1);
    let (a, b) = (
        format!("A={}", server.url("/")),
        format!("B={}", server.url("/")),
    );
    let command = command(&[
        "compare", &a, &b, "--http1", "-n", "50", "--rounds", "1000", "--json", "-",
    ]);
    let (child, rest) = begun(command, "round 2/1000 B");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let said = said(child);
    rest.join().unwrap();
    assert_eq!(said.code, Some(0));
    let comparison: Value = serde_json::from_str(&said.out).unwrap();
    let rounds = comparison["rounds"].as_u64().unwrap();
    assert!((1..1000).contains(&rounds), "{rounds}");
}

#[test]
fn a_kept_run_limits_losses() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("kept.json");
    let kept = kept.to_str().unwrap();
    let (quick, slow) = (takes(1), takes(12));
    let run = |server: &Raw, more: &[&str]| {
        let load = ["--http1", "-c", "2", "-d", "400ms"];
        bench(&[&[&*server.url("/path")], &load[..], more].concat())
    };
    assert_eq!(run(&quick, &["--json", kept]).code, Some(0));
    // Twelve times as long, but for what the machine adds.
    let said = run(&slow, &["--vs", kept, "--max-loss", "30"]);
    assert_eq!(said.code, Some(3), "{}", said.out);
    assert!(said.out.contains("TOO MUCH"), "{}", said.out);
    let said = run(&slow, &["--vs", kept, "--max-loss", "1000000"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(
        said.out.contains("worse") && !said.out.contains("TOO MUCH"),
        "{}",
        said.out
    );
    let said = run(&slow, &["--vs", kept]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    let said = run(
        &slow,
        &[
            "--vs",
            kept,
            "--max-loss",
            "1000000",
            "--max-loss",
            "last_byte_p50_ns=30",
        ],
    );
    assert_eq!(said.code, Some(3), "{}", said.out);
    // The other way round nothing is lost, and the kept result may be replaced.
    assert_eq!(run(&slow, &["--json", kept]).code, Some(0));
    let said = run(&quick, &["--vs", kept, "--max-loss", "0", "--json", kept]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(said.out.contains("better"), "{}", said.out);
    let replaced: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    assert!(
        replaced["options"]["targets"][0]["url"]
            .as_str()
            .unwrap()
            .contains("/path")
    );
    // Another load is no comparison.
    let said = bench(&[
        &quick.url("/path"),
        "--http1",
        "-c",
        "3",
        "-d",
        "400ms",
        "--vs",
        kept,
    ]);
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(
        said.err.contains("--connections 2, this one has 3"),
        "{}",
        said.err
    );
}

#[test]
fn what_cannot_be_compared_says_what_to_write() {
    let cases: [(&[&str], &str); 9] = [
        (&["compare"], "<NAME=URL>"),
        (&["compare", "A=http://h/"], "at least two targets"),
        (&["compare", "A=http://h/", "http://h/"], "NAME="),
        (&["compare", "A=http://h/", "B=h"], "B: the URL `h`"),
        (
            &["compare", "A=http://h/", "B=http://h/", "--rounds", "1"],
            "--rounds must be 2",
        ),
        (
            &["compare", "A=http://h/", "B=http://h/", "--pid", "C=1"],
            "there are A, B",
        ),
        (
            &["compare", "A=http://h/", "B=http://h/", "--pid", "A=x"],
            "NAME=PID",
        ),
        (&["http://h/", "--max-loss", "5"], "--vs"),
        (
            &["http://h/", "--vs", "/nowhere/at-all"],
            "cannot read /nowhere/at-all",
        ),
    ];
    for (arguments, says) in cases {
        let said = bench(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(says), "{arguments:?}: {}", said.err);
        assert!(said.out.is_empty());
    }
}
