//! Files that are opened at once beside those that a job opens, and what is done with them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{TURNS, connect, control, run, shard};
use crate::files::{Found, Lookup};
use crate::shard::driver::Shard;
use crate::uring::Event;

fn ask(peer: &mut UnixStream, method: &str, path: &str) {
    write!(peer, "{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
}

/// Lets the shard run until so many bytes have come that `is_whole` says so.
fn answer(
    shard: &mut Shard<'_>,
    peer: &mut UnixStream,
    is_whole: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut said = Vec::new();
    run(shard, |_| {
        let mut piece = [0; 4_096];
        if let Ok(n) = peer.read(&mut piece) {
            said.extend_from_slice(&piece[..n]);
        }
        is_whole(&said)
    });
    said
}

#[test]
fn a_job_that_is_slow_does_not_bring_an_older_version_back() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "old").unwrap();
    fs::write(root.path().join("next.txt"), "new").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.shared.jobs.only = true;
    let [mut first, mut second] = [(); 2].map(|()| connect(&mut shard).1);
    ask(&mut first, "GET", "/file.txt");
    // The disk takes its time.
    let mut read = None;
    for _ in 0..TURNS {
        while let Some(completion) = shard.shared.ring.next() {
            match completion.event {
                Event::Read { .. } => read = Some(completion),
                _ => shard.dispatch(completion),
            }
        }
        if read.is_some() {
            break;
        }
        shard.turn(0, || Duration::ZERO);
        shard.shared.ring.wait(Duration::from_millis(1));
    }
    fs::rename(root.path().join("next.txt"), root.path().join("file.txt")).unwrap();
    shard.shared.jobs.only = false;
    ask(&mut second, "GET", "/file.txt");
    let mut turns = 0;
    run(&mut shard, |_| {
        turns += 1;
        turns == 20
    });
    shard.dispatch(read.unwrap());
    let ends = |said: &[u8]| said.ends_with(b"old") || said.ends_with(b"new");
    let mut said = answer(&mut shard, &mut second, ends);
    ask(&mut second, "GET", "/file.txt");
    let again = answer(&mut shard, &mut second, ends);
    assert_eq!(said.split_off(said.len() - 3), again[again.len() - 3..]);
}

#[test]
fn a_file_is_mapped_for_who_gets_its_bytes() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("large.bin"), vec![b'x'; 100_000]).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut peer) = connect(&mut shard);
    for (method, len, mapped) in [("HEAD", 0, false), ("GET", 100_000, true)] {
        ask(&mut peer, method, "/large.bin");
        let head_end = |said: &[u8]| memchr::memmem::find(said, b"\r\n\r\n").map(|at| at + 4);
        answer(&mut shard, &mut peer, |said| {
            head_end(said).is_some_and(|end| said.len() == end + len)
        });
        let known = shard.shared.files.lookup(b"\0\0large.bin", 0);
        let Lookup::Hit(Found::File(file)) = known else {
            panic!("it is known");
        };
        assert_eq!(file.mapping().is_some(), mapped, "{method}");
    }
}

/// Where a file system has no memory of its files' contents, as one in user space, each opening asks another program.
#[test]
fn a_file_whose_contents_are_not_in_memory_is_opened_once() {
    let root = tempfile::TempDir::new().unwrap();
    let path = root.path().join("file.txt");
    fs::write(&path, "from disk").unwrap();
    let file = fs::File::open(&path).unwrap();
    file.sync_all().unwrap();
    // In a file system that is in memory alone it stays there.
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut peer) = connect(&mut shard);
    ask(&mut peer, "GET", "/file.txt");
    let mut said = Vec::new();
    for _ in 0..TURNS {
        while let Some(completion) = shard.shared.ring.next() {
            let opened = matches!(completion.event, Event::Opened { .. });
            assert!(!opened, "it is open already");
            shard.dispatch(completion);
        }
        shard.turn(0, || Duration::ZERO);
        shard.shared.ring.wait(Duration::from_millis(1));
        let mut piece = [0; 4_096];
        if let Ok(n) = peer.read(&mut piece) {
            said.extend_from_slice(&piece[..n]);
        }
        if said.ends_with(b"from disk") {
            return;
        }
    }
    panic!("it was not answered");
}
