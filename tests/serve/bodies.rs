//! Bodies, byte for byte: whole trees over many streams at once, and any size of window and frame.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{BOTH, Client, Limits, Scheme};
use crate::content::{Content, Entry, KIB, MIB, Rng, seed, tree};
use crate::server::Server;

/// Fetches every entry, 300 streams over three connections at once.
async fn fetch_all(server: &Server, scheme: Scheme, entries: &[Entry], limits: Limits) {
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Arc::new(
            Client::connect(server, scheme, limits).await.unwrap(),
        ));
    }
    let mut running = JoinSet::new();
    for (number, entry) in entries.iter().cloned().enumerate() {
        if running.len() >= 300 {
            running.join_next().await.unwrap().unwrap();
        }
        let client = Arc::clone(&clients[number % clients.len()]);
        running.spawn(async move { client.fetch(&entry.path, entry.content).await });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

async fn whole_tree(scheme: Scheme) {
    let root = TempDir::new().unwrap();
    let entries = tree(root.path(), 300, seed());
    let server = Server::start(root.path(), &["--shards", "2"]);
    fetch_all(&server, scheme, &entries, Limits::default()).await;
    server.drained().await.assert_clean();
}

#[tokio::test]
async fn three_hundred_files_in_the_clear() {
    whole_tree(Scheme::Clear).await;
}

#[tokio::test]
async fn three_hundred_files_over_tls() {
    whole_tree(Scheme::Tls).await;
}

/// Any limits that RFC 9113 allows a client to set, down to a window of one byte.
fn any_limits(rng: &mut Rng) -> Limits {
    const GREATEST: usize = (1 << 31) - 1;
    let stream_window = match rng.below(3) {
        0 => *rng.pick(&[
            1, 2, 3, 9, 10, 100, 16_383, 16_384, 16_385, 65_535, GREATEST,
        ]),
        1 => rng.by_magnitude(1, 4 * KIB),
        _ => rng.by_magnitude(1, GREATEST),
    };
    let connection_window = match rng.below(2) {
        0 => 65_535,
        _ => rng.by_magnitude(65_536, GREATEST),
    };
    let max_frame = match rng.below(3) {
        0 => 16_384,
        1 => *rng.pick(&[16_385, 32_768, 65_535, MIB, (1 << 24) - 1]),
        _ => rng.by_magnitude(16_384, (1 << 24) - 1),
    };
    Limits {
        stream_window: u32::try_from(stream_window).unwrap(),
        connection_window: u32::try_from(connection_window).unwrap(),
        max_frame: u32::try_from(max_frame).unwrap(),
    }
}

/// Files that a client with these limits can fetch within a bounded number of window updates.
fn affordable(
    rng: &mut Rng,
    entries: &[Entry],
    limits: Limits,
    updates: usize,
    count: usize,
) -> Vec<Entry> {
    let most = (limits.stream_window as usize).saturating_mul(updates);
    let fitting: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.content.len() <= most)
        .collect();
    (0..count).map(|_| (*rng.pick(&fitting)).clone()).collect()
}

#[tokio::test]
async fn any_windows_and_frame_sizes() {
    let root = TempDir::new().unwrap();
    let seed = seed();
    let entries = tree(root.path(), 120, seed);
    let server = Server::start(root.path(), &["--shards", "1"]);
    let mut rng = Rng::new(seed);
    for round in 0..24 {
        let mut limits = any_limits(&mut rng);
        if round < 2 {
            limits.stream_window = 1;
        }
        let chosen = affordable(&mut rng, &entries, limits, 1_100, 12);
        println!("round {round}: {limits:?}");
        fetch_all(&server, BOTH[round % 2], &chosen, limits).await;
    }
    server.drained().await.assert_clean();
}

fn big_tree(root: &Path, seed: u64, bytes: usize, files: usize) -> (Entry, Vec<Entry>) {
    let big = Entry {
        path: "/big.bin".to_owned(),
        content: Content::new(seed, bytes),
    };
    big.content.write(&root.join("big.bin")).unwrap();
    (big, tree(root, files, seed))
}

/// The same at full size, a gibibyte and 2,000 files, where RINGLANE_TEST_FULL is set; at a tenth of it elsewhere.
#[tokio::test]
async fn a_large_file_and_a_tree() {
    let root = TempDir::new().unwrap();
    let seed = seed();
    let (bytes, files, rounds) = match std::env::var_os("RINGLANE_TEST_FULL") {
        Some(_) => (1 << 30, 2_000, 60),
        None => (1 << 26, 100, 6),
    };
    let (big, entries) = big_tree(root.path(), seed, bytes, files);
    let server = Server::start(root.path(), &["--shards", "2"]);
    let mut rng = Rng::new(seed);
    for scheme in BOTH {
        fetch_all(&server, scheme, &entries, Limits::default()).await;
        let mut limits = any_limits(&mut rng);
        limits.stream_window = limits.stream_window.max(100_000);
        println!("{scheme:?}: {limits:?}");
        Client::connect(&server, scheme, limits)
            .await
            .unwrap()
            .fetch(&big.path, big.content)
            .await;
    }
    for round in 0..rounds {
        let limits = any_limits(&mut rng);
        let chosen = affordable(&mut rng, &entries, limits, 3_000, 40);
        println!("round {round}: {limits:?}");
        fetch_all(&server, BOTH[round % 2], &chosen, limits).await;
    }
    server.drained().await.assert_clean();
}
