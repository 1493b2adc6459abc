//! A slot: an append-only piece of wire with holes of exactly the right size.
//!
//! The protocol core writes frame headers and field blocks with [`Slot::put`] and leaves a [`Hole`] for every
//! stretch of a file's bytes; who owns the slot's memory fills the holes and sends. So every byte of a body is put
//! in its final position once. This module does no I/O: a hole names its file by an opaque handle `F`.
//!
//! Three layouts, chosen before the slot is filled:
//!
//! - [`Layout::Gathered`]: a hole whose [`Source`] is mapped takes no room here; its bytes are gathered from there by
//!   the send. Others are placed.
//! - [`Layout::Placed`]: a hole takes room here and is read into before the send.
//! - [`Layout::Sealed`]: as placed, and the wire is cut into TLS records with room for header and tag.

use std::ops::Range;

/// Where the wire begins in the buffer.
///
/// A large copy whose destination lies 1 to 31 bytes past its source, modulo a page, runs at a fifth of its speed
/// on current x86-64 (`rep movsb`). Page-aligned file data behind a 9-byte frame header would hit that; 64 bytes
/// further in, it does not.
pub const WIRE_OFFSET: usize = 64;

/// The largest plaintext of one TLS record (RFC 8446, section 5.1).
pub const MAX_RECORD_PLAINTEXT: usize = 16_384;

/// Room to ask for before a frame header is put: the header, and in a sealed slot the overhead of a record that may
/// have to be begun for it.
pub const FRAME_SLACK: usize = 64;

/// A slot with less room than this takes no more body.
const MIN_ROOM: usize = FRAME_SLACK;

/// Length of an HTTP/2 frame header in bytes (RFC 9113, section 4.1).
const FRAME_HEADER_LEN: usize = 9;

/// Holes that one slot may carry: with the runs of slot bytes between them they stay below the kernel's limit of
/// 1,024 segments for one vectored send (`UIO_MAXIOV`).
pub const MAX_HOLES: usize = 480;

/// Bytes around the plaintext of one TLS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLayout {
    /// Record header, with the explicit nonce where the cipher has one.
    pub prefix: usize,
    /// Inner content type (TLS 1.3) and authentication tag.
    pub suffix: usize,
}

/// The handle of what a hole is filled from.
pub trait Source: Clone {
    /// Whether a send can gather its bytes from where they are.
    fn is_mapped(&self) -> bool;
}

/// How the wire is laid out in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Holes are gathered from where their bytes are, or have room in the buffer where that cannot be.
    Gathered,
    /// Holes have room in the buffer.
    Placed,
    /// Holes have room in the buffer, which is cut into TLS records.
    Sealed(RecordLayout),
}

/// A stretch of a file's bytes that belongs on the wire at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole<F> {
    /// Which file.
    pub file: F,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub len: usize,
    /// Whether they are gathered by the send; else they have room in the buffer.
    pub gathered: bool,
    /// Gathered: the wire continues with this hole when the buffer has been sent up to here.
    /// Else the buffer position of the hole's first byte.
    pub at: usize,
    /// Buffer position of the frame header that announces these bytes; `at` when none does.
    pub frame_at: usize,
    /// The stream whose body this is.
    pub stream: u32,
}

impl<F> Hole<F> {
    /// Buffer position of the frame header that announces these bytes, when one does: then it can still be said that
    /// they do not come. Without one they were promised by what went before.
    #[must_use]
    pub fn frame(&self) -> Option<usize> {
        (self.frame_at != self.at).then_some(self.frame_at)
    }
}

/// A frame without a hole that must not go out unless the holes of its stream that stand before it are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// Buffer position of its header.
    pub at: usize,
    /// The stream.
    pub stream: u32,
}

/// One TLS record of a sealed slot: its header is at `at`, its plaintext at `at + prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Buffer position of the record header.
    pub at: usize,
    /// Plaintext bytes, not counting the inner content type.
    pub len: usize,
}

/// What a slot holds: kept and reused by its owner, so that filling a slot allocates nothing once warm.
#[derive(Debug)]
pub struct Plan<F> {
    /// Holes in wire order.
    pub holes: Vec<Hole<F>>,
    /// Frames that depend on holes before them, in wire order.
    pub dependents: Vec<Dependent>,
    /// Records in wire order (sealed layout only).
    pub records: Vec<Record>,
    /// The part of the buffer in use.
    pub used: Range<usize>,
    /// Bytes on the wire: buffer and gathered holes together.
    pub wire_len: usize,
    /// Responses that end in this slot, by what their owner passed to [`Slot::ends`] (nanoseconds).
    pub ended: Vec<u64>,
}

impl<F> Default for Plan<F> {
    fn default() -> Self {
        Self {
            holes: Vec::new(),
            dependents: Vec::new(),
            records: Vec::new(),
            used: WIRE_OFFSET..WIRE_OFFSET,
            wire_len: 0,
            ended: Vec::new(),
        }
    }
}

impl<F> Plan<F> {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.holes.clear();
        self.dependents.clear();
        self.records.clear();
        self.ended.clear();
        self.used = WIRE_OFFSET..WIRE_OFFSET;
        self.wire_len = 0;
    }
}

/// A slot while it is being filled.
pub struct Slot<'a, F> {
    buffer: &'a mut [u8],
    plan: &'a mut Plan<F>,
    layout: Layout,
    /// Wire bytes after which no further body is begun.
    burst: usize,
    /// Position of the header of the record that is open.
    open_record: Option<usize>,
}

impl<'a, F> Slot<'a, F> {
    /// Begins a slot in `buffer`. `burst` is the number of wire bytes after which no more body is taken; control
    /// frames may still follow while there is room.
    ///
    /// # Panics
    /// When the buffer cannot hold `WIRE_OFFSET` and one frame header: slots are cut larger than that.
    pub fn new(buffer: &'a mut [u8], plan: &'a mut Plan<F>, layout: Layout, burst: usize) -> Self {
        assert!(
            buffer.len() >= 2 * WIRE_OFFSET,
            "a slot holds at least a frame header"
        );
        plan.clear();
        Self {
            buffer,
            plan,
            layout,
            burst,
            open_record: None,
        }
    }

    /// Lowers the number of wire bytes after which no more body is taken to `burst`, if that is less.
    pub fn limit_burst(&mut self, burst: usize) {
        self.burst = self.burst.min(burst);
    }

    /// Bytes that [`Slot::put`] still takes.
    #[must_use]
    pub fn room(&self) -> usize {
        let left = self.buffer.len() - self.plan.used.end;
        match self.layout {
            Layout::Gathered | Layout::Placed => left,
            Layout::Sealed(record) => {
                let (open, left) = match self.open_record {
                    Some(_) if left < record.suffix => return 0,
                    Some(_) => (
                        self.record_left().min(left - record.suffix),
                        left - record.suffix,
                    ),
                    None => (0, left),
                };
                let left = left - open;
                let overhead = record.prefix + record.suffix;
                let whole = left / (overhead + MAX_RECORD_PLAINTEXT);
                let rest = left % (overhead + MAX_RECORD_PLAINTEXT);
                open + whole * MAX_RECORD_PLAINTEXT + rest.saturating_sub(overhead)
            }
        }
    }

    /// Whether nothing has been written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.wire_len == 0
    }

    /// Bytes on the wire so far, record overhead included.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.plan.wire_len
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// When `bytes` is longer than [`Slot::room`]: the core asks first.
    pub fn put(&mut self, bytes: &[u8]) {
        assert!(
            bytes.len() <= self.room(),
            "the slot has room for what is put"
        );
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let (at, len) = self.extend(bytes.len());
            let (now, rest) = bytes.split_at(len);
            self.buffer[at..at + len].copy_from_slice(now);
            bytes = rest;
        }
        self.invariants();
    }

    /// Appends a frame header in one piece, never across two records, and returns its buffer position, so that it
    /// can be rewritten until the slot is sealed or sent.
    ///
    /// # Panics
    /// When there is no room for it; with [`FRAME_SLACK`] bytes of [`Slot::room`] there is.
    pub fn put_frame_header(&mut self, header: &[u8; FRAME_HEADER_LEN]) -> usize {
        if self.open_record.is_some() && self.record_left() < FRAME_HEADER_LEN {
            self.close_record();
        }
        assert!(
            FRAME_HEADER_LEN <= self.room(),
            "the slot has room for a frame header"
        );
        let (at, len) = self.extend(FRAME_HEADER_LEN);
        debug_assert_eq!(len, FRAME_HEADER_LEN);
        self.buffer[at..at + len].copy_from_slice(header);
        at
    }

    /// Notes that the frame of `stream` whose header is at `at` must not go out unless the holes of that stream that
    /// stand before it are filled.
    pub fn depends(&mut self, at: usize, stream: u32) {
        if !self.plan.holes.is_empty() {
            self.plan.dependents.push(Dependent { at, stream });
        }
    }

    /// Notes that a response whose request came at `started_ns` ends in this slot.
    pub fn ends(&mut self, started_ns: u64) {
        self.plan.ended.push(started_ns);
    }

    /// Ends the slot: closes the open record. The plan then says all there is to know.
    pub fn finish(mut self) {
        self.close_record();
        self.invariants();
    }

    /// Takes up to `want` bytes at the end of the wire, opening a record where one is needed: `(at, len)`.
    fn extend(&mut self, want: usize) -> (usize, usize) {
        let len = match self.layout {
            Layout::Gathered | Layout::Placed => want,
            Layout::Sealed(record) => {
                if self.open_record.is_none() {
                    let at = self.plan.used.end;
                    self.open_record = Some(at);
                    self.plan.records.push(Record { at, len: 0 });
                    self.plan.used.end += record.prefix;
                    self.plan.wire_len += record.prefix + record.suffix;
                }
                want.min(self.record_left())
            }
        };
        let at = self.plan.used.end;
        self.plan.used.end += len;
        self.plan.wire_len += len;
        if let (Some(_), Some(record)) = (self.open_record, self.plan.records.last_mut()) {
            record.len += len;
            if record.len == MAX_RECORD_PLAINTEXT {
                self.close_record();
            }
        }
        (at, len)
    }

    /// Plaintext bytes that the open record still takes.
    fn record_left(&self) -> usize {
        match (self.open_record, self.plan.records.last()) {
            (Some(_), Some(record)) => MAX_RECORD_PLAINTEXT - record.len,
            _ => 0,
        }
    }

    fn close_record(&mut self) {
        if let (Layout::Sealed(record), Some(_)) = (self.layout, self.open_record.take()) {
            self.plan.used.end += record.suffix;
        }
    }

    /// Holes that a frame of `frame_limit` bytes may be split into.
    fn holes_of(&self, frame_limit: usize) -> usize {
        match self.layout {
            Layout::Gathered | Layout::Placed => 1,
            // A frame never outgrows the burst, nor its holes the records that the buffer has.
            Layout::Sealed(_) => frame_limit.min(self.buffer.len()) / MAX_RECORD_PLAINTEXT + 2,
        }
    }

    fn invariants(&self) {
        if cfg!(debug_assertions) {
            assert!(self.plan.used.start == WIRE_OFFSET && self.plan.used.end <= self.buffer.len());
            let gathered = self.plan.holes.iter().filter(|hole| hole.gathered);
            let gathered: usize = gathered.map(|hole| hole.len).sum();
            let unclosed = match (self.layout, self.open_record) {
                (Layout::Sealed(record), Some(_)) => record.suffix,
                _ => 0,
            };
            assert_eq!(
                self.plan.wire_len,
                self.plan.used.len() + gathered + unclosed
            );
            assert!(
                self.plan
                    .holes
                    .windows(2)
                    .all(|pair| pair[0].at <= pair[1].at)
            );
            assert!(
                self.plan
                    .records
                    .iter()
                    .all(|record| record.len <= MAX_RECORD_PLAINTEXT)
            );
        }
    }
}

impl<F: Source> Slot<'_, F> {
    /// The payload to give the next body frame, at most `want` (what the body and the windows allow) and
    /// `frame_limit` (the peer's SETTINGS_MAX_FRAME_SIZE), of `source` or of bytes in memory; 0 when this slot takes no
    /// more body.
    ///
    /// With records and the default frame limit a frame ends where a record ends, so that header and payload fill
    /// whole records.
    #[must_use]
    pub fn payload_len(&self, want: usize, frame_limit: usize, source: Option<&F>) -> usize {
        let burst_left = self.burst.saturating_sub(self.plan.wire_len);
        if burst_left <= FRAME_HEADER_LEN
            || self.plan.holes.len() + self.holes_of(frame_limit) > MAX_HOLES
        {
            return 0;
        }
        let room = self.room().saturating_sub(FRAME_SLACK);
        let room = match self.gathers(source) {
            true if room == 0 => return 0,
            true => usize::MAX,
            false => room,
        };
        let fit = want
            .min(frame_limit)
            .min(room)
            .min(burst_left - FRAME_HEADER_LEN);
        if matches!(self.layout, Layout::Sealed(_)) && frame_limit < 2 * MAX_RECORD_PLAINTEXT {
            let left = if self.open_record.is_some() {
                self.record_left()
            } else {
                MAX_RECORD_PLAINTEXT
            };
            let aligned = left.saturating_sub(FRAME_HEADER_LEN);
            if aligned >= MAX_RECORD_PLAINTEXT / 2 {
                return fit.min(aligned);
            }
        }
        fit
    }

    /// The bytes to give the next part of a body that no frame header announces, at most `want`, of `source` or of bytes in
    /// memory, with `around` bytes that are put before and after it; 0 when this slot takes no more body.
    ///
    /// With records, a part that is cut because the slot ends is cut where a record ends.
    #[must_use]
    pub fn body_len(&self, want: usize, around: usize, source: Option<&F>) -> usize {
        let burst_left = self.burst.saturating_sub(self.plan.wire_len);
        let room = self.room();
        if burst_left <= around || room <= around.max(MIN_ROOM) {
            return 0;
        }
        let room = if self.gathers(source) {
            usize::MAX
        } else {
            room - around
        };
        let fit = want.min(room).min(burst_left - around);
        if self.plan.holes.len() + self.holes_of(fit) > MAX_HOLES {
            return 0;
        }
        if matches!(self.layout, Layout::Sealed(_)) && fit < want {
            let open = match self.open_record {
                Some(_) => self.record_left(),
                None => 0,
            };
            if let Some(whole) = (around + fit).checked_sub(open) {
                let aligned = open + whole / MAX_RECORD_PLAINTEXT * MAX_RECORD_PLAINTEXT;
                if aligned > around {
                    return aligned - around;
                }
            }
            // Half a record is worth it in a slot that has nothing else.
            if self.plan.records.len() > 1 {
                return 0;
            }
        }
        fit
    }

    /// Leaves room for `len` bytes of `file` from `offset` on, announced by the frame header at `frame_at`.
    ///
    /// # Panics
    /// When a placed hole is longer than [`Slot::room`].
    pub fn hole(&mut self, file: &F, offset: u64, len: usize, frame_at: usize, stream: u32) {
        self.leave(file, offset, len, Some(frame_at), stream);
    }

    /// As [`Slot::hole`], for bytes that no frame header announces.
    ///
    /// # Panics
    /// When a placed hole is longer than [`Slot::room`].
    pub fn bare_hole(&mut self, file: &F, offset: u64, len: usize, stream: u32) {
        self.leave(file, offset, len, None, stream);
    }

    fn leave(&mut self, file: &F, offset: u64, len: usize, frame_at: Option<usize>, stream: u32) {
        let gathered = self.gathers(Some(file));
        assert!(
            gathered || len <= self.room(),
            "the slot has room for the hole"
        );
        let (mut offset, mut left) = (offset, len);
        while left > 0 {
            let (at, len) = if gathered {
                self.plan.wire_len += left;
                (self.plan.used.end, left)
            } else {
                self.extend(left)
            };
            self.plan.holes.push(Hole {
                file: file.clone(),
                offset,
                len,
                gathered,
                at,
                frame_at: frame_at.unwrap_or(at),
                stream,
            });
            offset += len as u64;
            left -= len;
        }
        self.invariants();
    }

    /// Whether a hole of `source` takes no room here.
    fn gathers(&self, source: Option<&F>) -> bool {
        matches!(self.layout, Layout::Gathered) && source.is_some_and(F::is_mapped)
    }
}

/// A handle for models, which have no files: ASCII stands for what is mapped.
impl Source for u8 {
    fn is_mapped(&self) -> bool {
        self.is_ascii()
    }
}

#[cfg(test)]
impl Source for char {
    fn is_mapped(&self) -> bool {
        self.is_ascii()
    }
}

/// The same where there is one file, which is mapped.
impl Source for () {
    fn is_mapped(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
