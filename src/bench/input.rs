//! What comes on a connection: through TLS where it is spoken, into the protocol, to the requests in flight.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::connection::{
    Connection, H1Side, H2Side, Phase, Receiving, Spoken, code_name, tls_error,
};
use super::ending::End;
use super::h1::{H1Event, Head};
use super::options::Protocol;
use super::range::ContentRange;
use super::result::ErrorKind;
use super::worker::Shared;
use crate::h2::StreamError;
use crate::h2::client::{ClientEvent, ResponseHead};
use crate::transport::tls::Progress;
use crate::uring::RecvBuffer;

/// The least content that is worth being thrown away in the kernel: below, copying it costs less than the system calls
/// that it takes to come and go.
const DISCARD_FROM: u64 = 32 << 10;
/// Most that is thrown away at once.
const DISCARD_AT_ONCE: u64 = 1 << 30;
/// Most that is received in front of content to be thrown away: heads and frame headers.
const HEAD_BYTES: u32 = 4 << 10;
/// Receives in a row without content to be thrown away, after which the usual way is gone back to.
const SMALL_IN_A_ROW: u32 = 16;

impl Connection {
    /// A receive came back.
    pub(super) fn received(&mut self, data: Result<RecvBuffer, Errno>, shared: &mut Shared) {
        if matches!(self.phase, Phase::Closing) {
            return;
        }
        match data {
            Ok(bytes) if bytes.is_empty() => {
                // Over TLS only close_notify says that nothing is missing (RFC 9112, section 9.8).
                let end = match self.session {
                    None => End::Whole,
                    Some(_) => End::Cut,
                };
                return self.ended(end, shared);
            }
            Ok(mut bytes) => {
                self.progress_ns = shared.now_ns;
                self.heard_ns = shared.now_ns;
                shared.recorder.received(bytes.len());
                self.small += 1;
                self.handle_bytes(&mut bytes, shared);
            }
            Err(Errno::NOBUFS | Errno::CANCELED | Errno::INTR | Errno::AGAIN) => {}
            // A reset.
            Err(_) => return self.ended(End::Cut, shared),
        }
        self.go_on_receiving(shared);
    }

    /// Content was thrown away.
    pub(super) fn discarded(&mut self, result: Result<usize, Errno>, shared: &mut Shared) {
        if matches!(self.phase, Phase::Closing) {
            return;
        }
        let len = match result {
            // Content was still to come.
            Ok(0) => return self.ended(End::Cut, shared),
            Ok(len) => len,
            Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN) => 0,
            Err(_) => return self.ended(End::Cut, shared),
        };
        self.progress_ns = shared.now_ns;
        self.heard_ns = shared.now_ns;
        self.small = 0;
        shared.recorder.received(len);
        let number = self.number;
        match &mut self.spoken {
            Spoken::Nothing => {}
            Spoken::H2(side) => {
                // No more than was asked for, which is less than a frame.
                if let Some((stream, end)) = side.core.handle_discarded(len as u32)
                    && let Some(exchange) = side.exchanges.get_mut(&stream)
                {
                    exchange.progress_ns = shared.now_ns;
                    shared.recorder.body(&exchange.job, len);
                    if end && let Some(exchange) = side.exchanges.remove(&stream) {
                        shared.ended(exchange, number, stream);
                    }
                }
            }
            Spoken::H1(side) => {
                if let Some(exchange) = &mut side.exchange {
                    exchange.progress_ns = shared.now_ns;
                    shared.recorder.body(&exchange.job, len);
                }
                if side.core.handle_discarded(len as u64)
                    && let Some(exchange) = side.exchange.take()
                {
                    shared.ended(exchange, number, side.made);
                }
            }
        }
        self.refresh(shared);
        self.go_on_receiving(shared);
    }

    /// Sees to it that what comes next is received in the way that costs least.
    fn go_on_receiving(&mut self, shared: &mut Shared) {
        if matches!(self.phase, Phase::Closing) {
            return;
        }
        let left = match &self.spoken {
            _ if !shared.discards => 0,
            Spoken::Nothing => 0,
            Spoken::H2(side) => u64::from(side.core.data_left()),
            Spoken::H1(side) => side.core.data_left(),
        };
        match self.receiving {
            Receiving::Multi(receive) if left >= DISCARD_FROM => {
                shared.ring.cancel_one(receive);
                self.receiving = Receiving::Cancelling;
                self.small = 0;
            }
            Receiving::Nothing if left >= DISCARD_FROM => {
                self.discard(left.min(DISCARD_AT_ONCE) as u32, shared);
            }
            Receiving::Nothing if shared.discards && self.small < SMALL_IN_A_ROW => {
                self.receive_once(HEAD_BYTES, shared);
            }
            Receiving::Nothing => self.receive(shared),
            Receiving::Multi(_) | Receiving::Cancelling | Receiving::Once | Receiving::Discard => {}
        }
    }

    fn handle_bytes(&mut self, bytes: &mut [u8], shared: &mut Shared) {
        if matches!(self.phase, Phase::Handshake(_)) {
            return self.shake_hands(bytes, shared);
        }
        let number = self.number;
        let spoken = &mut self.spoken;
        let outcome = match &mut self.session {
            None => spoken.handle_bytes(bytes, number, shared),
            Some(session) => {
                let mut outcome = Ok(());
                let opened = session.handle_bytes(bytes, |plaintext| {
                    if outcome.is_ok() {
                        outcome = spoken.handle_bytes(plaintext, number, shared);
                    }
                });
                outcome.and(opened.map_err(|error| tls_error(&error)))
            }
        };
        if let Err(error) = outcome {
            return self.fail(error, shared);
        }
        if self
            .session
            .as_ref()
            .is_some_and(|session| session.peer_closed())
        {
            return self.ended(End::Whole, shared);
        }
        self.refresh(shared);
    }

    /// Goes on with the handshake, to begin with on no bytes.
    pub(super) fn shake_hands(&mut self, bytes: &mut [u8], shared: &mut Shared) {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return;
        };
        match handshake.handle_bytes(bytes, &mut self.raw) {
            Ok(Progress::More) => self.mark(shared),
            Ok(Progress::Done {
                session,
                mut rest,
                agreed,
            }) => {
                let protocols = &shared.plan.options.protocols;
                let chosen = match session.alpn() {
                    Some(name) => protocols.iter().find(|p| p.name().as_bytes() == name),
                    // Who knows no ALPN speaks HTTP/1.1.
                    None => protocols.iter().find(|p| **p == Protocol::Http1),
                };
                let Some(&protocol) = chosen else {
                    let reason = "the server chose none of the protocols offered".to_owned();
                    return self.fail(ErrorKind::Protocol { reason }, shared);
                };
                shared.shook_hands(self.began_ns, &agreed);
                self.session = Some(session);
                self.open(protocol, shared);
                if !rest.is_empty() {
                    self.handle_bytes(&mut rest, shared);
                }
            }
            Err(error) => {
                // The alert, if the socket takes it.
                let _ = rustix::io::write(self.socket.as_fd(), &self.raw);
                self.fail(tls_error(&error), shared);
            }
        }
    }
}

impl Spoken {
    fn handle_bytes(
        &mut self,
        bytes: &[u8],
        number: u64,
        shared: &mut Shared,
    ) -> Result<(), ErrorKind> {
        match self {
            Self::Nothing => Ok(()),
            Self::H2(side) => side.handle_bytes(bytes, number, shared),
            Self::H1(side) => side.handle_bytes(bytes, number, shared),
        }
    }
}

impl H2Side {
    fn handle_bytes(
        &mut self,
        mut input: &[u8],
        number: u64,
        shared: &mut Shared,
    ) -> Result<(), ErrorKind> {
        let mut scratch = std::mem::take(&mut shared.scratch);
        while let Some(event) = self.core.handle_bytes(&mut input, &mut scratch) {
            let ended = match event {
                ClientEvent::Response {
                    stream,
                    head,
                    end_stream,
                } => {
                    if head.status() < 200 {
                        continue;
                    }
                    self.answered = true;
                    shared
                        .plan
                        .options
                        .frame_policy
                        .observe(&mut self.core, &head);
                    if let Some(exchange) = self.exchanges.get_mut(&stream) {
                        let ranges = shared.requests.are_ranges();
                        shared.headed(exchange, &read_head(&head, ranges));
                    }
                    end_stream.then_some(stream)
                }
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    if let Some(exchange) = self.exchanges.get_mut(&stream) {
                        shared.recorder.body(&exchange.job, data.len());
                        exchange.data(data, shared.now_ns);
                    }
                    end_stream.then_some(stream)
                }
                ClientEvent::Trailers { stream, .. } => Some(stream),
                ClientEvent::Reset {
                    stream,
                    code,
                    retryable,
                    violation,
                } => {
                    let unprocessed = retryable && self.goaway.is_some();
                    let error = match (violation, self.goaway) {
                        (Some(StreamError::ContentLengthMismatch), _) => ErrorKind::ShortBody,
                        (Some(error), _) => ErrorKind::Protocol {
                            reason: error.text().to_owned(),
                        },
                        (None, Some(code)) if unprocessed => ErrorKind::Goaway {
                            code: code_name(code),
                        },
                        (None, _) => ErrorKind::Reset {
                            code: code_name(code),
                        },
                    };
                    if let Some(exchange) = self.exchanges.remove(&stream) {
                        // One that was begun to be answered was processed, whatever is said of it.
                        match retryable && exchange.first_ns == 0 {
                            true => shared.refused(exchange, number, stream, error),
                            false => shared.failed(exchange, number, stream, error),
                        }
                    }
                    None
                }
                ClientEvent::Goaway { code, .. } => {
                    self.goaway = Some(code);
                    None
                }
            };
            if let Some(stream) = ended
                && let Some(exchange) = self.exchanges.remove(&stream)
            {
                shared.ended(exchange, number, stream);
            }
        }
        shared.scratch = scratch;
        match self.core.error() {
            None => Ok(()),
            Some(error) => Err(ErrorKind::Protocol {
                reason: error.text().to_owned(),
            }),
        }
    }
}

/// What an exchange needs to know of a response.
fn read_head(head: &ResponseHead<'_>, ranges: bool) -> Head {
    Head {
        status: head.status(),
        content_length: head.content_length(),
        content_range: match ranges {
            true => head.get(b"content-range").and_then(ContentRange::parse),
            false => None,
        },
    }
}

impl H1Side {
    fn handle_bytes(
        &mut self,
        mut input: &[u8],
        number: u64,
        shared: &mut Shared,
    ) -> Result<(), ErrorKind> {
        loop {
            let event = self.core.handle_bytes(&mut input);
            let event = event.map_err(|error| ErrorKind::Protocol {
                reason: error.to_string(),
            })?;
            let Some(exchange) = &mut self.exchange else {
                return Ok(());
            };
            match event {
                None => return Ok(()),
                Some(H1Event::Head(head)) => {
                    self.answered = true;
                    shared.headed(exchange, &head);
                }
                Some(H1Event::Data(data)) => {
                    shared.recorder.body(&exchange.job, data.len());
                    exchange.data(data, shared.now_ns);
                }
                Some(H1Event::End) => {
                    if let Some(exchange) = self.exchange.take() {
                        shared.ended(exchange, number, self.made);
                    }
                }
            }
        }
    }
}

impl Shared {
    /// The head of a response came.
    fn headed(&mut self, exchange: &mut super::exchange::Exchange, head: &Head) {
        let job = exchange.job;
        let check = &self.plan.options.targets[job.target as usize].check;
        exchange.head(head, check, self.now_ns);
        self.recorder.head(&job, head.status);
        self.requests.learn(job.target, head);
    }
}
