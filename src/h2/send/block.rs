//! Field blocks: HEADERS and as many CONTINUATION frames as the peer's frame size asks (RFC 9113, section 4.3).

use bytes::{Buf, Bytes};

use crate::h2::frame::{FrameHeader, Kind, StreamId, flags};
use crate::slot::{FRAME_SLACK, Slot};

/// The least part of a field block that is worth a frame of its own, in bytes.
const MIN_FRAGMENT: usize = 16;

/// A field block that is going out. Once begun it is finished before anything else is sent, whatever becomes of its
/// stream (RFC 9113, section 4.3).
#[derive(Debug)]
pub(in crate::h2) struct PendingBlock {
    pub(super) stream: StreamId,
    prefix: Option<u8>,
    head: [Bytes; 2],
    pub(super) end_stream: bool,
    /// Whether content comes before it, without which it must not go out.
    trailers: bool,
    begun: bool,
}

impl PendingBlock {
    /// A block of which nothing is out yet.
    pub(in crate::h2) fn new(
        stream: StreamId,
        prefix: Option<u8>,
        head: [Bytes; 2],
        end_stream: bool,
    ) -> Self {
        Self {
            stream,
            prefix,
            head,
            end_stream,
            trailers: false,
            begun: false,
        }
    }

    /// Trailers, of which nothing is out yet.
    pub(super) fn trailers(stream: StreamId, prefix: Option<u8>, block: Bytes) -> Self {
        Self {
            trailers: true,
            ..Self::new(stream, prefix, [block, Bytes::new()], true)
        }
    }

    /// Whether it is the trailers of that stream.
    pub(in crate::h2) fn is_trailers_of(&self, stream: StreamId) -> bool {
        self.trailers && self.stream == stream
    }

    /// Whose block it is.
    pub(in crate::h2) fn stream(&self) -> StreamId {
        self.stream
    }

    fn len(&self) -> usize {
        usize::from(self.prefix.is_some()) + self.head[0].len() + self.head[1].len()
    }

    /// Puts frames while there is room; whether all of it is out.
    pub(in crate::h2) fn put<F>(&mut self, slot: &mut Slot<'_, F>, frame_limit: usize) -> bool {
        loop {
            let left = self.len();
            let len = left
                .min(frame_limit)
                .min(slot.room().saturating_sub(FRAME_SLACK));
            if len < left.min(MIN_FRAGMENT) {
                return false;
            }
            let last = len == left;
            let mut flags = if last { flags::END_HEADERS } else { 0 };
            if self.end_stream && !self.begun {
                flags |= flags::END_STREAM;
            }
            let kind = if self.begun {
                Kind::CONTINUATION
            } else {
                Kind::HEADERS
            };
            let header = FrameHeader {
                length: len as u32,
                kind,
                flags,
                stream_id: self.stream,
            };
            let at = slot.put_frame_header(&header.to_bytes());
            if self.trailers {
                slot.depends(at, self.stream);
            }
            self.begun = true;
            let mut len = len;
            if let Some(prefix) = self.prefix.filter(|_| len > 0) {
                slot.put(&[prefix]);
                self.prefix = None;
                len -= 1;
            }
            for piece in &mut self.head {
                let part = len.min(piece.len());
                slot.put(&piece[..part]);
                piece.advance(part);
                len -= part;
            }
            if last {
                return true;
            }
        }
    }
}

/// Whether a field block of `len` bytes is to be begun in this slot, of which `base` bytes are control frames: one that
/// does not fit goes into the next, unless it would not fit an empty one either.
pub(super) fn fits<F>(slot: &Slot<'_, F>, len: usize, base: usize) -> bool {
    // The encoder's prefix.
    let len = len + 1;
    let room = slot.room();
    room >= FRAME_SLACK + len
        || slot.wire_len() <= base && room >= FRAME_SLACK + MIN_FRAGMENT.min(len)
}
