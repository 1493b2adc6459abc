//! A shard that cannot have descriptors any more.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{connect, control, run, shard};
use crate::uring::tests::in_a_process_of_its_own;

#[test]
fn the_first_request_is_answered_and_the_next_one_gets_the_file() {
    if !in_a_process_of_its_own(
        "shard::tests::no_descriptors::the_first_request_is_answered_and_the_next_one_gets_the_file",
    ) {
        return;
    }
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut peer) = connect(&mut shard);
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        ..before
    };
    for (limit, status, body) in [(none, "503", "try again"), (before, "200", "still here")] {
        setrlimit(Resource::Nofile, limit).unwrap();
        peer.write_all(b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut said = Vec::new();
        run(&mut shard, |_| {
            let mut piece = [0; 4_096];
            if let Ok(n) = peer.read(&mut piece) {
                said.extend_from_slice(&piece[..n]);
            }
            let said = String::from_utf8_lossy(&said);
            said.starts_with(&format!("HTTP/1.1 {status}")) && said.trim_end().ends_with(body)
        });
    }
}

#[test]
fn a_listing_that_waits_to_be_read_takes_none() {
    if !in_a_process_of_its_own(
        "shard::tests::no_descriptors::a_listing_that_waits_to_be_read_takes_none",
    ) {
        return;
    }
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.shared.offload.held = Some(VecDeque::new());
    let (_, mut peer) = connect(&mut shard);
    let next = || File::open("/dev/null").unwrap().as_raw_fd();
    let before = next();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    run(&mut shard, |shard| shard.shared.offload.is_busy());
    assert_eq!(next(), before);
}
