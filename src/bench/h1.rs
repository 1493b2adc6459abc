//! The client's side of HTTP/1.1 (RFC 9112), sans-IO: one request at a time, its response read in pieces.

use bytes::{Buf, Bytes};
use httparse::{EMPTY_HEADER, Status};

use super::range::ContentRange;

/// The longest head of a response, in bytes, and the longest line of chunked framing.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Most fields of a response.
const MAX_FIELDS: usize = 128;

/// Why a response cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum H1Error {
    #[error("the response's head is not HTTP/1.1")]
    Head,
    #[error("the response's head is too long")]
    HeadTooLong,
    #[error("the content-length is none, or there are several")]
    ContentLength,
    #[error("a transfer-encoding that is not known")]
    TransferEncoding,
    #[error("the chunked framing is broken")]
    Chunk,
    #[error("the server sent more than was asked for")]
    Unasked,
    #[error("the server switched protocols")]
    Switched,
}

/// What is known of a response from its head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Its content, when the head says how much there is.
    pub(super) content_length: Option<u64>,
    /// The range that it has of how much, by `content-range`.
    pub(super) content_range: Option<ContentRange>,
}

/// What has come of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum H1Event<'a> {
    /// Its head.
    Head(Head),
    /// Some of its content.
    Data(&'a [u8]),
    /// It is whole.
    End,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Nothing was asked for.
    Idle,
    Head,
    /// So many bytes of content.
    Content(u64),
    ChunkSize,
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
    /// The response is whole: that is to be said.
    Done,
}

/// One connection.
#[derive(Debug)]
pub(super) struct H1Connection {
    reading: Reading,
    /// A head or line that is not complete yet.
    held: Vec<u8>,
    /// What is left to be sent of the request.
    head: Bytes,
    body: Bytes,
    /// The response said that the connection ends with it.
    closes: bool,
}

impl H1Connection {
    pub(super) fn new() -> Self {
        Self {
            reading: Reading::Idle,
            held: Vec::new(),
            head: Bytes::new(),
            body: Bytes::new(),
            closes: false,
        }
    }

    /// Whether a request can be made.
    pub(super) fn is_idle(&self) -> bool {
        self.reading == Reading::Idle && !self.closes && !self.wants_transmit()
    }

    /// Whether no request can be made any more: the last response has said so, or came before its request was out.
    pub(super) fn is_over(&self) -> bool {
        self.reading == Reading::Idle && (self.closes || self.wants_transmit())
    }

    /// Makes a request of a connection that is idle.
    pub(super) fn request(&mut self, head: Bytes, body: Bytes) {
        debug_assert!(self.is_idle());
        self.reading = Reading::Head;
        self.head = head;
        self.body = body;
    }

    pub(super) fn wants_transmit(&self) -> bool {
        !self.head.is_empty() || !self.body.is_empty()
    }

    /// Gives the next bytes of the request to `put`, at most `most`: how many of them are content.
    pub(super) fn transmit(&mut self, mut most: usize, mut put: impl FnMut(&[u8])) -> usize {
        let left = self.body.len();
        for part in [&mut self.head, &mut self.body] {
            let now = part.len().min(most);
            if now > 0 {
                put(&part[..now]);
                part.advance(now);
                most -= now;
            }
        }
        left - self.body.len()
    }

    /// Consumes `input` until there is an event (call again with the rest) or nothing is left of it (`None`).
    pub(super) fn handle_bytes<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<H1Event<'i>>, H1Error> {
        loop {
            match self.reading {
                Reading::Done => {
                    self.reading = Reading::Idle;
                    return Ok(Some(H1Event::End));
                }
                Reading::Content(0) => self.reading = Reading::Done,
                Reading::Chunk(0) => self.reading = Reading::ChunkEnd,
                _ if input.is_empty() => return Ok(None),
                Reading::Idle => return Err(H1Error::Unasked),
                Reading::Head => match self.read_head(input)? {
                    // An informational response: the real one follows.
                    Some(head) if head.status < 200 => {}
                    Some(head) => return Ok(Some(H1Event::Head(head))),
                    None => return Ok(None),
                },
                Reading::Content(left) => {
                    let data = take(input, left);
                    self.reading = Reading::Content(left - data.len() as u64);
                    return Ok(Some(H1Event::Data(data)));
                }
                Reading::Chunk(left) => {
                    let data = take(input, left);
                    self.reading = Reading::Chunk(left - data.len() as u64);
                    return Ok(Some(H1Event::Data(data)));
                }
                Reading::UntilClose => {
                    return Ok(Some(H1Event::Data(std::mem::take(input))));
                }
                Reading::ChunkSize => {
                    let Some(line) = self.read_line(input)? else {
                        return Ok(None);
                    };
                    self.reading = match parse_chunk_size(&line)? {
                        0 => Reading::Trailers,
                        size => Reading::Chunk(size),
                    };
                }
                Reading::ChunkEnd => match self.read_line(input)? {
                    Some(line) if is_blank(&line) => self.reading = Reading::ChunkSize,
                    Some(_) => return Err(H1Error::Chunk),
                    None => return Ok(None),
                },
                Reading::Trailers => match self.read_line(input)? {
                    Some(line) if is_blank(&line) => self.reading = Reading::Done,
                    Some(_) => {}
                    None => return Ok(None),
                },
            }
        }
    }

    /// The stream has ended: whether a response is whole by that.
    pub(super) fn handle_end(&mut self) -> bool {
        self.closes = true;
        let whole = self.reading == Reading::UntilClose;
        if whole {
            self.reading = Reading::Idle;
        }
        whole
    }

    /// Bytes of content that come next and can be thrown away unseen, as far as they have not been given to
    /// [`H1Connection::handle_bytes`].
    pub(super) fn data_left(&self) -> u64 {
        match self.reading {
            Reading::Content(left) | Reading::Chunk(left) => left,
            _ => 0,
        }
    }

    /// The next `len` bytes of content came and are not wanted: whether the response is whole.
    pub(super) fn handle_discarded(&mut self, len: u64) -> bool {
        match &mut self.reading {
            Reading::Content(left) if *left == len => {
                self.reading = Reading::Idle;
                true
            }
            Reading::Content(left) | Reading::Chunk(left) => {
                *left = left.saturating_sub(len);
                false
            }
            _ => false,
        }
    }

    /// Reads a head, in place when all of it is there.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, H1Error> {
        let begun = self.held.len();
        if begun > 0 {
            self.held.extend_from_slice(input);
        }
        let bytes = if begun > 0 { &self.held[..] } else { *input };
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(bytes) {
            Ok(Status::Complete(len)) => {
                let (head, reading, closes) = interpret(&response)?;
                self.reading = reading;
                self.closes = closes;
                *input = &input[len - begun..];
                self.held.clear();
                Ok(Some(head))
            }
            Ok(Status::Partial) => {
                if begun == 0 {
                    self.held.extend_from_slice(input);
                }
                *input = &[];
                if self.held.len() > MAX_HEAD_BYTES {
                    return Err(H1Error::HeadTooLong);
                }
                Ok(None)
            }
            Err(_) => Err(H1Error::Head),
        }
    }

    /// Reads a line with its end.
    fn read_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, H1Error> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let line = take(input, end.map_or(input.len(), |end| end + 1) as u64);
        self.held.extend_from_slice(line);
        if self.held.len() > MAX_HEAD_BYTES {
            return Err(H1Error::Chunk);
        }
        Ok(end.map(|_| std::mem::take(&mut self.held)))
    }
}

/// What a head says: of the response, how its content is framed, and whether the connection ends with it (RFC 9112,
/// sections 6.3 and 9.3).
fn interpret(response: &httparse::Response<'_, '_>) -> Result<(Head, Reading, bool), H1Error> {
    let mut head = Head {
        status: response.code.unwrap_or_default(),
        ..Head::default()
    };
    let mut chunked = None;
    let mut closes = response.version == Some(0);
    for field in response.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = parse_length(field.value).ok_or(H1Error::ContentLength)?;
            if head.content_length.is_some_and(|other| other != length) {
                return Err(H1Error::ContentLength);
            }
            head.content_length = Some(length);
        } else if is("transfer-encoding") {
            chunked = Some(field.value.eq_ignore_ascii_case(b"chunked"));
        } else if is("connection") {
            for option in field.value.split(|&byte| byte == b',') {
                let option = option.trim_ascii();
                closes |= option.eq_ignore_ascii_case(b"close");
                closes &= !option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("content-range") {
            head.content_range = ContentRange::parse(field.value);
        }
    }
    let reading = match (head.status, chunked, head.content_length) {
        (101, ..) => return Err(H1Error::Switched),
        (100..=199, ..) => Reading::Head,
        (204 | 304, ..) => Reading::Done,
        (_, Some(false), _) => return Err(H1Error::TransferEncoding),
        (_, Some(true), _) => {
            head.content_length = None;
            Reading::ChunkSize
        }
        (_, None, Some(length)) => Reading::Content(length),
        (_, None, None) => Reading::UntilClose,
    };
    Ok((head, reading, closes || reading == Reading::UntilClose))
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let value = std::str::from_utf8(value).ok().filter(|_| digits)?;
    value.parse().ok()
}

fn parse_chunk_size(line: &[u8]) -> Result<u64, H1Error> {
    match httparse::parse_chunk_size(line) {
        Ok(Status::Complete((_, size))) => Ok(size),
        _ => Err(H1Error::Chunk),
    }
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

fn take<'i>(input: &mut &'i [u8], most: u64) -> &'i [u8] {
    let len = input.len().min(most.try_into().unwrap_or(usize::MAX));
    let (taken, rest) = input.split_at(len);
    *input = rest;
    taken
}

/// A request's head, with the empty line behind it; `fields` are names and values.
pub(super) fn request_head(
    method: &str,
    path: &str,
    authority: &str,
    fields: &[(&str, &str)],
) -> Bytes {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n");
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into()
}

#[cfg(test)]
#[path = "h1_tests.rs"]
mod tests;
