//! DATA: passes through, counted against the windows (RFC 9113, sections 6.1 and 6.9).

use super::recv::{Reading, Step, Stepped, take};
use super::{ClientConnection, Credit};
use crate::h2::control::Control;
use crate::h2::error::{ConnectionError, StreamError};
use crate::h2::frame::{FrameHeader, StreamId, flags};
use crate::h2::limits::DEFAULT_WINDOW;

/// A DATA frame that is passing through.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataFrame {
    stream: StreamId,
    left: u32,
    padding: u32,
    end: bool,
    /// Bytes that it takes out of the windows.
    length: u32,
}

impl DataFrame {
    /// Whether no more data is to come.
    pub(super) fn is_complete(self) -> bool {
        self.left == 0
    }
}

impl ClientConnection {
    /// Begins to pass a DATA frame through, whose header and pad length are there.
    pub(super) fn begin_data<'a>(
        &mut self,
        header: FrameHeader,
        pad_length: Option<u8>,
    ) -> Stepped<'a> {
        let id = header.stream_id;
        let padding = u32::from(pad_length.unwrap_or(0));
        let overhead = padding + u32::from(pad_length.is_some());
        let left = header
            .length
            .checked_sub(overhead)
            .ok_or(ConnectionError::Padding)?;
        self.check_begun(id)?;
        self.recv_window
            .consume(header.length)
            .map_err(|_| ConnectionError::FlowControl)?;
        let end = header.has(flags::END_STREAM);
        self.reading = Reading::Data(DataFrame {
            stream: id,
            left,
            padding,
            end,
            length: header.length,
        });
        let Some(stream) = self.streams.get_mut(&id) else {
            if !self.absorbs(id) {
                self.resets.add(id, false);
                let code = StreamError::DataOnClosedStream.code();
                return self.answer(Control::RstStream(id, code));
            }
            return Ok(None);
        };
        let violation = if stream.recv_ended {
            Some(StreamError::DataOnClosedStream)
        } else if !stream.headed {
            Some(StreamError::DataBeforeResponse)
        } else if stream.recv_window.consume(header.length).is_err() {
            Some(StreamError::FlowControl)
        } else {
            let after = stream
                .content_left
                .map(|content| content.checked_sub(u64::from(left)));
            stream.content_left = after.flatten();
            match after {
                Some(None) => Some(StreamError::ContentLengthMismatch),
                Some(Some(1..)) if end => Some(StreamError::ContentLengthMismatch),
                _ => None,
            }
        };
        // Its bytes pass through for nobody then.
        Ok(violation.and_then(|error| self.fail_stream(id, error)))
    }

    /// Passes on what has arrived of a DATA frame.
    pub(super) fn step_data<'a>(
        &mut self,
        frame: DataFrame,
        input: &mut &'a [u8],
    ) -> Option<Step<'a>> {
        let data = take(input, frame.left as usize);
        let end_stream = self.pass(frame, data.len() as u32)?;
        (!data.is_empty() || end_stream).then_some(Step::Data(frame.stream, data, end_stream))
    }

    /// Bytes of content that are still to come of the DATA frame whose header has been taken; 0 when none is under way.
    /// The transport may throw them away unseen, as far as they have not been given to
    /// [`ClientConnection::handle_bytes`], and say so by [`ClientConnection::handle_discarded`].
    #[must_use]
    pub fn data_left(&self) -> u32 {
        match self.reading {
            Reading::Data(frame) => frame.left,
            _ => 0,
        }
    }

    /// The next `len` bytes of content came and are not wanted: the stream that they belonged to, if it is still
    /// there, and whether this was all of it.
    ///
    /// # Panics
    /// When `len` is more than [`ClientConnection::data_left`].
    pub fn handle_discarded(&mut self, len: u32) -> Option<(StreamId, bool)> {
        assert!(len <= self.data_left(), "only content can be thrown away");
        match self.reading {
            Reading::Data(frame) => self
                .pass(frame, len)
                .map(|end_stream| (frame.stream, end_stream)),
            _ => None,
        }
    }

    /// Moves on by `len` bytes of a DATA frame: whether that was all of the stream; `None` when the stream is gone.
    fn pass(&mut self, mut frame: DataFrame, len: u32) -> Option<bool> {
        frame.left -= len;
        let done = frame.left == 0;
        self.reading = match (done, frame.padding) {
            (false, _) => Reading::Data(frame),
            (true, 0) => Reading::Frame,
            (true, padding) => Reading::Skip(padding),
        };
        if done {
            self.recv_owed += frame.length;
            let due = self.due(self.config.connection_window.max(DEFAULT_WINDOW));
            if !self.connection_update_queued && self.recv_owed >= due {
                self.connection_update_queued = true;
                self.control.push_back(Control::ConnectionUpdate);
            }
        }
        let due = self.due(self.recv_initial);
        let stream = self.streams.get_mut(&frame.stream)?;
        let end_stream = done && frame.end;
        if end_stream {
            stream.recv_ended = true;
            self.retire(frame.stream);
        } else if done {
            stream.recv_owed += frame.length;
            if !stream.update_queued && stream.recv_owed >= due {
                stream.update_queued = true;
                self.control.push_back(Control::StreamUpdate(frame.stream));
            }
        }
        Some(end_stream)
    }

    /// The debt at which a window of `window` bytes is updated.
    fn due(&self, window: u32) -> u32 {
        match self.config.credit {
            Credit::AtHalf => (window / 2).max(1),
            Credit::AtOnce => 1,
        }
    }
}
