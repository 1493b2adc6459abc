//! A server that stalls on purpose for a tenth of the time: what the figures must say of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{number, percentile_ms, result};
use super::raw::{Raw, Stalls, respond};

const EVERY: Duration = Duration::from_millis(2_000);
const STALL: Duration = Duration::from_millis(200);

fn stalls() -> Stalls {
    Stalls {
        began: Instant::now(),
        every: EVERY,
        stall: STALL,
    }
}

/// Requests that would have come in a tenth of the time took between nothing and 200 ms, evenly: so the 95th percentile
/// lies at 100 ms and the 99th at 180. Lower bounds alone are held against a clock: a slow machine only adds.
fn assert_the_stall_shows(result: &serde_json::Value) {
    let corrected = |percent| percentile_ms(result, "corrected", percent);
    let shown = format!(
        "corrected p50 {} p80 {} p95 {} p99 {}, raw p90 {}",
        corrected(50.0),
        corrected(80.0),
        corrected(95.0),
        corrected(99.0),
        percentile_ms(result, "last_byte", 90.0)
    );
    assert!(corrected(95.0) >= 60.0, "{shown}");
    assert!(corrected(99.0) >= 130.0, "{shown}");
    // And it does not show where it is not.
    assert!(corrected(80.0) < 60.0, "{shown}");
}

#[test]
fn a_closed_model_hides_the_stall_and_the_correction_shows_it() {
    let stalls = stalls();
    let server = Raw::start(move |stream| {
        // Some hundred requests a second on any machine.
        thread::sleep(Duration::from_millis(2));
        stalls.wait();
        respond(stream, b"content")
    });
    let result = result(&[&server.url("/"), "--http1", "-c", "2", "-d", "4s"], 0);
    assert_the_stall_shows(&result);
    // Two stalls, which only what was in flight has met: two of some thousand requests each.
    let raw = percentile_ms(&result, "last_byte", 95.0);
    assert!(raw < 60.0, "raw p95 {raw}");
    assert!(
        percentile_ms(&result, "last_byte", 100.0) >= 150.0,
        "it was met"
    );
}

#[test]
fn an_open_model_keeps_its_arrivals_while_the_server_stalls() {
    const RATE: u64 = 250;
    let stalls = stalls();
    let (came, in_stall) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&came), Arc::clone(&in_stall));
    let server = Raw::start(move |stream| {
        counts.0.fetch_add(1, Ordering::Relaxed);
        if stalls.left().is_some() {
            counts.1.fetch_add(1, Ordering::Relaxed);
        }
        stalls.wait();
        respond(stream, b"content")
    });
    // Connections for all that come in a stall, and more.
    let rate = RATE.to_string();
    let arguments = [
        &server.url("/"),
        "--http1",
        "-c",
        "100",
        "-r",
        &rate,
        "-d",
        "4s",
    ];
    let result = result(&arguments, 0);
    let requests = |fate: &str| number(&result, &format!("/total/requests/{fate}")) as u64;
    let all = requests("succeeded") + requests("failed") + requests("unfinished");
    assert_eq!((all, requests("failed")), (4 * RATE, 0));
    assert_the_stall_shows(&result);
    // Fifty are due in each of two stalls. They reach the server then, not afterwards.
    let (came, in_stall) = (
        came.load(Ordering::Relaxed),
        in_stall.load(Ordering::Relaxed),
    );
    assert!(came <= 4 * RATE && came >= requests("succeeded"), "{came}");
    assert!(in_stall >= 50, "{in_stall} of {came} came while it stalled");
    // Each found a connection, so here the raw figures have it too.
    assert!(percentile_ms(&result, "last_byte", 95.0) >= 60.0);
}

#[test]
fn an_open_model_counts_from_when_requests_were_due() {
    let stalls = stalls();
    let server = Raw::start(move |stream| {
        stalls.wait();
        respond(stream, b"content")
    });
    // Two connections: what is due in a stall waits for one of them.
    let arguments = [
        &server.url("/"),
        "--http1",
        "-c",
        "2",
        "-r",
        "250",
        "-d",
        "4s",
    ];
    let result = result(&arguments, 0);
    assert_the_stall_shows(&result);
    let raw = percentile_ms(&result, "last_byte", 95.0);
    assert!(raw < 60.0, "raw p95 {raw}");
}
