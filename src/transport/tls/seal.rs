//! Sealing: plaintext in the slot becomes a record where it lies.

use aws_lc_rs::aead::Aad;

use super::TlsError;
use super::keys::{Keys, Shape, WIRE_VERSION, content, nonce};
use super::limits::{EXPLICIT_NONCE_LEN, HEADER_LEN, KEY_UPDATE_MARGIN_DIVISOR, TAG_LEN};

/// The sending direction.
pub(super) struct Sealer {
    keys: Keys,
    shape: Shape,
    /// Records that one key may seal (RFC 8446, section 5.5).
    limit: u64,
}

impl Sealer {
    pub(super) fn new(keys: Keys, shape: Shape, limit: u64) -> Self {
        Self { keys, shape, limit }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Somebody else has sealed so many records.
    pub(super) fn note_sealed(&mut self, records: u64) {
        self.keys.sequence += records;
    }

    pub(super) fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    pub(super) fn release_keys(&mut self) {
        self.keys.release();
    }

    #[cfg(test)]
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Whether the key nears its limit.
    pub(super) fn is_worn(&self) -> bool {
        self.keys.sequence >= self.limit - (self.limit / KEY_UPDATE_MARGIN_DIVISOR).max(1)
    }

    /// Whether the key may seal nothing more.
    pub(super) fn is_exhausted(&self) -> bool {
        self.keys.sequence >= self.limit
    }

    /// Seals one record: `record` is all of it, with the plaintext behind the prefix. Writes header, explicit nonce,
    /// inner type and tag around it.
    ///
    /// # Errors
    /// [`TlsError::KeyExhausted`] at the key's limit, and `record` is as it was.
    ///
    /// # Panics
    /// When `record` is shorter than the layout's overhead.
    pub(super) fn seal(&mut self, record: &mut [u8], kind: u8) -> Result<(), TlsError> {
        if self.is_exhausted() {
            return Err(TlsError::KeyExhausted);
        }
        let layout = self.shape.layout();
        let length = record.len() - HEADER_LEN;
        let (prefix, rest) = record.split_at_mut(layout.prefix);
        let (text, tag) = rest.split_at_mut(rest.len() - TAG_LEN);
        let nonce_bytes = self.keys.nonce();

        prefix[0] = match self.shape {
            Shape::Tls13 => content::APPLICATION_DATA,
            Shape::Tls12Explicit | Shape::Tls12Implicit => kind,
        };
        prefix[1..3].copy_from_slice(&WIRE_VERSION.to_be_bytes());
        prefix[3..HEADER_LEN].copy_from_slice(&(length as u16).to_be_bytes());

        let sealed = match self.shape {
            Shape::Tls13 => {
                let last = text.len() - 1;
                text[last] = kind;
                self.keys.aead()?.seal_in_place_separate_tag(
                    nonce(nonce_bytes),
                    Aad::from(&*prefix),
                    text,
                )
            }
            Shape::Tls12Explicit | Shape::Tls12Implicit => {
                if self.shape == Shape::Tls12Explicit {
                    // The part of the nonce that the peer cannot know. It continues what the handshake began:
                    // counting from the derived IV, not from zero, no nonce can come twice under one key.
                    let explicit = &nonce_bytes[nonce_bytes.len() - EXPLICIT_NONCE_LEN..];
                    prefix[HEADER_LEN..].copy_from_slice(explicit);
                }
                let aad = self.keys.aad_tls12(kind, text.len());
                self.keys.aead()?.seal_in_place_separate_tag(
                    nonce(nonce_bytes),
                    Aad::from(aad),
                    text,
                )
            }
        };
        tag.copy_from_slice(sealed.map_err(|_| TlsError::Crypto)?.as_ref());
        self.keys.sequence += 1;
        Ok(())
    }

    /// Appends a whole sealed record with `message` to `out`.
    pub(super) fn append(
        &mut self,
        kind: u8,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        let layout = self.shape.layout();
        let start = out.len();
        out.resize(start + layout.prefix, 0);
        out.extend_from_slice(message);
        out.resize(out.len() + layout.suffix, 0);
        self.seal(&mut out[start..], kind)
            .inspect_err(|_| out.truncate(start))
    }
}
