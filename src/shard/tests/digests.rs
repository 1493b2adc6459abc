//! Digests of files that take long to be read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::mpsc::channel;

use super::{connect, control, run, shard};

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
