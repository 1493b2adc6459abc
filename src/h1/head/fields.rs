//! The fields that tell how a request is framed, and whether the connection goes on (RFC 9112, sections 6 and 9).

use super::Span;
use crate::h1::error::ConnectionError;

/// The content of a request (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::h1) enum Framing {
    /// None.
    None,
    /// So many bytes, not 0.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What the fields that matter to the core said.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) host: Option<Span>,
    pub(super) content_length: Option<u64>,
    /// Whether there is a transfer-encoding, and whether it is chunked and nothing else.
    pub(super) encoding: Option<bool>,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Fields {
    pub(super) fn take_host(&mut self, value: Span) -> Result<(), ConnectionError> {
        match self.host.replace(value) {
            None => Ok(()),
            Some(_) => Err(ConnectionError::HostRepeated),
        }
    }

    pub(super) fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// One line, digits only: not even the same number twice, which RFC 9112, section 6.3, would allow to be taken.
    pub(super) fn take_content_length(&mut self, value: &[u8]) -> Result<(), ConnectionError> {
        if self.content_length.is_some() {
            return Err(ConnectionError::ContentLengthRepeated);
        }
        self.content_length = Some(parse_content_length(value)?);
        Ok(())
    }

    pub(super) fn take_encoding(&mut self, value: &[u8]) -> Result<(), ConnectionError> {
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

    pub(super) fn take_expect(&mut self, value: &[u8]) -> Result<(), ConnectionError> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(ConnectionError::Expectation);
        }
        self.expects_continue = true;
        Ok(())
    }
}

/// Where the content ends (RFC 9112, section 6.3). What leaves two readings is refused, though the RFC has an order in
/// which one of them wins: whoever is in front of this server may have taken the other.
pub(super) fn framing(seen: &Fields, http10: bool) -> Result<Framing, ConnectionError> {
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
