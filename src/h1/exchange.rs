//! A request that was read, and its answer until it is out: exchanges stand in the order of the requests.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::error::ConnectionError;
use crate::response::{Body, Response};
use crate::slot::Slot;

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none yet.
    Waiting,
    /// It is there, and nothing of it is out.
    Ready,
    /// Its head is going out.
    Head,
    /// Its content is going out.
    Body,
    /// The last chunk is going out, with the trailers.
    Last,
}

/// How the end of an answer's content is told (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// By what its head says.
    Head,
    /// By the last chunk.
    Chunks,
    /// By the end of the connection.
    Close,
}

/// Bytes that go out one after the other.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) pieces: [Bytes; 2],
    pub(super) tail: &'static [u8],
}

impl Parts {
    /// Puts what there is room for; whether that was all.
    pub(super) fn put<F>(&mut self, slot: &mut Slot<'_, F>) -> bool {
        for piece in &mut self.pieces {
            let len = piece.len().min(slot.room());
            slot.put(&piece[..len]);
            piece.advance(len);
        }
        let (now, later) = self.tail.split_at(self.tail.len().min(slot.room()));
        slot.put(now);
        self.tail = later;
        later.is_empty() && self.pieces.iter().all(Bytes::is_empty)
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Exchange<F> {
    pub(super) stage: Stage,
    pub(super) delimiter: Delimiter,
    /// Whether the client speaks HTTP/1.0.
    pub(super) http10: bool,
    /// Whether the method is HEAD, whose answer has no content.
    pub(super) is_head: bool,
    /// When the request's head was complete.
    pub(super) received_ns: u64,
    pub(super) parts: Parts,
    pub(super) body: Body<F>,
}

impl<F> Exchange<F> {
    /// A request without an answer.
    pub(super) fn new(is_head: bool, http10: bool, received_ns: u64) -> Self {
        Self {
            stage: Stage::Waiting,
            delimiter: Delimiter::Head,
            http10,
            is_head,
            received_ns,
            parts: Parts::default(),
            body: Body::Empty,
        }
    }

    /// Takes the answer.
    pub(super) fn answer(&mut self, response: Response<F>) {
        self.stage = Stage::Ready;
        self.parts.pieces = response.head;
        self.body = response.body;
    }

    /// Decides how the end of the content is told, and ends the head by it; `close` when nothing comes after this.
    pub(super) fn begin(&mut self, close: bool) {
        self.stage = Stage::Head;
        if !self.body.is_empty() && self.has_no_content() {
            self.body = Body::Empty;
        } else if matches!(self.body, Body::Stream(_)) && !self.has_length() {
            self.delimiter = if self.http10 {
                Delimiter::Close
            } else {
                Delimiter::Chunks
            };
        }
        let close = close || self.delimiter == Delimiter::Close;
        self.parts.tail = match (self.delimiter, close) {
            (Delimiter::Chunks, true) => b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            (Delimiter::Chunks, false) => b"transfer-encoding: chunked\r\n\r\n",
            (_, true) => b"connection: close\r\n\r\n",
            // HTTP/1.0 closes where nothing is said (RFC 9112, section 9.3).
            (_, false) if self.http10 => b"connection: keep-alive\r\n\r\n",
            (_, false) => b"\r\n",
        };
    }

    /// Whether the answer has no content whatever its fields say: to HEAD, and by its status (RFC 9112, section 6.3).
    fn has_no_content(&self) -> bool {
        let status = self.parts.pieces[0].get(9..12);
        self.is_head || matches!(status, Some(b"204" | b"304" | [b'1', _, _]))
    }

    /// Whether the head says how long the content is. Asked for streams only.
    fn has_length(&self) -> bool {
        const NAME: &[u8] = b"content-length:";
        let lines = self
            .parts
            .pieces
            .iter()
            .flat_map(|piece| piece.split(|byte| *byte == b'\n'));
        let mut names = lines.filter_map(|line| line.get(..NAME.len()));
        names.any(|name| name.eq_ignore_ascii_case(NAME))
    }

    /// Whether something of it can be put into a slot.
    pub(super) fn wants_transmit(&self) -> bool {
        match self.stage {
            Stage::Waiting => false,
            Stage::Ready | Stage::Head | Stage::Last => true,
            Stage::Body => self.body.known_len() > 0 || !self.body.is_open(),
        }
    }
}

/// The answer to a violation: its status, its text as the content, and `fields`, lines that the core's owner wants in it.
pub(super) fn refusal<F>(error: ConnectionError, fields: Bytes) -> Option<Response<F>> {
    let status = error.status()?;
    let reason = status.canonical_reason().unwrap_or_default();
    let text = format!("{} {reason}: {}\n", status.as_u16(), error.text());
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n",
        status.as_u16(),
        text.len()
    );
    Some(Response {
        head: [head.into(), fields],
        body: Body::Bytes(text.into()),
    })
}

/// The exchanges of a connection in order, found by the number of their request.
#[derive(Debug)]
pub(super) struct Queue<F> {
    exchanges: VecDeque<Exchange<F>>,
    /// The number of the first one, or of the next request when there is none.
    first: u32,
}

impl<F> Default for Queue<F> {
    fn default() -> Self {
        Self {
            exchanges: VecDeque::new(),
            first: 1,
        }
    }
}

impl<F> Queue<F> {
    pub(super) fn len(&self) -> usize {
        self.exchanges.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Appends an exchange: its number.
    pub(super) fn push(&mut self, exchange: Exchange<F>) -> u32 {
        // The cast keeps the value: limits bound the queue. Numbers begin again after 2^32 requests.
        let number = self.first.wrapping_add(self.exchanges.len() as u32);
        self.exchanges.push_back(exchange);
        number
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Exchange<F>> {
        self.exchanges
            .get_mut(number.wrapping_sub(self.first) as usize)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Exchange<F>> {
        self.exchanges.get(number.wrapping_sub(self.first) as usize)
    }

    /// The first one and its number.
    pub(super) fn front_mut(&mut self) -> Option<(u32, &mut Exchange<F>)> {
        Some((self.first, self.exchanges.front_mut()?))
    }

    pub(super) fn front(&self) -> Option<&Exchange<F>> {
        self.exchanges.front()
    }

    pub(super) fn back_mut(&mut self) -> Option<&mut Exchange<F>> {
        self.exchanges.back_mut()
    }

    /// The first one is over.
    pub(super) fn pop(&mut self) {
        if self.exchanges.pop_front().is_some() {
            self.first = self.first.wrapping_add(1);
        }
    }

    /// Gives up all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.exchanges.truncate(len);
    }

    /// Whether it owns memory for nothing.
    pub(super) fn is_trimmable(&self) -> bool {
        self.exchanges.is_empty() && self.exchanges.capacity() > 0
    }

    pub(super) fn trim(&mut self) {
        self.exchanges.shrink_to_fit();
    }
}
