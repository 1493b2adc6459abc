//! What a panic ends.

use std::fs;
use std::io::{Read, Write};
use std::sync::mpsc::channel;

use super::{connect, control, run, shard};

#[test]
fn a_panic_ends_its_connection_and_no_other() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let control = control();
    let (reports, _reported) = channel();
    let mut shard = shard(root.path(), &control, &reports);
    let (broken, mut its_peer) = connect(&mut shard);
    let (_, mut other_peer) = connect(&mut shard);

    shard.with(broken, |_, _| panic!("on purpose"));
    run(&mut shard, |shard| shard.connections.len() == 1);
    assert!(shard.connections.get_mut(broken).is_none());
    let mut ended = None;
    run(&mut shard, |_| {
        ended = its_peer.read(&mut [0; 16]).ok();
        ended.is_some()
    });
    assert_eq!(ended, Some(0), "its socket is closed");

    other_peer
        .write_all(b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut said = Vec::new();
    run(&mut shard, |_| {
        let mut piece = [0; 4_096];
        if let Ok(n) = other_peer.read(&mut piece) {
            said.extend_from_slice(&piece[..n]);
        }
        said.ends_with(b"still here")
    });
    let snapshot = shard.snapshot();
    assert_eq!((snapshot.panics, snapshot.requests), (1, 1));
    assert_eq!((snapshot.connections, snapshot.leased), (1, 0));
}
