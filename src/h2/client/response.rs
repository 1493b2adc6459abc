//! A response from a field block, and what makes it malformed (RFC 9113, sections 8.1 to 8.3).
//!
//! A block is always decoded to its end, whatever is found in it: the HPACK state must stay in step.

use crate::h2::error::{ConnectionError, StreamError};
use crate::h2::head::{Fields, Meta, Scratch, is_field_name, is_field_value, parse_content_length};
use crate::h2::hpack::{Decoder, Field, Outcome};
use crate::h2::remembered::Peer;

/// The head of a response that is well-formed. Names are in lower case.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    meta: Meta,
    fields: &'a Fields,
}

impl<'a> ResponseHead<'a> {
    pub(super) fn new(meta: Meta, scratch: &'a Scratch) -> Self {
        Self {
            meta,
            fields: scratch.fields(),
        }
    }

    /// `:status`, 100 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.meta.status
    }

    /// The value of `content-length`, when there is one.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.meta.content_length
    }

    /// The value of the first field called `name`, in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.fields.get(name)
    }

    /// Every field as (name, value) in order, without `:status`.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.fields.iter()
    }
}

/// Decodes the block of a response, or of its trailers, into `scratch`.
pub(super) fn decode(
    decoder: &mut Decoder,
    peer: &mut Peer,
    block: &[u8],
    limit: usize,
    scratch: &mut Scratch,
    trailers: bool,
) -> Result<Result<Meta, StreamError>, ConnectionError> {
    if !trailers && let Some(meta) = scratch.recall(*peer, block) {
        return Ok(Ok(meta));
    }
    let (fields, hpack) = scratch.parts();
    let mut meta = Meta::default();
    let mut malformed = None;
    let mut empty = true;
    let outcome = decoder
        .decode(block, limit, hpack, |field| {
            if malformed.is_none() {
                malformed = take(fields, &mut meta, &field, trailers, empty).err();
            }
            empty &= field.name.starts_with(b":");
        })
        .map_err(|_| ConnectionError::Compression)?;
    Ok(match (malformed, outcome) {
        (Some(error), _) => Err(error),
        (None, Outcome::TooLarge) => Err(StreamError::ResponseTooLarge),
        (None, Outcome::Complete) if meta.status == 0 && !trailers => Err(StreamError::Status),
        (None, Outcome::Complete) => {
            if !trailers {
                scratch.remember(peer, block, meta);
            }
            Ok(meta)
        }
    })
}

/// Takes one field; `empty` when only pseudo-fields came before.
fn take(
    fields: &mut Fields,
    meta: &mut Meta,
    field: &Field<'_>,
    trailers: bool,
    empty: bool,
) -> Result<(), StreamError> {
    let &Field { name, value, .. } = field;
    if !is_field_value(value) {
        return Err(StreamError::FieldValue);
    }
    if name.starts_with(b":") {
        return match name {
            _ if trailers => Err(StreamError::PseudoFieldInTrailers),
            b":status" if !empty => Err(StreamError::MisplacedPseudoField),
            b":status" if meta.status != 0 => Err(StreamError::RepeatedPseudoField),
            b":status" => {
                meta.status = parse_status(value).ok_or(StreamError::Status)?;
                Ok(())
            }
            _ => Err(StreamError::UnknownPseudoField),
        };
    }
    if !is_field_name(name) {
        return Err(StreamError::FieldName);
    }
    match name {
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
            return Err(StreamError::ConnectionField);
        }
        b"content-length" if !trailers => {
            let length = parse_content_length(value).ok_or(StreamError::ContentLength)?;
            if meta.content_length.is_some_and(|other| other != length) {
                return Err(StreamError::ContentLength);
            }
            meta.content_length = Some(length);
        }
        _ => {}
    }
    fields.push(name, value);
    Ok(())
}

/// Three digits, of which the first is not 0; 101 does not exist in HTTP/2 (RFC 9113, section 8.6).
fn parse_status(value: &[u8]) -> Option<u16> {
    match value {
        b"101" => None,
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |byte: u8| u16::from(byte - b'0');
            Some(digit(*a) * 100 + digit(*b) * 10 + digit(*c))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMIT: usize = 4_096;

    fn fields(scratch: &Scratch) -> Vec<(Vec<u8>, Vec<u8>)> {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        scratch.fields().iter().map(owned).collect()
    }

    /// The same bytes say the same only to the same decoder, and only while its table is the same.
    #[test]
    fn a_block_is_recalled_for_its_own_connection_only() {
        // `:status` 200, then the newest entry of the dynamic table; and two that insert that entry.
        let block = [0x88, 0xbe];
        let insert = |value: u8| [0x88, 0x40, 1, b'x', 1, value];
        let mut scratch = Scratch::default();
        let mut connections = [b'a', b'b'].map(|value| {
            let (mut decoder, mut peer) = (Decoder::new(LIMIT), Peer::default());
            let first = insert(value);
            decode(&mut decoder, &mut peer, &first, LIMIT, &mut scratch, false)
                .unwrap()
                .unwrap();
            (decoder, peer, value)
        });
        for round in 0..3 {
            for (decoder, peer, value) in &mut connections {
                for _ in 0..3 {
                    let meta = decode(decoder, peer, &block, LIMIT, &mut scratch, false);
                    assert_eq!(meta.unwrap().unwrap().status, 200);
                    assert_eq!(fields(&scratch), [(b"x".to_vec(), vec![*value])]);
                }
                *value = b'0' + round;
                let other = insert(*value);
                decode(decoder, peer, &other, LIMIT, &mut scratch, false)
                    .unwrap()
                    .unwrap();
            }
        }
    }

    #[test]
    fn trailers_are_not_taken_for_a_head_nor_recalled_as_one() {
        let (mut decoder, mut peer) = (Decoder::new(LIMIT), Peer::default());
        let mut scratch = Scratch::default();
        let head = [0x88];
        for _ in 0..2 {
            let decoded = decode(&mut decoder, &mut peer, &head, LIMIT, &mut scratch, false);
            assert_eq!(decoded.unwrap().unwrap().status, 200);
            let decoded = decode(&mut decoder, &mut peer, &head, LIMIT, &mut scratch, true);
            assert_eq!(decoded.unwrap(), Err(StreamError::PseudoFieldInTrailers));
        }
        let trailers = [0x00, 1, b'x', 1, b'y'];
        let decoded = decode(
            &mut decoder,
            &mut peer,
            &trailers,
            LIMIT,
            &mut scratch,
            true,
        );
        assert_eq!(decoded.unwrap().unwrap().status, 0);
        let decoded = decode(
            &mut decoder,
            &mut peer,
            &trailers,
            LIMIT,
            &mut scratch,
            false,
        );
        assert_eq!(decoded.unwrap(), Err(StreamError::Status));
    }
}
