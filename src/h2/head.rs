//! A request from a field block, and what makes it malformed (RFC 9113, sections 8.1 to 8.3).
//!
//! A block is always decoded to its end, whatever is found in it: the HPACK state must stay in step.

use super::error::{ConnectionError, StreamError};
use super::hpack::{self, Decoder, Field, Outcome};
use super::priority::Priority;
use super::remembered::{Peer, Remembered};

/// Buffers for incomplete frames that are kept for the next connection that needs one.
const SPARE_BUFFERS: usize = 16;

/// The largest buffer that is kept, in bytes.
const SPARE_BYTES: usize = 128 << 10;

/// Memory that all connections of a shard share, one call at a time: the fields of the request that is being
/// delivered, and buffers for what is incomplete. It grows to what the largest request needs and then allocates no more.
#[derive(Debug, Default)]
pub struct Scratch {
    fields: Fields,
    hpack: Vec<u8>,
    spare: Vec<Vec<u8>>,
    remembered: Remembered,
}

impl Scratch {
    /// What `block` from `peer` says, if it is the one that was decoded last.
    pub(super) fn recall(&self, peer: Peer, block: &[u8]) -> Option<Meta> {
        self.remembered.recall(peer, block)
    }

    /// Remembers what a valid `block` from `peer` says that was just decoded, if it left the decoder as it was.
    pub(super) fn remember(&mut self, peer: &mut Peer, block: &[u8], meta: Meta) {
        self.remembered.remember(peer, block, meta);
    }

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

    /// What a field section is decoded with and into; what was there before is no longer remembered.
    pub(super) fn parts(&mut self) -> (&mut Fields, &mut Vec<u8>) {
        self.remembered.forget();
        self.fields.clear();
        (&mut self.fields, &mut self.hpack)
    }

    /// The fields that were decoded last.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The request that was decoded last.
    pub(super) fn request(&self) -> RequestHead<'_> {
        RequestHead(&self.fields)
    }

    /// The trailers that were decoded last.
    pub(super) fn trailers(&self) -> Trailers<'_> {
        Trailers(&self.fields)
    }
}

/// Where a field's name and value lie: one after the other.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u32,
    name_len: u32,
    value_len: u32,
}

/// A decoded field section.
#[derive(Debug, Default)]
pub(super) struct Fields {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// In the order of [`Pseudo`].
    pseudo: [Option<Span>; 4],
    host: Option<Span>,
    /// How many field sections were decoded before.
    serial: u64,
}

/// The pseudo-fields of requests (section 8.3.1).
#[derive(Clone, Copy)]
enum Pseudo {
    Method,
    Scheme,
    Path,
    Authority,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.pseudo = [None; 4];
        self.host = None;
        self.serial += 1;
    }

    /// Appends a field that is no pseudo-field.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        let span = self.append(name, value);
        self.spans.push(span);
    }

    fn append(&mut self, name: &[u8], value: &[u8]) -> Span {
        // The casts keep the values: the list limit is far below 4 GiB.
        let span = Span {
            at: self.bytes.len() as u32,
            name_len: name.len() as u32,
            value_len: value.len() as u32,
        };
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        span
    }

    fn name(&self, span: Span) -> &[u8] {
        &self.bytes[span.at as usize..][..span.name_len as usize]
    }

    fn value(&self, span: Span) -> &[u8] {
        &self.bytes[(span.at + span.name_len) as usize..][..span.value_len as usize]
    }

    fn pseudo(&self, pseudo: Pseudo) -> &[u8] {
        self.pseudo[pseudo as usize].map_or(&[], |span| self.value(span))
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let span = self.spans.iter().find(|span| self.name(**span) == name)?;
        Some(self.value(*span))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.spans
            .iter()
            .map(|span| (self.name(*span), self.value(*span)))
    }
}

/// The head of a request that is well-formed. Names are in lower case.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a>(&'a Fields);

impl<'a> RequestHead<'a> {
    /// `:method`, a token.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.0.pseudo(Pseudo::Method)
    }

    /// `:path` with its query: begins with a slash, or is the asterisk of OPTIONS; empty for CONNECT.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        self.0.pseudo(Pseudo::Path)
    }

    /// `:scheme`; empty for CONNECT.
    #[must_use]
    pub fn scheme(&self) -> &'a [u8] {
        self.0.pseudo(Pseudo::Scheme)
    }

    /// `:authority`, or `host` where there is none; may be empty for schemes other than http and https.
    #[must_use]
    pub fn authority(&self) -> &'a [u8] {
        match (self.0.pseudo[Pseudo::Authority as usize], self.0.host) {
            (Some(span), _) | (None, Some(span)) => self.0.value(span),
            (None, None) => &[],
        }
    }

    /// A number that no other head which was delivered through the same [`Scratch`] has, but those from the same peer
    /// that say the same and came right behind this one.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.0.serial
    }

    /// The value of the first field called `name`, in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.0.get(name)
    }

    /// Every field as (name, value) in order, without the pseudo-fields.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        self.0.iter()
    }
}

/// The fields after a request's content (section 8.1).
#[derive(Clone, Copy, Debug)]
pub struct Trailers<'a>(&'a Fields);

impl<'a> Trailers<'a> {
    /// The value of the first field called `name`, in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.0.get(name)
    }

    /// Every field as (name, value) in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        self.0.iter()
    }
}

/// What the core itself needs to know of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// Of a response; 0 for a request, and for trailers.
    pub status: u16,
    pub content_length: Option<u64>,
    /// `None` without a `priority` field.
    pub priority: Option<Priority>,
    /// Whether the content comes only after 100 (Continue) (RFC 9110, section 10.1.1).
    pub expects_continue: bool,
}

/// What a field block turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    WellFormed(Meta),
    /// Larger than the list limit; the HPACK state is in step.
    TooLarge,
    Malformed(StreamError),
}

/// Decodes the block of a request from `peer` into `scratch`.
pub(super) fn decode_request(
    decoder: &mut Decoder,
    peer: &mut Peer,
    block: &[u8],
    limit: usize,
    scratch: &mut Scratch,
) -> Result<Decoded, ConnectionError> {
    if let Some(meta) = scratch.recall(*peer, block) {
        return Ok(Decoded::WellFormed(meta));
    }
    let decoded = decode(decoder, block, limit, scratch, false)?;
    if let Decoded::WellFormed(meta) = decoded {
        scratch.remember(peer, block, meta);
    }
    Ok(decoded)
}

/// Decodes the block of trailers into `scratch`.
pub(super) fn decode_trailers(
    decoder: &mut Decoder,
    block: &[u8],
    limit: usize,
    scratch: &mut Scratch,
) -> Result<Decoded, ConnectionError> {
    decode(decoder, block, limit, scratch, true)
}

/// Decodes a block that nobody wants, to keep the HPACK state in step.
pub(super) fn decode_and_discard(
    decoder: &mut Decoder,
    block: &[u8],
    scratch: &mut Scratch,
) -> Result<(), ConnectionError> {
    scratch.remembered.forget();
    match decoder.decode(block, 0, &mut scratch.hpack, |_| {}) {
        Ok(_) => Ok(()),
        Err(_) => Err(ConnectionError::Compression),
    }
}

fn decode(
    decoder: &mut Decoder,
    block: &[u8],
    limit: usize,
    scratch: &mut Scratch,
    trailers: bool,
) -> Result<Decoded, ConnectionError> {
    scratch.remembered.forget();
    let Scratch { fields, hpack, .. } = scratch;
    fields.clear();
    let mut meta = Meta::default();
    let mut malformed = None;
    let outcome: Result<Outcome, hpack::DecodeError> =
        decoder.decode(block, limit, hpack, |field| {
            if malformed.is_none() {
                malformed = take(fields, &mut meta, &field, trailers).err();
            }
        });
    Ok(
        match (
            outcome.map_err(|_| ConnectionError::Compression)?,
            malformed,
        ) {
            (_, Some(error)) => Decoded::Malformed(error),
            (Outcome::TooLarge, None) => Decoded::TooLarge,
            (Outcome::Complete, None) if trailers => Decoded::WellFormed(meta),
            (Outcome::Complete, None) => match check_request(fields) {
                Ok(()) => Decoded::WellFormed(meta),
                Err(error) => Decoded::Malformed(error),
            },
        },
    )
}

/// Takes one field, in its order.
fn take(
    fields: &mut Fields,
    meta: &mut Meta,
    field: &Field<'_>,
    trailers: bool,
) -> Result<(), StreamError> {
    let &Field {
        name,
        value,
        static_index,
        ..
    } = field;
    if !is_field_value(value) {
        return Err(StreamError::FieldValue);
    }
    let pseudo = match static_index {
        Some(1) => Some(Pseudo::Authority),
        Some(2) => Some(Pseudo::Method),
        Some(4) => Some(Pseudo::Path),
        Some(6) => Some(Pseudo::Scheme),
        // The other names of the static table are well-formed, and those of requests' pseudo-fields are above.
        Some(9..) => None,
        _ => pseudo_of(name)?,
    };
    if let Some(pseudo) = pseudo {
        if trailers {
            return Err(StreamError::PseudoFieldInTrailers);
        }
        if !fields.spans.is_empty() {
            return Err(StreamError::MisplacedPseudoField);
        }
        if fields.pseudo[pseudo as usize].is_some() {
            return Err(StreamError::RepeatedPseudoField);
        }
        fields.pseudo[pseudo as usize] = Some(fields.append(name, value));
        return Ok(());
    }
    let span = fields.append(name, value);
    fields.spans.push(span);
    match name {
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
            return Err(StreamError::ConnectionField);
        }
        b"te" if !value.eq_ignore_ascii_case(b"trailers") => return Err(StreamError::TeField),
        b"host" if !trailers => {
            if fields.host.is_some() {
                return Err(StreamError::HostMismatch);
            }
            fields.host = Some(span);
        }
        b"content-length" if !trailers => {
            let length = parse_content_length(value).ok_or(StreamError::ContentLength)?;
            if meta.content_length.is_some_and(|other| other != length) {
                return Err(StreamError::ContentLength);
            }
            meta.content_length = Some(length);
        }
        b"priority" if !trailers => {
            meta.priority = Some(meta.priority.unwrap_or_default().updated(value))
        }
        b"expect" if !trailers => {
            meta.expects_continue |= value.eq_ignore_ascii_case(b"100-continue")
        }
        _ => {}
    }
    Ok(())
}

/// The pseudo-field that a name is, if it is one; other names must be well-formed.
fn pseudo_of(name: &[u8]) -> Result<Option<Pseudo>, StreamError> {
    match name {
        b":method" => Ok(Some(Pseudo::Method)),
        b":scheme" => Ok(Some(Pseudo::Scheme)),
        b":path" => Ok(Some(Pseudo::Path)),
        b":authority" => Ok(Some(Pseudo::Authority)),
        [b':', ..] => Err(StreamError::UnknownPseudoField),
        _ if is_field_name(name) => Ok(None),
        _ => Err(StreamError::FieldName),
    }
}

/// Checks the request as a whole (section 8.3.1).
fn check_request(fields: &Fields) -> Result<(), StreamError> {
    let present = |pseudo: Pseudo| fields.pseudo[pseudo as usize].is_some();
    let method = fields.pseudo(Pseudo::Method);
    if !present(Pseudo::Method) {
        return Err(StreamError::MissingPseudoField);
    }
    if method.is_empty() || !is_all(method, TOKEN) {
        return Err(StreamError::Method);
    }
    let authority = fields.pseudo[Pseudo::Authority as usize].map(|span| fields.value(span));
    let host = fields.host.map(|span| fields.value(span));
    if let (Some(authority), Some(host)) = (authority, host)
        && !authority.eq_ignore_ascii_case(host)
        && !is_same_authority(authority, host, fields.pseudo(Pseudo::Scheme))
    {
        return Err(StreamError::HostMismatch);
    }
    if method == b"CONNECT" {
        // Section 8.5.
        let alone = !present(Pseudo::Scheme) && !present(Pseudo::Path);
        return if alone && authority.is_some_and(is_authority) {
            Ok(())
        } else {
            Err(StreamError::ConnectPseudoFields)
        };
    }
    if !present(Pseudo::Scheme) || !present(Pseudo::Path) {
        return Err(StreamError::MissingPseudoField);
    }
    let scheme = fields.pseudo(Pseudo::Scheme);
    let http = is_http(scheme);
    if !http && !is_scheme(scheme) {
        return Err(StreamError::Scheme);
    }
    let path = fields.pseudo(Pseudo::Path);
    let formed = path.first() == Some(&b'/') || (path == b"*" && method == b"OPTIONS") || !http;
    if !formed || path.is_empty() || !is_all(path, PATH) {
        return Err(StreamError::Path);
    }
    // Both that are there must be good; http and https need one.
    let good = [authority, host].into_iter().flatten().all(is_authority);
    if http && (!good || (authority.is_none() && host.is_none())) {
        return Err(StreamError::Authority);
    }
    Ok(())
}

/// Whether two authorities are the same for `scheme`: a port that is empty or the scheme's own says nothing (RFC 3986,
/// section 6.2.3).
#[cold]
fn is_same_authority(one: &[u8], other: &[u8], scheme: &[u8]) -> bool {
    let port: &[u8] = if scheme.eq_ignore_ascii_case(b"https") {
        b":443"
    } else if scheme.eq_ignore_ascii_case(b"http") {
        b":80"
    } else {
        b":"
    };
    let [one, other] = [one, other].map(|authority| {
        let shorter = authority
            .strip_suffix(port)
            .or_else(|| authority.strip_suffix(b":"));
        shorter.unwrap_or(authority)
    });
    one.eq_ignore_ascii_case(other)
}

/// Whether `bytes` can be the authority of http or https: not empty, and without user information (section 8.3.1).
fn is_authority(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_all(bytes, AUTHORITY)
}

/// Schemes are compared without regard to case (RFC 3986, section 3.1).
fn is_http(scheme: &[u8]) -> bool {
    matches!(scheme, b"https" | b"http")
        || scheme.eq_ignore_ascii_case(b"http")
        || scheme.eq_ignore_ascii_case(b"https")
}

/// RFC 3986, section 3.1.
fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Only digits, and less than 2^64 (RFC 9110, section 8.6).
pub(super) fn parse_content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

/// `tchar` of RFC 9110, section 5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What a byte may be part of: the bits below.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if is_token_byte(byte) {
            table[at] |= TOKEN;
            // Section 8.2.1: no upper case.
            if !byte.is_ascii_uppercase() {
                table[at] |= NAME;
            }
        }
        if !matches!(byte, 0 | b'\r' | b'\n') {
            table[at] |= VALUE;
        }
        if byte > b' ' && byte != 0x7f {
            table[at] |= PATH;
        }
        if byte.is_ascii_graphic() && !matches!(byte, b'@' | b'/' | b'?' | b'#' | b'\\') {
            table[at] |= AUTHORITY;
        }
        at += 1;
    }
    table
};

/// A method.
const TOKEN: u8 = 1;
/// A field name.
const NAME: u8 = 2;
/// A field value.
const VALUE: u8 = 4;
/// A path.
const PATH: u8 = 8;
/// An authority of http or https, which has no user information (section 8.3.1).
const AUTHORITY: u8 = 16;

/// Whether every byte may be part of a `class`.
#[inline]
fn is_all(bytes: &[u8], class: u8) -> bool {
    bytes
        .iter()
        .fold(class, |all, byte| all & CLASS[usize::from(*byte)])
        != 0
}

pub(super) fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && is_all(name, NAME)
}

/// No NUL, CR or LF, and no white space at either end (section 8.2.1).
pub(super) fn is_field_value(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_all(value, VALUE) && !blank(value.first()) && !blank(value.last())
}
