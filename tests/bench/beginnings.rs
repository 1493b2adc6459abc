//! Runs begin, and come to their end, whatever becomes of their connections.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use super::client::{begun, bench, command, number, result, said};
use super::raw::{Raw, respond};
use super::server::Server;

/// With two cores, one of them has no request to make.
#[test]
fn fewer_requests_than_connections() {
    let server = Raw::start(|stream| respond(stream, b"content"));
    for load in [
        &["-n", "1", "-c", "2"][..],
        &["-n", "3", "-c", "7"],
        &["--rate", "1", "-d", "1s", "-c", "2"],
    ] {
        let result = result(&[&[&*server.url("/"), "--http1"], load].concat(), 0);
        let made = if load[0] == "-n" { load[1] } else { "1" };
        let succeeded = number(&result, "/total/requests/succeeded");
        assert_eq!(succeeded.to_string(), made, "{load:?}");
    }
}

/// A server that takes every connection and ends it; in HTTP/2 also after having said a little.
fn ends_at_once(says: &'static [u8]) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        for stream in accepting.incoming() {
            // The client may have gone already.
            let _ = stream.and_then(|mut stream| stream.write_all(says));
        }
    });
    (listener, url)
}

/// An empty SETTINGS, and GOAWAY NO_ERROR with no stream processed.
const GOAWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn connections_that_end_before_the_load_begins() {
    for says in [&b""[..], GOAWAY] {
        let (_listener, url) = ends_at_once(says);
        let result = result(&[&url, "-c", "3", "-d", "1s"], 1);
        assert_eq!(number(&result, "/total/requests/succeeded"), 0.0);
        // Each pause is twice the last: 10 ms, 20 ms and so on, for each core.
        let opened = number(&result, "/connections/opened") as u64;
        let cores = result["options"]["cores"].as_array().unwrap().len() as u64;
        assert!((3..=cores * 60).contains(&opened), "{opened} on {cores}");
    }
}

/// Takes every connection, says this, and nothing more.
fn silent(says: &'static [u8]) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in accepting.incoming().flatten() {
            // The client may have gone already.
            let _ = stream.write_all(says);
            kept.push(stream);
        }
    });
    (listener, url)
}

/// SETTINGS with SETTINGS_MAX_CONCURRENT_STREAMS of 0.
const NO_STREAMS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\0";

#[test]
fn a_connection_on_which_nothing_comes_is_replaced() {
    let all = ["-c", "1", "-m", "100", "-n", "200", "-t", "300ms"];
    let (_listener, url) = silent(b"");
    let result = result(&[&[&*url], &all[..]].concat(), 1);
    assert_eq!(result["outcome"], "complete");
    assert_eq!(number(&result, "/total/requests/failed"), 200.0);
    assert_eq!(result["total"]["errors"][0]["kind"], "timeout");
    assert_eq!(number(&result, "/connections/opened"), 2.0);
    // Which requests were made before the settings came is chance; that it ends is not.
    let (_listener, url) = silent(NO_STREAMS);
    let said = bench(&[&[&*url], &all[..]].concat());
    assert_eq!(said.code, Some(1), "{}", said.err);
}

#[test]
fn a_server_that_goes_away_in_mid_run() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("file"), b"content").unwrap();
    let server = Server::start(folder.path(), &["--shards", "1"]);
    let url = format!("http://{}/file", server.http);
    let load = command(&[&url, "-c", "3", "-d", "6s", "--json", "-"]);
    let (child, rest) = begun(load, "req/s");
    drop(server);
    let said = said(child);
    rest.join().unwrap();
    assert_eq!(said.code, Some(1));
    let result: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(result["outcome"], "server_gone");
    assert!(number(&result, "/total/requests/succeeded") > 0.0);
}

/// With two cores, one of them is left without a connection.
#[test]
fn a_server_that_answers_on_one_connection_is_not_gone() {
    let first = OnceLock::new();
    let server = Raw::start(move |stream| {
        let mine = stream.peer_addr()?;
        match *first.get_or_init(|| mine) == mine {
            true => respond(stream, b"content"),
            false => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
    });
    // Those that wait for a connection have waited for the timeout long before the end.
    let load = ["--http1", "-c", "2", "-d", "1500ms", "-t", "300ms"];
    let result = result(&[&[&*server.url("/")], &load[..]].concat(), 0);
    assert_eq!(result["outcome"], "complete");
    assert_eq!(number(&result, "/total/elapsed_s"), 1.5);
}

#[test]
fn fewer_descriptors_than_connections() {
    let server = Raw::start(|stream| respond(stream, b"content"));
    let url = server.url("/");
    // One core: of several, one could take all that there are.
    let core = &result(&[&url, "--http1", "-n", "1"], 0)["options"]["cores"][0];
    let core = core.to_string();
    let load = ["--http1", "-c", "300", "-n", "100", "--cores", &core];
    let bench = command(&[&[&*url], &load[..], &["--json", "-"]].concat());
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 50 && exec \"$@\"", "sh"])
        .arg(bench.get_program())
        .args(bench.get_args())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let said = said(child.unwrap());
    assert_eq!(said.code, Some(0), "{}", said.err);
    let result: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(number(&result, "/total/requests/succeeded"), 100.0);
    // Not one for each connection that is missing.
    assert!(number(&result, "/connections/failed") < 100.0, "{result}");
    let reason = &result["connections"]["errors"][0]["reason"];
    assert!(reason.as_str().unwrap().contains("ulimit -n"), "{reason}");
}

/// Answers the first request of a connection with a head, GOAWAY, and nothing more.
fn drains(mut stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.read_exact(&mut [0; 24])?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        let len = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        stream.read_exact(&mut vec![0; len as usize])?;
        if header[3] == 1 {
            break;
        }
    }
    // SETTINGS; HEADERS with `:status: 200` on stream 1; GOAWAY NO_ERROR that names stream 1.
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88")?;
    stream.write_all(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0")?;
    Ok(stream)
}

#[test]
fn a_connection_that_drains_is_replaced_before_its_download_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            kept.push(drains(stream));
        }
    });
    let result = result(&[&url, "-c", "1", "-m", "1", "-d", "2s"], 1);
    assert_eq!(number(&result, "/total/requests/unfinished"), 2.0);
    assert_eq!(number(&result, "/connections/opened"), 2.0);
}
