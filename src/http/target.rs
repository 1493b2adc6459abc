//! The request target in origin-form (RFC 9110 section 7.1; `:path` in RFC 9113 section 8.3.1) as a path beneath
//! the root.
//!
//! The text is decoded once (RFC 3986 section 2.4) and only ever refused, never repaired, where a segment could
//! leave the root or mean something else to another program on the way: `..` is not resolved, `%2F` is not a
//! slash. Whether a path exists, and whether hidden files are served, is decided elsewhere.

use thiserror::Error;

/// Longest path in bytes after decoding: Linux's PATH_MAX without the closing NUL.
pub const PATH_BYTES_MAX: usize = 4095;

/// Longest segment in bytes after decoding: Linux's NAME_MAX.
pub const SEGMENT_BYTES_MAX: usize = 255;

/// A resolved target: segments joined by single slashes, none of them empty, `.` or `..`, none holding a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'b> {
    /// The path relative to the root, decoded, without a leading or trailing slash. Empty for the root itself.
    pub path: &'b [u8],
    /// Whether the target named a directory: it ended in a slash or in a `.` segment, or is the root.
    pub directory: bool,
}

/// Why a request target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Does not begin with a slash, so is not in origin-form.
    #[error("the request target does not begin with a slash")]
    NotOriginForm,
    /// `*`, which is for OPTIONS alone (RFC 9110 section 9.3.7).
    #[error("the request target is an asterisk")]
    Asterisk,
    /// A raw byte that no URI may hold: a control, a space, DEL or a byte above 0x7f, in the path or the query.
    #[error("the request target holds a byte that is not visible ASCII")]
    NotVisible,
    /// A raw `#`: fragments are never sent (RFC 9110 section 7.1).
    #[error("the request target holds a fragment")]
    Fragment,
    /// `%` without two hex digits after it.
    #[error("the request target holds a broken percent-encoding")]
    BadPercentEncoding,
    /// `%00`.
    #[error("the request target holds an encoded NUL")]
    EncodedNul,
    /// An encoded control (0x01 to 0x1f, or 0x7f).
    #[error("the request target holds an encoded control byte")]
    EncodedControl,
    /// `%2F`.
    #[error("the request target holds an encoded slash")]
    EncodedSlash,
    /// A segment that is `..`, encoded or not.
    #[error("the request target holds a parent segment")]
    ParentSegment,
    /// A segment above [`SEGMENT_BYTES_MAX`]: no file can have this name.
    #[error("a segment of the request target is too long")]
    SegmentTooLong,
    /// A path above [`PATH_BYTES_MAX`].
    #[error("the request target is too long")]
    PathTooLong,
}

impl TargetError {
    /// The status code to answer with: 400, 404 (no such file can exist) or 414 (RFC 9110 section 15.5.15).
    pub fn status(&self) -> u16 {
        match self {
            Self::NotOriginForm
            | Self::Asterisk
            | Self::NotVisible
            | Self::Fragment
            | Self::BadPercentEncoding
            | Self::EncodedNul
            | Self::EncodedControl
            | Self::EncodedSlash
            | Self::ParentSegment => 400,
            Self::SegmentTooLong => 404,
            Self::PathTooLong => 414,
        }
    }
}

/// Resolves the value of `:path` to a path relative to the root. The query is checked for stray bytes and dropped.
///
/// `buffer` is cleared and then holds the path; it never grows beyond [`PATH_BYTES_MAX`] plus one segment, so one
/// that is kept from request to request is allocated once.
///
/// # Errors
/// One variant of [`TargetError`] per violation: the first one met, from left to right.
pub fn resolve<'b>(path: &[u8], buffer: &'b mut Vec<u8>) -> Result<Target<'b>, TargetError> {
    buffer.clear();
    if path == b"*" {
        return Err(TargetError::Asterisk);
    }
    let Some(relative) = path.strip_prefix(b"/") else {
        return Err(TargetError::NotOriginForm);
    };
    if relative.iter().any(|byte| !byte.is_ascii_graphic()) {
        return Err(TargetError::NotVisible);
    }
    if relative.contains(&b'#') {
        return Err(TargetError::Fragment);
    }
    let relative = match relative.iter().position(|&byte| byte == b'?') {
        Some(query) => &relative[..query],
        None => relative,
    };

    let mut directory = true;
    for segment in relative.split(|&byte| byte == b'/') {
        let start = buffer.len();
        if start > 0 {
            buffer.push(b'/');
        }
        let name = buffer.len();
        decode_segment(segment, buffer)?;
        match &buffer[name..] {
            // RFC 3986 section 5.2.4: "/a/." is "/a/".
            b"" | b"." => {
                buffer.truncate(start);
                directory = true;
            }
            b".." => return Err(TargetError::ParentSegment),
            _ if buffer.len() > PATH_BYTES_MAX => return Err(TargetError::PathTooLong),
            _ => directory = false,
        }
    }
    Ok(Target {
        path: buffer,
        directory,
    })
}

/// Appends one decoded segment to `buffer`. The caller has refused raw bytes that are not visible.
fn decode_segment(segment: &[u8], buffer: &mut Vec<u8>) -> Result<(), TargetError> {
    if !segment.contains(&b'%') {
        if segment.len() > SEGMENT_BYTES_MAX {
            return Err(TargetError::SegmentTooLong);
        }
        buffer.extend_from_slice(segment);
        return Ok(());
    }
    let start = buffer.len();
    let mut rest = segment;
    while let [byte, after @ ..] = rest {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => (decode_byte(*high, *low)?, after),
            (b'%', _) => return Err(TargetError::BadPercentEncoding),
            (byte, after) => (*byte, after),
        };
        if buffer.len() - start == SEGMENT_BYTES_MAX {
            return Err(TargetError::SegmentTooLong);
        }
        buffer.push(byte);
        rest = after;
    }
    Ok(())
}

/// The byte that two hex digits stand for, unless no path may hold it.
fn decode_byte(high: u8, low: u8) -> Result<u8, TargetError> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (Some(high), Some(low)) = (digit(high), digit(low)) else {
        return Err(TargetError::BadPercentEncoding);
    };
    match (high << 4 | low) as u8 {
        0 => Err(TargetError::EncodedNul),
        b'/' => Err(TargetError::EncodedSlash),
        byte if byte.is_ascii_control() => Err(TargetError::EncodedControl),
        byte => Ok(byte),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_that_resolve() {
        for (path, resolved, directory) in [
            (&b"/"[..], &b""[..], true),
            (b"//", b"", true),
            (b"/.", b"", true),
            (b"/?a=b", b"", true),
            (b"/a", b"a", false),
            (b"/a/", b"a", true),
            (b"/a/b.txt", b"a/b.txt", false),
            (b"//a///b//", b"a/b", true),
            (b"/./a/./b", b"a/b", false),
            (b"/a/.", b"a", true),
            (b"/a/%2e", b"a", true),
            (b"/a/%2e/b", b"a/b", false),
            (b"/...", b"...", false),
            (b"/..a/b..", b"..a/b..", false),
            (b"/.hidden", b".hidden", false),
            (b"/a%20b", b"a b", false),
            (b"/%E4%b8%AD", b"\xe4\xb8\xad", false),
            (b"/%ff", b"\xff", false),
            // Decoded once only.
            (b"/%252e%252e/a", b"%2e%2e/a", false),
            (b"/%252F", b"%2F", false),
            (b"/a%3Fb?c", b"a?b", false),
            (b"/a%23b", b"a#b", false),
            (b"/a\\..\\b", b"a\\..\\b", false),
            (b"/a%5Cb", b"a\\b", false),
            (b"/a+b", b"a+b", false),
            (b"/a?%zz/../", b"a", false),
            (b"/a/?/b", b"a", true),
            (b"/a;v=1", b"a;v=1", false),
        ] {
            let mut buffer = b"left over".to_vec();
            let target = resolve(path, &mut buffer).expect("resolves");
            let expected = Target {
                path: resolved,
                directory,
            };
            assert_eq!(target, expected, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn targets_that_are_refused() {
        use TargetError::*;
        for (path, error) in [
            (&b""[..], NotOriginForm),
            (b"*", Asterisk),
            (b"**", NotOriginForm),
            (b"a", NotOriginForm),
            (b"http://example.com/", NotOriginForm),
            (b"?a", NotOriginForm),
            (b"/a b", NotVisible),
            (b"/a\0", NotVisible),
            (b"/a\x7f", NotVisible),
            (b"/\xe4", NotVisible),
            (b"/a?\r\n", NotVisible),
            (b"/a#b", Fragment),
            (b"/a?b#c", Fragment),
            (b"/%", BadPercentEncoding),
            (b"/%2", BadPercentEncoding),
            (b"/%zz", BadPercentEncoding),
            (b"/%2g", BadPercentEncoding),
            (b"/%+1", BadPercentEncoding),
            (b"/%2/e", BadPercentEncoding),
            (b"/%?20", BadPercentEncoding),
            (b"/%00", EncodedNul),
            (b"/a%00.txt", EncodedNul),
            (b"/%0a", EncodedControl),
            (b"/%7F", EncodedControl),
            (b"/a%2fb", EncodedSlash),
            (b"/..%2Fa", EncodedSlash),
            (b"/..", ParentSegment),
            (b"/a/../b", ParentSegment),
            (b"/%2e%2e/a", ParentSegment),
            (b"/.%2E", ParentSegment),
            (b"/%2E./", ParentSegment),
            (b"//../", ParentSegment),
        ] {
            let mut buffer = Vec::new();
            let refused = resolve(path, &mut buffer);
            assert_eq!(refused, Err(error), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn statuses_and_sentences() {
        assert_eq!(TargetError::SegmentTooLong.status(), 404);
        assert_eq!(TargetError::PathTooLong.status(), 414);
        assert_eq!(TargetError::ParentSegment.status(), 400);
        assert_eq!(
            TargetError::EncodedSlash.to_string(),
            "the request target holds an encoded slash"
        );
    }

    #[test]
    fn lengths_count_decoded_bytes_and_stop_at_the_limit() {
        let mut buffer = Vec::new();
        for (letter, per_byte) in [("a", 1), ("%61", 3)] {
            let longest = format!("/{}", letter.repeat(SEGMENT_BYTES_MAX));
            assert_eq!(longest.len(), 1 + SEGMENT_BYTES_MAX * per_byte);
            assert!(resolve(longest.as_bytes(), &mut buffer).is_ok());
            let longer = format!("{longest}{letter}");
            let refused = resolve(longer.as_bytes(), &mut buffer);
            assert_eq!(refused, Err(TargetError::SegmentTooLong));
        }
        // 16 segments of 255 bytes and 15 slashes between them: exactly 4095.
        let segment = format!("/{}", "a".repeat(SEGMENT_BYTES_MAX));
        let longest = segment.repeat(16);
        let target = resolve(longest.as_bytes(), &mut buffer).expect("fits");
        assert_eq!(target.path.len(), PATH_BYTES_MAX);
        // A trailing slash is no part of the path.
        assert!(resolve(format!("{longest}/").as_bytes(), &mut buffer).is_ok());
        let longer = format!("{longest}/b");
        let refused = resolve(longer.as_bytes(), &mut buffer);
        assert_eq!(refused, Err(TargetError::PathTooLong));
        let _ = resolve(segment.repeat(1000).as_bytes(), &mut buffer);
        assert!(buffer.len() <= PATH_BYTES_MAX + 1 + SEGMENT_BYTES_MAX);
    }

    fn target_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(vec![
            "/", ".", "..", "%2e", "%2E", "%2f", "%00", "%25", "%", "a", "\\", "?", "\0",
        ]);
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(piece, 0..12).prop_map(|pieces| {
                let mut path = b"/".to_vec();
                path.extend(pieces.concat().bytes());
                path
            }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_resolves_can_leave_the_root(path in target_bytes()) {
            let mut buffer = Vec::new();
            for len in 0..=path.len() {
                let Ok(target) = resolve(&path[..len], &mut buffer) else { continue };
                prop_assert!(!target.path.contains(&0));
                prop_assert!(target.directory || !target.path.is_empty());
                if !target.path.is_empty() {
                    for segment in target.path.split(|&byte| byte == b'/') {
                        prop_assert!(!matches!(segment, b"" | b"." | b".."));
                        prop_assert!(segment.len() <= SEGMENT_BYTES_MAX);
                    }
                }
            }
        }

        #[test]
        fn any_name_survives_encoding(name in proptest::collection::vec(0x20u8.., 1..60)) {
            prop_assume!(!name.contains(&b'/') && !name.contains(&0x7f));
            prop_assume!(name != b"." && name != b"..");
            let mut path = b"/".to_vec();
            for byte in &name {
                path.extend(format!("%{byte:02X}").bytes());
            }
            let mut buffer = Vec::new();
            let target = resolve(&path, &mut buffer).expect("resolves");
            prop_assert_eq!(target.path, &name[..]);
        }
    }
}
