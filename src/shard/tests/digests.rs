//! Digests of files that take long to be read.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{TURNS, connect, control, run, shard};

/// Seconds of work for a core.
const LARGE: u64 = 1 << 30;

#[test]
fn a_listing_does_not_wait_for_the_digest_of_a_large_file() {
    let root = tempfile::TempDir::new().unwrap();
    let large = File::create(root.path().join("large.bin")).unwrap();
    large.set_len(LARGE).unwrap();
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
    let root = tempfile::TempDir::new().unwrap();
    let large = File::create(root.path().join("large.bin")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
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
    assert!(shard.shared.being_digested.is_empty());
}
