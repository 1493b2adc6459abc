//! What a connection receives: through the transport into the core, and each request straight to its answer.
//!
//! A request whose file is known is answered from the call that parsed it; one whose file is not leaves a note with
//! the job that opens it.

use std::cell::Cell;

use super::answer::{self, Version};
use super::connection::{Connection, Transport};
use super::listings::{Listed, Sending};
use super::open::Waiter;
use super::protocol::{Protocol, is_no_request, told_by};
use super::seek::{self, Outcome, Secured, Stage};
use super::shared::{Product, Shared};
use crate::files::FileRef;
use crate::h1::Scheme;
use crate::listing::Pieces;
use crate::response::{End, Response};
use crate::transport::tls::Progress;

impl Connection {
    /// Takes bytes as they came from the socket; they are decrypted in place.
    pub(super) fn handle_bytes(&mut self, bytes: &mut [u8], shared: &mut Shared) {
        if let Transport::Handshake(handshake) = &self.transport
            && !handshake.has_begun()
            && bytes.first().is_some_and(u8::is_ascii_uppercase)
        {
            // A method, which can be no record of TLS: its sender would not understand an alert.
            let is_head = bytes.starts_with(b"HEAD ");
            self.protocol = Protocol::refused(&shared.configs, is_head, shared.now_ns);
            self.transport = Transport::Cleartext;
            self.first = None;
        }
        match &mut self.transport {
            Transport::Cleartext => {
                self.handle_plaintext(bytes, shared);
                self.note_answers(shared);
            }
            Transport::Handshake(handshake) => match handshake.handle_bytes(bytes, &mut self.raw) {
                Ok(Progress::More) => return self.mark(shared),
                Ok(Progress::Done {
                    session,
                    rest,
                    agreed,
                }) => {
                    if session.alpn() != Some(b"h2") {
                        self.protocol =
                            Protocol::http1(&shared.configs, Scheme::Https, shared.now_ns);
                    }
                    self.certificate = agreed
                        .server_name
                        .map(|name| shared.sites.certificate(name.as_bytes()));
                    self.transport = Transport::Session(session);
                    self.mark(shared);
                    self.watch(shared);
                    let mut rest = rest;
                    if !rest.is_empty() {
                        self.handle_bytes(&mut rest, shared);
                    }
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    return self.abandon(shared);
                }
            },
            Transport::Session(session) => {
                let (protocol, key) = (&mut self.protocol, self.key);
                let secured = Some(Secured(self.certificate));
                let handled = session.handle_bytes(bytes, |plaintext| {
                    protocol.handle_bytes(key, secured, plaintext, shared);
                });
                // Whatever came behind them, the requests that were begun are of this connection.
                self.note_answers(shared);
                if let Err(error) = handled {
                    tracing::debug!(%error, "TLS session failed");
                    return self.abandon(shared);
                }
            }
        }
        self.forget_ended(shared);
        self.watch(shared);
        self.note_end(shared);
        let comes_to_its_end = self.protocol.is_done() || self.is_told_all();
        if self.outgoing.is_none() && (self.wants_flush() || comes_to_its_end) {
            self.mark(shared);
        }
    }

    /// In the clear, the first bytes tell the protocol.
    fn handle_plaintext(&mut self, bytes: &[u8], shared: &mut Shared) {
        let Some(mut first) = self.first.take() else {
            return self.protocol.handle_bytes(self.key, None, bytes, shared);
        };
        first.extend_from_slice(&bytes[..bytes.len().min(4)]);
        match told_by(&first) {
            None => {
                self.first = Some(first);
                return;
            }
            // A preface that went wrong, which a client of HTTP/2 is to be told in its own protocol.
            Some(Version::Http1) if is_no_request(bytes) => {}
            Some(Version::Http1) => {
                self.protocol = Protocol::http1(&shared.configs, Scheme::Http, shared.now_ns);
            }
            Some(Version::Http2) => {}
        }
        let before = first.len() - bytes.len().min(4);
        self.protocol
            .handle_bytes(self.key, None, &first[..before], shared);
        self.protocol.handle_bytes(self.key, None, bytes, shared);
    }

    /// A request whose file was opened is answered, or waits for something else.
    pub(super) fn resume(&mut self, waiter: &Waiter, outcome: &Outcome, shared: &mut Shared) {
        if !self.awaits(waiter) {
            return self.give_up_request(shared);
        }
        self.opening -= 1;
        let response = seek::resume(waiter, outcome, shared);
        self.respond(waiter, response, shared);
    }

    /// Whether a request that waits for something still waits for its answer, or for the end of that.
    pub(super) fn awaits(&self, waiter: &Waiter) -> bool {
        let stream = waiter.asker.stream;
        let awaited = match waiter.stage {
            Stage::Trailers(_) => self.protocol.buffered(stream).is_some(),
            _ => self.protocol.awaits(stream),
        };
        self.answers() && awaited
    }

    /// What is done off the loop, or waits to be done, for requests that the call at hand has ended is given up.
    fn forget_ended(&mut self, shared: &mut Shared) {
        let any_ended = std::mem::take(&mut shared.any_reset) || !self.answers();
        if !any_ended || self.opening == 0 {
            return;
        }
        let given_up = shared.jobs.give_up(self.key, |waiter| !self.awaits(waiter));
        let given_up = Cell::new(given_up);
        shared.offload.forget(|waiter| {
            let is_ours = waiter.asker.connection == self.key && !waiter.stage.is_for_others();
            let gone = is_ours && !self.awaits(waiter);
            given_up.set(given_up.get() + u32::from(gone));
            gone
        });
        self.opening -= given_up.get();
    }

    /// Nothing more is done for a request that waited for something, since nobody awaits its answer any more.
    pub(super) fn give_up_request(&mut self, shared: &mut Shared) {
        self.opening -= 1;
        if self.answers() {
            // It may have been the last that the connection waited for.
            self.mark(shared);
        }
    }

    /// What was done off the loop for a request of this connection has come.
    pub(super) fn take(&mut self, waiter: &Waiter, product: Option<Product>, shared: &mut Shared) {
        match (&waiter.stage, product) {
            (Stage::Trailers(digesting), product) => {
                let end = match product {
                    Some(Product::Digested(digested)) => {
                        let digests = digesting.trailers(digested, shared);
                        match answer::trailers(&digests, self.protocol.version()) {
                            trailers if trailers.is_empty() => End::Done,
                            trailers => End::Trailers(trailers),
                        }
                    }
                    _ => End::Done,
                };
                self.opening -= 1;
                self.protocol.finish(waiter.asker.stream, end);
                self.mark(shared);
            }
            (Stage::Listing, Some(Product::Listed(listed))) => self.list(waiter, listed, shared),
            (_, None) => self.resume(waiter, &Err(500), shared),
            (_, Some(product)) => {
                if !self.awaits(waiter) {
                    return self.give_up_request(shared);
                }
                self.opening -= 1;
                let response = seek::resume_with(waiter, product, shared);
                self.respond(waiter, response, shared);
            }
        }
    }

    fn list(&mut self, waiter: &Waiter, listed: Listed, shared: &mut Shared) {
        let ready = match listed {
            Ok(ready) => ready,
            Err(status) => return self.resume(waiter, &Err(status), shared),
        };
        if !shared.listings.take(&ready.listing) {
            return self.resume(waiter, &Err(503), shared);
        }
        self.opening -= 1;
        let response = seek::list(waiter, &ready, shared);
        self.respond(waiter, Some(response), shared);
        let stream = waiter.asker.stream;
        if self.protocol.buffered(stream).is_some() {
            self.listings.push(Sending {
                stream,
                pieces: Pieces::new(ready.listing),
            });
        }
    }

    fn respond(
        &mut self,
        waiter: &Waiter,
        response: Option<Response<FileRef>>,
        shared: &mut Shared,
    ) {
        if let Some(response) = response {
            shared.counters.requests += 1;
            self.protocol.respond(waiter.asker.stream, response);
            self.mark(shared);
        }
        self.note_answers(shared);
    }

    /// Takes over what the call at hand has begun for this connection.
    pub(super) fn note_answers(&mut self, shared: &mut Shared) {
        self.opening += std::mem::take(&mut shared.begun_opening);
    }
}
