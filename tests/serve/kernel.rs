//! What the kernel is asked to do in our place: whatever it answers, every byte is right.

use std::fs;

use tempfile::TempDir;

use crate::client::{BOTH, Client, Limits, Scheme};
use crate::content::{Content, MIB};
use crate::server::{Ended, Server};

const LEN: usize = 20 * MIB + 1_234;

/// The kernel's version.
fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

async fn downloads_are_right(options: &[&str], schemes: &[Scheme]) -> Ended {
    let root = TempDir::new().unwrap();
    let content = Content::new(22, LEN);
    content.write(&root.path().join("large.bin")).unwrap();
    let server = Server::start(root.path(), &[&["--log-level", "debug"], options].concat());
    for &scheme in schemes {
        let limits = Limits {
            stream_window: 8 * MIB as u32,
            connection_window: 16 * MIB as u32,
            ..Limits::default()
        };
        let client = Client::connect(&server, scheme, limits).await.unwrap();
        client.fetch("/large.bin", content).await;
        tokio::join!(
            client.fetch("/large.bin", content),
            client.fetch("/large.bin", content)
        );
    }
    server.drained().await
}

/// Over loopback the kernel copies what is to be sent without a copy, and says so; Linux before 6.2 cannot.
#[tokio::test]
async fn sends_without_a_copy_are_tried_and_given_up() {
    let ended = downloads_are_right(&[], &BOTH).await;
    let tried = |copied: bool| {
        let line = format!("zero-copy sends were tried copied={copied}");
        ended.text.matches(&line).count()
    };
    let expected = if kernel() < (6, 2) { 0 } else { BOTH.len() };
    assert_eq!((tried(true), tried(false)), (expected, 0), "{}", ended.text);
    ended.assert_clean();
}

#[tokio::test]
async fn kernel_tls_is_used_where_there_is_some() {
    let ended = downloads_are_right(&["--kernel-tls"], &[Scheme::Tls]).await;
    let absent = ended.text.matches("this kernel has no TLS").count();
    let handed_over = ended.text.matches("the kernel seals").count();
    assert_eq!(absent + handed_over, 1, "{}", ended.text);
    assert_eq!(ended.code, Some(0));
}

/// Over loopback it has no effect.
#[test]
fn network_cards_are_polled() {
    if kernel() < (6, 9) {
        println!("skipped: Linux 6.9 is needed");
        return;
    }
    let root = TempDir::new().unwrap();
    Server::start(root.path(), &["--busy-poll", "50"])
        .stop()
        .assert_clean();
}
