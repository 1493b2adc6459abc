//! The connection: its state, what the application calls, and timeouts.

use std::cell::Cell;
use std::rc::Rc;

use super::bdp::Bdp;
use super::control::{Control, ControlQueue, Resets};
use super::credit::{Held, Share};
use super::error::{ConnectionError, ErrorCode, StreamError};
use super::frame::StreamId;
use super::hpack::{DEFAULT_TABLE_SIZE, Decoder, Encoder};
use super::limits::{
    Budgets, DEFAULT_WINDOW, MAX_QUEUED_CONTROL, MIN_MAX_FRAME_SIZE, RECV_CONNECTION_WINDOW_MAX,
    RECV_STREAM_WINDOW_MAX, SHARED_RECV_BYTES,
};
use super::pace::Pace;
use super::priority::Priority;
use super::queues::Ready;
use super::recv::{FieldBlock, Reading};
use super::remembered::Peer;
use super::send::{Cut, PendingBlock};
use super::settings::PeerSettings;
use super::stream::{Input, Next, State};
use super::streams::{Index, Phase, Stream, Streams};
use super::timeouts::{Clocks, Timeouts};
use super::window::Window;
use crate::slot::Source;

/// What we allow a peer. Shared by all connections of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Streams that a peer may have open at once; requests over it are refused.
    pub max_concurrent_streams: u32,
    /// Window of each stream for request bodies at first, in bytes, at most 2^31-1.
    pub initial_window_size: u32,
    /// Window of the connection for request bodies at first, in bytes, 65,535 to 2^31-1.
    pub connection_window: u32,
    /// The most that a stream's window grows to when the path holds more, in bytes.
    pub max_stream_window: u32,
    /// The most that the connection's window grows to, in bytes, at most 2^31-1.
    pub max_connection_window: u32,
    /// Bytes that are left to the connections of a shard together, for larger windows and for what slow readers hold.
    pub recv_budget: Rc<Cell<usize>>,
    /// Largest payload of a frame that is accepted, in bytes, 2^14 to 2^24-1.
    pub max_frame_size: u32,
    /// Largest field section in bytes, uncompressed and with 32 for each field; a request over it is answered 431.
    pub max_header_list_size: u32,
    /// Table that the peer's HPACK encoder may use, in bytes.
    pub header_table_size: u32,
    /// When an idle or silent peer is given up.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            initial_window_size: 65_535,
            connection_window: 262_144,
            max_stream_window: RECV_STREAM_WINDOW_MAX,
            max_connection_window: RECV_CONNECTION_WINDOW_MAX,
            recv_budget: Rc::new(Cell::new(SHARED_RECV_BYTES)),
            max_frame_size: MIN_MAX_FRAME_SIZE,
            max_header_list_size: 32_768,
            header_table_size: DEFAULT_TABLE_SIZE as u32,
            timeouts: Timeouts::default(),
        }
    }
}

/// How far the end of the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// GOAWAY with the last identifier there is, and a PING whose acknowledgement is waited for.
    Notice,
    /// The last stream that is served is this one.
    Final(StreamId),
    /// A violation of the peer's. GOAWAY with this last stream is all there is to say.
    Failed(ConnectionError, StreamId),
}

/// The server's side of an HTTP/2 connection, sans-IO.
///
/// # Order of calls
/// 1. [`Connection::new`] when the transport is there. SETTINGS wait to be sent.
/// 2. When bytes arrive, [`Connection::handle_bytes`] again and again until it gives `None`, acting on each event:
///    [`Connection::respond`] at once or any time later, [`Connection::reset`] instead. A body whose end is open goes on
///    by [`Connection::append`] and [`Connection::finish`].
/// 3. Whenever [`Connection::wants_transmit`] and the transport can take bytes, [`Connection::poll_transmit`] with a
///    slot, whose contents go on the wire as a whole and in order; [`Connection::note_drained`] as the transport takes
///    them. When a file cannot supply what a slot has holes for: [`Connection::body_failed`].
/// 4. [`Connection::handle_timeout`] when [`Connection::poll_timeout`] has passed; ask for it again after each of
///    the above. When [`Connection::is_dead`] then, close at once.
/// 5. [`Connection::shutdown`] to end it gracefully. When [`Connection::is_done`], flush and close.
///
/// Times are nanoseconds of any clock that never goes back.
///
/// `F` is a handle of a file that the core clones into the holes of a slot and never looks into.
#[derive(Debug)]
pub struct Connection<F> {
    pub(super) config: Rc<Config>,
    pub(super) decoder: Decoder,
    pub(super) decoder_peer: Peer,
    pub(super) encoder: Encoder,
    pub(super) peer: PeerSettings,
    pub(super) budgets: Budgets,

    pub(super) streams: Streams<F>,
    pub(super) ready: Ready,
    pub(super) resets: Resets,
    /// The highest identifier of a stream that the peer began.
    pub(super) last_stream_id: StreamId,
    /// Bit n: the stream 2n below `last_stream_id` was begun, and not skipped.
    pub(super) recently_begun: u64,
    /// Priorities of streams that are not begun yet.
    pub(super) early: Vec<(StreamId, Priority)>,

    pub(super) reading: Reading,
    /// A frame that is not complete yet.
    pub(super) partial: Vec<u8>,
    pub(super) block: FieldBlock,
    pub(super) recv_window: Window,
    /// Received bytes that were not given back to the peer yet.
    pub(super) recv_owed: u32,
    /// Window of new streams for what we receive: 65,535 at least until the peer has acknowledged less.
    pub(super) recv_initial: u32,
    /// What the windows of streams grow to, in bytes; 0 at first.
    pub(super) recv_target: u32,
    /// The size of the connection's window.
    pub(super) recv_size: u32,
    pub(super) bdp: Bdp,
    pub(super) held: Held,
    pub(super) share: Share,

    pub(super) control: ControlQueue,
    pub(super) pending: Option<Box<PendingBlock>>,
    pub(super) send_window: Window,
    pub(super) pace: Pace,
    /// Streams whose END_STREAM is framed and that had a file, as long as what was framed may not be sent: no
    /// RST_STREAM of theirs was sent or received since, but for one without error.
    pub(super) ended: Vec<StreamId>,

    pub(super) closing: Closing,
    pub(super) settings_received: bool,
    pub(super) settings_acked: bool,
    pub(super) connection_update_queued: bool,
    /// The last call that did something.
    pub(super) active_ns: u64,
    pub(super) clocks: Clocks,
    /// Since when a frame or a field block is incomplete.
    pub(super) incomplete_ns: Option<u64>,
}

impl<F: Source> Connection<F> {
    /// The server's side of a new connection, with our SETTINGS waiting to be sent.
    #[must_use]
    pub fn new(config: Rc<Config>, now_ns: u64) -> Self {
        let mut control = ControlQueue::with_capacity(4);
        control.push_back(Control::Settings);
        let recv_owed = config.connection_window.saturating_sub(DEFAULT_WINDOW);
        if recv_owed > 0 {
            control.push_back(Control::ConnectionUpdate);
        }
        Self {
            decoder: Decoder::new(config.header_table_size as usize),
            decoder_peer: Peer::default(),
            encoder: Encoder::default(),
            peer: PeerSettings::default(),
            budgets: Budgets::new(now_ns),
            streams: Streams::default(),
            ready: Ready::default(),
            resets: Resets::default(),
            last_stream_id: 0,
            recently_begun: 0,
            early: Vec::new(),
            reading: Reading::Preface(0),
            partial: Vec::new(),
            block: FieldBlock::default(),
            recv_window: Window::new(DEFAULT_WINDOW),
            recv_owed,
            recv_initial: config.initial_window_size.max(DEFAULT_WINDOW),
            recv_target: 0,
            recv_size: config.connection_window.max(DEFAULT_WINDOW),
            bdp: Bdp::default(),
            held: Held::default(),
            share: Share::new(Rc::clone(&config.recv_budget)),
            control,
            pending: None,
            send_window: Window::new(DEFAULT_WINDOW),
            pace: Pace::default(),
            ended: Vec::new(),
            closing: Closing::No,
            settings_received: false,
            settings_acked: false,
            connection_update_queued: recv_owed > 0,
            active_ns: now_ns,
            clocks: Clocks::new(now_ns),
            incomplete_ns: None,
            config,
        }
    }

    /// Ends `stream` with RST_STREAM. Ignored when the stream is gone.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        if let Some(index) = self.streams.find(stream) {
            self.reset_stream(index, code);
        }
    }

    /// A file could not supply its bytes (truncated, I/O error), and what depends on them was [`cut`](super::cut) off the
    /// slot that was filled last.
    ///
    /// The bytes go back to the connection's window, and nothing more goes out on the stream but one
    /// RST_STREAM(INTERNAL_ERROR), also when END_STREAM was framed already. Nothing at all goes out when it was reset
    /// meanwhile.
    pub fn body_failed(&mut self, cut: Cut) {
        let (stream, code) = (cut.stream, ErrorCode::INTERNAL_ERROR);
        // Trailers of which the first frame was cut off.
        self.pending
            .take_if(|pending| pending.is_trailers_of(stream));
        if matches!(self.closing, Closing::Failed(..)) {
            return;
        }
        // It was in the window before, so that only a WINDOW_UPDATE that was too large keeps it from going back.
        let unsent = u32::try_from(cut.unsent).unwrap_or(u32::MAX);
        let _ = self.send_window.credit(unsent);
        self.encoder.repeat();
        if let Some(index) = self.streams.find(stream) {
            self.reset_stream(index, code);
        } else if self.forget_ended(stream) {
            let queued = self.control.iter_mut().find_map(|control| match control {
                Control::RstStream(id, code) if *id == stream => Some(code),
                _ => None,
            });
            match queued {
                Some(queued) => *queued = code,
                None => {
                    self.resets.add(stream, false);
                    self.control.push_back(Control::RstStream(stream, code));
                }
            }
        }
    }

    /// Whether `stream` is one whose end may not be sent; not any more.
    pub(super) fn forget_ended(&mut self, stream: StreamId) -> bool {
        let at = self.ended.iter().position(|id| *id == stream);
        at.is_some_and(|at| self.ended.swap_remove(at) == stream)
    }

    /// Begins a graceful end: GOAWAY with the last identifier there is and a PING, and on its acknowledgement, or
    /// when called again, GOAWAY with the last stream that is served. Streams in flight are finished.
    pub fn shutdown(&mut self) {
        match self.closing {
            Closing::No => {
                self.closing = Closing::Notice;
                self.control.push_back(Control::GoawayNotice);
                self.control.push_back(Control::DrainPing);
            }
            Closing::Notice => self.drain(),
            Closing::Final(_) | Closing::Failed(..) => {}
        }
    }

    /// The second step of the shutdown.
    pub(super) fn drain(&mut self) {
        self.closing = Closing::Final(self.last_stream_id);
        self.control.push_back(Control::Goaway);
        for index in 0..self.streams.places() {
            let stream = self.streams.get(index);
            // Nothing is waited for that only its sender can end.
            if stream.id != 0 && stream.state == State::HalfClosedLocal {
                self.reset_stream(index, ErrorCode::NO_ERROR);
            }
        }
    }

    /// Whether GOAWAY was put on the wire, and nothing is left to send or to answer: flush and close.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self.closing {
            Closing::No | Closing::Notice => false,
            Closing::Final(_) => self.streams.len() == 0 && !self.wants_transmit(),
            Closing::Failed(..) => !self.wants_transmit(),
        }
    }

    /// Whether the peer is given up for dead, since it takes or says nothing: close without a word.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(
            self.error(),
            Some(ConnectionError::KeepaliveTimeout | ConnectionError::Stalled)
        )
    }

    /// Why the connection failed, if it did.
    #[must_use]
    pub fn error(&self) -> Option<ConnectionError> {
        match self.closing {
            Closing::Failed(error, _) => Some(error),
            _ => None,
        }
    }

    /// Streams whose answer is not out as a whole.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        let answered = |stream: &&Stream<F>| stream.state == State::HalfClosedLocal;
        self.streams.len() - self.streams.iter().filter(answered).count()
    }

    /// Ends the connection: GOAWAY, and nothing else any more but the rest of a field block that was begun.
    pub(super) fn fail(&mut self, error: ConnectionError) {
        if matches!(self.closing, Closing::Failed(..)) {
            return;
        }
        let last = match self.closing {
            // It never increases (RFC 9113, section 6.8).
            Closing::Final(last) => last,
            _ => self.last_stream_id,
        };
        self.closing = Closing::Failed(error, last);
        // Our SETTINGS come first, whatever happens (RFC 9113, section 3.4).
        let first = self.control.front() == Some(&Control::Settings);
        self.control.clear();
        if first {
            self.control.push_back(Control::Settings);
        }
        self.control.push_back(Control::Goaway);
        self.streams.clear();
        self.held.clear(&mut self.share);
        self.ready = Ready::default();
        self.resets = Resets::default();
        self.early = Vec::new();
        self.ended = Vec::new();
        self.partial = Vec::new();
        self.block = FieldBlock::default();
        self.reading = Reading::Failed;
        self.incomplete_ns = None;
    }

    /// Queues the answer to something that the peer sent.
    pub(super) fn answer(&mut self, control: Control) -> Result<(), ConnectionError> {
        if self.control.len() >= MAX_QUEUED_CONTROL {
            return Err(ConnectionError::TooManyUnsent);
        }
        self.control.push_back(control);
        Ok(())
    }

    /// The state of any stream, begun or not (RFC 9113, section 5.1).
    pub(super) fn state_of(&self, id: StreamId) -> State {
        match self.streams.find(id) {
            Some(index) => self.streams.get(index).state,
            // We never push, so that even identifiers stay idle.
            None if id > self.last_stream_id || id.is_multiple_of(2) => State::Idle,
            None if self.resets.absorbs(id) || self.is_past_goaway(id) => State::ClosedByUs,
            None => State::Closed,
        }
    }

    /// Whether a stream came after the last one that we serve.
    pub(super) fn is_past_goaway(&self, id: StreamId) -> bool {
        matches!(self.closing, Closing::Final(last) if id > last)
    }

    /// Moves a stream by one step of the table that was found to be allowed; a stream that closes is removed.
    pub(super) fn advance(&mut self, index: Index, input: Input) {
        let stream = self.streams.get_mut(index);
        match stream.state.on(input) {
            Ok(Next::To(state)) => {
                stream.state = state;
                if matches!(state, State::Closed | State::ClosedByUs) {
                    let held = stream.recv_held;
                    self.give_back_held(held);
                    self.ready.unlink(&mut self.streams, index, Phase::Waiting);
                    self.streams.remove(index);
                }
            }
            other => debug_assert!(false, "{input:?} was allowed, now {other:?}"),
        }
    }

    /// Resets a stream that is open.
    pub(super) fn reset_stream(&mut self, index: Index, code: ErrorCode) {
        let id = self.streams.get(index).id;
        if code != ErrorCode::NO_ERROR {
            self.forget_ended(id);
        }
        self.resets.add(id, true);
        self.control.push_back(Control::RstStream(id, code));
        self.advance(index, Input::SendReset);
    }

    /// What a stream error is when the stream is idle: RST_STREAM must not be sent on it (RFC 9113, section 6.4).
    pub(super) fn escalate(error: StreamError) -> ConnectionError {
        match error {
            StreamError::PriorityLength => ConnectionError::IdlePriorityLength,
            StreamError::SelfDependency => ConnectionError::IdleSelfDependency,
            _ => ConnectionError::IdleStream,
        }
    }

    /// What may be sent and what may be received: of the connection, as 0, and of each stream.
    #[cfg(test)]
    pub(crate) fn windows(&self) -> Vec<(StreamId, Window, Window)> {
        let connection = (0, self.send_window, self.recv_window);
        let of = |stream: &Stream<F>| (stream.id, stream.send_window, stream.recv_window);
        std::iter::once(connection)
            .chain(self.streams.iter().map(of))
            .collect()
    }

    /// What holds between any two calls.
    pub(super) fn invariants(&self) {
        if cfg!(debug_assertions) {
            self.ready.invariants(&self.streams);
            assert!(self.streams.len() <= self.config.max_concurrent_streams as usize);
            for stream in self.streams.iter() {
                let settled =
                    !matches!(stream.phase, Phase::Waiting | Phase::Fresh | Phase::Heading);
                assert!(!settled || stream.phase == stream.rest());
            }
            assert!(
                self.pending.is_some() || !self.streams.iter().any(|s| s.phase == Phase::Heading)
            );
        }
    }
}
