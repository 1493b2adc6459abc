//! Opening: a received record becomes plaintext where it lies.

use aws_lc_rs::aead::{Aad, NONCE_LEN};

use super::TlsError;
use super::keys::{Keys, Shape, WIRE_VERSION, content, nonce};
use super::limits::{
    EXPLICIT_NONCE_LEN, HEADER_LEN, MAX_EXPANSION_TLS12, MAX_EXPANSION_TLS13, TAG_LEN,
};
use crate::slot::MAX_RECORD_PLAINTEXT;

/// The receiving direction.
pub(super) struct Opener {
    keys: Keys,
    shape: Shape,
}

impl Opener {
    pub(super) fn new(keys: Keys, shape: Shape) -> Self {
        Self { keys, shape }
    }

    pub(super) fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    pub(super) fn release_keys(&mut self) {
        self.keys.release();
    }

    /// The length of the record that begins with `bytes`, header included; `None` while the header is incomplete.
    ///
    /// # Errors
    /// What the header alone shows to be wrong, so that nothing is kept of such a record.
    pub(super) fn record_len(&self, bytes: &[u8]) -> Result<Option<usize>, TlsError> {
        let Some(&[kind, major, minor, high, low]) = bytes.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let (kinds, expansion) = match self.shape {
            // RFC 8446, section 5.2: every record looks like application data; the version is to be ignored, and
            // is authenticated as part of the header.
            Shape::Tls13 => (
                content::APPLICATION_DATA..=content::APPLICATION_DATA,
                MAX_EXPANSION_TLS13,
            ),
            Shape::Tls12Explicit | Shape::Tls12Implicit => {
                let version = u16::from_be_bytes([major, minor]);
                if version != WIRE_VERSION {
                    return Err(TlsError::RecordVersion(version));
                }
                (
                    content::ALERT..=content::APPLICATION_DATA,
                    MAX_EXPANSION_TLS12,
                )
            }
        };
        if !kinds.contains(&kind) {
            return Err(TlsError::RecordKind(kind));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_RECORD_PLAINTEXT + expansion {
            return Err(TlsError::RecordOverflow);
        }
        Ok(Some(HEADER_LEN + length))
    }

    /// Opens one whole record in place: content type and plaintext.
    ///
    /// # Errors
    /// [`TlsError::BadRecordMac`], [`TlsError::NoContentType`] or [`TlsError::PlaintextOverflow`].
    pub(super) fn open<'a>(
        &mut self,
        record: &'a mut [u8],
    ) -> Result<(u8, &'a mut [u8]), TlsError> {
        let (header, body) = record
            .split_at_mut_checked(HEADER_LEN)
            .ok_or(TlsError::BadRecordMac)?;
        let outer = header[0];
        let opened = match self.shape {
            Shape::Tls13 => {
                let nonce = nonce(self.keys.nonce());
                let text = self
                    .keys
                    .aead()?
                    .open_in_place(nonce, Aad::from(&*header), body)
                    .map_err(|_| TlsError::BadRecordMac)?;
                strip_padding(text)?
            }
            Shape::Tls12Explicit => {
                let (explicit, body) = body
                    .split_at_mut_checked(EXPLICIT_NONCE_LEN)
                    .ok_or(TlsError::BadRecordMac)?;
                let mut bytes = self.keys.iv;
                bytes[NONCE_LEN - EXPLICIT_NONCE_LEN..].copy_from_slice(explicit);
                let aad = self.keys.aad_tls12(outer, plaintext_len(body)?);
                let text = self
                    .keys
                    .aead()?
                    .open_in_place(nonce(bytes), Aad::from(aad), body)
                    .map_err(|_| TlsError::BadRecordMac)?;
                (outer, text)
            }
            Shape::Tls12Implicit => {
                let bytes = self.keys.nonce();
                let aad = self.keys.aad_tls12(outer, plaintext_len(body)?);
                let text = self
                    .keys
                    .aead()?
                    .open_in_place(nonce(bytes), Aad::from(aad), body)
                    .map_err(|_| TlsError::BadRecordMac)?;
                (outer, text)
            }
        };
        if opened.1.len() > MAX_RECORD_PLAINTEXT {
            return Err(TlsError::PlaintextOverflow);
        }
        self.keys.sequence += 1;
        Ok(opened)
    }
}

/// Plaintext bytes of a TLS 1.2 record body with its tag.
fn plaintext_len(body: &[u8]) -> Result<usize, TlsError> {
    body.len()
        .checked_sub(TAG_LEN)
        .ok_or(TlsError::BadRecordMac)
}

/// Splits an inner plaintext into content type and content: the type is the last byte that is not zero (RFC 8446,
/// section 5.4).
fn strip_padding(text: &mut [u8]) -> Result<(u8, &mut [u8]), TlsError> {
    // Content, type and padding together may be one byte longer than content (RFC 8446, section 5.2).
    if text.len() > MAX_RECORD_PLAINTEXT + 1 {
        return Err(TlsError::PlaintextOverflow);
    }
    let at = text
        .iter()
        .rposition(|&byte| byte != 0)
        .ok_or(TlsError::NoContentType)?;
    Ok((text[at], &mut text[..at]))
}
