//! Peers that say nothing, or nothing that is HTTP/2: ended in order when idle, given up when they do not answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::Server;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
const PING_ACK: &[u8] = &[0, 0, 8, 6, 1, 0, 0, 0, 0];
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// Says hello and nothing more, but for the acknowledgement of PINGs if it `answers`; the types of the frames that it
/// got by the end of the connection, and how long that took.
fn silent(server: &Server, answers: bool) -> (Vec<u8>, Duration) {
    let mut socket = TcpStream::connect(server.http).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    socket
        .write_all(&[PREFACE, SETTINGS, SETTINGS_ACK].concat())
        .unwrap();
    let began = Instant::now();
    let mut kinds = Vec::new();
    let mut header = [0; 9];
    while socket.read_exact(&mut header).is_ok() {
        let mut payload = vec![0; usize::from(header[2])];
        socket.read_exact(&mut payload).unwrap();
        kinds.push(header[3]);
        if header[3] == PING && header[4] == 0 && answers {
            socket.write_all(&[PING_ACK, &payload].concat()).unwrap();
        }
    }
    (kinds, began.elapsed())
}

fn count(kinds: &[u8], kind: u8) -> usize {
    kinds.iter().filter(|&&other| other == kind).count()
}

#[test]
fn an_idle_connection_is_ended_by_two_goaways() {
    let root = TempDir::new().unwrap();
    let server = Server::start(root.path(), &["--idle-timeout", "1"]);
    let (kinds, took) = silent(&server, true);
    assert_eq!(count(&kinds, GOAWAY), 2, "{kinds:?}");
    let range = Duration::from_millis(900)..Duration::from_secs(10);
    assert!(range.contains(&took), "{took:?}");
    server.stop().assert_clean();
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_closed_without_a_word() {
    let root = TempDir::new().unwrap();
    let options = [
        "--keepalive-interval",
        "1",
        "--keepalive-timeout",
        "1",
        "--idle-timeout",
        "0",
    ];
    let server = Server::start(root.path(), &options);
    let (kinds, took) = silent(&server, false);
    assert_eq!((count(&kinds, PING), count(&kinds, GOAWAY)), (1, 0));
    assert!(took < Duration::from_secs(15), "{took:?}");
    server.stop().assert_clean();
}
