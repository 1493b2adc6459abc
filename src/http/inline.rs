//! Field values written into a buffer of fixed size, for what is made once per answer and must not touch the heap.

use std::fmt;

/// At most `N` bytes, held in place. `N` is below 256 (the length is one byte).
///
/// What does not fit is cut off; every user of this type chooses `N` as the longest value its format can take,
/// and a debug build asserts it.
#[derive(Clone, Copy)]
pub struct InlineBytes<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> InlineBytes<N> {
    const FITS_LENGTH: () = assert!(N <= u8::MAX as usize);

    pub(super) fn new() -> Self {
        let () = Self::FITS_LENGTH;
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        let end = (start + bytes.len()).min(N);
        debug_assert_eq!(end - start, bytes.len(), "the format outgrew its buffer");
        self.bytes[start..end].copy_from_slice(&bytes[..end - start]);
        self.len = end as u8;
    }

    pub(super) fn put_decimal(&mut self, value: u64) {
        self.put_digits::<10>(value);
    }

    pub(super) fn put_hex(&mut self, value: u64) {
        self.put_digits::<16>(value);
    }

    fn put_digits<const RADIX: u64>(&mut self, mut value: u64) {
        // u64::MAX has 20 decimal digits.
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdef"[(value % RADIX) as usize];
            value /= RADIX;
            if value == 0 {
                break;
            }
        }
        self.put(&digits[at..]);
    }

    /// The bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const N: usize> PartialEq for InlineBytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for InlineBytes<N> {}

impl<const N: usize> fmt::Debug for InlineBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(value: u64) {
            let mut decimal = InlineBytes::<20>::new();
            decimal.put_decimal(value);
            let expected = value.to_string();
            prop_assert_eq!(decimal.as_bytes(), expected.as_bytes());
            let mut hex = InlineBytes::<16>::new();
            hex.put_hex(value);
            let expected = format!("{value:x}");
            prop_assert_eq!(hex.as_bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn the_widest_values_fit() {
        let mut decimal = InlineBytes::<20>::new();
        decimal.put_decimal(u64::MAX);
        assert_eq!(decimal.as_bytes(), b"18446744073709551615");
        let mut zero = InlineBytes::<1>::new();
        zero.put_decimal(0);
        assert_eq!(zero.as_bytes(), b"0");
    }
}
