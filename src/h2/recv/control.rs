//! The frames that act on a stream or on the connection and carry no message.

use super::Step;
use crate::h2::connection::{Closing, Connection};
use crate::h2::control::{BDP_PING, Control, DRAIN_PING, KEEPALIVE_PING, RESET_PING};
use crate::h2::error::{ConnectionError, ErrorCode, StreamError, Violation};
use crate::h2::frame::{FrameHeader, StreamId, flags, parse_ping, parse_priority_update};
use crate::h2::limits::{Budget, MAX_EARLY_PRIORITIES};
use crate::h2::priority::Priority;
use crate::h2::remembered::Peer;
use crate::h2::stream::{Input, Next, State};
use crate::h2::streams::Phase;
use crate::slot::Source;

impl<F: Source> Connection<F> {
    pub(super) fn recv_reset<'a>(
        &mut self,
        now_ns: u64,
        id: StreamId,
        code: ErrorCode,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        match self.state_of(id).on(Input::RecvReset) {
            Err(Violation::Connection(error)) => return Err(error),
            Ok(Next::To(_)) => self.budgets.spend(Budget::Resets, now_ns)?,
            Ok(Next::Discard) | Err(Violation::Stream(_)) => {
                self.budgets.spend(Budget::Idle, now_ns)?
            }
        }
        self.forget_ended(id);
        let Some(index) = self.streams.find(id) else {
            return Ok(None);
        };
        let delivered = self.streams.get(index).delivered;
        self.advance(index, Input::RecvReset);
        Ok(delivered.then_some(Step::Reset { stream: id, code }))
    }

    pub(super) fn recv_settings(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), ConnectionError> {
        self.budgets.spend(Budget::Settings, now_ns)?;
        if header.has(flags::ACK) {
            if !std::mem::replace(&mut self.settings_acked, true) {
                self.settings_took_effect();
            }
            return Ok(());
        }
        self.settings_received = true;
        let before = self.peer;
        let on_the_way = self.peer.apply(payload)?;
        self.encoder.peer_max_table_size(on_the_way.lowest_table);
        self.encoder
            .peer_max_table_size(self.peer.header_table_size);
        let (old, new) = (before.initial_window_size, self.peer.initial_window_size);
        let highest = on_the_way.highest_window;
        if old != new || old != highest {
            let mut unblocked = Ok(());
            let mut woken = false;
            for stream in self.streams.iter_mut() {
                let mut window = stream.send_window;
                unblocked = unblocked.and(window.adjust(old, highest));
                unblocked = unblocked.and(stream.send_window.adjust(old, new));
                woken |= stream.phase == Phase::Blocked || stream.phase == Phase::Body;
            }
            unblocked.map_err(|_| ConnectionError::SettingsWindowOverflow)?;
            if woken {
                self.requeue_all();
            }
        }
        self.answer(Control::SettingsAck)
    }

    /// The peer has acknowledged our SETTINGS: what they lowered holds from here on.
    fn settings_took_effect(&mut self) {
        let new = self.config.initial_window_size;
        let old = std::mem::replace(&mut self.recv_initial, new);
        if old != new {
            for stream in self.streams.iter_mut() {
                // It only lowers the window, by less than its range.
                let _ = stream.recv_window.adjust(old, new);
                stream.recv_size = (stream.recv_size + new).saturating_sub(old);
            }
            // What is left of a request that was answered may not fit its window any more, and would wait for ever.
            for index in 0..self.streams.places() {
                let stream = self.streams.get(index);
                let answered = stream.id != 0 && stream.state == State::HalfClosedLocal;
                if answered && self.is_much_left(index) {
                    self.reset_stream(index, ErrorCode::NO_ERROR);
                }
            }
        }
        self.decoder_peer = Peer::default();
        self.decoder
            .set_max_table_size(self.config.header_table_size as usize);
    }

    pub(super) fn recv_ping(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), ConnectionError> {
        let payload = parse_ping(payload)?;
        if !header.has(flags::ACK) {
            self.budgets.spend(Budget::Pings, now_ns)?;
            return self.answer(Control::PingAck(payload));
        }
        match payload {
            BDP_PING if let Some(estimate) = self.bdp.acknowledged(now_ns) => {
                if let Some(estimate) = estimate {
                    self.grow_windows(estimate);
                }
                Ok(())
            }
            KEEPALIVE_PING if self.clocks.acknowledged() => Ok(()),
            RESET_PING if self.resets.acknowledged() => Ok(()),
            DRAIN_PING if self.closing == Closing::Notice => {
                self.drain();
                Ok(())
            }
            _ => self.budgets.spend(Budget::Pings, now_ns),
        }
    }

    pub(super) fn recv_window_update<'a>(
        &mut self,
        now_ns: u64,
        id: StreamId,
        increment: u32,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        self.budgets.spend(Budget::WindowUpdates, now_ns)?;
        if id == 0 {
            if increment == 0 {
                return Err(ConnectionError::ZeroIncrement);
            }
            self.send_window
                .credit(increment)
                .map_err(|_| ConnectionError::WindowOverflow)?;
            return Ok(None);
        }
        if let Err(Violation::Connection(error)) = self.state_of(id).on(Input::RecvWindowUpdate) {
            return Err(error);
        }
        let Some(index) = self.streams.find(id) else {
            return Ok(None);
        };
        if increment == 0 {
            return self.fail_stream(now_ns, id, StreamError::ZeroIncrement);
        }
        let stream = self.streams.get_mut(index);
        if stream.send_window.credit(increment).is_err() {
            return self.fail_stream(now_ns, id, StreamError::WindowOverflow);
        }
        if stream.phase == Phase::Blocked && stream.send_window.available() > 0 {
            self.ready.push_back(&mut self.streams, index, Phase::Body);
        }
        Ok(None)
    }

    /// RFC 9218, section 7.1.
    pub(super) fn recv_priority_update(
        &mut self,
        now_ns: u64,
        payload: &[u8],
    ) -> Result<(), ConnectionError> {
        let (id, value) = parse_priority_update(payload)?;
        self.budgets.spend(Budget::Idle, now_ns)?;
        if id == 0 || id.is_multiple_of(2) {
            return Err(ConnectionError::PriorityUpdateTarget);
        }
        let priority = Priority::parse(value);
        if let Some(index) = self.streams.find(id) {
            self.reprioritize(index, priority);
        } else if id > self.last_stream_id {
            self.early
                .retain(|(other, _)| *other != id && *other > self.last_stream_id);
            let most = self.config.max_concurrent_streams as usize;
            if self.settings_acked && self.early.len() + self.streams.len() >= most {
                return Err(ConnectionError::TooManyPrioritized);
            }
            if self.early.len() < MAX_EARLY_PRIORITIES {
                self.early.push((id, priority));
            }
        }
        Ok(())
    }
}
