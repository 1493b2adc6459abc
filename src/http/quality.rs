//! Weights (RFC 9110 section 12.4.2) and the lists whose members carry them (section 5.6.1).

use super::trim_ows;

/// A weight in thousandths, from 0, "not acceptable", to 1000, which is also what no weight means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quality(u16);

impl Quality {
    pub(super) const NOT_ACCEPTABLE: Self = Self(0);
    pub(super) const MOST: Self = Self(1000);

    /// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, nothing else.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (&whole, rest) = text.split_first()?;
        let digits = match rest {
            [] => rest,
            [b'.', digits @ ..] if digits.len() <= 3 => digits,
            _ => return None,
        };
        let mut thousandths = match whole {
            b'0' => 0,
            b'1' => 1000,
            _ => return None,
        };
        for (digit, worth) in digits.iter().zip([100, 10, 1]) {
            if !digit.is_ascii_digit() {
                return None;
            }
            thousandths += u16::from(digit - b'0') * worth;
        }
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    pub(super) fn is_acceptable(self) -> bool {
        self > Self::NOT_ACCEPTABLE
    }
}

/// The members of a list, without the whitespace around them; empty ones are passed over (section 5.6.1.2).
pub(super) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_unquoted(line, b',').filter(|member| !member.is_empty())
}

/// Splits at a delimiter outside of quoted strings (section 5.6.4), and trims what is between. A string that is
/// not closed takes the rest of the line with it.
pub(super) fn split_unquoted(text: &[u8], delimiter: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            return false;
        }
        quoted = byte == b'"';
        byte == delimiter
    })
    .map(trim_ows)
}

/// `token = 1*tchar` (section 5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    let tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(tchar)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s12_4_2_weights() {
        for (text, thousandths) in [
            (&b"0"[..], 0),
            (b"0.", 0),
            (b"0.000", 0),
            (b"0.001", 1),
            (b"0.5", 500),
            (b"0.25", 250),
            (b"0.999", 999),
            (b"1", 1000),
            (b"1.", 1000),
            (b"1.000", 1000),
        ] {
            assert_eq!(Quality::parse(text), Some(Quality(thousandths)));
        }
        for text in [
            &b""[..],
            b".5",
            b"00",
            b"01",
            b"0.0001",
            b"1.0000",
            b"1.001",
            b"2",
            b"0,5",
            b"+1",
            b"-0",
            b"0.5 ",
            b"0.-1",
            b"1e0",
            b"inf",
        ] {
            assert_eq!(Quality::parse(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn lists_are_split_outside_of_quotes() {
        for (line, expected) in [
            (&b""[..], &[][..]),
            (b",, ,\t,", &[]),
            (b"a, b ,c", &[&b"a"[..], b"b", b"c"]),
            (b"a;x=\"1,2\", b", &[b"a;x=\"1,2\"", b"b"]),
            (b"a;x=\"\\\",\", b", &[b"a;x=\"\\\",\"", b"b"]),
            (b"a;x=\"\\\\\", b", &[b"a;x=\"\\\\\"", b"b"]),
            (b"a;x=\"1, b", &[b"a;x=\"1, b"]),
        ] {
            let found: Vec<&[u8]> = members(line).collect();
            assert_eq!(found, expected, "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_weight_of_the_grammar_and_no_other(text in "[01.9]{0,6}") {
            let grammar = |text: &str| {
                let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
                let number = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
                number && (whole == "0" || whole == "1" && digits.bytes().all(|byte| byte == b'0'))
            };
            let expected = grammar(&text).then(|| (text.parse::<f64>().unwrap() * 1000.0).round() as u16);
            prop_assert_eq!(Quality::parse(text.as_bytes()).map(|quality| quality.0), expected);
        }

        #[test]
        fn members_hold_every_byte_but_commas_and_whitespace(line in "[a\", \\\\]{0,20}") {
            let count = |text: &[u8]| text.iter().filter(|byte| !b", ".contains(byte)).count();
            let found: usize = members(line.as_bytes()).map(count).sum();
            prop_assert_eq!(found, count(line.as_bytes()));
        }
    }
}
