//! The HTTP/1.1 connection: parts of requests that the bytes choose, and any bytes between them.
//!
//! Two connections are told the same, one of them in small pieces: they must see the same requests and say the same,
//! and what they say must be responses.

use std::rc::Rc;

use bytes::Bytes;
use ringlane::h1::{Body, Config, Connection, Event, Response, Scheme, Scratch, Timeouts};
use ringlane::response::{End, Segment, Stream};
use ringlane::slot::{Layout, Plan, Slot};

use super::input::Input;

#[allow(dead_code, reason = "the reader is that of other tests, too")]
#[path = "../../rfc9112/answers.rs"]
mod answers;

/// Slots that the rest is said in, at most.
const MOST_SLOTS: usize = 2_000;

const PARTS: [&str; 32] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /",
    "HEAD /",
    "POST /",
    "OPTIONS *",
    "CONNECT b:443",
    "GET http://b",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "Host: a\r\n",
    "\r\n",
    "\r",
    "\n",
    " ",
    ":",
    "Content-Length: 5\r\n",
    "Content-Length: 70000\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "Expect: x\r\n",
    "X: y\r\n",
    " HTTP/1.1\r\nHost: a\r\n\r\n",
    "5\r\nabcde\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "A;b=c\r\n0123456789\r\n",
    "\r\n\r\n",
    "abcde",
];

/// A connection, what it reported and what it said.
struct Side {
    core: Connection<()>,
    scratch: Scratch,
    requests: Vec<String>,
    /// Requests that wait for an answer.
    waiting: Vec<u32>,
    wire: Vec<u8>,
}

impl Side {
    fn new(config: Config) -> Self {
        Self {
            core: Connection::new(Rc::new(config), Scheme::Https, 0),
            scratch: Scratch::default(),
            requests: Vec::new(),
            waiting: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn feed(&mut self, now_ns: u64, mut input: &[u8]) {
        while let Some(Event::Request {
            stream,
            head,
            end_stream,
        }) = self
            .core
            .handle_bytes(now_ns, &mut input, &mut self.scratch)
        {
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
            let fields: Vec<_> = head.iter().map(|(n, v)| (text(n), text(v))).collect();
            self.requests.push(format!(
                "{} {stream} {end_stream} {} {} {} {fields:?}",
                text(head.method()),
                text(head.scheme()),
                text(head.authority()),
                text(head.path()),
            ));
            // What is answered, and whether at once, is told by the path alone.
            match head.path() {
                [b'/', choice, ..] => self.core.respond(stream, response(*choice)),
                [b'/'] => self.core.respond(stream, response(1)),
                _ => self.waiting.push(stream),
            }
        }
        assert!(input.is_empty(), "all input is taken");
    }

    fn transmit(&mut self, now_ns: u64, drained: bool) {
        let mut buffer = vec![0; 20_000];
        let mut plan = Plan::default();
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 100_000);
        self.core.poll_transmit(now_ns, &mut slot);
        slot.finish();
        let mut from = plan.used.start;
        for hole in &plan.holes {
            self.wire.extend_from_slice(&buffer[from..hole.at]);
            self.wire.resize(self.wire.len() + hole.len, 0);
            from = hole.at;
        }
        self.wire.extend_from_slice(&buffer[from..plan.used.end]);
        self.core.note_drained(plan.wire_len, drained, now_ns);
    }

    /// Ends it all in order, and reads what was said.
    fn end(&mut self, now_ns: u64) {
        self.core.shutdown();
        self.core.shutdown();
        for stream in std::mem::take(&mut self.waiting) {
            self.core.respond(stream, response(2));
        }
        // Any of them may be open.
        for stream in 1..=self.requests.len() as u32 {
            self.core.finish(stream, End::Done);
        }
        for _ in 0..MOST_SLOTS {
            if !self.core.wants_transmit() {
                break;
            }
            self.transmit(now_ns, true);
        }
        assert!(self.core.is_done(), "it comes to an end");
        if self.core.is_dead() {
            return;
        }
        let mut rest = &self.wire[..];
        for request in &self.requests {
            // An answer that the end of the connection ends leaves those behind it out.
            if !rest.is_empty() {
                answers::answer(&mut rest, request.starts_with("HEAD "));
            }
        }
        if !rest.is_empty() {
            assert!(self.core.error().is_some());
            let head = !rest.ends_with(b"\n") || rest.ends_with(b"\r\n");
            let refusal = answers::answer(&mut rest, head);
            assert_eq!(refusal.field("connection"), Some("close"));
            assert!(rest.is_empty(), "nothing is said after a refusal");
        }
    }
}

fn response(choice: u8) -> Response<()> {
    let len = u64::from(choice) * 300;
    let file = |len| Segment::File {
        file: (),
        offset: 7,
        len,
    };
    let body = match choice % 5 {
        0 => Body::Empty,
        1 => Body::Bytes(Bytes::from(vec![b'b'; usize::from(choice) * 10])),
        2 => Body::File {
            file: (),
            offset: 0,
            len,
        },
        3 => Body::Stream(Box::new(Stream::new([file(len)], End::Open))),
        _ => {
            let trailers = End::Trailers(Bytes::from_static(b"x: y\r\n"));
            Body::Stream(Box::new(Stream::new([file(len), file(1)], trailers)))
        }
    };
    let fields = match &body {
        Body::Stream(_) => String::new(),
        known => format!("content-length: {}\r\n", known.known_len()),
    };
    Response {
        head: [Bytes::from_static(b"HTTP/1.1 200 OK\r\n"), fields.into()],
        body,
    }
}

/// Talks to two connections.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let piece = 1 + usize::from(input.byte() % 40);
    let config = || Config {
        max_head_bytes: [32_768, 200][usize::from(choice & 1)],
        max_fields: [128, 3][usize::from(choice >> 1 & 1)],
        max_pipelined: [256, 3][usize::from(choice >> 2 & 1)],
        max_drained_content: [262_144, 20][usize::from(choice >> 3 & 1)],
        timeouts: Timeouts {
            idle_ns: [None, Some(5_000_000_000)][usize::from(choice >> 4 & 1)],
        },
        ..Config::default()
    };
    let mut sides = [Side::new(config()), Side::new(config())];
    let mut now_ns = 0;
    let mut steps = 0;
    while !input.is_empty() && steps < 300 {
        steps += 1;
        let what = input.byte();
        let stream = u32::from(input.byte() % 8);
        let bytes = match what % 16 {
            0..9 => PARTS[usize::from(input.byte()) % PARTS.len()].as_bytes(),
            9 | 10 => input.string(),
            _ => &[],
        };
        let passed = if what % 16 == 12 {
            u64::from(input.byte()) * 100_000_000
        } else {
            0
        };
        now_ns += passed;
        for (n, side) in sides.iter_mut().enumerate() {
            match what % 16 {
                0..11 if n == 0 => side.feed(now_ns, bytes),
                0..11 => bytes.chunks(piece).for_each(|part| side.feed(now_ns, part)),
                11 => side.transmit(now_ns, stream != 0),
                12 => side.core.handle_timeout(now_ns),
                13 => {
                    side.core
                        .append(stream, Segment::Bytes(Bytes::from_static(b"more")));
                }
                14 => side.core.finish(stream, End::Done),
                _ if stream == 0 => side.core.shutdown(),
                _ if stream == 1 && what == 255 => side.core.body_failed(),
                _ => side.core.respond(stream, response(what)),
            }
        }
        let [whole, pieces] = &sides;
        assert_eq!(whole.core.error(), pieces.core.error());
        assert_eq!(whole.core.open_streams(), pieces.core.open_streams());
        assert_eq!(whole.core.poll_timeout(), pieces.core.poll_timeout());
    }
    for side in &mut sides {
        side.end(now_ns);
    }
    let [whole, pieces] = &sides;
    assert_eq!(whole.requests, pieces.requests);
    assert!(whole.wire == pieces.wire, "they say the same");
}
