//! The core from its outside: bytes in, bytes out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::rc::Rc;

use bytes::Bytes;

use super::*;
use crate::response::{End, Segment, Stream};
use crate::slot::{Layout, Plan, Slot};

/// A connection, what it reported and what it said.
struct Side {
    core: Connection<char>,
    scratch: Scratch,
    events: Vec<String>,
    wire: String,
    now_ns: u64,
}

impl Side {
    fn new(config: Config) -> Self {
        Self {
            core: Connection::new(Rc::new(config), Scheme::Http, 0),
            scratch: Scratch::default(),
            events: Vec::new(),
            wire: String::new(),
            now_ns: 0,
        }
    }

    /// Feeds bytes; requests are noted and not answered.
    fn feed(&mut self, bytes: impl AsRef<[u8]>) {
        let mut input = bytes.as_ref();
        while let Some(Event::Request {
            stream,
            head,
            end_stream,
        }) = self
            .core
            .handle_bytes(self.now_ns, &mut input, &mut self.scratch)
        {
            self.events.push(format!(
                "{stream} {} {} {}{}",
                head.method().escape_ascii(),
                head.authority().escape_ascii(),
                head.path().escape_ascii(),
                if end_stream { "" } else { " +" }
            ));
        }
        assert!(input.is_empty(), "all input is taken");
    }

    /// Fills slots until nothing is left; a byte of a file is its name.
    fn transmit(&mut self) -> String {
        while self.core.wants_transmit() {
            let (mut buffer, mut plan) = (vec![0; 65_536], Plan::default());
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
            self.core.poll_transmit(self.now_ns, &mut slot);
            slot.finish();
            let mut from = plan.used.start;
            for hole in &plan.holes {
                self.wire += std::str::from_utf8(&buffer[from..hole.at]).unwrap();
                self.wire.extend(std::iter::repeat_n(hole.file, hole.len));
                from = hole.at;
            }
            self.wire += std::str::from_utf8(&buffer[from..plan.used.end]).unwrap();
        }
        std::mem::take(&mut self.wire)
    }
}

fn response(body: Body<char>) -> Response<char> {
    let length = match &body {
        Body::Stream(_) => Bytes::new(),
        known => format!("content-length: {}\r\n", known.known_len()).into(),
    };
    Response {
        head: [Bytes::from_static(b"HTTP/1.1 200 OK\r\n"), length],
        body,
    }
}

#[test]
fn a_request_is_answered() {
    let mut side = Side::new(Config::default());
    side.feed("GET /a?b HTTP/1.1\r\nHost: example:80\r\n\r\n");
    assert_eq!(side.events, ["1 GET example:80 /a?b"]);
    assert!(!side.core.wants_transmit());
    side.core
        .respond(1, response(Body::Bytes(Bytes::from_static(b"hello"))));
    let wire = side.transmit();
    assert_eq!(wire, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    assert!(!side.core.is_done() && side.core.open_streams() == 0);
}

#[test]
fn a_stream_goes_out_in_chunks() {
    let mut side = Side::new(Config::default());
    side.feed("GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n");
    let file = Segment::File {
        file: 'f',
        offset: 0,
        len: 20,
    };
    let stream = Stream::new([file], End::Open);
    side.core
        .respond(1, response(Body::Stream(Box::new(stream))));
    assert_eq!(
        side.transmit(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\nffffffffffffffffffff\r\n"
    );
    side.core
        .append(1, Segment::Bytes(Bytes::from_static(b"abc")));
    side.core
        .finish(1, End::Trailers(Bytes::from_static(b"x: y\r\n")));
    assert_eq!(side.transmit(), "3\r\nabc\r\n0\r\nx: y\r\n\r\n");
    assert_eq!(side.core.open_streams(), 0);
}

#[test]
fn garbage_is_refused_after_the_answers_before_it() {
    let mut side = Side::new(Config::default());
    side.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01");
    assert_eq!(side.core.error(), Some(ConnectionError::TlsOnCleartext));
    assert!(!side.core.is_done() && side.core.open_streams() == 1);
    side.core.respond(1, response(Body::Empty));
    assert_eq!(
        side.transmit(),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 400 Bad Request\r\n\
         content-type: text/plain; charset=utf-8\r\ncontent-length: 66\r\nconnection: close\r\n\r\n\
         400 Bad Request: a TLS handshake where HTTP without TLS is spoken\n"
    );
    assert!(side.core.is_done());
}

#[test]
fn what_the_end_of_the_connection_ends_is_no_refusal() {
    let mut side = Side::new(Config::default());
    side.feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\x16\x03\x01");
    let begun = [Segment::Bytes(Bytes::from_static(b"listing"))];
    let stream = Stream::new(begun, End::Open);
    side.core
        .respond(1, response(Body::Stream(Box::new(stream))));
    assert_eq!(
        side.transmit(),
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nlisting"
    );
    assert_eq!(side.core.open_streams(), 1);
    side.core.finish(1, End::Done);
    side.transmit();
    assert!(side.core.is_done() && side.core.open_streams() == 0);
}
