//! From fields to field blocks (RFC 7541, section 6) that hold on every connection: without the dynamic table.

use super::static_table::{self, Found};
use super::{huffman, integer};

/// Room for a block that is encoded as a whole, in bytes, at first: most fit.
const FIRST_ROOM: usize = 256;

/// The static table's index of `:status` (RFC 7541, Appendix A).
const STATUS: usize = 8;

/// What a literal field tells those who pass it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// They may index it, though we do not (RFC 7541, section 6.2.2).
    Without,
    /// They must not: for `set-cookie`, `authorization` and the like, whose value could be guessed from the sizes of
    /// compressed blocks (RFC 7541, sections 6.2.3 and 7.1.3). Sent as a literal even where the static table has it.
    Never,
}

/// Appends one field in its shortest form that needs no dynamic table (RFC 7541, section 6): indexed when the static
/// table has it all, else a literal with the name from there if it can be, each string Huffman-coded where that is
/// strictly shorter. The name must be lower case already (RFC 9113, section 8.2.1).
pub fn encode_field(out: &mut Vec<u8>, name: &[u8], value: &[u8], indexing: Indexing) {
    let flags = match indexing {
        Indexing::Without => 0x00,
        Indexing::Never => 0x10,
    };
    match static_table::find(name, value) {
        Found::Field(index) if indexing == Indexing::Without => {
            integer::encode(out, 0x80, 7, usize::from(index));
            return;
        }
        Found::Field(index) | Found::Name(index) => {
            integer::encode(out, flags, 4, usize::from(index));
        }
        Found::None => {
            out.push(flags);
            encode_string(out, name);
        }
    }
    encode_string(out, value);
}

/// A field to be encoded: its name in lower case, its value, and what is told of it.
pub type FieldToEncode<'a> = (&'a [u8], &'a [u8], Indexing);

/// What became of fields that were to be encoded into the room there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// All of them are encoded.
    Done,
    /// Some are encoded; there is no room for the next one.
    More,
    /// There is not even room for the first.
    DoesNotFit,
}

/// Appends fields while there is room for them in the capacity of `out`, which is never exceeded, and takes those off the
/// front of `fields` that are encoded. A field is never split: its form is not known before all of it is encoded.
pub fn encode_fields(out: &mut Vec<u8>, fields: &mut &[FieldToEncode<'_>]) -> Encoded {
    let mut answer = Encoded::DoesNotFit;
    while let Some((&(name, value, indexing), rest)) = fields.split_first() {
        if field_len(name, value, indexing) > out.capacity() - out.len() {
            return answer;
        }
        encode_field(out, name, value, indexing);
        *fields = rest;
        answer = Encoded::More;
    }
    Encoded::Done
}

/// A whole field block in a buffer that doubles while it does not fit, up to `limit` bytes; `None` when that is too
/// little, or when there is no memory for it.
#[must_use]
pub fn encode_block(mut fields: &[FieldToEncode<'_>], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut room = FIRST_ROOM;
    loop {
        out.try_reserve_exact(room.min(limit).checked_sub(out.len())?)
            .ok()?;
        match encode_fields(&mut out, &mut fields) {
            Encoded::Done => return (out.len() <= limit).then_some(out),
            Encoded::More | Encoded::DoesNotFit if room >= limit => return None,
            Encoded::More | Encoded::DoesNotFit => room = room.checked_mul(2)?,
        }
    }
}

/// What [`encode_field`] appends, in bytes.
fn field_len(name: &[u8], value: &[u8], indexing: Indexing) -> usize {
    let name = match static_table::find(name, value) {
        Found::Field(index) if indexing == Indexing::Without => {
            return integer::len(7, usize::from(index));
        }
        Found::Field(index) | Found::Name(index) => integer::len(4, usize::from(index)),
        Found::None => 1 + string_len(name),
    };
    name.saturating_add(string_len(value))
}

/// What [`encode_string`] appends, in bytes.
fn string_len(string: &[u8]) -> usize {
    let len = huffman::huffman_len(string).min(string.len());
    integer::len(7, len) + len
}

/// Appends the field `:status` (RFC 9113, section 8.3.2). `status` has three digits; of more, the last three are sent.
pub fn encode_status(out: &mut Vec<u8>, status: u16) {
    let index = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            let digit = |by: u16| b'0' + (status / by % 10) as u8;
            integer::encode(out, 0x00, 4, STATUS);
            encode_string(out, &[digit(100), digit(10), digit(1)]);
            return;
        }
    };
    out.push(0x80 | index);
}

/// Appends a string literal (RFC 7541, section 5.2).
fn encode_string(out: &mut Vec<u8>, string: &[u8]) {
    let len = huffman::huffman_len(string);
    if len < string.len() {
        integer::encode(out, 0x80, 7, len);
        huffman::encode_sized(string, len, out);
    } else {
        integer::encode(out, 0x00, 7, string.len());
        out.extend_from_slice(string);
    }
}
