//! HTTP dates (RFC 9110 section 5.6.7), as whole seconds since 1970-01-01T00:00:00Z.

use std::fmt::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Length in bytes of an IMF-fixdate, the only format that may be sent.
pub const IMF_FIXDATE_BYTES: usize = 29;

/// 9999-12-31T23:59:59Z: the year has four digits, so nothing later can be written.
pub const LAST_DATE_SECS: u64 = 253_402_300_799;

/// Reads a date in any of the three formats that section 5.6.7 makes every recipient accept: IMF-fixdate,
/// RFC 850 and asctime.
///
/// Returns seconds since the epoch, or `None` for what is not a date (which the conditional fields then ignore),
/// among it a day that its month lacks or a weekday that is not that day's, and for dates before 1970.
pub fn parse_http_date(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Writes seconds since the epoch as an IMF-fixdate, like `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Anything after [`LAST_DATE_SECS`] (a file's time can be set to it) is written as that.
pub fn format_http_date(secs: u64) -> [u8; IMF_FIXDATE_BYTES] {
    let time = UNIX_EPOCH + Duration::from_secs(secs.min(LAST_DATE_SECS));
    let mut date = FixedText {
        bytes: [b' '; IMF_FIXDATE_BYTES],
        len: 0,
    };
    let written = write!(date, "{}", httpdate::HttpDate::from(time));
    debug_assert!(written.is_ok() && date.len == IMF_FIXDATE_BYTES);
    date.bytes
}

/// A `fmt::Write` onto an array, because `HttpDate` only knows `Display` and `to_string` would use the heap.
struct FixedText {
    bytes: [u8; IMF_FIXDATE_BYTES],
    len: usize,
}

impl Write for FixedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The one instant that section 5.6.7 shows in all three formats.
    const EXAMPLE_SECS: u64 = 784_111_777;

    #[test]
    fn s5_6_7_all_three_formats() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                parse_http_date(text.as_bytes()),
                Some(EXAMPLE_SECS),
                "{text}"
            );
        }
        assert_eq!(
            &format_http_date(EXAMPLE_SECS),
            b"Sun, 06 Nov 1994 08:49:37 GMT"
        );
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            &b""[..],
            b"0",
            b"784111777",
            b"Sun, 06 Nov 1994 08:49:37",
            b"Sun, 06 Nov 1994 08:49:37 UTC",
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08:60:00 GMT",
            b"Mon, 06 Nov 1994 08:49:37 GMT",
            b"Fri, 31 Feb 2020 00:00:00 GMT",
            b"Wed, 31 Dec 1969 23:59:59 GMT",
            b"Sun, 06 nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 1994 08:49:37 GMT\xff",
        ] {
            assert_eq!(parse_http_date(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_ends_of_the_calendar() {
        assert_eq!(&format_http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        let last = b"Fri, 31 Dec 9999 23:59:59 GMT";
        assert_eq!(&format_http_date(LAST_DATE_SECS), last);
        assert_eq!(&format_http_date(u64::MAX), last);
        assert_eq!(parse_http_date(last), Some(LAST_DATE_SECS));
    }

    #[test]
    fn every_truncation_is_refused() {
        for text in [
            &b"Sun, 06 Nov 1994 08:49:37 GMT"[..],
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
        ] {
            for len in 0..text.len() {
                assert_eq!(parse_http_date(&text[..len]), None, "{len}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_second_survives_the_round_trip(secs in 0..=LAST_DATE_SECS) {
            prop_assert_eq!(parse_http_date(&format_http_date(secs)), Some(secs));
        }

        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            secs in 0..=LAST_DATE_SECS,
            at in 0..IMF_FIXDATE_BYTES,
            byte: u8,
        ) {
            let _ = parse_http_date(&bytes);
            let mut flipped = format_http_date(secs);
            flipped[at] = byte;
            let _ = parse_http_date(&flipped);
        }
    }
}
