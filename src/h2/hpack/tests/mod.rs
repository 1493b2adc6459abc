//! The codec as a whole: the RFC's own examples, every violation, hostile input, and an independent implementation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod context;
mod encoding;
mod reference;
mod vectors;
mod violations;

use super::{DecodeError, Decoder, Indexing, Outcome, encode_field, encode_status, integer};
use proptest::test_runner::{Config, RngSeed};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The seed of all random tests here: the same in every run unless `HPACK_SEED` gives another.
fn seed() -> u64 {
    let seed = std::env::var("HPACK_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7_541);
    println!("HPACK_SEED={seed}");
    seed
}

pub(super) fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed()),
        ..Config::default()
    }
}

/// A small generator (xorshift) where proptest's shrinking is of no use.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(seed() | 1 << 63)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn fields(list: &[(&str, &str)]) -> Fields {
    list.iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn decode_limited(
    decoder: &mut Decoder,
    block: &[u8],
    limit: usize,
) -> Result<(Outcome, Fields), DecodeError> {
    let mut fields = Vec::new();
    let outcome = decoder.decode(block, limit, &mut Vec::new(), |field| {
        if let Some(index) = field.static_index {
            let (name, _) = super::static_table::get(usize::from(index)).unwrap();
            assert_eq!(name, field.name);
        }
        fields.push((field.name.to_vec(), field.value.to_vec()));
    })?;
    Ok((outcome, fields))
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, DecodeError> {
    let (outcome, fields) = decode_limited(decoder, block, usize::MAX)?;
    assert_eq!(outcome, Outcome::Complete);
    Ok(fields)
}

fn size_update(size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    integer::encode(&mut out, 0x20, 5, size);
    out
}
