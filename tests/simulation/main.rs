//! The server's core and a client, joined by a wire that delays, cuts and drops, under a driver that does what a
//! shard does, with its misfortunes: short sends and reads, completions that come late, files that shrink, too few
//! slots. Everything follows from one printed seed.
//!
//! ```text
//! cargo test --test simulation                                             a few hundred seeds
//! RINGLANE_SIM_SEEDS=10000 cargo test --release --test simulation          more
//! RINGLANE_SIM_SEED=1234 cargo test --test simulation -- --nocapture       one seed, and what happens in it
//! RINGLANE_SIM_SEED=1234 RINGLANE_SIM_SEEDS=1000 cargo test …              seeds from there on
//! ```
//!
//! What holds is checked where it happens: [`client`] checks every frame it gets and every byte of every body, against
//! its own account of the windows; [`world`] counts the slots after every step and, when all is quiet, that every
//! request had its end and that both sides' windows are the same to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod driver;
mod pair;
#[path = "../support/random.rs"]
mod random;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use client::End;
use world::World;

/// Seeds of an ordinary run.
const SEEDS: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a whole number"))
}

#[test]
fn every_request_ends_once_and_no_byte_is_wrong() {
    let first = setting("RINGLANE_SIM_SEED");
    let seeds = setting("RINGLANE_SIM_SEEDS");
    let loud = first.is_some() && seeds.is_none();
    let count = seeds.unwrap_or(if loud { 1 } else { SEEDS });
    let first = first.unwrap_or(0);
    println!("seeds {first} to {}", first + count - 1);
    let started = Instant::now();
    let (mut ends, mut bytes, mut steps) = ([0u64; End::ALL.len()], 0, 0);
    for seed in first..first + count {
        let result = catch_unwind(AssertUnwindSafe(|| World::new(seed, loud).run()));
        let Ok(summary) = result else {
            panic!("seed {seed}: run it alone with RINGLANE_SIM_SEED={seed}");
        };
        for (all, some) in ends.iter_mut().zip(summary.ends) {
            *all += some;
        }
        bytes += summary.bytes;
        steps += summary.steps;
    }
    println!(
        "{count} seeds in {:?}: {steps} steps, {bytes} bytes",
        started.elapsed()
    );
    for (end, count) in End::ALL.into_iter().zip(ends) {
        println!("{end:?}: {count}");
        assert!(count > 0 || loud || seeds.is_some(), "{end:?} happens");
    }
}

#[test]
fn the_two_roles_of_the_core_understand_each_other() {
    let first = setting("RINGLANE_SIM_SEED").unwrap_or(0);
    let count = setting("RINGLANE_SIM_SEEDS").unwrap_or(SEEDS);
    let (mut complete, mut other) = (0, 0);
    for seed in first..first + count {
        let result = catch_unwind(AssertUnwindSafe(|| pair::run(seed)));
        let Ok((whole, cut)) = result else {
            panic!("seed {seed}: RINGLANE_SIM_SEED={seed} RINGLANE_SIM_SEEDS=1");
        };
        complete += whole;
        other += cut;
    }
    println!("{count} seeds from {first}: {complete} complete, {other} ended otherwise");
    assert!(complete > count && (other > 0 || count < SEEDS));
}
