//! How far a filled slot has been sent, and what is left of it.
//!
//! A send may be cut anywhere. The cursor keeps the place, and gathers what is left anew for the next send: what lies
//! before it is gone, what lies behind it may still be changed (a frame whose file shrank is emptied).

use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::files::FileRef;
use crate::slot::Plan;
use crate::uring::Gather;

/// The part of a connection's output that is not sent yet: `prefix`, then `carry`, then the plan from `at` and `hole`.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Bytes in front of the slot: handshake flights, control records.
    pub(super) prefix: Bytes,
    /// The rest of a frame that was begun, read into the buffer behind the plan's bytes.
    carry: Range<usize>,
    /// Buffer position.
    at: usize,
    /// The next hole that is gathered; others are part of the buffer.
    hole: usize,
    /// Bytes of that hole that are sent.
    within: usize,
}

/// A frame that was cut by a short send.
#[derive(Debug)]
pub(super) struct Begun {
    /// Index of its hole.
    pub(super) hole: usize,
    /// Bytes of the hole that are sent.
    pub(super) within: usize,
    /// Buffer range of what is left of its frame header.
    pub(super) header: Range<usize>,
}

impl Cursor {
    /// At the beginning of a plan.
    pub(super) fn new(prefix: Bytes, plan: &Plan<FileRef>) -> Self {
        Self {
            prefix,
            carry: 0..0,
            at: plan.used.start,
            hole: gathered_from(0, plan),
            within: 0,
        }
    }

    /// Whether everything is sent.
    pub(super) fn is_done(&self, plan: &Plan<FileRef>) -> bool {
        self.prefix.is_empty()
            && self.carry.is_empty()
            && self.at == plan.used.end
            && self.hole == plan.holes.len()
    }

    /// Moves on by `n` bytes that were sent.
    pub(super) fn advance(&mut self, mut n: usize, plan: &Plan<FileRef>) {
        let prefix = n.min(self.prefix.len());
        self.prefix.advance(prefix);
        n -= prefix;
        let carry = n.min(self.carry.len());
        self.carry.start += carry;
        n -= carry;
        loop {
            let hole = plan.holes.get(self.hole);
            let run = n.min(hole.map_or(plan.used.end, |hole| hole.at) - self.at);
            self.at += run;
            n -= run;
            let Some(hole) = hole else { break };
            if self.at < hole.at {
                break;
            }
            let payload = n.min(hole.len - self.within);
            self.within += payload;
            n -= payload;
            if self.within < hole.len {
                break;
            }
            self.hole = gathered_from(self.hole + 1, plan);
            self.within = 0;
        }
        debug_assert_eq!(n, 0, "no more is sent than there was");
    }

    /// The first hole that is gathered and not wholly sent.
    pub(super) fn untouched(&self) -> usize {
        self.hole
    }

    /// The gathered frame of which a part is sent: what it announced can no longer be changed.
    pub(super) fn begun(&self, plan: &Plan<FileRef>) -> Option<Begun> {
        let hole = plan.holes.get(self.hole)?;
        if hole.frame_at >= self.at {
            return None;
        }
        Some(Begun {
            hole: self.hole,
            within: self.within,
            header: self.at..hole.at,
        })
    }

    /// Whether the buffer behind the plan's bytes has been used.
    pub(super) fn has_carried(&self, plan: &Plan<FileRef>) -> bool {
        self.carry.end > plan.used.end
    }

    /// The rest of the begun frame is at `range` of the buffer now; the slot goes on behind it.
    pub(super) fn carry(&mut self, range: Range<usize>, plan: &Plan<FileRef>) {
        self.carry = range;
        self.at = plan.holes[self.hole].at;
        self.hole = gathered_from(self.hole + 1, plan);
        self.within = 0;
    }

    /// The buffer range that is still needed, in a buffer of its own from now on: positions are counted from its start.
    pub(super) fn rest(&mut self, plan: &mut Plan<FileRef>) -> Range<usize> {
        let end = plan.used.end.max(self.carry.end);
        // A gathered frame that may still be changed begins before what is left of it.
        let first = plan.holes.get(self.hole);
        let start = first.map_or(self.at, |hole| hole.frame_at.min(self.at));
        for hole in &mut plan.holes {
            hole.at = hole.at.saturating_sub(start);
            hole.frame_at = hole.frame_at.saturating_sub(start);
        }
        for frame in &mut plan.dependents {
            frame.at = frame.at.saturating_sub(start);
        }
        plan.used = plan.used.start.saturating_sub(start)..plan.used.end - start;
        self.at -= start;
        self.carry = self.carry.start.saturating_sub(start)..self.carry.end.saturating_sub(start);
        start..end
    }

    /// Gathers all that is left.
    pub(super) fn gather(&self, plan: &Plan<FileRef>, gather: &mut Gather) {
        gather.clear_parts();
        if !self.prefix.is_empty() {
            gather.push_bytes(self.prefix.clone());
        }
        if !self.carry.is_empty() {
            gather.push_buffer(self.carry.clone());
        }
        let mut at = self.at;
        let mut within = self.within as u64;
        for hole in plan.holes[self.hole..].iter().filter(|hole| hole.gathered) {
            if at < hole.at {
                gather.push_buffer(at..hole.at);
                at = hole.at;
            }
            if let (Some(mapping), true) = (hole.file.0.mapping(), hole.len > 0) {
                gather.push_mapped(mapping, hole.offset + within..hole.offset + hole.len as u64);
            }
            within = 0;
        }
        if at < plan.used.end {
            gather.push_buffer(at..plan.used.end);
        }
    }
}

/// Index of the next hole from `index` on that is gathered.
fn gathered_from(index: usize, plan: &Plan<FileRef>) -> usize {
    let left = plan.holes[index..].iter();
    index + left.take_while(|hole| !hole.gathered).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::cell::OnceCell;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::files::test_file;
    use crate::slot::{Layout, Slot};
    use crate::uring::{Arena, Front};

    const FILE_BYTES: u64 = 64 << 10;
    const HEADER_BYTES: usize = 9;

    fn file_byte(offset: u64) -> u8 {
        (offset.wrapping_mul(0x9e37_79b9) >> 11) as u8
    }

    fn mapped_file() -> FileRef {
        let mut file = tempfile::tempfile().unwrap();
        let contents: Vec<u8> = (0..FILE_BYTES).map(file_byte).collect();
        file.write_all(&contents).unwrap();
        test_file(OwnedFd::from(file), FILE_BYTES)
    }

    fn unmapped_file() -> FileRef {
        let FileRef(file) = test_file(tempfile::tempfile().unwrap().into(), FILE_BYTES);
        let mut file = Rc::into_inner(file).unwrap();
        file.mapping = OnceCell::new();
        FileRef(Rc::new(file))
    }

    /// A piece of wire as it was asked for.
    #[derive(Clone, Debug)]
    enum Piece {
        Bytes(usize),
        Frame {
            offset: u64,
            len: usize,
            mapped: bool,
        },
    }

    fn piece() -> impl Strategy<Value = Piece> {
        let frame = |(offset, len, mapped)| Piece::Frame {
            offset,
            len,
            mapped,
        };
        let mapped = prop::bool::weighted(0.7);
        prop_oneof![
            (1usize..60).prop_map(Piece::Bytes),
            (0..FILE_BYTES - 3_000, 1usize..3_000, mapped).prop_map(frame),
            // Short ones, so that cuts fall on every boundary.
            (0..FILE_BYTES - 3_000, 1usize..4, mapped).prop_map(frame),
        ]
    }

    /// What happens after each send.
    #[derive(Clone, Copy, Debug)]
    struct Turn {
        /// The part of what is left that the socket takes, in 65,536ths; below 100 that many bytes.
        taken: u16,
        /// Whether the begun frame is secured.
        secure: bool,
        /// Which of the frames not begun is emptied, if that many are left.
        emptied: Option<u8>,
    }

    fn turn() -> impl Strategy<Value = Turn> {
        let taken = prop_oneof![0u16..30, any::<u16>()];
        (taken, any::<bool>(), prop::option::weighted(0.2, 0u8..8)).prop_map(
            |(taken, secure, emptied)| Turn {
                taken,
                secure,
                emptied,
            },
        )
    }

    fn header(n: usize) -> [u8; HEADER_BYTES] {
        std::array::from_fn(|i| (n * 31 + i) as u8)
    }

    /// The wire, from what was asked for alone. An emptied frame is nine bytes 0xee.
    fn expected(prefix: &[u8], pieces: &[Piece], emptied: &[bool]) -> Vec<u8> {
        let mut wire = prefix.to_vec();
        for (n, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Bytes(len) => wire.resize(wire.len() + len, n as u8),
                Piece::Frame { .. } if emptied[n] => wire.extend([0xee; HEADER_BYTES]),
                Piece::Frame { offset, len, .. } => {
                    wire.extend(header(n));
                    wire.extend((*offset..offset + *len as u64).map(file_byte));
                }
            }
        }
        wire
    }

    /// What a gather carries, taken out of it.
    fn carried(gather: &mut Gather) -> Vec<u8> {
        let mut wire = Vec::new();
        while let Some(front) = gather.front() {
            let before = wire.len();
            match front {
                Front::Buffer(range) => wire.extend_from_slice(&gather.buffer().unwrap()[range]),
                Front::Mapped(_, range) => wire.extend(range.map(file_byte)),
                Front::Bytes(bytes) => wire.extend_from_slice(bytes),
            }
            let len = wire.len() - before;
            assert!(len > 0, "no part is empty");
            gather.advance(len);
        }
        assert_eq!(gather.remaining(), 0);
        wire
    }

    /// As the driver does it, with the bytes of the file from memory.
    fn secure(cursor: &mut Cursor, plan: &Plan<FileRef>, gather: &mut Gather) {
        let Some(begun) = cursor.begun(plan) else {
            return;
        };
        let hole = &plan.holes[begun.hole];
        let start = plan.used.end;
        let payload = start + begun.header.len();
        let end = payload + hole.len - begun.within;
        let buffer = gather.buffer_mut().unwrap();
        buffer.copy_within(begun.header, start);
        for (i, byte) in buffer[payload..end].iter_mut().enumerate() {
            *byte = file_byte(hole.offset + (begun.within + i) as u64);
        }
        cursor.carry(start..end, plan);
        assert!(cursor.begun(plan).is_none(), "it is whole now");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever a send takes, the sends together carry the wire, the whole wire, and nothing else.
        #[test]
        fn the_gathers_join_to_the_wire(
            prefix in prop::collection::vec(any::<u8>(), 0..40),
            pieces in prop::collection::vec(piece(), 0..14),
            turns in prop::collection::vec(turn(), 1..60),
            gathered: bool,
        ) {
            let (mapped_file, unmapped_file) = (mapped_file(), unmapped_file());
            let arena = Arena::new(1).unwrap();
            let mut gather = Gather::new();
            let mut lease = arena.lease(256 << 10).unwrap();
            let mut plan = Plan::default();
            let layout = if gathered { Layout::Gathered } else { Layout::Placed };
            let mut slot = Slot::new(&mut lease, &mut plan, layout, usize::MAX);
            // Which piece a hole is of.
            let mut frames = Vec::new();
            for (n, piece) in pieces.iter().enumerate() {
                match piece {
                    Piece::Bytes(len) => slot.put(&vec![n as u8; *len]),
                    Piece::Frame { offset, len, mapped } => {
                        let file = if *mapped { &mapped_file } else { &unmapped_file };
                        let at = slot.put_frame_header(&header(n));
                        slot.hole(file, *offset, *len, at, 1);
                        frames.push(n);
                    }
                }
            }
            slot.finish();
            gather.set_buffer(lease);
            let buffer = gather.buffer_mut().unwrap();
            for hole in plan.holes.iter().filter(|hole| !hole.gathered) {
                for i in 0..hole.len {
                    buffer[hole.at + i] = file_byte(hole.offset + i as u64);
                }
            }

            let mut emptied = vec![false; pieces.len()];
            let mut cursor = Cursor::new(Bytes::from(prefix.clone()), &plan);
            let mut sent = Vec::new();
            for turn in turns.iter().cycle().take(200) {
                let wire = expected(&prefix, &pieces, &emptied);
                prop_assert_eq!(cursor.is_done(&plan), sent.len() == wire.len());
                if cursor.is_done(&plan) {
                    break;
                }
                cursor.gather(&plan, &mut gather);
                prop_assert_eq!(gather.remaining(), wire.len() - sent.len());
                let left = carried(&mut gather);
                prop_assert!(left == wire[sent.len()..], "what is left differs at {}", sent.len());

                let taken = match turn.taken {
                    few @ ..100 => usize::from(few).min(left.len()),
                    part => left.len() * usize::from(part) / 65_535,
                };
                sent.extend_from_slice(&left[..taken]);
                cursor.advance(taken, &plan);
                if turn.secure {
                    secure(&mut cursor, &plan, &mut gather);
                }
                if let Some(which) = turn.emptied.filter(|_| gathered) {
                    let begun = usize::from(cursor.begun(&plan).is_some());
                    let index = cursor.untouched() + begun + usize::from(which);
                    if let Some(hole) = plan.holes.get_mut(index).filter(|hole| hole.gathered) {
                        let at = hole.frame_at;
                        gather.buffer_mut().unwrap()[at..at + HEADER_BYTES].fill(0xee);
                        hole.len = 0;
                        emptied[frames[index]] = true;
                    }
                }
            }
            let wire = expected(&prefix, &pieces, &emptied);
            prop_assert!(sent == wire[..sent.len()], "what was sent is the wire's beginning");
        }
    }
}
