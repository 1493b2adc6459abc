//! What a connection receives: through the transport into the core, and each request straight to its answer.
//!
//! A request whose file is known is answered from the call that parsed it; one whose file is not leaves a note with
//! the job that opens it.

use super::answer::{self, Request, WaitingRequest};
use super::connection::{Connection, Transport};
use super::driver::Shared;
use super::open::Waiter;
use crate::files::{FileRef, Found, Lookup};
use crate::h2::{self, Event, RequestHead, Response};
use crate::http::Method;
use crate::transport::tls::Progress;
use crate::uring::Owner;

/// What a client gets that speaks HTTP/1.1, in its own words (RFC 9110, section 15.6.6).
const HTTP1_REFUSAL: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    connection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 94\r\n\r\n\
    This is HTTP/2 only. Use https:// with a browser, or curl --http2-prior-knowledge for http://\n";

/// Whether a connection begins with a request of HTTP/1.1: a method that is a word of its own, as the preface's is not.
fn is_http1(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 5] = [b"GET /", b"HEAD /", b"POST /", b"PUT /", b"OPTIONS "];
    METHODS.iter().any(|method| bytes.starts_with(method))
}

impl Connection {
    /// Takes bytes as they came from the socket; they are decrypted in place.
    pub(super) fn handle_bytes(&mut self, bytes: &mut [u8], shared: &mut Shared) {
        match &mut self.transport {
            Transport::Cleartext => {
                if !std::mem::replace(&mut self.greeted, true) && is_http1(bytes) {
                    self.raw.extend_from_slice(HTTP1_REFUSAL);
                    return self.abandon(shared);
                }
                feed(&mut self.h2, self.key, bytes, shared);
            }
            Transport::Handshake(handshake) => match handshake.handle_bytes(bytes, &mut self.raw) {
                Ok(Progress::More) => return self.mark(shared),
                Ok(Progress::Done { session, rest, .. }) => {
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
                let (h2, key) = (&mut self.h2, self.key);
                if let Err(error) =
                    session.handle_bytes(bytes, |plaintext| feed(h2, key, plaintext, shared))
                {
                    tracing::debug!(%error, "TLS session failed");
                    return self.abandon(shared);
                }
                if session.peer_closed() && self.h2.open_streams() == 0 {
                    return self.close(shared);
                }
            }
        }
        self.watch(shared);
        self.note_end(shared);
        if self.outgoing.is_none() && (self.wants_flush() || self.h2.is_done()) {
            self.mark(shared);
        }
        self.note_answers(shared);
    }

    /// A response whose file had to be opened first.
    pub(super) fn respond(
        &mut self,
        stream: h2::StreamId,
        response: Response<FileRef>,
        shared: &mut Shared,
    ) {
        self.opening -= 1;
        self.h2.respond(stream, response);
        self.note_answers(shared);
        self.mark(shared);
    }

    fn note_answers(&mut self, shared: &mut Shared) {
        self.unmapped |= std::mem::take(&mut shared.answered_unmapped);
        self.opening += std::mem::take(&mut shared.begun_opening);
    }
}

/// Feeds plaintext to the core and answers its requests.
fn feed(h2: &mut h2::Connection<FileRef>, key: Owner, mut input: &[u8], shared: &mut Shared) {
    let mut scratch = std::mem::take(&mut shared.scratch);
    while let Some(event) = h2.handle_bytes(shared.now_ns, &mut input, &mut scratch) {
        if let Event::Request { stream, head, .. } = event
            && let Some(response) = answer(key, stream, &head, shared)
        {
            shared.counters.requests += 1;
            h2.respond(stream, response);
        }
    }
    shared.scratch = scratch;
}

/// The answer, if it is known at once; else a job will give it.
fn answer(
    key: Owner,
    stream: h2::StreamId,
    head: &RequestHead<'_>,
    shared: &mut Shared,
) -> Option<Response<FileRef>> {
    let request = Request::of(head);
    if !matches!(request.method, Method::Get | Method::Head) {
        return Some(answer::method_not_allowed(request.method, &shared.clock));
    }
    let mut buffer = std::mem::take(&mut shared.path);
    let resolved = answer::resolve(head.path(), &mut buffer, request.method, &shared.clock);
    let response = match resolved {
        Err(refused) => Some(refused),
        Ok(target) => {
            let directory = target.directory;
            if directory {
                let slash = !buffer.is_empty() && buffer.last() != Some(&b'/');
                if slash {
                    buffer.push(b'/');
                }
                buffer.extend_from_slice(b"index.html");
            }
            match shared.files.lookup(&buffer, shared.now_ns) {
                Lookup::Hit(found) => {
                    shared.note(&found);
                    Some(answer::found(&found, &buffer, &request, &shared.clock))
                }
                Lookup::Open => {
                    let waiter = Waiter {
                        connection: key,
                        stream,
                        request: WaitingRequest::new(&request),
                    };
                    shared.open(&buffer, waiter);
                    shared.begun_opening += 1;
                    None
                }
            }
        }
    };
    shared.path = buffer;
    response
}

impl Shared {
    /// Remembers that an answer needs its body placed.
    pub(super) fn note(&mut self, found: &Found) {
        if let Found::File(file) = found {
            self.answered_unmapped |= file.mapping.is_none() && file.contents.is_none();
        }
    }
}
