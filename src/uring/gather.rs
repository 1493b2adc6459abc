//! What one send carries, in order, from where it lies.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::ptr;
use std::rc::Rc;

use bytes::Bytes;

use super::MAX_SEGMENTS;
use super::arena::{Hold, Lease};
use super::mapping::Mapping;

/// The parts of one send, and everything that they point to. Meant to be reused: once warm it allocates nothing.
///
/// A part is a stretch of the one buffer, a stretch of a mapped file, or shared bytes.
pub struct Gather {
    buffer: Option<Lease>,
    parts: VecDeque<Part>,
    remaining: usize,
    /// Built when submitted. What the kernel is pointed to lies on the heap, outside of this value, so that moving the
    /// value or its box does not touch it.
    iovecs: Vec<libc::iovec>,
    /// At most one, a `Vec` for the reason given above.
    header: Vec<libc::msghdr>,
    /// The type of the record that is sent, when it is not application data.
    record_type: Option<Box<RecordType>>,
}

/// The control message `TLS_SET_RECORD_TYPE` (linux/tls.h), laid out as cmsg(3) says.
#[repr(C)]
struct RecordType {
    header: libc::cmsghdr,
    kind: u8,
    padding: [u8; size_of::<usize>() - 1],
}

/// `TLS_SET_RECORD_TYPE` (linux/tls.h).
const TLS_SET_RECORD_TYPE: libc::c_int = 1;

enum Part {
    Buffer(Range<usize>),
    Mapped(Rc<Mapping>, Range<u64>),
    Bytes(Bytes),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Buffer(range) => range.len(),
            // A mapping's length is a usize.
            Self::Mapped(_, range) => (range.end - range.start) as usize,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// What a send without a copy refers to until the kernel has let go of it.
#[cfg_attr(not(test), expect(dead_code, reason = "held, not looked at"))]
pub(super) struct Held {
    slot: Option<Hold>,
    mappings: Vec<Rc<Mapping>>,
    bytes: Vec<Bytes>,
}

impl Held {
    /// The slot of the arena: number and bytes.
    #[cfg(test)]
    pub(super) fn arena_slot(&self) -> Option<(u32, usize)> {
        self.slot.as_ref().map(Hold::slot)
    }
}

/// The first part of a [`Gather`].
#[derive(Debug)]
pub enum Front<'a> {
    /// A stretch of the buffer.
    Buffer(Range<usize>),
    /// A stretch of a mapped file.
    Mapped(&'a Rc<Mapping>, Range<u64>),
    /// Shared bytes.
    Bytes(&'a Bytes),
}

/// A gather as the kernel wants it.
pub(super) enum Prepared {
    /// One part: address and bytes.
    One(*const u8, usize),
    /// Several.
    Many(*const libc::msghdr),
}

impl Gather {
    /// An empty gather.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            buffer: None,
            parts: VecDeque::new(),
            remaining: 0,
            iovecs: Vec::new(),
            header: Vec::with_capacity(1),
            record_type: None,
        })
    }

    /// Forgets all parts and gives the buffer back to its arena; keeps its own memory.
    pub fn clear(&mut self) {
        self.clear_parts();
        self.buffer = None;
    }

    /// Forgets all parts and keeps the buffer.
    pub fn clear_parts(&mut self) {
        self.parts.clear();
        self.remaining = 0;
        self.record_type = None;
    }

    /// Has all parts sent as one TLS record of a type other than application data (RFC 8446, section 5.1), by a socket that
    /// seals ([`Ring::seal_in_kernel`](super::Ring::seal_in_kernel)).
    pub fn set_record_type(&mut self, kind: u8) {
        // SAFETY: a cmsghdr is integers, for which zero is a value.
        let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_len = (size_of::<libc::cmsghdr>() + 1) as _;
        header.cmsg_level = libc::SOL_TLS;
        header.cmsg_type = TLS_SET_RECORD_TYPE;
        self.record_type = Some(Box::new(RecordType {
            header,
            kind,
            padding: Default::default(),
        }));
    }

    /// Sets the buffer that [`Gather::push_buffer`] and reads refer to; one that was set before goes back.
    pub fn set_buffer(&mut self, lease: Lease) {
        self.buffer = Some(lease);
    }

    /// Takes the buffer out. Parts that refer to it are left; sending them without a buffer panics.
    pub fn take_buffer(&mut self) -> Option<Lease> {
        self.buffer.take()
    }

    /// The buffer's bytes.
    pub fn buffer(&self) -> Option<&[u8]> {
        self.buffer.as_deref()
    }

    /// The buffer's bytes, to be filled.
    pub fn buffer_mut(&mut self) -> Option<&mut [u8]> {
        self.buffer.as_deref_mut()
    }

    /// The slot of the arena that its buffer holds: number and bytes.
    #[cfg(test)]
    pub(crate) fn arena_slot(&self) -> Option<(u32, usize)> {
        self.buffer.as_ref().and_then(Lease::arena_slot)
    }

    /// What keeps all that the parts refer to where it is, and from being used again. `None` when that cannot be had: a
    /// buffer outside of the arena may be freed.
    pub(super) fn hold(&self) -> Option<Box<Held>> {
        let slot = match &self.buffer {
            Some(lease) => Some(lease.hold()?),
            None => None,
        };
        // On the heap, as every operation in flight would be larger by it.
        let mut held = Box::new(Held {
            slot,
            mappings: Vec::new(),
            bytes: Vec::new(),
        });
        for part in &self.parts {
            match part {
                Part::Buffer(_) => {}
                Part::Mapped(mapping, _) => {
                    if !held
                        .mappings
                        .last()
                        .is_some_and(|last| Rc::ptr_eq(last, mapping))
                    {
                        held.mappings.push(Rc::clone(mapping));
                    }
                }
                Part::Bytes(bytes) => held.bytes.push(bytes.clone()),
            }
        }
        Some(held)
    }

    /// Appends a stretch of the buffer; one that continues the stretch before it is joined to it.
    ///
    /// # Panics
    /// When the range does not lie in the buffer.
    pub fn push_buffer(&mut self, range: Range<usize>) {
        self.check(&range);
        self.remaining += range.len();
        match self.parts.back_mut() {
            _ if range.is_empty() => {}
            Some(Part::Buffer(last)) if last.end == range.start => last.end = range.end,
            _ => self.parts.push_back(Part::Buffer(range)),
        }
    }

    /// Appends a stretch of a mapped file; one that continues the stretch before it is joined to it.
    ///
    /// # Panics
    /// When the range does not lie in the mapping.
    pub fn push_mapped(&mut self, mapping: &Rc<Mapping>, range: Range<u64>) {
        let (_, len) = mapping.stretch(&range);
        self.remaining += len;
        match self.parts.back_mut() {
            _ if len == 0 => {}
            Some(Part::Mapped(last, stretch))
                if Rc::ptr_eq(last, mapping) && stretch.end == range.start =>
            {
                stretch.end = range.end;
            }
            _ => self
                .parts
                .push_back(Part::Mapped(Rc::clone(mapping), range)),
        }
    }

    /// Appends shared bytes.
    pub fn push_bytes(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.remaining += bytes.len();
            self.parts.push_back(Part::Bytes(bytes));
        }
    }

    /// Bytes not sent yet.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// Parts not sent yet. The kernel takes 1,024 at once; of more, the first 1,024 are sent.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Takes `n` bytes off the front: they have been sent.
    ///
    /// # Panics
    /// When `n` is more than [`Gather::remaining`].
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.remaining, "no more is sent than was there");
        self.remaining -= n;
        let mut left = n;
        while left > 0 {
            let Some(part) = self.parts.front_mut() else {
                return;
            };
            let len = part.len();
            if len <= left {
                self.parts.pop_front();
                left -= len;
                continue;
            }
            match part {
                Part::Buffer(range) => range.start += left,
                Part::Mapped(_, range) => range.start += left as u64,
                Part::Bytes(bytes) => drop(bytes.split_to(left)),
            }
            return;
        }
    }

    /// The first part that is not sent yet.
    pub fn front(&self) -> Option<Front<'_>> {
        self.parts.front().map(|part| match part {
            Part::Buffer(range) => Front::Buffer(range.clone()),
            Part::Mapped(mapping, range) => Front::Mapped(mapping, range.clone()),
            Part::Bytes(bytes) => Front::Bytes(bytes),
        })
    }

    /// Puts a stretch of the buffer in the place of the first part. An empty one takes the first part away.
    ///
    /// # Panics
    /// When there is no part, or the range does not lie in the buffer.
    pub fn replace_front(&mut self, range: Range<usize>) {
        self.check(&range);
        let front = self.parts.pop_front();
        assert!(front.is_some(), "there is a first part");
        self.remaining = self.remaining - front.map_or(0, |part| part.len()) + range.len();
        if !range.is_empty() {
            self.parts.push_front(Part::Buffer(range));
        }
    }

    /// Builds what a send is submitted with. The addresses are good while this gather is neither changed nor dropped
    /// (moving it is fine).
    ///
    /// # Panics
    /// When a stretch does not lie in the buffer (which may have been exchanged since it was pushed).
    pub(super) fn prepare_send(&mut self) -> Prepared {
        self.build_iovecs();
        match self.iovecs[..] {
            [] => Prepared::One(ptr::null(), 0),
            [only] if self.record_type.is_none() => {
                Prepared::One(only.iov_base.cast_const().cast(), only.iov_len)
            }
            _ => Prepared::Many(self.build_header()),
        }
    }

    /// As [`Gather::prepare_send`], always as a message.
    ///
    /// # Panics
    /// As there.
    pub(super) fn prepare_message(&mut self) -> *const libc::msghdr {
        self.build_iovecs();
        self.build_header()
    }

    fn build_iovecs(&mut self) {
        self.iovecs.clear();
        let buffer = self.buffer.as_ref();
        for part in self.parts.iter().take(MAX_SEGMENTS) {
            let (base, len) = match part {
                Part::Buffer(range) => stretch(buffer, range),
                Part::Mapped(mapping, range) => mapping.stretch(range),
                Part::Bytes(bytes) => (bytes.as_ptr().cast_mut(), bytes.len()),
            };
            self.iovecs.push(iovec(base, len));
        }
    }

    fn build_header(&mut self) -> *const libc::msghdr {
        // SAFETY: all of `msghdr` is integers and pointers, for which zero is a value: no name, no control data, no flags.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = self.iovecs.as_mut_ptr();
        header.msg_iovlen = self.iovecs.len() as _;
        if let Some(record_type) = &mut self.record_type {
            header.msg_control = ptr::from_mut::<RecordType>(record_type).cast();
            header.msg_controllen = size_of::<RecordType>() as _;
        }
        self.header.clear();
        self.header.push(header);
        self.header.as_ptr()
    }

    /// Builds the segments that a read into the buffer is submitted with, at most 1,024 of them. The address is good
    /// while this gather is neither changed nor dropped (moving it is fine).
    ///
    /// # Panics
    /// When there is no buffer, or a segment does not lie in it.
    pub(super) fn prepare_read(&mut self, segments: &[Range<usize>]) -> (*const libc::iovec, u32) {
        self.iovecs.clear();
        for segment in segments.iter().take(MAX_SEGMENTS) {
            let (base, len) = stretch(self.buffer.as_ref(), segment);
            self.iovecs.push(iovec(base, len));
        }
        (self.iovecs.as_ptr(), self.iovecs.len() as u32)
    }

    fn check(&self, range: &Range<usize>) {
        stretch(self.buffer.as_ref(), range);
    }
}

/// Address and length of a stretch of the buffer, which is checked to lie in it.
fn stretch(buffer: Option<&Lease>, range: &Range<usize>) -> (*mut u8, usize) {
    let bytes = buffer.map_or(0, Lease::bytes);
    assert!(
        range.start <= range.end && range.end <= bytes,
        "the range lies in the buffer"
    );
    let base = buffer.map_or(ptr::null_mut(), Lease::base);
    // The range was checked, so the address is that of a byte in the slot or of its end.
    (base.wrapping_add(range.start), range.len())
}

fn iovec(base: *mut u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: base.cast(),
        iov_len: len,
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("parts", &self.parts.len())
            .field("remaining", &self.remaining)
            .field("buffer", &self.buffer)
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::arena::Arena;
    use super::*;

    fn gather() -> Box<Gather> {
        let mut gather = Gather::new();
        gather.set_buffer(Arena::new(1).unwrap().lease(1).unwrap());
        gather
    }

    #[test]
    fn adjacent_stretches_are_joined_and_empty_ones_left_out() {
        let mut gather = gather();
        gather.push_buffer(64..100);
        gather.push_buffer(100..120);
        gather.push_buffer(120..120);
        gather.push_bytes(Bytes::new());
        assert_eq!((gather.parts(), gather.remaining()), (1, 56));
        gather.push_buffer(200..201);
        assert_eq!((gather.parts(), gather.remaining()), (2, 57));
    }

    #[test]
    fn advancing_goes_through_the_parts_in_order() {
        let mut gather = gather();
        gather.push_buffer(0..10);
        gather.push_bytes(Bytes::from_static(b"abcdef"));
        gather.push_buffer(10..20);
        gather.advance(12);
        assert!(matches!(gather.front(), Some(Front::Bytes(bytes)) if bytes == "cdef"));
        gather.advance(4);
        assert!(matches!(gather.front(), Some(Front::Buffer(range)) if range == (10..20)));
        gather.replace_front(11..14);
        assert_eq!(gather.remaining(), 3);
        gather.advance(3);
        assert!(gather.front().is_none());
    }

    #[test]
    #[should_panic(expected = "lies in the buffer")]
    fn a_stretch_outside_the_buffer_panics() {
        gather().push_buffer(16_000..16_385);
    }

    #[test]
    #[should_panic(expected = "lies in the buffer")]
    fn a_stretch_of_a_buffer_taken_away_panics_when_sent() {
        let mut gather = gather();
        gather.push_buffer(0..1);
        gather.take_buffer();
        gather.prepare_send();
    }

    #[test]
    #[should_panic(expected = "no more is sent")]
    fn advancing_past_the_end_panics() {
        gather().advance(1);
    }
}
