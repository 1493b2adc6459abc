//! What a connection leaves to the next when it ends in the middle of something: nothing.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use super::simulation::secured;
use super::{connect, connect_by, control, run, shard};
use crate::shard::connection::Transport;
use crate::shard::driver::Shard;
use crate::transport::tls::Handshake;

const REQUEST: &[u8] = b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n";

/// A client that asks for a file ends its side, and is still answered, and the connection then closed.
fn check_next(shard: &mut Shard<'_>) {
    assert_eq!(shard.shared.begun_opening, 0);
    let (_, mut peer) = connect(shard);
    peer.write_all(REQUEST).unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = Vec::new();
    run(shard, |_| read_to_end(&mut peer, &mut said));
    assert!(said.ends_with(b"still here"));
}

/// Reads what is there; whether that is all there will be.
fn read_to_end(peer: &mut UnixStream, said: &mut Vec<u8>) -> bool {
    peer.read_to_end(said).is_ok()
}

#[test]
fn requests_before_a_record_that_is_refused_are_not_the_next_connections() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let handshake = Handshake::new(secured::server()).unwrap();
    let (key, mut peer) = connect_by(&mut shard, Transport::Handshake(Box::new(handshake)));
    let mut out = Vec::new();
    let mut client = secured::Transport::secured(true, &mut out);
    run(&mut shard, |_| {
        let mut piece = [0; 4_096];
        if let Ok(n) = peer.read(&mut piece) {
            client.take(piece[..n].to_vec(), &mut out);
        }
        peer.write_all(&std::mem::take(&mut out)).unwrap();
        client.is_open()
    });
    client.send(REQUEST, &mut out);
    // A record that nobody has sealed.
    out.extend_from_slice(&[23, 3, 3, 0, 20]);
    out.extend_from_slice(&[0; 20]);
    peer.write_all(&out).unwrap();
    drop(peer);
    run(&mut shard, |shard| shard.connections.get_mut(key).is_none());
    check_next(&mut shard);
}

#[test]
fn requests_before_a_panic_are_not_the_next_connections() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (broken, _peer) = connect(&mut shard);
    shard.with(broken, |_, shared| {
        // As a request does whose file is to be opened.
        shared.begun_opening += 1;
        panic!("on purpose");
    });
    run(&mut shard, |shard| {
        shard.connections.get_mut(broken).is_none()
    });
    check_next(&mut shard);
}
