//! From field blocks to fields (RFC 7541, sections 3 and 6).

use super::table::{DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD, Table};
use super::{huffman, integer, static_table};

/// Table size updates that may begin a block: the smallest size since the last block and the final one (RFC 7541,
/// section 4.2).
const MAX_SIZE_UPDATES: u32 = 2;

/// What is wrong with a field block. Each is a connection error of type COMPRESSION_ERROR (RFC 9113, section 4.3), as
/// the table is out of step afterwards; the decoder must not be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The block ends within an integer, or where a string must begin (RFC 7541, section 6).
    #[error("field block ends within a field")]
    Truncated,
    /// A string is longer than what is left of the block (RFC 7541, section 5.2).
    #[error("string runs past the end of the field block")]
    StringTruncated,
    /// An integer has more octets than any value needs (RFC 7541, section 5.1).
    #[error("integer has too many octets")]
    IntegerTooLong,
    /// An integer is larger than 32 bits hold (RFC 7541, section 5.1).
    #[error("integer is too large")]
    IntegerTooLarge,
    /// An indexed field has index 0 (RFC 7541, section 6.1).
    #[error("index 0 of an indexed field")]
    IndexZero,
    /// An index lies beyond both tables (RFC 7541, section 2.3.3).
    #[error("index beyond the end of the tables")]
    IndexOutOfRange,
    /// A Huffman-coded string ends in eight or more bits of padding (RFC 7541, section 5.2).
    #[error("Huffman padding longer than seven bits")]
    HuffmanPaddingTooLong,
    /// The padding of a Huffman-coded string is not the beginning of EOS (RFC 7541, section 5.2).
    #[error("Huffman padding is not all ones")]
    HuffmanPaddingNotOnes,
    /// A Huffman-coded string contains EOS (RFC 7541, section 5.2).
    #[error("Huffman-coded string contains EOS")]
    HuffmanEos,
    /// A table size update follows a field (RFC 7541, section 4.2).
    #[error("dynamic table size update after a field")]
    SizeUpdateNotFirst,
    /// More than two table size updates begin the block (RFC 7541, section 4.2).
    #[error("too many dynamic table size updates")]
    SizeUpdateTooMany,
    /// A table size update exceeds our setting (RFC 7541, section 6.3).
    #[error("dynamic table size update above the limit")]
    SizeUpdateTooLarge,
    /// Our setting went below the table's size, and the next block does not begin with a fitting update (RFC 7541,
    /// section 4.2; RFC 9113, section 4.3.1).
    #[error("dynamic table size update missing")]
    SizeUpdateMissing,
}

/// One decoded field. The slices live until the callback that got them returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as sent: not checked for lower case or anything else.
    pub name: &'a [u8],
    /// The value as sent.
    pub value: &'a [u8],
    /// Whether the field must stay a never-indexed literal when it is passed on (RFC 7541, section 6.2.3).
    pub never_indexed: bool,
    /// The *lowest* index in the static table that has this name, when the name came from there, be it by way of the
    /// dynamic table: 2 for `:method` whether the peer referred to entry 2 or 3. A name that was spelled out has none.
    pub static_index: Option<u8>,
}

/// How a block that is valid came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every field was handed out.
    Complete,
    /// The list grew beyond the limit: the fields from the one that exceeded it on were not handed out, but the table
    /// is in step, so that only this request fails (RFC 9113, section 10.5.1).
    TooLarge,
}

/// Decodes the field blocks of one connection's peer.
///
/// It owns no memory until the peer inserts into the dynamic table, and then about what was inserted, up to one and a
/// half times the table's size.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What a table size update may ask for.
    allowed: usize,
    /// The next block must begin with an update to at most this.
    owed: Option<usize>,
}

impl Decoder {
    /// A decoder for a new connection where we advertise a SETTINGS_HEADER_TABLE_SIZE of `max_table_size` bytes in our
    /// first SETTINGS (4,096 when it has none).
    ///
    /// The peer's table begins at 4,096 bytes in any case (RFC 9113, section 6.5.2), and keeps to it until it has
    /// acknowledged our settings; so a smaller size is enforced from [`Decoder::set_max_table_size`] on.
    #[must_use]
    pub fn new(max_table_size: usize) -> Self {
        Self {
            table: Table::new(DEFAULT_TABLE_SIZE),
            allowed: max_table_size.max(DEFAULT_TABLE_SIZE),
            owed: None,
        }
    }

    /// Takes our SETTINGS_HEADER_TABLE_SIZE of `bytes` into force, to be called when the peer acknowledges it.
    ///
    /// Where it lies below the table's present size, the next block must begin with a size update that goes at least
    /// as low (RFC 7541, section 4.2); to be called for each acknowledged value, then, not only for the last.
    pub fn set_max_table_size(&mut self, bytes: usize) {
        self.allowed = bytes;
        if bytes < self.owed.unwrap_or(self.table.max_size()) {
            self.owed = Some(bytes);
        }
    }

    /// Decodes one complete field block (all fragments joined), calling `field` for each field in order.
    ///
    /// `list_limit` is our SETTINGS_MAX_HEADER_LIST_SIZE: names, values and 32 bytes for each field are added up
    /// against it (RFC 9113, section 6.5.2), and once over it the rest is decoded for the sake of the table alone.
    /// `scratch` is a buffer to reuse from call to call; what it holds means nothing to the caller. It grows to less
    /// than twice the longest block, so the caller bounds it by bounding the block.
    ///
    /// # Errors
    /// See [`DecodeError`]; fields before the error were handed out already.
    pub fn decode(
        &mut self,
        block: &[u8],
        list_limit: usize,
        scratch: &mut Vec<u8>,
        mut field: impl FnMut(Field<'_>),
    ) -> Result<Outcome, DecodeError> {
        let mut rest = block;
        self.size_updates(&mut rest)?;
        let mut left = Some(list_limit);
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first & 0x80 != 0 {
                let index = integer::decode(first, 7, &mut rest)?;
                let found = self.look_up(index)?;
                left = count(left, found.name, found.value);
                if left.is_some() {
                    field(found);
                }
            } else if first & 0xe0 == 0x20 {
                return Err(DecodeError::SizeUpdateNotFirst);
            } else {
                let indexing = first & 0x40 != 0;
                let index = integer::decode(first, if indexing { 6 } else { 4 }, &mut rest)?;
                let mut used = 0;
                let (name, static_name) = match index {
                    0 => (string(&mut rest, scratch, &mut used)?, 0),
                    1..=static_table::LEN => {
                        let name = static_table::get(index).map_or(&[][..], |entry| entry.0);
                        let static_name = static_table::first_of_name(index as u8);
                        (Text::Plain(name), static_name)
                    }
                    _ => {
                        // Copied, as inserting this field may evict the entry that has the name.
                        let found = self.look_up(index)?;
                        let len = found.name.len();
                        room(scratch, len);
                        scratch[..len].copy_from_slice(found.name);
                        used = len;
                        (Text::Scratch(0, len), found.static_index.unwrap_or(0))
                    }
                };
                let value = string(&mut rest, scratch, &mut used)?;
                let (name, value) = (name.in_scratch(scratch), value.in_scratch(scratch));
                left = count(left, name, value);
                if left.is_some() {
                    field(Field {
                        name,
                        value,
                        never_indexed: first & 0xf0 == 0x10,
                        static_index: some_index(static_name),
                    });
                }
                if indexing {
                    self.table.insert(name, value, static_name);
                }
            }
        }
        Ok(match left {
            Some(_) => Outcome::Complete,
            None => Outcome::TooLarge,
        })
    }

    /// Table size updates at the beginning of a block (RFC 7541, sections 4.2 and 6.3).
    fn size_updates(&mut self, rest: &mut &[u8]) -> Result<(), DecodeError> {
        let mut updates = 0;
        let mut smallest = usize::MAX;
        while let Some((&first, after)) = rest.split_first()
            && first & 0xe0 == 0x20
        {
            *rest = after;
            if updates == MAX_SIZE_UPDATES {
                return Err(DecodeError::SizeUpdateTooMany);
            }
            updates += 1;
            let size = integer::decode(first, 5, rest)?;
            if size > self.allowed {
                return Err(DecodeError::SizeUpdateTooLarge);
            }
            self.table.set_max_size(size);
            smallest = smallest.min(size);
        }
        if let Some(owed) = self.owed {
            if smallest > owed {
                return Err(DecodeError::SizeUpdateMissing);
            }
            self.owed = None;
            // Only here, so that a peer that moves its size up and down does not make us allocate each time.
            self.table.shrink(self.allowed);
        }
        Ok(())
    }

    /// The field at `index` in the address space of both tables (RFC 7541, section 2.3.3).
    #[inline]
    fn look_up(&self, index: usize) -> Result<Field<'_>, DecodeError> {
        if let Some((name, value)) = static_table::get(index) {
            return Ok(Field {
                name,
                value,
                never_indexed: false,
                static_index: Some(static_table::first_of_name(index as u8)),
            });
        }
        if index == 0 {
            return Err(DecodeError::IndexZero);
        }
        let stored = self
            .table
            .get(index - static_table::LEN - 1)
            .ok_or(DecodeError::IndexOutOfRange)?;
        Ok(Field {
            name: stored.name,
            value: stored.value,
            never_indexed: false,
            static_index: some_index(stored.static_name),
        })
    }

    /// The dynamic table, newest entry first, and its size.
    #[cfg(test)]
    pub(super) fn contents(&self) -> super::table::Contents {
        self.table.contents()
    }
}

/// Takes a field off what is left of the list limit; `None` once that is exceeded.
#[inline]
fn count(left: Option<usize>, name: &[u8], value: &[u8]) -> Option<usize> {
    left?.checked_sub(name.len() + value.len() + ENTRY_OVERHEAD)
}

fn some_index(static_name: u8) -> Option<u8> {
    (static_name != 0).then_some(static_name)
}

/// Where a string literal is.
#[derive(Clone, Copy)]
enum Text<'a> {
    /// In the block, or in the static table.
    Plain(&'a [u8]),
    /// In the scratch buffer: start and end.
    Scratch(usize, usize),
}

impl<'a> Text<'a> {
    #[inline]
    fn in_scratch<'b>(self, scratch: &'b [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Plain(text) => text,
            Self::Scratch(start, end) => &scratch[start..end],
        }
    }
}

/// Reads a string literal (RFC 7541, section 5.2). One that is Huffman-coded goes to `scratch` from `used` on.
#[inline]
fn string<'a>(
    rest: &mut &'a [u8],
    scratch: &mut Vec<u8>,
    used: &mut usize,
) -> Result<Text<'a>, DecodeError> {
    let (coded, text) = string_as_sent(rest)?;
    if !coded {
        return Ok(Text::Plain(text));
    }
    let start = *used;
    room(scratch, start + huffman::decode_room(text.len()));
    *used = start + huffman::decode(text, &mut scratch[start..])?;
    Ok(Text::Scratch(start, *used))
}

/// Reads a string literal as it is sent: whether it is Huffman-coded, and its bytes.
#[inline]
pub(super) fn string_as_sent<'a>(rest: &mut &'a [u8]) -> Result<(bool, &'a [u8]), DecodeError> {
    let (&first, after) = rest.split_first().ok_or(DecodeError::Truncated)?;
    *rest = after;
    let len = integer::decode(first, 7, rest)?;
    let (text, after) = rest
        .split_at_checked(len)
        .ok_or(DecodeError::StringTruncated)?;
    *rest = after;
    Ok((first & 0x80 != 0, text))
}

/// Makes `scratch` at least `len` long. It is never made shorter, so that it is zeroed only once.
#[inline]
fn room(scratch: &mut Vec<u8>, len: usize) {
    if scratch.len() < len {
        scratch.resize(len.max(256), 0);
    }
}
