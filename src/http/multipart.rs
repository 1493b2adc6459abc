//! Several ranges in one answer: the media type `multipart/byteranges` (RFC 9110 section 14.6, RFC 2046 section 5.1).
//!
//! The content is, for each range, a delimiter with the part's fields and the bytes themselves, and a last delimiter
//! that closes it. What is between the ranges is made here; the bytes are the caller's to send.

use super::inline::InlineBytes;
use super::range::{ByteRange, CONTENT_RANGE_BYTES, ContentRange, Ranges};

/// The nonce in hex. RFC 2046 allows 70 characters; letters and digits need no quotes as a parameter.
const BOUNDARY_BYTES: usize = 32;

const CONTENT_TYPE_PREFIX: &[u8] = b"multipart/byteranges; boundary=";
const CONTENT_TYPE_BYTES: usize = CONTENT_TYPE_PREFIX.len() + BOUNDARY_BYTES;

/// A `multipart/byteranges` content, all but the bytes of the representation.
///
/// The 206 that carries it has [`MultipartByteRanges::content_type`] and [`MultipartByteRanges::content_length`],
/// and no `Content-Range` of its own (section 15.3.7.2).
#[derive(Clone, Copy, Debug)]
pub struct MultipartByteRanges<'a> {
    ranges: Ranges,
    part_type: &'a [u8],
    complete_length: u64,
    boundary: InlineBytes<BOUNDARY_BYTES>,
    content_length: u64,
}

impl<'a> MultipartByteRanges<'a> {
    /// Lays out the answer for `ranges` of a representation of `complete_length` bytes whose `Content-Type` is
    /// `part_type`. The ranges are to be merged before, as those of a `Decision::Partial` are.
    ///
    /// The `nonce` becomes the boundary. It is to be random for every answer: nobody can have put into a file what
    /// was drawn after, and that it stands there by chance is less likely than any failure of the machine.
    ///
    /// `None` where this is not the answer to give: there is one range only, which must not be sent as
    /// multipart (section 15.3.7.2); or the parts with their fields would come to as much as the whole
    /// representation, as many small ranges do, and the whole, in one piece and with 200, serves both sides better
    /// (section 14.2 lets a server ignore the field, section 17.15 says why it should).
    pub fn new(
        ranges: &Ranges,
        part_type: &'a [u8],
        complete_length: u64,
        nonce: u128,
    ) -> Option<Self> {
        if ranges.as_slice().len() < 2 {
            return None;
        }
        let mut boundary = InlineBytes::new();
        for shift in (0..BOUNDARY_BYTES).rev() {
            boundary.put_hex((nonce >> (4 * shift)) as u64 & 0xf);
        }
        let mut multipart = Self {
            ranges: *ranges,
            part_type,
            complete_length,
            boundary,
            content_length: 0,
        };
        let mut content_length = bytes_of(&multipart.closing());
        for (index, &range) in ranges.as_slice().iter().enumerate() {
            let content_range = multipart.content_range(range);
            let header = multipart.header(index, content_range.as_bytes());
            content_length = content_length
                .checked_add(bytes_of(&header))?
                .checked_add(range.len())?;
        }
        multipart.content_length = content_length;
        (content_length < complete_length).then_some(multipart)
    }

    /// The value of `Content-Type` of the answer.
    pub fn content_type(&self) -> InlineBytes<CONTENT_TYPE_BYTES> {
        let mut value = InlineBytes::new();
        value.put(CONTENT_TYPE_PREFIX);
        value.put(self.boundary.as_bytes());
        value
    }

    /// The exact number of bytes of the content: every part with its header, and the closing delimiter.
    pub fn content_length(&self) -> u64 {
        self.content_length
    }

    /// The ranges whose bytes are to be sent, in this order, each after its header: two or more.
    pub fn parts(&self) -> &[ByteRange] {
        self.ranges.as_slice()
    }

    /// Appends what goes before the bytes of the part with this index: the delimiter and the part's fields. Nothing
    /// for an index that is not one of [`MultipartByteRanges::parts`].
    pub fn put_part_header(&self, index: usize, out: &mut Vec<u8>) {
        if let Some(&range) = self.parts().get(index) {
            let content_range = self.content_range(range);
            for piece in self.header(index, content_range.as_bytes()) {
                out.extend_from_slice(piece);
            }
        }
    }

    /// Appends what goes after the bytes of the last part.
    pub fn put_closing_delimiter(&self, out: &mut Vec<u8>) {
        for piece in self.closing() {
            out.extend_from_slice(piece);
        }
    }

    fn content_range(&self, range: ByteRange) -> InlineBytes<CONTENT_RANGE_BYTES> {
        ContentRange::Satisfied {
            range,
            complete_length: self.complete_length,
        }
        .encode()
    }

    /// The line end in front of a delimiter is the delimiter's (RFC 2046 section 5.1.1), so the first, with no part
    /// before it, goes without.
    fn header<'h>(&'h self, index: usize, content_range: &'h [u8]) -> [&'h [u8]; 8] {
        [
            if index == 0 { b"" } else { b"\r\n" },
            b"--",
            self.boundary.as_bytes(),
            b"\r\nContent-Type: ",
            self.part_type,
            b"\r\nContent-Range: ",
            content_range,
            b"\r\n\r\n",
        ]
    }

    fn closing(&self) -> [&[u8]; 3] {
        [b"\r\n--", self.boundary.as_bytes(), b"--\r\n"]
    }
}

fn bytes_of(pieces: &[&[u8]]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
