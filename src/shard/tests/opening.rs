//! Files that are being opened while something else happens.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::channel;

use rustix::io::Errno;

use super::{connect, control, run, shard};
use crate::shard::connection::{Connection, Phase};
use crate::shard::driver::Shard;
use crate::uring::{Completion, Event, Owner};

/// Asks for a file that a job opens.
fn ask(shard: &mut Shard<'_>, root: &Path) -> (Owner, UnixStream, Owner) {
    fs::write(root.join("file.txt"), "still here").unwrap();
    shard.shared.jobs.only = true;
    let (connection, mut peer) = connect(shard);
    peer.write_all(b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut job = None;
    run(shard, |shard| {
        job = shard.shared.jobs.owners().first().copied();
        job.is_some()
    });
    (connection, peer, job.unwrap())
}

#[test]
fn what_a_signal_interrupts_is_tried_again() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut peer, job) = ask(&mut shard, root.path());
    let file = Err(Errno::INTR);
    shard.dispatch(Completion {
        owner: job,
        event: Event::Opened { file },
    });
    let mut said = Vec::new();
    run(&mut shard, |_| {
        let _ = peer.read_to_end(&mut said);
        !said.is_empty()
    });
    assert!(said.starts_with(b"HTTP/1.1 200 ") && said.ends_with(b"still here"));
}

#[test]
fn nothing_is_looked_for_where_nothing_can_be_answered() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (connection, _peer, job) = ask(&mut shard, root.path());
    shard.with(connection, Connection::close);
    let file = Err(Errno::NOENT);
    shard.dispatch(Completion {
        owner: job,
        event: Event::Opened { file },
    });
    let closing = shard.connections.get_mut(connection);
    assert!(closing.is_some_and(|one| one.phase == Phase::Closing && one.opening == 0));
    assert_eq!(shard.snapshot().requests, 0);
}
