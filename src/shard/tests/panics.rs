//! What a panic ends.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use rustix::io::Errno;

use super::frames::{PREFACE, frame};
use super::{connect, control, run, shard};
use crate::shard::driver::Shard;
use crate::uring::{Completion, Event};

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

/// Asks over HTTP/1.1, and lets the shard run until the answer has begun with this and ended with that.
fn ask(shard: &mut Shard<'_>, peer: &mut UnixStream, path: &str, (begin, end): (&str, &str)) {
    write!(peer, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    answered(shard, peer, (begin, end));
}

fn answered(shard: &mut Shard<'_>, peer: &mut UnixStream, (begin, end): (&str, &str)) {
    let mut said = Vec::new();
    run(shard, |_| {
        let mut piece = [0; 4_096];
        if let Ok(n) = peer.read(&mut piece) {
            said.extend_from_slice(&piece[..n]);
        }
        let said = String::from_utf8_lossy(&said);
        said.starts_with(begin) && said.ends_with(end)
    });
}

#[test]
fn a_panic_before_a_file_is_opened_leaves_nobody_waiting_for_it() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut broken) = connect(&mut shard);
    let roots = std::mem::take(&mut shard.shared.roots);
    broken
        .write_all(b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    run(&mut shard, |shard| shard.shared.counters.panics == 1);
    shard.shared.roots = roots;
    let (_, mut other) = connect(&mut shard);
    let whole = ("HTTP/1.1 200", "still here");
    ask(&mut shard, &mut other, "/file.txt", whole);
}

#[test]
fn a_panic_while_a_file_is_opened_is_an_answer_to_who_waits_for_it() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("kept.txt"), "kept").unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.shared.jobs.only = true;
    let (_, mut peer) = connect(&mut shard);
    ask(&mut shard, &mut peer, "/kept.txt", ("HTTP/1.1 200", "kept"));

    // Without descriptors the kept file makes room, and the other is opened again: there are no folders then.
    peer.write_all(b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut job = None;
    run(&mut shard, |shard| {
        job = shard.shared.jobs.owners().first().copied();
        job.is_some()
    });
    let roots = std::mem::take(&mut shard.shared.roots);
    let file = Err(Errno::MFILE);
    shard.dispatch(Completion {
        owner: job.unwrap(),
        event: Event::Opened { file },
    });
    shard.shared.roots = roots;
    let failed = ("HTTP/1.1 500", "\n");
    answered(&mut shard, &mut peer, failed);
    assert_eq!(shard.snapshot().panics, 1);
    let whole = ("HTTP/1.1 200", "still here");
    ask(&mut shard, &mut peer, "/file.txt", whole);
}

/// A field block that makes `path`, of six bytes, the last entry of the dynamic table.
fn first_block(path: &str) -> Vec<u8> {
    [b"\x82\x86\x44\x06", path.as_bytes(), b"\x01\x01x"].concat()
}

#[test]
fn connections_are_told_apart_after_a_panic() {
    // The last entry of the dynamic table: the same bytes from all, and another path of each.
    const SAME_BLOCK: &[u8] = b"\x82\x86\xbe\x01\x01x";
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("a.txt"), "from a").unwrap();
    fs::write(root.path().join("c.txt"), "from c").unwrap();
    let control = control();
    let (reports, _reported) = channel();
    let mut shard = shard(root.path(), &control, &reports);
    let ask = |shard: &mut _, peer: &mut UnixStream, request: &[u8], answer: &str| {
        peer.write_all(request).unwrap();
        let mut said = Vec::new();
        run(shard, |_| {
            let mut piece = [0; 4_096];
            if let Ok(n) = peer.read(&mut piece) {
                said.extend_from_slice(&piece[..n]);
            }
            said.windows(6).any(|bytes| bytes.starts_with(b"from "))
        });
        assert!(said.ends_with(answer.as_bytes()), "{}", said.escape_ascii());
    };
    let (_, mut a) = connect(&mut shard);
    let begun = [PREFACE, &frame(1, 5, 1, &first_block("/a.txt"))].concat();
    ask(&mut shard, &mut a, &begun, "from a");
    ask(&mut shard, &mut a, &frame(1, 5, 3, SAME_BLOCK), "from a");

    let (_, mut b) = connect(&mut shard);
    let roots = std::mem::take(&mut shard.shared.roots);
    b.write_all(b"GET /b.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    run(&mut shard, |shard| shard.shared.counters.panics == 1);
    shard.shared.roots = roots;

    let (_, mut c) = connect(&mut shard);
    let begun = [PREFACE, &frame(1, 5, 1, &first_block("/c.txt"))].concat();
    ask(&mut shard, &mut c, &begun, "from c");
    ask(&mut shard, &mut c, &frame(1, 5, 3, SAME_BLOCK), "from c");
    ask(&mut shard, &mut a, &frame(1, 5, 5, SAME_BLOCK), "from a");
}
