//! The connection: its state, what the application calls, and how it ends.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use super::error::ConnectionError;
use super::exchange::{Exchange, Queue, Stage, refusal};
use super::head::Scheme;
use super::limits::{MAX_DRAINED_CONTENT, MAX_FIELDS, MAX_HEAD_BYTES, MAX_PIPELINED};
use super::recv::Reading;
use super::timeouts::{Clocks, Timeouts};
use crate::response::{Body, End, Response, Segment, Stream};
use crate::slot::Source;

/// What we allow a peer. Shared by all connections of a shard.
#[derive(Debug)]
pub struct Config {
    /// Bytes of a request's head as it arrives; a request over it is answered 431.
    pub max_head_bytes: usize,
    /// Field lines of a request's head, at most [`MAX_FIELDS`]; a request over it is answered 431.
    pub max_fields: usize,
    /// Requests that may wait for an answer or for its end; the connection ends after so many when there are more.
    pub max_pipelined: usize,
    /// Bytes of a request's content that are read and thrown away to keep the connection.
    pub max_drained_content: u64,
    /// When an idle peer is given up.
    pub timeouts: Timeouts,
    /// Field lines for the core's own refusals, each ended by CRLF: `date`, which the core cannot know, and what else the
    /// answers of this server carry.
    pub refusal_fields: Rc<RefCell<Bytes>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_head_bytes: MAX_HEAD_BYTES,
            max_fields: MAX_FIELDS,
            max_pipelined: MAX_PIPELINED,
            max_drained_content: MAX_DRAINED_CONTENT,
            timeouts: Timeouts::default(),
            refusal_fields: Rc::default(),
        }
    }
}

/// How far the end of the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// It ends after the request that has begun to arrive.
    Notice,
    /// No more requests are read.
    Final,
    /// As before, for this reason.
    Failed(ConnectionError),
}

/// The server's side of an HTTP/1.1 connection, sans-IO.
///
/// # Order of calls
/// 1. [`Connection::new`] when the transport is there.
/// 2. When bytes arrive, [`Connection::handle_bytes`] again and again until it gives `None`, acting on each event:
///    [`Connection::respond`] at once or any time later, in any order; answers go out in the order of the requests.
/// 3. Whenever [`Connection::wants_transmit`] and the transport can take bytes, [`Connection::poll_transmit`] with a
///    slot, whose contents go on the wire as a whole and in order; [`Connection::note_drained`] as the transport takes
///    them. When a file cannot supply what a slot has holes for: [`Connection::body_failed`], and nothing of what was
///    not sent yet is sent.
/// 4. [`Connection::handle_timeout`] when [`Connection::poll_timeout`] has passed; ask for it again after each of
///    the above. When [`Connection::is_dead`] then, close at once.
/// 5. [`Connection::shutdown`] to end it gracefully. When [`Connection::is_done`], flush and close.
///
/// Times are nanoseconds of any clock that never goes back. Requests are numbered from 1 and called streams, as those
/// of HTTP/2 are.
///
/// `F` is a handle of a file that the core clones into the holes of a slot and never looks into.
#[derive(Debug)]
pub struct Connection<F> {
    pub(super) config: Rc<Config>,
    pub(super) scheme: Scheme,
    pub(super) closing: Closing,
    /// Whether the last exchange is our own refusal.
    pub(super) refused: bool,
    pub(super) reading: Reading,
    /// A head that is not complete yet.
    pub(super) partial: Vec<u8>,
    pub(super) queue: Queue<F>,
    pub(super) clocks: Clocks,
}

impl<F: Source> Connection<F> {
    /// The server's side of a new connection.
    #[must_use]
    pub fn new(config: Rc<Config>, scheme: Scheme, now_ns: u64) -> Self {
        Self {
            config,
            scheme,
            closing: Closing::No,
            refused: false,
            reading: Reading::default(),
            partial: Vec::new(),
            queue: Queue::default(),
            clocks: Clocks::new(now_ns),
        }
    }

    /// The same for a peer that speaks without TLS where TLS is spoken: refused whatever it asks for.
    #[must_use]
    pub fn refused(config: Rc<Config>, is_head: bool, now_ns: u64) -> Self {
        let mut connection = Self::new(config, Scheme::Http, now_ns);
        connection.fail(ConnectionError::CleartextOnTls, is_head, now_ns);
        connection
    }

    /// Answers the request `stream`. Ignored when it is gone or has an answer.
    ///
    /// The head has the status line of HTTP/1.1 and field lines, each ended by CRLF, without the empty line, and says
    /// how long the content is, but for that of a [`Body::Stream`] whose length nobody
    /// knows yet: that gets chunks, or for HTTP/1.0 ends with the connection. `connection` and `transfer-encoding` are
    /// the core's. The answer to HEAD, 204 and 304 go out without content, whatever the body is.
    pub fn respond(&mut self, stream: u32, response: Response<F>) {
        if let Some(exchange) = self.queue.get_mut(stream)
            && exchange.stage == Stage::Waiting
        {
            exchange.answer(response);
        }
    }

    /// Appends to the content of an answer that is open. Ignored when it is gone, or its end is known.
    pub fn append(&mut self, stream: u32, segment: Segment<F>) {
        if let Some(stream) = self.open_body(stream) {
            stream.append(segment);
        }
    }

    /// Says how the content of an answer that is open ends. Ignored when it is gone, or its end is known. Trailers go
    /// out where there are chunks, and nowhere else.
    pub fn finish(&mut self, stream: u32, end: End) {
        if let Some(stream) = self.open_body(stream) {
            stream.finish(end);
        }
    }

    /// Bytes of the content of an answer that are known and not framed yet, while its end is open. `None` when its end is
    /// known, or it is gone.
    #[must_use]
    pub fn buffered(&self, stream: u32) -> Option<u64> {
        let body = &self.queue.get(stream)?.body;
        body.is_open().then(|| body.known_len())
    }

    fn open_body(&mut self, stream: u32) -> Option<&mut Stream<F>> {
        match &mut self.queue.get_mut(stream)?.body {
            Body::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The content of an answer cannot be supplied (a file was truncated, I/O error, a producer failed): the connection
    /// is dead, for what was promised cannot be taken back, and only an end without a word tells the peer of it.
    pub fn body_failed(&mut self) {
        self.die(ConnectionError::BodyFailed);
    }

    /// Begins a graceful end: answers in flight are finished, the last one with `connection: close`, and so is a request
    /// that has begun to arrive, unless this is called again before it is complete.
    pub fn shutdown(&mut self) {
        match self.closing {
            Closing::No if !self.partial.is_empty() => self.closing = Closing::Notice,
            Closing::No | Closing::Notice => self.end(),
            Closing::Final | Closing::Failed(_) => {}
        }
    }

    /// Whether the connection has come to its end and nothing is left to be put into a slot: flush and close.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.closing, Closing::Final | Closing::Failed(_)) && self.queue.is_empty()
    }

    /// Whether there is nobody to talk to, or nothing that could be said: close without a word.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(
            self.error(),
            Some(ConnectionError::Stalled | ConnectionError::BodyFailed)
        )
    }

    /// Why the connection failed, if it did. Answers to earlier requests, and then the refusal, may still be going out.
    #[must_use]
    pub fn error(&self) -> Option<ConnectionError> {
        match self.closing {
            Closing::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Requests whose answer is not out as a whole.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.queue.len() - usize::from(self.refused && !self.queue.is_empty())
    }

    /// Reads no more requests.
    pub(super) fn end(&mut self) {
        if matches!(self.closing, Closing::No | Closing::Notice) {
            self.closing = Closing::Final;
        }
        self.stop_reading();
    }

    /// Ends the connection after the answers to the requests before the violation, and says what it was.
    pub(super) fn fail(&mut self, error: ConnectionError, is_head: bool, now_ns: u64) {
        self.closing = Closing::Failed(error);
        self.stop_reading();
        if let Some(response) = refusal(error, self.refusal_fields()) {
            self.refused = true;
            let mut exchange = Exchange::new(is_head, false, now_ns);
            exchange.answer(response);
            self.queue.push(exchange);
        }
    }

    /// The same for a violation in the content of the last request: takes the place of its answer when nothing of that
    /// is out, and is not said when it is.
    pub(super) fn fail_content(&mut self, error: ConnectionError) {
        self.closing = Closing::Failed(error);
        self.stop_reading();
        let fields = self.refusal_fields();
        if let Some(exchange) = self.queue.back_mut()
            && matches!(exchange.stage, Stage::Waiting | Stage::Ready)
            && let Some(response) = refusal(error, fields)
        {
            self.refused = true;
            exchange.answer(response);
        }
    }

    /// Ends the connection after the answers that are due, for a reason that is not said.
    pub(super) fn fail_silently(&mut self, error: ConnectionError) {
        self.closing = Closing::Failed(error);
        self.stop_reading();
    }

    /// Gives everything up.
    pub(super) fn die(&mut self, error: ConnectionError) {
        self.closing = Closing::Failed(error);
        self.stop_reading();
        self.queue.truncate(0);
        self.queue.trim();
    }

    fn stop_reading(&mut self) {
        self.reading = Reading::Ended;
        self.partial = Vec::new();
        self.clocks.incomplete_ns = None;
    }

    fn refusal_fields(&self) -> Bytes {
        self.config.refusal_fields.borrow().clone()
    }

    /// What holds between any two calls.
    pub(super) fn invariants(&self) {
        if cfg!(debug_assertions) {
            assert!(self.queue.len() <= self.config.max_pipelined + 1);
            assert!(self.partial.len() <= self.config.max_head_bytes);
            let ended = matches!(self.closing, Closing::Final | Closing::Failed(_));
            assert_eq!(ended, self.reading.is_ended());
        }
    }
}
