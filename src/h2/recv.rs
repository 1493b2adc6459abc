//! The receiving direction: from bytes to events.
//!
//! Frames are parsed in place. What is kept between calls is a frame that is incomplete, at most as long as our
//! SETTINGS_MAX_FRAME_SIZE, and a field block that is incomplete, bounded by the limits; DATA and what is ignored
//! pass through.

use bytes::Bytes;

use super::connection::{Closing, Connection, Response};
use super::control::{Control, DRAIN_PING, RESET_PING};
use super::error::{ConnectionError, ErrorCode, StreamError, Violation};
use super::frame::{
    self, FRAME_HEADER_LEN, FrameHeader, Headers, Kind, StreamId, flags, parse_dependency,
    parse_ping, parse_priority_update, parse_rst_stream, parse_window_update,
};
use super::head::{
    Decoded, Meta, RequestHead, Scratch, Trailers, decode_and_discard, decode_request,
    decode_trailers,
};
use super::hpack::{self, Indexing};
use super::limits::{Budget, FIELD_BLOCK_FACTOR, MAX_CONTINUATIONS, MAX_EARLY_PRIORITIES, PREFACE};
use super::priority::Priority;
use super::stream::{Input, Next, State};
use super::streams::{Body, NONE, Phase, Stream};
use super::window::Window;

/// DATA frames with at least this many bytes count as useful work.
const USEFUL_DATA: u32 = 1_024;

/// What the peer did that concerns the application.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request.
    Request {
        /// Its stream, to be answered.
        stream: StreamId,
        /// Its head, well-formed.
        head: RequestHead<'a>,
        /// Whether there is no content.
        end_stream: bool,
    },
    /// Content of a request. Its credit is given back to the peer without being asked for.
    Data {
        /// The stream.
        stream: StreamId,
        /// The next bytes; empty only at the end.
        data: &'a [u8],
        /// Whether this is all.
        end_stream: bool,
    },
    /// The end of a request with content, as `end_stream` of [`Event::Data`].
    Trailers {
        /// The stream.
        stream: StreamId,
        /// The fields.
        trailers: Trailers<'a>,
    },
    /// A request ended before its answer was whole: the peer reset it, or violated the protocol on it. The stream
    /// is gone.
    Reset {
        /// The stream.
        stream: StreamId,
        /// The peer's code or ours.
        code: ErrorCode,
    },
}

/// What is being read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// So many bytes of the preface have arrived.
    Preface(u8),
    /// A frame header, or a frame that is taken whole.
    Frame,
    /// The pad length of a DATA frame.
    PadLength(FrameHeader),
    /// The payload of a DATA frame.
    Data(DataFrame),
    /// So many bytes are ignored.
    Skip(u32),
    /// After a connection error: all bytes are ignored.
    Failed,
}

/// A DATA frame that is passing through.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataFrame {
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

/// A field block whose END_HEADERS has not come yet.
#[derive(Debug, Default)]
pub(super) struct FieldBlock {
    /// 0 when there is none.
    stream: StreamId,
    end_stream: bool,
    self_dependent: bool,
    continuations: u16,
    bytes: Vec<u8>,
}

/// An event, before it borrows anything.
enum Step<'a> {
    Request {
        stream: StreamId,
        end_stream: bool,
    },
    Data {
        stream: StreamId,
        data: &'a [u8],
        end_stream: bool,
    },
    Trailers {
        stream: StreamId,
    },
    Reset {
        stream: StreamId,
        code: ErrorCode,
    },
}

impl<F: Clone> Connection<F> {
    /// Consumes `input` until there is an event (call again with the rest) or nothing is left of it (`None`).
    ///
    /// After a connection error (see [`Connection::error`]) everything is swallowed, and every stream is gone without
    /// an event of its own.
    pub fn handle_bytes<'a, 'i: 'a>(
        &mut self,
        now_ns: u64,
        input: &mut &'i [u8],
        scratch: &'a mut Scratch,
    ) -> Option<Event<'a>> {
        self.active_ns = now_ns;
        let step = loop {
            match self.step(now_ns, input, scratch) {
                Ok(Some(step)) => break Some(step),
                Ok(None) if input.is_empty() && !self.has_pending_input() => break None,
                Ok(None) => {}
                Err(error) => {
                    self.fail(error);
                    *input = &[];
                    break None;
                }
            }
        };
        let incomplete = !self.held.is_empty() || self.block.stream != 0;
        self.incomplete_ns = incomplete.then(|| self.incomplete_ns.unwrap_or(now_ns));
        Some(match step? {
            Step::Request { stream, end_stream } => Event::Request {
                stream,
                head: scratch.request(),
                end_stream,
            },
            Step::Data {
                stream,
                data,
                end_stream,
            } => Event::Data {
                stream,
                data,
                end_stream,
            },
            Step::Trailers { stream } => Event::Trailers {
                stream,
                trailers: scratch.trailers(),
            },
            Step::Reset { stream, code } => Event::Reset { stream, code },
        })
    }

    /// Whether a step can be made without further input: the end of a DATA frame without data.
    fn has_pending_input(&self) -> bool {
        matches!(self.reading, Reading::Data(frame) if frame.left == 0)
    }

    /// Consumes something, if there is anything.
    fn step<'a>(
        &mut self,
        now_ns: u64,
        input: &mut &'a [u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        match self.reading {
            Reading::Frame => self.step_frame(now_ns, input, scratch),
            Reading::Data(frame) => Ok(self.step_data(frame, input)),
            Reading::Preface(seen) => {
                let wanted = &PREFACE[usize::from(seen)..];
                let got = take(input, wanted.len());
                if got != &wanted[..got.len()] {
                    return Err(ConnectionError::BadPreface);
                }
                // The cast keeps the value: the preface has 24 bytes.
                let seen = seen + got.len() as u8;
                self.reading = if usize::from(seen) < PREFACE.len() {
                    Reading::Preface(seen)
                } else {
                    Reading::Frame
                };
                Ok(None)
            }
            Reading::PadLength(header) => match take(input, 1) {
                [pad_length] => self.begin_data(now_ns, header, Some(*pad_length)),
                _ => Ok(None),
            },
            Reading::Skip(left) => {
                let left = left - take(input, left as usize).len() as u32;
                self.reading = if left > 0 {
                    Reading::Skip(left)
                } else {
                    Reading::Frame
                };
                Ok(None)
            }
            Reading::Failed => {
                *input = &[];
                Ok(None)
            }
        }
    }

    /// Takes one frame, in place when it is there as a whole.
    fn step_frame<'a>(
        &mut self,
        now_ns: u64,
        input: &mut &'a [u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        if self.held.is_empty() {
            let Some((head, rest)) = input.split_first_chunk() else {
                self.hold(input, usize::MAX, scratch);
                return Ok(None);
            };
            let header = FrameHeader::parse(head);
            match self.admit(now_ns, header)? {
                Admit::Whole => {}
                Admit::Passing(step) => {
                    *input = rest;
                    return Ok(step);
                }
            }
            let Some((payload, rest)) = rest.split_at_checked(header.length as usize) else {
                self.hold(input, usize::MAX, scratch);
                return Ok(None);
            };
            *input = rest;
            return self.frame(now_ns, header, payload, scratch);
        }
        if let Some(missing) = FRAME_HEADER_LEN
            .checked_sub(self.held.len())
            .filter(|missing| *missing > 0)
        {
            self.hold(input, missing, scratch);
            let Some(head) = self.held.first_chunk() else {
                return Ok(None);
            };
            if let Admit::Passing(step) = self.admit(now_ns, FrameHeader::parse(head))? {
                self.release(scratch);
                return Ok(step);
            }
        }
        let Some(head) = self.held.first_chunk() else {
            return Ok(None);
        };
        let header = FrameHeader::parse(head);
        let missing = FRAME_HEADER_LEN + header.length as usize - self.held.len();
        self.hold(input, missing, scratch);
        if self.held.len() < FRAME_HEADER_LEN + header.length as usize {
            return Ok(None);
        }
        if self.block.stream == 0 {
            self.incomplete_ns = None;
        }
        let held = std::mem::take(&mut self.held);
        let step = self.frame(now_ns, header, &held[FRAME_HEADER_LEN..], scratch);
        scratch.give_back(held);
        step
    }

    /// Keeps up to `most` bytes for later.
    fn hold(&mut self, input: &mut &[u8], most: usize, scratch: &mut Scratch) {
        if self.held.capacity() == 0 && !input.is_empty() {
            self.held = scratch.buffer();
        }
        self.held.extend_from_slice(take(input, most));
    }

    /// Gives the buffer of the incomplete frame back.
    fn release(&mut self, scratch: &mut Scratch) {
        self.incomplete_ns = None;
        scratch.give_back(std::mem::take(&mut self.held));
    }

    /// Looks at a frame header, before its payload is there.
    fn admit<'a>(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
    ) -> Result<Admit<'a>, ConnectionError> {
        if !self.settings_received && (header.kind != Kind::SETTINGS || header.has(flags::ACK)) {
            return Err(ConnectionError::PrefaceWithoutSettings);
        }
        let max_frame_size = self.config.max_frame_size;
        let checked = header.check(max_frame_size);
        if let Err(Violation::Connection(error)) = checked {
            return Err(error);
        }
        match (self.block.stream, header.kind) {
            (0, Kind::CONTINUATION) => return Err(ConnectionError::UnexpectedContinuation),
            (0, _) => {}
            (open, Kind::CONTINUATION) if header.stream_id == open => {}
            _ => return Err(ConnectionError::ExpectedContinuation),
        }
        if let Err(Violation::Stream(error)) = checked {
            self.reading = Reading::Skip(header.length);
            return Ok(Admit::Passing(self.fail_stream(
                now_ns,
                header.stream_id,
                error,
            )?));
        }
        match header.kind {
            Kind::DATA if header.has(flags::PADDED) => {
                self.reading = Reading::PadLength(header);
                Ok(Admit::Passing(None))
            }
            Kind::DATA => Ok(Admit::Passing(self.begin_data(now_ns, header, None)?)),
            Kind::HEADERS
            | Kind::PRIORITY
            | Kind::RST_STREAM
            | Kind::SETTINGS
            | Kind::PING
            | Kind::GOAWAY
            | Kind::WINDOW_UPDATE
            | Kind::CONTINUATION
            | Kind::PRIORITY_UPDATE => Ok(Admit::Whole),
            _ => {
                // Section 5.5: unknown types are ignored.
                self.budgets.spend(Budget::Idle, now_ns)?;
                self.reading = Reading::Skip(header.length);
                Ok(Admit::Passing(None))
            }
        }
    }

    /// Begins to pass a DATA frame through, whose header and pad length are there.
    fn begin_data<'a>(
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
        if left == 0 && !end {
            self.budgets.spend(Budget::Idle, now_ns)?;
        } else if left >= USEFUL_DATA {
            self.budgets.earn();
        }
        let discard = match self.state_of(stream).on(Input::RecvData { end }) {
            Ok(Next::To(_)) => None,
            Ok(Next::Discard) => Some(None),
            Err(Violation::Connection(error)) => return Err(error),
            Err(Violation::Stream(error)) => Some(Some(error)),
        };
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
    fn step_data<'a>(&mut self, mut frame: DataFrame, input: &mut &'a [u8]) -> Option<Step<'a>> {
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
        if !self.connection_update_queued && self.recv_owed >= self.config.connection_window / 2 {
            self.connection_update_queued = true;
            self.control.push_back(Control::ConnectionUpdate);
        }
    }

    /// Owes a stream `length` bytes, and queues a WINDOW_UPDATE when that is half of its window.
    fn give_back_to_stream(&mut self, id: StreamId, length: u32) {
        let Some(index) = self.streams.find(id) else {
            return;
        };
        let stream = self.streams.get_mut(index);
        stream.recv_owed += length;
        if !stream.update_queued && stream.recv_owed >= (self.recv_initial / 2).max(1) {
            stream.update_queued = true;
            self.control.push_back(Control::StreamUpdate(id));
        }
    }

    /// Acts on a frame that is there as a whole and was admitted.
    fn frame<'a>(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
        payload: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        let id = header.stream_id;
        match header.kind {
            Kind::HEADERS => self.recv_headers(now_ns, header, payload, scratch),
            Kind::CONTINUATION => self.recv_continuation(now_ns, header, payload, scratch),
            Kind::PRIORITY => {
                self.budgets.spend(Budget::Idle, now_ns)?;
                match payload.first_chunk().map(parse_dependency) {
                    Some(dependency) if dependency.0 == id => {
                        self.fail_stream(now_ns, id, StreamError::SelfDependency)
                    }
                    _ => Ok(None),
                }
            }
            Kind::RST_STREAM => {
                let code = parse_rst_stream(payload)?;
                self.recv_reset(now_ns, id, code)
            }
            Kind::SETTINGS => self.recv_settings(now_ns, header, payload).map(|()| None),
            Kind::PING => self.recv_ping(now_ns, header, payload).map(|()| None),
            Kind::GOAWAY => {
                // We begin no streams, so that there is nothing to stop; the peer closes when it has its answers.
                frame::Goaway::parse(payload)?;
                self.budgets.spend(Budget::Idle, now_ns)?;
                Ok(None)
            }
            Kind::WINDOW_UPDATE => {
                self.recv_window_update(now_ns, id, parse_window_update(payload)?)
            }
            Kind::PRIORITY_UPDATE => self.recv_priority_update(now_ns, payload).map(|()| None),
            _ => Ok(None),
        }
    }

    fn recv_reset<'a>(
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
        let Some(index) = self.streams.find(id) else {
            return Ok(None);
        };
        let delivered = self.streams.get(index).delivered;
        self.advance(index, Input::RecvReset);
        Ok(delivered.then_some(Step::Reset { stream: id, code }))
    }

    fn recv_settings(
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
        let lowest_table = self.peer.apply(payload)?;
        self.encoder.peer_max_table_size(lowest_table);
        self.encoder
            .peer_max_table_size(self.peer.header_table_size);
        let (old, new) = (before.initial_window_size, self.peer.initial_window_size);
        if old != new {
            let mut unblocked = Ok(());
            let mut woken = false;
            for stream in self.streams.iter_mut() {
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
            }
        }
        self.decoder
            .set_max_table_size(self.config.header_table_size as usize);
    }

    fn recv_ping(
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
            RESET_PING if self.resets.acknowledged() => Ok(()),
            DRAIN_PING if self.closing == Closing::Notice => {
                self.drain();
                Ok(())
            }
            _ => self.budgets.spend(Budget::Pings, now_ns),
        }
    }

    fn recv_window_update<'a>(
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
    fn recv_priority_update(&mut self, now_ns: u64, payload: &[u8]) -> Result<(), ConnectionError> {
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
            if self.early.len() < MAX_EARLY_PRIORITIES {
                self.early.push((id, priority));
            }
        }
        Ok(())
    }

    fn recv_headers<'a>(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
        payload: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        let id = header.stream_id;
        let headers = Headers::parse(header, payload)?;
        if id.is_multiple_of(2) {
            return Err(ConnectionError::EvenStreamId);
        }
        let end_stream = header.has(flags::END_STREAM);
        let self_dependent = headers
            .dependency
            .is_some_and(|dependency| dependency.0 == id);
        if header.has(flags::END_HEADERS) {
            return self.field_block(
                now_ns,
                id,
                end_stream,
                self_dependent,
                headers.fragment,
                scratch,
            );
        }
        self.block = FieldBlock {
            stream: id,
            end_stream,
            self_dependent,
            continuations: 0,
            bytes: scratch.buffer(),
        };
        self.extend_block(headers.fragment)?;
        Ok(None)
    }

    fn recv_continuation<'a>(
        &mut self,
        now_ns: u64,
        header: FrameHeader,
        payload: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        self.block.continuations += 1;
        if self.block.continuations > MAX_CONTINUATIONS {
            return Err(ConnectionError::TooManyContinuations);
        }
        self.extend_block(payload)?;
        if !header.has(flags::END_HEADERS) {
            return Ok(None);
        }
        self.incomplete_ns = None;
        let FieldBlock {
            stream,
            end_stream,
            self_dependent,
            bytes,
            ..
        } = std::mem::take(&mut self.block);
        let step = self.field_block(now_ns, stream, end_stream, self_dependent, &bytes, scratch);
        scratch.give_back(bytes);
        step
    }

    fn extend_block(&mut self, fragment: &[u8]) -> Result<(), ConnectionError> {
        let most = (self.config.max_header_list_size as usize).saturating_mul(FIELD_BLOCK_FACTOR);
        if self.block.bytes.len() + fragment.len() > most {
            return Err(ConnectionError::FieldBlockTooLarge);
        }
        self.block.bytes.extend_from_slice(fragment);
        Ok(())
    }

    /// Acts on a field block that is complete: a request or trailers.
    fn field_block<'a>(
        &mut self,
        now_ns: u64,
        id: StreamId,
        end: bool,
        self_dependent: bool,
        block: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        match self.state_of(id).on(Input::RecvHeaders { end }) {
            Ok(Next::To(state)) if id > self.last_stream_id => {
                self.request(now_ns, id, state, self_dependent, block, scratch)
            }
            Ok(Next::To(_)) => self.recv_trailers(now_ns, id, self_dependent, block, scratch),
            Ok(Next::Discard) => {
                decode_and_discard(&mut self.decoder, block, scratch)?;
                self.budgets.spend(Budget::Idle, now_ns)?;
                Ok(None)
            }
            Err(Violation::Stream(error)) => {
                decode_and_discard(&mut self.decoder, block, scratch)?;
                self.fail_stream(now_ns, id, error)
            }
            Err(Violation::Connection(error)) => {
                let below = (self.last_stream_id - id) / 2;
                let skipped = below < u64::BITS && self.recently_begun & (1 << below) == 0;
                Err(if skipped {
                    ConnectionError::StreamIdReused
                } else {
                    error
                })
            }
        }
    }

    /// A new stream.
    fn request<'a>(
        &mut self,
        now_ns: u64,
        id: StreamId,
        state: State,
        self_dependent: bool,
        block: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        let above = (id - self.last_stream_id).div_ceil(2);
        self.recently_begun = self.recently_begun.checked_shl(above).unwrap_or(0) | 1;
        self.last_stream_id = id;
        if self.is_past_goaway(id) {
            decode_and_discard(&mut self.decoder, block, scratch)?;
            self.budgets.spend(Budget::Idle, now_ns)?;
            return Ok(None);
        }
        if self.streams.len() + self.resets.open() >= self.config.max_concurrent_streams as usize {
            decode_and_discard(&mut self.decoder, block, scratch)?;
            return self.fail_stream(now_ns, id, StreamError::Refused);
        }
        let limit = self.config.max_header_list_size as usize;
        let decoded = decode_request(&mut self.decoder, block, limit, scratch)?;
        let end_stream = state == State::HalfClosedRemote;
        let (meta, delivered) = match decoded {
            Decoded::Malformed(error) => return self.fail_stream(now_ns, id, error),
            Decoded::WellFormed(_) if self_dependent => {
                return self.fail_stream(now_ns, id, StreamError::SelfDependency);
            }
            Decoded::WellFormed(meta)
                if end_stream && meta.content_length.is_some_and(|length| length > 0) =>
            {
                return self.fail_stream(now_ns, id, StreamError::ContentLengthMismatch);
            }
            Decoded::WellFormed(meta) => (meta, true),
            Decoded::TooLarge => (Meta::default(), false),
        };
        let early = if self.early.is_empty() {
            None
        } else {
            self.early_priority(id)
        };
        let stream = Stream {
            id,
            state,
            phase: Phase::Waiting,
            priority: early.or(meta.priority).unwrap_or_default(),
            delivered,
            update_queued: false,
            prev: NONE,
            next: NONE,
            send_window: Window::new(self.peer.initial_window_size),
            recv_window: Window::new(self.recv_initial),
            recv_owed: 0,
            content_left: meta.content_length,
            received_ns: now_ns,
            head: Default::default(),
            body: Body::Empty,
        };
        if self.streams.insert(stream).is_none() {
            return self.fail_stream(now_ns, id, StreamError::Refused);
        }
        if delivered {
            return Ok(Some(Step::Request {
                stream: id,
                end_stream,
            }));
        }
        self.budgets.spend(Budget::Resets, now_ns)?;
        self.respond(id, fields_too_large());
        Ok(None)
    }

    /// Takes the priority that was sent ahead of a stream.
    fn early_priority(&mut self, id: StreamId) -> Option<Priority> {
        let at = self.early.iter().position(|(other, _)| *other == id)?;
        Some(self.early.swap_remove(at).1)
    }

    fn recv_trailers<'a>(
        &mut self,
        now_ns: u64,
        id: StreamId,
        self_dependent: bool,
        block: &[u8],
        scratch: &mut Scratch,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        let limit = self.config.max_header_list_size as usize;
        let decoded = decode_trailers(&mut self.decoder, block, limit, scratch)?;
        let Some(index) = self.streams.find(id) else {
            return Ok(None);
        };
        let short = self
            .streams
            .get(index)
            .content_left
            .is_some_and(|left| left > 0);
        let error = match decoded {
            Decoded::Malformed(error) => Some(error),
            Decoded::TooLarge => Some(StreamError::TrailersTooLarge),
            Decoded::WellFormed(_) if self_dependent => Some(StreamError::SelfDependency),
            Decoded::WellFormed(_) if short => Some(StreamError::ContentLengthMismatch),
            Decoded::WellFormed(_) => None,
        };
        if let Some(error) = error {
            return self.fail_stream(now_ns, id, error);
        }
        let delivered = self.streams.get(index).delivered;
        self.advance(index, Input::RecvHeaders { end: true });
        Ok(delivered.then_some(Step::Trailers { stream: id }))
    }

    /// Ends one stream for a violation of the peer's.
    fn fail_stream<'a>(
        &mut self,
        now_ns: u64,
        id: StreamId,
        error: StreamError,
    ) -> Result<Option<Step<'a>>, ConnectionError> {
        if self.state_of(id) == State::Idle {
            return Err(Self::escalate(error));
        }
        self.budgets.spend(Budget::Resets, now_ns)?;
        let Some(index) = self.streams.find(id) else {
            self.resets.add(id, false);
            self.answer(Control::RstStream(id, error.code()))?;
            return Ok(None);
        };
        let delivered = self.streams.get(index).delivered;
        self.reset_stream(index, error.code());
        Ok(delivered.then_some(Step::Reset {
            stream: id,
            code: error.code(),
        }))
    }
}

/// What becomes of a frame whose header is there.
enum Admit<'a> {
    /// It is taken as a whole.
    Whole,
    /// It passes through; the header is done with.
    Passing(Option<Step<'a>>),
}

/// Takes up to `most` bytes.
fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken
}

/// 431 (RFC 6585, section 5), which the core answers by itself since the head could not be delivered.
fn fields_too_large<F>() -> Response<F> {
    let mut block = Vec::with_capacity(32);
    hpack::encode_status(&mut block, 431);
    hpack::encode_field(&mut block, b"content-length", b"0", Indexing::Without);
    Response {
        head: [Bytes::from(block), Bytes::new()],
        body: Body::Empty,
    }
}
