//! Control frames, of which the payload is looked up when they go out.

use crate::h2::connection::{Closing, Connection};
use crate::h2::control::{BDP_PING, Control, DRAIN_PING, KEEPALIVE_PING, RESET_PING};
use crate::h2::error::ErrorCode;
use crate::h2::frame::{self, StreamId};
use crate::h2::hpack::DEFAULT_TABLE_SIZE;
use crate::h2::limits::{DEFAULT_WINDOW, MAX_WINDOW, MIN_MAX_FRAME_SIZE};
use crate::h2::settings::{SettingsFrame, id};
use crate::h2::stream::State;
use crate::slot::{FRAME_SLACK, Slot, Source};

impl<F: Source> Connection<F> {
    /// Puts control frames while there is room; whether none is left.
    pub(super) fn put_control(&mut self, slot: &mut Slot<'_, F>) -> bool {
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
                Control::RstStream(id, code) => put_reset(slot, id, code),
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
}

fn put_reset<F>(slot: &mut Slot<'_, F>, id: StreamId, code: ErrorCode) {
    let frame = frame::rst_stream(id, code);
    let Some((header, payload)) = frame.split_first_chunk() else {
        return;
    };
    let at = slot.put_frame_header(header);
    slot.put(payload);
    if code == ErrorCode::NO_ERROR {
        // It says that the answer was whole.
        slot.depends(at, id);
    }
}
