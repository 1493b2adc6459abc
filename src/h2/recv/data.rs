//! DATA: passes through, counted against the windows (RFC 9113, sections 6.1 and 6.9).

use super::{Reading, Step, take};
use crate::h2::connection::Connection;
use crate::h2::control::Control;
use crate::h2::error::{ConnectionError, ErrorCode, StreamError, Violation};
use crate::h2::frame::{FrameHeader, StreamId, flags};
use crate::h2::limits::{Budget, MAX_WINDOW};
use crate::h2::stream::{Input, Next, State};
use crate::h2::streams::Index;
use crate::slot::Source;

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
    /// Bytes that it takes out of the windows beside its data.
    overhead: u32,
}

impl DataFrame {
    /// Whether no more data is to come.
    pub(super) fn is_complete(self) -> bool {
        self.left == 0
    }
}

impl<F: Source> Connection<F> {
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
        if self.bdp.received(header.length, now_ns) {
            // One at a time, so that it needs no bound.
            self.control.push_back(Control::BdpPing);
        }
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
            overhead,
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
        stream.expects_continue = false;
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
        // Both casts keep the value: a frame is shorter.
        let (len, overhead) = (data.len() as u32, if done { frame.overhead } else { 0 });
        // It may have been reset or answered since the frame began.
        let index = self.streams.find(frame.stream).filter(|_| !frame.discard);
        let read = index.filter(|&index| self.streams.get(index).reader);
        if let Some(index) = read {
            self.streams.get_mut(index).recv_held += len;
            let credit = self.held.add(len, &mut self.share);
            self.give_back_to_connection(credit + overhead);
        } else {
            self.give_back_to_connection(len + overhead);
        }
        let index = index?;
        let end_stream = done && frame.end;
        let delivered = self.streams.get(index).delivered;
        if end_stream {
            self.advance(index, Input::RecvData { end: true });
        } else {
            let credit = if read.is_some() { 0 } else { len };
            self.give_back_to_stream(index, credit + overhead);
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

    /// From now on the application releases what it has read of this request's content, by [`Connection::release`]:
    /// until it does, the peer gets no more credit for the stream than its window. To be called for an
    /// [`Event::Request`](super::Event::Request), before more bytes are handled. Ignored when the stream is gone.
    pub fn read_body(&mut self, stream: StreamId) {
        if let Some(index) = self.streams.find(stream) {
            self.streams.get_mut(index).reader = true;
        }
    }

    /// The application has read `len` bytes of what [`Event::Data`](super::Event::Data) gave it of this stream. More
    /// than it was given is not counted; ignored when the stream is gone, which releases everything.
    pub fn release(&mut self, stream: StreamId, len: usize) {
        let Some(index) = self.streams.find(stream) else {
            return;
        };
        let entry = self.streams.get_mut(index);
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(entry.recv_held);
        entry.recv_held -= len;
        self.give_back_held(len);
        self.give_back_to_stream(index, len);
    }

    /// Bytes of content that readers have not released, on all streams together.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.total() as usize
    }

    /// Readers have released `len` bytes, or do not exist any more.
    pub(in crate::h2) fn give_back_held(&mut self, len: u32) {
        if len > 0 {
            let credit = self.held.remove(len, &mut self.share);
            self.give_back_to_connection(credit);
        }
    }

    /// The path holds `estimate` bytes: twice that is what windows are to be, as far as the limits and the budget go.
    pub(super) fn grow_windows(&mut self, estimate: u32) {
        let twice = estimate.saturating_mul(2);
        let wanted = twice
            .saturating_add(self.config.connection_window)
            .min(self.config.max_connection_window)
            .min(MAX_WINDOW);
        let grown = self.share.take(wanted.saturating_sub(self.recv_size));
        self.recv_size += grown;
        self.recv_target = twice
            .min(self.config.max_stream_window)
            .min(self.recv_size)
            .max(self.recv_target);
        if grown > 0 {
            self.recv_owed += grown;
            self.queue_connection_update();
        }
    }

    /// Owes the connection `len` bytes, and queues a WINDOW_UPDATE when that is half of its window.
    fn give_back_to_connection(&mut self, len: u32) {
        self.recv_owed += len;
        if self.recv_owed >= self.recv_size / 2 {
            self.queue_connection_update();
        }
    }

    fn queue_connection_update(&mut self) {
        if !self.connection_update_queued {
            self.connection_update_queued = true;
            self.control.push_back(Control::ConnectionUpdate);
        }
    }

    /// Owes a stream `len` bytes, and queues a WINDOW_UPDATE when that is half of its window. A stream whose answer is
    /// out gets none: it ends there.
    fn give_back_to_stream(&mut self, index: Index, len: u32) {
        let stream = self.streams.get_mut(index);
        stream.recv_owed += len;
        if stream.state == State::HalfClosedLocal {
            if self.is_much_left(index) {
                self.reset_stream(index, ErrorCode::NO_ERROR);
            }
            return;
        }
        // Once the peer has ended its side it needs no credit.
        let receives = stream.state == State::Open;
        if receives && !stream.update_queued && stream.recv_owed >= (stream.recv_size / 2).max(1) {
            // A reader that keeps up gets what the path can hold.
            if stream.recv_held <= stream.recv_size / 4 {
                let grown = self.recv_target.saturating_sub(stream.recv_size);
                stream.recv_size += grown;
                stream.recv_owed += grown;
            }
            stream.update_queued = true;
            self.control.push_back(Control::StreamUpdate(stream.id));
        }
    }
}
