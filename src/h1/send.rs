//! The sending direction: slots are filled with all answers that are ready, in the order of the requests.

use bytes::Bytes;

use super::connection::Connection;
use super::exchange::{Delimiter, Exchange, Parts, Stage};
use super::limits::MIN_PART_AT_END;
use crate::response::Piece;
use crate::slot::{Slot, Source};

/// Bytes of a part of a body at most, more than any slot takes: what announces it has eight digits.
const MAX_PART: usize = 1 << 30;

/// The longest line that announces a chunk: the digits and CRLF.
const CHUNK_LINE: usize = 10;

/// Bytes around the data of a chunk (RFC 9112, section 7.1).
const CHUNK_FRAME: usize = CHUNK_LINE + 2;

impl<F: Source> Connection<F> {
    /// Whether [`Connection::poll_transmit`] would put anything now. O(1).
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        self.queue.front().is_some_and(Exchange::wants_transmit)
    }

    /// Fills the slot with all that is ready. Calls [`Slot::ends`] with the time of the request for each answer that
    /// ends in it.
    pub fn poll_transmit(&mut self, now_ns: u64, slot: &mut Slot<'_, F>) {
        while let Some((stream, exchange)) = self.queue.front_mut() {
            let more = match exchange.stage {
                Stage::Waiting => false,
                Stage::Ready => {
                    self.begin_answer();
                    true
                }
                Stage::Head => {
                    let whole = exchange.parts.put(slot);
                    if whole {
                        exchange.stage = Stage::Body;
                    }
                    whole
                }
                Stage::Body => match put_body(stream, exchange, slot) {
                    Put::Nothing => false,
                    Put::Some => true,
                    Put::End => {
                        self.end_body(slot);
                        true
                    }
                },
                Stage::Last => {
                    let whole = exchange.parts.put(slot);
                    if whole {
                        self.end_answer(slot);
                    }
                    whole
                }
            };
            if !more {
                break;
            }
        }
        self.clocks.busy(now_ns);
        self.clocks.filled(slot.wire_len(), now_ns);
        self.invariants();
    }

    /// The first answer begins to go out.
    fn begin_answer(&mut self) {
        let last = self.queue.len() == 1 && self.reading.is_ended();
        let Some((_, exchange)) = self.queue.front_mut() else {
            return;
        };
        exchange.begin(last);
        if exchange.delimiter == Delimiter::Close {
            // Only the end of the connection ends it: there is no place for answers to what was asked meanwhile.
            self.queue.truncate(1);
            self.refused = false;
            self.end();
        }
    }

    /// The content of the first answer is out.
    fn end_body(&mut self, slot: &mut Slot<'_, F>) {
        let Some((_, exchange)) = self.queue.front_mut() else {
            return;
        };
        if exchange.delimiter == Delimiter::Chunks {
            let trailers = exchange.body.take_trailers().unwrap_or_default();
            exchange.parts = Parts {
                pieces: [Bytes::from_static(b"0\r\n"), trailers],
                tail: b"\r\n",
            };
            exchange.stage = Stage::Last;
        } else {
            self.end_answer(slot);
        }
    }

    /// The first answer is out as a whole.
    fn end_answer(&mut self, slot: &mut Slot<'_, F>) {
        if let Some((_, exchange)) = self.queue.front_mut() {
            slot.ends(exchange.received_ns);
            self.queue.pop();
        }
    }
}

/// What [`put_body`] did.
enum Put {
    /// The slot takes no more, or nothing more is known.
    Nothing,
    /// A part.
    Some,
    /// Nothing was left to be put.
    End,
}

/// Puts one part of the content, as large as the slot allows.
fn put_body<F: Source>(stream: u32, exchange: &mut Exchange<F>, slot: &mut Slot<'_, F>) -> Put {
    let Some(piece) = exchange.body.front() else {
        return if exchange.body.is_open() {
            Put::Nothing
        } else {
            Put::End
        };
    };
    let chunked = exchange.delimiter == Delimiter::Chunks;
    let want = usize::try_from(piece.len()).map_or(MAX_PART, |len| len.min(MAX_PART));
    let fit = |around| slot.body_len(want, around, piece.file());
    let mut len = fit(if chunked { CHUNK_FRAME } else { 0 });
    if chunked && len > 0 {
        // The line has fewer digits than it may have: there is room for a little more, so that slots and records are
        // filled to their end.
        let digits = hex_digits(len);
        len = fit(digits + 4).min((1 << (4 * digits)) - 1);
    }
    if len == 0 || (len < want.min(MIN_PART_AT_END) && !slot.is_empty()) {
        return Put::Nothing;
    }
    if chunked {
        put_chunk_line(slot, len);
    }
    match piece {
        Piece::Bytes(bytes) => slot.put(&bytes[..len]),
        Piece::File { file, offset, .. } => slot.bare_hole(file, offset, len, stream),
    }
    if chunked {
        slot.put(b"\r\n");
    }
    exchange.body.advance(len as u64);
    Put::Some
}

/// Hexadecimal digits of a number that is not 0.
fn hex_digits(number: usize) -> usize {
    number.ilog2() as usize / 4 + 1
}

/// Puts the line that announces a chunk of `len` bytes, at most [`MAX_PART`].
fn put_chunk_line<F>(slot: &mut Slot<'_, F>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = hex_digits(len);
    let mut line = [0; CHUNK_LINE];
    for (at, byte) in line[..digits].iter_mut().enumerate() {
        *byte = DIGITS[len >> (4 * (digits - 1 - at)) & 15];
    }
    line[digits..digits + 2].copy_from_slice(b"\r\n");
    slot.put(&line[..digits + 2]);
}
