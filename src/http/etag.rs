//! Entity tags (RFC 9110 section 8.8.3) and the lists of them in If-Match and If-None-Match.

use super::coding::Coding;
use super::inline::InlineBytes;
use super::trim_ows;

/// Two quotes, three separators, 16 hex digits each of inode, size and seconds, 8 of nanoseconds, and of a coding a
/// separator, its name, another separator and three digits.
const ENTITY_TAG_BYTES: usize = 2 + 3 + 3 * 16 + 8 + 1 + 4 + 1 + 3;

/// A strong entity tag; that of a file is `"inode-size-seconds-nanoseconds"` in hex, then its coding where it has one.
///
/// A file's is strong because a file that is replaced has a new inode, and one that is written has a new modification
/// time. Two writes of the same length within one tick of the kernel's clock (some milliseconds, before
/// fine-grained times in Linux 6.13) are the exception that section 8.8.1 tells an origin server to think
/// of: publish by renaming, then there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag(InlineBytes<ENTITY_TAG_BYTES>);

impl EntityTag {
    /// The tag of the file with this inode number, size in bytes and modification time. The seconds may be
    /// negative (before 1970).
    pub fn new(inode: u64, size_bytes: u64, mtime_secs: i64, mtime_nanos: u32) -> Self {
        let mut text = InlineBytes::new();
        text.put(b"\"");
        text.put_hex(inode);
        text.put(b"-");
        text.put_hex(size_bytes);
        text.put(b"-");
        text.put_hex(mtime_secs.cast_unsigned());
        text.put(b"-");
        text.put_hex(u64::from(mtime_nanos));
        text.put(b"\"");
        Self(text)
    }

    /// The tag of a representation that a digest of its content stands for: `"digest"`, in hex.
    pub fn from_digest(digest: u64) -> Self {
        let mut text = InlineBytes::new();
        text.put(b"\"");
        text.put_hex(digest);
        text.put(b"\"");
        Self(text)
    }

    /// The tag of a file that was coded beforehand and stands for another, where this is the tag of its own: section
    /// 8.8.3.3 wants one for each coding. Neither this nor [`EntityTag::coded`] has room for a second coding.
    pub fn precoded(&self, coding: Coding) -> Self {
        self.with_suffix(coding, None)
    }

    /// The tag of this file as the server codes it. `encoder` names the encoder and its settings: the bytes that come
    /// out depend on them, and a strong validator must not outlive them (section 8.8.1).
    pub fn coded(&self, coding: Coding, encoder: u8) -> Self {
        self.with_suffix(coding, Some(encoder))
    }

    fn with_suffix(&self, coding: Coding, encoder: Option<u8>) -> Self {
        let mut text = InlineBytes::new();
        // All but the closing quote.
        let whole = self.as_bytes();
        text.put(&whole[..whole.len() - 1]);
        text.put(b"-");
        text.put(coding.token().as_bytes());
        if let Some(encoder) = encoder {
            text.put(b".");
            text.put_decimal(u64::from(encoder));
        }
        text.put(b"\"");
        Self(text)
    }

    /// The value of the `ETag` field, quotes included.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether the value of an If-Match or If-None-Match field (`*` or `1#entity-tag`, sections 13.1.1 and
    /// 13.1.2) matches this tag, the tag of a representation that exists.
    ///
    /// Empty list elements and whitespace around elements are accepted (section 5.6.1.2). A value that breaks
    /// the grammar anywhere matches nothing: If-Match then fails and If-None-Match then lets the request
    /// through, the safe answer for both.
    pub fn matches_list(&self, field: &[u8], comparison: Comparison) -> bool {
        let mut rest = trim_ows(field);
        if rest == b"*" {
            return true;
        }
        let mut found = false;
        loop {
            // Invariant: here an element may begin; commas and whitespace before it are empty elements.
            while let [b',' | b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
            if rest.is_empty() {
                return found;
            }
            let Some((tag, after)) = split_tag(rest) else {
                return false;
            };
            found |= self.equals(tag, comparison);
            rest = trim_ows(after);
            if !matches!(rest, [] | [b',', ..]) {
                return false;
            }
        }
    }

    /// Whether a field value is exactly one entity tag that is this one by strong comparison (If-Range, section
    /// 13.1.5). `None` where the value does not look like an entity tag at all, so is to be read as a date.
    pub(super) fn matches_if_range(&self, field: &[u8]) -> Option<bool> {
        let field = trim_ows(field);
        // Section 13.1.5: a tag shows by a quote among the first three characters.
        if !field.iter().take(3).any(|&byte| byte == b'"') {
            return None;
        }
        Some(match split_tag(field) {
            Some((tag, [])) => self.equals(tag, Comparison::Strong),
            _ => false,
        })
    }

    /// Section 8.8.3.2; this tag itself is always strong.
    fn equals(&self, tag: FieldTag<'_>, comparison: Comparison) -> bool {
        (comparison == Comparison::Weak || !tag.weak) && tag.opaque == self.as_bytes()
    }
}

/// How two entity tags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal, and neither of them weak: If-Match and If-Range.
    Strong,
    /// Equal, weak or not: If-None-Match.
    Weak,
}

/// One entity tag out of a field; `opaque` includes the quotes.
#[derive(Clone, Copy)]
struct FieldTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// Takes one `entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE` off the front. Commas are ordinary inside the quotes.
fn split_tag(bytes: &[u8]) -> Option<(FieldTag<'_>, &[u8])> {
    let (weak, bytes) = match bytes.strip_prefix(b"W/") {
        Some(after) => (true, after),
        None => (false, bytes),
    };
    let inner = bytes.strip_prefix(b"\"")?;
    let close = inner.iter().position(|&byte| !is_etagc(byte))?;
    if inner[close] != b'"' {
        return None;
    }
    let (opaque, rest) = bytes.split_at(close + 2);
    Some((FieldTag { weak, opaque }, rest))
}

/// `etagc = %x21 / %x23-7E / obs-text`: visible, and not the quote.
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> EntityTag {
        EntityTag::new(0x1a, 0x200, 0x65, 0xff)
    }

    #[test]
    fn the_form_of_a_tag() {
        assert_eq!(example().as_bytes(), b"\"1a-200-65-ff\"");
        assert_eq!(EntityTag::from_digest(0x1a2).as_bytes(), b"\"1a2\"");
        let widest = EntityTag::new(u64::MAX, u64::MAX, -1, u32::MAX).coded(Coding::Zstd, u8::MAX);
        assert_eq!(widest.as_bytes().len(), ENTITY_TAG_BYTES);
    }

    #[test]
    fn s8_8_3_3_each_coding_has_its_own_tag() {
        let tags = [
            example(),
            example().precoded(Coding::Br),
            example().precoded(Coding::Zstd),
            example().precoded(Coding::Gzip),
            example().coded(Coding::Gzip, 0),
            example().coded(Coding::Gzip, 1),
        ];
        assert_eq!(tags[1].as_bytes(), b"\"1a-200-65-ff-br\"");
        assert_eq!(tags[5].as_bytes(), b"\"1a-200-65-ff-gzip.1\"");
        for (i, one) in tags.iter().enumerate() {
            for (j, other) in tags.iter().enumerate() {
                let same = one.matches_list(other.as_bytes(), Comparison::Strong);
                assert_eq!(same, i == j);
                assert_eq!(one.matches_if_range(other.as_bytes()), Some(i == j));
            }
        }
    }

    #[test]
    fn s8_8_3_2_strong_and_weak_comparison() {
        // The table of section 8.8.3.2, seen from an own tag that is strong.
        for (field, strong, weak) in [
            (&b"W/\"1a-200-65-ff\""[..], false, true),
            (b"\"1a-200-65-ff\"", true, true),
            (b"W/\"2\"", false, false),
            (b"\"2\"", false, false),
        ] {
            assert_eq!(example().matches_list(field, Comparison::Strong), strong);
            assert_eq!(example().matches_list(field, Comparison::Weak), weak);
        }
    }

    #[test]
    fn lists() {
        for (field, matches) in [
            (&b"*"[..], true),
            (b" * ", true),
            (b"\"xyzzy\", \"1a-200-65-ff\", \"c3piozzzz\"", true),
            (b"\"xyzzy\",\"1a-200-65-ff\"", true),
            (b"\"1a-200-65-ff\"\t,\t W/\"x\"", true),
            (b",, \"1a-200-65-ff\" , ,", true),
            (b"\"a,b\", \"1a-200-65-ff\"", true),
            (b"\"\", \"1a-200-65-ff\"", true),
            (b"\"\xe4\", \"1a-200-65-ff\"", true),
            (b"\"a, 1a-200-65-ff\"", false),
            // Broken anywhere: matches nothing, not even what came before.
            (b"", false),
            (b",", false),
            (b"1a-200-65-ff", false),
            (b"\"1a-200-65-ff", false),
            (b"\"1a-200-65-ff\" \"x\"", false),
            (b"\"1a-200-65-ff\", x", false),
            (b"\"1a-200-65-ff\", *", false),
            (b"*, \"1a-200-65-ff\"", false),
            (b"\"1a-200-65-ff\", w/\"x\"", false),
            (b"\"1a-200-65-ff\", W/", false),
            (b"\"1a-200-65-ff\", \"a b\"", false),
            (b"\"1a-200-65-ff\", \"\x7f\"", false),
            (b"\"1a-200-65-ff\"x", false),
        ] {
            let found = example().matches_list(field, Comparison::Weak);
            assert_eq!(found, matches, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn if_range_takes_one_strong_tag() {
        for (field, outcome) in [
            (&b"\"1a-200-65-ff\""[..], Some(true)),
            (b" \"1a-200-65-ff\" ", Some(true)),
            (b"W/\"1a-200-65-ff\"", Some(false)),
            (b"\"other\"", Some(false)),
            (b"\"1a-200-65-ff\", \"x\"", Some(false)),
            (b"\"1a-200-65-ff", Some(false)),
            (b"Sun, 06 Nov 1994 08:49:37 GMT", None),
            (b"", None),
        ] {
            assert_eq!(example().matches_if_range(field), outcome);
        }
    }

    #[test]
    fn every_truncation_of_a_tag_matches_nothing() {
        let text = b"W/\"1a-200-65-ff\"";
        for len in 0..text.len() {
            assert!(!example().matches_list(&text[..len], Comparison::Weak));
        }
    }

    proptest! {
        #[test]
        fn a_tag_matches_itself_and_is_well_formed(inode: u64, size: u64, secs: i64, nanos: u32) {
            let tag = EntityTag::new(inode, size, secs, nanos);
            prop_assert!(tag.matches_list(tag.as_bytes(), Comparison::Strong));
            prop_assert_eq!(tag.matches_if_range(tag.as_bytes()), Some(true));
        }

        #[test]
        fn different_files_have_different_tags(
            one in (0u64..4, 0u64..40, -2i64..20, 0u32..20),
            two in (0u64..4, 0u64..40, -2i64..20, 0u32..20),
        ) {
            let [first, second] = [one, two].map(|(inode, size, secs, nanos)| EntityTag::new(inode, size, secs, nanos));
            prop_assert_eq!(first == second, one == two);
        }

        #[test]
        fn no_bytes_panic(field in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b' '), Just(b'W'), Just(b'/'), any::<u8>()], 0..30)) {
            let _ = example().matches_list(&field, Comparison::Weak);
            let _ = example().matches_if_range(&field);
        }
    }
}
