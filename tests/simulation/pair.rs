//! The client's role of the core against the server's, with the same driver; here in random order without time.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use ringlane::h2::client::{
    ClientConfig, ClientConnection, ClientEvent, Credit, Request, RequestError,
};
use ringlane::h2::{Config, ErrorCode, Scratch, StreamId};
use ringlane::slot::{Layout, Plan, Slot};

use crate::client::{Ask, content};
use crate::driver::{Disk, Server, Work};
use crate::random::Random;

/// Turns after which a run does not end.
const MOST_TURNS: usize = 200_000;
const FILES: usize = 2;
const FILE_BYTES: u64 = 1 << 40;
/// Bytes that wait on the wire before a side is not asked for more.
const FULL: usize = 100_000;

/// A request that has not ended.
struct Open {
    ask: Ask,
    got: u64,
    headed: bool,
}

/// Both sides and what is between them.
struct Pair {
    client: ClientConnection,
    scratch: Scratch,
    server: Server,
    disk: Disk,
    up: Vec<u8>,
    down: Vec<u8>,
    /// Whether the server's slot waits for an operation.
    waiting: bool,
    open: BTreeMap<StreamId, Open>,
    made: usize,
    complete: u64,
    other: u64,
}

/// Runs one seed: how many requests were answered as a whole, and how many ended otherwise.
pub(crate) fn run(seed: u64) -> (u64, u64) {
    let mut random = Random::new(seed);
    let mut pair = pair(&mut random);
    let requests = 1 + random.below(15);
    let ends = random.pick(&[true, false, false]);
    for turn in 0..MOST_TURNS {
        let going = pair.turn(requests, turn > 100 && ends, &mut random);
        assert_eq!(pair.client.error(), None, "the server did nothing wrong");
        // One that is answered while its content still goes out counts for the core, and not here.
        assert!(pair.open.len() <= pair.client.open_streams());
        if !going {
            // The wire is out of step, as it is when a file shrinks within a frame.
            pair.other += pair.open.len() as u64;
            return (pair.complete, pair.other);
        }
        if pair.made >= requests && pair.open.is_empty() && pair.is_quiet() {
            assert_eq!(pair.server.core.open_streams(), 0);
            assert_eq!(pair.client.open_streams(), 0, "no request is left waiting");
            return (pair.complete, pair.other);
        }
    }
    panic!("it never ends: {} open", pair.open.len());
}

fn pair(random: &mut Random) -> Pair {
    let client_config = ClientConfig {
        initial_window_size: random.pick(&[100, 5_000, 65_535, 1 << 20]),
        connection_window: random.pick(&[65_535, 100_000, 1 << 22]),
        max_frame_size: random.pick(&[16_384, 30_000]),
        header_table_size: random.pick(&[4_096, 0, 65_536]),
        credit: random.pick(&[Credit::AtHalf, Credit::AtOnce]),
        ..ClientConfig::default()
    };
    let config = Config {
        max_concurrent_streams: random.pick(&[1, 3, 256]),
        initial_window_size: random.pick(&[100, 65_535]),
        connection_window: 65_535,
        ..Config::default()
    };
    let server = loop {
        let server = Server::new(config.clone(), random);
        // Smaller slots cut field blocks into more CONTINUATION frames than anybody takes; no shard leases such.
        if !server.is_sealed() && server.slot_bytes > 1_000 {
            break server;
        }
    };
    Pair {
        client: ClientConnection::new(Rc::new(client_config)),
        scratch: Scratch::default(),
        server,
        disk: Disk {
            readable: vec![FILE_BYTES; FILES],
        },
        up: Vec::new(),
        down: Vec::new(),
        waiting: false,
        open: BTreeMap::new(),
        made: 0,
        complete: 0,
        other: 0,
    }
}

impl Pair {
    fn is_quiet(&self) -> bool {
        let wants = self.client.wants_transmit() || self.server.core.wants_transmit();
        !wants && self.up.is_empty() && self.down.is_empty() && !self.server.holds_slot()
    }

    /// One of the two does one thing; whether the connection goes on.
    fn turn(&mut self, requests: usize, ends: bool, random: &mut Random) -> bool {
        match random.below(100) {
            0..8 if self.made < requests => self.request(requests, random),
            8 if random.one_in(4) => {
                let streams: Vec<_> = self.open.keys().copied().collect();
                if !streams.is_empty() {
                    let stream = random.pick(&streams);
                    self.client.cancel(stream);
                    self.open.remove(&stream);
                    self.other += 1;
                }
            }
            9 if random.one_in(8) => {
                let bytes = 16_384 + random.below(50_000) as u32;
                self.client.set_max_frame_size(bytes);
            }
            10 if random.one_in(100) => self.disk.readable[0] = random.below(50_000) as u64,
            11 if ends && random.one_in(4) => match random.below(2) {
                0 => self.server.core.shutdown(),
                _ => self.client.shutdown(),
            },
            12..20 => self.server.answer_late(random),
            20..40 if self.client.wants_transmit() && self.up.len() < FULL => self.client_sends(),
            40..60 => {
                let len = random.below(self.up.len() + 1);
                let bytes: Vec<u8> = self.up.drain(..len).collect();
                self.server.receive(0, &bytes, random);
            }
            60..80 => return self.server_sends(random),
            80.. => {
                let len = random.below(self.down.len() + 1);
                let bytes: Vec<u8> = self.down.drain(..len).collect();
                self.client_takes(&bytes);
            }
            _ => {}
        }
        true
    }

    fn request(&mut self, requests: usize, random: &mut Random) {
        let len = random.pick(&[0, 1, 3_000, 40_000]) + random.below(50) as u64;
        let ask = match random.below(6) {
            0 => Ask::Empty,
            1 => Ask::Refusal,
            2 => Ask::Bytes { len },
            _ => Ask::File {
                file: random.below(FILES) as u32,
                offset: random.below(30_000) as u64,
                len,
            },
        };
        // Identifiers are given in order, and the content is told by them.
        let stream = self.client_next();
        let upload = random.pick(&[0, 0, 10, 20_000]);
        let body: Vec<u8> = (0..upload).map(|at| content(stream, at)).collect();
        let request = Request::new("GET", "https", "a.example", &ask.path(), &[]);
        match self.client.request(request.with_body(Bytes::from(body))) {
            Ok(given) => {
                assert_eq!(given, stream);
                self.made += 1;
                let (got, headed) = (0, false);
                self.open.insert(stream, Open { ask, got, headed });
            }
            Err(RequestError::Busy) => {}
            // It ends: what is in flight is finished.
            Err(RequestError::Closing) => self.made = requests,
            Err(error) => panic!("{error}"),
        }
    }

    fn client_next(&self) -> StreamId {
        self.made as StreamId * 2 + 1
    }

    fn client_sends(&mut self) {
        let (mut buffer, mut plan) = (vec![0; 9_000], Plan::<()>::default());
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
        self.client.poll_transmit(&mut slot);
        slot.finish();
        self.up.extend_from_slice(&buffer[plan.used]);
    }

    fn server_sends(&mut self, random: &mut Random) -> bool {
        let fresh = !self.server.holds_slot();
        let wants = self.server.core.wants_transmit() && self.down.len() < FULL;
        if fresh && !(wants && self.server.fill(0)) {
            return true;
        }
        let may_wait = !std::mem::take(&mut self.waiting);
        match self.server.work(&self.disk, may_wait, random) {
            Work::Broken => return false,
            Work::Waiting => self.waiting = true,
            Work::Ready => {
                let left = self.server.left();
                let len = match random.below(3) {
                    0 => random.below(left.len() + 1),
                    _ => left.len(),
                };
                self.down.extend_from_slice(&left[..len]);
                self.server.sent(0, len, &self.disk, random);
            }
        }
        true
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
                    let open = self.open.get_mut(&stream).expect("it is open");
                    assert!(!std::mem::replace(&mut open.headed, true));
                    end_stream.then_some(stream)
                }
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    let open = self.open.get_mut(&stream).expect("it is open");
                    for byte in data {
                        assert_eq!(*byte, open.ask.byte(open.got), "byte {}", open.got);
                        open.got += 1;
                    }
                    end_stream.then_some(stream)
                }
                ClientEvent::Reset {
                    stream,
                    code,
                    retryable,
                    violation,
                } => {
                    assert_eq!(violation, None);
                    let open = self.open.remove(&stream).expect("it is open");
                    let shrunk = self.disk.readable[0] < FILE_BYTES;
                    let right = match code {
                        ErrorCode::CANCEL => open.ask == Ask::Refusal,
                        ErrorCode::REFUSED_STREAM => retryable,
                        ErrorCode::INTERNAL_ERROR | ErrorCode::NO_ERROR => {
                            shrunk && matches!(open.ask, Ask::File { file: 0, .. })
                        }
                        _ => false,
                    };
                    assert!(right, "{code:?} for {:?}", open.ask);
                    self.other += 1;
                    None
                }
                ClientEvent::Goaway { code, .. } => {
                    assert_eq!(code, ErrorCode::NO_ERROR);
                    None
                }
                ClientEvent::Trailers { .. } => panic!("there are none"),
            };
            if let Some(stream) = ended {
                let open = self.open.remove(&stream).expect("it ends once");
                assert_eq!(open.got, open.ask.len());
                self.complete += 1;
            }
        }
    }
}
