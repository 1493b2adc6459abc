//! A connection as its client sees it.

use bytes::Bytes;

use super::asked::{Asked, End};
use super::http1::Http1;
use super::http2::Http2;
use super::secured::Transport;
use crate::uring::simulated::files::File;
use crate::uring::simulated::{Random, SocketId};

/// Bytes that a client has on the wire before it says more.
const MAX_OUT: usize = 10_000;

pub(super) enum Peer {
    Http1(Http1),
    Http2(Box<Http2>),
}

pub(super) struct Link {
    pub(super) socket: SocketId,
    pub(super) transport: Transport,
    pub(super) peer: Peer,
    /// Said, and not arrived.
    pub(super) out: Vec<u8>,
    /// Requests that are still to be made.
    pub(super) requests: usize,
    /// Most bytes that go on at once, in either direction.
    pub(super) piece: usize,
    /// About the most bytes of an answer, so that it comes to an end.
    most: usize,
    /// And of a request's content.
    most_sent: usize,
    /// Nothing is read before this time.
    pub(super) paused_until_ns: u64,
    /// It reads nothing for so long that the server may give it up.
    pub(super) stuck: bool,
    /// The client has ended its side, before it had everything if it did so early.
    pub(super) ended: bool,
    pub(super) ended_early: bool,
    /// It has said close_notify.
    closed: bool,
    /// The server has said something, in the protocol.
    pub(super) heard: bool,
    /// When the server ended its side.
    pub(super) shut_ns: Option<u64>,
    /// The client has seen the server's end.
    pub(super) over: bool,
}

impl Link {
    /// With a socket that holds so many bytes for the server, and so many for the client.
    pub(super) fn new(
        socket: SocketId,
        tls: bool,
        capacity: (usize, usize),
        random: &mut Random,
    ) -> Self {
        let piece = random.pick(&[1, 20, 1_500, 1_500, 40_000, 1 << 20]);
        let window = random.pick(&[100, 5_000, 65_535, 1 << 20]);
        let (peer, window) = match random.one_in(4) {
            true => (Peer::Http1(Http1::default()), usize::MAX),
            false => (
                Peer::Http2(Box::new(Http2::new(window, random))),
                window as usize,
            ),
        };
        let mut out = Vec::new();
        let http1 = matches!(peer, Peer::Http1(_));
        let transport = match tls {
            true => Transport::secured(http1, &mut out),
            false => Transport::Cleartext,
        };
        Self {
            socket,
            transport,
            peer,
            out,
            requests: 1 + random.below(8),
            piece,
            most: 100 * piece.min(capacity.1).min(window),
            most_sent: 100 * piece.min(capacity.0),
            paused_until_ns: 0,
            stuck: false,
            ended: false,
            ended_early: false,
            closed: false,
            heard: false,
            shut_ns: None,
            over: false,
        }
    }

    pub(super) fn asked(&self) -> Box<dyn Iterator<Item = &Asked> + '_> {
        match &self.peer {
            Peer::Http1(peer) => Box::new(peer.asked.iter()),
            Peer::Http2(peer) => Box::new(peer.asked.values()),
        }
    }

    fn asked_mut(&mut self) -> Box<dyn Iterator<Item = &mut Asked> + '_> {
        match &mut self.peer {
            Peer::Http1(peer) => Box::new(peer.asked.iter_mut()),
            Peer::Http2(peer) => Box::new(peer.asked.values_mut()),
        }
    }

    /// Whether a request has not ended.
    pub(super) fn waits(&self) -> bool {
        self.asked().any(|asked| asked.end.is_none())
    }

    /// Makes a request.
    pub(super) fn ask(&mut self, random: &mut Random, files: &[File], listing: &Bytes) {
        self.requests -= 1;
        let http1 = matches!(self.peer, Peer::Http1(_));
        let asked = Asked::any(random, http1, self.most, files, listing);
        match &mut self.peer {
            Peer::Http1(peer) if peer.closes => self.requests = 0,
            Peer::Http1(peer) => peer.ask(asked, random, files),
            Peer::Http2(peer) => {
                // The same again and again, as load generators do.
                let times = random.pick(&[1, 1, 1, 10]);
                peer.ask(&asked, times, self.most_sent, random, files);
            }
        }
    }

    /// It stops reading for as long as nobody waits.
    pub(super) fn stick(&mut self) {
        self.stuck = true;
        if let Peer::Http2(peer) = &mut self.peer {
            peer.is_slow = true;
        }
    }

    /// Says over TLS that nothing more will be said; whether that had not been said.
    pub(super) fn close(&mut self) -> bool {
        let said = !self.closed && self.transport.close(&mut self.out);
        self.closed |= said;
        said
    }

    /// Ends the client's side, in the middle of the handshake too.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.ended_early |= !self.transport.is_open();
    }

    /// Puts on the wire what there is to say.
    pub(super) fn transmit(&mut self) {
        if self.ended || self.closed || self.out.len() > MAX_OUT || !self.transport.is_open() {
            return;
        }
        let mut plain = Vec::new();
        match &mut self.peer {
            Peer::Http1(peer) => peer.transmit(&mut plain),
            Peer::Http2(peer) => peer.transmit(&mut plain),
        }
        self.transport.send(&plain, &mut self.out);
    }

    pub(super) fn take(&mut self, bytes: Vec<u8>, files: &[File]) {
        let mut said = Vec::new();
        let plain = self.transport.take(bytes, &mut said);
        self.heard |= !plain.is_empty();
        // To a side that is ended already nothing is said.
        if !self.ended && !self.closed {
            self.out.append(&mut said);
        }
        match &mut self.peer {
            Peer::Http1(peer) => peer.take(&plain, files),
            Peer::Http2(peer) => peer.take(&plain, files),
        }
    }

    /// The server's side has ended. `excused` when something befell the connection; `ending` when the server may end
    /// what is idle; it `keeps` the rest of a frame when nothing prevents it.
    pub(super) fn server_ended(
        &mut self,
        excused: bool,
        ending: bool,
        keeps: bool,
        files: &[File],
    ) {
        self.over = true;
        self.requests = 0;
        let early = self.ended_early;
        let http1 = matches!(self.peer, Peer::Http1(_));
        // On HTTP/1.1 a failed file ends the connection, and so does one on HTTP/2 in the middle of a frame of which the
        // rest could not be kept.
        let ends_all = match &self.peer {
            Peer::Http1(_) => true,
            Peer::Http2(peer) => peer.takes_large || !keeps,
        };
        let failing = |asked: &Asked| asked.end != Some(End::Complete) && asked.may_fail(files);
        let failed = ends_all && self.asked().any(failing);
        let told = early || self.transport.was_closed();
        assert!(
            excused || failed || told,
            "a session ends with a word: {}",
            self.socket
        );
        for asked in self.asked_mut().filter(|asked| asked.end.is_none()) {
            let unprocessed = http1 && ending && asked.left().is_none();
            assert!(
                excused || early || failed || unprocessed,
                "the connection ended before {asked:?}"
            );
            asked.ends(match unprocessed {
                true => End::Unprocessed,
                false => End::Lost,
            });
        }
    }
}
