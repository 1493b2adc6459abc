//! The receiving direction: from bytes to events.
//!
//! A head that is there as a whole, and good, is parsed in place. One that is not is framed first: until it is whole,
//! only its request line and its line ends are looked at, so that what is found does not depend on how the bytes are cut.
//! What is kept between calls is a head that is incomplete, bounded by the limits; content passes through.

use memchr::memchr;

use super::connection::{Closing, Connection};
use super::content::{Content, Progress};
use super::error::ConnectionError;
use super::exchange::Exchange;
use super::head::{self, Framing, Meta, RequestHead, RequestLine, Rules, Scratch, is_token_byte};
use super::limits::MAX_REQUEST_LINE;
use crate::slot::Source;

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What the peer did that concerns the application.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request.
    Request {
        /// Its number, to be answered.
        stream: u32,
        /// Its head, well-formed.
        head: RequestHead<'a>,
        /// Whether there is no content. Content is thrown away.
        end_stream: bool,
    },
}

/// What is being read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    /// A head, or what comes before it.
    Head(Scan),
    /// Content.
    Content(Content),
    /// Nothing any more: all bytes are ignored.
    Ended,
}

impl Reading {
    pub(super) fn is_ended(self) -> bool {
        matches!(self, Self::Ended)
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self::Head(Scan::default())
    }
}

/// How far an incomplete head was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Whether there was an empty line in front of it.
    empty_line: bool,
    /// Bytes in which no further line ends.
    seen: u32,
    /// Where the last line begins.
    line_at: u32,
    /// The first line.
    request_line: Option<RequestLine>,
}

impl Scan {
    /// Looks at `bytes`, which begin with the head and have grown since the last look: the head's end, with its request
    /// line, or `None` when it is not there yet.
    fn advance(
        &mut self,
        bytes: &[u8],
        max_head_bytes: usize,
    ) -> Result<Option<(usize, RequestLine)>, ConnectionError> {
        match bytes.first() {
            Some(&TLS_HANDSHAKE) => return Err(ConnectionError::TlsOnCleartext),
            Some(&first) if !is_token_byte(first) => return Err(ConnectionError::NotHttp),
            _ => {}
        }
        loop {
            let limit = match self.request_line {
                None => max_head_bytes.min(MAX_REQUEST_LINE),
                Some(_) => max_head_bytes,
            };
            let within = &bytes[..bytes.len().min(limit)];
            let Some(lf) = memchr(b'\n', &within[self.seen as usize..]) else {
                if bytes.len() >= limit {
                    return Err(self.too_long(within));
                }
                // The casts keep the values: a head is far shorter than 4 GiB.
                self.seen = bytes.len() as u32;
                return Ok(None);
            };
            let (line_at, lf) = (self.line_at as usize, self.seen as usize + lf);
            let Some((b'\r', line)) = bytes[line_at..lf].split_last() else {
                return Err(ConnectionError::BareLf);
            };
            match self.request_line {
                None => self.request_line = Some(RequestLine::parse(line)?),
                Some(request_line) if line.is_empty() => return Ok(Some((lf + 1, request_line))),
                Some(_) => {}
            }
            self.line_at = lf as u32 + 1;
            self.seen = self.line_at;
        }
    }

    #[cold]
    fn too_long(&self, bytes: &[u8]) -> ConnectionError {
        match self.request_line {
            Some(_) => ConnectionError::HeadTooLarge,
            None if bytes.contains(&b' ') => ConnectionError::RequestLineTooLong,
            None => ConnectionError::MethodTooLong,
        }
    }

    /// Whether the method is known to be HEAD, whose answer has no content.
    pub(super) fn is_head(&self, bytes: &[u8]) -> bool {
        self.request_line.is_some() && bytes.starts_with(b"HEAD ")
    }
}

impl<F: Source> Connection<F> {
    /// Consumes `input` until there is an event (call again with the rest) or nothing is left of it (`None`).
    ///
    /// After the last request, and after a violation (see [`Connection::error`]), everything is swallowed.
    pub fn handle_bytes<'a>(
        &mut self,
        now_ns: u64,
        input: &mut &[u8],
        scratch: &'a mut Scratch,
    ) -> Option<Event<'a>> {
        let mut request = None;
        if !input.is_empty() {
            self.clocks.first_ns = None;
        }
        while request.is_none() && !input.is_empty() {
            match self.reading {
                Reading::Head(scan) => request = self.read_head(scan, now_ns, input, scratch),
                Reading::Content(content) => self.read_content(content, input),
                Reading::Ended => *input = &[],
            }
        }
        self.invariants();
        let (stream, end_stream) = request?;
        Some(Event::Request {
            stream,
            head: scratch.request(),
            end_stream,
        })
    }

    /// Reads on in a head: the request's number, and whether it has no content, when the head is complete.
    fn read_head(
        &mut self,
        scan: Scan,
        now_ns: u64,
        input: &mut &[u8],
        scratch: &mut Scratch,
    ) -> Option<(u32, bool)> {
        let rules = Rules {
            scheme: self.scheme,
            max_head_bytes: self.config.max_head_bytes,
            max_fields: self.config.max_fields,
        };
        if self.partial.is_empty()
            && let Some((len, meta)) = head::parse_at_once(input, rules, scratch)
        {
            *input = &input[len..];
            return self.begin(&meta, now_ns);
        }
        self.frame_head(scan, rules, now_ns, input, scratch)
    }

    /// The same for a head of which there may be only a part, or which is to be refused.
    #[inline(never)]
    fn frame_head(
        &mut self,
        mut scan: Scan,
        rules: Rules,
        now_ns: u64,
        input: &mut &[u8],
        scratch: &mut Scratch,
    ) -> Option<(u32, bool)> {
        let mut buffer = std::mem::take(&mut self.partial);
        let held = buffer.len();
        let arrived = *input;
        let bytes = if held == 0 {
            arrived
        } else {
            let len = arrived.len().min(rules.max_head_bytes - held);
            buffer.extend_from_slice(&arrived[..len]);
            &buffer
        };
        // "a server ... SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (section 2.2)
        if !scan.empty_line && bytes.starts_with(b"\r\n") {
            *input = &arrived[2 - held..];
            scan.empty_line = true;
            self.reading = Reading::Head(scan);
            self.clocks.incomplete_ns = None;
            scratch.give_back(buffer);
            return None;
        }
        let found = match bytes {
            b"\r" if !scan.empty_line => Ok(None),
            _ => scan.advance(bytes, rules.max_head_bytes),
        };
        let (end, request_line) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                if held == 0 {
                    buffer = scratch.buffer();
                    buffer.extend_from_slice(arrived);
                }
                *input = &[];
                self.partial = buffer;
                self.reading = Reading::Head(scan);
                self.clocks.incomplete_ns.get_or_insert(now_ns);
                return None;
            }
            Err(error) => {
                self.fail(error, scan.is_head(bytes), now_ns);
                return None;
            }
        };
        *input = &arrived[end - held..];
        let parsed = head::parse(&bytes[..end], request_line, rules, scratch);
        let is_head = scan.is_head(bytes);
        if held > 0 {
            scratch.give_back(buffer);
        }
        match parsed {
            Ok(meta) => self.begin(&meta, now_ns),
            Err(error) => {
                self.fail(error, is_head, now_ns);
                None
            }
        }
    }

    /// A head is complete.
    fn begin(&mut self, meta: &Meta, now_ns: u64) -> Option<(u32, bool)> {
        if self.queue.len() >= self.config.max_pipelined {
            self.fail_silently(ConnectionError::TooManyPipelined);
            return None;
        }
        let stream = self
            .queue
            .push(Exchange::new(meta.is_head, meta.http10, now_ns));
        let content = Content::new(meta.framing, self.config.max_drained_content);
        let end_stream = meta.framing == Framing::None;
        // A client that waits for 100 gets its answer instead, and may then send the content or not: where the next
        // request would begin is not known (RFC 9110, section 10.1.1). Neither is it after CONNECT, whose client may
        // have begun to use its tunnel.
        let in_step = end_stream || (content.is_some() && !meta.expects_continue);
        if !meta.persistent || meta.is_connect || !in_step || self.closing == Closing::Notice {
            self.end();
        } else if let Some(content) = content {
            self.reading = Reading::Content(content);
            self.clocks.incomplete_ns = Some(now_ns);
        } else {
            self.expect_request();
        }
        Some((stream, end_stream))
    }

    /// Reads on in content.
    fn read_content(&mut self, mut content: Content, input: &mut &[u8]) {
        match content.read(input) {
            Ok(Progress::More) => self.reading = Reading::Content(content),
            Ok(Progress::Done) => self.expect_request(),
            Ok(Progress::TooLong) => self.end(),
            Err(error) => self.fail_content(error),
        }
    }

    /// The next byte is that of a new request.
    fn expect_request(&mut self) {
        self.reading = Reading::default();
        self.clocks.incomplete_ns = None;
    }
}
