//! Content codings (RFC 9110 section 8.4.1): the ones that files are served with.

/// A content coding. No coding at all ("identity", section 12.5.3) is `Option::<Coding>::None`: the name only
/// stands in `Accept-Encoding`, never in `Content-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878), with a window of 8 MiB at most (RFC 9659).
    Zstd,
    /// gzip (RFC 1952, RFC 9110 section 8.4.1.3).
    Gzip,
}

impl Coding {
    /// Every coding, the one to prefer first where all were made beforehand with time to spare: on text, Brotli at
    /// its highest level is smallest, Zstandard next.
    pub const PRECOMPRESSED: [Self; 3] = [Self::Br, Self::Zstd, Self::Gzip];

    /// The value of `Content-Encoding`.
    pub fn token(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a file coded beforehand ends in, after the name of the file itself.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Br => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// The coding that a token of `Accept-Encoding` names, whatever its case. `x-gzip` is gzip (section 8.4.1.3).
    pub(super) fn from_token(token: &[u8]) -> Option<Self> {
        let is = |name: &[u8]| token.eq_ignore_ascii_case(name);
        if is(b"br") {
            Some(Self::Br)
        } else if is(b"gzip") || is(b"x-gzip") {
            Some(Self::Gzip)
        } else if is(b"zstd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}
