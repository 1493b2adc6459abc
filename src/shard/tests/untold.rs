//! Connections in the clear of which it is not known yet what they speak: nothing is said to them.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::channel;

use super::{connect, control, run, shard};
use crate::shard::connection::Connection;

#[test]
fn a_first_byte_that_both_protocols_begin_with_is_not_answered() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (key, mut peer) = connect(&mut shard);
    peer.write_all(b"P").unwrap();
    run(&mut shard, |shard| {
        let first = &shard.connections.get_mut(key).unwrap().first;
        first.as_deref() == Some(b"P") && shard.shared.dirty.len() == 0
    });
    let connection = shard.connections.get_mut(key).unwrap();
    assert!(connection.outgoing.is_none(), "nothing is being said");
    let said = peer.read(&mut [0; 16]).unwrap_err().kind();
    assert_eq!(said, ErrorKind::WouldBlock);

    peer.write_all(b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    let mut said = Vec::new();
    run(&mut shard, |_| {
        let mut piece = [0; 4_096];
        if let Ok(n) = peer.read(&mut piece) {
            said.extend_from_slice(&piece[..n]);
        }
        said.len() >= 12
    });
    assert_eq!(&said[..12], b"HTTP/1.1 405");
}

#[test]
fn a_connection_that_has_said_nothing_ends_without_a_word() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (key, mut peer) = connect(&mut shard);
    shard.with(key, Connection::drain);
    let mut ended = None;
    run(&mut shard, |_| {
        ended = peer.read(&mut [0; 16]).ok();
        ended.is_some()
    });
    assert_eq!(ended, Some(0));
}
