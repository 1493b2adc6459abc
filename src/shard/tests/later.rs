//! Files that are opened in later turns than the one that they were asked for in.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use tempfile::TempDir;

use super::frames::{PREFACE, answered, get, reset};
use super::{connect, control, run, shard};
use crate::files::Lookup;
use crate::shard::driver::Shard;
use crate::shard::open::MAX_LATER;
use crate::uring::Owner;

fn files(count: usize) -> TempDir {
    let root = TempDir::new().unwrap();
    for i in 0..count {
        fs::write(root.path().join(name(i)), format!("file {i}")).unwrap();
    }
    root
}

fn name(i: usize) -> String {
    format!("{i:02}.txt")
}

/// A request for a file.
fn request(i: usize, stream: u32) -> Vec<u8> {
    get(&format!("/{}", name(i)), &[], stream)
}

/// Asks for some files at once.
fn ask(peer: &mut UnixStream, files: Range<usize>) {
    let mut wire = PREFACE.to_vec();
    for (i, stream) in files.zip((1..).step_by(2)) {
        wire.extend(request(i, stream));
    }
    peer.write_all(&wire).unwrap();
}

/// Two clients, the first of which has asked for 99 files: most of them wait to be opened.
fn many_and_one(shard: &mut Shard<'_>) -> [UnixStream; 2] {
    let mut peers = [(); 2].map(|()| connect(shard).1);
    ask(&mut peers[0], 0..99);
    run(shard, |shard| shard.shared.jobs.have_later());
    peers
}

/// Whether the shard has looked at a file.
fn is_known(shard: &mut Shard<'_>, i: usize) -> bool {
    let key = [b"\0\0", name(i).as_bytes()].concat();
    matches!(shard.shared.files.lookup(&key, 0), Lookup::Hit(_))
}

fn receive(peer: &mut UnixStream, wire: &mut Vec<u8>) {
    let mut piece = [0; 4_096];
    while let Ok(n @ 1..) = peer.read(&mut piece) {
        wire.extend_from_slice(&piece[..n]);
    }
}

#[test]
fn a_turn_opens_a_few_and_those_that_follow_open_the_others() {
    let root = files(40);
    let (control, (reports, _reported)) = (control(), channel());
    // At once, and by the ring only.
    for only in [false, true] {
        let mut shard = shard(root.path(), &control, &reports);
        shard.shared.jobs.only = only;
        let (_, mut peer) = connect(&mut shard);
        ask(&mut peer, 0..40);
        let (mut waiting, mut wire) = (vec![0], Vec::new());
        run(&mut shard, |shard| {
            let now = shard.shared.jobs.later.len();
            if waiting.last() != Some(&now) {
                waiting.push(now);
            }
            receive(&mut peer, &mut wire);
            answered(&wire).len() == 40
        });
        assert_eq!(waiting, [0, 28, 16, 4, 0]);
        let mut answered = answered(&wire);
        if only {
            // The kernel's workers end in any order.
            answered.sort_unstable();
        }
        assert_eq!(answered, Vec::from_iter((0..40).map(|i| 2 * i + 1)));
    }
}

#[test]
fn nothing_is_opened_for_who_is_gone() {
    let root = files(99);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut peer) = connect(&mut shard);
    ask(&mut peer, 0..99);
    let mut peer = Some(peer);
    run(&mut shard, |shard| {
        let waiting = shard.shared.jobs.owners().len();
        if waiting > 0 {
            peer = None;
        }
        peer.is_none() && waiting == 0 && shard.connections.is_empty()
    });
    assert!(is_known(&mut shard, 0));
    assert!(!is_known(&mut shard, 98));
    assert!(!shard.shared.jobs.have_later());
}

/// But for another who waits for one of the same.
#[test]
fn what_another_waits_for_is_opened() {
    let root = files(99);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let [many, mut one] = many_and_one(&mut shard);
    ask(&mut one, 98..99);
    drop(many);
    let mut wire = Vec::new();
    run(&mut shard, |_| {
        receive(&mut one, &mut wire);
        answered(&wire) == [1]
    });
    assert!(!is_known(&mut shard, 97));
}

/// Nor for a stream that was reset; the connection goes on, and ends when its client does.
#[test]
fn nothing_is_opened_for_a_stream_that_was_reset() {
    let root = files(99);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let (_, mut peer) = connect(&mut shard);
    ask(&mut peer, 0..98);
    let mut wire: Vec<u8> = (1..=195).step_by(2).flat_map(reset).collect();
    wire.extend(request(98, 197));
    peer.write_all(&wire).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut wire = Vec::new();
    run(&mut shard, |shard| {
        receive(&mut peer, &mut wire);
        shard.connections.is_empty()
    });
    assert!(answered(&wire).contains(&197));
    assert!(is_known(&mut shard, 0) && is_known(&mut shard, 98));
    assert!(!is_known(&mut shard, 97));
    assert!(shard.shared.jobs.owners().is_empty());
}

/// Nor does it wait for its turn until then: of those who reset what they ask for at once, none fills the queue.
#[test]
fn what_is_reset_with_its_request_never_waits() {
    let root = files(99);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let mut peers = [(); 3].map(|()| connect(&mut shard).1);
    for peer in &mut peers {
        let mut wire = PREFACE.to_vec();
        for (i, stream) in (0..98).zip((1..).step_by(2)) {
            wire.extend(request(i, stream));
            wire.extend(reset(stream));
        }
        wire.extend(request(98, 197));
        peer.write_all(&wire).unwrap();
    }
    let mut wires = [(); 3].map(|()| Vec::new());
    run(&mut shard, |shard| {
        assert!(shard.shared.jobs.later.len() <= peers.len());
        for (peer, wire) in peers.iter_mut().zip(&mut wires) {
            receive(peer, wire);
        }
        wires.iter().all(|wire| answered(wire).contains(&197))
    });
    assert!(!is_known(&mut shard, 97));
    assert!(shard.shared.jobs.owners().is_empty());
}

/// Who asks for what is known does not wait until all is opened that another asked for.
#[test]
fn what_is_known_goes_out_between() {
    let root = files(99);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let [mut many, mut one] = [(); 2].map(|()| connect(&mut shard).1);
    let mut wire = Vec::new();
    ask(&mut one, 0..1);
    run(&mut shard, |_| {
        receive(&mut one, &mut wire);
        answered(&wire) == [1]
    });
    ask(&mut many, 0..99);
    run(&mut shard, |shard| shard.shared.jobs.have_later());
    one.write_all(&request(0, 3)).unwrap();
    run(&mut shard, |shard| {
        receive(&mut one, &mut wire);
        answered(&wire) == [1, 3] && {
            assert!(shard.shared.jobs.have_later());
            true
        }
    });
}

/// Who asks for one file that is not open does not wait until all are opened that another asked for before.
#[test]
fn one_of_each_is_opened_in_turn() {
    let root = files(100);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let [_many, mut one] = many_and_one(&mut shard);
    ask(&mut one, 99..100);
    run(&mut shard, |shard| is_known(shard, 99));
    assert!(shard.shared.jobs.have_later());
}

/// Nor does who asks for the last of those files: it is opened for both, and once.
#[test]
fn who_joins_others_has_a_turn_too() {
    let root = files(99);
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let [mut many, mut one] = many_and_one(&mut shard);
    ask(&mut one, 98..99);
    run(&mut shard, |shard| is_known(shard, 98));
    assert!(!is_known(&mut shard, 97));
    let (mut wire, mut wire_of_one) = (Vec::new(), Vec::new());
    run(&mut shard, |_| {
        receive(&mut many, &mut wire);
        receive(&mut one, &mut wire_of_one);
        answered(&wire).len() == 99
    });
    assert_eq!(answered(&wire_of_one), [1]);
    assert!(!shard.shared.jobs.have_later() && shard.shared.jobs.owners().is_empty());
}

#[test]
fn only_so_many_wait() {
    let root = files(1);
    let (control, (reports, _reported)) = (control(), channel());
    let over = Owner {
        slot: 99,
        generation: 99,
    };
    for (waiting, opened) in [(MAX_LATER - 1, false), (MAX_LATER, true)] {
        let mut shard = shard(root.path(), &control, &reports);
        let (_, mut peer) = connect(&mut shard);
        for _ in 0..waiting {
            shard.shared.jobs.later.push(over, over);
        }
        ask(&mut peer, 0..1);
        shard.shared.ring.wait(Duration::from_secs(10));
        while let Some(completion) = shard.shared.ring.next() {
            shard.dispatch(completion);
        }
        assert_eq!(is_known(&mut shard, 0), opened);
        run(&mut shard, |shard| is_known(shard, 0));
        run(&mut shard, |shard| !shard.shared.jobs.have_later());
    }
}
