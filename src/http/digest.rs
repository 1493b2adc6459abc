//! Digest fields (RFC 9530): what a request wants, and the values of `Repr-Digest` and `Content-Digest`.
//!
//! `Repr-Digest` (section 3) is of the whole selected representation in its coding, whatever part of it is sent.
//! `Content-Digest` (section 2) is of the content of this one message. Appendices A and B show both in each of these:
//!
//! | answer | `Repr-Digest` | `Content-Digest` |
//! |---|---|---|
//! | 200 | of the file | the same value (B.1) |
//! | 200, coded | of the coded bytes, not of the file (B.4) | the same value |
//! | 206, one range | of the whole file (B.3) | of the bytes of the range (B.3) |
//! | 206, multipart | of the whole file | of the content with its delimiters, so anew for each answer |
//! | HEAD | as for GET (B.2) | left out |
//! | 304 | left out | left out |
//! | any error | left out | left out |
//!
//! What is left out: of no content (HEAD, 304) the `Content-Digest` would be that of no bytes (B.2), which says nothing,
//! and RFC 9110 section 9.3.2 lets a HEAD do without what only making the content tells; a 304 is not to repeat
//! metadata of the representation (RFC 9110 section 15.4.5); and an error's content is not the file but a word
//! on the request (section 3.1).
//!
//! Either may be a field of the trailer section where the client said `TE: trailers` (RFC 9110 sections 6.5.1 and
//! 10.1.4): `Repr-Digest` in a 200 alone, as the bytes that a 206 sends do not tell it; `Content-Digest` in either. The
//! value in a trailer is made as in the header. Both fields are only hints to a server (section 4), so a digest
//! that is not known in time is left out, never waited for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, Never,
};
use sfv::{BareItemFromInput, KeyRef, Parser};
use thiserror::Error;

use super::inline::InlineBytes;
use super::trim_ows;

/// `sha-512=:`, 64 bytes in base64, `:`.
const FIELD_VALUE_BYTES: usize = 9 + 88 + 1;

/// The most preferred, section 4.
const MOST_PREFERRED: i64 = 10;

/// The algorithms that the registry has as "Active" (section 5). Those that it calls "Deprecated" are not served: they
/// prove nothing to anybody who has an adversary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// `sha-256`.
    Sha256,
    /// `sha-512`.
    Sha512,
}

/// The digest of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// By `sha-256`.
    Sha256([u8; 32]),
    /// By `sha-512`.
    Sha512([u8; 64]),
}

impl Digest {
    /// What it was made by.
    pub fn algorithm(&self) -> DigestAlgorithm {
        match self {
            Self::Sha256(_) => DigestAlgorithm::Sha256,
            Self::Sha512(_) => DigestAlgorithm::Sha512,
        }
    }

    /// The value of `Repr-Digest` or `Content-Digest`, as a header or a trailer: `sha-256=:<base64>:`, a dictionary
    /// of one byte sequence (RFC 9651 sections 3.2 and 3.3.5).
    pub fn field_value(&self) -> InlineBytes<FIELD_VALUE_BYTES> {
        let (prefix, bytes): (&[u8], &[u8]) = match self {
            Self::Sha256(bytes) => (b"sha-256=:", bytes),
            Self::Sha512(bytes) => (b"sha-512=:", bytes),
        };
        let mut base64 = [0; 88];
        let encoded = STANDARD.encode_slice(bytes, &mut base64);
        debug_assert!(encoded.is_ok(), "64 bytes are 88 in base64");
        let mut value = InlineBytes::new();
        value.put(prefix);
        value.put(&base64[..encoded.unwrap_or(0)]);
        value.put(b":");
        value
    }
}

/// `Want-Repr-Digest` or `Want-Content-Digest` (section 4): a few weights, so that it can be kept while a file is
/// opened.
///
/// Read from the whole value by [`WantDigest::of`]; or, from the [`Default`] on (no field: no digest is wanted), line by line, in
/// their order, by [`WantDigest::add_line`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantDigest {
    sha_256: u8,
    sha_512: u8,
    broken: bool,
}

impl WantDigest {
    /// Reads the value of the field, its lines joined by commas (RFC 9110 section 5.3); `None` where there is no field.
    pub fn of(field: Option<&[u8]>) -> Self {
        let mut read = Self::default();
        if let Some(field) = field {
            read.add_line(field);
        }
        read
    }

    /// Reads one line of the field: a dictionary (RFC 9651 section 3.2) of integers from 0 to 10.
    ///
    /// A line that is anything else makes the whole field be ignored, as RFC 9651 section 4.2 demands of what does not
    /// parse, and section 2 of what breaks a constraint unless its specification says otherwise.
    pub fn add_line(&mut self, line: &[u8]) {
        let visitor = WeightsVisitor { weights: self };
        self.broken |= Parser::new(trim_ows(line))
            .parse_dictionary_with_visitor(visitor)
            .is_err();
    }

    /// The algorithm that the request prefers, or `None` where no digest is wanted of those there are: section 4
    /// allows one that was not asked for, which would be of no use. Between equal weights it is `sha-256`, the
    /// shorter, which processors have instructions for.
    pub fn choose(&self) -> Option<DigestAlgorithm> {
        if self.broken || self.sha_256.max(self.sha_512) == 0 {
            None
        } else if self.sha_256 >= self.sha_512 {
            Some(DigestAlgorithm::Sha256)
        } else {
            Some(DigestAlgorithm::Sha512)
        }
    }
}

/// Why a field is ignored, beside not being a dictionary.
#[derive(Clone, Copy, Debug, Error)]
#[error("a weight that is not an integer from 0 to 10")]
struct NotAWeight;

struct WeightsVisitor<'w> {
    weights: &'w mut WantDigest,
}

impl<'de> DictionaryVisitor<'de> for WeightsVisitor<'_> {
    type Out = ();
    type Error = NotAWeight;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, NotAWeight> {
        Ok(WeightVisitor {
            weight: match key.as_str() {
                "sha-256" => Some(&mut self.weights.sha_256),
                "sha-512" => Some(&mut self.weights.sha_512),
                _ => None,
            },
        })
    }

    fn finish(self) -> Result<(), NotAWeight> {
        Ok(())
    }
}

/// Of one member; of a key that comes twice the last value counts (RFC 9651 section 3.2).
struct WeightVisitor<'w> {
    weight: Option<&'w mut u8>,
}

impl<'de> EntryVisitor<'de> for WeightVisitor<'_> {
    type Error = NotAWeight;

    fn item(self) -> Result<impl ItemVisitor<'de>, NotAWeight> {
        Ok(move |item: BareItemFromInput<'de>| {
            let BareItemFromInput::Integer(value) = item else {
                return Err(NotAWeight);
            };
            match i64::from(value) {
                value @ 0..=MOST_PREFERRED => {
                    if let Some(weight) = self.weight {
                        *weight = value as u8;
                    }
                    Ok(Ignored)
                }
                _ => Err(NotAWeight),
            }
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, NotAWeight> {
        Err::<Never, _>(NotAWeight)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::DigestAlgorithm::{Sha256, Sha512};
    use super::*;
    use proptest::prelude::*;

    fn want(lines: &[&[u8]]) -> Option<DigestAlgorithm> {
        let mut want = WantDigest::default();
        for line in lines {
            want.add_line(line);
        }
        want.choose()
    }

    #[test]
    fn s4_examples() {
        assert_eq!(want(&[b"sha-256=1"]), Some(Sha256));
        let line = b"sha-512=3, sha-256=10, unixsum=0";
        assert_eq!(want(&[line]), Some(Sha256));
        // Appendix C.1 answers with sha-256, the client's second choice; C.2 shows that none is as right.
        assert_eq!(want(&[b"sha-256=3, sha=10"]), Some(Sha256));
        assert_eq!(want(&[b"sha=10"]), None);
    }

    #[test]
    fn the_most_preferred_then_the_shorter() {
        for (line, algorithm) in [
            (&b""[..], None),
            (b"sha-256=0", None),
            (b"sha-256=0, sha-512=1", Some(Sha512)),
            (b"sha-512=10, sha-256=9", Some(Sha512)),
            (b"sha-512=5,sha-256=5", Some(Sha256)),
            (b" sha-512=5 ,\tsha-256=4 ", Some(Sha512)),
            (b"sha-512=5;why=\"a, sha-256=9\", sha-256=4;x", Some(Sha512)),
            // Of one key the last value counts.
            (b"sha-256=9, sha-512=5, sha-256=0", Some(Sha512)),
        ] {
            assert_eq!(want(&[line]), algorithm, "{}", line.escape_ascii());
        }
        assert_eq!(want(&[]), None);
    }

    #[test]
    fn a_field_that_breaks_its_grammar_is_ignored_as_a_whole() {
        for line in [
            &b"sha-256=11"[..],
            b"sha-256=-1",
            b"sha-256=1.0",
            b"sha-256=\"1\"",
            b"sha-256=:AQ==:",
            b"sha-256=(1 2)",
            b"sha-256=ten",
            b"sha-256",
            b"sha-256=",
            b"sha-256=9999999999999999",
            b"sha-256=1, md5=11",
            b"sha-256=1, md5=()",
            b"sha-256=1,",
            b"sha-256=1,,sha-512=1",
            b"sha-256=1 sha-512=1",
            b"SHA-256=1",
            b"sha-256 =1",
            b"sha-256=1, \xff",
        ] {
            assert_eq!(want(&[line]), None, "{}", line.escape_ascii());
            assert_eq!(want(&[b"sha-512=1", line]), None);
            assert_eq!(want(&[line, b"sha-512=1"]), None);
        }
    }

    #[test]
    fn several_lines_are_one_dictionary() {
        assert_eq!(want(&[b"sha-256=1", b"sha-512=2"]), Some(Sha512));
        assert_eq!(want(&[b"sha-512=2", b"", b"sha-512=0"]), None);
    }

    #[test]
    fn field_values() {
        let value = Digest::Sha256([0; 32]).field_value();
        let expected = format!("sha-256=:{}=:", "A".repeat(43));
        assert_eq!(value.as_bytes(), expected.as_bytes());
        let value = Digest::Sha512([0xff; 64]).field_value();
        let expected = format!("sha-512=:{}w==:", "/".repeat(85));
        assert_eq!(value.as_bytes(), expected.as_bytes());
        assert_eq!(value.as_bytes().len(), FIELD_VALUE_BYTES);
    }

    proptest! {
        #[test]
        fn a_value_is_read_back_as_its_bytes(bytes in proptest::array::uniform32(any::<u8>())) {
            let value = Digest::Sha256(bytes).field_value();
            let mut found = None;
            let read = |item: BareItemFromInput<'_>| {
                if let BareItemFromInput::ByteSequence(bytes) = item {
                    found = Some(bytes);
                }
                Ok::<_, NotAWeight>(Ignored)
            };
            let item = value.as_bytes().strip_prefix(b"sha-256=").unwrap();
            Parser::new(item).parse_item_with_visitor(read).unwrap();
            prop_assert_eq!(found.as_deref(), Some(&bytes[..]));
        }

        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..40), text in "[a-z0-9=,;:\"() -]{0,40}") {
            let _ = want(&[&line, text.as_bytes()]);
        }
    }
}
