//! Responses: the field block, the body piece by piece, and the end.

use std::rc::Rc;

use bytes::Bytes;

use super::block::{PendingBlock, fits};
use crate::h2::connection::{Closing, Connection};
use crate::h2::error::ErrorCode;
use crate::h2::frame::{FrameHeader, Kind, StreamId, flags};
use crate::h2::hpack::{FieldToEncode, Indexing, MAX_PREFIX, encode_block};
use crate::h2::limits::{MAX_SENT_BLOCK, MIN_FRAME_AT_END, SMALL_BODY};
use crate::h2::recv::USEFUL_DATA;
use crate::h2::stream::{Input, Next, State};
use crate::h2::streams::{Index, NONE, Phase};
use crate::response::{Body, End, Piece, Response, Segment, Stream};
use crate::slot::{FRAME_SLACK, Slot, Source};

impl<F: Source> Connection<F> {
    /// Answers the request of `stream`. Ignored when the stream is gone (reset meanwhile) or has an answer.
    ///
    /// A head of more than [`MAX_SENT_BLOCK`] bytes is answered 500 instead. One that is more than the peer's
    /// SETTINGS_MAX_HEADER_LIST_SIZE is sent: that is advice, and the peer may take it all the same (RFC 9113, section
    /// 10.5.1).
    pub fn respond(&mut self, stream: StreamId, response: Response<F>) {
        let Some(index) = self.streams.find(stream) else {
            return;
        };
        let entry = self.streams.get_mut(index);
        if entry.phase != Phase::Waiting || entry.state == State::HalfClosedLocal {
            debug_assert!(false, "stream {stream} was answered twice");
            return;
        }
        let [first, second] = &response.head;
        if first.len().saturating_add(second.len()) > MAX_SENT_BLOCK {
            return self.refuse(index, b"500");
        }
        entry.head = Some(response.head);
        entry.body = response.body;
        self.ready.push_back(&mut self.streams, index, Phase::Fresh);
    }

    /// Whether the request of `stream` waits for its answer: not when it was reset meanwhile.
    #[must_use]
    pub fn awaits(&self, stream: StreamId) -> bool {
        let index = self.streams.find(stream);
        index.is_some_and(|index| self.streams.get(index).phase == Phase::Waiting)
    }

    /// The same as [`Connection::respond`], with an answer that is given again and again.
    pub fn respond_again(&mut self, stream: StreamId, response: &Rc<Response<F>>) {
        let Some(index) = self.streams.find(stream) else {
            return;
        };
        let block: usize = response.head.iter().map(Bytes::len).sum();
        let entry = self.streams.get_mut(index);
        let answerable = entry.phase == Phase::Waiting && entry.state != State::HalfClosedLocal;
        if !answerable || block > MAX_SENT_BLOCK {
            return self.respond(stream, Response::clone(response));
        }
        entry.repeated = Some(Rc::clone(response));
        self.ready.push_back(&mut self.streams, index, Phase::Fresh);
    }

    /// Makes the answer of `stream` one that can be given again ([`Connection::respond_again`]), and puts it into `kept`, of
    /// which the memory is used when nobody else has it. Whether that was done: not when some of it is out, nor for one of
    /// several pieces.
    pub fn share(&mut self, stream: StreamId, kept: &mut Option<Rc<Response<F>>>) -> bool {
        let Some(index) = self.streams.find(stream) else {
            return false;
        };
        let entry = self.streams.get_mut(index);
        if entry.phase != Phase::Fresh || matches!(entry.body, Body::Stream(_)) {
            return false;
        }
        let Some(head) = entry.head.take() else {
            return false;
        };
        let body = std::mem::replace(&mut entry.body, Body::Empty);
        let response = Response { head, body };
        match kept.as_mut().and_then(Rc::get_mut) {
            Some(kept) => *kept = response,
            None => *kept = Some(Rc::new(response)),
        }
        entry.repeated.clone_from(kept);
        true
    }

    /// Answers a request without the application's help.
    pub(in crate::h2) fn refuse(&mut self, index: Index, status: &[u8; 3]) {
        let Some(head) = refusal(status) else {
            return self.reset_stream(index, ErrorCode::INTERNAL_ERROR);
        };
        self.streams.get_mut(index).head = Some([head, Bytes::new()]);
        self.ready.push_back(&mut self.streams, index, Phase::Fresh);
    }

    /// Adds one more piece to the body of `stream`, which was answered with one whose end is open; whether the stream is
    /// still there and wants it.
    pub fn append(&mut self, stream: StreamId, segment: Segment<F>) -> bool {
        self.supply(stream, |body| body.append(segment))
    }

    /// Says how the body of `stream` ends, which was answered with one whose end is open; whether the stream is still
    /// there and wanted to know. Trailers of more than [`MAX_SENT_BLOCK`] bytes end it with INTERNAL_ERROR.
    pub fn finish(&mut self, stream: StreamId, end: End) -> bool {
        self.supply(stream, |body| body.finish(end))
    }

    /// Bytes of the body of `stream` that are known and not framed yet, while its end is open. `None` when its end is
    /// known, or the stream is gone.
    #[must_use]
    pub fn buffered(&self, stream: StreamId) -> Option<u64> {
        let body = &self.streams.get(self.streams.find(stream)?).body;
        body.is_open().then(|| body.known_len())
    }

    fn supply(&mut self, stream: StreamId, supply: impl FnOnce(&mut Stream<F>)) -> bool {
        let Some(index) = self.streams.find(stream) else {
            return false;
        };
        let entry = self.streams.get_mut(index);
        match &mut entry.body {
            Body::Stream(body) if body.is_open() => supply(body),
            _ => return false,
        }
        if entry.phase == Phase::Dry {
            // Its time was set by the last look for stalled streams: this call does not know what time it is.
            let rest = entry.rest();
            self.ready.push_back(&mut self.streams, index, rest);
        }
        true
    }

    /// Puts the field block of a response, and its body when that is small; whether the slot may take more.
    pub(super) fn put_response(
        &mut self,
        slot: &mut Slot<'_, F>,
        index: Index,
        base: usize,
    ) -> bool {
        let limit = self.block_limit();
        let stream = self.streams.get_mut(index);
        if stream.phase == Phase::Ending {
            return self.put_ending(slot, index, base);
        }
        if let Some(repeated) = stream.repeated.take() {
            if self.put_whole(slot, index, &repeated) {
                return true;
            }
            let stream = self.streams.get_mut(index);
            (stream.head, stream.body) = (Some(repeated.head.clone()), repeated.body.clone());
        }
        let stream = self.streams.get_mut(index);
        let block = stream.head.iter().flatten().map(Bytes::len).sum();
        if !fits(slot, block, base) {
            return false;
        }
        let head = stream.head.take().unwrap_or_default();
        let (stream, end_stream) = (stream.id, stream.body.is_empty());
        self.ready.unlink(&mut self.streams, index, Phase::Heading);
        let block = &self.encoder.encode(&head);
        self.pending = PendingBlock::of_head(slot, stream, block, end_stream, limit);
        if self.pending.is_some() {
            return false;
        }
        if end_stream {
            self.end_response(slot, index);
            return true;
        }
        let stream = self.streams.get_mut(index);
        let len = stream.body.known_len();
        let window = stream
            .send_window
            .available()
            .min(self.send_window.available());
        let small = len <= SMALL_BODY.min(u64::from(window));
        while small && self.streams.get(index).body.known_len() > 0 {
            match self.put_data(slot, index, base) {
                Put::Nothing => {
                    self.queue_rest(index, true);
                    return false;
                }
                Put::Some => {}
                Put::End => return true,
            }
        }
        self.queue_rest(index, small);
        true
    }

    /// Puts all of a small response, if nothing stands in the way of any of it.
    fn put_whole(&mut self, slot: &mut Slot<'_, F>, index: Index, response: &Response<F>) -> bool {
        let Body::Bytes(body) = &response.body else {
            return false;
        };
        let block = MAX_PREFIX + response.head.iter().map(Bytes::len).sum::<usize>();
        let stream = self.streams.get_mut(index);
        let window = stream
            .send_window
            .available()
            .min(self.send_window.available());
        let limit = self.data_limit();
        let most = limit.min(window as usize).min(SMALL_BODY as usize);
        if body.is_empty()
            || body.len() > most
            || block > self.block_limit()
            || slot.room() < 2 * FRAME_SLACK + block + body.len()
            || slot.payload_len(body.len(), limit, None) < body.len()
        {
            return false;
        }
        let id = self.streams.get(index).id;
        self.ready.unlink(&mut self.streams, index, Phase::Heading);
        let block = &self.encoder.encode(&response.head);
        let rest = PendingBlock::of_head(slot, id, block, false, usize::MAX);
        debug_assert!(rest.is_none(), "there was room");
        // The cast keeps the value: it is at most SMALL_BODY.
        let header = FrameHeader {
            length: body.len() as u32,
            kind: Kind::DATA,
            flags: flags::END_STREAM,
            stream_id: id,
        };
        slot.put_frame_header(&header.to_bytes());
        slot.put(body);
        self.note_data(index, header.length);
        self.end_response(slot, index);
        true
    }

    /// Puts what ends a response whose content is out: its trailers, or an empty DATA frame; whether the slot may take
    /// more.
    fn put_ending(&mut self, slot: &mut Slot<'_, F>, index: Index, base: usize) -> bool {
        let stream = self.streams.get_mut(index);
        let block = stream.body.trailers().map_or(0, Bytes::len);
        if block > MAX_SENT_BLOCK {
            self.reset_stream(index, ErrorCode::INTERNAL_ERROR);
            return true;
        }
        if !fits(slot, block, base) {
            return false;
        }
        let id = stream.id;
        let trailers = stream.body.take_trailers();
        self.ready.unlink(&mut self.streams, index, Phase::Heading);
        match trailers {
            None => {
                let header = FrameHeader {
                    length: 0,
                    kind: Kind::DATA,
                    flags: flags::END_STREAM,
                    stream_id: id,
                };
                let at = slot.put_frame_header(&header.to_bytes());
                slot.depends(at, id);
            }
            Some(block) => {
                let limit = self.block_limit();
                let block = match self.encoder.prefix() {
                    Some(prefix) => [&[prefix], &block[..]].concat().into(),
                    None => block,
                };
                self.pending = PendingBlock::of_trailers(slot, id, &block, limit);
                if self.pending.is_some() {
                    return false;
                }
            }
        }
        self.end_response(slot, index);
        true
    }

    /// Puts one frame of the body that is first in its queue; whether the slot may take more.
    pub(super) fn put_body(&mut self, slot: &mut Slot<'_, F>, index: Index, base: usize) -> bool {
        match self.put_data(slot, index, base) {
            Put::Nothing => return false,
            Put::End => return true,
            Put::Some => {}
        }
        let stream = self.streams.get(index);
        match stream.rest() {
            Phase::Body if !stream.priority.incremental || stream.next == NONE => {}
            Phase::Body => {
                self.ready.unlink(&mut self.streams, index, Phase::Heading);
                self.ready.push_back(&mut self.streams, index, Phase::Body);
            }
            // Its time goes on: a window may be opened by single bytes.
            Phase::Blocked => self.ready.unlink(&mut self.streams, index, Phase::Blocked),
            _ => {
                self.ready.unlink(&mut self.streams, index, Phase::Heading);
                self.queue_rest(index, true);
            }
        }
        true
    }

    /// Puts one DATA frame, as large as the windows, the peer's frame size and the slot allow.
    fn put_data(&mut self, slot: &mut Slot<'_, F>, index: Index, base: usize) -> Put {
        let limit = self.data_limit();
        let stream = self.streams.get_mut(index);
        let window = stream
            .send_window
            .available()
            .min(self.send_window.available());
        let Some(piece) = stream.body.front() else {
            return Put::Nothing;
        };
        let left = piece.len();
        let want = left.min(u64::from(window)).min(limit as u64) as usize;
        let len = slot.payload_len(want, limit, piece.file());
        if len == 0 || (len < want.min(MIN_FRAME_AT_END) && slot.wire_len() > base) {
            return Put::Nothing;
        }
        let end = len as u64 == stream.body.known_len() && stream.body.is_final();
        let flags = if end { flags::END_STREAM } else { 0 };
        let id = stream.id;
        let header = FrameHeader {
            length: len as u32,
            kind: Kind::DATA,
            flags,
            stream_id: id,
        };
        let frame_at = slot.put_frame_header(&header.to_bytes());
        match piece {
            Piece::Bytes(bytes) => {
                slot.put(&bytes[..len]);
                if matches!(stream.body, Body::Stream(_)) {
                    slot.depends(frame_at, id);
                }
            }
            Piece::File { file, offset, .. } => slot.hole(file, offset, len, frame_at, id),
        }
        stream.body.advance(len as u64);
        self.note_data(index, header.length);
        if end {
            self.end_response(slot, index);
            return Put::End;
        }
        Put::Some
    }

    /// A DATA frame of `len` bytes was put, for which both windows had been asked.
    #[inline]
    fn note_data(&mut self, index: Index, len: u32) {
        let window = &mut self.streams.get_mut(index).send_window;
        let consumed = window.consume(len).and(self.send_window.consume(len));
        debug_assert!(consumed.is_ok());
        self.note_progress(index, len);
        self.budgets.earn_updates(len);
        // A window that opens by a byte at a time pays for its updates and for nothing else.
        if len >= USEFUL_DATA {
            self.budgets.earn();
        }
    }

    /// A response whose field block is out waits for its turn, for its window, or for the application.
    pub(super) fn queue_rest(&mut self, index: Index, first: bool) {
        let rest = self.streams.get(index).rest();
        self.note_progress(index, 0);
        if first {
            self.ready.push_front(&mut self.streams, index, rest);
        } else {
            self.ready.push_back(&mut self.streams, index, rest);
        }
    }

    /// END_STREAM was framed.
    pub(super) fn end_response(&mut self, slot: &mut Slot<'_, F>, index: Index) {
        let stream = self.streams.get(index);
        slot.ends(stream.received_ns);
        // The core's own refusals are no work that the peer could pay with.
        if stream.delivered {
            self.budgets.earn();
        }
        let stream = self.streams.get(index);
        if matches!(stream.body, Body::File { .. } | Body::Stream(_)) {
            self.ended.push(stream.id);
        }
        let half =
            stream.state.on(Input::Send { end: true }) == Ok(Next::To(State::HalfClosedLocal));
        self.ready.unlink(&mut self.streams, index, Phase::Waiting);
        self.advance(index, Input::Send { end: true });
        if half {
            let stream = self.streams.get_mut(index);
            stream.delivered = false;
            let expects_continue = stream.expects_continue;
            self.note_progress(index, 0);
            if expects_continue {
                self.clocks.note_expectation(self.active_ns);
            }
            if !matches!(self.closing, Closing::No | Closing::Notice) || self.is_much_left(index) {
                self.reset_stream(index, ErrorCode::NO_ERROR);
            }
        }
    }

    /// Whether what is left of a request that was answered is more than what is taken and thrown away: the peer is told
    /// to stop then (RFC 9113, section 8.1). The little that mostly comes is read instead, as violations of the protocol
    /// in it are worth more to the peer than a reset without error.
    pub(in crate::h2) fn is_much_left(&self, index: Index) -> bool {
        let much = (self.recv_initial / 2).max(1);
        let stream = self.streams.get(index);
        stream.recv_owed >= much
            || stream
                .content_left
                .is_some_and(|left| left > u64::from(much))
    }
}

/// The head of an answer that the core gives by itself.
fn refusal(status: &[u8; 3]) -> Option<Bytes> {
    let without = Indexing::Without;
    let fields: [FieldToEncode<'_>; 2] = [
        (b":status", status, without),
        (b"content-length", b"0", without),
    ];
    encode_block(&fields, MAX_SENT_BLOCK).map(Bytes::from)
}

/// What [`Connection::put_data`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    /// The slot takes no more.
    Nothing,
    /// A frame.
    Some,
    /// The last frame; the stream may be gone.
    End,
}
