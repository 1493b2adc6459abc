//! Field blocks: HEADERS and as many CONTINUATION frames as the peer's frame size asks (RFC 9113, section 4.3).

use bytes::{Buf, Bytes};

use crate::h2::frame::{FrameHeader, Kind, StreamId, flags};
use crate::h2::hpack::MAX_PREFIX;
use crate::slot::{FRAME_SLACK, Slot};

/// The least part of a field block that is worth a frame of its own, in bytes.
const MIN_FRAGMENT: usize = 16;

/// A field block of which a part is out. Once begun it is finished before anything else is sent, whatever becomes of its
/// stream (RFC 9113, section 4.3).
#[derive(Debug)]
pub(in crate::h2) struct PendingBlock {
    block: Bytes,
    frames: Frames,
}

/// The frames of a field block.
#[derive(Clone, Copy, Debug)]
struct Frames {
    stream: StreamId,
    end_stream: bool,
    /// Whether content comes before it, without which it must not go out.
    trailers: bool,
    begun: bool,
}

impl PendingBlock {
    /// Puts the block of a head; what is left of it when there is not enough room.
    #[must_use]
    pub(in crate::h2) fn of_head<F>(
        slot: &mut Slot<'_, F>,
        stream: StreamId,
        block: &[u8],
        end_stream: bool,
        frame_limit: usize,
    ) -> Option<Box<Self>> {
        let frames = Frames {
            stream,
            end_stream,
            trailers: false,
            begun: false,
        };
        frames.begin(slot, block, frame_limit)
    }

    /// Puts the block of trailers; what is left of it when there is not enough room.
    #[must_use]
    pub(super) fn of_trailers<F>(
        slot: &mut Slot<'_, F>,
        stream: StreamId,
        block: &[u8],
        frame_limit: usize,
    ) -> Option<Box<Self>> {
        let frames = Frames {
            stream,
            end_stream: true,
            trailers: true,
            begun: false,
        };
        frames.begin(slot, block, frame_limit)
    }

    /// Whether it is the trailers of that stream.
    pub(in crate::h2) fn is_trailers_of(&self, stream: StreamId) -> bool {
        self.frames.trailers && self.frames.stream == stream
    }

    /// Whose block it is.
    pub(in crate::h2) fn stream(&self) -> StreamId {
        self.frames.stream
    }

    /// Whether the message ends with it.
    pub(in crate::h2) fn ends_stream(&self) -> bool {
        self.frames.end_stream
    }

    /// Puts frames while there is room; whether all of it is out.
    pub(in crate::h2) fn put<F>(&mut self, slot: &mut Slot<'_, F>, frame_limit: usize) -> bool {
        let put = self.frames.put(slot, &self.block, frame_limit);
        self.block.advance(put);
        self.block.is_empty() && self.frames.begun
    }
}

impl Frames {
    fn begin<F>(
        mut self,
        slot: &mut Slot<'_, F>,
        block: &[u8],
        frame_limit: usize,
    ) -> Option<Box<PendingBlock>> {
        let put = self.put(slot, block, frame_limit);
        (put < block.len() || !self.begun).then(|| {
            Box::new(PendingBlock {
                block: Bytes::copy_from_slice(&block[put..]),
                frames: self,
            })
        })
    }

    /// Puts frames of `block` while there is room: how many bytes of it.
    fn put<F>(&mut self, slot: &mut Slot<'_, F>, block: &[u8], frame_limit: usize) -> usize {
        let mut put = 0;
        loop {
            let left = block.len() - put;
            let len = left
                .min(frame_limit)
                .min(slot.room().saturating_sub(FRAME_SLACK));
            if len < left.min(MIN_FRAGMENT) {
                return put;
            }
            let mut flags = if len == left { flags::END_HEADERS } else { 0 };
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
            slot.put(&block[put..put + len]);
            put += len;
            if put == block.len() {
                return put;
            }
        }
    }
}

/// Whether a field block of `len` bytes is to be begun in this slot, of which `base` bytes are control frames: one that
/// does not fit goes into the next, unless it would not fit an empty one either.
pub(super) fn fits<F>(slot: &Slot<'_, F>, len: usize, base: usize) -> bool {
    let len = len + MAX_PREFIX;
    let room = slot.room();
    room >= FRAME_SLACK + len
        || slot.wire_len() <= base && room >= FRAME_SLACK + MIN_FRAGMENT.min(len)
}
