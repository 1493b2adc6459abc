//! What a protocol core is given to send: a head in its own encoding and a body that it frames.
//!
//! A body is known by its length long before its bytes are: the core counts, and a slot gets holes for what is in
//! files. `F` is a handle of a file that is cloned into the holes of a slot and never looked into.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// A response.
#[derive(Clone, Debug)]
pub struct Response<F> {
    /// Status and fields in up to two pieces, as the protocol encodes them: for HTTP/2 one HPACK field block without
    /// references to the dynamic table, for HTTP/1.1 the status line and field lines without the empty line.
    pub head: [Bytes; 2],
    /// The content.
    pub body: Body<F>,
}

/// The content of a response.
#[derive(Clone, Debug)]
pub enum Body<F> {
    /// No content.
    Empty,
    /// Bytes that are copied into the slot.
    Bytes(Bytes),
    /// A range of a file, for which the slot gets holes.
    File {
        /// The file, opaque to the core.
        file: F,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// Several pieces, of which some may not be known yet.
    Stream(Box<Stream<F>>),
}

/// A piece of a [`Stream`].
#[derive(Clone, Debug)]
pub enum Segment<F> {
    /// Bytes that are copied into the slot.
    Bytes(Bytes),
    /// A range of a file, for which the slot gets holes.
    File {
        /// The file, opaque to the core.
        file: F,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
}

impl<F> Segment<F> {
    /// Bytes that are left.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a [`Stream`] goes on after the pieces that are known.
#[derive(Clone, Debug)]
pub enum End {
    /// More may be appended.
    Open,
    /// There is nothing more.
    Done,
    /// There is nothing more but trailers, encoded as the head is. Without a byte they are none.
    Trailers(Bytes),
}

impl End {
    /// Trailers that say nothing are none.
    fn normalized(self) -> Self {
        match self {
            Self::Trailers(block) if block.is_empty() => Self::Done,
            other => other,
        }
    }
}

/// A body of several pieces, or of which the end is not known yet.
#[derive(Clone, Debug)]
pub struct Stream<F> {
    /// None of them is empty.
    segments: VecDeque<Segment<F>>,
    len: u64,
    end: End,
}

impl<F> Stream<F> {
    /// A body of these pieces, in order.
    pub fn new(segments: impl IntoIterator<Item = Segment<F>>, end: End) -> Self {
        let segments: VecDeque<_> = segments.into_iter().filter(|one| !one.is_empty()).collect();
        Self {
            len: segments.iter().map(Segment::len).sum(),
            segments,
            end: end.normalized(),
        }
    }

    /// Whether more may be appended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.end, End::Open)
    }

    /// One more piece. Ignored when the end is known already.
    pub fn append(&mut self, segment: Segment<F>) {
        if self.is_open() && !segment.is_empty() {
            self.len += segment.len();
            self.segments.push_back(segment);
        }
    }

    /// Says how it ends. Ignored when the end is known already.
    pub fn finish(&mut self, end: End) {
        if self.is_open() {
            self.end = end.normalized();
        }
    }
}

/// The piece of a body that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a, F> {
    /// Bytes to copy.
    Bytes(&'a [u8]),
    /// A range of a file.
    File {
        /// The file.
        file: &'a F,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
}

impl<F> Piece<'_, F> {
    /// The file that it is of, if it is of one.
    #[must_use]
    pub fn file(&self) -> Option<&F> {
        match self {
            Piece::Bytes(_) => None,
            Piece::File { file, .. } => Some(file),
        }
    }
}

#[expect(clippy::len_without_is_empty, reason = "no piece is empty")]
impl<F> Piece<'_, F> {
    /// Bytes, never 0.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

impl<F> Body<F> {
    /// Bytes that are known and left to be framed.
    #[must_use]
    pub fn known_len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
            Self::Stream(stream) => stream.len,
        }
    }

    /// Whether nothing is left, nothing more will come, and no trailers follow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known_len() == 0 && self.is_final()
    }

    /// Whether the last byte that is known is the last thing of the message.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Stream(stream) => matches!(stream.end, End::Done),
            _ => true,
        }
    }

    /// Whether more may be appended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_open())
    }

    /// What comes next, if something is known.
    #[must_use]
    pub fn front(&self) -> Option<Piece<'_, F>> {
        let (file, offset, len) = match self {
            Self::Empty => return None,
            Self::Bytes(bytes) => return (!bytes.is_empty()).then_some(Piece::Bytes(bytes)),
            Self::File { file, offset, len } => (file, *offset, *len),
            Self::Stream(stream) => match stream.segments.front()? {
                Segment::Bytes(bytes) => return Some(Piece::Bytes(bytes)),
                Segment::File { file, offset, len } => (file, *offset, *len),
            },
        };
        (len > 0).then_some(Piece::File { file, offset, len })
    }

    /// `n` bytes of [`Body::front`], at most its length, were framed.
    pub fn advance(&mut self, n: u64) {
        match self {
            Self::Empty => {}
            // The cast keeps the value: it is at most the length of a slice.
            Self::Bytes(bytes) => bytes.advance(n as usize),
            Self::File { offset, len, .. } => {
                *offset += n;
                *len -= n;
            }
            Self::Stream(stream) => {
                stream.len -= n;
                let Some(front) = stream.segments.front_mut() else {
                    return;
                };
                match front {
                    Segment::Bytes(bytes) => bytes.advance(n as usize),
                    Segment::File { offset, len, .. } => {
                        *offset += n;
                        *len -= n;
                    }
                }
                if front.is_empty() {
                    stream.segments.pop_front();
                }
            }
        }
    }

    /// The trailers, if they are known.
    #[must_use]
    pub fn trailers(&self) -> Option<&Bytes> {
        match self {
            Self::Stream(stream) => match &stream.end {
                End::Trailers(trailers) => Some(trailers),
                End::Open | End::Done => None,
            },
            _ => None,
        }
    }

    /// The trailers, once everything before them is framed. They are given once; the body is empty then.
    pub fn take_trailers(&mut self) -> Option<Bytes> {
        let Self::Stream(stream) = self else {
            return None;
        };
        if stream.len > 0 || !matches!(stream.end, End::Trailers(_)) {
            return None;
        }
        match std::mem::replace(&mut stream.end, End::Done) {
            End::Trailers(trailers) => Some(trailers),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn framed(body: &mut Body<char>, most: u64) -> Vec<String> {
        let mut pieces = Vec::new();
        while let Some(piece) = body.front() {
            let n = piece.len().min(most);
            pieces.push(match piece {
                Piece::Bytes(bytes) => String::from_utf8_lossy(&bytes[..n as usize]).into_owned(),
                Piece::File { file, offset, .. } => format!("{file}{offset}+{n}"),
            });
            body.advance(n);
        }
        pieces
    }

    #[test]
    fn simple_bodies_are_one_piece() {
        let file = Body::File {
            file: 'f',
            offset: 10,
            len: 5,
        };
        for (mut body, expected) in [
            (Body::Empty, vec![]),
            (Body::Bytes(Bytes::from_static(b"abc")), vec!["ab", "c"]),
            (file, vec!["f10+2", "f12+2", "f14+1"]),
        ] {
            assert!(body.is_final());
            assert_eq!(framed(&mut body, 2), expected);
            assert!(body.is_empty());
            assert_eq!(body.take_trailers(), None);
        }
    }

    #[test]
    fn a_stream_gives_its_pieces_in_order_and_then_its_trailers() {
        let mut body = Body::Stream(Box::new(Stream::new(
            [
                Segment::Bytes(Bytes::from_static(b"head")),
                Segment::Bytes(Bytes::new()),
                Segment::File {
                    file: 'f',
                    offset: 0,
                    len: 3,
                },
            ],
            End::Open,
        )));
        assert_eq!(body.known_len(), 7);
        assert_eq!(framed(&mut body, 100), ["head", "f0+3"]);
        assert!(body.known_len() == 0 && !body.is_empty() && !body.is_final());
        let Body::Stream(stream) = &mut body else {
            unreachable!()
        };
        stream.append(Segment::Bytes(Bytes::from_static(b"tail")));
        stream.finish(End::Trailers(Bytes::from_static(b"t")));
        stream.append(Segment::Bytes(Bytes::from_static(b"too late")));
        stream.finish(End::Done);
        assert_eq!(body.take_trailers(), None, "content comes first");
        assert_eq!(framed(&mut body, 3), ["tai", "l"]);
        assert!(!body.is_empty());
        assert_eq!(body.take_trailers().unwrap(), "t");
        assert!(body.is_empty());
    }
}
