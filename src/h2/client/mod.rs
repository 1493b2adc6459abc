//! The client's role (RFC 9113), sans-IO as the server's: requests go in, slots are filled, bytes go in, events come
//! out. It reads no clock: how long to wait for what is for its user to say.
//!
//! Frames, settings, windows, HPACK and field blocks on their way out are the server's; here is what differs: who
//! begins streams, what a response may look like, that push is refused, and what GOAWAY means for requests in flight.
//!
//! - [`ClientConnection`]: state, and what the application calls.
//! - `recv`, `data`, `send`: the two directions.
//! - `request`, `response`: the field sections.
//! - [`FramePolicy`]: how large the server's frames are to be.

mod data;
mod frame_policy;
mod recv;
mod request;
mod response;
mod send;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use bytes::Bytes;

use super::control::{Control, ControlQueue, Resets};
use super::error::{ConnectionError, ErrorCode};
use super::frame::StreamId;
use super::hpack::{DEFAULT_TABLE_SIZE, Decoder, Encoder};
use super::limits::{DEFAULT_WINDOW, MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE};
use super::remembered::Peer;
use super::send::PendingBlock;
use super::settings::PeerSettings;
use super::window::Window;

pub use frame_policy::FramePolicy;
pub use recv::ClientEvent;
use recv::{Block, Reading};
pub use request::Request;
pub use response::ResponseHead;

/// Streams that may be open before the server has said how many (RFC 9113, section 6.5.2 recommends that it be no
/// fewer).
const STREAMS_BEFORE_SETTINGS: u32 = 100;

/// When received bytes are given back to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credit {
    /// When half of a window is owed: few frames.
    #[default]
    AtHalf,
    /// After every DATA frame: the window is always as open as it can be.
    AtOnce,
}

/// What the client allows the server. Shared by the connections of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Window of each stream in bytes, at most 2^31-1.
    pub initial_window_size: u32,
    /// Window of the connection in bytes, 65,535 to 2^31-1.
    pub connection_window: u32,
    /// Largest payload of a frame that is accepted, in bytes, 2^14 to 2^24-1.
    pub max_frame_size: u32,
    /// Largest field section in bytes, uncompressed and with 32 for each field.
    pub max_header_list_size: u32,
    /// Table that the server's HPACK encoder may use, in bytes.
    pub header_table_size: u32,
    /// When windows are updated.
    pub credit: Credit,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            initial_window_size: 1 << 20,
            connection_window: 1 << 24,
            max_frame_size: MIN_MAX_FRAME_SIZE,
            max_header_list_size: 65_536,
            header_table_size: DEFAULT_TABLE_SIZE as u32,
            credit: Credit::default(),
        }
    }
}

/// Why a request cannot be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server's SETTINGS_MAX_CONCURRENT_STREAMS are open: try again when one has ended.
    #[error("as many streams are open as the server allows")]
    Busy,
    /// GOAWAY was sent or received, or the connection failed: a new connection is needed.
    #[error("the connection takes no more requests")]
    Closing,
    /// All identifiers are used up (RFC 9113, section 5.1.1): a new connection is needed.
    #[error("the connection has no more stream identifiers")]
    Exhausted,
}

/// A request in flight.
#[derive(Debug)]
struct Stream {
    /// To be sent: taken when HEADERS are framed.
    block: Option<Bytes>,
    /// What is left of the content.
    body: Bytes,
    /// Whether END_STREAM is framed.
    send_ended: bool,
    /// Whether it is in the queue of bodies.
    queued: bool,
    send_window: Window,
    /// Whether the request was HEAD.
    is_head: bool,
    /// Whether the final response's head has come.
    headed: bool,
    recv_ended: bool,
    recv_window: Window,
    recv_owed: u32,
    update_queued: bool,
    /// Content that is still to come, when that is known.
    content_left: Option<u64>,
}

/// Spreads stream identifiers, which are the client's own and so not hostile.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Something for each of a client's streams.
pub type StreamMap<T> = HashMap<StreamId, T, BuildHasherDefault<IdHasher>>;

/// The client's side of an HTTP/2 connection, sans-IO.
///
/// # Order of calls
/// 1. [`ClientConnection::new`] when the transport is there. Preface and SETTINGS wait to be sent.
/// 2. [`ClientConnection::request`] any time; it need not wait for the server's SETTINGS.
/// 3. Whenever [`ClientConnection::wants_transmit`] and the transport can take bytes,
///    [`ClientConnection::poll_transmit`] with a slot, whose contents go on the wire as a whole and in order.
/// 4. When bytes arrive, [`ClientConnection::handle_bytes`] again and again until it gives `None`.
/// 5. When [`ClientConnection::is_done`], flush and close. When the transport ends before, requests in flight are
///    lost, and those that [`ClientConnection::goaway`] names were not processed.
#[derive(Debug)]
pub struct ClientConnection {
    config: Rc<ClientConfig>,
    decoder: Decoder,
    decoder_peer: Peer,
    encoder: Encoder,
    peer: PeerSettings,
    /// The server's SETTINGS_MAX_CONCURRENT_STREAMS.
    max_concurrent: u32,
    settings_received: bool,

    streams: StreamMap<Stream>,
    next_id: StreamId,
    /// The highest identifier that the server was told of.
    begun: StreamId,
    /// Requests whose HEADERS are not framed yet, in the order of their identifiers. Some may be gone.
    fresh: VecDeque<StreamId>,
    /// How many of those are there.
    unsent: usize,
    /// Streams with content to send whose window is open, in turn. Some may be gone.
    bodies: VecDeque<StreamId>,
    resets: Resets,

    reading: Reading,
    /// A frame that is not complete yet.
    held: Vec<u8>,
    block: Block,
    recv_window: Window,
    recv_owed: u32,
    connection_update_queued: bool,
    /// Window of new streams for what we receive: 65,535 at least until the server has acknowledged less.
    recv_initial: u32,
    /// The largest frame that the server knows it may send, and those that it was told of since.
    max_frame_size: u32,
    announced: VecDeque<u32>,
    settings_acked: bool,

    preface_sent: bool,
    control: ControlQueue,
    pending: Option<Box<PendingBlock>>,
    send_window: Window,

    /// The last stream that the server processes.
    goaway: Option<StreamId>,
    /// Streams beyond it, not reported yet.
    unprocessed: VecDeque<StreamId>,
    /// No more requests: GOAWAY is said.
    closing: bool,
    failed: Option<ConnectionError>,
}

impl ClientConnection {
    /// The client's side of a new connection, with preface and SETTINGS waiting to be sent.
    #[must_use]
    pub fn new(config: Rc<ClientConfig>) -> Self {
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
            max_concurrent: STREAMS_BEFORE_SETTINGS,
            settings_received: false,
            streams: StreamMap::default(),
            next_id: 1,
            begun: 0,
            fresh: VecDeque::new(),
            unsent: 0,
            bodies: VecDeque::new(),
            resets: Resets::default(),
            reading: Reading::Frame,
            held: Vec::new(),
            block: Block::default(),
            recv_window: Window::new(DEFAULT_WINDOW),
            recv_owed,
            connection_update_queued: recv_owed > 0,
            recv_initial: config.initial_window_size.max(DEFAULT_WINDOW),
            max_frame_size: MIN_MAX_FRAME_SIZE,
            announced: VecDeque::from([config.max_frame_size]),
            settings_acked: false,
            preface_sent: false,
            control,
            pending: None,
            send_window: Window::new(DEFAULT_WINDOW),
            goaway: None,
            unprocessed: VecDeque::new(),
            closing: false,
            failed: None,
            config,
        }
    }

    /// Makes a request. Requests are framed in the order in which they are made, their contents in turn.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn request(&mut self, request: Request) -> Result<StreamId, RequestError> {
        if self.closing || self.goaway.is_some() || self.failed.is_some() {
            return Err(RequestError::Closing);
        }
        if self.next_id > MAX_WINDOW {
            return Err(RequestError::Exhausted);
        }
        if self.streams.len() + self.resets.open() >= self.max_concurrent as usize {
            return Err(RequestError::Busy);
        }
        let id = self.next_id;
        self.next_id += 2;
        let stream = Stream {
            block: Some(request.block),
            body: request.body,
            send_ended: false,
            queued: false,
            send_window: Window::new(self.peer.initial_window_size),
            is_head: request.is_head,
            headed: false,
            recv_ended: false,
            recv_window: Window::new(self.recv_initial),
            recv_owed: 0,
            update_queued: false,
            content_left: None,
        };
        self.streams.insert(id, stream);
        self.fresh.push_back(id);
        self.unsent += 1;
        Ok(id)
    }

    /// Gives a request up. There is no event for it. Ignored when the stream is gone.
    pub fn cancel(&mut self, stream: StreamId) {
        self.reset_stream(stream, ErrorCode::CANCEL);
    }

    /// Tells the server of another largest frame, 2^14 to 2^24-1 bytes. It may send larger ones until it acknowledges.
    pub fn set_max_frame_size(&mut self, bytes: u32) {
        self.announced
            .push_back(bytes.clamp(MIN_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE));
        self.control.push_back(Control::Settings);
    }

    /// The largest frame that the server has been told of last, in bytes.
    #[must_use]
    pub fn max_frame_size(&self) -> u32 {
        let announced = self.announced.back().copied();
        announced.unwrap_or(self.max_frame_size)
    }

    /// Begins the end: GOAWAY. Requests in flight are finished.
    pub fn shutdown(&mut self) {
        if !self.closing && self.failed.is_none() {
            self.closing = true;
            self.control.push_back(Control::Goaway);
        }
    }

    /// Whether nothing is left to send or to wait for: flush and close.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let ending = self.closing || self.goaway.is_some();
        let idle = self.streams.is_empty() && self.unprocessed.is_empty();
        (self.failed.is_some() || (ending && idle)) && !self.wants_transmit()
    }

    /// The violation of the server's that ended the connection, if one did. Every stream is gone then.
    #[must_use]
    pub fn error(&self) -> Option<ConnectionError> {
        self.failed
    }

    /// The last stream that the server has processed or will, once it has said GOAWAY. Requests on later ones can be
    /// made again on another connection (RFC 9113, section 8.7).
    #[must_use]
    pub fn goaway(&self) -> Option<StreamId> {
        self.goaway
    }

    /// Requests in flight.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// What may be sent and what may be received: of the connection, as 0, and of each stream.
    #[cfg(test)]
    pub(crate) fn windows(&self) -> Vec<(StreamId, Window, Window)> {
        let connection = (0, self.send_window, self.recv_window);
        let of = |(id, stream): (&StreamId, &Stream)| (*id, stream.send_window, stream.recv_window);
        std::iter::once(connection)
            .chain(self.streams.iter().map(of))
            .collect()
    }

    /// Ends a stream from our side.
    fn reset_stream(&mut self, id: StreamId, code: ErrorCode) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        // One that the server has not heard of is idle there: nothing may be sent on it (section 5.1).
        if stream.block.is_none() {
            self.resets.add(id, true);
            self.control.push_back(Control::RstStream(id, code));
        } else {
            self.unsent -= 1;
        }
    }

    /// Whether one more request may be framed: the server may have lowered its limit since it was made (section 5.1.2).
    fn may_begin(&self) -> bool {
        let begun = self.streams.len() - self.unsent + self.resets.open();
        begun < self.max_concurrent as usize
    }

    /// Removes a stream when both sides have ended it.
    fn retire(&mut self, id: StreamId) {
        let over = |stream: &Stream| stream.recv_ended && stream.send_ended;
        if self.streams.get(&id).is_some_and(over) {
            self.streams.remove(&id);
        }
    }

    /// Ends the connection: GOAWAY, and nothing else any more.
    fn fail(&mut self, error: ConnectionError) {
        self.failed = Some(error);
        // Preface and SETTINGS come first, whatever happens (section 3.4).
        let first = self.control.front() == Some(&Control::Settings) && !self.preface_sent;
        self.control.clear();
        if first {
            self.control.push_back(Control::Settings);
        }
        self.control.push_back(Control::Goaway);
        self.streams.clear();
        self.fresh.clear();
        self.unsent = 0;
        self.bodies.clear();
        self.unprocessed.clear();
        self.resets = Resets::default();
        self.block = Block::default();
        self.held = Vec::new();
        self.reading = Reading::Failed;
    }
}
