//! Sends for which the system has no memory.

use std::fs;
use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::io::Errno;

use super::{TURNS, connect, control, shard};
use crate::uring::Event;

/// Sends a long answer to this machine, and tells that the first send came to this: whether the shard would leave the
/// socket to itself then.
fn is_lone_stall(result: Result<usize, Errno>) -> bool {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("large.bin"), vec![0; 1 << 20]).unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.shared.long.after = 0;
    let (key, mut peer) = connect(&mut shard);
    shard.with(key, |connection, _| connection.near = true);
    peer.write_all(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    for _ in 0..TURNS {
        while let Some(mut completion) = shard.shared.ring.next() {
            let sent = match &mut completion.event {
                Event::Sent { result: told, .. } => {
                    *told = result;
                    true
                }
                _ => false,
            };
            shard.dispatch(completion);
            if sent {
                return shard.shared.coalescing.lone_stall;
            }
        }
        shard.turn(0, || Duration::ZERO);
        shard.shared.ring.wait(Duration::from_millis(1));
    }
    panic!("nothing was sent");
}

#[test]
fn they_are_no_full_sockets_that_would_tell_of_room() {
    assert!(is_lone_stall(Err(Errno::AGAIN)));
    assert!(!is_lone_stall(Err(Errno::NOBUFS)));
    assert!(!is_lone_stall(Err(Errno::NOMEM)));
}
