//! Byte ranges (RFC 9110 section 14): the `Range` field against a complete length, and `Content-Range`.

use super::inline::InlineBytes;
use super::trim_ows;

/// Most range specs in one field. More are taken as abuse and the field is ignored, as section 14.2 allows: many
/// small or overlapping ranges cost the server far more than the peer (section 17.15).
pub const RANGES_MAX: usize = 32;

/// `bytes `, three numbers of at most 20 digits, `-` and `/`.
pub(super) const CONTENT_RANGE_BYTES: usize = 6 + 3 * 20 + 2;

/// A range of bytes, never empty: positions of its first and last byte, both within the representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the first byte, from 0.
    pub first: u64,
    /// Position of the last byte, at least `first`.
    pub last: u64,
}

impl ByteRange {
    /// Number of bytes in the range, at least 1.
    // A range is never empty, so there is no `is_empty`; and `last` is below a u64 length, so 1 can be added.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The two as one, where they overlap or follow one another without a gap.
    fn union(self, other: Self) -> Option<Self> {
        let touches = self.first <= other.last.saturating_add(1)
            && other.first <= self.last.saturating_add(1);
        touches.then(|| Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        })
    }
}

/// One to [`RANGES_MAX`] satisfiable ranges in the order of the request, held in place.
#[derive(Clone, Copy)]
pub struct Ranges {
    items: [ByteRange; RANGES_MAX],
    len: u8,
}

impl Ranges {
    fn new() -> Self {
        Self {
            items: [ByteRange { first: 0, last: 0 }; RANGES_MAX],
            len: 0,
        }
    }

    /// The ranges. Never empty in a [`RangeOutcome::Satisfiable`].
    pub fn as_slice(&self) -> &[ByteRange] {
        &self.items[..usize::from(self.len)]
    }

    /// The only range, where there is just one: then the answer is not multipart (section 15.3.7.1).
    pub fn single(&self) -> Option<ByteRange> {
        match self.as_slice() {
            [range] => Some(*range),
            _ => None,
        }
    }

    /// The same bytes with ranges that overlap or adjoin made one (section 15.3.7.2 allows it): no byte is in
    /// two of them. The order is that of the request, a merged range standing where the earliest of its parts
    /// stood.
    pub fn merged(&self) -> Self {
        let mut merged = Self::new();
        for &range in self.as_slice() {
            let mut range = range;
            let mut place = merged.len;
            let mut at = 0;
            // What grew may touch one that was passed over before, so each union begins anew. A union takes one
            // away, so this ends.
            while at < merged.len {
                match merged.items[usize::from(at)].union(range) {
                    Some(union) => {
                        range = union;
                        place = place.min(at);
                        merged.remove(at);
                        at = 0;
                    }
                    None => at += 1,
                }
            }
            merged.insert(place, range);
        }
        merged
    }

    /// Sum of the ranges' lengths, in bytes; saturates.
    pub fn total_bytes(&self) -> u64 {
        self.as_slice()
            .iter()
            .fold(0, |sum: u64, range| sum.saturating_add(range.len()))
    }

    /// The caller never inserts more than [`RANGES_MAX`].
    fn insert(&mut self, at: u8, range: ByteRange) {
        let (start, end) = (usize::from(at), usize::from(self.len));
        self.items.copy_within(start..end, start + 1);
        self.items[start] = range;
        self.len += 1;
    }

    fn remove(&mut self, at: u8) {
        let (start, end) = (usize::from(at), usize::from(self.len));
        self.items.copy_within(start + 1..end, start);
        self.len -= 1;
    }
}

impl PartialEq for Ranges {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Ranges {}

impl std::fmt::Debug for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// What a `Range` field asks of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // In place on purpose: half a kilobyte on the stack, nothing on the heap.
pub enum RangeOutcome {
    /// No field, or one that is ignored: 200 with the whole representation.
    Whole,
    /// At least one range lies within the representation: 206.
    Satisfiable(Ranges),
    /// None does: 416 with [`ContentRange::Unsatisfied`].
    Unsatisfiable,
}

/// Resolves the value of a `Range` field against a representation of `complete_length` bytes.
///
/// Ignored, as section 14.2 demands or allows: units other than `bytes` (section 14.1 makes their names
/// case-insensitive), a value that breaks the grammar anywhere, more than [`RANGES_MAX`] ranges, and a suffix of an
/// empty representation, which is satisfiable by section 14.1.2 but which no `Content-Range` can name.
/// Numbers beyond `u64` count as `u64::MAX`. Ranges that begin behind the end are dropped from among others.
pub fn resolve(field: Option<&[u8]>, complete_length: u64) -> RangeOutcome {
    field
        .and_then(|field| parse(trim_ows(field), complete_length))
        .unwrap_or(RangeOutcome::Whole)
}

/// `None` for what is to be ignored.
fn parse(field: &[u8], complete_length: u64) -> Option<RangeOutcome> {
    let (unit, set) = field.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut ranges = Ranges::new();
    let mut specs = 0;
    for spec in set.split(|&byte| byte == b',') {
        let spec = trim_ows(spec);
        // Empty list elements are to be accepted (section 5.6.1.2).
        if spec.is_empty() {
            continue;
        }
        specs += 1;
        if specs > RANGES_MAX {
            return None;
        }
        if let Some(range) = RangeSpec::parse(spec)?.within(complete_length)? {
            ranges.insert(ranges.len, range);
        }
    }
    match (specs, ranges.len) {
        (0, _) => None,
        (_, 0) => Some(RangeOutcome::Unsatisfiable),
        _ => Some(RangeOutcome::Satisfiable(ranges)),
    }
}

/// A `range-spec` of the unit `bytes` (section 14.1.2).
enum RangeSpec {
    /// `first-pos "-" [ last-pos ]`; an open range has the last position `u64::MAX`.
    Int { first: u64, last: u64 },
    /// `"-" suffix-length`.
    Suffix { length: u64 },
}

impl RangeSpec {
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = spec.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&spec[..dash], &spec[dash + 1..]);
        if first.is_empty() {
            return Some(Self::Suffix {
                length: digits(last)?,
            });
        }
        let first = digits(first)?;
        let last = if last.is_empty() {
            u64::MAX
        } else {
            digits(last)?
        };
        // Section 14.1.1: an int-range whose last position is below its first is invalid.
        (first <= last).then_some(Self::Int { first, last })
    }

    /// The part within the representation: `Some(None)` where there is none, `None` where the field is to be
    /// ignored.
    fn within(self, complete_length: u64) -> Option<Option<ByteRange>> {
        let Some(end) = complete_length.checked_sub(1) else {
            return match self {
                Self::Suffix { length: 1.. } => None,
                _ => Some(None),
            };
        };
        Some(match self {
            Self::Int { first, .. } if first > end => None,
            Self::Int { first, last } => Some(ByteRange {
                first,
                last: last.min(end),
            }),
            Self::Suffix { length: 0 } => None,
            Self::Suffix { length } => Some(ByteRange {
                first: complete_length.saturating_sub(length),
                last: end,
            }),
        })
    }
}

/// `1*DIGIT`, saturating at `u64::MAX`: section 14.1.1 warns of large numbers, and no file is that long.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    })
}

/// The `Content-Range` field (section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes first-last/complete`: of a 206, or of one part of a multipart one.
    Satisfied {
        /// What is sent.
        range: ByteRange,
        /// Length of the whole representation, in bytes.
        complete_length: u64,
    },
    /// `bytes */complete`: of a 416.
    Unsatisfied {
        /// Length of the whole representation, in bytes.
        complete_length: u64,
    },
}

impl ContentRange {
    /// The field's value.
    pub fn encode(&self) -> InlineBytes<CONTENT_RANGE_BYTES> {
        let mut value = InlineBytes::new();
        value.put(b"bytes ");
        let complete_length = match *self {
            Self::Satisfied {
                range,
                complete_length,
            } => {
                value.put_decimal(range.first);
                value.put(b"-");
                value.put_decimal(range.last);
                complete_length
            }
            Self::Unsatisfied { complete_length } => {
                value.put(b"*");
                complete_length
            }
        };
        value.put(b"/");
        value.put_decimal(complete_length);
        value
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
