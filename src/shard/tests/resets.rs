//! Requests that are reset while something is done for them off the loop.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use tempfile::TempDir;

use super::frames::{PREFACE, answered, get, reset};
use super::{connect, control, do_held, run, shard};
use crate::shard::driver::Shard;
use crate::uring::Owner;

/// What the connection waits for.
fn opening(shard: &mut Shard<'_>, key: Owner) -> u32 {
    shard.connections.get_mut(key).unwrap().opening
}

fn begun(shard: &Shard<'_>) -> usize {
    shard.shared.offload.held.as_ref().unwrap().len()
}

/// All that came until so many field blocks have.
fn receive(shard: &mut Shard<'_>, peer: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    run(shard, |_| {
        let _ = peer.read_to_end(&mut wire);
        answered(&wire).len() >= count
    });
    wire
}

#[test]
fn what_is_made_for_a_stream_that_was_reset_is_given_up_and_for_others_it_is_kept() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    shard.shared.offload.held = Some(VecDeque::new());
    let (key, mut peer) = connect(&mut shard);
    peer.write_all(&[PREFACE, &get("/folder/", &[], 1)].concat())
        .unwrap();
    run(&mut shard, |shard| begun(shard) == 1);
    peer.write_all(&reset(1)).unwrap();
    run(&mut shard, |shard| opening(shard, key) == 0);
    // Anew, and another shares that.
    peer.write_all(&get("/folder/", &[], 3)).unwrap();
    run(&mut shard, |shard| begun(shard) == 2);
    let (other, mut another) = connect(&mut shard);
    another
        .write_all(&[PREFACE, &get("/folder/", &[], 1)].concat())
        .unwrap();
    run(&mut shard, |shard| {
        shard.shared.jobs.owners().is_empty() && opening(shard, other) == 1
    });
    assert_eq!(begun(&shard), 2);
    peer.write_all(&reset(3)).unwrap();
    another.write_all(&get("/folder/", &[], 3)).unwrap();
    run(&mut shard, |shard| {
        shard.shared.jobs.owners().is_empty() && opening(shard, other) == 2
    });
    do_held(&mut shard);
    let wire = receive(&mut shard, &mut another, 2);
    assert_eq!(answered(&wire), [1, 3]);
    run(&mut shard, |shard| opening(shard, key) == 0);
    drop((peer, another));
    run(&mut shard, |shard| shard.connections.is_empty());
}

/// A response whose digest is to follow it waits for that, although its request was answered.
#[test]
fn trailers_are_given_up_with_their_own_stream_only() {
    let root = TempDir::new().unwrap();
    // What is larger is hashed while it is sent.
    let large = File::create(root.path().join("large.bin")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    let wanted = [("te", "trailers"), ("want-repr-digest", "sha-256=1")];
    let request = [PREFACE, &get("/large.bin", &wanted, 1)].concat();
    for (is_reset, given_up) in [(3, false), (1, true)] {
        let (control, (reports, _reported)) = (control(), channel());
        let mut shard = shard(root.path(), &control, &reports);
        shard.begin();
        shard.shared.offload.held = Some(VecDeque::new());
        let (key, mut peer) = connect(&mut shard);
        let listing = get("/folder/", &[], 3);
        peer.write_all(&[&request[..], &listing].concat()).unwrap();
        run(&mut shard, |shard| begun(shard) == 2);
        peer.write_all(&reset(is_reset)).unwrap();
        run(&mut shard, |shard| opening(shard, key) == 1);
        // Who wants the same shares it, or has it made anew.
        let (other, mut another) = connect(&mut shard);
        another.write_all(&request).unwrap();
        run(&mut shard, |shard| opening(shard, other) == 1);
        assert_eq!(begun(&shard), 2 + usize::from(given_up));
        do_held(&mut shard);
        run(&mut shard, |shard| {
            opening(shard, key) == 0 && opening(shard, other) == 0
        });
    }
}
