//! Compressing a whole file in memory.

use std::io::Write;

use flate2::write::GzEncoder;

use crate::http::Coding;

// Levels, measured on five files of a web site (an SVG of 38 KB, a style sheet of 70 KB, jQuery minified of 89 KB, a page
// of API documentation of 942 KB, a JSON of 1,017 KB), together 2,156 KB; one core of a
// virtual Xeon server with others busy on it, the best of three to ten.
//
// | coding, level | KB | ms | | coding, level | KB | ms | | coding, level | KB | ms |
// |---|---|---|---|---|---|---|---|---|---|---|
// | gzip 1 | 489 | 7.5 | | br 3 | 283 | 20 | | zstd 3 | 284 | 4.4 |
// | gzip 5 | 307 | 25 | | **br 5** | 239 | 48 | | zstd 6 | 244 | 19 |
// | **gzip 6** | 304 | 30 | | br 6 | 232 | 62 | | **zstd 9** | 236 | 31 |
// | gzip 9 | 299 | 57 | | br 9 | 221 | 246 | | zstd 12 | 230 | 50 |
// | | | | | br 11 | 201 | 5,270 | | zstd 15 | 224 | 307 |
//
// What is made is kept, so the last tenth of the size is worth some time, but not ten times as much: who wants that
// codes beforehand. flate2's other backend in Rust, `miniz_oxide`, makes 299 KB in 65 ms at level 6.
const GZIP_LEVEL: u32 = 6;
const BR_LEVEL: i32 = 5;
const ZSTD_LEVEL: i32 = 9;

/// log2 of Brotli's window in bytes: the largest that needs no extension, and more than any file that is coded here.
const BR_WINDOW_BITS: i32 = 22;

/// The codings that are made here, the one to prefer first: by the figures above, Zstandard gives what Brotli gives in
/// two thirds of the time, and is faster to decode.
pub const MADE_HERE: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

/// Names what the encoders and levels make, for the entity tag: to be raised with any change of the bytes that come
/// out, which a test notices.
pub const ENCODER: u8 = 1;

/// The whole of `bytes` in this coding. `None` where that is not smaller.
///
/// Takes up to 30 ms for [`MAX_CODED_FILE_BYTES`](super::MAX_CODED_FILE_BYTES): not for the shard's loop.
#[must_use]
pub fn compress(coding: Coding, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut coded = match coding {
        Coding::Gzip => gzip(bytes),
        Coding::Br => br(bytes),
        Coding::Zstd => zstd(bytes),
    }?;
    // It will be kept, and the room it did not need with it.
    coded.shrink_to_fit();
    (coded.len() < bytes.len()).then_some(coded)
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    // The header says no time and no name, so that the same file always gives the same bytes.
    let mut encoder = GzEncoder::new(room_for(bytes), flate2::Compression::new(GZIP_LEVEL));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn br(bytes: &[u8]) -> Option<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: BR_LEVEL,
        lgwin: BR_WINDOW_BITS,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut coded = room_for(bytes);
    brotli::BrotliCompress(&mut &*bytes, &mut coded, &params).ok()?;
    Some(coded)
}

/// The window is never larger than the file, so far below the 8 MiB of RFC 9659.
fn zstd(bytes: &[u8]) -> Option<Vec<u8>> {
    // No more room than for something smaller: what does not fit is an error, and not wanted.
    let mut coded = Vec::with_capacity(bytes.len().checked_sub(1)?);
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()?;
    compressor.compress_to_buffer(bytes, &mut coded).ok()?;
    Some(coded)
}

/// Text shrinks to a third or less.
fn room_for(bytes: &[u8]) -> Vec<u8> {
    Vec::with_capacity(bytes.len() / 3)
}

#[cfg(test)]
#[path = "compress_tests.rs"]
mod tests;
