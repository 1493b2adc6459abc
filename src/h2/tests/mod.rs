//! The core as a whole, driven by a client that writes frames and reads ours.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blocks;
mod errors;
mod failures;
mod flood;
mod flow;
#[allow(dead_code, unused_imports, reason = "one user of several")]
#[path = "../../../tests/support/frames.rs"]
pub(super) mod frames;
mod idle;
mod large;
mod malformed;
mod random;
mod repeated;
mod roles;
mod schedule;
mod session;
mod shutdown;
mod streaming;
mod uploads;

use std::rc::Rc;

use bytes::Bytes;
use frames::*;

use super::hpack::{self, Decoder, Indexing};
use super::{Body, Config, Connection, Cut, Event, Response, Scratch};
use crate::h2;
use crate::slot::{Layout, Plan, RecordLayout, Slot};

/// TLS 1.3's records.
const SEALED: Layout = Layout::Sealed(RecordLayout {
    prefix: 5,
    suffix: 17,
});

/// A small generator of numbers (splitmix64), so that a failure is told by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Less than `below`.
    fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }
}

/// An event that owns what it says. Data is joined by [`Client::feed`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Request {
        stream: StreamId,
        head: Vec<(Vec<u8>, Vec<u8>)>,
        end: bool,
    },
    Data {
        stream: StreamId,
        data: Vec<u8>,
        end: bool,
    },
    Trailers {
        stream: StreamId,
        fields: Vec<(Vec<u8>, Vec<u8>)>,
    },
    Reset {
        stream: StreamId,
        code: ErrorCode,
    },
}

/// The byte of a file at an offset.
fn file_byte(file: u8, offset: u64) -> u8 {
    (offset.wrapping_mul(31) >> 3) as u8 ^ file ^ offset as u8
}

fn get_with_priority(stream: StreamId, priority: &str) -> Vec<u8> {
    let fields: Vec<_> = GET.into_iter().chain([("priority", priority)]).collect();
    headers(stream, &fields, true)
}

fn ok_head() -> [Bytes; 2] {
    let mut out = Vec::new();
    hpack::encode_status(&mut out, 200);
    let rest = block(&[("server", "ringlane")]);
    [out.into(), rest.into()]
}

fn file(file: u8, len: u64) -> Response<u8> {
    Response {
        head: ok_head(),
        body: Body::File {
            file,
            offset: 0,
            len,
        },
    }
}

fn bytes(len: usize) -> Response<u8> {
    let body: Vec<u8> = (0..len as u64).map(|offset| file_byte(0, offset)).collect();
    Response {
        head: ok_head(),
        body: Body::Bytes(body.into()),
    }
}

fn empty() -> Response<u8> {
    Response {
        head: ok_head(),
        body: Body::Empty,
    }
}

/// A connection with its client.
struct Client {
    core: Connection<u8>,
    scratch: Scratch,
    now_ns: u64,
    layout: Layout,
    slot_len: usize,
    burst: usize,
    seen: Vec<Seen>,
    /// What we sent and the client has not split into frames yet.
    wire: Vec<u8>,
    ended: usize,
    answers_pings: bool,
    /// Bytes per second that the transport takes, if the core is told.
    rate: Option<u64>,
}

impl Client {
    /// A connection on which nothing was said.
    fn raw(config: Config) -> Self {
        Self {
            core: Connection::new(Rc::new(config), 0),
            scratch: Scratch::default(),
            now_ns: 0,
            layout: Layout::Gathered,
            slot_len: 64 << 10,
            burst: usize::MAX,
            seen: Vec::new(),
            wire: Vec::new(),
            ended: 0,
            answers_pings: true,
            rate: None,
        }
    }

    /// A connection on which both sides have exchanged and acknowledged SETTINGS.
    fn with(config: Config, parameters: &[(u16, u32)]) -> Self {
        let mut client = Self::raw(config);
        client.feed(super::limits::PREFACE);
        client.feed(&settings(parameters));
        client.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
        client.frames();
        client
    }

    fn new() -> Self {
        Self::with(Config::default(), &[])
    }

    /// With windows that never end.
    fn wide() -> Self {
        let most = (1 << 31) - 1;
        let mut client = Self::with(
            Config::default(),
            &[(super::settings::id::INITIAL_WINDOW_SIZE, most)],
        );
        client.feed(&window_update(0, most - 65_535));
        client
    }

    fn feed(&mut self, mut input: &[u8]) {
        while let Some(event) = self
            .core
            .handle_bytes(self.now_ns, &mut input, &mut self.scratch)
        {
            let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
            let seen = match event {
                Event::Request {
                    stream,
                    head,
                    end_stream,
                } => {
                    let pseudo = [
                        (&b":method"[..], head.method()),
                        (b":scheme", head.scheme()),
                        (b":path", head.path()),
                        (b":authority", head.authority()),
                    ];
                    let head = pseudo.into_iter().chain(head.iter()).map(owned).collect();
                    Seen::Request {
                        stream,
                        head,
                        end: end_stream,
                    }
                }
                Event::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    if let Some(Seen::Data {
                        stream: last,
                        data: all,
                        end,
                    }) = self.seen.last_mut()
                        && *last == stream
                        && !*end
                    {
                        all.extend_from_slice(data);
                        *end = end_stream;
                        continue;
                    }
                    Seen::Data {
                        stream,
                        data: data.to_vec(),
                        end: end_stream,
                    }
                }
                Event::Trailers { stream, trailers } => Seen::Trailers {
                    stream,
                    fields: trailers.iter().map(owned).collect(),
                },
                Event::Reset { stream, code } => Seen::Reset { stream, code },
            };
            self.seen.push(seen);
        }
        assert!(input.is_empty(), "all input is consumed");
    }

    /// Fills one slot and takes its wire; `false` when there was nothing.
    fn transmit(&mut self) -> bool {
        let (mut buffer, plan) = self.fill();
        self.take(&mut buffer, &plan)
    }

    /// Fills one slot.
    fn fill(&mut self) -> (Vec<u8>, Plan<u8>) {
        let mut buffer = vec![0; self.slot_len];
        let mut plan = Plan::default();
        let mut slot = Slot::new(&mut buffer, &mut plan, self.layout, self.burst);
        self.core.poll_transmit(self.now_ns, &mut slot);
        slot.finish();
        (buffer, plan)
    }

    /// Takes the wire of a slot; `false` when there is nothing.
    fn take(&mut self, buffer: &mut [u8], plan: &Plan<u8>) -> bool {
        self.ended += plan.ended.len();
        let before = self.wire.len();
        for hole in plan.holes.iter().filter(|hole| !hole.gathered) {
            for i in 0..hole.len {
                buffer[hole.at + i] = file_byte(hole.file, hole.offset + i as u64);
            }
        }
        match self.layout {
            Layout::Gathered => {
                let mut from = plan.used.start;
                for hole in plan.holes.iter().filter(|hole| hole.gathered) {
                    self.wire.extend_from_slice(&buffer[from..hole.at]);
                    self.wire.extend(
                        (0..hole.len as u64).map(|i| file_byte(hole.file, hole.offset + i)),
                    );
                    from = hole.at;
                }
                self.wire.extend_from_slice(&buffer[from..plan.used.end]);
            }
            Layout::Placed => self.wire.extend_from_slice(&buffer[plan.used.clone()]),
            Layout::Sealed(record) => {
                for r in &plan.records {
                    self.wire
                        .extend_from_slice(&buffer[r.at + record.prefix..][..r.len]);
                }
            }
        }
        if let Some(rate) = self.rate {
            self.now_ns += plan.wire_len as u64 * 1_000_000_000 / rate;
            self.core
                .note_drained(plan.wire_len, true, false, self.now_ns);
        }
        self.wire.len() > before
    }

    /// Splits what was sent into whole frames.
    fn split(&mut self) -> Vec<Frame> {
        take_frames(&mut self.wire)
    }

    /// All that is to be sent now. Our PINGs are acknowledged, unless the client does not.
    fn frames(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..100_000 {
            if !self.core.wants_transmit() {
                assert!(self.wire.is_empty(), "frames are whole in the end");
                return frames;
            }
            let progress = self.transmit();
            assert!(progress || !self.core.wants_transmit(), "it makes progress");
            let new = self.split();
            for frame in &new {
                if frame.header.kind == Kind::PING
                    && !frame.header.has(flags::ACK)
                    && self.answers_pings
                {
                    self.feed(&super::frame::ping(
                        frame.payload[..].try_into().unwrap(),
                        true,
                    ));
                }
            }
            frames.extend(new);
        }
        panic!("it never ends");
    }

    /// The code of the GOAWAY that ends the connection.
    fn goaway(&mut self) -> Option<ErrorCode> {
        let frames = self.frames();
        let last = frames
            .iter()
            .rfind(|frame| frame.header.kind == Kind::GOAWAY)?;
        assert!(self.core.is_done());
        Some(Goaway::parse(&last.payload).unwrap().code)
    }

    /// The codes of RST_STREAM on a stream.
    fn resets(&mut self, stream: StreamId) -> Vec<ErrorCode> {
        let of = |frame: &Frame| {
            frame.header.kind == Kind::RST_STREAM && frame.header.stream_id == stream
        };
        let code = |frame: Frame| super::frame::parse_rst_stream(&frame.payload).unwrap();
        self.frames().into_iter().filter(of).map(code).collect()
    }

    /// Takes the events.
    fn events(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Whether the connection still answers a request.
    fn works(&mut self, stream: StreamId) -> bool {
        self.feed(&get(stream));
        self.core.respond(stream, empty());
        self.frames()
            .iter()
            .any(|f| f.header.kind == Kind::HEADERS && f.header.stream_id == stream)
    }
}

/// The body of a stream in frames, and whether it ended.
fn body_of(frames: &[Frame], stream: StreamId) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let mut ended = false;
    for frame in frames
        .iter()
        .filter(|frame| frame.header.stream_id == stream)
    {
        match frame.header.kind {
            Kind::DATA | Kind::HEADERS => {
                assert!(!ended, "nothing comes after END_STREAM");
                ended = frame.header.has(flags::END_STREAM);
                if frame.header.kind == Kind::DATA {
                    body.extend_from_slice(&frame.payload);
                }
            }
            _ => {}
        }
    }
    (body, ended)
}

fn is_file(body: &[u8], file: u8) -> bool {
    (0..)
        .zip(body)
        .all(|(offset, byte)| *byte == file_byte(file, offset))
}

/// Joins and decodes the field block of a response.
fn fields_of(frames: &[Frame], stream: StreamId, decoder: &mut Decoder) -> Vec<(String, String)> {
    let mut block = Vec::new();
    for frame in frames {
        if frame.header.stream_id == stream
            && matches!(frame.header.kind, Kind::HEADERS | Kind::CONTINUATION)
        {
            block.extend_from_slice(&frame.payload);
        }
    }
    let mut fields = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    decoder
        .decode(&block, usize::MAX, &mut Vec::new(), |field| {
            fields.push((text(field.name), text(field.value)))
        })
        .unwrap();
    fields
}
