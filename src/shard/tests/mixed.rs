//! Slots of which a part is gathered and a part was read into them, and readers who take them in pieces.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::net::sockopt::set_socket_send_buffer_size;

use super::frames::frame;
use super::{connect, control, shard};
use crate::files::PageCache;
use crate::shard::driver::Shard;
use crate::shard::long;

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// A step of the shard's clock: so many that who reads slowly is waited for long enough to lose its slot.
const STEP_NS: u64 = 3_000_000;

/// Mapped when they are asked for, only when they are asked for again, and never.
const FILES: [(&str, usize); 9] = [
    ("large0", 200_000),
    ("large1", 150_001),
    ("large2", 65_537),
    ("middle0", 65_536),
    ("middle1", 40_000),
    ("middle2", 16_385),
    ("middle3", 30_000),
    ("small0", 16_384),
    ("small1", 700),
];

fn content(name: &str, len: usize) -> Vec<u8> {
    let of_name: u32 = name.bytes().map(u32::from).sum();
    let byte = |at: u32| ((at ^ of_name).wrapping_mul(0x9e37_79b1) >> 13) as u8;
    (0..len as u32).map(byte).collect()
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// What came of a stream.
#[derive(Default)]
struct Answer {
    body: Vec<u8>,
    ended: bool,
    reset: bool,
}

/// A client of HTTP/2 that looks at no field.
struct Client {
    socket: UnixStream,
    unread: Vec<u8>,
    next: u32,
    answers: HashMap<u32, Answer>,
}

impl Client {
    /// With windows that are never shut.
    fn new(mut socket: UnixStream) -> Self {
        let window = [0, 4, 0, 0x40, 0, 0];
        let begin = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(SETTINGS, 0, 0, &window),
            frame(8, 0, 0, &[0x3f, 0, 0, 0]),
        ];
        socket.write_all(&begin.concat()).unwrap();
        Self {
            socket,
            unread: Vec::new(),
            next: 1,
            answers: HashMap::new(),
        }
    }

    /// Asks for a file, to be sent in turn with the others.
    fn ask(&mut self, name: &str) -> u32 {
        let path = format!("/{name}");
        let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
        block.extend(path.as_bytes());
        block.extend(b"\x01\x01a\x00\x08priority\x01i");
        let stream = self.next;
        self.next += 2;
        self.answers.insert(stream, Answer::default());
        let request = frame(1, 5, stream, &block);
        self.socket.write_all(&request).unwrap();
        stream
    }

    /// Reads up to `most` bytes.
    fn read(&mut self, most: usize) {
        let before = self.unread.len();
        self.unread.resize(before + most, 0);
        let n = match self.socket.read(&mut self.unread[before..]) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        };
        self.unread.truncate(before + n);
        let mut rest = &self.unread[..];
        while let Some((header, after)) = rest.split_first_chunk::<9>() {
            let len = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let Some((payload, after)) = after.split_at_checked(len) else {
                break;
            };
            let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
            match (header[3], self.answers.get_mut(&stream)) {
                (GOAWAY, _) => panic!("the connection is ended"),
                (SETTINGS, _) if header[4] == 0 => {
                    self.socket.write_all(&frame(SETTINGS, 1, 0, &[])).unwrap();
                }
                (RST_STREAM, Some(answer)) => answer.reset = true,
                (kind, Some(answer)) => {
                    assert!(!answer.ended && !answer.reset, "{stream} is over");
                    answer.ended = kind < 2 && header[4] & END_STREAM != 0;
                    if kind == DATA {
                        answer.body.extend_from_slice(payload);
                    }
                }
                _ => {}
            }
            rest = after;
        }
        self.unread = rest.to_vec();
    }

    fn is_over(&self, stream: u32) -> bool {
        let answer = &self.answers[&stream];
        answer.ended || answer.reset
    }
}

/// A shard with one connection, and what was seen of its slots.
struct Scene<'a, 'b> {
    shard: &'b mut Shard<'a>,
    client: Client,
    random: Random,
    now_ns: u64,
    /// Some of a slot was gathered, and some of it not.
    mixed: bool,
    /// What is left of a slot was copied out of the arena.
    copied: bool,
}

impl<'a, 'b> Scene<'a, 'b> {
    fn new(shard: &'b mut Shard<'a>, seed: u64) -> Self {
        let mut random = Random(seed);
        let (key, socket) = connect(shard);
        let connection = shard.connections.get_mut(key).unwrap();
        // So that sends are cut at other places each time.
        let room = 4_000 + random.below(60_000);
        set_socket_send_buffer_size(&connection.socket, room).unwrap();
        Self {
            shard,
            client: Client::new(socket),
            random,
            now_ns: 0,
            mixed: false,
            copied: false,
        }
    }

    /// A turn of the shard, after which the client reads a little, or nothing.
    fn step(&mut self) {
        self.now_ns += STEP_NS;
        self.shard.turn(self.now_ns, || Duration::ZERO);
        self.shard.shared.ring.wait(Duration::from_micros(10));
        assert_eq!(self.shard.shared.counters.panics, 0);
        for key in self.shard.connections.keys() {
            let connection = self.shard.connections.get_mut(key).unwrap();
            let Some(outgoing) = &connection.outgoing else {
                continue;
            };
            let gathered = outgoing.plan.holes.iter().filter(|hole| hole.gathered);
            self.mixed |= (1..outgoing.plan.holes.len()).contains(&gathered.count());
            let gather = outgoing
                .gather
                .as_ref()
                .filter(|gather| gather.buffer().is_some());
            self.copied |= gather.is_some_and(|gather| gather.arena_slot().is_none());
        }
        match self.random.below(40) {
            // It looks away for long enough.
            0 => self.now_ns += 200_000_000,
            1..=15 => {
                let most = 1 + self.random.below(20_000);
                self.client.read(most);
            }
            _ => {}
        }
    }

    fn until(&mut self, mut done: impl FnMut(&Client) -> bool) {
        for _ in 0..100_000 {
            if done(&self.client) {
                return;
            }
            self.step();
        }
        panic!("it did not come to that");
    }
}

fn folder() -> tempfile::TempDir {
    let root = tempfile::TempDir::new().unwrap();
    for (name, len) in FILES {
        fs::write(root.path().join(name), content(name, len)).unwrap();
    }
    root
}

#[test]
fn whatever_is_gathered_and_whatever_is_not_each_stream_gets_its_file() {
    let root = folder();
    let (mut mixed, mut copied) = (false, false);
    for seed in 0..40 {
        let (control, (reports, _reported)) = (control(), channel());
        let mut shard = shard(root.path(), &control, &reports);
        // Some by jobs, some at once.
        shard.shared.jobs.only = seed % 2 == 0;
        let mut scene = Scene::new(&mut shard, seed);
        let mut asked = Vec::new();
        // Some come again while they are being sent, and are mapped then.
        for _ in 0..2 * FILES.len() {
            let (name, len) = FILES[scene.random.below(FILES.len())];
            asked.push((scene.client.ask(name), name, len));
            for _ in 0..scene.random.below(12) {
                scene.step();
            }
        }
        scene.until(|client| asked.iter().all(|(stream, ..)| client.is_over(*stream)));
        for (stream, name, len) in asked {
            let answer = &scene.client.answers[&stream];
            assert!(answer.ended, "{seed} {name}");
            assert!(answer.body == content(name, len), "{seed} {name}");
        }
        mixed |= scene.mixed;
        copied |= scene.copied;
    }
    assert!(mixed && copied);
}

fn truncate(root: &Path, name: &str, len: u64) {
    let file = File::options().write(true).open(root.join(name));
    file.unwrap().set_len(len).unwrap();
}

#[test]
fn a_file_that_shrinks_meanwhile_ends_its_stream_and_no_other() {
    let (mut mixed, mut resets) = (false, 0);
    for seed in 0..40 {
        let root = folder();
        let (control, (reports, _reported)) = (control(), channel());
        let mut shard = shard(root.path(), &control, &reports);
        let mut scene = Scene::new(&mut shard, seed);
        let asked: Vec<_> = FILES
            .iter()
            .map(|&(name, len)| (scene.client.ask(name), name, len))
            .collect();
        let shrinks = |name| matches!(name, "large0" | "middle1");
        let before = 1 + scene.random.below(60_000);
        scene.until(|client| {
            let bodies = client.answers.values().map(|answer| answer.body.len());
            bodies.sum::<usize>() >= before
        });
        assert!(scene.shard.shared.jobs.owners().is_empty());
        for (_, name, _) in asked.iter().filter(|(_, name, _)| shrinks(name)) {
            truncate(root.path(), name, scene.random.below(20_000) as u64);
        }
        scene.until(|client| asked.iter().all(|(stream, ..)| client.is_over(*stream)));
        for (stream, name, len) in asked {
            let answer = &scene.client.answers[&stream];
            let whole = content(name, len);
            assert!(whole.starts_with(&answer.body), "{seed} {name}");
            assert_eq!(answer.ended, answer.body.len() == len, "{seed} {name}");
            assert!(answer.ended || shrinks(name), "{seed} {name}");
            resets += usize::from(answer.reset);
        }
        mixed |= scene.mixed;
    }
    assert!(mixed && resets > 40, "{resets}");
}

/// What decides between gathering and reading first is not asked where nothing can be gathered.
#[test]
fn what_cannot_be_gathered_is_not_read_in_place_of_that() {
    let root = tempfile::TempDir::new().unwrap();
    fs::write(root.path().join("large.bin"), vec![b'x'; 4 << 20]).unwrap();
    for (page_cache, reads) in [(PageCache::Keep, true), (PageCache::Drop, false)] {
        let (control, (reports, _reported)) = (control(), channel());
        let mut shard = shard(root.path(), &control, &reports);
        shard.shared.page_cache = page_cache;
        shard.shared.long = long::Policy { after: 1, least: 1 };
        let (_, mut peer) = connect(&mut shard);
        peer.write_all(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let (mut left, mut read) = (4 << 20, false);
        for _ in 0..100_000 {
            shard.turn(0, || Duration::ZERO);
            shard.shared.ring.wait(Duration::from_micros(10));
            read |= shard.shared.reader.another().is_none();
            let mut piece = [0; 30_000];
            left -= peer.read(&mut piece).unwrap_or(0) as i64;
            if left <= 0 {
                break;
            }
        }
        assert!(left <= 0);
        assert_eq!(read, reads, "{page_cache:?}");
    }
}
