//! Prefixed integers (RFC 7541, section 5.1).

use super::DecodeError;

/// Octets that may follow the prefix: five carry 35 bits, and nothing in HPACK needs more than 32. Without a bound, a
/// peer could send zero octets of value without end.
const MAX_CONTINUATION: usize = 5;

/// Decodes the integer whose prefix is the low `prefix_bits` bits of `first`; `rest` is what follows that octet, and
/// is moved past the integer.
#[inline]
pub(super) fn decode(first: u8, prefix_bits: u32, rest: &mut &[u8]) -> Result<usize, DecodeError> {
    let mask = (1u8 << prefix_bits) - 1;
    let value = first & mask;
    if value < mask {
        return Ok(usize::from(value));
    }
    decode_long(u64::from(mask), rest)
}

fn decode_long(prefix: u64, rest: &mut &[u8]) -> Result<usize, DecodeError> {
    let mut value = prefix;
    for n in 0..MAX_CONTINUATION {
        let (&octet, after) = rest.split_first().ok_or(DecodeError::Truncated)?;
        *rest = after;
        value += u64::from(octet & 0x7f) << (7 * n);
        if octet & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| DecodeError::IntegerTooLarge)?;
            return usize::try_from(value).map_err(|_| DecodeError::IntegerTooLarge);
        }
    }
    Err(DecodeError::IntegerTooLong)
}

/// Encodes `value` with a prefix of `prefix_bits` bits; `flags` are the bits of the first octet above the prefix.
#[inline]
pub(super) fn encode(out: &mut Vec<u8>, flags: u8, prefix_bits: u32, value: usize) {
    let mask = (1u8 << prefix_bits) - 1;
    if value < usize::from(mask) {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | mask);
    let mut left = value - usize::from(mask);
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// What [`encode`] appends, in bytes.
pub(super) const fn len(prefix_bits: u32, value: usize) -> usize {
    let mask = (1usize << prefix_bits) - 1;
    match value.checked_sub(mask) {
        None => 1,
        Some(0) => 2,
        Some(left) => 2 + left.ilog2() as usize / 7,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn round(value: usize, prefix_bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, 0, prefix_bits, value);
        let mut rest = &out[1..];
        assert_eq!(decode(out[0], prefix_bits, &mut rest), Ok(value));
        assert!(rest.is_empty());
        out
    }

    #[test]
    fn c_1_integer_examples() {
        assert_eq!(round(10, 5), [0b01010]);
        assert_eq!(round(1337, 5), [0b11111, 0b1001_1010, 0b0000_1010]);
        assert_eq!(round(42, 8 - 1), [42]);
    }

    #[test]
    fn every_prefix_around_its_edges() {
        for prefix_bits in 4..=7 {
            let mask = (1usize << prefix_bits) - 1;
            for near in [0, mask, mask + 127, mask + 128, mask + 16_384, 1 << 31] {
                for value in near.saturating_sub(2)..=near + 2 {
                    round(value, prefix_bits);
                }
            }
            round(u32::MAX as usize, prefix_bits);
        }
    }

    #[test]
    fn too_large_too_long_and_cut() {
        let decode = |mut rest: &[u8]| decode(0x7f, 7, &mut rest);
        // 127 + (2^32 - 128) is the largest that fits.
        assert_eq!(
            decode(&[0x80, 0xff, 0xff, 0xff, 0x0f]),
            Ok(u32::MAX as usize)
        );
        assert_eq!(
            decode(&[0x81, 0xff, 0xff, 0xff, 0x0f]),
            Err(DecodeError::IntegerTooLarge)
        );
        assert_eq!(
            decode(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]),
            Err(DecodeError::IntegerTooLong)
        );
        for len in 0..=4 {
            assert_eq!(decode(&vec![0x80; len]), Err(DecodeError::Truncated));
        }
        // Padding with zero octets is allowed as long as it stays within the bound.
        assert_eq!(decode(&[0x80, 0x80, 0x80, 0x80, 0x00]), Ok(127));
    }
}
