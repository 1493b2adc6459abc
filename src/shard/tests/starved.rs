//! Connections that wait for a slot of the arena.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{connect, control, run, shard};
use crate::shard::driver::{Shard, Turn};
use crate::shard::timers::Timer;
use crate::uring::Lease;

const REQUEST: &[u8] = b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n";

/// All that is left of the arena.
fn take_slots(shard: &Shard<'_>) -> Vec<Lease> {
    let arena = shard.shared.ring.arena();
    std::iter::from_fn(|| arena.lease(0)).collect()
}

#[test]
fn a_client_that_has_ended_its_side_is_answered_when_there_is_a_slot_again() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let slots = take_slots(&shard);
    let (_, mut peer) = connect(&mut shard);
    peer.write_all(REQUEST).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    run(&mut shard, |shard| !shard.shared.starved.is_empty());
    drop(slots);
    let mut said = Vec::new();
    run(&mut shard, |_| peer.read_to_end(&mut said).is_ok());
    assert!(said.ends_with(b"still here"));
}

#[test]
fn a_slot_that_a_slow_peer_gives_back_is_given_to_who_waits_at_once() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "still here").unwrap();
    fs::write(root.path().join("large.bin"), vec![0; 4 << 20]).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (slow, mut its_peer) = connect(&mut shard);
    its_peer
        .write_all(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    run(&mut shard, |shard| {
        let slow = shard.connections.get_mut(slow);
        slow.is_some_and(|slow| slow.stall_watched)
    });
    let _slots = take_slots(&shard);
    let (_, mut peer) = connect(&mut shard);
    peer.write_all(REQUEST).unwrap();
    run(&mut shard, |shard| !shard.shared.starved.is_empty());
    // Deadlines are looked at a little before it, so that the next look is the one of a shard that is about to sleep.
    let due_ns = Timer::Stalled.after_ns();
    while shard.turn(due_ns - 1, || Duration::ZERO) == Turn::More {}
    assert!(!shard.shared.starved.is_empty());
    assert_eq!(
        shard.turn(due_ns + 1_000_000, || Duration::ZERO),
        Turn::More
    );
    assert_eq!(
        shard.turn(due_ns + 1_000_000, || Duration::ZERO),
        Turn::More
    );
    assert!(shard.shared.starved.is_empty());
}
