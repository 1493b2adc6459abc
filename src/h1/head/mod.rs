//! A request's head from its bytes, and what makes it malformed (RFC 9112, sections 3, 5, 6.1 to 6.3; RFC 9110).

mod fields;
mod request_line;
mod target;

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{EMPTY_HEADER, Status};

use fields::Fields;
pub(super) use fields::Framing;
pub(super) use request_line::{RequestLine, is_token_byte};

use super::error::ConnectionError;
use super::limits::{MAX_FIELDS, MAX_REQUEST_LINE};

/// Buffers for incomplete heads that are kept for the next connection that needs one.
const SPARE_BUFFERS: usize = 16;

/// The largest buffer that is kept, in bytes.
const SPARE_BYTES: usize = 128 << 10;

/// How the connection's bytes are carried, and so what its origin-form targets are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Http => b"http",
            Self::Https => b"https",
        }
    }
}

/// Memory that all connections of a shard share, one call at a time: the head of the request that is being delivered,
/// and buffers for what is incomplete. It grows to what the largest request needs and then allocates no more.
#[derive(Debug, Default)]
pub struct Scratch {
    head: Head,
    spare: Vec<Vec<u8>>,
}

impl Scratch {
    /// An empty buffer, with memory when there is a spare one.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// The request that was parsed last.
    pub(super) fn request(&self) -> RequestHead<'_> {
        RequestHead(&self.head)
    }
}

/// A part of [`Head::bytes`].
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    at: u32,
    len: u32,
}

impl Span {
    fn new(range: Range<usize>) -> Self {
        // The casts keep the values: a head is far shorter than 4 GiB.
        Self {
            at: range.start as u32,
            len: range.len() as u32,
        }
    }

    fn range(self) -> Range<usize> {
        self.at as usize..(self.at + self.len) as usize
    }
}

/// A head that was parsed.
#[derive(Debug, Default)]
struct Head {
    /// The head as it came, but for names in lower case; then a path that was not there as such.
    bytes: Vec<u8>,
    method: Span,
    path: Span,
    authority: Span,
    scheme: &'static [u8],
    http10: bool,
    /// Names and values.
    fields: Vec<(Span, Span)>,
}

/// The head of a request that is well-formed. Names are in lower case.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a>(&'a Head);

impl<'a> RequestHead<'a> {
    fn part(&self, span: Span) -> &'a [u8] {
        &self.0.bytes[span.range()]
    }

    /// The method, a token.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.part(self.0.method)
    }

    /// The target's path with its query: begins with a slash, or is the asterisk of OPTIONS; empty for CONNECT. Of an
    /// absolute URI it is this part.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        self.part(self.0.path)
    }

    /// `http` or `https`: the connection's, or that of an absolute URI; empty for CONNECT.
    #[must_use]
    pub fn scheme(&self) -> &'a [u8] {
        self.0.scheme
    }

    /// Host and port as the client named them: those of an absolute URI, else `host`; empty when HTTP/1.0 names none.
    #[must_use]
    pub fn authority(&self) -> &'a [u8] {
        self.part(self.0.authority)
    }

    /// Whether the client speaks HTTP/1.0.
    #[must_use]
    pub fn is_http10(&self) -> bool {
        self.0.http10
    }

    /// The value of the first field called `name`, in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter()
            .find(|field| field.0 == name)
            .map(|field| field.1)
    }

    /// Every field as (name, value) in order, `host` too.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let head = self.0;
        let part = |span: Span| &head.bytes[span.range()];
        head.fields
            .iter()
            .map(move |(name, value)| (part(*name), part(*value)))
    }
}

/// What the core itself needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    pub(super) framing: Framing,
    pub(super) http10: bool,
    /// Whether the client means to go on after this request.
    pub(super) persistent: bool,
    /// Whether the client waits for 100 before it sends the content.
    pub(super) expects_continue: bool,
    /// Whether the method is HEAD.
    pub(super) is_head: bool,
    /// Whether the method is CONNECT.
    pub(super) is_connect: bool,
}

/// What heads are read with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) scheme: Scheme,
    pub(super) max_head_bytes: usize,
    pub(super) max_fields: usize,
}

/// Parses the head that `bytes` begin with into `scratch` when it is there as a whole and there is nothing to be said
/// against it: its length. Else it is to be framed first, and then parsed or refused by [`parse`].
pub(super) fn parse_at_once(
    bytes: &[u8],
    rules: Rules,
    scratch: &mut Scratch,
) -> Option<(usize, Meta)> {
    // Empty lines, of which `httparse` skips any number.
    if let Some(b'\r' | b'\n') = bytes.first() {
        return None;
    }
    let within = &bytes[..bytes.len().min(rules.max_head_bytes)];
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let fields = &mut fields[..rules.max_fields.min(MAX_FIELDS)];
    let mut request = httparse::Request::new(&mut []);
    let Ok(Status::Complete(end)) = request.parse_with_uninit_headers(within, fields) else {
        return None;
    };
    let line = RequestLine::parsed(request.method?, request.path?, request.version? == 0);
    if line.len() > MAX_REQUEST_LINE {
        return None;
    }
    let meta = scratch
        .head
        .take(&bytes[..end], line, request.headers, rules.scheme);
    Some((end, meta.ok()?))
}

/// Parses a head from its request line, which was taken apart, to its empty line into `scratch`.
pub(super) fn parse(
    bytes: &[u8],
    line: RequestLine,
    rules: Rules,
    scratch: &mut Scratch,
) -> Result<Meta, ConnectionError> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let fields = &mut fields[..rules.max_fields.min(MAX_FIELDS)];
    let section = &bytes[line.len()..];
    match httparse::parse_headers(section, fields) {
        Ok(Status::Complete((_, fields))) => scratch.head.take(bytes, line, fields, rules.scheme),
        refused => Err(refusal(section, refused.err())),
    }
}

impl Head {
    /// Takes a head of these fields.
    fn take(
        &mut self,
        bytes: &[u8],
        line: RequestLine,
        fields: &[httparse::Header<'_>],
        scheme: Scheme,
    ) -> Result<Meta, ConnectionError> {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.method = Span::new(line.method());
        self.http10 = line.http10;
        let seen = self.take_fields(bytes, fields)?;
        self.take_target(line, scheme, &seen)?;
        let method = &bytes[line.method()];
        Ok(Meta {
            framing: fields::framing(&seen, line.http10)?,
            http10: line.http10,
            persistent: !seen.close && (!line.http10 || seen.keep_alive),
            // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."
            expects_continue: seen.expects_continue && !line.http10,
            is_head: method == b"HEAD",
            is_connect: method == b"CONNECT",
        })
    }

    fn take_fields(
        &mut self,
        bytes: &[u8],
        fields: &[httparse::Header<'_>],
    ) -> Result<Fields, ConnectionError> {
        let base = bytes.as_ptr() as usize;
        let span = |part: &[u8]| {
            let at = part.as_ptr() as usize - base;
            Span::new(at..at + part.len())
        };
        let mut seen = Fields::default();
        self.fields.clear();
        for field in fields {
            let (name, value) = (span(field.name.as_bytes()), span(field.value));
            // `httparse` takes a lone LF for the end of a line.
            if !bytes[..name.range().start].ends_with(b"\r\n") {
                return Err(ConnectionError::BareLf);
            }
            let name_bytes = &mut self.bytes[name.range()];
            name_bytes.make_ascii_lowercase();
            match &*name_bytes {
                b"host" => seen.take_host(value)?,
                b"connection" => seen.take_connection(field.value),
                b"content-length" => seen.take_content_length(field.value)?,
                b"transfer-encoding" => seen.take_encoding(field.value)?,
                b"expect" => seen.take_expect(field.value)?,
                _ => {}
            }
            self.fields.push((name, value));
        }
        if !bytes.ends_with(b"\r\n\r\n") {
            return Err(ConnectionError::BareLf);
        }
        Ok(seen)
    }
}

/// What is wrong with a field section that `httparse` refused: the first line that is not a field says it.
#[cold]
fn refusal(section: &[u8], error: Option<httparse::Error>) -> ConnectionError {
    if error == Some(httparse::Error::TooManyHeaders) {
        return ConnectionError::TooManyFields;
    }
    for line in section.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let name_len = line.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let rest = &line[name_len..];
        return match rest.first() {
            None if line.is_empty() => break,
            _ if line.contains(&b'\r') => ConnectionError::BareCr,
            Some(b' ' | b'\t') if name_len == 0 => ConnectionError::LineFolding,
            Some(b' ' | b'\t') if rest.trim_ascii_start().starts_with(b":") => {
                ConnectionError::SpaceBeforeColon
            }
            Some(b':') if name_len > 0 => {
                if rest.iter().all(|&byte| is_value_byte(byte)) {
                    continue;
                }
                ConnectionError::FieldValue
            }
            _ => ConnectionError::FieldName,
        };
    }
    // Every line is a field; whatever `httparse` did not like is in one of them all the same.
    ConnectionError::FieldValue
}

/// `field-vchar`, space and tab (RFC 9110, section 5.5).
const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
