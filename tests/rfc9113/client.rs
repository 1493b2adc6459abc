//! A client of the core that writes raw frames and reads what comes out.
//!
//! It drives two connections at once: one gets what is sent as a whole, the other in small pieces, mostly of one byte. Both must say the
//! same, so that every test here is one of reassembly too.

use std::rc::Rc;

use bytes::Bytes;
pub(crate) use ringlane::h2::{Body, Config, End, ErrorCode as C, Segment};
use ringlane::h2::{Connection, Event, Response, Scratch};
use ringlane::response::Stream;
use ringlane::slot::{Layout, Plan, Slot};

pub(crate) use crate::frames::*;
use ringlane::h2::hpack::{self, Decoder};

/// In a [`Client::prepared`], the request has not ended.
pub(crate) const OPEN: StreamId = 1;
/// The request has ended, and so has its answer.
pub(crate) const CLOSED: StreamId = 3;
/// The request has ended, and has no answer yet.
pub(crate) const HALF_CLOSED: StreamId = 5;
/// The client has reset it.
pub(crate) const RESET: StreamId = 7;
/// Nothing was said of it, nor of those above.
pub(crate) const IDLE: StreamId = 11;

/// A body of pieces.
pub(crate) fn pieces(pieces: &[&'static str], end: End) -> Body<u8> {
    let segment = |text: &&'static str| Segment::Bytes(Bytes::from_static(text.as_bytes()));
    Body::Stream(Box::new(Stream::new(pieces.iter().map(segment), end)))
}

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A connection error.
    Connection(ErrorCode),
    /// A stream error.
    Stream(StreamId, ErrorCode),
    /// No error.
    Fine,
}

pub(crate) use Outcome::{Connection as ConnectionError, Fine, Stream as StreamError};

/// An event that owns what it says; DATA is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Request(StreamId, Vec<(String, String)>),
    Data(StreamId, Vec<u8>, bool),
    Trailers(StreamId, Vec<(String, String)>),
    Reset(StreamId, ErrorCode),
}

struct Side {
    core: Connection<u8>,
    scratch: Scratch,
    seen: Vec<Seen>,
    wire: Vec<u8>,
}

pub(crate) struct Client {
    sides: [Side; 2],
    /// Whether the server's PINGs are acknowledged.
    pub(crate) answers_pings: bool,
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

impl Side {
    fn feed(&mut self, mut input: &[u8]) {
        while let Some(event) = self.core.handle_bytes(0, &mut input, &mut self.scratch) {
            let own = |(name, value): (&[u8], &[u8])| (text(name), text(value));
            let seen = match event {
                Event::Request { stream, head, .. } => {
                    let pseudo = [
                        (&b":method"[..], head.method()),
                        (b":scheme", head.scheme()),
                        (b":authority", head.authority()),
                        (b":path", head.path()),
                    ];
                    let fields = pseudo.into_iter().chain(head.iter()).map(own);
                    Seen::Request(stream, fields.collect())
                }
                Event::Data {
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
                Event::Trailers { stream, trailers } => {
                    Seen::Trailers(stream, trailers.iter().map(own).collect())
                }
                Event::Reset { stream, code } => Seen::Reset(stream, code),
            };
            self.seen.push(seen);
        }
        assert!(input.is_empty(), "all input is consumed");
    }

    fn transmit(&mut self) {
        let mut buffer = vec![0; 32 << 10];
        let mut plan = Plan::default();
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
        self.core.poll_transmit(0, &mut slot);
        slot.finish();
        let mut from = plan.used.start;
        for hole in plan.holes.iter().filter(|hole| !hole.gathered) {
            buffer[hole.at..hole.at + hole.len].fill(hole.file);
        }
        for hole in plan.holes.iter().filter(|hole| hole.gathered) {
            self.wire.extend_from_slice(&buffer[from..hole.at]);
            self.wire.extend(std::iter::repeat_n(hole.file, hole.len));
            from = hole.at;
        }
        self.wire.extend_from_slice(&buffer[from..plan.used.end]);
    }
}

impl Client {
    /// A connection on which nothing was said.
    pub(crate) fn raw(config: Config) -> Self {
        let config = Rc::new(config);
        let side = || Side {
            core: Connection::new(Rc::clone(&config), 0),
            scratch: Scratch::default(),
            seen: Vec::new(),
            wire: Vec::new(),
        };
        Self {
            sides: [side(), side()],
            answers_pings: true,
        }
    }

    /// A connection on which both have exchanged and acknowledged SETTINGS; the client's are `parameters`.
    pub(crate) fn with(config: Config, parameters: &[(u16, u32)]) -> Self {
        let mut client = Self::raw(config);
        client.send(PREFACE);
        client.send(&settings(parameters));
        client.send(&settings_ack());
        client.receive();
        client
    }

    pub(crate) fn new() -> Self {
        Self::with(Config::default(), &[])
    }

    /// A connection with a stream in every state: see [`OPEN`] and those that follow it.
    pub(crate) fn prepared() -> Self {
        let mut client = Self::new();
        client.send(&[post(OPEN), get(CLOSED), get(HALF_CLOSED), post(RESET)].concat());
        client.send(&rst_stream(RESET, C::CANCEL));
        client.answer(CLOSED, Body::Empty);
        client.receive();
        client.events();
        client
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let [whole, cut] = &mut self.sides;
        whole.feed(bytes);
        // Long ones in pieces that fall on every place of a frame header in turn.
        let piece = if bytes.len() < 1_000 { 1 } else { 61 };
        bytes.chunks(piece).for_each(|piece| cut.feed(piece));
        assert_eq!(whole.seen, cut.seen, "the same in one piece and in many");
    }

    /// Answers with 200.
    pub(crate) fn answer(&mut self, stream: StreamId, body: Body<u8>) {
        let mut head = Vec::new();
        hpack::encode_status(&mut head, 200);
        self.answer_with(stream, &head, body);
    }

    /// Answers with a field block as it is.
    pub(crate) fn answer_with(&mut self, stream: StreamId, head: &[u8], body: Body<u8>) {
        let head = Bytes::copy_from_slice(head);
        for side in &mut self.sides {
            let response = Response {
                head: [head.clone(), Bytes::new()],
                body: body.clone(),
            };
            side.core.respond(stream, response);
        }
    }

    /// Answers with so many bytes of a file.
    pub(crate) fn answer_file(&mut self, stream: StreamId, len: u64) {
        let body = Body::File {
            file: 0,
            offset: 0,
            len,
        };
        self.answer(stream, body);
    }

    /// Says how a body ends whose end was open.
    pub(crate) fn finish(&mut self, stream: StreamId, end: &End) {
        for side in &mut self.sides {
            assert!(side.core.finish(stream, end.clone()));
        }
    }

    /// All that the server has to say now, as bytes.
    pub(crate) fn wire(&mut self) -> Vec<u8> {
        let [whole, _] = self.sides.each_mut().map(|side| {
            while side.core.wants_transmit() {
                side.transmit();
            }
            std::mem::take(&mut side.wire)
        });
        whole
    }

    pub(crate) fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        for side in &mut self.sides {
            side.core.reset(stream, code);
        }
    }

    pub(crate) fn shutdown(&mut self) {
        for side in &mut self.sides {
            side.core.shutdown();
        }
    }

    /// All that the server has to say now.
    pub(crate) fn receive(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..1_000 {
            if !self.sides.iter().any(|side| side.core.wants_transmit()) {
                assert!(self.sides[0].wire.is_empty(), "frames are whole in the end");
                return frames;
            }
            let [whole, cut] = self.sides.each_mut().map(|side| {
                side.transmit();
                let mut frames = take_frames(&mut side.wire);
                // Credit for the stream may come before or after that for the connection.
                for updates in frames.chunk_by_mut(|a, b| {
                    [a, b].map(|frame| frame.header.kind) == [Kind::WINDOW_UPDATE; 2]
                }) {
                    updates.sort_by_key(|frame| frame.header.stream_id);
                }
                frames
            });
            // Credit may be given back for a part of a frame.
            let told = |frames: &[Frame]| -> Vec<Frame> {
                let update = |f: &&Frame| f.header.kind != Kind::WINDOW_UPDATE;
                frames.iter().filter(update).cloned().collect()
            };
            assert_eq!(
                told(&whole),
                told(&cut),
                "the same in one piece and in many"
            );
            for frame in &whole {
                if self.answers_pings && frame.header.kind == Kind::PING && frame.header.flags == 0
                {
                    self.send(&super::frames::frame(
                        Kind::PING,
                        flags::ACK,
                        0,
                        &frame.payload,
                    ));
                }
            }
            frames.extend(whole);
        }
        panic!("the server never ends");
    }

    /// Takes the events so far.
    pub(crate) fn events(&mut self) -> Vec<Seen> {
        self.sides
            .each_mut()
            .map(|side| std::mem::take(&mut side.seen))[0]
            .clone()
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.sides[0].core.open_streams()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.sides[0].core.is_done()
    }

    /// Whether a new request is delivered and its answer arrives.
    pub(crate) fn works(&mut self, stream: StreamId) -> bool {
        self.events();
        self.send(&get(stream));
        let delivered = matches!(self.events()[..], [Seen::Request(id, _)] if id == stream);
        self.answer(stream, Body::Empty);
        let answered = self.receive().iter().any(|f| f.is(Kind::HEADERS, stream));
        delivered && answered
    }

    /// What became of all that was sent, from what the server says now.
    pub(crate) fn outcome(&mut self) -> Outcome {
        let frames = self.receive();
        let goaway = frames.iter().position(|f| f.header.kind == Kind::GOAWAY);
        let error = self.sides[0].core.error();
        if let Some(at) = goaway {
            assert_eq!(at + 1, frames.len(), "GOAWAY is the last frame: {frames:?}");
            assert!(self.is_done(), "the connection is closed");
            let code = Goaway::parse(&frames[at].payload).unwrap().code;
            assert_eq!(error.map(|error| error.code()), Some(code));
            return Outcome::Connection(code);
        }
        assert_eq!(error, None);
        let mut resets = frames.iter().filter(|f| f.header.kind == Kind::RST_STREAM);
        let Some(reset) = resets.next() else {
            return Outcome::Fine;
        };
        assert_eq!(resets.next(), None, "one violation, one RST_STREAM");
        Outcome::Stream(reset.header.stream_id, ErrorCode(reset.number(0)))
    }

    /// Asserts what became of all that was sent, and that the connection goes on unless it ended.
    pub(crate) fn expect(&mut self, expected: Outcome) {
        assert_eq!(self.outcome(), expected);
        if !matches!(expected, Outcome::Connection(_)) {
            assert!(self.works(1_001), "the connection goes on");
        }
    }
}

/// What becomes of `input` on a [`Client::prepared`].
pub(crate) fn expect(input: &[u8], expected: Outcome) {
    let mut client = Client::prepared();
    client.send(input);
    client.expect(expected);
}

/// A request with these fields, and no content, is malformed.
pub(crate) fn malformed(fields: &[Field<'_>]) {
    let mut client = Client::prepared();
    client.send(&headers(IDLE, fields, true));
    assert_eq!(client.events(), [], "{fields:?} is not delivered");
    assert_eq!(
        client.outcome(),
        StreamError(IDLE, C::PROTOCOL_ERROR),
        "{fields:?}"
    );
    assert!(client.works(1_001));
}

/// A request with these fields, and no content, is delivered.
pub(crate) fn well_formed(fields: &[Field<'_>]) {
    let mut client = Client::prepared();
    client.send(&headers(IDLE, fields, true));
    assert!(
        matches!(client.events()[..], [Seen::Request(IDLE, _)]),
        "{fields:?}"
    );
    client.expect(Fine);
}

/// These trailers, after a request with content, are malformed.
pub(crate) fn malformed_trailers(fields: &[Field<'_>]) {
    expect(
        &[data(OPEN, b"x", false), headers(OPEN, fields, true)].concat(),
        StreamError(OPEN, C::PROTOCOL_ERROR),
    );
}

/// The fields of the answer on a stream.
pub(crate) fn fields_of(frames: &[Frame], stream: StreamId) -> Vec<(String, String)> {
    let is_part = |f: &&Frame| f.is(Kind::HEADERS, stream) || f.is(Kind::CONTINUATION, stream);
    let block: Vec<u8> = frames
        .iter()
        .filter(is_part)
        .flat_map(|frame| frame.payload.clone())
        .collect();
    let mut fields = Vec::new();
    Decoder::new(4_096)
        .decode(&block, usize::MAX, &mut Vec::new(), |field| {
            fields.push((text(field.name), text(field.value)))
        })
        .unwrap();
    fields
}

/// The lengths of the DATA frames of a stream.
pub(crate) fn data_lengths(frames: &[Frame], stream: StreamId) -> Vec<u32> {
    let data = frames.iter().filter(|f| f.is(Kind::DATA, stream));
    data.map(|frame| frame.header.length).collect()
}
