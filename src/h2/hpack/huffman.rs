//! The Huffman code for string literals (RFC 7541, section 5.2 and Appendix B).
//!
//! The code is canonical: codes ascend by length, then by symbol. So the lengths alone give all of it, and everything
//! here is built from them at compile time.

use super::DecodeError;

/// The symbol that ends a string; a decoder refuses it (RFC 7541, section 5.2).
const EOS: usize = 256;

/// Bits of each symbol's code, EOS last.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Bits that one lookup takes in. Most codes have 5 to 7, so a lookup mostly yields two symbols; the table has 16 KiB.
const LOOKUP_BITS: u32 = 12;

/// The longest code, that of EOS.
const MAX_CODE_BITS: u32 = 30;

/// All symbols, ordered by code.
const SORTED: [u16; 257] = {
    let mut sorted = [0; 257];
    let (mut n, mut bits) = (0, 0);
    while bits <= MAX_CODE_BITS as u8 {
        let mut symbol = 0;
        while symbol <= EOS {
            if LENGTHS[symbol] == bits {
                sorted[n] = symbol as u16;
                n += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    sorted
};

/// Code and length by symbol, as `code << 8 | length`.
static CODES: [u64; 257] = {
    let mut codes = [0; 257];
    let (mut n, mut code, mut bits) = (0, 0u64, 0);
    while n < 257 {
        let symbol = SORTED[n] as usize;
        code <<= LENGTHS[symbol] - bits;
        bits = LENGTHS[symbol];
        codes[symbol] = code << 8 | bits as u64;
        code += 1;
        n += 1;
    }
    // A complete code ends with all ones.
    assert!(code == 1 << MAX_CODE_BITS);
    codes
};

/// One or two symbols by the next [`LOOKUP_BITS`] bits; all zero where the code is longer.
///
/// From the low end: 8 bits of first symbol, 8 of second, 8 bits with the length of all codes, 4 with that of the first
/// in bits 24 to 27, and the number of symbols in bits 28 and up.
static LOOKUP: [u32; 1 << LOOKUP_BITS] = {
    let mut lookup = [0; 1 << LOOKUP_BITS];
    let mut a = 0;
    while a < 257 && LENGTHS[SORTED[a] as usize] as u32 <= LOOKUP_BITS {
        let first = SORTED[a] as usize;
        let bits = LENGTHS[first] as u32;
        let at = (CODES[first] as usize >> 8) << (LOOKUP_BITS - bits);
        let mut i = 0;
        while i < 1 << (LOOKUP_BITS - bits) {
            lookup[at + i] = first as u32 | bits << 16 | bits << 24 | 1 << 28;
            i += 1;
        }
        let mut b = 0;
        while b < 257 && bits + LENGTHS[SORTED[b] as usize] as u32 <= LOOKUP_BITS {
            let second = SORTED[b] as usize;
            let both = bits + LENGTHS[second] as u32;
            let at = at + ((CODES[second] as usize >> 8) << (LOOKUP_BITS - both));
            let mut i = 0;
            while i < 1 << (LOOKUP_BITS - both) {
                lookup[at + i] = (first | second << 8) as u32 | both << 16 | bits << 24 | 2 << 28;
                i += 1;
            }
            b += 1;
        }
        a += 1;
    }
    lookup
};

/// For each length of a code: where its codes end, as 32 bits with the code on top, and where its symbols begin in
/// [`SORTED`] when the first code is taken for 0 (wrapping).
static LONG: [(u64, u32); MAX_CODE_BITS as usize + 1] = {
    let mut long = [(0, 0); MAX_CODE_BITS as usize + 1];
    let mut n = 0;
    while n < 257 {
        let symbol = SORTED[n] as usize;
        let (code, bits) = (CODES[symbol] >> 8, LENGTHS[symbol] as usize);
        long[bits].0 = (code + 1) << (32 - bits);
        long[bits].1 = (n as u32).wrapping_sub(code as u32);
        n += 1;
    }
    long
};

/// Room that [`decode`] needs for `len` bytes of Huffman code: the shortest code has 5 bits, and it writes 8 bytes at a
/// time.
#[must_use]
pub const fn decode_room(len: usize) -> usize {
    len.saturating_mul(8) / 5 + 8
}

/// Decodes a whole string into `dst` and returns its length (RFC 7541, section 5.2). What lies behind it in `dst` is
/// left undefined.
///
/// # Errors
/// [`DecodeError::HuffmanEos`], [`DecodeError::HuffmanPaddingTooLong`], [`DecodeError::HuffmanPaddingNotOnes`].
///
/// # Panics
/// When `dst` is shorter than [`decode_room`].
pub fn decode(src: &[u8], dst: &mut [u8]) -> Result<usize, DecodeError> {
    assert!(dst.len() >= decode_room(src.len()), "room to decode into");
    let mut rest = src;
    let mut out = 0;
    // The next bits, from the top; those beyond the `bits` valid ones are zero, or true bits of what comes next.
    let (mut acc, mut bits) = (0u64, 0u32);

    while let Some(next) = rest.first_chunk::<8>() {
        acc |= u64::from_be_bytes(*next) >> bits;
        rest = &rest[(63 - bits as usize) / 8..];
        bits |= 56;
        // Four lookups take at most 48 bits and yield at most 8 symbols. At a long code the rest of them do nothing.
        let (mut symbols, mut shift, mut entry) = (0u64, 0, 0);
        for _ in 0..4 {
            entry = LOOKUP[(acc >> (64 - LOOKUP_BITS)) as usize];
            symbols |= u64::from(entry & 0xffff) << shift;
            shift += entry >> 28 << 3;
            acc <<= entry >> 16 & 0xff;
            bits -= entry >> 16 & 0xff;
        }
        dst[out..out + 8].copy_from_slice(&symbols.to_le_bytes());
        out += shift as usize / 8;
        if entry == 0 && bits >= MAX_CODE_BITS {
            let (symbol, len) = long_symbol(acc);
            if symbol == EOS {
                return Err(DecodeError::HuffmanEos);
            }
            dst[out] = symbol as u8;
            out += 1;
            acc <<= len;
            bits -= len;
        }
    }

    // Fewer than eight bytes are left: with ones behind them, as in the padding, they can be taken without a check for
    // the end as long as a lookup's worth of them is valid.
    let mut tail_bits = rest.len() as u32 * 8;
    let mut tail = tail(src, rest.len());
    loop {
        let taken = tail_bits.min(64 - bits);
        acc =
            acc & !(u64::MAX.checked_shr(bits).unwrap_or(0)) | tail.checked_shr(bits).unwrap_or(0);
        // At most 56 bits are in the tail.
        tail = tail << taken | !(u64::MAX << taken);
        tail_bits -= taken;
        bits += taken;
        while bits >= LOOKUP_BITS {
            let entry = LOOKUP[(acc >> (64 - LOOKUP_BITS)) as usize];
            if entry == 0 {
                break;
            }
            dst[out] = entry as u8;
            dst[out + 1] = (entry >> 8) as u8;
            out += (entry >> 28) as usize;
            acc = shift_in_ones(acc, entry >> 16 & 0xff);
            bits -= entry >> 16 & 0xff;
        }
        if bits >= LOOKUP_BITS && (bits >= MAX_CODE_BITS || tail_bits == 0) {
            let (symbol, len) = long_symbol(acc);
            if len > bits {
                break;
            }
            if symbol == EOS {
                return Err(DecodeError::HuffmanEos);
            }
            dst[out] = symbol as u8;
            out += 1;
            acc = shift_in_ones(acc, len);
            bits -= len;
        } else if tail_bits == 0 {
            break;
        }
    }

    // The last few bits: a symbol or two, then padding.
    loop {
        let entry = LOOKUP[(acc >> (64 - LOOKUP_BITS)) as usize];
        let (both, first) = (entry >> 16 & 0xff, entry >> 24 & 0xf);
        if entry == 0 || first > bits {
            break;
        }
        let taken = if both <= bits { both } else { first };
        dst[out] = entry as u8;
        dst[out + 1] = (entry >> 8) as u8;
        out += if taken == first { 1 } else { 2 };
        acc = shift_in_ones(acc, taken);
        bits -= taken;
    }
    if acc != u64::MAX {
        return Err(DecodeError::HuffmanPaddingNotOnes);
    }
    if bits > 7 {
        return Err(DecodeError::HuffmanPaddingTooLong);
    }
    Ok(out)
}

/// The last `len` bytes of `src`, fewer than eight, from the top and with ones behind them.
fn tail(src: &[u8], len: usize) -> u64 {
    if let Some(last) = src.last_chunk::<8>() {
        // Two shifts, as the sum may be 64.
        let up = u64::from_be_bytes(*last) << (8 * (7 - len)) << 8;
        return up | u64::MAX >> (8 * len);
    }
    src.iter().enumerate().fold(u64::MAX, |tail, (n, &byte)| {
        tail ^ u64::from(!byte) << (56 - 8 * n)
    })
}

#[inline]
fn shift_in_ones(acc: u64, by: u32) -> u64 {
    acc << by | !(u64::MAX << by)
}

/// The symbol whose code, longer than [`LOOKUP_BITS`], `acc` begins with, and the length of the code.
#[cold]
fn long_symbol(acc: u64) -> (usize, u32) {
    let top = acc >> 32;
    let mut bits = LOOKUP_BITS + 1;
    while top >= LONG[bits as usize].0 {
        bits += 1;
    }
    let code = (top >> (32 - bits)) as u32;
    let at = code.wrapping_add(LONG[bits as usize].1);
    (usize::from(SORTED[at as usize]), bits)
}

/// Length of `src` in bytes once encoded, padding included (RFC 7541, section 5.2).
#[must_use]
pub fn huffman_len(src: &[u8]) -> usize {
    let bits: usize = src
        .iter()
        .map(|&byte| usize::from(LENGTHS[usize::from(byte)]))
        .sum();
    bits.div_ceil(8)
}

/// Appends `src` encoded, padded with ones (RFC 7541, section 5.2).
pub fn encode(src: &[u8], out: &mut Vec<u8>) {
    encode_sized(src, huffman_len(src), out);
}

/// As [`encode`], where the length is known already.
pub(super) fn encode_sized(src: &[u8], len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + len, 0);
    let dst = &mut out[start..];
    let mut at = 0;
    // The low `bits` bits wait to be written; fewer than 32 between symbols, so that the longest code fits.
    let (mut acc, mut bits) = (0u64, 0u32);
    for &byte in src {
        let code = CODES[usize::from(byte)];
        acc = acc << (code & 0xff) | code >> 8;
        bits += (code & 0xff) as u32;
        if bits >= 32 {
            bits -= 32;
            dst[at..at + 4].copy_from_slice(&((acc >> bits) as u32).to_be_bytes());
            at += 4;
        }
    }
    let last = ((acc << 32 | u64::from(u32::MAX)) >> bits) as u32;
    let left = bits.div_ceil(8) as usize;
    dst[at..at + left].copy_from_slice(&last.to_be_bytes()[..left]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn decoded(src: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut dst = vec![0xaa; decode_room(src.len())];
        decode(src, &mut dst).map(|len| dst[..len].to_vec())
    }

    fn round(src: &[u8]) {
        let mut out = vec![1, 2, 3];
        encode(src, &mut out);
        assert_eq!(out.len() - 3, huffman_len(src));
        assert_eq!(decoded(&out[3..]).as_deref(), Ok(src));
    }

    /// Packs `(code, bits)` and fills up with ones.
    fn packed(codes: &[(u64, u32)]) -> Vec<u8> {
        let mut text: String = codes
            .iter()
            .map(|&(code, bits)| format!("{code:0width$b}", width = bits as usize))
            .collect();
        while !text.len().is_multiple_of(8) {
            text.push('1');
        }
        text.as_bytes()
            .chunks(8)
            .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
            .collect()
    }

    fn code(symbol: u8) -> (u64, u32) {
        let code = CODES[usize::from(symbol)];
        (code >> 8, (code & 0xff) as u32)
    }

    #[test]
    fn appendix_b_corner_codes() {
        assert_eq!(code(b'0'), (0, 5));
        assert_eq!(code(b' '), (0x14, 6));
        assert_eq!(code(b'z'), (0x7b, 7));
        assert_eq!(code(0), (0x1ff8, 13));
        assert_eq!(code(22), (0x3fff_fffe, 30));
        assert_eq!(code(255), (0x03ff_ffee, 26));
        assert_eq!(CODES[EOS], 0x3fff_ffff << 8 | 30);
    }

    #[test]
    fn every_pair_of_symbols_at_every_alignment() {
        for a in 0..=255 {
            round(&[a]);
            for b in (0..=255).step_by(3) {
                round(&[a, b]);
                round(&[b'0', b'a', b'-', a, b, b'z', b'1', a, b'0', b'&', b]);
            }
        }
        let all: Vec<u8> = (0..=255).collect();
        for from in 0..256 {
            round(&all[from..]);
        }
        for len in 0..80 {
            round(&vec![b'e'; len]);
            round(&vec![b'X'; len]);
        }
    }

    #[test]
    fn padding_longer_than_seven_bits_is_refused() {
        for string in [&b""[..], b"0", b"1234567890", b"www.example.com", b"\xff"] {
            // Three bytes more could make an EOS.
            for extra in 1..=2 {
                let mut out = Vec::new();
                encode(string, &mut out);
                out.extend_from_slice(&[0xff; 2][..extra]);
                assert_eq!(decoded(&out), Err(DecodeError::HuffmanPaddingTooLong));
            }
        }
    }

    #[test]
    fn padding_with_a_zero_is_refused() {
        for before in 0..20 {
            let padding = (8 - before as u32 * 5 % 8) % 8;
            // With five bits or more it could be a symbol.
            for zero in 0..if padding < 5 { padding } else { 0 } {
                let mut codes = vec![code(b'a'); before];
                codes.push((((1 << padding) - 1) ^ (1 << zero), padding));
                assert_eq!(
                    decoded(&packed(&codes)),
                    Err(DecodeError::HuffmanPaddingNotOnes)
                );
            }
        }
        assert_eq!(decoded(&[0xfe]), Err(DecodeError::HuffmanPaddingNotOnes));
    }

    #[test]
    fn eos_is_refused_wherever_it_stands() {
        for before in 0..30 {
            for after in [0, 1, 2, 20] {
                let mut codes = vec![code(b'a'); before];
                codes.push((0x3fff_ffff, 30));
                codes.extend(vec![code(b'b'); after]);
                assert_eq!(decoded(&packed(&codes)), Err(DecodeError::HuffmanEos));
            }
        }
    }

    #[test]
    fn every_string_of_two_bytes_is_a_symbol_sequence_or_refused() {
        for src in 0..=u16::MAX {
            let src = src.to_be_bytes();
            if let Ok(string) = decoded(&src) {
                let mut out = Vec::new();
                encode(&string, &mut out);
                assert_eq!(out, src);
            }
        }
    }
}
