//! A request's head from its bytes, and what makes it malformed (RFC 9112, sections 3, 5, 6.1 to 6.3; RFC 9110).

use std::ops::Range;

use httparse::{EMPTY_HEADER, Status};

use super::error::ConnectionError;
use super::limits::MAX_FIELDS;
use super::request_line::{RequestLine, is_token_byte};

/// Buffers for incomplete heads that are kept for the next connection that needs one.
const SPARE_BUFFERS: usize = 16;

/// The largest buffer that is kept, in bytes.
const SPARE_BYTES: usize = 128 << 10;

/// Fields for which there is room at first: more are rare, and room costs to be cleared.
const USUAL_FIELDS: usize = 32;

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

/// The content of a request (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// None.
    None,
    /// So many bytes, not 0.
    Length(u64),
    /// Chunks.
    Chunked,
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

/// What the fields that matter to the core said.
#[derive(Default)]
struct Seen {
    host: Option<Span>,
    content_length: Option<u64>,
    /// Whether there is a transfer-encoding, and whether it is chunked and nothing else.
    encoding: Option<bool>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

/// Parses a head of at most `max_fields` fields, from the request line to the empty line, into `scratch`.
pub(super) fn parse(
    bytes: &[u8],
    line: RequestLine,
    scheme: Scheme,
    max_fields: usize,
    scratch: &mut Scratch,
) -> Result<Meta, ConnectionError> {
    let head = &mut scratch.head;
    head.bytes.clear();
    head.bytes.extend_from_slice(bytes);
    head.fields.clear();
    head.method = Span::new(line.method());
    head.http10 = line.http10;
    let seen = head.take_fields(bytes, line.len(), max_fields)?;
    head.take_target(line, scheme, &seen)?;
    let method = &bytes[line.method()];
    Ok(Meta {
        framing: framing(&seen, line.http10)?,
        http10: line.http10,
        persistent: !seen.close && (!line.http10 || seen.keep_alive),
        // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."
        expects_continue: seen.expects_continue && !line.http10,
        is_head: method == b"HEAD",
        is_connect: method == b"CONNECT",
    })
}

impl Head {
    /// Takes the fields, which begin at `from`.
    fn take_fields(
        &mut self,
        bytes: &[u8],
        from: usize,
        max_fields: usize,
    ) -> Result<Seen, ConnectionError> {
        let mut usual = [EMPTY_HEADER; USUAL_FIELDS];
        let most = usual.len().min(max_fields);
        match httparse::parse_headers(&bytes[from..], &mut usual[..most]) {
            Ok(Status::Complete((_, fields))) => self.take_parsed(bytes, fields),
            Err(httparse::Error::TooManyHeaders) if max_fields > USUAL_FIELDS => {
                let mut many = [EMPTY_HEADER; MAX_FIELDS];
                let most = many.len().min(max_fields);
                match httparse::parse_headers(&bytes[from..], &mut many[..most]) {
                    Ok(Status::Complete((_, fields))) => self.take_parsed(bytes, fields),
                    refused => Err(refusal(&bytes[from..], refused.err())),
                }
            }
            refused => Err(refusal(&bytes[from..], refused.err())),
        }
    }

    fn take_parsed(
        &mut self,
        bytes: &[u8],
        fields: &[httparse::Header<'_>],
    ) -> Result<Seen, ConnectionError> {
        let base = bytes.as_ptr() as usize;
        let span = |part: &[u8]| {
            let at = part.as_ptr() as usize - base;
            Span::new(at..at + part.len())
        };
        let mut seen = Seen::default();
        for field in fields {
            let (name, value) = (span(field.name.as_bytes()), span(field.value));
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
        Ok(seen)
    }

    /// Takes the target apart (RFC 9112, section 3.2) and finds the authority (section 3.3).
    fn take_target(
        &mut self,
        line: RequestLine,
        scheme: Scheme,
        seen: &Seen,
    ) -> Result<(), ConnectionError> {
        match seen.host {
            Some(host) if !is_authority(&self.bytes[host.range()]) => {
                return Err(ConnectionError::Host);
            }
            None if !line.http10 => return Err(ConnectionError::HostMissing),
            _ => {}
        }
        let target = line.target();
        self.scheme = scheme.text();
        self.path = Span::new(target.clone());
        self.authority = seen.host.unwrap_or_default();
        let method = &self.bytes[line.method()];
        match &self.bytes[target.clone()] {
            _ if method == b"CONNECT" => {
                // "authority-form = uri-host ":" port", and none of these is empty.
                let authority = &self.bytes[target];
                let has_port =
                    authority.contains(&b':') && authority.last().is_some_and(u8::is_ascii_digit);
                if !is_authority(authority) || !has_port {
                    return Err(ConnectionError::Target);
                }
                self.scheme = b"";
                self.authority = self.path;
                self.path = Span::default();
                Ok(())
            }
            [b'/', ..] => Ok(()),
            b"*" if method == b"OPTIONS" => Ok(()),
            _ => self.take_absolute(target, method == b"OPTIONS"),
        }
    }

    /// Takes an absolute URI apart: "the origin server MUST ignore the received Host header field (if any) and instead
    /// use the host information of the request-target" (RFC 9112, section 3.2.2).
    #[cold]
    fn take_absolute(
        &mut self,
        target: Range<usize>,
        is_options: bool,
    ) -> Result<(), ConnectionError> {
        let uri = &self.bytes[target.clone()];
        let (scheme, skip) = match uri {
            _ if starts_with(uri, b"http://") => (Scheme::Http, 7),
            _ if starts_with(uri, b"https://") => (Scheme::Https, 8),
            _ => return Err(ConnectionError::Target),
        };
        let after = &uri[skip..];
        let authority_len = after
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(after.len());
        if !is_authority(&after[..authority_len]) {
            return Err(ConnectionError::Authority);
        }
        let path = target.start + skip + authority_len..target.end;
        self.scheme = scheme.text();
        self.authority = Span::new(target.start + skip..path.start);
        self.path = match self.bytes[path.clone()].first() {
            Some(b'/') => Span::new(path),
            Some(b'#') => return Err(ConnectionError::Target),
            rest => {
                // "If the target URI includes no path, the client MUST send "/"", or "*" for OPTIONS without a query
                // (RFC 9112, sections 3.2.1 and 3.2.4).
                let at = self.bytes.len();
                let first = if is_options && rest.is_none() {
                    b'*'
                } else {
                    b'/'
                };
                self.bytes.push(first);
                self.bytes.extend_from_within(path);
                Span::new(at..self.bytes.len())
            }
        };
        Ok(())
    }
}

fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl Seen {
    fn take_host(&mut self, value: Span) -> Result<(), ConnectionError> {
        match self.host.replace(value) {
            None => Ok(()),
            Some(_) => Err(ConnectionError::HostRepeated),
        }
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// One line, digits only: not even the same number twice, which RFC 9112, section 6.3, would allow to be taken.
    fn take_content_length(&mut self, value: &[u8]) -> Result<(), ConnectionError> {
        if self.content_length.is_some() {
            return Err(ConnectionError::ContentLengthRepeated);
        }
        self.content_length = Some(parse_content_length(value)?);
        Ok(())
    }

    fn take_encoding(&mut self, value: &[u8]) -> Result<(), ConnectionError> {
        let mut codings = value.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        // Where the chunks end is where the content ends only if they are the last coding, and chunked once. Of two
        // lines both would have to end in it.
        let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let last = codings.next().is_some_and(chunked);
        if !last || codings.clone().any(chunked) || self.encoding.is_some() {
            return Err(ConnectionError::EncodingNotChunked);
        }
        self.encoding = Some(codings.next().is_none());
        Ok(())
    }

    fn take_expect(&mut self, value: &[u8]) -> Result<(), ConnectionError> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(ConnectionError::Expectation);
        }
        self.expects_continue = true;
        Ok(())
    }
}

/// Where the content ends (RFC 9112, section 6.3). What leaves two readings is refused, though the RFC has an order in
/// which one of them wins: whoever is in front of this server may have taken the other.
fn framing(seen: &Seen, http10: bool) -> Result<Framing, ConnectionError> {
    match (seen.encoding, seen.content_length) {
        (Some(_), _) if http10 => Err(ConnectionError::EncodingInHttp10),
        (Some(_), Some(_)) => Err(ConnectionError::LengthAndEncoding),
        (Some(false), None) => Err(ConnectionError::EncodingUnknown),
        (Some(true), None) => Ok(Framing::Chunked),
        (None, None | Some(0)) => Ok(Framing::None),
        (None, Some(length)) => Ok(Framing::Length(length)),
    }
}

/// Only digits, and less than 2^64 (RFC 9110, section 8.6).
fn parse_content_length(value: &[u8]) -> Result<u64, ConnectionError> {
    let digits = (!value.is_empty()).then_some(value);
    digits
        .and_then(|digits| {
            digits.iter().try_fold(0u64, |length, byte| {
                let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
                length.checked_mul(10)?.checked_add(digit)
            })
        })
        .ok_or(ConnectionError::ContentLength)
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2) with a host that is not empty (section 4.2.1).
fn is_authority(bytes: &[u8]) -> bool {
    let (host, port) = match bytes {
        [b'[', ..] => match bytes.iter().position(|byte| *byte == b']') {
            Some(end) => {
                let address = &bytes[1..end];
                let formed = address
                    .iter()
                    .all(|byte| is_host_byte(*byte) || *byte == b':');
                if !formed || address.is_empty() {
                    return false;
                }
                (&bytes[..1], &bytes[end + 1..])
            }
            None => return false,
        },
        _ => bytes.split_at(
            bytes
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(bytes.len()),
        ),
    };
    let host_is_formed = matches!(host, b"[") || host.iter().all(|byte| is_host_byte(*byte));
    let port_is_formed = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && host_is_formed && port_is_formed
}

/// What a registered name has in it: unreserved, percent-encoded, sub-delims (RFC 3986, section 3.2.2).
const fn is_host_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < 256 {
            let byte = at as u8;
            table[at] = byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'-' | b'.'
                        | b'_'
                        | b'~'
                        | b'%'
                        | b'!'
                        | b'$'
                        | b'&'
                        | b'\''
                        | b'('
                        | b')'
                        | b'*'
                        | b'+'
                        | b','
                        | b';'
                        | b'='
                );
            at += 1;
        }
        table
    };
    TABLE[byte as usize]
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
