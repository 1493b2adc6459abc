//! Files that are read as a whole before they are answered with.

use std::fs;
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{TURNS, connect, control, shard};
use crate::files::SMALL_FILE_BYTES;
use crate::uring::Event;

#[test]
fn a_file_that_holds_more_than_it_says_is_read_once() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("file.txt"), "short").unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.shared.jobs.only = true;
    let (_, mut peer) = connect(&mut shard);
    peer.write_all(b"GET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let (mut reads, mut said) = (0, Vec::new());
    for _ in 0..TURNS {
        while let Some(mut completion) = shard.shared.ring.next() {
            if let Event::Read { result, .. } = &mut completion.event {
                *result = Ok(SMALL_FILE_BYTES as usize);
                reads += 1;
            }
            shard.dispatch(completion);
        }
        shard.turn(0, || Duration::ZERO);
        shard.shared.ring.wait(Duration::from_millis(1));
        let mut piece = [0; 32_768];
        if let Ok(n) = peer.read(&mut piece) {
            said.extend_from_slice(&piece[..n]);
        }
        if said.len() as u64 > SMALL_FILE_BYTES {
            break;
        }
    }
    let len = memchr::memmem::find(&said, b"content-length: 16384\r\n");
    assert!(len.is_some() && reads == 1, "{reads}");
}
