//! The protocol of a connection: one of the two cores, driven the same way.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use super::answer::{Request, Version, core_fields};
use super::seek::{self, Asker, Secured};
use super::shared::Shared;
use crate::files::FileRef;
use crate::response::{End, Response, Segment};
use crate::slot::{Plan, Slot};
use crate::uring::Owner;
use crate::{h1, h2};

/// What both cores number requests by: streams, or requests of the connection.
pub(super) type StreamId = u32;

/// What the connections of a shard are begun with.
pub(super) struct Configs {
    h1: Rc<h1::Config>,
    pub(super) h2: Rc<h2::Config>,
    /// Fields for what the HTTP/1.1 core says by itself.
    refusal_fields: Rc<RefCell<Bytes>>,
}

impl Configs {
    pub(super) fn new(timeouts: h2::Timeouts) -> Self {
        let refusal_fields = Rc::default();
        Self {
            h1: Rc::new(h1::Config {
                timeouts: h1::Timeouts {
                    idle_ns: timeouts.idle_ns,
                },
                refusal_fields: Rc::clone(&refusal_fields),
                ..h1::Config::default()
            }),
            h2: Rc::new(h2::Config {
                timeouts,
                ..h2::Config::default()
            }),
            refusal_fields,
        }
    }

    /// Another second has begun.
    pub(super) fn set_date(&self, date: Bytes) {
        *self.refusal_fields.borrow_mut() = core_fields(date);
    }
}

/// Where the cores put the head that they are reading.
#[derive(Default)]
pub(super) struct Scratch {
    h1: h1::Scratch,
    h2: h2::Scratch,
}

/// A core.
#[expect(
    clippy::large_enum_variant,
    reason = "a connection is one allocation, and most are of the larger kind"
)]
pub(super) enum Protocol {
    Http1(h1::Connection<FileRef>),
    Http2(h2::Connection<FileRef>),
}

/// Which protocol the first bytes of a connection in the clear are of; `None` when more are needed to tell. The
/// preface of HTTP/2 (RFC 9113, section 3.4) begins with a method that no other request has.
pub(super) fn told_by(first: &[u8]) -> Option<Version> {
    const BEGINNING: &[u8] = b"PRI ";
    let known = first.len().min(BEGINNING.len());
    if first[..known] != BEGINNING[..known] {
        return Some(Version::Http1);
    }
    (known == BEGINNING.len()).then_some(Version::Http2)
}

/// Whether bytes begin with a line that can be no request of HTTP/1.1, nor of what came before it, nor the beginning of a
/// TLS handshake.
pub(super) fn is_no_request(bytes: &[u8]) -> bool {
    const TLS_HANDSHAKE: u8 = 0x16;
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return false;
    };
    let line = &bytes[..end];
    let has_version = line.windows(6).any(|part| part == b" HTTP/");
    !has_version && line.len() > 1 && !line.starts_with(b"GET ") && line[0] != TLS_HANDSHAKE
}

/// The same call on either core.
macro_rules! both {
    ($self:ident, $core:ident => $call:expr) => {
        match $self {
            Self::Http1($core) => $call,
            Self::Http2($core) => $call,
        }
    };
}

/// Answers the request with this head, if that can be done at once: the heads of the two cores are two types with the
/// same methods.
macro_rules! answer {
    ($version:expr, $head:ident, $asker:expr, $shared:ident) => {{
        let mut joined = std::mem::take(&mut $shared.joined);
        let request = Request::new(
            $version,
            $head.method(),
            $head.authority(),
            $head.path(),
            $head.iter(),
            &mut joined,
        );
        let response = seek::begin($asker, &request, $shared);
        $shared.joined = joined;
        $shared.counters.requests += u64::from(response.is_some());
        response
    }};
}

impl Protocol {
    pub(super) fn http1(configs: &Configs, scheme: h1::Scheme, now_ns: u64) -> Self {
        Self::Http1(h1::Connection::new(Rc::clone(&configs.h1), scheme, now_ns))
    }

    /// HTTP/1.1 without TLS where TLS is spoken.
    pub(super) fn refused(configs: &Configs, is_head: bool, now_ns: u64) -> Self {
        Self::Http1(h1::Connection::refused(
            Rc::clone(&configs.h1),
            is_head,
            now_ns,
        ))
    }

    pub(super) fn http2(configs: &Configs, now_ns: u64) -> Self {
        Self::Http2(h2::Connection::new(Rc::clone(&configs.h2), now_ns))
    }

    /// Feeds plaintext to the core and answers its requests: at once where that can be done.
    pub(super) fn handle_bytes(
        &mut self,
        key: Owner,
        secured: Option<Secured>,
        mut input: &[u8],
        shared: &mut Shared,
    ) {
        let asker = |stream| Asker {
            connection: key,
            stream,
            secured,
        };
        // It stays where it is: a panic must not begin its counts anew, by which connections are told apart.
        let scratch = Rc::clone(&shared.scratch);
        let scratch = &mut *scratch.borrow_mut();
        match self {
            Self::Http1(core) => {
                while let Some(event) =
                    core.handle_bytes(shared.now_ns, &mut input, &mut scratch.h1)
                {
                    let h1::Event::Request { stream, head, .. } = event;
                    if let Some(response) = answer!(Version::Http1, head, asker(stream), shared) {
                        core.respond(stream, response);
                    }
                }
            }
            Self::Http2(core) => {
                while let Some(event) =
                    core.handle_bytes(shared.now_ns, &mut input, &mut scratch.h2)
                {
                    let (stream, head) = match event {
                        h2::Event::Request { stream, head, .. } => (stream, head),
                        h2::Event::Reset { .. } => {
                            shared.any_reset = true;
                            continue;
                        }
                        h2::Event::Data { .. } | h2::Event::Trailers { .. } => continue,
                    };
                    let (serial, now_ns) = (head.serial(), shared.now_ns);
                    let share = |first, kept: &mut _| core.share(first, kept);
                    if let Some(response) = shared.repeat.answer(serial, now_ns, share) {
                        shared.counters.requests += 1;
                        core.respond_again(stream, response);
                        continue;
                    }
                    shared.repeat.pure = false;
                    let made = answer!(Version::Http2, head, asker(stream), shared);
                    let answered = made.is_some().then_some(stream);
                    shared.repeat.note(serial, now_ns, answered);
                    if let Some(response) = made {
                        core.respond(stream, response);
                    }
                }
            }
        }
    }

    pub(super) fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::Http1,
            Self::Http2(_) => Version::Http2,
        }
    }

    /// Whether the request of `stream` waits for its answer.
    pub(super) fn awaits(&self, stream: StreamId) -> bool {
        match self {
            // Only the connection's end ends it.
            Self::Http1(_) => true,
            Self::Http2(core) => core.awaits(stream),
        }
    }

    pub(super) fn respond(&mut self, stream: StreamId, response: Response<FileRef>) {
        both!(self, core => core.respond(stream, response));
    }

    /// Bytes of an answer that are known and not framed yet, while its end is open; `None` when it is not, or is gone.
    pub(super) fn buffered(&self, stream: StreamId) -> Option<u64> {
        both!(self, core => core.buffered(stream))
    }

    pub(super) fn append(&mut self, stream: StreamId, segment: Segment<FileRef>) {
        match self {
            Self::Http1(core) => core.append(stream, segment),
            Self::Http2(core) => {
                core.append(stream, segment);
            }
        }
    }

    pub(super) fn finish(&mut self, stream: StreamId, end: End) {
        match self {
            Self::Http1(core) => core.finish(stream, end),
            Self::Http2(core) => {
                core.finish(stream, end);
            }
        }
    }

    pub(super) fn wants_transmit(&self) -> bool {
        both!(self, core => core.wants_transmit())
    }

    pub(super) fn poll_transmit(&mut self, now_ns: u64, slot: &mut Slot<'_, FileRef>) {
        both!(self, core => core.poll_transmit(now_ns, slot));
    }

    /// The socket took `len` bytes, and had been full before if it was `waited` for; `all` when nothing is left.
    pub(super) fn note_drained(&mut self, len: usize, all: bool, waited: bool, now_ns: u64) {
        match self {
            Self::Http1(core) => core.note_drained(len, all, now_ns),
            Self::Http2(core) => core.note_drained(len, all, waited, now_ns),
        }
    }

    /// The file of the hole at `from` cannot supply it: nothing of that stream from there on goes out. `false` when the
    /// peer was promised those bytes by what it has already, so that the connection cannot go on.
    pub(super) fn cut(&mut self, plan: &mut Plan<FileRef>, buffer: &mut [u8], from: usize) -> bool {
        match self {
            Self::Http1(core) => {
                core.body_failed();
                false
            }
            Self::Http2(core) => {
                let cut = h2::cut(plan, buffer, from);
                core.body_failed(cut);
                true
            }
        }
    }

    pub(super) fn shutdown(&mut self) {
        both!(self, core => core.shutdown());
    }

    pub(super) fn is_done(&self) -> bool {
        both!(self, core => core.is_done())
    }

    pub(super) fn is_dead(&self) -> bool {
        both!(self, core => core.is_dead())
    }

    /// Whether the core has failed, and has nothing to say but that.
    pub(super) fn has_failed(&self) -> bool {
        match self {
            // Answers to the requests before are finished first.
            Self::Http1(core) => core.error().is_some() && core.open_streams() == 0,
            Self::Http2(core) => core.error().is_some(),
        }
    }

    /// A line for what the peer got wrong, if anything.
    pub(super) fn log_failure(&self) {
        both!(self, core => if let Some(error) = core.error() {
            tracing::debug!("refused: {error}");
        });
    }

    pub(super) fn open_streams(&self) -> usize {
        both!(self, core => core.open_streams())
    }

    pub(super) fn poll_timeout(&self) -> Option<u64> {
        both!(self, core => core.poll_timeout())
    }

    pub(super) fn handle_timeout(&mut self, now_ns: u64) {
        both!(self, core => core.handle_timeout(now_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_preface_is_no_request() {
        for (bytes, is_none) in [
            (&b"INVALID CONNECTION PREFACE\r\n\r\n"[..], true),
            (b"GET / HTTP/1.1\r\n", false),
            (b"BREW /pot HTCPCP/1.0\r\n", true),
            (b"GET /\r\n", false),
            (b"\r\nGET / HTTP/1.1\r\n", false),
            (b"POST /unfinish", false),
            (b"\x16\x03\x01\x02\n", false),
            (b"", false),
        ] {
            assert_eq!(is_no_request(bytes), is_none, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_first_bytes_tell() {
        for (first, version) in [
            (&b"PRI * HTTP/2.0\r\n"[..], Some(Version::Http2)),
            (b"PRI ", Some(Version::Http2)),
            (b"PRI", None),
            (b"P", None),
            (b"", None),
            (b"POST / HTTP/1.1", Some(Version::Http1)),
            (b"GET", Some(Version::Http1)),
            (b"PRIX", Some(Version::Http1)),
            (b"\x16\x03\x01", Some(Version::Http1)),
            (b"\r\n", Some(Version::Http1)),
        ] {
            assert_eq!(told_by(first), version, "{}", first.escape_ascii());
        }
    }
}
