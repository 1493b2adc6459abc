//! DATA: passes through, counted against the windows (RFC 9113, sections 6.1 and 6.9).

use super::{Reading, Step, take};
use crate::h2::connection::Connection;
use crate::h2::control::Control;
use crate::h2::error::{ConnectionError, ErrorCode, StreamError, Violation};
use crate::h2::frame::{FrameHeader, StreamId, flags};
use crate::h2::limits::{Budget, DEFAULT_WINDOW};
use crate::h2::stream::{Input, Next, State};

/// DATA frames with at least this many bytes count as useful work.
pub(in crate::h2) const USEFUL_DATA: u32 = 1_024;

/// A DATA frame that is passing through.
#[derive(Clone, Copy, Debug)]
pub(in crate::h2) struct DataFrame {
    stream: StreamId,
    /// Data that is still to come.
    left: u32,
    /// Padding after it.
    padding: u8,
    end: bool,
    /// Whether it is for nobody.
    discard: bool,
    /// Bytes that it takes out of the windows.
    length: u32,
}

impl DataFrame {
    /// Whether no more data is to come.
    pub(super) fn is_complete(self) -> bool {
        self.left == 0
    }
}

impl<F: Clone> Connection<F> {
    /// Begins to pass a DATA frame through, whose header and pad length are there.
    pub(super) fn begin_data<'a>(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
        pad_length: Option<u8>,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        let padding = pad_length.unwrap_or(0);
        let overhead = u32::from(padding) + u32::from(pad_length.is_some());
        let left = header
            .length
            .checked_sub(overhead)
            .ok_or(ConnectionError::Padding)?;
        let (stream, end) = (header.stream_id, header.has(flags::END_STREAM));
        self.recv_window
            .consume(header.length)
            .map_err(|_| ConnectionError::FlowControl)?;
        let discard = match self.state_of(stream).on(Input::RecvData { end }) {
            Ok(Next::To(_)) => None,
            Ok(Next::Discard) => Some(None),
            Err(Violation::Connection(error)) => return Err(error),
            Err(Violation::Stream(error)) => Some(Some(error)),
        };
        if discard.is_none() && left >= USEFUL_DATA {
            self.budgets.earn();
        } else if left == 0 && !end || discard.is_some() && left < USEFUL_DATA {
            self.budgets.spend(Budget::Idle, now_ns)?;
        }
        let discard = discard.or_else(|| {
            self.take_data(stream, header.length, left, end)
                .err()
                .map(Some)
        });
        let frame = DataFrame {
            stream,
            left,
            padding,
            end,
            discard: discard.is_some(),
            length: header.length,
        };
        self.reading = Reading::Data(frame);
        match discard {
            Some(Some(error)) => self.fail_stream(now_ns, stream, error),
            _ => Ok(None),
        }
    }

    /// Accounts for a DATA frame of an open stream: `length` bytes of its window, `left` of its content.
    fn take_data(
        &mut self,
        id: StreamId,
        length: u32,
        left: u32,
        end: bool,
    ) -> Result<(), StreamError> {
        let Some(index) = self.streams.find(id) else {
            return Ok(());
        };
        let stream = self.streams.get_mut(index);
        stream
            .recv_window
            .consume(length)
            .map_err(|_| StreamError::FlowControl)?;
        if let Some(content_left) = stream.content_left {
            let after = content_left
                .checked_sub(u64::from(left))
                .ok_or(StreamError::ContentLengthMismatch)?;
            if end && after > 0 {
                return Err(StreamError::ContentLengthMismatch);
            }
            stream.content_left = Some(after);
        }
        Ok(())
    }

    /// Passes on what has arrived of a DATA frame.
    pub(super) fn step_data<'a>(
        &mut self,
        mut frame: DataFrame,
        input: &mut &'a [u8],
    ) -> Option<Step<'a>> {
        let data = take(input, frame.left as usize);
        frame.left -= data.len() as u32;
        let done = frame.left == 0;
        self.reading = match (done, frame.padding) {
            (false, _) => Reading::Data(frame),
            (true, 0) => Reading::Frame,
            (true, padding) => Reading::Skip(u32::from(padding)),
        };
        if done {
            self.recv_owed += frame.length;
            self.give_back_to_connection();
        }
        // It may have been reset or answered since the frame began.
        let index = self.streams.find(frame.stream).filter(|_| !frame.discard)?;
        let end_stream = done && frame.end;
        let delivered = self.streams.get(index).delivered;
        if end_stream {
            self.advance(index, Input::RecvData { end: true });
        } else if done {
            self.give_back_to_stream(frame.stream, frame.length);
        }
        if !delivered || (data.is_empty() && !end_stream) {
            return None;
        }
        Some(Step::Data {
            stream: frame.stream,
            data,
            end_stream,
        })
    }

    /// Queues a WINDOW_UPDATE for the connection when half of its window is owed.
    fn give_back_to_connection(&mut self) {
        if !self.connection_update_queued
            && self.recv_owed >= self.config.connection_window.max(DEFAULT_WINDOW) / 2
        {
            self.connection_update_queued = true;
            self.control.push_back(Control::ConnectionUpdate);
        }
    }

    /// Owes a stream `length` bytes, and queues a WINDOW_UPDATE when that is half of its window. A stream whose answer is
    /// out gets none: it ends there.
    fn give_back_to_stream(&mut self, id: StreamId, length: u32) {
        let Some(index) = self.streams.find(id) else {
            return;
        };
        let stream = self.streams.get_mut(index);
        stream.recv_owed += length;
        if stream.state == State::HalfClosedLocal {
            if self.is_much_left(index) {
                self.reset_stream(index, ErrorCode::NO_ERROR);
            }
            return;
        }
        if !stream.update_queued && stream.recv_owed >= (self.recv_initial / 2).max(1) {
            stream.update_queued = true;
            self.control.push_back(Control::StreamUpdate(id));
        }
    }
}
