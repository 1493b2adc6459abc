//! The two roles of the core, joined by a wire that cuts anywhere, in random order: what is asked, uploaded, answered
//! late and in pieces, given up and refused is understood by the other side, to the byte.

use std::collections::BTreeMap;

use super::*;
use crate::h2::client::{
    ClientConfig, ClientConnection, ClientEvent, Credit, Request, RequestError,
};
use crate::response::{End, Segment, Stream};

/// Turns after which a run does not end.
const MOST_TURNS: usize = 200_000;
/// Bytes that wait on the wire before a side is not asked for more.
const FULL: usize = 100_000;

/// What a path asks for: `/kind/file/offset/len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ask {
    kind: Kindness,
    file: u8,
    offset: u64,
    len: u64,
}

/// How it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kindness {
    File,
    Bytes,
    /// Some of it late.
    Pieces,
    Refusal,
}

const KINDS: [(&str, Kindness); 4] = [
    ("f", Kindness::File),
    ("b", Kindness::Bytes),
    ("p", Kindness::Pieces),
    ("r", Kindness::Refusal),
];

impl Ask {
    fn any(random: &mut Random) -> Self {
        Self {
            kind: KINDS[random.below(KINDS.len())].1,
            file: random.below(3) as u8,
            offset: random.below(30_000) as u64,
            len: ([0, 1, 3_000, 40_000][random.below(4)] + random.below(50)) as u64,
        }
    }

    fn path(self) -> String {
        let known = KINDS.iter().find(|(_, kind)| *kind == self.kind);
        let (file, offset, len) = (self.file, self.offset, self.len);
        format!("/{}/{file}/{offset}/{len}", known.unwrap().0)
    }

    fn parse(path: &[u8]) -> Self {
        let path = std::str::from_utf8(path).unwrap();
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let known = KINDS.iter().find(|(name, _)| *name == parts[0]);
        Self {
            kind: known.unwrap().1,
            file: parts[1].parse().unwrap(),
            offset: parts[2].parse().unwrap(),
            len: parts[3].parse().unwrap(),
        }
    }

    fn bytes(self, from: u64, to: u64) -> Bytes {
        (from..to)
            .map(|at| file_byte(self.file, self.offset + at))
            .collect()
    }
}

/// The server, with an application that takes its time.
struct Server {
    core: Connection<u8>,
    scratch: Scratch,
    slot_bytes: usize,
    /// Bytes of content that came.
    received: BTreeMap<StreamId, u64>,
    unanswered: Vec<(StreamId, Ask)>,
    /// Bodies that go on: the stream, and how far they are.
    unfinished: Vec<(StreamId, Ask, u64)>,
}

impl Server {
    fn receive(&mut self, mut input: &[u8], random: &mut Random) {
        let mut now = Vec::new();
        while let Some(event) = self.core.handle_bytes(0, &mut input, &mut self.scratch) {
            match event {
                Event::Request { stream, head, .. } => {
                    let before = self.received.insert(stream, 0);
                    assert_eq!(before, None, "a request comes once");
                    let asked = (stream, Ask::parse(head.path()));
                    match random.below(3) {
                        0 => self.unanswered.push(asked),
                        _ => now.push(asked),
                    }
                }
                Event::Data { stream, data, .. } => {
                    let at = self.received.get_mut(&stream).unwrap();
                    for byte in data {
                        assert_eq!(
                            *byte,
                            file_byte(stream as u8, *at),
                            "byte {at} of an upload"
                        );
                        *at += 1;
                    }
                }
                Event::Trailers { .. } => panic!("nobody sends trailers"),
                Event::Reset { stream, .. } => {
                    self.unanswered.retain(|(other, _)| *other != stream);
                    now.retain(|(other, _)| *other != stream);
                }
            }
        }
        assert_eq!(self.core.error(), None, "the client did nothing wrong");
        for (stream, ask) in now {
            self.answer(stream, ask, random);
        }
    }

    fn answer(&mut self, stream: StreamId, ask: Ask, random: &mut Random) {
        let body = match ask.kind {
            Kindness::File => Body::File {
                file: ask.file,
                offset: ask.offset,
                len: ask.len,
            },
            Kindness::Bytes => Body::Bytes(ask.bytes(0, ask.len)),
            Kindness::Pieces => {
                self.unfinished.push((stream, ask, 0));
                Body::Stream(Box::new(Stream::new([], End::Open)))
            }
            Kindness::Refusal => return self.core.reset(stream, ErrorCode::CANCEL),
        };
        let mut head = ok_head();
        if random.below(10) == 0 {
            head[1] = block(&[("x-long", &"z".repeat(random.below(30_000)))]).into();
        }
        self.core.respond(stream, Response { head, body });
    }

    /// Answers one that waits, and goes on with a body.
    fn answer_late(&mut self, random: &mut Random) {
        if !self.unanswered.is_empty() {
            let at = random.below(self.unanswered.len());
            let (stream, ask) = self.unanswered.swap_remove(at);
            self.answer(stream, ask, random);
        }
        if self.unfinished.is_empty() {
            return;
        }
        let at = random.below(self.unfinished.len());
        let (stream, ask, from) = &mut self.unfinished[at];
        let len = (ask.len - *from).min(1 + random.below(20_000) as u64);
        let goes_on = len > 0
            && self.core.append(
                *stream,
                match random.below(2) {
                    0 => Segment::Bytes(ask.bytes(*from, *from + len)),
                    _ => Segment::File {
                        file: ask.file,
                        offset: ask.offset + *from,
                        len,
                    },
                },
            );
        *from += len;
        if !goes_on {
            let trailers = [None, Some(5), Some(40_000)][random.below(3)];
            let end = trailers.map_or(End::Done, |len| {
                End::Trailers(block(&[("x-sum", &"z".repeat(len))]).into())
            });
            self.core.finish(*stream, end);
            self.unfinished.swap_remove(at);
        }
    }

    fn transmit(&mut self, out: &mut Vec<u8>) {
        let (mut buffer, mut plan) = (vec![0; self.slot_bytes], Plan::default());
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
        self.core.poll_transmit(0, &mut slot);
        slot.finish();
        for hole in &plan.holes {
            for at in 0..hole.len {
                buffer[hole.at + at] = file_byte(hole.file, hole.offset + at as u64);
            }
        }
        out.extend_from_slice(&buffer[plan.used]);
    }
}

/// Both sides and what is between them.
struct Pair {
    client: ClientConnection,
    scratch: Scratch,
    server: Server,
    up: Vec<u8>,
    down: Vec<u8>,
    /// Requests that have not ended, and how much of each answer came; `None` before its head.
    open: BTreeMap<StreamId, (Ask, Option<u64>)>,
    made: usize,
    complete: u64,
    other: u64,
}

impl Pair {
    fn new(random: &mut Random) -> Self {
        let client_config = ClientConfig {
            initial_window_size: [100, 5_000, 65_535, 1 << 20][random.below(4)],
            connection_window: [65_535, 100_000, 1 << 22][random.below(3)],
            max_frame_size: [16_384, 30_000][random.below(2)],
            header_table_size: [4_096, 0, 65_536][random.below(3)],
            credit: [Credit::AtHalf, Credit::AtOnce][random.below(2)],
            ..ClientConfig::default()
        };
        let config = Config {
            max_concurrent_streams: [1, 3, 256][random.below(3)],
            initial_window_size: [100, 65_535][random.below(2)],
            connection_window: 65_535,
            ..Config::default()
        };
        Self {
            client: ClientConnection::new(Rc::new(client_config)),
            scratch: Scratch::default(),
            server: Server {
                core: Connection::new(Rc::new(config), 0),
                scratch: Scratch::default(),
                // Smaller slots cut field blocks into more CONTINUATION frames than anybody takes.
                slot_bytes: [4_000, 16 << 10, 64 << 10][random.below(3)],
                received: BTreeMap::new(),
                unanswered: Vec::new(),
                unfinished: Vec::new(),
            },
            up: Vec::new(),
            down: Vec::new(),
            open: BTreeMap::new(),
            made: 0,
            complete: 0,
            other: 0,
        }
    }

    fn is_quiet(&self) -> bool {
        let wants = self.client.wants_transmit() || self.server.core.wants_transmit();
        !wants && self.up.is_empty() && self.down.is_empty()
    }

    /// One of the two does one thing.
    fn turn(&mut self, requests: usize, ends: bool, random: &mut Random) {
        match random.below(100) {
            0..8 if self.made < requests => self.request(requests, random),
            8 if random.below(4) == 0 => {
                let streams: Vec<_> = self.open.keys().copied().collect();
                if !streams.is_empty() {
                    let stream = streams[random.below(streams.len())];
                    self.client.cancel(stream);
                    self.open.remove(&stream);
                    self.other += 1;
                }
            }
            9 if random.below(8) == 0 => {
                let bytes = 16_384 + random.below(50_000) as u32;
                self.client.set_max_frame_size(bytes);
            }
            11 if ends && random.below(4) == 0 => match random.below(2) {
                0 => self.server.core.shutdown(),
                _ => self.client.shutdown(),
            },
            12..20 => self.server.answer_late(random),
            20..40 if self.client.wants_transmit() && self.up.len() < FULL => {
                let (mut buffer, mut plan) = (vec![0; 9_000], Plan::<()>::default());
                let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
                self.client.poll_transmit(&mut slot);
                slot.finish();
                self.up.extend_from_slice(&buffer[plan.used]);
            }
            40..60 => {
                let len = random.below(self.up.len() + 1);
                let bytes: Vec<u8> = self.up.drain(..len).collect();
                self.server.receive(&bytes, random);
            }
            60..80 if self.down.len() < FULL => self.server.transmit(&mut self.down),
            80.. => {
                let len = random.below(self.down.len() + 1);
                let bytes: Vec<u8> = self.down.drain(..len).collect();
                self.client_takes(&bytes);
            }
            _ => {}
        }
    }

    fn request(&mut self, requests: usize, random: &mut Random) {
        let ask = Ask::any(random);
        // Identifiers are given in order, and the content is told by them.
        let stream = self.made as StreamId * 2 + 1;
        let upload = [0, 0, 10, 20_000][random.below(4)];
        let body: Bytes = (0..upload).map(|at| file_byte(stream as u8, at)).collect();
        let request = Request::new("GET", "https", "a.example", &ask.path(), &[]);
        match self.client.request(request.with_body(body)) {
            Ok(given) => {
                assert_eq!(given, stream);
                self.made += 1;
                self.open.insert(stream, (ask, None));
            }
            Err(RequestError::Busy) => {}
            // It ends: what is in flight is finished.
            Err(RequestError::Closing) => self.made = requests,
            Err(error) => panic!("{error}"),
        }
    }

    fn client_takes(&mut self, mut input: &[u8]) {
        while let Some(event) = self.client.handle_bytes(&mut input, &mut self.scratch) {
            let ended = match event {
                ClientEvent::Response {
                    stream,
                    head,
                    end_stream,
                } => {
                    assert_eq!(head.status(), 200);
                    let open = self.open.get_mut(&stream).unwrap();
                    assert_eq!(open.1.replace(0), None, "one head");
                    end_stream.then_some(stream)
                }
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    let (ask, got) = self.open.get_mut(&stream).unwrap();
                    let got = got.as_mut().unwrap();
                    let right = ask.bytes(*got, *got + data.len() as u64);
                    assert!(data == right, "content from {got} on");
                    *got += data.len() as u64;
                    end_stream.then_some(stream)
                }
                ClientEvent::Trailers { stream, .. } => Some(stream),
                ClientEvent::Reset {
                    stream,
                    code,
                    retryable,
                    violation,
                } => {
                    assert_eq!(violation, None);
                    let (ask, _) = self.open.remove(&stream).unwrap();
                    let refused = code == ErrorCode::CANCEL && ask.kind == Kindness::Refusal;
                    let right = refused || (code == ErrorCode::REFUSED_STREAM && retryable);
                    assert!(right, "{code:?} for {ask:?}");
                    self.other += 1;
                    None
                }
                ClientEvent::Goaway { code, .. } => {
                    assert_eq!(code, ErrorCode::NO_ERROR);
                    None
                }
            };
            if let Some(stream) = ended {
                let (ask, got) = self.open.remove(&stream).unwrap();
                assert_eq!(got, Some(ask.len), "all of it");
                self.complete += 1;
            }
        }
    }
}

/// Runs one seed: how many requests were answered as a whole, and how many ended otherwise.
fn run(seed: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let mut pair = Pair::new(&mut random);
    let requests = 1 + random.below(15);
    let ends = random.below(3) == 0;
    for turn in 0..MOST_TURNS {
        pair.turn(requests, turn > 100 && ends, &mut random);
        assert_eq!(pair.client.error(), None, "the server did nothing wrong");
        // One that is answered while its content still goes out counts for the core, and not here.
        assert!(pair.open.len() <= pair.client.open_streams());
        if pair.made >= requests && pair.open.is_empty() && pair.is_quiet() {
            assert_eq!(pair.server.core.open_streams(), 0);
            assert_eq!(pair.client.open_streams(), 0, "no request is left waiting");
            return (pair.complete, pair.other);
        }
    }
    panic!("it never ends: {} open", pair.open.len());
}

#[test]
fn the_two_roles_understand_each_other() {
    let (mut complete, mut other) = (0, 0);
    for seed in 0..200 {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed}");
        let (whole, cut) = result.unwrap_or_default();
        complete += whole;
        other += cut;
    }
    assert!(complete > 600 && other > 100, "{complete}, {other}");
}
