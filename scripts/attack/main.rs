//! Attacks a ringlane server on this machine, and checks that nobody else notices.
//!
//! `cargo run --release --example attack` starts the server that was built beside it, runs every attack in
//! [`attacks`] against it, each bounded in count and time, and prints a table. During and after each:
//!
//! 1. a well-behaved client gets its 100 KiB right within a second, on a connection from before and on new ones,
//! 2. resident memory, without mapped files, is less than 32 MiB over what it was before the first attack,
//! 3. the server is idle again when the attacker has gone,
//! 4. the attacker was told what RFC 9113 says that it is told,
//! 5. no descriptor is left over,
//! 6. the server lives, and has caught no panic.
//!
//! Only loopback addresses are attacked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure of the tool itself is to end it at once, loudly"
)]

mod attacks;
mod good;
mod measure;
mod peer;
mod target;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::attacks::ATTACKS;
use crate::measure::{Baseline, Row};
use crate::peer::Peer;
use crate::target::{FILES, Target, contents};

/// Attacks a ringlane server on this machine, and checks that nobody else notices.
#[derive(Debug, Parser)]
struct Args {
    /// The server to start [default: the one built beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    server: Option<PathBuf>,
    /// Run only the attacks whose name contains this; repeatable
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the attacks
    #[arg(long)]
    list: bool,
    /// Attack a server that runs already and serves what --prepare wrote: http://127.0.0.1:PORT
    #[arg(long, requires = "pid")]
    url: Option<String>,
    /// Where that server speaks TLS: https://127.0.0.1:PORT
    #[arg(long, requires = "url")]
    tls_url: Option<String>,
    /// Its process
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// Write the files that the attacks ask for into this folder, and end
    #[arg(long, value_name = "FOLDER")]
    prepare: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("attack: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every attack was withstood.
fn run(args: &Args) -> Result<bool, String> {
    if args.list {
        for attack in ATTACKS {
            println!("{:<26} {}", attack.name, attack.about);
        }
        return Ok(true);
    }
    if let Some(folder) = &args.prepare {
        target::write_files(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        return Ok(true);
    }
    raise_descriptor_limit();
    let target = Arc::new(find_target(args)?);
    warm_up(&target)?;
    let mut baseline = Baseline::take(&target).map_err(|error| error.to_string())?;
    let wanted = |name: &str| {
        args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()))
    };
    heading();
    let (mut passed, mut failed) = (0, 0);
    for attack in ATTACKS.iter().filter(|attack| wanted(attack.name)) {
        let row = measure::run(&target, attack, &mut baseline);
        print(&row);
        if row.wrong.is_empty() {
            passed += 1;
        } else {
            failed += 1;
        }
        if !target.is_alive() {
            println!("{}", target.text());
            break;
        }
    }
    if target.panics() > 0 {
        println!("{}", target.text());
    }
    let target = Arc::into_inner(target).ok_or("a thread still looks at the server")?;
    match target.stop() {
        Ok(()) => {}
        Err(error) => {
            println!("FAIL  at the end: {error}");
            failed += 1;
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}

fn find_target(args: &Args) -> Result<Target, String> {
    if let (Some(url), Some(pid)) = (&args.url, args.pid) {
        let https = args
            .tls_url
            .as_deref()
            .map(|url| loopback(url, "https://"))
            .transpose()?;
        return Ok(Target::running(loopback(url, "http://")?, https, pid));
    }
    let binary = match &args.server {
        Some(binary) => binary.clone(),
        None => beside().ok_or("where this program is cannot be told; give --server")?,
    };
    Target::start(&binary).map_err(|error| format!("{}: {error}", binary.display()))
}

/// The server in the folder above this example's.
fn beside() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    Some(here.parent()?.parent()?.join("ringlane"))
}

/// The address in a URL, if it is one of this machine's own.
fn loopback(url: &str, scheme: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = url
        .strip_prefix(scheme)
        .and_then(|rest| rest.trim_end_matches('/').parse().ok())
        .ok_or_else(|| format!("{url} is not {scheme}127.0.0.1:PORT"))?;
    if address.ip().is_loopback() && address.is_ipv4() {
        Ok(address)
    } else {
        Err(format!("{url}: only 127.0.0.1 is attacked"))
    }
}

/// Every file once, so that what is kept for all has been paid for, and checked on the way.
fn warm_up(target: &Target) -> Result<(), String> {
    let mut peer = Peer::open_wide(target.http).map_err(|error| error.to_string())?;
    for (at, (path, bytes)) in (0..).zip(FILES) {
        good::download(&mut peer, 2 * at + 1, path, &contents(bytes))?;
    }
    let port = peer.port();
    drop(peer);
    let until = Instant::now() + Duration::from_secs(5);
    while target.holds(port) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Thousands of connections need as many descriptors.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn heading() {
    println!(
        "      {:<26} {:>8} {:>7} {:>8} {:>8} {:>8}  how it ended",
        "attack", "frames", "took s", "mem MiB", "cpu ms", "good ms"
    );
}

fn print(row: &Row) {
    let good = row
        .good
        .map_or("-".to_owned(), |took| took.as_millis().to_string());
    println!(
        "{}  {:<26} {:>8} {:>7.1} {:>8.1} {:>8} {:>8}  {}",
        if row.wrong.is_empty() { "ok  " } else { "FAIL" },
        row.name,
        row.frames,
        row.took.as_secs_f64(),
        row.growth as f64 / f64::from(1 << 20),
        row.cpu.as_millis(),
        good,
        row.ended,
    );
    for wrong in &row.wrong {
        println!("          ! {wrong}");
    }
}
