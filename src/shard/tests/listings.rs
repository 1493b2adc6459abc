//! Listings of large directories, and who does not read them.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::thread;

use super::{connect, control, do_held, run, shard};
use crate::uring::tests::refuse_openat2;

#[test]
fn those_that_are_not_read_hold_no_more_than_so_much_memory() {
    let root = tempfile::TempDir::new().unwrap();
    for (folder, files) in [("large", 700), ("small", 5)] {
        fs::create_dir(root.path().join(folder)).unwrap();
        for n in 0..files {
            File::create(root.path().join(format!("{folder}/{n:0>200}"))).unwrap();
        }
    }
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    shard.shared.listings.most = 600_000;
    let mut peers = Vec::new();
    for (folder, status) in [
        ("large", 200),
        ("large", 200),
        ("large", 503),
        ("small", 200),
        // Another time, with nobody there any more.
        ("large", 200),
    ] {
        if peers.len() == 4 {
            peers.clear();
            run(&mut shard, |shard| shard.connections.is_empty());
        }
        let (_, mut peer) = connect(&mut shard);
        write!(peer, "GET /{folder}/ HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut head = [0; 12];
        run(&mut shard, |_| peer.read_exact(&mut head).is_ok());
        let head = String::from_utf8_lossy(&head);
        assert_eq!(head, format!("HTTP/1.1 {status}"), "{folder}");
        peers.push(peer);
    }
}

/// As in a unit of systemd with a user of its own.
#[test]
fn folders_are_listed_where_openat2_is_refused() {
    let root = tempfile::TempDir::new().unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    File::create(root.path().join("folder/file")).unwrap();
    std::os::unix::fs::symlink("file", root.path().join("folder/link")).unwrap();
    let listed = || {
        refuse_openat2();
        let (control, (reports, _reported)) = (control(), channel());
        let mut shard = shard(root.path(), &control, &reports);
        shard.begin();
        let (_, mut peer) = connect(&mut shard);
        peer.write_all(b"GET /folder/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut said = Vec::new();
        run(&mut shard, |_| peer.read_to_end(&mut said).is_ok());
        (String::from_utf8(said).unwrap(), shard.shared.jobs.only)
    };
    let (said, only_jobs) = thread::scope(|scope| scope.spawn(listed).join().unwrap());
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(
        said.contains("href=\"file\"") && said.contains("href=\"link\""),
        "{said}"
    );
    assert!(
        only_jobs,
        "the index file was looked for by the ring, and all is from then on"
    );
}

#[test]
fn those_who_ask_for_a_folder_meanwhile_share_what_is_read_and_held() {
    let root = tempfile::TempDir::new().unwrap();
    for n in 0..700 {
        File::create(root.path().join(format!("{n:0>200}"))).unwrap();
    }
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    shard.begin();
    // Room for two.
    shard.shared.listings.most = 600_000;
    shard.shared.offload.held = Some(VecDeque::new());
    let mut peers = Vec::new();
    for (at, query) in ["", "", "", "", "?sort=size"].into_iter().enumerate() {
        let (key, mut peer) = connect(&mut shard);
        write!(peer, "GET /{query} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        run(&mut shard, |shard| {
            let connection = shard.connections.get_mut(key);
            shard.shared.jobs.owners().is_empty() && connection.is_some_and(|one| one.opening == 1)
        });
        let begun = shard.shared.offload.held.as_ref().unwrap().len();
        assert_eq!(begun, 1 + at / 4);
        peers.push(peer);
    }
    do_held(&mut shard);
    let mut all = Vec::new();
    for mut peer in peers {
        let mut said = Vec::new();
        run(&mut shard, |_| {
            let _ = peer.read_to_end(&mut said);
            said.ends_with(b"\r\n0\r\n\r\n")
        });
        assert!(said.starts_with(b"HTTP/1.1 200 "));
        all.push(said);
    }
    assert!(all[..4].iter().all(|said| *said == all[0]) && all[4] != all[0]);
}
