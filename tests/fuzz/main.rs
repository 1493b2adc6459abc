//! Fuzzing on stable: every target is run with seeded random inputs and with mutations of a small corpus.
//!
//! A target is a plain function of bytes that panics when something is wrong. The same functions are run by
//! `cargo fuzz`, with coverage, where that is installed: see `cargo-fuzz/Cargo.toml`.
//!
//! A failure prints the seed, the turn and the input. `RINGLANE_FUZZ_SEED` begins elsewhere, and `RINGLANE_FUZZ_RUNS`
//! runs more than the few thousand of an ordinary test run, without a limit of time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod mutate;
#[path = "../support/random.rs"]
mod random;
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mutate::next_input;
use random::Random;

/// Inputs of an ordinary run.
const RUNS: u64 = 6_000;
/// How long an ordinary run of one target may take.
const TIME: Duration = Duration::from_secs(3);

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a whole number"))
}

/// The hand-made inputs of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The order of a directory is not the same everywhere, and the seed has to tell the run.
    paths.sort();
    assert!(!paths.is_empty(), "{name} has a corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn fuzz(name: &str, target: fn(&[u8])) {
    let seed = setting("RINGLANE_FUZZ_SEED").unwrap_or(0);
    let asked = setting("RINGLANE_FUZZ_RUNS");
    println!("{name}: seed {seed}");
    let corpus = corpus(name);
    let mut random = Random::new(seed);
    let started = Instant::now();
    let run = |turn: u64, input: &[u8]| {
        let result = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(
            result.is_ok(),
            "{name}: seed {seed}, turn {turn}, input {}",
            input.escape_ascii()
        );
    };
    run(0, &[]);
    for input in &corpus {
        for len in 0..=input.len() {
            run(0, &input[..len]);
        }
    }
    let mut turns = 0;
    while turns < asked.unwrap_or(RUNS) && (asked.is_some() || started.elapsed() < TIME) {
        turns += 1;
        run(turns, &next_input(&mut random, &corpus));
    }
    println!("{name}: {turns} inputs in {:?}", started.elapsed());
    assert!(turns > 100, "{name} is too slow to be worth it");
}

#[test]
fn frames() {
    fuzz("frames", targets::frames::target);
}

#[test]
fn hpack() {
    fuzz("hpack", targets::hpack::target);
}

#[test]
fn connection() {
    fuzz("connection", targets::connection::target);
}

#[test]
fn client() {
    fuzz("client", targets::client::target);
}

#[test]
fn http1() {
    fuzz("http1", targets::http1::target);
}

#[test]
fn path() {
    fuzz("path", targets::path::target);
}

#[test]
fn conditions() {
    fuzz("conditions", targets::conditions::target);
}

#[test]
fn slot() {
    fuzz("slot", targets::slot::target);
}
