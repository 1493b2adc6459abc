//! Ranges of bytes: what is asked for, and what comes (RFC 9110, section 14).

use std::fmt;

/// A range as it is asked for (section 14.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// From a first to a last byte, which is not before it.
    Between(u64, u64),
    /// From a byte to the end.
    From(u64),
    /// So many bytes before the end.
    Last(u64),
}

impl Asked {
    /// Reads what stands behind `bytes=`, one range.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(last.parse().ok()?)),
            (first, "") => Some(Self::From(first.parse().ok()?)),
            (first, last) => {
                let (first, last) = (first.parse().ok()?, last.parse().ok()?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// Whether this is what came. Without a complete length any end may be that of the content.
    pub(super) fn is(self, came: &ContentRange) -> bool {
        let to_the_end = came
            .complete
            .is_none_or(|complete| came.last + 1 == complete);
        match self {
            Self::Between(first, last) => {
                came.first == first && (came.last == last || (came.last < last && to_the_end))
            }
            Self::From(first) => came.first == first && to_the_end,
            Self::Last(len) => {
                to_the_end && (came.len() == len || (came.first == 0 && came.len() < len))
            }
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(first, last) => write!(f, "{first}-{last}"),
            Self::From(first) => write!(f, "{first}-"),
            Self::Last(len) => write!(f, "-{len}"),
        }
    }
}

/// `Content-Range: bytes first-last/complete` (section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    /// Less than `u64::MAX`.
    pub(super) last: u64,
    /// `None` for `*`.
    pub(super) complete: Option<u64>,
}

impl ContentRange {
    /// Reads the field's value; `None` when it is of another unit, unsatisfied or malformed.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok()?.strip_prefix("bytes ")?;
        let (range, complete) = value.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            complete: match complete {
                "*" => None,
                complete => Some(complete.parse().ok()?),
            },
        };
        (range.first <= range.last && range.last < u64::MAX).then_some(range)
    }

    /// Bytes of it.
    pub(super) fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let parse = ContentRange::parse;
        assert!(parse(b"bytes 0-0/1").is_some());
        assert_eq!(parse(b"bytes 0-0/*").unwrap().complete, None);
        for wrong in [
            &b"bytes */5"[..],
            b"bytes 5-4/9",
            b"items 0-1/2",
            b"bytes 0-1",
            b"bytes 0-18446744073709551615/*",
            b"\xff",
        ] {
            assert_eq!(parse(wrong), None);
        }
    }

    #[test]
    fn what_comes_is_what_was_asked_for_or_not() {
        let is = |asked: &str, came: &str| {
            let came = ContentRange::parse(came.as_bytes()).unwrap();
            let parsed = Asked::parse(asked).unwrap();
            assert_eq!(parsed.to_string(), asked);
            parsed.is(&came)
        };
        for (asked, came) in [
            ("10-19", "bytes 10-19/100"),
            ("10-19", "bytes 10-19/*"),
            ("10-19", "bytes 10-14/15"),
            ("10-", "bytes 10-99/100"),
            ("10-", "bytes 10-12/*"),
            ("-10", "bytes 90-99/100"),
            ("-10", "bytes 90-99/*"),
            ("-10", "bytes 0-4/5"),
        ] {
            assert!(is(asked, came), "{asked}: {came}");
        }
        for (asked, came) in [
            ("10-19", "bytes 0-9/100"),
            ("10-19", "bytes 10-20/100"),
            ("10-19", "bytes 10-18/100"),
            ("10-19", "bytes 0-99/100"),
            ("10-", "bytes 10-98/100"),
            ("10-", "bytes 11-99/100"),
            ("-10", "bytes 89-98/100"),
            ("-10", "bytes 91-99/100"),
            ("-10", "bytes 89-99/100"),
        ] {
            assert!(!is(asked, came), "{asked}: {came}");
        }
        for wrong in ["", "-", "5", "5-4", "a-b", "1-2,4-5"] {
            assert_eq!(Asked::parse(wrong), None, "{wrong}");
        }
    }
}
