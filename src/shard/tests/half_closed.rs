//! Clients that end their side when they have asked for everything.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;

use super::simulation::secured;
use super::{connect, connect_by, control, run, shard};
use crate::shard::connection::Transport;
use crate::transport::tls::Handshake;

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

#[test]
fn over_tls_all_is_answered_and_the_end_is_said() {
    // More than a socket takes at once, and than a slot holds.
    let content: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("large.bin"), &content).unwrap();
    fs::write(root.path().join("small.txt"), "small").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    let (large, small) = (&content[..], &b"small"[..]);
    for (path, body, field, ends) in [
        ("/large.bin", large, "", false),
        ("/large.bin", large, "", true),
        ("/small.txt", small, "", false),
        ("/small.txt", small, "", true),
        ("/small.txt", small, "Connection: close\r\n", true),
    ] {
        let server = Box::new(Handshake::new(secured::server()).unwrap());
        let (_, mut peer) = connect_by(&mut shard, Transport::Handshake(server));
        let (mut out, mut said) = (Vec::new(), Vec::new());
        let mut client = secured::Transport::secured(true, &mut out);
        let mut asked = false;
        run(&mut shard, |_| {
            peer.write_all(&std::mem::take(&mut out)).unwrap();
            if client.is_open() && !asked {
                let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n");
                client.send(request.as_bytes(), &mut out);
                client.close(&mut out);
                peer.write_all(&std::mem::take(&mut out)).unwrap();
                if ends {
                    peer.shutdown(Shutdown::Write).unwrap();
                }
                asked = true;
            }
            let mut piece = vec![0; 100_000];
            match peer.read(&mut piece) {
                Ok(0) => true,
                Ok(n) => {
                    said.extend(client.take(piece[..n].to_vec(), &mut out));
                    false
                }
                Err(_) => false,
            }
        });
        assert!(
            said.ends_with(body),
            "{path} {field} {ends}: {}",
            said.len()
        );
        assert!(client.was_closed(), "{path} {field} {ends}");
        drop(peer);
        run(&mut shard, |shard| shard.connections.is_empty());
    }
}
