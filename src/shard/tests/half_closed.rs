//! Clients that end their side when they have asked for everything.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;

use super::{connect, control, run, shard};

#[test]
fn the_trailers_of_an_answer_are_waited_for() {
    let root = tempfile::TempDir::new().unwrap();
    let content = vec![b'x'; 100_000];
    fs::write(root.path().join("file.bin"), &content).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    shard.shared.offload.held = Some(VecDeque::new());
    let (_, mut peer) = connect(&mut shard);
    peer.write_all(
        b"GET /file.bin HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\
          Want-Repr-Digest: sha-256=1\r\n\r\n",
    )
    .unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut said = Vec::new();
    run(&mut shard, |_| {
        let ended = peer.read_to_end(&mut said).is_ok();
        assert!(!ended, "the answer has no end yet");
        memchr::memmem::find(&said, &content[..1_000]).is_some()
            && said.iter().filter(|byte| **byte == b'x').count() >= content.len()
    });
    let mut more = 0;
    run(&mut shard, |_| {
        more += 1;
        assert!(peer.read_to_end(&mut said).is_err(), "not by then either");
        more == 10
    });
    let work = shard
        .shared
        .offload
        .held
        .as_mut()
        .and_then(VecDeque::pop_front);
    work.unwrap()();
    run(&mut shard, |_| peer.read_to_end(&mut said).is_ok());
    let end = &said[said.len() - 100..];
    let digest = memchr::memmem::find(end, b"repr-digest: sha-256=:");
    assert!(digest.is_some(), "{}", end.escape_ascii());
    assert!(end.ends_with(b"\r\n\r\n"));
}
