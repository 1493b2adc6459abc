//! The server's connection: frames that the bytes choose, and any bytes between them.
//!
//! Two connections are told the same, one of them byte by byte or in other pieces: they must see the same events and
//! say the same.

use std::rc::Rc;

use bytes::Bytes;
use ringlane::h2::frame::{FRAME_HEADER_LEN, FrameHeader, Kind, flags};
use ringlane::h2::hpack::{Indexing, encode_field, encode_status};
use ringlane::h2::limits::{MAX_MAX_FRAME_SIZE, PREFACE};
use ringlane::h2::{
    Body, Config, Connection, End, ErrorCode, Event, Response, Scratch, Segment, StreamId, cut,
};
use ringlane::response::Stream;
use ringlane::slot::{Layout, Plan, Slot};

use super::input::Input;
use super::raw::frame;

/// Slots that the rest is said in, at most.
const MOST_SLOTS: usize = 2_000;

/// A connection, what it reported and what it said.
struct Side {
    core: Connection<u8>,
    scratch: Scratch,
    events: Vec<String>,
    wire: Vec<u8>,
}

impl Side {
    fn new(config: Config) -> Self {
        Self {
            core: Connection::new(Rc::new(config), 0),
            scratch: Scratch::default(),
            events: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn feed(&mut self, now_ns: u64, mut input: &[u8]) {
        while let Some(event) = self
            .core
            .handle_bytes(now_ns, &mut input, &mut self.scratch)
        {
            match event {
                Event::Request {
                    stream,
                    head,
                    end_stream,
                } => {
                    let fields: Vec<_> = head.iter().collect();
                    self.events.push(format!(
                        "request {stream} {end_stream} {:?} {:?} {fields:?}",
                        head.method(),
                        head.path()
                    ));
                    // What is answered, and whether at once, is told by the path alone.
                    if let [b'/', choice, ..] = head.path() {
                        let response = response(*choice);
                        self.core.respond(stream, response);
                    }
                }
                Event::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    let data = data.iter().map(|byte| format!("d{stream}:{byte}"));
                    self.events.extend(data);
                    if end_stream {
                        self.events.push(format!("end {stream}"));
                    }
                }
                Event::Trailers { stream, trailers } => {
                    let fields: Vec<_> = trailers.iter().collect();
                    self.events.push(format!("trailers {stream} {fields:?}"));
                }
                Event::Reset { stream, code } => {
                    self.events.push(format!("reset {stream} {code:?}"));
                }
            }
        }
        assert!(input.is_empty(), "all input is taken");
    }

    /// Sends a slot; when `lost` is given, the file of one of its holes cannot fill it.
    fn transmit(&mut self, now_ns: u64, lost: Option<u8>) {
        let mut buffer = vec![0; 40_000];
        let mut plan = Plan::default();
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 200_000);
        self.core.poll_transmit(now_ns, &mut slot);
        slot.finish();
        if let Some(lost) = lost.filter(|_| !plan.holes.is_empty()) {
            let from = usize::from(lost) % plan.holes.len();
            let cut = cut(&mut plan, &mut buffer, from);
            self.core.body_failed(cut);
        }
        let mut from = plan.used.start;
        for hole in plan.holes.iter().filter(|hole| hole.gathered) {
            self.wire.extend_from_slice(&buffer[from..hole.at]);
            self.wire.resize(self.wire.len() + hole.len, 0);
            from = hole.at;
        }
        self.wire.extend_from_slice(&buffer[from..plan.used.end]);
    }
}

/// A piece of a body: every other one is of a file.
fn segment(choice: u8) -> Segment<u8> {
    match choice % 2 {
        0 => Segment::Bytes(Bytes::from(vec![b's'; usize::from(choice) * 50])),
        _ => Segment::File {
            file: choice.rotate_left(1),
            offset: 0,
            len: u64::from(choice) * 500,
        },
    }
}

/// How a body ends.
fn end(choice: u8) -> End {
    match choice % 3 {
        0 => End::Done,
        _ => End::Trailers(Bytes::from(vec![0x88; usize::from(choice) * 200])),
    }
}

fn response(choice: u8) -> Response<u8> {
    let mut head = Vec::new();
    encode_status(&mut head, 200);
    if choice & 8 != 0 {
        let value = vec![b'v'; usize::from(choice) * 300];
        encode_field(&mut head, b"x-long", &value, Indexing::Without);
    }
    let body = match choice % 5 {
        0 => Body::Empty,
        1 => Body::Bytes(Bytes::from(vec![b'b'; usize::from(choice) * 100])),
        2 => Body::File {
            file: choice.rotate_left(1),
            offset: 0,
            len: u64::from(choice) * 3_000,
        },
        // Known to its end, or open.
        known => {
            let end = [end(choice), End::Open][usize::from(known == 4)].clone();
            let pieces = [segment(choice), segment(choice / 2), segment(choice / 3)];
            Body::Stream(Box::new(Stream::new(pieces, end)))
        }
    };
    Response {
        head: [head.into(), Bytes::new()],
        body,
    }
}

/// A request's field block; the bytes choose its path and one more field, which may be indexed.
fn request(input: &mut Input<'_>) -> Vec<u8> {
    let mut block = vec![[0x82, 0x83][input.below(2)], 0x87];
    let path = [b"/", input.take(2)].concat();
    encode_field(&mut block, b":path", &path, Indexing::Without);
    encode_field(&mut block, b":authority", b"a.example", Indexing::Never);
    if input.byte() & 1 != 0 {
        let (name, value) = (input.string(), input.string());
        let mut literal = Vec::new();
        encode_field(&mut literal, name, value, Indexing::Without);
        // With incremental indexing, when it is a literal with a new name.
        literal[0] |= if literal[0] == 0 { 0x40 } else { 0 };
        block.extend(literal);
    }
    block
}

/// What is done next.
enum Step {
    Bytes(Vec<u8>),
    Both(fn(&mut Connection<u8>, StreamId), StreamId),
    Transmit,
    /// As `Transmit`, with a hole that cannot be filled.
    Lose(u8),
    Append(StreamId, u8),
    Finish(StreamId, u8),
    Time(u64),
}

struct Peer {
    last: StreamId,
}

impl Peer {
    fn stream(&mut self, input: &mut Input<'_>) -> StreamId {
        match input.byte() {
            0..100 => self.last,
            choice @ 100..200 => (u32::from(choice) * 2 % (self.last + 4)) | 1,
            200..250 => {
                self.last += 2;
                self.last
            }
            choice => u32::from(choice) - 250,
        }
    }

    fn next(&mut self, input: &mut Input<'_>) -> Step {
        let bytes = match input.byte() % 26 {
            0..5 => {
                self.last += 2;
                let end = input.byte() & flags::END_STREAM;
                let block = request(input);
                let cut = input.below(2 * block.len()).min(block.len());
                let (first, second) = block.split_at(cut);
                if second.is_empty() {
                    frame(Kind::HEADERS, end | flags::END_HEADERS, self.last, first)
                } else {
                    let first = frame(Kind::HEADERS, end, self.last, first);
                    let last = flags::END_HEADERS;
                    [first, frame(Kind::CONTINUATION, last, self.last, second)].concat()
                }
            }
            5 => frame(
                Kind::HEADERS,
                input.byte(),
                self.stream(input),
                input.string(),
            ),
            6 | 7 => frame(Kind::DATA, input.byte(), self.stream(input), input.string()),
            8 => frame(Kind::RST_STREAM, 0, self.stream(input), input.take(4)),
            9 => {
                let len = 6 * input.below(4);
                frame(Kind::SETTINGS, 0, 0, input.take(len))
            }
            10 => frame(Kind::SETTINGS, flags::ACK, 0, &[]),
            11 => {
                let own = [&b"rl:reset"[..], b"rl:drain", &[0; 8]][input.below(3)];
                frame(Kind::PING, input.byte() & flags::ACK, 0, own)
            }
            12 | 13 => frame(Kind::WINDOW_UPDATE, 0, self.stream(input), input.take(4)),
            14 => frame(Kind::PRIORITY_UPDATE, 0, 0, input.string()),
            15 => frame(
                Kind(input.byte()),
                input.byte(),
                self.stream(input),
                input.string(),
            ),
            16 => input.string().to_vec(),
            17 | 18 => return Step::Transmit,
            19 => return Step::Time(u64::from(input.byte()) * 500_000_000),
            20 => return Step::Both(|core, _| core.shutdown(), 0),
            21 => {
                return Step::Both(
                    |core, stream| core.reset(stream, ErrorCode::CANCEL),
                    self.stream(input),
                );
            }
            22 => return Step::Append(self.stream(input), input.byte()),
            23 => return Step::Finish(self.stream(input), input.byte()),
            24 => return Step::Lose(input.byte()),
            _ => frame(Kind::GOAWAY, 0, 0, input.string()),
        };
        Step::Bytes(bytes)
    }
}

/// Talks to two connections.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let piece = 1 + usize::from(input.byte() % 40);
    let config = Config {
        max_concurrent_streams: [256, 2][usize::from(choice & 1)],
        max_header_list_size: [32_768, 200][usize::from(choice >> 1 & 1)],
        header_table_size: [4_096, 0, 60, 10_000][usize::from(choice >> 2 & 3)],
        initial_window_size: [65_535, 10][usize::from(choice >> 4 & 1)],
        ..Config::default()
    };
    let (mut whole, mut pieces) = (Side::new(config.clone()), Side::new(config));
    let mut now_ns = 0;
    let tell = |whole: &mut Side, pieces: &mut Side, now_ns, bytes: &[u8]| {
        whole.feed(now_ns, bytes);
        bytes
            .chunks(piece)
            .for_each(|part| pieces.feed(now_ns, part));
    };
    if choice & 0x80 == 0 {
        tell(&mut whole, &mut pieces, now_ns, PREFACE);
        let settings = frame(Kind::SETTINGS, 0, 0, &[]);
        tell(&mut whole, &mut pieces, now_ns, &settings);
    }
    let mut peer = Peer { last: 1 };
    let mut steps = 0;
    while !input.is_empty() && steps < 300 {
        steps += 1;
        match peer.next(&mut input) {
            Step::Bytes(bytes) => tell(&mut whole, &mut pieces, now_ns, &bytes),
            Step::Transmit => {
                whole.transmit(now_ns, None);
                pieces.transmit(now_ns, None);
            }
            Step::Lose(lost) => {
                whole.transmit(now_ns, Some(lost));
                pieces.transmit(now_ns, Some(lost));
            }
            Step::Append(stream, choice) => {
                let there = whole.core.append(stream, segment(choice));
                assert_eq!(pieces.core.append(stream, segment(choice)), there);
            }
            Step::Finish(stream, choice) => {
                let there = whole.core.finish(stream, end(choice));
                assert_eq!(pieces.core.finish(stream, end(choice)), there);
            }
            Step::Time(passed) => {
                now_ns += passed;
                whole.core.handle_timeout(now_ns);
                pieces.core.handle_timeout(now_ns);
            }
            Step::Both(call, stream) => {
                call(&mut whole.core, stream);
                call(&mut pieces.core, stream);
            }
        }
        assert_eq!(whole.core.error(), pieces.core.error());
        assert_eq!(whole.core.open_streams(), pieces.core.open_streams());
    }
    for _ in 0..MOST_SLOTS {
        if !whole.core.wants_transmit() {
            break;
        }
        whole.transmit(now_ns, None);
        pieces.transmit(now_ns, None);
    }
    assert!(!whole.core.wants_transmit(), "it comes to an end");
    assert!(whole.core.error().is_none() || whole.core.is_done());
    assert_eq!(whole.events, pieces.events);
    assert!(whole.wire == pieces.wire, "they say the same");
    check(&whole.wire);
}

/// What was said is frames that a client accepts.
fn check(wire: &[u8]) {
    let mut rest = wire;
    let mut block = None;
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        let header = FrameHeader::parse(head);
        let payload = after.split_at_checked(header.length as usize);
        assert_eq!(header.check(MAX_MAX_FRAME_SIZE), Ok(()));
        if let Some(stream) = block {
            assert_eq!(
                (header.kind, header.stream_id),
                (Kind::CONTINUATION, stream)
            );
        }
        if matches!(header.kind, Kind::HEADERS | Kind::CONTINUATION) {
            block = (!header.has(flags::END_HEADERS)).then_some(header.stream_id);
        }
        rest = payload.expect("frames are whole").1;
    }
    assert!(rest.is_empty() && block.is_none());
}
