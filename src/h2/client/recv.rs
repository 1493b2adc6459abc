//! The receiving direction: from bytes to events.
//!
//! Frames are parsed in place; DATA and what is ignored pass through. What is kept between calls is a frame that is
//! incomplete, bounded by our SETTINGS_MAX_FRAME_SIZE, and a field block that is, bounded by the limits.

use super::ClientConnection;
use super::data::DataFrame;
use super::response::{ResponseHead, decode};
use crate::h2::control::{Control, RESET_PING};
use crate::h2::error::{ConnectionError, ErrorCode, StreamError, Violation};
use crate::h2::frame::{
    FRAME_HEADER_LEN, FrameHeader, Goaway, Headers, Kind, StreamId, flags, parse_ping,
    parse_rst_stream, parse_window_update,
};
use crate::h2::head::{Meta, Scratch, Trailers};
use crate::h2::limits::{FIELD_BLOCK_FACTOR, MAX_CONTINUATIONS, MAX_QUEUED_CONTROL};
use crate::h2::remembered::Peer;
use crate::h2::settings::id;

/// What the server did that concerns the application.
#[derive(Debug)]
pub enum ClientEvent<'a> {
    /// A response's head. One of status 1xx is informational: another one follows.
    Response {
        /// Its stream.
        stream: StreamId,
        /// The head, well-formed.
        head: ResponseHead<'a>,
        /// Whether this is all.
        end_stream: bool,
    },
    /// Content of a response. Its credit is given back as the configuration says.
    Data {
        /// The stream.
        stream: StreamId,
        /// The next bytes; empty only at the end.
        data: &'a [u8],
        /// Whether this is all.
        end_stream: bool,
    },
    /// The end of a response with content, as `end_stream` of [`ClientEvent::Data`].
    Trailers {
        /// The stream.
        stream: StreamId,
        /// The fields.
        trailers: Trailers<'a>,
    },
    /// A request ended without a whole response: the server reset it, did not process it, or violated the protocol
    /// on it. The stream is gone.
    Reset {
        /// The stream.
        stream: StreamId,
        /// The server's code or ours; REFUSED_STREAM for one beyond the last stream of a GOAWAY.
        code: ErrorCode,
        /// Whether the server did not process it, so that it can be made again (section 8.7).
        retryable: bool,
        /// What the server violated, when it was we who ended the stream.
        violation: Option<StreamError>,
    },
    /// The server ends the connection. Streams up to the last are still answered; for each one beyond it
    /// [`ClientEvent::Reset`] follows.
    Goaway {
        /// The last stream that is processed.
        last_stream_id: StreamId,
        /// Why.
        code: ErrorCode,
    },
}

/// Length of PRIORITY in bytes (section 6.3).
const PRIORITY_LEN: u32 = 5;

/// What is being read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    Frame,
    Data(DataFrame),
    /// So many bytes are ignored.
    Skip(u32),
    /// After a connection error: all bytes are ignored.
    Failed,
}

/// A field block whose END_HEADERS has not come yet.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// 0 when there is none.
    stream: StreamId,
    end_stream: bool,
    continuations: u16,
    bytes: Vec<u8>,
}

/// An event, before it borrows anything but the input.
pub(super) enum Step<'a> {
    Response(StreamId, Meta, bool),
    Data(StreamId, &'a [u8], bool),
    Trailers(StreamId),
    Reset(StreamId, ErrorCode, bool, Option<StreamError>),
    Goaway(StreamId, ErrorCode),
}

pub(super) type Stepped<'a> = Result<Option<Step<'a>>, ConnectionError>;

impl ClientConnection {
    /// Consumes `input` until there is an event (call again with the rest) or nothing is left of it (`None`).
    ///
    /// After a connection error (see [`ClientConnection::error`]) everything is swallowed, and every stream is gone
    /// without an event of its own.
    pub fn handle_bytes<'a, 'i: 'a>(
        &mut self,
        input: &mut &'i [u8],
        scratch: &'a mut Scratch,
    ) -> Option<ClientEvent<'a>> {
        let step = loop {
            if let Some(stream) = self.unprocessed.pop_front() {
                break Step::Reset(stream, ErrorCode::REFUSED_STREAM, true, None);
            }
            match self.step(input, scratch) {
                Ok(Some(step)) => break step,
                Ok(None) if input.is_empty() && !self.has_pending_input() => return None,
                Ok(None) => {}
                Err(error) => {
                    self.fail(error);
                    *input = &[];
                    return None;
                }
            }
        };
        Some(match step {
            Step::Response(stream, meta, end_stream) => ClientEvent::Response {
                stream,
                head: ResponseHead::new(meta, scratch),
                end_stream,
            },
            Step::Data(stream, data, end_stream) => ClientEvent::Data {
                stream,
                data,
                end_stream,
            },
            Step::Trailers(stream) => ClientEvent::Trailers {
                stream,
                trailers: scratch.trailers(),
            },
            Step::Reset(stream, code, retryable, violation) => ClientEvent::Reset {
                stream,
                code,
                retryable,
                violation,
            },
            Step::Goaway(last_stream_id, code) => ClientEvent::Goaway {
                last_stream_id,
                code,
            },
        })
    }

    /// Whether a step can be made without further input: the end of a DATA frame, or streams to be reported.
    fn has_pending_input(&self) -> bool {
        let complete = matches!(self.reading, Reading::Data(frame) if frame.is_complete());
        complete || !self.unprocessed.is_empty()
    }

    fn step<'a>(&mut self, input: &mut &'a [u8], scratch: &mut Scratch) -> Stepped<'a> {
        match self.reading {
            Reading::Frame => self.step_frame(input, scratch),
            Reading::Data(frame) => Ok(self.step_data(frame, input)),
            Reading::Skip(left) => {
                let left = left - take(input, left as usize).len() as u32;
                self.reading = match left {
                    0 => Reading::Frame,
                    left => Reading::Skip(left),
                };
                Ok(None)
            }
            Reading::Failed => {
                *input = &[];
                Ok(None)
            }
        }
    }

    /// Takes one frame, in place when enough of it is there.
    fn step_frame<'a>(&mut self, input: &mut &'a [u8], scratch: &mut Scratch) -> Stepped<'a> {
        if self.held.is_empty() {
            if let Some((header, needed)) = self.measure(input)?
                && input.len() >= needed
            {
                let frame = take(input, needed);
                return self.frame(header, &frame[FRAME_HEADER_LEN..], scratch);
            }
            if !input.is_empty() {
                self.held = scratch.buffer();
                self.held.extend_from_slice(take(input, usize::MAX));
            }
            return Ok(None);
        }
        self.top_up(input, FRAME_HEADER_LEN);
        let Some((header, needed)) = self.measure(&self.held)? else {
            return Ok(None);
        };
        self.top_up(input, needed);
        if self.held.len() < needed {
            return Ok(None);
        }
        let held = std::mem::take(&mut self.held);
        let step = self.frame(header, &held[FRAME_HEADER_LEN..], scratch);
        scratch.give_back(held);
        step
    }

    /// Keeps more, up to `len` bytes in all.
    fn top_up(&mut self, input: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.held.len());
        self.held.extend_from_slice(take(input, missing));
    }

    /// Looks at a frame header: whether it is allowed here, and how many bytes are needed to act on it.
    fn measure(&self, bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, ConnectionError> {
        let Some(head) = bytes.first_chunk() else {
            return Ok(None);
        };
        let header = FrameHeader::parse(head);
        // Section 3.4: the server's preface.
        let is_settings = header.kind == Kind::SETTINGS && !header.has(flags::ACK);
        if !self.settings_received && !is_settings {
            return Err(ConnectionError::PrefaceWithoutSettings);
        }
        let announced = self.announced.iter().copied().max().unwrap_or(0);
        match header.check(self.max_frame_size.max(announced)) {
            Err(Violation::Connection(ConnectionError::PushPromise)) => {
                return Err(ConnectionError::PushDisabled);
            }
            Err(Violation::Connection(error)) => return Err(error),
            Err(Violation::Stream(_)) | Ok(()) => {}
        }
        match (self.block.stream, header.kind) {
            (0, Kind::CONTINUATION) => return Err(ConnectionError::UnexpectedContinuation),
            (0, _) => {}
            (open, Kind::CONTINUATION) if header.stream_id == open => {}
            _ => return Err(ConnectionError::ExpectedContinuation),
        }
        let payload = match header.kind {
            Kind::DATA => usize::from(header.has(flags::PADDED)),
            Kind::HEADERS
            | Kind::RST_STREAM
            | Kind::SETTINGS
            | Kind::PING
            | Kind::GOAWAY
            | Kind::WINDOW_UPDATE
            | Kind::CONTINUATION => header.length as usize,
            // RFC 9218, section 7.1.
            Kind::PRIORITY_UPDATE => return Err(ConnectionError::PriorityUpdateFromServer),
            _ => 0,
        };
        Ok(Some((header, FRAME_HEADER_LEN + payload)))
    }

    /// Acts on a frame of which all that is needed is there.
    fn frame<'a>(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        scratch: &mut Scratch,
    ) -> Stepped<'a> {
        let id = header.stream_id;
        match header.kind {
            Kind::DATA => self.begin_data(header, payload.first().copied()),
            Kind::HEADERS => {
                let fragment = Headers::parse(header, payload)?.fragment;
                let end = header.has(flags::END_STREAM);
                if header.has(flags::END_HEADERS) {
                    return self.field_block(id, end, fragment, scratch);
                }
                self.block = Block {
                    stream: id,
                    end_stream: end,
                    continuations: 0,
                    bytes: scratch.buffer(),
                };
                self.extend_block(fragment)
            }
            Kind::CONTINUATION => {
                self.block.continuations += 1;
                if self.block.continuations > MAX_CONTINUATIONS {
                    return Err(ConnectionError::TooManyContinuations);
                }
                self.extend_block(payload)?;
                if !header.has(flags::END_HEADERS) {
                    return Ok(None);
                }
                let block = std::mem::take(&mut self.block);
                let step = self.field_block(id, block.end_stream, &block.bytes, scratch);
                scratch.give_back(block.bytes);
                step
            }
            Kind::RST_STREAM => {
                let code = parse_rst_stream(payload)?;
                self.check_begun(id)?;
                let retryable = code == ErrorCode::REFUSED_STREAM;
                let stream = self.streams.remove(&id);
                // After the whole response it only says that the rest of the request is not needed.
                let cut = stream.is_some_and(|stream| !stream.recv_ended);
                Ok(cut.then_some(Step::Reset(id, code, retryable, None)))
            }
            Kind::SETTINGS => self.recv_settings(header, payload),
            Kind::PING => {
                let payload = parse_ping(payload)?;
                if header.has(flags::ACK) {
                    if payload == RESET_PING {
                        self.resets.acknowledged();
                    }
                    return Ok(None);
                }
                self.answer(Control::PingAck(payload))
            }
            Kind::GOAWAY => self.recv_goaway(Goaway::parse(payload)?),
            Kind::WINDOW_UPDATE => self.recv_window_update(id, parse_window_update(payload)?),
            Kind::PRIORITY if header.length != PRIORITY_LEN => {
                self.reading = Reading::Skip(header.length);
                self.check_begun(id)
                    .map_err(|_| ConnectionError::IdlePriorityLength)?;
                Ok(self.fail_stream(id, StreamError::PriorityLength))
            }
            // PRIORITY says nothing to a client; types that nobody knows (section 5.5).
            _ => {
                self.reading = Reading::Skip(header.length);
                Ok(None)
            }
        }
    }

    /// Queues the answer to something that the server sent.
    pub(super) fn answer<'a>(&mut self, control: Control) -> Stepped<'a> {
        if self.control.len() >= MAX_QUEUED_CONTROL {
            return Err(ConnectionError::TooManyUnsent);
        }
        self.control.push_back(control);
        Ok(None)
    }

    /// Frames belong on streams that we have begun: a server that cannot push begins none (section 5.1.1).
    pub(super) fn check_begun(&self, id: StreamId) -> Result<(), ConnectionError> {
        if id.is_multiple_of(2) || id > self.begun {
            return Err(ConnectionError::IdleStream);
        }
        Ok(())
    }

    /// Whether frames of a stream that is gone may have been sent before the server knew.
    pub(super) fn absorbs(&self, id: StreamId) -> bool {
        self.resets.absorbs(id) || self.goaway.is_some_and(|last| id > last)
    }

    fn extend_block<'a>(&mut self, fragment: &[u8]) -> Stepped<'a> {
        let most = (self.config.max_header_list_size as usize).saturating_mul(FIELD_BLOCK_FACTOR);
        if self.block.bytes.len() + fragment.len() > most {
            return Err(ConnectionError::FieldBlockTooLarge);
        }
        self.block.bytes.extend_from_slice(fragment);
        Ok(None)
    }

    /// Acts on a field block that is complete: a response, informational or final, or trailers.
    fn field_block<'a>(
        &mut self,
        id: StreamId,
        end: bool,
        block: &[u8],
        scratch: &mut Scratch,
    ) -> Stepped<'a> {
        self.check_begun(id)?;
        let limit = self.config.max_header_list_size as usize;
        let trailers = self.streams.get(&id).is_some_and(|stream| stream.headed);
        let decoded = decode(
            &mut self.decoder,
            &mut self.decoder_peer,
            block,
            limit,
            scratch,
            trailers,
        )?;
        let Some(stream) = self.streams.get_mut(&id) else {
            return match self.absorbs(id) {
                true => Ok(None),
                false => Err(ConnectionError::HeadersOnClosedStream),
            };
        };
        let violation = match decoded {
            _ if stream.recv_ended => Some(StreamError::HeadersAfterEnd),
            Err(error) => Some(error),
            Ok(_) if trailers && !end => Some(StreamError::TrailersWithoutEnd),
            Ok(_) if trailers && stream.content_left.is_some_and(|left| left > 0) => {
                Some(StreamError::ContentLengthMismatch)
            }
            Ok(Meta { status, .. }) if end && (100..200).contains(&status) => {
                Some(StreamError::InformationalEnd)
            }
            Ok(_) => None,
        };
        let meta = match (violation, decoded) {
            (None, Ok(meta)) => meta,
            (violation, _) => {
                return Ok(self.fail_stream(id, violation.unwrap_or(StreamError::Status)));
            }
        };
        if trailers {
            stream.recv_ended = true;
            self.retire(id);
            return Ok(Some(Step::Trailers(id)));
        }
        if meta.status >= 200 {
            stream.headed = true;
            // Section 8.1.1: these have no content, whatever content-length says.
            let none = stream.is_head || matches!(meta.status, 204 | 304);
            stream.content_left = if none { Some(0) } else { meta.content_length };
            stream.recv_ended = end;
            if end && stream.content_left.is_some_and(|left| left > 0) {
                stream.recv_ended = false;
                return Ok(self.fail_stream(id, StreamError::ContentLengthMismatch));
            }
            self.retire(id);
        }
        Ok(Some(Step::Response(id, meta, end)))
    }

    /// Ends one stream for a violation of the server's.
    pub(super) fn fail_stream<'a>(&mut self, id: StreamId, error: StreamError) -> Option<Step<'a>> {
        let cut = self
            .streams
            .get(&id)
            .is_some_and(|stream| !stream.recv_ended);
        self.reset_stream(id, error.code());
        cut.then_some(Step::Reset(id, error.code(), false, Some(error)))
    }

    fn recv_settings<'a>(&mut self, header: FrameHeader, payload: &[u8]) -> Stepped<'a> {
        if header.has(flags::ACK) {
            if let Some(acknowledged) = self.announced.pop_front() {
                self.max_frame_size = acknowledged;
            }
            if !std::mem::replace(&mut self.settings_acked, true) {
                self.settings_took_effect();
            }
            return Ok(None);
        }
        let old = self.peer.initial_window_size;
        let on_the_way = self.peer.apply(payload)?;
        if !std::mem::replace(&mut self.settings_received, true) {
            // Without a word about it there is no limit (section 6.5.2).
            self.max_concurrent = u32::MAX;
        }
        for &[i, j, a, b, c, d] in payload.as_chunks::<6>().0 {
            match (u16::from_be_bytes([i, j]), u32::from_be_bytes([a, b, c, d])) {
                (id::MAX_CONCURRENT_STREAMS, most) => self.max_concurrent = most,
                (id::ENABLE_PUSH, 1) => return Err(ConnectionError::PushDisabled),
                _ => {}
            }
        }
        self.encoder.peer_max_table_size(on_the_way.lowest_table);
        self.encoder
            .peer_max_table_size(self.peer.header_table_size);
        let new = self.peer.initial_window_size;
        let highest = on_the_way.highest_window;
        if old != new || old != highest {
            let mut ids = Vec::with_capacity(self.streams.len());
            for (id, stream) in &mut self.streams {
                let window = &mut stream.send_window;
                let adjusted = window.adjust(old, highest).and(window.adjust(highest, new));
                adjusted.map_err(|_| ConnectionError::SettingsWindowOverflow)?;
                ids.push(*id);
            }
            ids.sort_unstable();
            ids.into_iter().for_each(|id| self.queue_body(id));
        }
        self.answer(Control::SettingsAck)
    }

    /// The server has acknowledged our first SETTINGS: what they lowered holds from here on.
    fn settings_took_effect(&mut self) {
        let new = self.config.initial_window_size;
        let old = std::mem::replace(&mut self.recv_initial, new);
        if old != new {
            for stream in self.streams.values_mut() {
                // It only lowers the window, by less than its range.
                let _ = stream.recv_window.adjust(old, new);
            }
        }
        self.decoder_peer = Peer::default();
        self.decoder
            .set_max_table_size(self.config.header_table_size as usize);
    }

    fn recv_window_update<'a>(&mut self, id: StreamId, increment: u32) -> Stepped<'a> {
        if id == 0 {
            if increment == 0 {
                return Err(ConnectionError::ZeroIncrement);
            }
            let credited = self.send_window.credit(increment);
            credited.map_err(|_| ConnectionError::WindowOverflow)?;
            return Ok(None);
        }
        self.check_begun(id)?;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(None);
        };
        if increment == 0 {
            return Ok(self.fail_stream(id, StreamError::ZeroIncrement));
        }
        if stream.send_window.credit(increment).is_err() {
            return Ok(self.fail_stream(id, StreamError::WindowOverflow));
        }
        self.queue_body(id);
        Ok(None)
    }

    /// Section 6.8. Streams beyond the last are not processed, and no more are begun: both are taken away.
    fn recv_goaway<'a>(&mut self, goaway: Goaway<'_>) -> Stepped<'a> {
        let last = goaway.last_stream_id;
        if self.goaway.is_some_and(|before| last > before) {
            return Err(ConnectionError::GoawayRises);
        }
        self.goaway = Some(last);
        let beyond = self
            .streams
            .extract_if(|id, stream| *id > last || stream.block.is_some());
        let mut ids: Vec<_> = beyond.map(|(id, _)| id).collect();
        ids.sort_unstable();
        self.unprocessed.extend(ids);
        self.fresh.clear();
        self.unsent = 0;
        Ok(Some(Step::Goaway(last, goaway.code)))
    }
}

/// Takes up to `most` bytes.
pub(super) fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken
}
