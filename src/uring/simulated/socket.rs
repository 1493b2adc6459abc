//! Connected sockets: what has arrived, and what was sent and is not taken off by the peer yet.

use std::collections::VecDeque;

use super::sealing::Sealing;

/// Number of a socket, in the order of their making.
pub(crate) type SocketId = usize;

/// The server's end of a connection, and the wire behind it.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Arrived and not received.
    pub(super) recv: VecDeque<u8>,
    recv_capacity: usize,
    /// Sent and not taken off by the peer.
    pub(super) send: VecDeque<u8>,
    pub(super) send_capacity: usize,
    /// The peer has ended its side, and all of it has arrived.
    pub(super) peer_ended: bool,
    /// Our side is ended.
    pub(crate) shut: bool,
    /// Closed by the server.
    pub(super) closed: bool,
    /// The connection is gone, with all that was under way.
    pub(super) reset: bool,
    /// It was cut, or an operation on it failed in a way that ends a connection.
    pub(super) failed: bool,
    /// The last send found no memory, whether there is room or not.
    pub(super) short: bool,
    /// Bytes sent in all.
    pub(crate) sent: u64,
    /// It seals what it is given to send.
    pub(super) sealing: Option<Sealing>,
}

impl Socket {
    pub(super) fn new(recv_capacity: usize, send_capacity: usize) -> Self {
        Self {
            recv: VecDeque::new(),
            recv_capacity,
            send: VecDeque::new(),
            send_capacity,
            peer_ended: false,
            shut: false,
            closed: false,
            reset: false,
            failed: false,
            short: false,
            sent: 0,
            sealing: None,
        }
    }

    /// Bytes of the peer's that can arrive now.
    pub(crate) fn arrivable(&self) -> usize {
        match self.closed || self.reset {
            // They are met by a reset.
            true => usize::MAX,
            false => self.recv_capacity - self.recv.len(),
        }
    }

    /// Bytes of the peer's arrive.
    pub(crate) fn arrive(&mut self, bytes: &[u8]) {
        if self.reset {
            return;
        }
        if self.closed {
            // One that seals is not shut before: a slow peer may not have read yet that it ends.
            self.failed |= self.sealing.is_some();
            return self.reset();
        }
        assert!(!self.peer_ended && bytes.len() <= self.arrivable());
        self.recv.extend(bytes);
    }

    /// The peer has ended its side.
    pub(crate) fn end(&mut self) {
        self.peer_ended = true;
    }

    /// The connection is dropped, by whatever lies between the two.
    pub(crate) fn cut(&mut self) {
        self.failed = true;
        self.reset();
    }

    /// All that is under way is lost.
    fn reset(&mut self) {
        self.reset = true;
        self.recv.clear();
        self.send.clear();
    }

    /// Bytes that the peer can take.
    pub(crate) fn takeable(&self) -> usize {
        self.send.len()
    }

    /// The peer takes `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        self.send.drain(..n).collect()
    }

    /// Whether the peer has taken all, and nothing more comes.
    pub(crate) fn has_ended(&self) -> bool {
        self.send.is_empty() && (self.shut || self.closed || self.reset)
    }

    /// Whether the connection ended for something that befell it, and not by what the server wanted.
    pub(crate) fn was_hurt(&self) -> bool {
        self.failed
    }

    /// Whether nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.recv.is_empty() && self.send.is_empty()
    }

    /// Room for what is sent.
    pub(super) fn room(&self) -> usize {
        // Sealed, it is more than was let in.
        self.send_capacity.saturating_sub(self.send.len())
    }

    /// The server closes it. What it has not read makes that a reset, which may destroy what is under way (RFC 9112,
    /// section 9.6).
    pub(super) fn close(&mut self) {
        self.closed = true;
        if !self.recv.is_empty() {
            self.reset();
        }
    }
}
