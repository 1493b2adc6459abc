//! The keys of one direction: AEAD key, nonce and sequence number; and how records look under them.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce,
    UnboundKey,
};
use rustls::{ConnectionTrafficSecrets, SupportedCipherSuite};

use super::TlsError;
use super::limits::{EXPLICIT_NONCE_LEN, HEADER_LEN, TAG_LEN};
use crate::slot::RecordLayout;

/// Record types (RFC 8446, section 5.1).
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
    pub(in super::super) const APPLICATION_DATA: u8 = 23;
    pub(in super::super) const HEARTBEAT: u8 = 24;
}

/// The version in every record header after the handshake, for 1.2 and 1.3 alike (RFC 8446, section 5.2).
pub(super) const WIRE_VERSION: u16 = 0x0303;

/// How records look, as far as version and AEAD decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Inner content type, implicit nonce, header as associated data (RFC 8446, section 5.2).
    Tls13,
    /// TLS 1.2 with AES-GCM: explicit nonce after the header (RFC 5288, section 3).
    Tls12Explicit,
    /// TLS 1.2 with ChaCha20-Poly1305: implicit nonce (RFC 7905, section 2).
    Tls12Implicit,
}

impl Shape {
    pub(super) fn of(suite: SupportedCipherSuite, secrets: &ConnectionTrafficSecrets) -> Self {
        match (suite, secrets) {
            (SupportedCipherSuite::Tls13(_), _) => Self::Tls13,
            (_, ConnectionTrafficSecrets::Chacha20Poly1305 { .. }) => Self::Tls12Implicit,
            _ => Self::Tls12Explicit,
        }
    }

    /// Bytes around a record's plaintext.
    pub(super) fn layout(self) -> RecordLayout {
        match self {
            Self::Tls13 => RecordLayout {
                prefix: HEADER_LEN,
                suffix: 1 + TAG_LEN,
            },
            Self::Tls12Explicit => RecordLayout {
                prefix: HEADER_LEN + EXPLICIT_NONCE_LEN,
                suffix: TAG_LEN,
            },
            Self::Tls12Implicit => RecordLayout {
                prefix: HEADER_LEN,
                suffix: TAG_LEN,
            },
        }
    }
}

/// The keys of one direction.
pub(super) struct Keys {
    secrets: ConnectionTrafficSecrets,
    /// The AEAD key as expanded for use, some 600 bytes of heap; made when first needed, which costs about as much
    /// as sealing a short record.
    aead: Option<LessSafeKey>,
    pub(super) iv: [u8; NONCE_LEN],
    /// Number of the next record.
    pub(super) sequence: u64,
}

impl Keys {
    /// # Errors
    /// [`TlsError::Crypto`] when the secrets are of no AEAD that is offered.
    pub(super) fn new(
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, TlsError> {
        let (_, _, iv) = parts(&secrets)?;
        Ok(Self {
            iv: iv.try_into().map_err(|_| TlsError::Crypto)?,
            secrets,
            aead: None,
            sequence,
        })
    }

    /// The AEAD key, expanded for use.
    ///
    /// # Errors
    /// [`TlsError::Crypto`] when the key is not of the AEAD's length.
    pub(super) fn aead(&mut self) -> Result<&LessSafeKey, TlsError> {
        match &mut self.aead {
            Some(aead) => Ok(aead),
            vacant => {
                let (algorithm, key, _) = parts(&self.secrets)?;
                let key = UnboundKey::new(algorithm, key).map_err(|_| TlsError::Crypto)?;
                Ok(vacant.insert(LessSafeKey::new(key)))
            }
        }
    }

    /// The secrets that everything follows from.
    pub(super) fn secrets(&self) -> &ConnectionTrafficSecrets {
        &self.secrets
    }

    /// Frees the expanded key.
    pub(super) fn release(&mut self) {
        self.aead = None;
    }

    /// The next record's nonce: the sequence number, padded left, XOR the IV (RFC 8446, section 5.3).
    pub(super) fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = self.iv;
        let sequence = self.sequence.to_be_bytes();
        for (byte, number) in nonce[NONCE_LEN - sequence.len()..].iter_mut().zip(sequence) {
            *byte ^= number;
        }
        nonce
    }

    /// The next record's associated data under TLS 1.2: sequence number, type, version and plaintext length
    /// (RFC 5246, section 6.2.3.3).
    pub(super) fn aad_tls12(&self, kind: u8, plaintext_len: usize) -> [u8; 13] {
        let mut aad = [0; 13];
        aad[..8].copy_from_slice(&self.sequence.to_be_bytes());
        aad[8] = kind;
        aad[9..11].copy_from_slice(&WIRE_VERSION.to_be_bytes());
        aad[11..].copy_from_slice(&(plaintext_len as u16).to_be_bytes());
        aad
    }
}

/// AEAD, key and IV.
fn parts(
    secrets: &ConnectionTrafficSecrets,
) -> Result<(&'static Algorithm, &[u8], &[u8]), TlsError> {
    Ok(match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => {
            (&AES_128_GCM, key.as_ref(), iv.as_ref())
        }
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
            (&AES_256_GCM, key.as_ref(), iv.as_ref())
        }
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            (&CHACHA20_POLY1305, key.as_ref(), iv.as_ref())
        }
        _ => return Err(TlsError::Crypto),
    })
}

/// A nonce in the form that the AEAD takes.
pub(super) fn nonce(bytes: [u8; NONCE_LEN]) -> Nonce {
    Nonce::assume_unique_for_key(bytes)
}
