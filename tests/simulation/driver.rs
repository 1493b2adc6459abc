//! What a shard does for one connection, without a kernel: fills slots, reads files into them, sends, and copes.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use ringlane::h2::hpack::{Indexing, encode_field, encode_status};
use ringlane::h2::{
    Body, Config, Connection, End, ErrorCode, Event, Response, Scratch, Segment, StreamId, cut,
};
use ringlane::response::Stream;
use ringlane::slot::{Layout, Plan, RecordLayout, Slot};

use crate::client::{Ask, content};
use crate::random::Random;

/// TLS 1.3's records.
pub(crate) const RECORD: RecordLayout = RecordLayout {
    prefix: 5,
    suffix: 17,
};

/// The files, all of the same endless content, and how much of each can be read.
pub(crate) struct Disk {
    pub(crate) readable: Vec<u64>,
}

impl Disk {
    /// Bytes of `len` at `offset` that are there.
    fn available(&self, file: u32, offset: u64, len: usize) -> usize {
        let left = self.readable[file as usize].saturating_sub(offset);
        usize::try_from(left).unwrap_or(usize::MAX).min(len)
    }
}

/// What comes of working on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Bytes can be sent.
    Ready,
    /// An operation was begun that completes later.
    Waiting,
    /// The wire is out of step: the connection cannot go on.
    Broken,
}

/// A filled slot.
struct Outgoing {
    buffer: Vec<u8>,
    plan: Plan<u32>,
    /// Wire bytes that are sent.
    sent: usize,
    /// Placed and sealed: holes that are read, and bytes of the next.
    ready: (usize, usize),
    /// Gathered: a hole whose bytes were kept when its frame was cut.
    secured: Option<usize>,
    sealed: bool,
}

/// The server's side of a connection.
pub(crate) struct Server {
    pub(crate) core: Connection<u32>,
    scratch: Scratch,
    layout: Layout,
    pub(crate) slot_bytes: usize,
    burst: usize,
    outgoing: Option<Outgoing>,
    /// Bytes of content that came on a stream.
    received: BTreeMap<StreamId, u64>,
    /// Requests that are answered later.
    pub(crate) unanswered: Vec<(StreamId, Ask)>,
    /// Bodies that go on later: the pieces that are left, the next one last.
    pub(crate) unfinished: Vec<(StreamId, Vec<Segment<u32>>)>,
}

impl Server {
    pub(crate) fn new(config: Config, random: &mut Random) -> Self {
        let layout = random.pick(&[Layout::Gathered, Layout::Placed, Layout::Sealed(RECORD)]);
        Self {
            core: Connection::new(Rc::new(config), 0),
            scratch: Scratch::default(),
            layout,
            slot_bytes: random.pick(&[300, 4_000, 16 << 10, 64 << 10]),
            burst: random.pick(&[500, 20_000, usize::MAX]),
            outgoing: None,
            received: BTreeMap::new(),
            unanswered: Vec::new(),
            unfinished: Vec::new(),
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        matches!(self.layout, Layout::Sealed(_))
    }

    pub(crate) fn holds_slot(&self) -> bool {
        self.outgoing.is_some()
    }

    pub(crate) fn release(&mut self) {
        self.outgoing = None;
    }

    /// Bytes arrived; some requests are answered in the same turn.
    pub(crate) fn receive(&mut self, now_ns: u64, mut input: &[u8], random: &mut Random) {
        let mut now = Vec::new();
        while let Some(event) = self
            .core
            .handle_bytes(now_ns, &mut input, &mut self.scratch)
        {
            match event {
                Event::Request { stream, head, .. } => {
                    let before = self.received.insert(stream, 0);
                    assert_eq!(before, None, "a request comes once");
                    let ask = Ask::parse(head.path());
                    if random.one_in(3) {
                        self.unanswered.push((stream, ask));
                    } else {
                        now.push((stream, ask));
                    }
                }
                Event::Data { stream, data, .. } => {
                    let at = self.received.get_mut(&stream).expect("of a request");
                    for byte in data {
                        assert_eq!(*byte, content(stream, *at), "byte {at} of an upload");
                        *at += 1;
                    }
                }
                Event::Trailers { .. } => panic!("nobody sends trailers"),
                Event::Reset { stream, .. } => {
                    self.unanswered.retain(|(other, _)| *other != stream);
                    now.retain(|(other, _)| *other != stream);
                }
            }
            for (stream, ask) in now.drain(..) {
                self.answer(stream, ask, random);
            }
        }
        assert_eq!(self.core.error(), None, "the client did nothing wrong");
    }

    /// Whether the application has something to say later.
    pub(crate) fn owes(&self) -> bool {
        !self.unanswered.is_empty() || !self.unfinished.is_empty()
    }

    /// Answers one that waits, or goes on with a body.
    pub(crate) fn answer_late(&mut self, random: &mut Random) {
        if !self.unanswered.is_empty() {
            let at = random.below(self.unanswered.len());
            let (stream, ask) = self.unanswered.swap_remove(at);
            self.answer(stream, ask, random);
        }
        if !self.unfinished.is_empty() {
            let at = random.below(self.unfinished.len());
            let (stream, pieces) = &mut self.unfinished[at];
            let there = match pieces.pop() {
                Some(piece) => self.core.append(*stream, piece),
                None => !self.core.finish(*stream, end(random)),
            };
            if !there || (pieces.is_empty() && random.one_in(2)) {
                let (stream, _) = self.unfinished.swap_remove(at);
                self.core.finish(stream, end(random));
            }
        }
    }

    fn answer(&mut self, stream: StreamId, ask: Ask, random: &mut Random) {
        let body = match ask {
            Ask::File { file, offset, len } => Body::File { file, offset, len },
            Ask::Bytes { len } => {
                let bytes: Vec<u8> = (0..len).map(|at| content(0, at)).collect();
                Body::Bytes(bytes.into())
            }
            Ask::Pieces { file, offset, len } => {
                let mut pieces = pieces(file, offset, len, random);
                let known = pieces.split_off(random.below(pieces.len() + 1));
                let end = if pieces.is_empty() {
                    end(random)
                } else {
                    self.unfinished.push((stream, pieces));
                    End::Open
                };
                Body::Stream(Box::new(Stream::new(known.into_iter().rev(), end)))
            }
            Ask::Empty => Body::Empty,
            Ask::Refusal => return self.core.reset(stream, ErrorCode::CANCEL),
        };
        let (mut head, mut more) = (Vec::new(), Vec::new());
        encode_status(&mut head, 200);
        let length = ask.len().to_string();
        let without = Indexing::Without;
        encode_field(&mut head, b"content-length", length.as_bytes(), without);
        if random.one_in(10) {
            let long = vec![b'z'; random.below(30_000)];
            encode_field(&mut more, b"x-long", &long, without);
        }
        let head = [Bytes::from(head), Bytes::from(more)];
        self.core.respond(stream, Response { head, body });
    }

    /// Fills a slot, when the last one is sent; whether there is one now.
    pub(crate) fn fill(&mut self, now_ns: u64) -> bool {
        assert!(self.outgoing.is_none());
        let (mut buffer, mut plan) = (vec![0; self.slot_bytes], Plan::default());
        let burst = match self.layout {
            Layout::Gathered => self.burst,
            Layout::Placed | Layout::Sealed(_) => usize::MAX,
        };
        let mut slot = Slot::new(&mut buffer, &mut plan, self.layout, burst);
        self.core.poll_transmit(now_ns, &mut slot);
        slot.finish();
        if plan.wire_len == 0 {
            assert!(!self.core.wants_transmit(), "an empty slot takes something");
            return false;
        }
        self.outgoing = Some(Outgoing {
            buffer,
            plan,
            sent: 0,
            ready: (0, 0),
            secured: None,
            sealed: false,
        });
        true
    }

    /// Goes on with the slot. `may_wait` is false when the operation that was waited for has come back.
    pub(crate) fn work(&mut self, disk: &Disk, may_wait: bool, random: &mut Random) -> Work {
        let waits = may_wait && random.one_in(4);
        let Some(outgoing) = &mut self.outgoing else {
            return Work::Broken;
        };
        if self.layout == Layout::Gathered {
            if waits && outgoing.sent == 0 {
                return Work::Waiting;
            }
            return check_sizes(outgoing, &mut self.core, disk);
        }
        let mut waits = waits;
        while let Some(hole) = outgoing.plan.holes.get(outgoing.ready.0) {
            if std::mem::take(&mut waits) {
                return Work::Waiting;
            }
            let offset = hole.offset + outgoing.ready.1 as u64;
            let left = hole.len - outgoing.ready.1;
            let there = disk.available(hole.file, offset, left);
            if there == 0 {
                let (plan, buffer) = (&mut outgoing.plan, &mut outgoing.buffer);
                self.core
                    .body_failed(cut(plan, buffer, self.layout, outgoing.ready.0));
                outgoing.ready.1 = 0;
                continue;
            }
            let read = if random.one_in(3) {
                1 + random.below(there)
            } else {
                there
            };
            let at = hole.at + outgoing.ready.1;
            for (i, byte) in outgoing.buffer[at..at + read].iter_mut().enumerate() {
                *byte = content(hole.file, offset + i as u64);
            }
            if read == left {
                outgoing.ready = (outgoing.ready.0 + 1, 0);
            } else {
                outgoing.ready.1 += read;
                waits = random.one_in(2);
            }
        }
        if !std::mem::replace(&mut outgoing.sealed, true) {
            for record in &outgoing.plan.records {
                let [high, low] = (record.len as u16 + RECORD.suffix as u16).to_be_bytes();
                outgoing.buffer[record.at..][..5].copy_from_slice(&[23, 3, 3, high, low]);
            }
        }
        Work::Ready
    }

    /// What is left to be sent.
    pub(crate) fn left(&self) -> Vec<u8> {
        let Some(outgoing) = &self.outgoing else {
            return Vec::new();
        };
        let plan = &outgoing.plan;
        if self.layout != Layout::Gathered {
            return outgoing.buffer[plan.used.start + outgoing.sent..plan.used.end].to_vec();
        }
        let mut wire = Vec::new();
        let mut from = plan.used.start;
        for hole in &plan.holes {
            wire.extend_from_slice(&outgoing.buffer[from..hole.at]);
            let end = hole.offset + hole.len as u64;
            wire.extend((hole.offset..end).map(|at| content(hole.file, at)));
            from = hole.at;
        }
        wire.extend_from_slice(&outgoing.buffer[from..plan.used.end]);
        wire.split_off(outgoing.sent)
    }

    /// So many bytes were sent; whether that was all. A frame that was cut is secured, mostly.
    pub(crate) fn sent(&mut self, now_ns: u64, n: usize, disk: &Disk, random: &mut Random) -> bool {
        let Some(outgoing) = &mut self.outgoing else {
            return true;
        };
        outgoing.sent += n;
        let gathered = self.layout == Layout::Gathered;
        let holes: usize = outgoing.plan.holes.iter().map(|hole| hole.len).sum();
        let whole = outgoing.plan.used.len() + if gathered { holes } else { 0 };
        let all = outgoing.sent == whole;
        self.core.note_drained(n, all, true, now_ns);
        if all {
            self.outgoing = None;
            return true;
        }
        if gathered && !random.one_in(4) {
            let begun = spans(&outgoing.plan)
                .position(|(header, end)| header < outgoing.sent && outgoing.sent < end);
            if let Some(begun) = begun {
                let hole = &outgoing.plan.holes[begun];
                if disk.available(hole.file, hole.offset, hole.len) == hole.len {
                    outgoing.secured = Some(begun);
                }
            }
        }
        false
    }
}

/// How a body ends: trailers fit a frame or do not.
fn end(random: &mut Random) -> End {
    let len = random.pick(&[None, None, Some(5), Some(40_000)]);
    len.map_or(End::Done, |len| {
        let mut block = Vec::new();
        encode_field(&mut block, b"x-sum", &vec![b'z'; len], Indexing::Without);
        End::Trailers(block.into())
    })
}

/// A part of a file in pieces, the last one first; some of them are in memory.
fn pieces(file: u32, offset: u64, len: u64, random: &mut Random) -> Vec<Segment<u32>> {
    let mut pieces = Vec::new();
    let mut left = len;
    while left > 0 {
        let most = random.pick(&[10, 3_000, 100_000]);
        let len = left.min(1 + random.below(most) as u64);
        left -= len;
        let from = offset + left;
        pieces.push(if random.one_in(2) {
            let bytes: Vec<u8> = (from..from + len).map(|at| content(file, at)).collect();
            Segment::Bytes(bytes.into())
        } else {
            Segment::File {
                file,
                offset: from,
                len,
            }
        });
    }
    pieces
}

/// Gathered: where the frame of each hole begins and ends on the wire.
fn spans(plan: &Plan<u32>) -> impl Iterator<Item = (usize, usize)> {
    let mut gathered = 0;
    plan.holes.iter().map(move |hole| {
        let header = hole.frame_at - plan.used.start + gathered;
        gathered += hole.len;
        (header, hole.at - plan.used.start + gathered)
    })
}

/// Gathered: empties the frames of files that have shrunk, unless they were begun.
fn check_sizes(outgoing: &mut Outgoing, core: &mut Connection<u32>, disk: &Disk) -> Work {
    for at in 0..outgoing.plan.holes.len() {
        let hole = &outgoing.plan.holes[at];
        let (header, end) = spans(&outgoing.plan).nth(at).unwrap();
        let there = disk.available(hole.file, hole.offset, hole.len) == hole.len;
        if there || end <= outgoing.sent || outgoing.secured == Some(at) {
            continue;
        }
        if header < outgoing.sent {
            return Work::Broken;
        }
        core.body_failed(cut(
            &mut outgoing.plan,
            &mut outgoing.buffer,
            Layout::Gathered,
            at,
        ));
    }
    Work::Ready
}
