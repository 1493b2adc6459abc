//! The receiving direction: from bytes to events.
//!
//! Frames are parsed in place. What is kept between calls is a frame that is incomplete, at most as long as our
//! SETTINGS_MAX_FRAME_SIZE, and a field block that is incomplete, bounded by the limits; DATA and what is ignored
//! pass through.

mod control;
mod data;
mod field_block;

use data::DataFrame;
pub(super) use data::USEFUL_DATA;
pub(super) use field_block::FieldBlock;

use super::connection::Connection;
use super::error::{ConnectionError, ErrorCode, StreamError, Violation};
use super::frame::{
    FRAME_HEADER_LEN, FrameHeader, Goaway, Kind, StreamId, flags, parse_dependency,
    parse_rst_stream, parse_window_update,
};
use super::head::{RequestHead, Scratch, Trailers};
use super::limits::{Budget, PREFACE};
use crate::slot::Source;

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
    /// Content of a request. Its credit is given back to the peer without being asked for, unless there is a reader
    /// ([`Connection::read_body`]).
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

impl<F: Source> Connection<F> {
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
        if !input.is_empty() {
            self.clocks.received(now_ns);
        }
        if self.streams.len() > 0 {
            self.clocks.busy_ns = now_ns;
        }
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
        let incomplete = !self.partial.is_empty() || self.block.is_begun();
        self.incomplete_ns = incomplete.then(|| self.incomplete_ns.unwrap_or(now_ns));
        self.invariants();
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
        matches!(self.reading, Reading::Data(frame) if frame.is_complete())
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
        if self.partial.is_empty() {
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
            .checked_sub(self.partial.len())
            .filter(|missing| *missing > 0)
        {
            self.hold(input, missing, scratch);
            let Some(head) = self.partial.first_chunk() else {
                return Ok(None);
            };
            if let Admit::Passing(step) = self.admit(now_ns, FrameHeader::parse(head))? {
                self.drop_partial(scratch);
                return Ok(step);
            }
        }
        let Some(head) = self.partial.first_chunk() else {
            return Ok(None);
        };
        let header = FrameHeader::parse(head);
        let missing = FRAME_HEADER_LEN + header.length as usize - self.partial.len();
        self.hold(input, missing, scratch);
        if self.partial.len() < FRAME_HEADER_LEN + header.length as usize {
            return Ok(None);
        }
        if !self.block.is_begun() {
            self.incomplete_ns = None;
        }
        let held = std::mem::take(&mut self.partial);
        let step = self.frame(now_ns, header, &held[FRAME_HEADER_LEN..], scratch);
        scratch.give_back(held);
        step
    }

    /// Keeps up to `most` bytes for later.
    fn hold(&mut self, input: &mut &[u8], most: usize, scratch: &mut Scratch) {
        if self.partial.capacity() == 0 && !input.is_empty() {
            self.partial = scratch.buffer();
        }
        self.partial.extend_from_slice(take(input, most));
    }

    /// Gives the buffer of the incomplete frame back.
    fn drop_partial(&mut self, scratch: &mut Scratch) {
        self.incomplete_ns = None;
        scratch.give_back(std::mem::take(&mut self.partial));
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
        match (self.block.stream(), header.kind) {
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
                    Some(dependency) if dependency.0 == id && !self.peer.no_rfc7540_priorities => {
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
                Goaway::parse(payload)?;
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
