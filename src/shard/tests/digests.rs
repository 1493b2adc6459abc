//! Digests of files that take long to be read.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use tempfile::TempDir;

use super::{TURNS, connect, control, do_held, run, shard};
use crate::shard::driver::Shard;

/// Seconds of work for a core.
const LARGE: u64 = 1 << 30;

/// A folder with a file of so many bytes.
fn folder(large_bytes: u64) -> TempDir {
    let root = TempDir::new().unwrap();
    let large = File::create(root.path().join("large.bin")).unwrap();
    large.set_len(large_bytes).unwrap();
    root
}

#[test]
fn a_listing_does_not_wait_for_the_digest_of_a_large_file() {
    let root = folder(LARGE);
    fs::create_dir(root.path().join("folder")).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    let (_, mut peer) = connect(&mut shard);
    peer.write_all(
        b"GET /large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\nWant-Repr-Digest: sha-512=1\r\n\r\n\
          GET /folder/ HTTP/1.1\r\nHost: a\r\n\r\n",
    )
    .unwrap();
    let mut said = Vec::new();
    run(&mut shard, |_| {
        let _ = peer.read_to_end(&mut said);
        said.ends_with(b"\r\n0\r\n\r\n")
    });
    assert!(said.starts_with(b"HTTP/1.1 206 "));
    assert!(shard.shared.offload.is_busy(), "that is being made yet");
}

/// However many ask for it meanwhile, and whatever they call it.
#[test]
fn the_digest_of_a_large_file_is_made_once_and_is_in_the_next_answer() {
    let root = folder((64 << 20) + 1);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    shard.shared.offload.held = Some(VecDeque::new());
    for (wanted, made) in [
        ("content-digest", false),
        ("content-digest", false),
        ("repr-digest", false),
        ("content-digest", true),
        ("repr-digest", true),
    ] {
        if made && let Some(work) = shard.shared.offload.held.as_mut().unwrap().pop_front() {
            work();
            run(&mut shard, |shard| !shard.shared.offload.is_busy());
        }
        let (_, mut peer) = connect(&mut shard);
        let request = "GET /large.bin HTTP/1.1\r\nHost: a\r\nWant-";
        write!(peer, "{request}{wanted}: sha-256=1\r\n\r\n").unwrap();
        let mut said = Vec::new();
        for turn in 0..TURNS {
            // Long after the file was written.
            shard.turn(turn as u64, || Duration::from_secs(4_000_000_000));
            let _ = peer.read_to_end(&mut said);
            if !said.is_empty() {
                break;
            }
            shard.shared.ring.wait(Duration::from_millis(1));
        }
        let digest = format!("\r\n{wanted}: sha-256=:");
        let told = memchr::memmem::find(&said, digest.as_bytes()).is_some();
        assert!(
            said.starts_with(b"HTTP/1.1 200 ") && told == made,
            "{wanted} {made}"
        );
        let begun = shard.shared.offload.held.as_ref().unwrap().len();
        assert_eq!(begun, usize::from(!made));
    }
}

/// Asks on a connection of its own, with these fields.
fn ask(shard: &mut Shard<'_>, path: &str, fields: &str) -> UnixStream {
    let (_, mut peer) = connect(shard);
    write!(peer, "GET /{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").unwrap();
    peer
}

/// The pieces of work that are begun when this many requests wait for one.
fn begun(shard: &mut Shard<'_>, waiting: u32) -> usize {
    run(shard, |shard| {
        let keys = shard.connections.keys().into_iter();
        let opening = keys.filter_map(|key| Some(shard.connections.get_mut(key)?.opening));
        opening.sum::<u32>() == waiting
    });
    shard.shared.offload.held.as_ref().unwrap().len()
}

#[test]
fn a_digest_that_many_wait_for_is_made_once() {
    let root = TempDir::new().unwrap();
    let file = File::create(root.path().join("file.bin")).unwrap();
    file.set_len(1 << 20).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    shard.shared.offload.held = Some(VecDeque::new());
    let wanted = "Range: bytes=0-0\r\nWant-Repr-Digest: sha-512=1";
    let mut peers: Vec<_> = (0..5)
        .map(|_| ask(&mut shard, "file.bin", wanted))
        .collect();
    assert_eq!(begun(&mut shard, 5), 1);
    let other = "Range: bytes=0-0\r\nWant-Repr-Digest: sha-256=1";
    peers.push(ask(&mut shard, "file.bin", other));
    assert_eq!(begun(&mut shard, 6), 2);
    do_held(&mut shard);
    for (at, mut peer) in peers.into_iter().enumerate() {
        let mut said = Vec::new();
        run(&mut shard, |_| {
            let _ = peer.read_to_end(&mut said);
            !said.is_empty()
        });
        let digest = if at == 5 {
            &b"sha-256=:"[..]
        } else {
            b"sha-512=:"
        };
        assert!(said.starts_with(b"HTTP/1.1 206 "));
        assert!(memchr::memmem::find(&said, digest).is_some());
    }
}

#[test]
fn what_is_made_for_one_who_is_gone_is_given_up_and_for_others_it_is_kept() {
    let root = folder((64 << 20) + 1);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    shard.shared.offload.held = Some(VecDeque::new());
    // Long after the file was written.
    shard.turn(0, || Duration::from_secs(4_000_000_000));
    let trailers = "TE: trailers\r\nConnection: TE\r\nWant-Repr-Digest: sha-256=1";
    let later = "Want-Repr-Digest: sha-512=1";
    let mut peers = vec![ask(&mut shard, "large.bin", trailers)];
    assert_eq!(begun(&mut shard, 1), 1);
    peers.push(ask(&mut shard, "large.bin", later));
    run(&mut shard, |shard| {
        shard.shared.offload.held.as_ref().unwrap().len() == 2
    });
    drop(peers);
    run(&mut shard, |shard| shard.connections.is_empty());
    let peer = ask(&mut shard, "large.bin", trailers);
    assert_eq!(begun(&mut shard, 1), 3, "anew, as the first was given up");
    drop(peer);
    run(&mut shard, |shard| shard.connections.is_empty());
    do_held(&mut shard);
    run(&mut shard, |shard| !shard.shared.offload.is_busy());
    for (algorithm, made) in [("sha-512", true), ("sha-256", false)] {
        let wanted = format!("Want-Repr-Digest: {algorithm}=1");
        let mut peer = ask(&mut shard, "large.bin", &wanted);
        let mut said = vec![0; 1_000];
        run(&mut shard, |_| peer.read_exact(&mut said).is_ok());
        let digest = format!("repr-digest: {algorithm}=:");
        let told = memchr::memmem::find(&said, digest.as_bytes()).is_some();
        assert_eq!(told, made, "{algorithm}");
    }
}

#[test]
fn the_digest_of_whole_content_is_kept() {
    let root = TempDir::new().unwrap();
    let file = File::create(root.path().join("file.bin")).unwrap();
    file.set_len(1 << 20).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    // Long after the file was written.
    shard.turn(0, || Duration::from_secs(4_000_000_000));
    for begun in [1, 0] {
        shard.shared.offload.held = Some(VecDeque::new());
        let mut peer = ask(&mut shard, "file.bin", "Want-Content-Digest: sha-256=1");
        let (mut said, mut done) = (vec![0; 1_000], 0);
        run(&mut shard, |shard| {
            let held = shard.shared.offload.held.as_mut().unwrap();
            done += held.drain(..).map(|work| work()).count();
            peer.read_exact(&mut said).is_ok()
        });
        let told = memchr::memmem::find(&said, b"content-digest: sha-256=:");
        assert!(told.is_some() && done == begun, "{done}");
    }
}
