//! Deadlines and orders come although somebody always has something to send.

use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{TURNS, connect, control, shard};
use crate::shard::Command;
use crate::shard::connection::{Connection, Phase};
use crate::shard::driver::{Shard, Turn};
use crate::shard::timers::Timer;
use crate::uring::Owner;

/// Turns in each of which `busy` wants to be flushed, as one does whose socket takes every slot whole, until `done`.
fn run_busily(
    shard: &mut Shard<'_>,
    busy: Owner,
    from_ns: u64,
    mut done: impl FnMut(&mut Shard<'_>, Turn) -> bool,
) {
    for turn in 0..TURNS {
        shard.with(busy, Connection::mark);
        let turn = shard.turn(from_ns + turn as u64, || Duration::ZERO);
        if done(shard, turn) {
            return;
        }
        shard.shared.ring.wait(Duration::from_millis(1));
    }
    panic!("it did not come to that in {TURNS} turns");
}

#[test]
fn deadlines_come() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (busy, _its_peer) = connect(&mut shard);
    let (lingering, _peer) = connect(&mut shard);
    shard.with(lingering, Connection::drain);
    let phase = shard.connections.get_mut(lingering).map(|one| one.phase);
    assert_eq!(phase, Some(Phase::Lingering));
    run_busily(&mut shard, busy, Timer::Lingering.after_ns(), |shard, _| {
        shard.connections.get_mut(lingering).is_none()
    });
}

#[test]
fn orders_come() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    let (busy, _its_peer) = connect(&mut shard);
    let stop = Command::Stop as u8;
    control.command.store(stop, Ordering::Release);
    rustix::io::write(&shard.shared.offload.wake, b"!").unwrap();
    run_busily(&mut shard, busy, 0, |_, turn| turn == Turn::Over);
}
