//! Kernel TLS: what a socket seals (RFC 8446, section 5.2).

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};

use crate::uring::kernel_tls::{TlsKey, TlsKeys};

/// Most plaintext of a record.
const MAX_PLAINTEXT: usize = 16_384;
/// Inner type and tag.
const OVERHEAD: usize = 1 + 16;

#[derive(Debug)]
pub(super) struct Sealing {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Sealing {
    pub(super) fn new(keys: &TlsKeys<'_>) -> Self {
        let (algorithm, key) = match keys.key {
            TlsKey::AesGcm(key) if key.len() == 16 => (&AES_128_GCM, key),
            TlsKey::AesGcm(key) => (&AES_256_GCM, key),
            TlsKey::ChaCha20Poly1305(key) => (&CHACHA20_POLY1305, &key[..]),
        };
        Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap()),
            iv: keys.iv,
            sequence: keys.sequence,
        }
    }

    /// What goes over the wire for `plaintext` of that type.
    pub(super) fn seal(&mut self, plaintext: &[u8], kind: u8) -> Vec<u8> {
        let mut wire = Vec::new();
        for piece in plaintext.chunks(MAX_PLAINTEXT) {
            let [high, low] = ((piece.len() + OVERHEAD) as u16).to_be_bytes();
            let header = [23, 3, 3, high, low];
            let mut nonce = self.iv;
            for (byte, number) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
                *byte ^= number;
            }
            self.sequence += 1;
            let nonce = Nonce::assume_unique_for_key(nonce);
            let mut text = [piece, &[kind]].concat();
            let sealed = (self.key).seal_in_place_append_tag(nonce, Aad::from(header), &mut text);
            sealed.unwrap();
            wire.extend(header);
            wire.extend(text);
        }
        wire
    }
}
