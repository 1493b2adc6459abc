//! A whole shard without its executor: turn by turn, with a ring of its own.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::sched_getaffinity;

use super::connection::{Connection, Transport};
use super::driver::Shard;
use super::{Control, Options, Report, Serving, WakePipe};
use crate::files::FilesConfig;
use crate::h2::Timeouts;
use crate::site::Sites;
use crate::uring::{Owner, Ring, RingOptions};

const TURNS: usize = 1_000;

fn shard<'a>(root: &Path, control: &'a Control, reports: &'a Sender<Report>) -> Shard<'a> {
    let ring = Ring::new(&RingOptions {
        entries: 64,
        completions: 128,
        recv_buffers: 8,
        recv_buffer_bytes: 4_096,
        arena_bytes: 1 << 20,
    })
    .unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let options = Options {
        index: 0,
        core: 0,
        listeners: Vec::new(),
        serving: Serving {
            roots: vec![rustix::fs::open(root, flags, Mode::empty()).unwrap()],
            sites: Sites::single(root),
            files: FilesConfig::default(),
        },
        tls: None,
        timeouts: Timeouts::default(),
    };
    let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let pipe = WakePipe {
        woken,
        wake,
        affinity: sched_getaffinity(None).unwrap(),
    };
    Shard::new(options, ring, 0, control, pipe, reports)
}

fn connect(shard: &mut Shard<'_>) -> (Owner, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let shared = &mut shard.shared;
    let key = shard.connections.insert_with(|key| {
        Box::new(Connection::new(
            key,
            ours.into(),
            Transport::Cleartext,
            shared,
        ))
    });
    (key, theirs)
}

/// Lets the shard run until `done` says so.
fn run(shard: &mut Shard<'_>, mut done: impl FnMut(&mut Shard<'_>) -> bool) {
    for turn in 0..TURNS {
        shard.turn(turn as u64, || 0);
        if done(shard) {
            return;
        }
        shard.shared.ring.wait(Duration::from_millis(1));
    }
    panic!("it did not come to that in {TURNS} turns");
}

#[test]
fn a_panic_ends_its_connection_and_no_other() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let control = Control {
        command: AtomicU8::new(0),
        snapshot: AtomicBool::new(false),
    };
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
