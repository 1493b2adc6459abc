//! The order of names: as people count, so that `file2` comes before `file10`.
//!
//! Names are compared unit by unit. A run of ASCII digits is one unit, compared by its value (of any length) where
//! a digit would stand among the other characters. Any other character is compared by its code point in lower case
//! (Unicode's default mapping, no locale: `é` comes after `z`), so `B` stands between `a` and `c`; bytes that are
//! not UTF-8 come last. What is still equal (`a` and `A`, `7` and `007`) is put in the order of the bytes: no two
//! names are equal, so the order never depends on what the file system gave first.

use std::cmp::Ordering;

/// Compares two names; see the module's documentation.
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left_rest, mut right_rest) = (left, right);
    loop {
        // Most names differ in a letter of ASCII, if they differ here at all.
        while let ([a, left @ ..], [b, right @ ..]) = (left_rest, right_rest)
            && is_plain(*a)
            && is_plain(*b)
        {
            match a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()) {
                Ordering::Equal => (left_rest, right_rest) = (left, right),
                unequal => return unequal,
            }
        }
        match (Unit::take(&mut left_rest), Unit::take(&mut right_rest)) {
            (None, None) => return left.cmp(right),
            (left, right) if left == right => {}
            (left, right) => return left.cmp(&right),
        }
    }
}

/// Whether a byte is a unit by itself, and stands for itself but for its case.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_digit()
}

/// A character or a number; the derived order compares the fields from the first to the last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Unit<'a> {
    /// The code point in lower case, `'0'` for every number, beyond all code points for a byte that is not UTF-8.
    code: u32,
    /// Digits of a number without leading zeros: of two numbers, the longer is the larger.
    digit_count: usize,
    digits: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Takes the first unit off a name; `None` at its end, which comes before everything.
    fn take(name: &mut &'a [u8]) -> Option<Self> {
        let first = *name.first()?;
        if first.is_ascii_digit() {
            let end = name.iter().position(|byte| !byte.is_ascii_digit());
            let (run, rest) = name.split_at(end.unwrap_or(name.len()));
            *name = rest;
            let zeros = run.iter().position(|&byte| byte != b'0');
            let digits = &run[zeros.unwrap_or(run.len())..];
            return Some(Self {
                code: u32::from(b'0'),
                digit_count: digits.len(),
                digits,
            });
        }
        let (code, len) = if first.is_ascii() {
            (u32::from(first.to_ascii_lowercase()), 1)
        } else {
            match first_char(name) {
                // The few characters that become several in lower case are compared by the first of them.
                Some(char) => (
                    char.to_lowercase().next().map_or(0, u32::from),
                    char.len_utf8(),
                ),
                None => (u32::from(char::MAX) + 1 + u32::from(first), 1),
            }
        };
        *name = &name[len..];
        Some(Self {
            code,
            digit_count: 0,
            digits: b"",
        })
    }
}

/// The character that a name begins with, where it begins with whole UTF-8.
fn first_char(name: &[u8]) -> Option<char> {
    // RFC 3629 section 4: the first byte says how many belong together.
    let len = match name.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    str::from_utf8(name.get(..len)?).ok()?.chars().next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_in_the_order_of_people() {
        let sorted: &[&[u8]] = &[
            b" leading space",
            b"-1",
            b"0",
            b"00",
            b"007",
            b"7",
            b"0010",
            b"10",
            b"18446744073709551615",
            b"18446744073709551616",
            b"_under",
            b"a",
            b"a.txt",
            b"a1",
            b"a01b",
            b"a1c",
            b"a2",
            b"a10",
            b"aa",
            b"B",
            b"b",
            b"File2",
            b"file10",
            b"file10.2",
            b"file10.10",
            b"z",
            "É".as_bytes(),
            "é".as_bytes(),
            "日本".as_bytes(),
            b"\x80",
            b"\xff",
        ];
        for (at, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                let expected = at.cmp(&other);
                assert_eq!(
                    compare(left, right),
                    expected,
                    "{} and {}",
                    left.escape_ascii(),
                    right.escape_ascii()
                );
            }
        }
    }

    fn name() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(vec![
            &b"0"[..],
            b"1",
            b"9",
            b"a",
            b"A",
            b".",
            b"~",
            b"\xc3",
            b"\xa9",
            b"\xff",
        ]);
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(a in name(), b in name(), c in name()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }

        #[test]
        fn numbers_are_compared_by_value(a: u64, b: u64, zeros in 0usize..4) {
            let left = format!("x{}{a}y", "0".repeat(zeros));
            let right = format!("x{b}y");
            let order = compare(left.as_bytes(), right.as_bytes());
            prop_assert!(order == a.cmp(&b) || a == b);
        }
    }
}
