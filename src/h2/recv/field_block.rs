//! Field blocks (RFC 9113, section 4.3): HEADERS and CONTINUATION, to requests and trailers.

use super::Step;
use crate::h2::connection::Connection;
use crate::h2::control::Control;
use crate::h2::error::{ConnectionError, StreamError, Violation};
use crate::h2::frame::{FrameHeader, Headers, StreamId, flags};
use crate::h2::head::{
    Decoded, Meta, Scratch, decode_and_discard, decode_request, decode_trailers,
};
use crate::h2::limits::{Budget, FIELD_BLOCK_FACTOR, MAX_CONTINUATIONS};
use crate::h2::priority::Priority;
use crate::h2::stream::{Input, Next, State};
use crate::h2::streams::{NONE, Phase, Stream};
use crate::h2::window::Window;
use crate::response::Body;
use crate::slot::Source;

/// A field block whose END_HEADERS has not come yet.
#[derive(Debug, Default)]
pub(in crate::h2) struct FieldBlock {
    /// 0 when there is none.
    stream: StreamId,
    end_stream: bool,
    self_dependent: bool,
    continuations: u16,
    bytes: Vec<u8>,
}

impl FieldBlock {
    /// The stream whose field block was begun; 0 when there is none.
    pub(super) fn stream(&self) -> StreamId {
        self.stream
    }

    /// Whether one was begun.
    pub(super) fn is_begun(&self) -> bool {
        self.stream != 0
    }
}

impl<F: Source> Connection<F> {
    pub(super) fn recv_headers<'a>(
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
        let self_dependent = !self.peer.no_rfc7540_priorities
            && headers
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

    pub(super) fn recv_continuation<'a>(
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
            Ok(Next::Discard) if self.begun(id) == Some(false) => {
                Err(ConnectionError::StreamIdReused)
            }
            Ok(Next::Discard) => {
                decode_and_discard(&mut self.decoder, block, scratch)?;
                self.budgets.spend(Budget::Idle, now_ns)?;
                Ok(None)
            }
            Err(Violation::Stream(error)) => {
                decode_and_discard(&mut self.decoder, block, scratch)?;
                self.fail_stream(now_ns, id, error)
            }
            // The generic code is always right (section 5.4), the other only where the stream is known to be closed.
            Err(Violation::Connection(error)) => Err(match self.begun(id) {
                Some(true) => error,
                Some(false) | None => ConnectionError::StreamIdReused,
            }),
        }
    }

    /// Whether the peer began a stream, up to the last one, or skipped its identifier; `None` when that is too long ago
    /// to be known.
    fn begun(&self, id: StreamId) -> Option<bool> {
        let below = self.last_stream_id.checked_sub(id)? / 2;
        let bit = 1u64.checked_shl(below)?;
        Some(self.recently_begun & bit != 0)
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
        let decoded = decode_request(
            &mut self.decoder,
            &mut self.decoder_peer,
            block,
            limit,
            scratch,
        )?;
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
            recv_size: self.recv_initial,
            reader: false,
            recv_held: 0,
            content_left: meta.content_length,
            expects_continue: meta.expects_continue,
            moved_ns: now_ns,
            moved: 0,
            received_ns: now_ns,
            head: None,
            body: Body::Empty,
            repeated: None,
        };
        let Some(index) = self.streams.insert(stream) else {
            return self.fail_stream(now_ns, id, StreamError::Refused);
        };
        if delivered {
            return Ok(Some(Step::Request {
                stream: id,
                end_stream,
            }));
        }
        self.budgets.spend(Budget::Resets, now_ns)?;
        // The head could not be delivered (RFC 6585, section 5).
        self.refuse(index, b"431");
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
    pub(super) fn fail_stream<'a>(
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
            self.forget_ended(id);
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
