//! Decoded by others' code: miniz_oxide and ruzstd share nothing with the encoders, and brotli-decompressor is a port of
//! Google's decoder, not of its encoder.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::files::Hasher;
use crate::http::DigestAlgorithm;
use proptest::prelude::*;

fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => decode_gzip(coded),
        Coding::Br => {
            let mut bytes = Vec::new();
            let mut coded = coded;
            brotli_decompressor::BrotliDecompress(&mut coded, &mut bytes).unwrap();
            bytes
        }
        Coding::Zstd => {
            let mut decoder = ruzstd::decoding::FrameDecoder::new();
            let mut bytes = Vec::with_capacity(2 << 20);
            decoder.decode_all_to_vec(coded, &mut bytes).unwrap();
            bytes
        }
    }
}

/// A member of a gzip file (RFC 1952 section 2.3): no name, time or other field, CRC-32 and length behind.
fn decode_gzip(coded: &[u8]) -> Vec<u8> {
    let (header, rest) = coded.split_at(10);
    assert_eq!(header[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    let (deflated, trailer) = rest.split_at(rest.len() - 8);
    let bytes = miniz_oxide::inflate::decompress_to_vec(deflated).unwrap();
    let crc = !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    assert_eq!(trailer[..4], crc.to_le_bytes());
    assert_eq!(trailer[4..], (bytes.len() as u32).to_le_bytes());
    bytes
}

/// Words in an order that repeats little, `len` bytes of them.
fn text(len: usize) -> Vec<u8> {
    let words = [
        "frame ", "slot ", "range ", "<p>", "</p>\n", "window ", "ring: ", "0x1f, ",
    ];
    let mut state = 1u32;
    let mut text = Vec::new();
    while text.len() < len {
        // Numerical Recipes' generator; the high bits are the better ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(words[(state >> 29) as usize].as_bytes());
        if state >> 28 & 3 == 0 {
            text.extend_from_slice((state >> 12).to_string().as_bytes());
        }
    }
    text.truncate(len);
    text
}

#[test]
fn text_gets_much_smaller_and_comes_back() {
    for len in [600, 20_000, 200_000] {
        let text = text(len);
        for coding in MADE_HERE {
            let coded = compress(coding, &text).unwrap();
            assert!(coded.len() < len / 2, "{coding:?}: {}", coded.len());
            assert_eq!(coded.capacity(), coded.len());
            assert_eq!(decode(coding, &coded), text, "{coding:?}");
        }
    }
}

#[test]
fn what_does_not_get_smaller_is_not_coded() {
    let noise: Vec<u8> = (0..200u32)
        .flat_map(|i| {
            Hasher::digest(DigestAlgorithm::Sha256, &i.to_le_bytes())
                .field_value()
                .as_bytes()
                .to_vec()
        })
        .collect();
    // Base64 still holds only six bits a byte.
    for coding in MADE_HERE {
        assert!(compress(coding, &noise).is_some());
        let coded = compress(coding, &text(50_000)).unwrap();
        assert_eq!(compress(coding, &coded), None, "{coding:?} of {coding:?}");
        for short in [&b""[..], b"a", b"abc"] {
            assert_eq!(compress(coding, short), None);
        }
    }
}

/// The bytes that [`ENCODER`] stands for. When this fails, because of another level or version of an encoder, raise it
/// and put the new digests here: a client that resumes a download must not be given the rest of another one.
#[test]
fn the_bytes_that_the_entity_tag_names() {
    let text = text(100_000);
    let digest = |bytes: &[u8]| Hasher::digest(DigestAlgorithm::Sha256, bytes).field_value();
    let found = MADE_HERE.map(|coding| {
        let value = digest(&compress(coding, &text).unwrap());
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    });
    assert_eq!(ENCODER, 1);
    assert_eq!(
        found,
        [
            "sha-256=:2tMPmJPXqtl7D/EUFwBq/Il6DYDbIs3yjXFL4JYS37U=:",
            "sha-256=:Rs5k8jdGMXmm1SwGK74QGiueKNJqtKf8hSEdtXxpfSw=:",
            "sha-256=:YmvbpznfPcZgoE5Y5vSa7DtvqjTJmeVK/QELFT4w6yc=:",
        ]
    );
}

/// A zstd frame says how much memory its decoder needs (RFC 8878 section 3.1.1.1): as much as the whole content where
/// it is one segment, else by a window descriptor.
#[test]
fn rfc9659_the_window_is_at_most_8_mib() {
    for len in [600, 100_000, 1 << 20] {
        let coded = compress(Coding::Zstd, &text(len)).unwrap();
        assert_eq!(coded[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        let single_segment = coded[4] & 0x20 != 0;
        let (exponent, mantissa) = (coded[5] >> 3, u64::from(coded[5] & 7));
        let base = 1u64 << (10 + exponent);
        let window = if single_segment {
            len as u64
        } else {
            base + base / 8 * mantissa
        };
        assert!(window <= 8 << 20, "{window}");
    }
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..300),
        (any::<u8>(), 1usize..3000).prop_map(|(byte, len)| vec![byte; len]),
        (0usize..2000).prop_map(text),
        Just(b"0123456789".repeat(40)),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_is_coded_is_smaller_and_comes_back(bytes in any_bytes()) {
        for coding in MADE_HERE {
            if let Some(coded) = compress(coding, &bytes) {
                prop_assert!(coded.len() < bytes.len());
                prop_assert_eq!(decode(coding, &coded), &bytes[..], "{:?}", coding);
            }
        }
    }
}
