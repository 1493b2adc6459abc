//! Pure HTTP semantics (RFC 9110): what a request for a file means, with no I/O, no clock and no heap on the
//! request path.
//!
//! Slices of field values go in, small `Copy` values come out; the time is an argument. Nothing here knows of
//! HTTP/2, of the kernel or of the file system. In the order in which a request needs them:
//!
//! 1. [`Method`]: the method token (section 9).
//! 2. [`target::resolve`]: the request target to a path beneath the root (section 7.1, RFC 3986).
//! 3. [`AcceptEncoding`] and [`Accept`]: which representation of what was found (section 12.5).
//! 4. [`EntityTag`] and [`date`]: its validators (section 8.8).
//! 5. [`Preconditions::evaluate`]: the conditional fields in the order of section 13.2.2, and
//!    [`range`] (section 14) where they let it apply.
//! 6. [`content_type`], [`ContentRange`]: the fields of the answer (sections 8.3 and 14.4), [`Digest`] where one is
//!    wanted (RFC 9530), and [`MultipartByteRanges`], its content where several ranges were asked for (section 14.6).

pub mod accept;
pub mod accept_encoding;
pub mod coding;
pub mod date;
pub mod digest;
pub mod etag;
pub mod inline;
pub mod media_type;
pub mod method;
pub mod multipart;
pub mod preconditions;
mod quality;
pub mod range;
pub mod target;
pub mod te;

pub use accept::{Accept, ListingType};
pub use accept_encoding::AcceptEncoding;
pub use coding::Coding;
pub use date::{format_http_date, parse_http_date};
pub use digest::{Digest, DigestAlgorithm, WantDigest};
pub use etag::{Comparison, EntityTag};
pub use inline::InlineBytes;
pub use media_type::content_type;
pub use method::Method;
pub use multipart::MultipartByteRanges;
pub use preconditions::{Decision, Preconditions, Representation};
pub use range::{ByteRange, ContentRange, RangeOutcome, Ranges};
pub use target::{Target, TargetError};
pub use te::accepts_trailers;

/// Removes optional whitespace (OWS, RFC 9110 section 5.6.3: spaces and tabs) from both ends.
pub(crate) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
