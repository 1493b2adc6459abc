//! What RFC 9113 requires of a client, asked of the core in that role: a server by hand writes raw frames.
//!
//! As for the server's role, two connections are driven at once: one gets what is sent as a whole, the other in small
//! pieces, and both must say the same.

mod s3_s4_preface_and_frames;
mod s5_streams;
mod s6_frames;
mod s8_messages;

use std::rc::Rc;

use ringlane::h2::client::{ClientConfig, ClientConnection, ClientEvent, Request, RequestError};
use ringlane::h2::{ErrorCode as C, Scratch};
use ringlane::slot::{Layout, Plan, Slot};

use crate::client::Outcome::{self, Connection as ConnectionError, Fine, Stream as StreamError};
use crate::frames::*;

/// In a [`Server::prepared`]: requested, and nothing has come back.
const ASKED: StreamId = 1;
/// The head of its response has come, and content is to follow.
const HEADED: StreamId = 3;
/// Both sides have ended it.
const CLOSED: StreamId = 5;
/// Requested, and the request's content waits for a window.
const UPLOAD: StreamId = 7;
/// Cancelled, and the server has acknowledged the PING that followed.
const CANCELLED: StreamId = 9;
/// The next one, of which the server was told nothing.
const IDLE: StreamId = 11;

const STATUS: Field<'_> = (":status", "200");

/// An event that owns what it says; DATA is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Response(StreamId, u16, bool),
    Data(StreamId, Vec<u8>, bool),
    Trailers(StreamId, Vec<String>),
    /// Stream, code, whether the request can be made again.
    Reset(StreamId, ErrorCode, bool),
    Goaway(StreamId),
}

struct Side {
    core: ClientConnection,
    scratch: Scratch,
    seen: Vec<Seen>,
    wire: Vec<u8>,
}

impl Side {
    fn feed(&mut self, mut input: &[u8]) {
        while let Some(event) = self.core.handle_bytes(&mut input, &mut self.scratch) {
            let seen = match event {
                ClientEvent::Response {
                    stream,
                    head,
                    end_stream,
                } => Seen::Response(stream, head.status(), end_stream),
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    if let Some(Seen::Data(last, all, end @ false)) = self.seen.last_mut()
                        && *last == stream
                    {
                        all.extend_from_slice(data);
                        *end = end_stream;
                        continue;
                    }
                    Seen::Data(stream, data.to_vec(), end_stream)
                }
                ClientEvent::Trailers { stream, trailers } => {
                    let name = |(name, _): (&[u8], _)| String::from_utf8(name.to_vec()).unwrap();
                    Seen::Trailers(stream, trailers.iter().map(name).collect())
                }
                ClientEvent::Reset {
                    stream,
                    code,
                    retryable,
                    ..
                } => Seen::Reset(stream, code, retryable),
                ClientEvent::Goaway { last_stream_id, .. } => Seen::Goaway(last_stream_id),
            };
            self.seen.push(seen);
        }
        assert!(input.is_empty(), "all input is consumed");
    }

    fn transmit(&mut self) {
        for _ in 0..1_000 {
            if !self.core.wants_transmit() {
                return;
            }
            let (mut buffer, mut plan) = (vec![0; 256 << 10], Plan::<()>::default());
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
            self.core.poll_transmit(&mut slot);
            slot.finish();
            self.wire.extend_from_slice(&buffer[plan.used]);
        }
        panic!("the client never ends");
    }
}

/// The test, as the server of the core.
struct Server {
    sides: [Side; 2],
    answers_pings: bool,
}

impl Server {
    /// A server that has said nothing.
    fn raw(config: ClientConfig) -> Self {
        let config = Rc::new(config);
        let side = || Side {
            core: ClientConnection::new(Rc::clone(&config)),
            scratch: Scratch::default(),
            seen: Vec::new(),
            wire: Vec::new(),
        };
        Self {
            sides: [side(), side()],
            answers_pings: true,
        }
    }

    /// A server that has sent these SETTINGS and acknowledged the client's.
    fn with(config: ClientConfig, parameters: &[(u16, u32)]) -> Self {
        let mut server = Self::raw(config);
        server.receive();
        server.send(&[settings(parameters), settings_ack()].concat());
        server.receive();
        server
    }

    fn new() -> Self {
        Self::with(ClientConfig::default(), &[])
    }

    /// With a stream in every state: see [`ASKED`] and those that follow it.
    fn prepared() -> Self {
        let mut server = Self::with(ClientConfig::default(), &[(id::INITIAL_WINDOW_SIZE, 0)]);
        for expected in [ASKED, HEADED, CLOSED] {
            assert_eq!(server.get(), expected);
        }
        assert_eq!(server.post(10), UPLOAD);
        assert_eq!(server.get(), CANCELLED);
        server.receive();
        server.send(&headers(HEADED, &[STATUS], false));
        server.send(&headers(CLOSED, &[STATUS], true));
        server.cancel(CANCELLED);
        server.receive();
        server.events();
        server
    }

    fn each(&mut self, mut act: impl FnMut(&mut ClientConnection) -> StreamId) -> StreamId {
        let [whole, cut] = self.sides.each_mut().map(|side| act(&mut side.core));
        assert_eq!(whole, cut);
        whole
    }

    /// The client makes a request.
    fn ask(&mut self, request: &Request) -> Result<StreamId, RequestError> {
        let [whole, cut] = self
            .sides
            .each_mut()
            .map(|side| side.core.request(request.clone()));
        assert_eq!(whole, cut);
        whole
    }

    fn get(&mut self) -> StreamId {
        let request = Request::new("GET", "https", "a.example", "/", &[]);
        self.ask(&request).unwrap()
    }

    fn post(&mut self, len: usize) -> StreamId {
        let request = Request::new("POST", "https", "a.example", "/", &[]);
        self.ask(&request.with_body(vec![7; len].into())).unwrap()
    }

    fn cancel(&mut self, stream: StreamId) {
        self.each(|core| {
            core.cancel(stream);
            stream
        });
    }

    fn send(&mut self, bytes: &[u8]) {
        let [whole, cut] = &mut self.sides;
        whole.feed(bytes);
        let piece = if bytes.len() < 1_000 { 1 } else { 61 };
        bytes.chunks(piece).for_each(|piece| cut.feed(piece));
        assert_eq!(whole.seen, cut.seen, "the same in one piece and in many");
    }

    /// What the client has said, as bytes.
    fn wire(&mut self) -> Vec<u8> {
        let [whole, cut] = self.sides.each_mut().map(|side| {
            side.transmit();
            std::mem::take(&mut side.wire)
        });
        assert_eq!(whole.len(), cut.len(), "the same in one piece and in many");
        whole
    }

    /// All that the client has to say now; its preface is taken off, and its PINGs are acknowledged.
    fn receive(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let mut wire = self.wire();
            if wire.starts_with(PREFACE) {
                wire.drain(..PREFACE.len());
            }
            let new = take_frames(&mut wire);
            assert!(wire.is_empty(), "frames are whole");
            if new.is_empty() {
                return frames;
            }
            for ping in new.iter().filter(|f| f.header.kind == Kind::PING) {
                if self.answers_pings && !ping.header.has(flags::ACK) {
                    self.send(&frame(Kind::PING, flags::ACK, 0, &ping.payload));
                }
            }
            frames.extend(new);
        }
    }

    fn events(&mut self) -> Vec<Seen> {
        self.sides
            .each_mut()
            .map(|side| std::mem::take(&mut side.seen))[0]
            .clone()
    }

    /// Whether another request is made, and its response taken.
    fn works(&mut self) -> bool {
        self.events();
        let stream = self.get();
        let asked = self
            .receive()
            .iter()
            .any(|f| f.is(Kind::HEADERS, stream) && f.header.flags == WHOLE);
        self.send(&headers(stream, &[STATUS], true));
        asked && self.events() == [Seen::Response(stream, 200, true)]
    }

    /// What became of all that was sent, from what the client says now.
    fn outcome(&mut self) -> Outcome {
        let frames = self.receive();
        let error = self.sides[0].core.error().map(|error| error.code());
        if let Some(goaway) = frames.iter().position(|f| f.header.kind == Kind::GOAWAY) {
            assert_eq!(goaway + 1, frames.len(), "GOAWAY is the last frame");
            assert!(self.sides[0].core.is_done(), "the connection is closed");
            let code = Goaway::parse(&frames[goaway].payload).unwrap().code;
            assert_eq!(error, Some(code));
            return ConnectionError(code);
        }
        assert_eq!(error, None);
        let mut resets = frames.iter().filter(|f| f.header.kind == Kind::RST_STREAM);
        let Some(reset) = resets.next() else {
            return Fine;
        };
        assert_eq!(resets.next(), None, "one violation, one RST_STREAM");
        StreamError(reset.header.stream_id, ErrorCode(reset.number(0)))
    }

    fn expect(&mut self, expected: Outcome) {
        assert_eq!(self.outcome(), expected);
        if !matches!(expected, ConnectionError(_)) {
            assert!(self.works(), "the connection goes on");
        }
    }
}

/// What becomes of `input` on a [`Server::prepared`].
fn expect(input: &[u8], expected: Outcome) {
    let mut server = Server::prepared();
    server.send(input);
    server.expect(expected);
}

/// A response with these fields is malformed: "Clients MUST NOT accept a malformed response" (section 8.1.1).
fn malformed(fields: &[Field<'_>], end: bool) {
    let mut server = Server::prepared();
    server.send(&headers(ASKED, fields, end));
    let reset = Seen::Reset(ASKED, C::PROTOCOL_ERROR, false);
    assert_eq!(server.events(), [reset], "{fields:?} is not delivered");
    server.expect(StreamError(ASKED, C::PROTOCOL_ERROR));
}
