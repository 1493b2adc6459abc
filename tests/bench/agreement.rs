//! Counts, bytes and latencies agree with the server's own.

use std::fs;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::client::{number, percentile_ms, result};
use super::raw::{Raw, respond};
use super::server::Server;

/// What a server has said of itself at its end: requests, and bytes that it sent, to four digits.
fn counted(text: &str) -> (u64, f64) {
    let mut sums = (0, 0.0);
    for line in text.lines().filter(|line| line.starts_with("shard ")) {
        let (_, rest) = line.split_once(": ").unwrap();
        let parts: Vec<&str> = rest.split(", ").collect();
        let (requests, bytes) = (parts[0].trim_end_matches(" requests"), parts[2]);
        let (number, unit) = bytes.split_once(' ').unwrap();
        let scale = match unit {
            "bytes" | "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            _ => panic!("{line}"),
        };
        sums.0 += requests.parse::<u64>().unwrap();
        sums.1 += number.parse::<f64>().unwrap() * scale;
    }
    sums
}

/// The server's own percentile in milliseconds, from its last line.
fn server_ms(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find(|line| line.starts_with("total "))
        .unwrap();
    let (_, rest) = line.split_once(&format!("{name} ")).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn with_the_servers_counters() {
    const REQUESTS: u64 = 4_000;
    const LEN: u64 = 20_000;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), vec![7; LEN as usize]).unwrap();
    for (tls, way) in [
        (false, &[][..]),
        (false, &["--http1"]),
        (true, &["-m", "5"]),
    ] {
        let server = Server::start(folder.path(), &["--report", "1000"]);
        let url = match tls {
            false => format!("http://{}/file", server.http),
            true => format!("https://{}/file", server.https),
        };
        let requests = REQUESTS.to_string();
        let arguments = [&[&*url, "-k", "-c", "8", "-n", &requests], way].concat();
        let result = result(&arguments, 0);
        let ended = server.stop();
        ended.assert_clean();
        let (served, sent) = counted(&ended.text);
        assert_eq!(
            number(&result, "/total/requests/succeeded") as u64,
            REQUESTS
        );
        assert_eq!(served, REQUESTS, "{}", ended.text);
        assert_eq!(number(&result, "/total/bytes/body") as u64, REQUESTS * LEN);
        let received = number(&result, "/total/bytes/received");
        // Handshakes and what comes before the first request are the only other bytes.
        let (least, most) = (sent * 0.998, sent * 1.002 + 100_000.0);
        assert!(
            (least..most).contains(&received),
            "{received} of {sent}: {}",
            ended.text
        );
        assert_eq!(number(&result, "/total/statuses/200") as u64, REQUESTS);
        // The server counts from a request's arrival to its answer's last byte handed to the socket: less than the
        // client waits. To the digits that it prints, and to those of the histograms.
        for (name, percent) in [("p50", 50.0), ("p90", 90.0)] {
            let (client, own) = (
                percentile_ms(&result, "last_byte", percent),
                server_ms(&ended.text, name),
            );
            assert!(
                own <= client * 1.02 + 0.01,
                "{name}: {own} ms against {client} ms"
            );
        }
    }
}

#[test]
fn content_counts_as_uploaded_although_it_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), b"content").unwrap();
    let server = Server::start(folder.path(), &["--shards", "1"]);
    for (scheme, address) in [("http", server.http), ("https", server.https)] {
        for way in [&[][..], &["--http1"]] {
            let url = format!("{scheme}://{address}/file");
            let load = [&*url, "-k", "-n", "20", "--upload", "1000"];
            let result = result(&[&load, way].concat(), 1);
            assert_eq!(number(&result, "/total/statuses/405") as u64, 20);
            // So little goes out with the head, before there is an answer.
            assert_eq!(number(&result, "/total/bytes/uploaded") as u64, 20_000);
        }
    }
}

/// Every connection gets requests, also one on which nothing ever happens before its first: over HTTP/1.1 in the clear.
#[test]
fn every_connection_takes_part() {
    for _ in 0..12 {
        let server = Raw::start(|stream| respond(stream, b"content"));
        let result = result(&[&server.url("/"), "--http1", "-c", "4", "-n", "40"], 0);
        assert_eq!(number(&result, "/total/requests/succeeded") as u64, 40);
        assert_eq!(number(&result, "/connections/opened") as u64, 4);
    }
}

#[test]
fn with_a_known_delay() {
    const DELAY_MS: u64 = 40;
    let server = Raw::start(|stream| {
        thread::sleep(Duration::from_millis(DELAY_MS));
        respond(stream, &[b'x'; 1_000])
    });
    let result = result(&[&server.url("/"), "--http1", "-c", "5", "-n", "60"], 0);
    assert_eq!(number(&result, "/total/bytes/body") as u64, 60_000);
    for which in ["first_byte", "last_byte", "corrected"] {
        let (p0, p50) = (
            percentile_ms(&result, which, 0.0),
            percentile_ms(&result, which, 50.0),
        );
        // Never less; and a quarter of a second more, for 20 us of work, only on a machine that is stuck.
        assert!(
            p0 >= DELAY_MS as f64 * 0.99 && p50 <= DELAY_MS as f64 + 250.0,
            "{which}: {p0} {p50}"
        );
    }
    // Twelve rounds of 40 ms on each connection.
    assert!(number(&result, "/total/elapsed_s") >= 0.47);
    let rate = number(&result, "/total/requests_per_s");
    let elapsed_s = number(&result, "/total/elapsed_s");
    assert!((rate * elapsed_s - 60.0).abs() < 0.01);
}

#[test]
fn requests_at_fixed_times_are_those_of_the_whole_time() {
    let server = Raw::start(|stream| respond(stream, b"content"));
    for (rate, duration, requests, elapsed_s) in [("0.5", "700ms", 1.0, 0.7), ("5", "1s", 5.0, 1.0)]
    {
        let load = ["--http1", "--rate", rate, "-d", duration];
        let result = result(&[&[&*server.url("/")], &load[..]].concat(), 0);
        assert_eq!(number(&result, "/total/requests/succeeded"), requests);
        assert_eq!(number(&result, "/total/elapsed_s"), elapsed_s);
        let per_s = number(&result, "/total/requests_per_s");
        assert!((per_s - requests / elapsed_s).abs() < 1e-9, "{per_s}");
    }
}

#[test]
fn sums_over_time_and_targets() {
    let folder = TempDir::new().unwrap();
    for (name, len) in [("a", 1_000), ("b", 5_000)] {
        fs::write(folder.path().join(name), vec![1; len]).unwrap();
    }
    let server = Server::start(folder.path(), &["--shards", "1"]);
    let url = |name: &str| format!("http://{}/{name}", server.http);
    let result = result(
        &[
            &format!("{}=3", url("a")),
            &url("b"),
            "-c",
            "3",
            "-n",
            "2000",
        ],
        0,
    );
    let of = |target: usize| {
        number(
            &result,
            &format!("/targets/{target}/measures/requests/succeeded"),
        )
    };
    assert_eq!(of(0) + of(1), 2_000.0);
    // Three to one; five standard deviations are 97.
    assert!((of(0) - 1_500.0).abs() < 97.0, "{}", of(0));
    let bytes = of(0) * 1_000.0 + of(1) * 5_000.0;
    assert_eq!(number(&result, "/total/bytes/body"), bytes);
    let samples = result["series"]["samples"].as_array().unwrap();
    let sum = |name: &str| {
        samples
            .iter()
            .map(|s| s[name].as_f64().unwrap())
            .sum::<f64>()
    };
    assert_eq!((sum("succeeded"), sum("body_bytes")), (2_000.0, bytes));
    assert_eq!(
        sum("received_bytes"),
        number(&result, "/total/bytes/received")
    );
}
