//! The sending direction: the scheduler that fills slots.
//!
//! Control frames first, then by urgency (RFC 9218, section 10). Within an urgency, field blocks come before bodies,
//! and a body of at most [`SMALL_BODY`] bytes goes with its field block; then bodies, in the order in which they were
//! answered, incremental ones taking turns frame by frame. Every step is O(1).

use bytes::{Buf, Bytes};

use super::connection::{Closing, Connection};
use super::control::{BDP_PING, Control, DRAIN_PING, KEEPALIVE_PING, RESET_PING};
use super::error::ErrorCode;
use super::frame::{self, FrameHeader, Kind, StreamId, flags};
use super::hpack::DEFAULT_TABLE_SIZE;
use super::limits::{
    DEFAULT_WINDOW, MAX_UNPACED_FRAME, MAX_WINDOW, MIN_FRAME_AT_END, MIN_MAX_FRAME_SIZE, SMALL_BODY,
};
use super::priority::Priority;
use super::recv::USEFUL_DATA;
use super::settings::{SettingsFrame, id};
use super::stream::{Input, Next, State};
use super::streams::{Index, NONE, Phase};
use crate::response::Piece;
use crate::slot::{FRAME_SLACK, Slot};

/// The least part of a field block that is worth a frame of its own, in bytes.
const MIN_FRAGMENT: usize = 16;

/// A field block that is going out. Once begun it is finished before anything else is sent, whatever becomes of its
/// stream (RFC 9113, section 4.3).
#[derive(Debug)]
pub(super) struct PendingBlock {
    stream: StreamId,
    prefix: Option<u8>,
    head: [Bytes; 2],
    end_stream: bool,
    begun: bool,
}

impl PendingBlock {
    /// A block of which nothing is out yet.
    pub(super) fn new(
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
            begun: false,
        }
    }

    /// Whose block it is.
    pub(super) fn stream(&self) -> StreamId {
        self.stream
    }

    fn len(&self) -> usize {
        usize::from(self.prefix.is_some()) + self.head[0].len() + self.head[1].len()
    }

    /// Puts frames while there is room; whether all of it is out.
    pub(super) fn put<F>(&mut self, slot: &mut Slot<'_, F>, frame_limit: usize) -> bool {
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
            slot.put_frame_header(&header.to_bytes());
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

impl<F: Clone> Connection<F> {
    /// Whether [`Connection::poll_transmit`] would put anything now, windows considered. O(1).
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        self.pending.is_some()
            || !self.control.is_empty()
            || self.resets.wants_ping()
            || self.urgencies() != 0
    }

    /// Fills the slot with all there is to say, in order: the rest of a field block that was begun, control frames,
    /// then field blocks and bodies by priority. Calls [`Slot::ends`] with the time of the request for each response
    /// whose END_STREAM is framed.
    pub fn poll_transmit(&mut self, now_ns: u64, slot: &mut Slot<'_, F>) {
        self.active_ns = now_ns;
        if self.streams.len() > 0 {
            self.clocks.busy_ns = now_ns;
        }
        slot.limit_burst(self.burst());
        self.fill(slot);
        self.pace.filled(slot.wire_len(), now_ns);
        self.invariants();
    }

    fn fill(&mut self, slot: &mut Slot<'_, F>) {
        if !self.put_pending(slot) || !self.put_control(slot) {
            return;
        }
        let base = slot.wire_len();
        while let Some(urgency) = self.most_urgent() {
            let fresh = self.ready.first_fresh(urgency);
            let more = if fresh == NONE {
                self.put_body(slot, self.ready.first_body(urgency), base)
            } else {
                self.put_response(slot, fresh, base)
            };
            if !more {
                break;
            }
        }
        if self.pending.is_none() {
            self.put_control(slot);
        }
    }

    /// Urgencies of which something can be sent now, as a bit mask.
    fn urgencies(&self) -> u8 {
        let bodies = if self.send_window.available() > 0 {
            self.ready.body_mask()
        } else {
            0
        };
        self.ready.fresh_mask() | bodies
    }

    fn most_urgent(&self) -> Option<usize> {
        let urgencies = self.urgencies();
        (urgencies != 0).then(|| urgencies.trailing_zeros() as usize)
    }

    /// The largest frame of a field block, in bytes.
    fn block_limit(&self) -> usize {
        self.peer.max_frame_size.min(MAX_UNPACED_FRAME) as usize
    }

    /// The largest DATA frame to send now, in bytes: as large as the peer takes and the latency bound allows when a
    /// stream is alone, less when others may want the wire.
    fn data_limit(&self) -> usize {
        self.pace
            .frame_limit(self.peer.max_frame_size, self.streams.len() == 1)
    }

    /// Wire bytes that a slot is to take at most, so that what is answered next waits no longer than the latency
    /// bound; `usize::MAX` while nothing is known of the transport. A driver may lease its slots by it.
    #[must_use]
    pub fn burst(&self) -> usize {
        self.pace
            .bound(self.streams.len() <= 1)
            .unwrap_or(usize::MAX)
    }

    /// The transport has taken `len` more bytes of what [`Connection::poll_transmit`] gave; `all` when nothing of it is
    /// left, also of what was dropped instead of being sent. From these the connection
    /// knows how fast it is ([`Connection::burst`], the size of DATA frames) and whether the peer still reads. A
    /// driver that never calls this gets frames of 64 KiB and no end of peers that stopped reading.
    pub fn note_drained(&mut self, len: usize, all: bool, now_ns: u64) {
        self.pace.drained(len, all, now_ns);
        self.clocks.busy_ns = now_ns;
    }

    /// Continues the field block that was begun; whether there is none any more.
    fn put_pending(&mut self, slot: &mut Slot<'_, F>) -> bool {
        let limit = self.block_limit();
        let Some(pending) = &mut self.pending else {
            return true;
        };
        if !pending.put(slot, limit) {
            return false;
        }
        let (stream, end_stream) = (pending.stream, pending.end_stream);
        self.pending = None;
        if let Some(index) = self.streams.find(stream) {
            if end_stream {
                self.end_response(slot, index);
            } else {
                self.queue_body(index, false);
            }
        }
        true
    }

    /// Puts control frames while there is room; whether none is left.
    fn put_control(&mut self, slot: &mut Slot<'_, F>) -> bool {
        while let Some(&control) = self.control.front() {
            if slot.room() < FRAME_SLACK {
                return false;
            }
            match control {
                Control::Settings => slot.put(self.settings_frame().as_bytes()),
                Control::SettingsAck => slot.put(&frame::settings_ack()),
                Control::PingAck(payload) => slot.put(&frame::ping(payload, true)),
                Control::DrainPing => slot.put(&frame::ping(DRAIN_PING, false)),
                Control::BdpPing => {
                    self.bdp.sent();
                    slot.put(&frame::ping(BDP_PING, false));
                }
                Control::KeepalivePing => slot.put(&frame::ping(KEEPALIVE_PING, false)),
                Control::GoawayNotice => {
                    slot.put(&frame::goaway(MAX_WINDOW, ErrorCode::NO_ERROR, 0))
                }
                Control::Goaway => self.put_goaway(slot),
                Control::ConnectionUpdate => {
                    self.connection_update_queued = false;
                    let increment = std::mem::take(&mut self.recv_owed);
                    // What is owed was taken out of the window before, or is what it grows by.
                    let _ = self.recv_window.credit(increment);
                    if increment > 0 {
                        slot.put(&frame::window_update(0, increment));
                    }
                }
                Control::StreamUpdate(id) => self.put_stream_update(slot, id),
                Control::RstStream(id, code) => slot.put(&frame::rst_stream(id, code)),
            }
            self.control.pop_front();
        }
        if self.resets.wants_ping() {
            if slot.room() < FRAME_SLACK {
                return false;
            }
            slot.put(&frame::ping(RESET_PING, false));
            self.resets.ping_sent();
        }
        true
    }

    /// Our SETTINGS: those that differ from what holds without them, and the limits that are ours.
    fn settings_frame(&self) -> SettingsFrame {
        let config = &self.config;
        let all = [
            (
                id::HEADER_TABLE_SIZE,
                config.header_table_size,
                DEFAULT_TABLE_SIZE as u32,
            ),
            (
                id::MAX_CONCURRENT_STREAMS,
                config.max_concurrent_streams,
                u32::MAX,
            ),
            (
                id::INITIAL_WINDOW_SIZE,
                config.initial_window_size.min(MAX_WINDOW),
                DEFAULT_WINDOW,
            ),
            (
                id::MAX_FRAME_SIZE,
                config.max_frame_size,
                MIN_MAX_FRAME_SIZE,
            ),
            (
                id::MAX_HEADER_LIST_SIZE,
                config.max_header_list_size,
                u32::MAX,
            ),
            (id::NO_RFC7540_PRIORITIES, 1, 0),
        ];
        let mut sent = [(0, 0); 6];
        let mut len = 0;
        for (id, value, default) in all {
            if value != default {
                sent[len] = (id, value);
                len += 1;
            }
        }
        SettingsFrame::new(&sent[..len])
    }

    fn put_goaway(&self, slot: &mut Slot<'_, F>) {
        let (last, code, debug) = match self.closing {
            Closing::Failed(error, last) => (last, error.code(), error.text()),
            Closing::Final(last) => (last, ErrorCode::NO_ERROR, ""),
            Closing::No | Closing::Notice => (MAX_WINDOW, ErrorCode::NO_ERROR, ""),
        };
        let debug = if slot.room() < FRAME_SLACK + debug.len() {
            ""
        } else {
            debug
        };
        // The cast keeps the value: a test bounds the texts.
        slot.put(&frame::goaway(last, code, debug.len() as u8));
        slot.put(debug.as_bytes());
    }

    fn put_stream_update(&mut self, slot: &mut Slot<'_, F>, id: StreamId) {
        let Some(index) = self.streams.find(id) else {
            return;
        };
        let stream = self.streams.get_mut(index);
        stream.update_queued = false;
        if stream.state != State::Open {
            return;
        }
        let increment = std::mem::take(&mut stream.recv_owed);
        if increment > 0 {
            // What is owed was taken out of the window before, or is what it grows by, which limits bound.
            let _ = stream.recv_window.credit(increment);
            slot.put(&frame::window_update(id, increment));
        }
    }

    /// Puts the field block of a response, and its body when that is small; whether the slot may take more.
    fn put_response(&mut self, slot: &mut Slot<'_, F>, index: Index, base: usize) -> bool {
        let limit = self.block_limit();
        let stream = self.streams.get_mut(index);
        let block = stream.head[0].len() + stream.head[1].len() + 1;
        let room = slot.room();
        if room < FRAME_SLACK + block {
            // It fits the next slot better, unless it would not fit an empty one either.
            if slot.wire_len() > base || room < FRAME_SLACK + MIN_FRAGMENT.min(block) {
                return false;
            }
        }
        let head = std::mem::take(&mut stream.head);
        let (stream, end_stream) = (stream.id, stream.body.is_empty());
        let mut pending = PendingBlock::new(stream, self.encoder.prefix(), head, end_stream);
        self.ready.unlink(&mut self.streams, index, Phase::Heading);
        if !pending.put(slot, limit) {
            self.pending = Some(Box::new(pending));
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
        if len > SMALL_BODY || len > u64::from(window) {
            self.queue_body(index, false);
            return true;
        }
        loop {
            match self.put_data(slot, index, base) {
                Put::Nothing => {
                    self.queue_body(index, true);
                    return false;
                }
                Put::Some => {}
                Put::End => return true,
            }
        }
    }

    /// Puts one frame of the body that is first in its queue; whether the slot may take more.
    fn put_body(&mut self, slot: &mut Slot<'_, F>, index: Index, base: usize) -> bool {
        match self.put_data(slot, index, base) {
            Put::Nothing => return false,
            Put::End => return true,
            Put::Some => {}
        }
        let stream = self.streams.get(index);
        if stream.send_window.available() == 0 {
            self.ready.unlink(&mut self.streams, index, Phase::Blocked);
        } else if stream.priority.incremental && stream.next != NONE {
            self.ready.unlink(&mut self.streams, index, Phase::Heading);
            self.ready.push_back(&mut self.streams, index, Phase::Body);
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
        let mut len = slot.payload_len(want, limit);
        if matches!(piece, Piece::Bytes(_)) {
            len = len.min(slot.room().saturating_sub(FRAME_SLACK));
        }
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
            Piece::Bytes(bytes) => slot.put(&bytes[..len]),
            Piece::File { file, offset, .. } => slot.hole(file, offset, len, frame_at, id),
        }
        stream.body.advance(len as u64);
        // Both were asked before.
        let consumed = stream
            .send_window
            .consume(len as u32)
            .and(self.send_window.consume(len as u32));
        debug_assert!(consumed.is_ok());
        self.note_progress(index, len as u32);
        // A window that opens by a byte at a time pays for its updates and for nothing else.
        if len >= USEFUL_DATA as usize {
            self.budgets.earn();
        } else {
            self.budgets.earn_updates();
        }
        if end {
            self.end_response(slot, index);
            return Put::End;
        }
        Put::Some
    }

    /// A response whose field block is out waits for its turn, or for its window.
    fn queue_body(&mut self, index: Index, first: bool) {
        if self.ready.body_mask() == 0 {
            self.clocks.data_ns = self.active_ns;
        }
        self.note_progress(index, 0);
        if self.streams.get(index).send_window.available() == 0 {
            self.streams.get_mut(index).phase = Phase::Blocked;
        } else if first {
            self.ready.push_front(&mut self.streams, index, Phase::Body);
        } else {
            self.ready.push_back(&mut self.streams, index, Phase::Body);
        }
    }

    /// END_STREAM was framed.
    fn end_response(&mut self, slot: &mut Slot<'_, F>, index: Index) {
        let stream = self.streams.get(index);
        slot.ends(stream.received_ns);
        // The core's own refusals are no work that the peer could pay with.
        if stream.delivered {
            self.budgets.earn();
        }
        let stream = self.streams.get(index);
        let half =
            stream.state.on(Input::Send { end: true }) == Ok(Next::To(State::HalfClosedLocal));
        self.ready.unlink(&mut self.streams, index, Phase::Waiting);
        self.advance(index, Input::Send { end: true });
        if half {
            let stream = self.streams.get_mut(index);
            stream.delivered = false;
            if !matches!(self.closing, Closing::No | Closing::Notice) || self.is_much_left(index) {
                self.reset_stream(index, ErrorCode::NO_ERROR);
            }
        }
    }

    /// Whether what is left of a request that was answered is more than what is taken and thrown away: the peer is told
    /// to stop then (RFC 9113, section 8.1). The little that mostly comes is read instead, as violations of the protocol
    /// in it are worth more to the peer than a reset without error.
    pub(super) fn is_much_left(&self, index: Index) -> bool {
        let much = (self.recv_initial / 2).max(1);
        let stream = self.streams.get(index);
        stream.recv_owed >= much
            || stream
                .content_left
                .is_some_and(|left| left > u64::from(much))
    }

    /// Puts every body into the queue that its window says, after all windows have changed.
    pub(super) fn requeue_all(&mut self) {
        for index in 0..self.streams.places() {
            let stream = self.streams.get(index);
            let open = stream.send_window.available() > 0;
            match (stream.id, stream.phase) {
                (0, _) => {}
                (_, Phase::Body) if !open => {
                    self.ready.unlink(&mut self.streams, index, Phase::Blocked);
                    self.note_progress(index, 0);
                }
                (_, Phase::Blocked) if open => {
                    self.ready.push_back(&mut self.streams, index, Phase::Body)
                }
                _ => {}
            }
        }
    }

    /// Changes the priority of a stream, which goes to the end of its new queue.
    pub(super) fn reprioritize(&mut self, index: Index, priority: Priority) {
        let stream = self.streams.get_mut(index);
        let phase = stream.phase;
        if stream.priority == priority {
            return;
        }
        if matches!(phase, Phase::Fresh | Phase::Body) {
            self.ready.unlink(&mut self.streams, index, Phase::Heading);
            self.streams.get_mut(index).priority = priority;
            self.ready.push_back(&mut self.streams, index, phase);
        } else {
            stream.priority = priority;
        }
    }
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
