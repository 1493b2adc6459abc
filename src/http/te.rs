//! `TE` (RFC 9110 section 10.1.4), of which a server that codes no transfer needs one word.

use super::quality::members;

/// Whether a line of the field says `trailers`: that what is sent after the content will not be thrown away.
/// True of the field where it is of any of its lines.
pub fn accepts_trailers(line: &[u8]) -> bool {
    members(line).any(|member| member.eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_1_4_trailers() {
        for line in [
            &b"trailers"[..],
            b"Trailers",
            b"trailers, deflate;q=0.5",
            b"deflate ,trailers",
        ] {
            assert!(accepts_trailers(line), "{}", line.escape_ascii());
        }
        // No weight can be given to it.
        for line in [
            &b""[..],
            b"deflate",
            b"trailers;q=1",
            b"xtrailers",
            b"deflate;x=\", trailers\"",
        ] {
            assert!(!accepts_trailers(line), "{}", line.escape_ascii());
        }
    }
}
