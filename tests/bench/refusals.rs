//! Requests that the server says it has not processed (RFC 9113, sections 6.8 and 8.7) are made again.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::client::{bench, number, result};

/// A server of HTTP/2 that answers a request on this stream with these bytes.
fn h2(answer: fn(u32) -> Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    url
}

fn serve(mut stream: TcpStream, answer: fn(u32) -> Vec<u8>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_exact(&mut [0; 24])?;
    stream.write_all(&frame(SETTINGS, 0, 0, b""))?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        let [a, b, c, kind, flags, id @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        match (kind, flags) {
            (HEADERS, _) => stream.write_all(&answer(u32::from_be_bytes(id)))?,
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, b""))?,
            _ => {}
        }
    }
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32;
    let mut frame = len.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A whole response: `:status: 200`.
fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, 5, stream, b"\x88")
}

fn refused(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &7_u32.to_be_bytes())
}

/// NO_ERROR, and this is the last stream that is processed.
fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &(u64::from(last) << 32).to_be_bytes())
}

/// As nginx does with `keepalive_requests 3`: what comes behind the third request is ignored.
fn three(stream: u32) -> Vec<u8> {
    match stream {
        ..5 => ok(stream),
        5 => [ok(5), goaway(5)].concat(),
        _ => Vec::new(),
    }
}

#[test]
fn requests_beyond_the_last_stream_are_made_again_on_the_next_connection() {
    let url = h2(three);
    let closed = result(&[&url, "-c", "1", "-m", "4", "-n", "60"], 0);
    assert_eq!(number(&closed, "/total/requests/succeeded"), 60.0);
    assert_eq!(number(&closed, "/total/requests/failed"), 0.0);
    assert!(number(&closed, "/total/requests/retried") > 0.0);
    assert_eq!(number(&closed, "/connections/opened"), 20.0);
    assert_eq!(number(&closed, "/connections/failed"), 0.0);
    // At fixed times too.
    let load = ["-c", "1", "-m", "4", "--rate", "100", "-d", "500ms"];
    let open = result(&[&[&*url], &load[..]].concat(), 0);
    assert_eq!(number(&open, "/total/requests/failed"), 0.0);
}

#[test]
fn refused_requests_are_made_again_on_the_same_connection() {
    // As one does that allows four streams, before the client has heard of it.
    let url = h2(|stream| match stream {
        9..17 => refused(stream),
        _ => ok(stream),
    });
    let said = bench(&[&url, "-c", "1", "-m", "8", "-n", "100"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(
        said.out.contains("100 requests succeeded, 0 failed")
            && said.out.contains("\n4 requests were made again"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("1 opened, 0 failed, 0 lost"),
        "{}",
        said.out
    );
}

#[test]
fn who_refuses_everything_is_not_asked_for_ever() {
    let url = h2(refused);
    let result = result(&[&url, "-c", "1", "-m", "8", "-n", "20"], 1);
    assert_eq!(number(&result, "/total/requests/failed"), 20.0);
    assert_eq!(number(&result, "/total/requests/retried"), 160.0);
    let error = &result["total"]["errors"][0];
    assert_eq!(
        (&error["kind"], &error["code"]),
        (&"reset".into(), &"REFUSED_STREAM".into())
    );
}
