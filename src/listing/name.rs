//! Names as links and as text.
//!
//! A name is any bytes but NUL and `/`. The link to it carries each of them (RFC 3986 section 2.1); what is shown
//! is text, and may lose what has no form as text.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_encode};

use super::entries::{Entry, Kind};

/// Everything but the unreserved characters of RFC 3986 section 2.3. Reserved ones are data here, and data is
/// encoded (section 2.2): no `:` can make a scheme of a first segment (section 4.2), no `?`, `#` or `%` means
/// anything, and no quote, `&` or `<` is left for HTML.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A relative reference (RFC 3986 section 4.2) from a listing to one of its entries: one segment, and the slash of a
/// directory.
pub(super) struct Href<'a> {
    segment: PercentEncode<'a>,
    slash: &'static str,
}

/// The link to an entry.
pub(super) fn href(entry: Entry<'_>) -> Href<'_> {
    Href {
        segment: percent_encode(entry.name, ENCODED),
        slash: match entry.kind {
            Kind::Directory => "/",
            Kind::File => "",
        },
    }
}

impl fmt::Display for Href<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.segment, self.slash)
    }
}

/// A name as text for people.
///
/// Bytes that are not UTF-8 become U+FFFD, control characters their pictures (U+2400 and on), and the characters
/// that turn the direction of what follows (the trick of `gpj.exe`, Unicode Standard Annex 9 section 2.1 and 2.2) and
/// noncharacters U+FFFD.
pub(super) fn shown(name: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(name);
    if !text.chars().any(|char| visible(char) != char) {
        return text;
    }
    Cow::Owned(text.chars().map(visible).collect())
}

fn visible(char: char) -> char {
    match char {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(char)).unwrap_or(char),
        '\x7f' => '\u{2421}',
        // C1 controls; embeddings, overrides and isolates; separators of lines and paragraphs.
        '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        // Noncharacters, which HTML does not allow (Unicode Standard, section 23.7).
        '\u{fdd0}'..='\u{fdef}' => char::REPLACEMENT_CHARACTER,
        _ if u32::from(char) & 0xfffe == 0xfffe => char::REPLACEMENT_CHARACTER,
        _ => char,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(name: &[u8], kind: Kind) -> String {
        let (size, modified_s) = (0, 0);
        href(Entry {
            name,
            kind,
            size,
            modified_s,
        })
        .to_string()
    }

    #[test]
    fn noncharacters_are_not_shown() {
        for char in [
            '\u{fdd0}',
            '\u{fdef}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{1fffe}',
            '\u{10ffff}',
        ] {
            assert_eq!(shown(format!("a{char}").as_bytes()), "a\u{fffd}");
        }
        for char in ['\u{fdcf}', '\u{fdf0}', '\u{fffd}', '\u{10000}', '\u{1fffd}'] {
            assert_eq!(shown(format!("a{char}").as_bytes()), format!("a{char}"));
        }
    }

    #[test]
    fn links_and_texts() {
        for (name, encoded, text) in [
            (
                &b"plain-1.2_3~.txt"[..],
                "plain-1.2_3~.txt",
                "plain-1.2_3~.txt",
            ),
            (b"a b", "a%20b", "a b"),
            (b"  two", "%20%20two", "  two"),
            (b"a:b", "a%3Ab", "a:b"),
            (
                b"javascript:alert(1)",
                "javascript%3Aalert%281%29",
                "javascript:alert(1)",
            ),
            (b"?q#f", "%3Fq%23f", "?q#f"),
            (b"100%25", "100%2525", "100%25"),
            (b"%2e%2e", "%252e%252e", "%2e%2e"),
            (b"...", "...", "..."),
            (b"a&amp;b", "a%26amp%3Bb", "a&amp;b"),
            (b"\"'<>", "%22%27%3C%3E", "\"'<>"),
            (b"back\\slash", "back%5Cslash", "back\\slash"),
            (b"new\nline\x7f", "new%0Aline%7F", "new\u{240a}line\u{2421}"),
            (b"\xff\xc3", "%FF%C3", "\u{fffd}\u{fffd}"),
            ("né".as_bytes(), "n%C3%A9", "né"),
            (
                "a\u{202e}gpj.exe".as_bytes(),
                "a%E2%80%AEgpj.exe",
                "a\u{fffd}gpj.exe",
            ),
            (
                "\u{85}\u{2028}\u{2067}".as_bytes(),
                "%C2%85%E2%80%A8%E2%81%A7",
                "\u{fffd}\u{fffd}\u{fffd}",
            ),
            // The marks that Arabic and Hebrew names may need.
            ("\u{200f}א".as_bytes(), "%E2%80%8F%D7%90", "\u{200f}א"),
        ] {
            assert_eq!(link(name, Kind::File), encoded);
            assert_eq!(link(name, Kind::Directory), format!("{encoded}/"));
            assert_eq!(shown(name), text);
        }
    }

    proptest! {
        #[test]
        fn a_link_decodes_to_the_bytes_of_the_name(name in proptest::collection::vec(1u8.., 0..60)) {
            let link = link(&name, Kind::File);
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(&link).collect();
            prop_assert_eq!(decoded, name);
            let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            prop_assert!(link.bytes().all(harmless));
        }

        #[test]
        fn no_text_holds_a_control(name in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(!shown(&name).chars().any(char::is_control));
        }
    }
}
