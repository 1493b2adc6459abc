//! The encoding context of one connection (RFC 7541, sections 2.2 and 4): field blocks that say by index what was said
//! before.
//!
//! Blocks are written once, for all connections ([`encode_field`](super::encode_field)), and adapted here: a literal that
//! comes a second time (the first block apart, of which nothing is remembered) is inserted into the dynamic table, and from
//! then on it is an index. So what repeats itself, and that is most of a response, soon costs a byte, and what is said once
//! never drives out what is said often.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;

use super::decoder::string_as_sent;
use super::table::{DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD};
use super::{huffman, integer, static_table};

/// A dynamic table size update, with its size in the low five bits (RFC 7541, section 6.3).
const SIZE_UPDATE: u8 = 0x20;

/// What every decoder has room for at first.
const TABLE_SIZE: u16 = DEFAULT_TABLE_SIZE as u16;

/// The most that [`Encoder::encode`] adds to a block, in bytes: two size updates.
pub const MAX_PREFIX: usize = 4;

/// The longest literal that is inserted, in bytes as it is sent.
const MAX_LITERAL: usize = 256;

/// Literals of which it is known that they came before.
const SEEN: usize = 32;

/// What a connection's encoder remembers: what the peer's decoder has in its table.
///
/// The table is never larger than what every decoder has at first, 4,096 bytes, and smaller where the peer says so.
#[derive(Debug)]
pub struct Encoder {
    /// The size that the table may have, in bytes: at most [`TABLE_SIZE`].
    allowed: u16,
    /// The size that the peer takes it to have.
    told: u16,
    /// The peer must be told that the table was emptied.
    emptied: bool,
    /// Nothing is inserted any more.
    frozen: bool,
    /// A head was encoded since the memory was given back.
    begun: bool,
    sent: Option<Box<Sent>>,
}

impl Encoder {
    /// The encoder of a new connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            allowed: TABLE_SIZE,
            told: TABLE_SIZE,
            emptied: false,
            frozen: false,
            begun: false,
            sent: None,
        }
    }

    /// Notes the peer's SETTINGS_HEADER_TABLE_SIZE of `bytes`, to be called before it is acknowledged. The peer is told
    /// 0 when it goes below what it takes the table to have, then the size that is used (RFC 7541, section 4.2; RFC 9113,
    /// section 4.3.1).
    pub fn peer_max_table_size(&mut self, bytes: u32) {
        let size = u16::try_from(bytes).unwrap_or(TABLE_SIZE).min(TABLE_SIZE);
        if size < self.told {
            self.emptied = true;
            self.sent = None;
        }
        if !self.frozen {
            self.allowed = size;
        }
    }

    /// The block for this connection of a head in two pieces, each of whole fields from
    /// [`encode_field`](super::encode_field) and [`encode_status`](super::encode_status). It has to be sent, before any
    /// other, and is at most [`MAX_PREFIX`] bytes longer than the head.
    pub fn encode(&mut self, head: &[Bytes; 2]) -> Cow<'_, [u8]> {
        let due = self.emptied || self.told != self.allowed;
        if !std::mem::replace(&mut self.begun, true) && !due {
            // It may remain the only one: thousands of idle connections are to own nothing for it.
            return Cow::Owned(head.concat());
        }
        let sent = self.sent.get_or_insert_default();
        if due || !sent.steady || sent.head != *head {
            sent.block.clear();
            sent.block
                .reserve(MAX_PREFIX + head[0].len() + head[1].len());
            if due {
                if self.emptied {
                    sent.block.push(SIZE_UPDATE);
                    (self.emptied, self.told) = (false, 0);
                }
                if self.told != self.allowed {
                    integer::encode(&mut sent.block, SIZE_UPDATE, 5, usize::from(self.allowed));
                    self.told = self.allowed;
                }
            }
            sent.steady = !due;
            for piece in head {
                sent.adapt(piece, usize::from(self.allowed));
            }
            sent.head.clone_from(head);
        }
        Cow::Borrowed(&sent.block)
    }

    /// What must stand in front of a block that is sent as it is, and that may be taken back ([`Encoder::repeat`]): of
    /// what comes then it is not known whether the peer has it, so that nothing is inserted from then on.
    #[must_use]
    pub fn prefix(&mut self) -> Option<u8> {
        if !self.emptied && self.told == self.allowed {
            return None;
        }
        (self.emptied, self.told, self.allowed, self.frozen) = (false, 0, 0, true);
        self.sent = None;
        Some(SIZE_UPDATE)
    }

    /// A block that was sent as it is was taken back: what stood in front of it is said again, which does no harm.
    pub fn repeat(&mut self) {
        self.emptied |= self.frozen;
    }

    /// Whether there is memory to give back.
    #[must_use]
    pub fn is_trimmable(&self) -> bool {
        self.sent.is_some()
    }

    /// Gives the memory back; the table is empty then.
    pub fn trim(&mut self) {
        if self.sent.as_ref().is_some_and(|sent| sent.size > 0) {
            self.emptied = true;
        }
        self.sent = None;
        self.begun = false;
    }

    /// Size of the table in bytes.
    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.sent.as_ref().map_or(0, |sent| sent.size)
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// A literal in the table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    /// Of the literal as [`encode_field`](super::encode_field) writes it, by which it is found again.
    len: u16,
    /// What it counts in the table.
    size: u16,
}

/// What was sent before.
#[derive(Debug, Default)]
struct Sent {
    /// The table, newest last.
    entries: VecDeque<Entry>,
    /// Those literals, one after the other.
    literals: Vec<u8>,
    size: usize,
    /// Hashes of the last literals that were not found.
    seen: [u32; SEEN],
    next_seen: usize,
    /// The head that was encoded last.
    head: [Bytes; 2],
    /// What became of it.
    block: Vec<u8>,
    /// Whether the same head becomes the same again: nothing was told, inserted, or seen for the first time.
    steady: bool,
}

impl Sent {
    /// Appends the fields of `piece` in the form in which they are sent.
    fn adapt(&mut self, mut piece: &[u8], allowed: usize) {
        while let Some(len) = field_len(piece) {
            let (field, rest) = piece.split_at(len);
            piece = rest;
            // What is indexed already, and what must never be.
            if field[0] & 0xf0 != 0 {
                self.block.extend_from_slice(field);
                continue;
            }
            let hash = hash(field);
            if let Some(index) = self.find(field, hash) {
                integer::encode(&mut self.block, 0x80, 7, static_table::LEN + 1 + index);
                continue;
            }
            if !self.seen.contains(&hash) {
                self.seen[self.next_seen] = hash;
                self.next_seen = (self.next_seen + 1) % SEEN;
                self.steady = false;
            } else if let Some((name, strings)) = name_of(field)
                && let Some(size) = entry_size(field).filter(|size| *size <= allowed / 2)
            {
                self.insert(field, hash, size, allowed);
                integer::encode(&mut self.block, 0x40, 6, name);
                self.block.extend_from_slice(strings);
                self.steady = false;
                continue;
            }
            self.block.extend_from_slice(field);
        }
        debug_assert!(piece.is_empty(), "a head is whole fields");
        self.block.extend_from_slice(piece);
    }

    /// The place of a literal in the table, 0 being the newest.
    fn find(&self, field: &[u8], hash: u32) -> Option<usize> {
        let mut end = self.literals.len();
        for (index, entry) in self.entries.iter().rev().enumerate() {
            let start = end - usize::from(entry.len);
            if entry.hash == hash && self.literals[start..end] == *field {
                return Some(index);
            }
            end = start;
        }
        None
    }

    fn insert(&mut self, field: &[u8], hash: u32, size: usize, allowed: usize) {
        let mut gone = 0;
        while self.size + size > allowed
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= usize::from(oldest.size);
            gone += usize::from(oldest.len);
        }
        self.literals.drain(..gone);
        self.literals.extend_from_slice(field);
        self.size += size;
        // Neither is more than 4,096.
        self.entries.push_back(Entry {
            hash,
            len: field.len() as u16,
            size: size as u16,
        });
    }
}

/// Length of the first field in a block of indexed fields and literals, which is one of our own.
fn field_len(block: &[u8]) -> Option<usize> {
    let (&first, rest) = block.split_first()?;
    let mut left = rest;
    if first & 0x80 != 0 {
        integer::decode(first, 7, &mut left).ok()?;
    } else {
        if integer::decode(first, 4, &mut left).ok()? == 0 {
            string_as_sent(&mut left).ok()?;
        }
        string_as_sent(&mut left).ok()?;
    }
    Some(block.len() - left.len())
}

/// The index of a literal's name in the static table, 0 when it is not there, and the strings that follow.
fn name_of(literal: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, mut rest) = literal.split_first()?;
    let index = integer::decode(first, 4, &mut rest).ok()?;
    Some((index, rest))
}

/// What a literal counts in the table (RFC 7541, section 4.1); `None` for one that is too long to be worth a place.
fn entry_size(literal: &[u8]) -> Option<usize> {
    if literal.len() > MAX_LITERAL {
        return None;
    }
    let (index, mut strings) = name_of(literal)?;
    let name = match index {
        0 => decoded_len(string_as_sent(&mut strings).ok()?)?,
        _ => static_table::get(index)?.0.len(),
    };
    Some(name + decoded_len(string_as_sent(&mut strings).ok()?)? + ENTRY_OVERHEAD)
}

fn decoded_len((coded, string): (bool, &[u8])) -> Option<usize> {
    if !coded {
        return Some(string.len());
    }
    let mut room = [0; huffman::decode_room(MAX_LITERAL)];
    huffman::decode(string, &mut room).ok()
}

/// Good enough for our own blocks, which no peer chooses: a collision only has a field inserted that came once.
fn hash(field: &[u8]) -> u32 {
    let mut hash = field.len() as u64;
    let mut mix = |word: u64| {
        let product = u128::from(hash ^ word ^ 0x5ced_c835_9e37_79b9) * 0x9e37_79b9_7f4a_7c15;
        hash = product as u64 ^ (product >> 64) as u64;
    };
    let (words, rest) = field.as_chunks::<8>();
    for word in words {
        mix(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(u64::from_le_bytes(last));
    hash as u32
}
