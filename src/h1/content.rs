//! The content of a request: where it ends (RFC 9112, sections 6 and 7). Nobody wants what is in it.
//!
//! Chunks are read by the letter of the grammar: what is let pass here as a size, another recipient may read as another.

use super::error::ConnectionError;
use super::head::Framing;
use super::limits::{MAX_CHUNK_LINE, MAX_TRAILER_BYTES};
use super::request_line::is_token_byte;

/// Content that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    at: At,
    /// Bytes that are read at most.
    allowance: u64,
}

/// Where in the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// So many bytes are left of content whose length was announced.
    Body(u64),
    /// In the size of a chunk: its value so far, and the digits.
    Size { value: u64, digits: u32 },
    /// In white space between the size of a chunk and its extensions, which is bad and allowed (RFC 9110, section
    /// 5.6.3): the size, and bytes of the line so far.
    SizeSpace { size: u64, line: u32 },
    /// In the extensions of a chunk: its size, and bytes of the line so far.
    Extension { size: u64, line: u32 },
    /// Before the LF that ends the size line.
    SizeLf(u64),
    /// So many bytes are left of a chunk.
    Data(u64),
    /// Before the CR after a chunk.
    DataCr,
    /// Before the LF after a chunk.
    DataLf,
    /// At the beginning of a trailer line: bytes of the trailers so far.
    TrailerStart(u32),
    /// In a trailer's name.
    TrailerName(u32),
    /// In a trailer's value.
    TrailerValue(u32),
    /// Before the LF that ends a trailer line.
    TrailerLf(u32),
    /// Before the LF that ends it all.
    LastLf,
}

/// How reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All input is read; there is more to come.
    More,
    /// The content is read.
    Done,
    /// It is longer than what is read.
    TooLong,
}

impl Content {
    /// The content that a head announces, if it is not longer than `allowance` by its own word.
    pub(super) fn new(framing: Framing, allowance: u64) -> Option<Self> {
        let at = match framing {
            Framing::None => return None,
            Framing::Length(length) if length > allowance => return None,
            Framing::Length(length) => At::Body(length),
            Framing::Chunked => At::SIZE,
        };
        Some(Self { at, allowance })
    }

    /// Reads from `input` up to the end of the content.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Progress, ConnectionError> {
        while let Some((&byte, rest)) = input.split_first() {
            if self.allowance == 0 {
                return Ok(Progress::TooLong);
            }
            if let At::Body(left) | At::Data(left) = &mut self.at {
                let most = (*left).min(self.allowance);
                let len = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
                *input = &input[len..];
                *left -= len as u64;
                self.allowance -= len as u64;
                match self.at {
                    At::Body(0) => return Ok(Progress::Done),
                    At::Data(0) => self.at = At::DataCr,
                    _ => {}
                }
                continue;
            }
            *input = rest;
            self.allowance -= 1;
            match self.at.next(byte)? {
                Some(at) => self.at = at,
                None => return Ok(Progress::Done),
            }
        }
        Ok(Progress::More)
    }
}

impl At {
    /// Before a chunk.
    const SIZE: Self = Self::Size {
        value: 0,
        digits: 0,
    };

    /// What comes after one byte of what is around data; `None` after the last one.
    fn next(self, byte: u8) -> Result<Option<Self>, ConnectionError> {
        Ok(Some(match (self, byte) {
            (Self::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                // 15 digits are more than any file has bytes, and cannot overflow.
                if digits == 15 {
                    return Err(ConnectionError::ChunkSize);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                Self::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (Self::Size { value, digits: 1.. }, b'\r') => Self::SizeLf(value),
            (
                Self::Size {
                    value: size,
                    digits: line @ 1..,
                },
                b';',
            ) => Self::Extension { size, line },
            (
                Self::Size {
                    value: size,
                    digits: line @ 1..,
                },
                b' ' | b'\t',
            ) => Self::SizeSpace { size, line },
            (Self::SizeSpace { size, line }, b' ' | b'\t') if line < MAX_CHUNK_LINE => {
                Self::SizeSpace {
                    size,
                    line: line + 1,
                }
            }
            (Self::SizeSpace { size, line }, b';') => Self::Extension { size, line },
            (Self::Size { .. } | Self::SizeSpace { .. }, _) => {
                return Err(ConnectionError::ChunkSize);
            }
            (Self::Extension { size, .. }, b'\r') => Self::SizeLf(size),
            (Self::Extension { size, line }, b'\t' | b' '..=b'~' | 0x80..) => {
                if line >= MAX_CHUNK_LINE {
                    return Err(ConnectionError::ChunkLineTooLong);
                }
                Self::Extension {
                    size,
                    line: line + 1,
                }
            }
            (Self::Extension { .. }, _) => return Err(ConnectionError::ChunkExtension),
            (Self::SizeLf(0), b'\n') => Self::TrailerStart(0),
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::SizeLf(_), _) => return Err(ConnectionError::BareCr),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::SIZE,
            // Data never comes here.
            (Self::DataCr | Self::DataLf | Self::Data(_) | Self::Body(_), _) => {
                return Err(ConnectionError::ChunkEnd);
            }
            (Self::TrailerStart(_), b'\r') => Self::LastLf,
            (Self::LastLf, b'\n') => return Ok(None),
            (Self::LastLf, _) => return Err(ConnectionError::BareCr),
            (Self::TrailerStart(len) | Self::TrailerName(len) | Self::TrailerValue(len), _)
                if len >= MAX_TRAILER_BYTES =>
            {
                return Err(ConnectionError::TrailersTooLarge);
            }
            (Self::TrailerStart(len) | Self::TrailerName(len), _) if is_token_byte(byte) => {
                Self::TrailerName(len + 1)
            }
            (Self::TrailerName(len), b':') => Self::TrailerValue(len + 1),
            (Self::TrailerValue(len), b'\r') => Self::TrailerLf(len + 1),
            (Self::TrailerValue(len), b'\t' | b' '..=b'~' | 0x80..) => Self::TrailerValue(len + 1),
            (Self::TrailerLf(len), b'\n') => Self::TrailerStart(len + 1),
            (Self::TrailerLf(_), _) => return Err(ConnectionError::BareCr),
            (Self::TrailerStart(_) | Self::TrailerName(_) | Self::TrailerValue(_), _) => {
                return Err(ConnectionError::Trailer);
            }
        }))
    }
}
