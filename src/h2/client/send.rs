//! The sending direction: preface, control frames, then requests in the order of their identifiers, then contents in
//! turn, frame by frame.

use bytes::{Buf, Bytes};

use super::{ClientConnection, Stream};
use crate::h2::control::{Control, RESET_PING};
use crate::h2::error::ErrorCode;
use crate::h2::frame::{self, FrameHeader, Kind, StreamId, flags};
use crate::h2::hpack::{DEFAULT_TABLE_SIZE, MAX_PREFIX};
use crate::h2::limits::{
    DEFAULT_WINDOW, MAX_SHARED_FRAME, MAX_WINDOW, MIN_MAX_FRAME_SIZE, PREFACE,
};
use crate::h2::send::PendingBlock;
use crate::h2::settings::{SettingsFrame, id};
use crate::slot::{FRAME_SLACK, Slot, Source};

impl ClientConnection {
    /// Whether [`ClientConnection::poll_transmit`] may have something to put now. O(1).
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        self.pending.is_some()
            || !self.control.is_empty()
            || self.resets.wants_ping()
            || (!self.fresh.is_empty() && self.may_begin())
            || (!self.bodies.is_empty() && self.send_window.available() > 0)
    }

    /// Fills the slot with all there is to say, in order: how many bytes of it are content. A slot has room for the
    /// preface and SETTINGS.
    pub fn poll_transmit<F: Source>(&mut self, slot: &mut Slot<'_, F>) -> usize {
        if !self.preface_sent {
            slot.put(PREFACE);
            self.preface_sent = true;
        }
        if !self.put_pending(slot) || !self.put_control(slot) {
            return 0;
        }
        while self.may_begin()
            && let Some(id) = self.fresh.pop_front()
        {
            if !self.put_request(slot, id) {
                return 0;
            }
        }
        let mut content = 0;
        while let Some(id) = self.bodies.pop_front()
            && let Some(len) = self.put_data(slot, id)
        {
            content += len;
        }
        content
    }

    fn frame_limit(&self) -> usize {
        self.peer.max_frame_size.min(MAX_SHARED_FRAME) as usize
    }

    /// Continues the field block that was begun; whether there is none any more.
    fn put_pending<F>(&mut self, slot: &mut Slot<'_, F>) -> bool {
        let limit = self.frame_limit();
        let Some(pending) = &mut self.pending else {
            return true;
        };
        if !pending.put(slot, limit) {
            return false;
        }
        let stream = pending.stream();
        self.pending = None;
        self.requested(stream);
        true
    }

    /// Puts control frames while there is room; whether none is left.
    fn put_control<F>(&mut self, slot: &mut Slot<'_, F>) -> bool {
        while let Some(&control) = self.control.front() {
            if slot.room() < FRAME_SLACK {
                return false;
            }
            match control {
                Control::Settings => slot.put(self.settings_frame().as_bytes()),
                Control::SettingsAck => slot.put(&frame::settings_ack()),
                Control::PingAck(payload) => slot.put(&frame::ping(payload, true)),
                Control::RstStream(id, code) => slot.put(&frame::rst_stream(id, code)),
                Control::Goaway => {
                    // The server has begun no streams.
                    let code = self.failed.map_or(ErrorCode::NO_ERROR, |e| e.code());
                    slot.put(&frame::goaway(0, code, 0));
                }
                Control::ConnectionUpdate => {
                    self.connection_update_queued = false;
                    let increment = std::mem::take(&mut self.recv_owed);
                    // What is owed was taken out of the window before, or is what the configuration adds to it.
                    let _ = self.recv_window.credit(increment);
                    if increment > 0 {
                        slot.put(&frame::window_update(0, increment));
                    }
                }
                Control::StreamUpdate(id) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.update_queued = false;
                        let increment = std::mem::take(&mut stream.recv_owed);
                        if increment > 0 && !stream.recv_ended {
                            // What is owed was taken out of the window before.
                            let _ = stream.recv_window.credit(increment);
                            slot.put(&frame::window_update(id, increment));
                        }
                    }
                }
                // A server's.
                Control::DrainPing
                | Control::BdpPing
                | Control::KeepalivePing
                | Control::GoawayNotice => {}
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

    /// Our SETTINGS: those that differ from what holds without them. The largest frame is the one announced last.
    fn settings_frame(&self) -> SettingsFrame {
        let config = &self.config;
        let all = [
            (
                id::HEADER_TABLE_SIZE,
                config.header_table_size,
                DEFAULT_TABLE_SIZE as u32,
            ),
            (id::ENABLE_PUSH, 0, 1),
            (
                id::INITIAL_WINDOW_SIZE,
                config.initial_window_size.min(MAX_WINDOW),
                DEFAULT_WINDOW,
            ),
            // Said even when it is the default, for what was said before may differ.
            (
                id::MAX_FRAME_SIZE,
                self.max_frame_size().max(MIN_MAX_FRAME_SIZE),
                0,
            ),
            (
                id::MAX_HEADER_LIST_SIZE,
                config.max_header_list_size,
                u32::MAX,
            ),
        ];
        let mut sent = [(0, 0); 5];
        let mut len = 0;
        for (id, value, default) in all {
            if value != default {
                sent[len] = (id, value);
                len += 1;
            }
        }
        SettingsFrame::new(&sent[..len])
    }

    /// Puts the field block of a request; whether the slot may take more.
    fn put_request<F>(&mut self, slot: &mut Slot<'_, F>, id: StreamId) -> bool {
        let limit = self.frame_limit();
        // One that was cancelled before is no more.
        let Some(stream) = self.streams.get_mut(&id) else {
            return true;
        };
        let len = stream.block.as_ref().map_or(0, Bytes::len);
        if slot.room() < FRAME_SLACK + (len + MAX_PREFIX).min(limit) && !slot.is_empty() {
            self.fresh.push_front(id);
            return false;
        }
        let Some(block) = stream.block.take() else {
            return true;
        };
        self.unsent -= 1;
        self.begun = id;
        let head = [block, Bytes::new()];
        let end_stream = stream.body.is_empty();
        let block = &self.encoder.encode(&head);
        self.pending = PendingBlock::of_head(slot, id, block, end_stream, limit);
        if self.pending.is_some() {
            return false;
        }
        self.requested(id);
        true
    }

    /// The field block of a request is out.
    fn requested(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.send_ended = stream.body.is_empty();
        self.queue_body(id);
        self.retire(id);
    }

    /// Puts a stream that can send content into the queue, unless it is there.
    pub(super) fn queue_body(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.can_send()
            && !std::mem::replace(&mut stream.queued, true)
        {
            self.bodies.push_back(id);
        }
    }

    /// Puts one DATA frame of the stream that was taken from the queue, if that can send: how much content, or `None` when
    /// the slot takes no more.
    fn put_data<F: Source>(&mut self, slot: &mut Slot<'_, F>, id: StreamId) -> Option<usize> {
        let limit = self.frame_limit();
        let Some(stream) = self.streams.get_mut(&id) else {
            return Some(0);
        };
        stream.queued = false;
        if !stream.can_send() {
            return Some(0);
        }
        let window = stream
            .send_window
            .available()
            .min(self.send_window.available());
        let want = stream.body.len().min(window as usize);
        let len = slot.payload_len(want, limit, None);
        if len == 0 {
            stream.queued = true;
            self.bodies.push_front(id);
            return None;
        }
        let end = len == stream.body.len();
        let header = FrameHeader {
            length: len as u32,
            kind: Kind::DATA,
            flags: if end { flags::END_STREAM } else { 0 },
            stream_id: id,
        };
        slot.put_frame_header(&header.to_bytes());
        slot.put(&stream.body[..len]);
        stream.body.advance(len);
        stream.send_ended = end;
        // Both were asked before.
        let consumed = stream
            .send_window
            .consume(len as u32)
            .and(self.send_window.consume(len as u32));
        debug_assert!(consumed.is_ok());
        self.queue_body(id);
        self.retire(id);
        Some(len)
    }
}

impl Stream {
    /// Whether content can be sent now, but for the connection's window.
    fn can_send(&self) -> bool {
        self.block.is_none() && !self.send_ended && self.send_window.available() > 0
    }
}
