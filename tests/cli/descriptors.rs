//! What becomes of a server that may open few files.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{PROGRAM, Server, home};

/// The program, which may have so many descriptors. The shell's limit is a hard one too, so that it cannot be raised.
fn limited(limit: u32) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n $0; exec \"$@\"", &limit.to_string()])
        .args([PROGRAM, "serve", "--http", "127.0.0.1:0"])
        .args(["--https", "none"])
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null());
    command
}

/// However many there are, what is to be done is said in one line: two shards start, or none does.
#[test]
fn too_few_descriptors_are_told_at_once() {
    let home = home();
    let (mut refused, mut started) = (0, false);
    for limit in 8..256 {
        let mut child = limited(limit)
            .args(["--shards", "2"])
            .current_dir(home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        if stdout.read_line(&mut line).unwrap() > 0 {
            let _ = child.kill();
            child.wait().unwrap();
            started = true;
            break;
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{limit}: {said}");
        assert!(said.contains("ulimit -n"), "{limit}: {said}");
        assert_eq!(said.lines().count(), 1, "{limit}: {said}");
        refused += usize::from(said.contains("2 shards need 21 descriptors"));
    }
    assert!(refused > 0 && started, "{refused} of those");
}

/// The status of an answer, of which the body is taken; `None` when the connection is closed instead.
fn status_of(connection: &mut TcpStream, request: &str) -> Option<u16> {
    let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).ok()?;
    let mut lines = BufReader::new(connection.try_clone().unwrap());
    let (mut line, mut head) = (String::new(), String::new());
    while line != "\r\n" {
        head.push_str(&line);
        line.clear();
        match lines.read_line(&mut line) {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
    }
    if request.starts_with("GET") {
        let mut lengths = head
            .lines()
            .filter_map(|line| line.strip_prefix("content-length: "));
        let len = lengths.next().unwrap().parse().unwrap();
        lines.read_exact(&mut vec![0; len]).unwrap();
    }
    assert!(lines.buffer().is_empty());
    Some(head[9..12].parse().unwrap())
}

#[test]
fn connections_leave_descriptors_for_files() {
    let home = home();
    for index in 0..100 {
        fs::write(home.path().join(format!("{index}")), vec![0; index * 1_000]).unwrap();
    }
    let server = Server::start(
        limited(128)
            .args(["--shards", "1"])
            .current_dir(home.path()),
    );
    let connect = || TcpStream::connect(server.address("http")).unwrap();
    // One after the other, until there is no room for another: it waits, or is closed.
    let mut connections = Vec::new();
    loop {
        assert!(connections.len() < 128);
        let mut connection = connect();
        connection
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        match status_of(&mut connection, "GET /0") {
            Some(200) => connections.push(connection),
            refused => break assert_eq!(refused, None),
        }
    }
    assert!(connections.len() > 64, "{}", connections.len());
    for index in 0..100 {
        for request in [&format!("GET /{index}"), "HEAD /"] {
            let status = status_of(&mut connections[index % 64], request);
            assert_eq!(status, Some(200), "{request}");
        }
    }
    // Who comes meanwhile waits until others have gone.
    let mut next = connect();
    next.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    next.read(&mut [0]).unwrap_err();
    next.set_read_timeout(None).unwrap();
    drop(connections);
    assert_eq!(status_of(&mut next, "GET /99"), Some(200));
}
