//! The content of a request: where it ends (RFC 9112, sections 6 and 7). Nobody wants what is in it.
//!
//! Chunks are read by the letter of the grammar: what is let pass here as a size, another recipient may read as another.

use super::error::ConnectionError;
use super::head::{Framing, is_token_byte};
use super::limits::{MAX_CHUNK_LINE, MAX_TRAILER_BYTES};

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
    /// In the size of a chunk, of so many digits so far.
    Size { size: u64, digits: u32 },
    /// Behind the size: in its extensions, or in white space before these. Bytes of the line so far.
    Extensions { size: u64, begun: bool, len: u32 },
    /// Before the LF that ends the line of a size.
    SizeLf(u64),
    /// So many bytes are left of a chunk.
    Data(u64),
    /// Before the CR after a chunk.
    DataCr,
    /// Before the LF after a chunk.
    DataLf,
    /// In the trailers: bytes of them so far.
    Trailers(Trailer, u32),
    /// Before the LF that ends it all.
    LastLf,
}

/// Where in a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trailer {
    Start,
    Name,
    Value,
    /// Before the LF that ends it.
    Lf,
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

/// 15 digits are more than any file has bytes, and cannot overflow.
const MAX_SIZE_DIGITS: u32 = 15;

impl At {
    /// Before a chunk.
    const SIZE: Self = Self::Size { size: 0, digits: 0 };

    /// What comes after one byte of what is around data; `None` after the last one.
    fn next(self, byte: u8) -> Result<Option<Self>, ConnectionError> {
        Ok(Some(match self {
            Self::Size { size, digits } => Self::in_size(size, digits, byte)?,
            Self::Extensions { size, begun, len } => Self::in_extensions(size, begun, len, byte)?,
            Self::SizeLf(size) => match (size, byte) {
                (0, b'\n') => Self::Trailers(Trailer::Start, 0),
                (_, b'\n') => Self::Data(size),
                _ => return Err(ConnectionError::BareCr),
            },
            Self::DataCr if byte == b'\r' => Self::DataLf,
            Self::DataLf if byte == b'\n' => Self::SIZE,
            // Data itself never comes here.
            Self::DataCr | Self::DataLf | Self::Data(_) | Self::Body(_) => {
                return Err(ConnectionError::ChunkEnd);
            }
            Self::Trailers(at, len) => Self::in_trailers(at, len, byte)?,
            Self::LastLf if byte == b'\n' => return Ok(None),
            Self::LastLf => return Err(ConnectionError::BareCr),
        }))
    }

    /// `chunk-size = 1*HEXDIG`
    fn in_size(size: u64, digits: u32, byte: u8) -> Result<Self, ConnectionError> {
        let digit = char::from(byte).to_digit(16);
        Ok(match (digit, byte) {
            (Some(digit), _) if digits < MAX_SIZE_DIGITS => Self::Size {
                size: size << 4 | u64::from(digit),
                digits: digits + 1,
            },
            (None, b'\r') if digits > 0 => Self::SizeLf(size),
            (None, b';' | b' ' | b'\t') if digits > 0 => Self::Extensions {
                size,
                begun: byte == b';',
                len: digits + 1,
            },
            _ => return Err(ConnectionError::ChunkSize),
        })
    }

    /// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, where "A recipient MUST parse for such
    /// bad whitespace and remove it" (RFC 9110, section 5.6.3). What they say is ignored (RFC 9112, section 7.1.1).
    fn in_extensions(size: u64, begun: bool, len: u32, byte: u8) -> Result<Self, ConnectionError> {
        let next = |begun| {
            let len = len + 1;
            Ok(Self::Extensions { size, begun, len })
        };
        match byte {
            b'\r' if begun => Ok(Self::SizeLf(size)),
            _ if len == MAX_CHUNK_LINE => Err(ConnectionError::ChunkLineTooLong),
            b';' => next(true),
            b' ' | b'\t' => next(begun),
            _ if !begun => Err(ConnectionError::ChunkSize),
            b'!'..=b'~' | 0x80.. => next(true),
            _ => Err(ConnectionError::ChunkExtension),
        }
    }

    /// `trailer-section = *( field-line CRLF )`
    fn in_trailers(at: Trailer, len: u32, byte: u8) -> Result<Self, ConnectionError> {
        let at = match (at, byte) {
            (Trailer::Start, b'\r') => return Ok(Self::LastLf),
            _ if len == MAX_TRAILER_BYTES => return Err(ConnectionError::TrailersTooLarge),
            (Trailer::Lf, b'\n') => Trailer::Start,
            (Trailer::Lf, _) => return Err(ConnectionError::BareCr),
            (Trailer::Start | Trailer::Name, _) if is_token_byte(byte) => Trailer::Name,
            (Trailer::Name, b':') => Trailer::Value,
            (Trailer::Value, b'\r') => Trailer::Lf,
            (Trailer::Value, b'\t' | b' '..=b'~' | 0x80..) => Trailer::Value,
            _ => return Err(ConnectionError::Trailer),
        };
        Ok(Self::Trailers(at, len + 1))
    }
}
