//! What is printed and written, and with which exit code.

use std::fs::{self, OpenOptions};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::client::{begun, bench, command, result, said};
use super::raw::{Raw, respond};

fn server() -> Raw {
    Raw::start(|stream| respond(stream, b"content"))
}

#[test]
fn a_result_names_what_was_run() {
    let server = server();
    let url = server.url("/a?b=c");
    let result = result(
        &[&url, "--http1", "-c", "2", "-n", "50", "--warmup", "100ms"],
        0,
    );
    assert_eq!(result["version"], 1);
    assert_eq!(result["ringlane"], env!("CARGO_PKG_VERSION"));
    assert!(result["started_unix_ms"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(
        result["machine"]["kernel"]
            .as_str()
            .unwrap()
            .starts_with("Linux ")
    );
    assert_eq!(result["options"]["targets"][0]["url"], *url);
    assert_eq!(result["options"]["load"]["model"], "closed_requests");
    assert_eq!(result["options"]["load"]["requests"], 50);
    assert_eq!(
        (
            &result["options"]["connections"],
            &result["options"]["warmup_s"]
        ),
        (&2.into(), &0.1.into())
    );
    assert_eq!(result["outcome"], "complete");
    // Numbers tell their unit, but for counts, shares and what a sibling names.
    let mut without = Vec::new();
    units(&result["total"], "total", &mut without);
    units(&result["client"], "client", &mut without);
    let known = |name: &String| {
        [
            "count",
            "succeeded",
            "failed",
            "unfinished",
            "retried",
            "percent",
            "ns",
            "_switches",
        ]
        .iter()
        .any(|end| name.ends_with(end))
            || name.starts_with("total/bytes/")
            || name.starts_with("total/statuses/")
    };
    without.retain(|name| !known(name));
    assert_eq!(without, [] as [&str; 0]);
}

/// The paths of numbers whose names end in no unit.
fn units(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                units(value, &format!("{path}/{name}"), found);
            }
        }
        Value::Number(_)
            if !["_ns", "_s", "_bytes", "_ms"]
                .iter()
                .any(|unit| path.ends_with(unit)) =>
        {
            found.push(path.to_owned());
        }
        _ => {}
    }
}

#[test]
fn files_are_written_beside_the_summary() {
    let server = server();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, csv, html) = (path("a.json"), path("a.csv"), path("a.html"));
    // Longer than what comes: nothing of it may stay.
    fs::write(&csv, vec![b'#'; 1 << 20]).unwrap();
    let arguments = [
        &server.url("/"),
        "--http1",
        "-n",
        "50",
        "--json",
        &json,
        "--csv",
        &csv,
        "--html",
        &html,
    ];
    let said = bench(&arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("50 requests succeeded"), "{}", said.out);
    assert!(
        said.out.contains("last byte") && said.out.contains("corrected"),
        "{}",
        said.out
    );
    let kept: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(kept["total"]["requests"]["succeeded"], 50);
    let table = fs::read_to_string(csv).unwrap();
    assert!(
        table.starts_with("target,round,scope,at,figure,unit,value\n"),
        "{table}"
    );
    assert!(
        table.contains("\n,1,total,,succeeded,,50\n") && !table.contains('#'),
        "{table}"
    );
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("<svg") && page.contains("Latency by percentile"));
}

#[test]
fn the_standard_output_has_but_one_thing() {
    let server = server();
    let said = bench(&[&server.url("/"), "--http1", "-n", "5", "--csv", "-"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.starts_with("target,round"), "{}", said.out);
    assert!(said.err.contains("5 requests succeeded"), "{}", said.err);
    let said = bench(&[&server.url("/"), "--json", "-", "--html", "-"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("only one of"), "{}", said.err);
    let said = bench(&[&server.url("/"), "--html", "/nowhere/at/all.html"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("cannot write /nowhere/at/all.html"),
        "{}",
        said.err
    );
}

#[test]
fn a_full_disk_is_told_and_other_files_are_written() {
    let server = server();
    let url = server.url("/");
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    let run = |more: &[&str], stdout: Stdio| {
        let mut command = command(&[&[&*url, "--http1", "-n", "5"], more].concat());
        said(command.stdout(stdout).spawn().unwrap())
    };
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    for more in [&["--json", "-"][..], &["--html", "-"], &[]] {
        let said = run(more, full());
        assert_eq!(said.code, Some(1), "{more:?}: {}", said.err);
        assert!(
            said.err.contains("cannot write the standard output"),
            "{}",
            said.err
        );
    }
    let html = ["--json", "/dev/full", "--html", page.to_str().unwrap()];
    let said = run(&html, Stdio::null());
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("cannot write /dev/full"), "{}", said.err);
    assert!(fs::read_to_string(page).unwrap().contains("<svg"));
    // That nobody reads it is no fault.
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let said = run(&["--json", "-"], Stdio::from(writer));
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn progress_is_plain_lines_where_there_is_no_terminal() {
    let server = server();
    let said = bench(&[
        &server.url("/"),
        "--http1",
        "-d",
        "2500ms",
        "--warmup",
        "500ms",
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains(['\r', '\x1b']), "{:?}", said.err);
    let lines: Vec<&str> = said.err.lines().collect();
    assert!(
        lines.iter().any(|line| line.starts_with("warm-up ")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("req/s") && line.contains("p99")),
        "{lines:?}"
    );
    assert!(lines.len() <= 8, "{lines:?}");
    assert!(!said.out.contains("req/s"));
}

#[test]
fn what_goes_wrong_has_its_exit_code() {
    let refused = bench(&["http://127.0.0.1:1/", "-d", "200ms"]);
    assert_eq!(refused.code, Some(1));
    for said in ["no response came, and no conn", "connection refused"] {
        assert!(refused.out.contains(said), "{}", refused.out);
    }
    let failing = Raw::start(|stream| {
        use std::io::Write;
        stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
    });
    let failed = bench(&[&failing.url("/"), "--http1", "-n", "3"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.out.contains("status 503: 3"), "{}", failed.out);
    assert_eq!(
        bench(&["http://127.0.0.1:1/", "--rate", "-1"]).code,
        Some(2)
    );
    assert_eq!(bench(&[]).code, Some(2));
}

#[test]
fn an_interrupt_shows_what_there_is() {
    let server = server();
    let url = server.url("/");
    // timeout(1) signals its child and then its group: that is one order.
    for signals in [&[Signal::INT][..], &[Signal::TERM, Signal::INT]] {
        let (child, rest) = begun(
            command(&[&url, "--http1", "-d", "600s", "--json", "-"]),
            "req/s",
        );
        for &signal in signals {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let said = said(child);
        rest.join().unwrap();
        assert_eq!(said.code, Some(0), "{signals:?}");
        let result: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(result["outcome"], "interrupted");
        assert!(result["total"]["requests"]["succeeded"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_second_interrupt_later_ends_a_run_that_does_not_end() {
    let server = server();
    // It cannot write its result: the standard output is full.
    let (_reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut command = command(&[&server.url("/"), "--http1", "-d", "600s", "--json", "-"]);
    command.stdout(writer);
    let (child, rest) = begun(command, "req/s");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    thread::sleep(Duration::from_millis(1500));
    kill_process(pid, Signal::INT).unwrap();
    let code = said(child).code;
    rest.join().unwrap();
    assert_eq!(code, Some(130));
}
