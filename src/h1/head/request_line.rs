//! The request line (RFC 9112, section 3): `method SP request-target SP HTTP-version`.
//!
//! Those that `httparse` takes are taken; the others are looked at here. Its one error for all does not tell 400 from 505,
//! and it refuses minor versions that RFC 9110, section 2.5, wants served, and targets that are not UTF-8.

use std::ops::Range;

use memchr::{memchr, memrchr};

use crate::h1::error::ConnectionError;

/// Where the parts of a request line are, counted from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::h1) struct RequestLine {
    method_len: u32,
    target_end: u32,
    /// Whether the client speaks HTTP/1.0: what it does not say, it does not know.
    pub(in crate::h1) http10: bool,
}

impl RequestLine {
    /// Takes a line apart, given without its line end.
    pub(in crate::h1) fn parse(line: &[u8]) -> Result<Self, ConnectionError> {
        let parts = memchr(b' ', line).zip(memrchr(b' ', line));
        let Some((method_len, target_end)) = parts.filter(|(first, last)| first < last) else {
            return Err(refusal(line));
        };
        let http10 = match &line[target_end + 1..] {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            // "the highest minor version that it implements within the same major version" (RFC 9110, section 2.5)
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => false,
            _ => return Err(refusal(line)),
        };
        let (method, target) = (&line[..method_len], &line[method_len + 1..target_end]);
        if !is_token(method) || target.is_empty() || !target.iter().all(|&b| is_target_byte(b)) {
            return Err(refusal(line));
        }
        // The casts keep the values: a line is far shorter than 4 GiB.
        Ok(Self {
            method_len: method_len as u32,
            target_end: target_end as u32,
            http10,
        })
    }

    /// A line that `httparse` took apart.
    pub(in crate::h1) fn parsed(method: &str, target: &str, http10: bool) -> Self {
        Self {
            method_len: method.len() as u32,
            target_end: (method.len() + 1 + target.len()) as u32,
            http10,
        }
    }

    pub(in crate::h1) fn method(self) -> Range<usize> {
        0..self.method_len as usize
    }

    pub(in crate::h1) fn target(self) -> Range<usize> {
        self.method_len as usize + 1..self.target_end as usize
    }

    /// The length of the line with its line end.
    pub(in crate::h1) fn len(self) -> usize {
        self.target_end as usize + " HTTP/1.1\r\n".len()
    }
}

/// What is wrong with a line that could not be taken apart.
#[cold]
fn refusal(line: &[u8]) -> ConnectionError {
    if line.contains(&b'\r') {
        return ConnectionError::BareCr;
    }
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    if !method.is_some_and(is_token) {
        return ConnectionError::Method;
    }
    match (target, version, parts.next()) {
        (Some(b""), ..) | (None, ..) | (.., Some(_)) => ConnectionError::RequestLine,
        (Some(_), None, _) => ConnectionError::Http09,
        (Some(target), Some(version), None) => match version {
            _ if !target.iter().all(|byte| is_target_byte(*byte)) => ConnectionError::Target,
            b"" => ConnectionError::RequestLine,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                ConnectionError::VersionNotSupported
            }
            _ => ConnectionError::Version,
        },
    }
}

/// A token (RFC 9110, section 5.6.2).
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// `tchar` (RFC 9110, section 5.6.2).
pub(in crate::h1) const fn is_token_byte(byte: u8) -> bool {
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

/// What a target may have in it. More than the grammar of URIs allows, as clients send more; no controls, no spaces.
const fn is_target_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}
