//! Against an independent implementation (the `hpack` dev-dependency), over sequences of blocks.

use super::super::table::DEFAULT_TABLE_SIZE;
use super::super::{Encoder, huffman, static_table};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::VecDeque;

const NAMES: [&str; 12] = [
    ":method",
    ":path",
    ":status",
    "accept-encoding",
    "cookie",
    "user-agent",
    "range",
    "set-cookie",
    "x-a",
    "x-request-id",
    "sec-ch-ua-platform",
    "",
];
const VALUES: [&str; 8] = [
    "GET",
    "/",
    "200",
    "gzip, deflate",
    "",
    "bytes=0-1023",
    "a somewhat longer value; with=several, parts: {of} ~every~ kind",
    "id=0123456789abcdef",
];

fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = prop_oneof![
        6 => (0..NAMES.len()).prop_map(|n| NAMES[n].as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let value = prop_oneof![
        3 => (0..VALUES.len()).prop_map(|n| VALUES[n].as_bytes().to_vec()),
        2 => "[ -~]{0,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..150),
    ];
    (name, value)
}

/// Size update, and fields with the choices of the encoder.
type Block = (Option<usize>, Vec<((Vec<u8>, Vec<u8>), u8)>);

/// A block: its fields, each with the choices of the encoder, after an optional size update.
/// Not without fields: the reference refuses a size update that stands alone.
fn block() -> impl Strategy<Value = Block> {
    let size = prop::option::weighted(0.3, prop_oneof![Just(0), 1usize..300, 300usize..=4_096]);
    (size, prop::collection::vec((field(), any::<u8>()), 1..10))
}

/// An encoder that uses every representation at random, with a table that is as simple as can be.
#[derive(Default)]
struct Peer {
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    max_size: usize,
}

impl Peer {
    fn evict_to(&mut self, size: usize) {
        let sum = |table: &VecDeque<(Vec<u8>, Vec<u8>)>| -> usize {
            table.iter().map(|(n, v)| n.len() + v.len() + 32).sum()
        };
        while !self.table.is_empty() && sum(&self.table) > size {
            self.table.pop_back();
        }
    }

    fn resize(&mut self, out: &mut Vec<u8>, size: usize) {
        integer::encode(out, 0x20, 5, size);
        self.max_size = size;
        self.evict_to(size);
    }

    #[allow(
        clippy::redundant_closure,
        reason = "the closure shortens the lifetime"
    )]
    fn entries(&self) -> impl Iterator<Item = (usize, (&[u8], &[u8]))> {
        (1..=static_table::LEN)
            .filter_map(|index| static_table::get(index))
            .chain(self.table.iter().map(|(n, v)| (&n[..], &v[..])))
            .enumerate()
            .map(|(n, entry)| (n + 1, entry))
    }

    fn string(out: &mut Vec<u8>, string: &[u8], coded: bool) {
        if coded {
            integer::encode(out, 0x80, 7, huffman::huffman_len(string));
            huffman::encode(string, out);
        } else {
            integer::encode(out, 0, 7, string.len());
            out.extend_from_slice(string);
        }
    }

    /// Bits of `choice`: 0 whole entry by index, 1 name by index, 2 the last such name, 3 and 4 Huffman, 5 and 6 the kind
    /// of literal.
    fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8], choice: u8) {
        let has = |bit: u8| choice & 1 << bit != 0;
        let whole = self.entries().find(|(_, entry)| *entry == (name, value));
        if let (true, Some((index, _))) = (has(0), whole) {
            integer::encode(out, 0x80, 7, index);
            return;
        }
        let same_name: Vec<usize> = self
            .entries()
            .filter(|(_, entry)| entry.0 == name)
            .map(|(index, _)| index)
            .collect();
        let index = match (has(1), has(2)) {
            (false, _) => None,
            (true, false) => same_name.first().copied(),
            (true, true) => same_name.last().copied(),
        };
        let (flags, prefix_bits) =
            [(0x40, 6), (0x40, 6), (0, 4), (0x10, 4)][usize::from(choice >> 5 & 3)];
        integer::encode(out, flags, prefix_bits, index.unwrap_or(0));
        if index.is_none() {
            Self::string(out, name, has(3));
        }
        Self::string(out, value, has(4));
        if flags == 0x40 {
            let size = name.len() + value.len() + 32;
            self.evict_to(self.max_size.saturating_sub(size));
            if size <= self.max_size {
                self.table.push_front((name.to_vec(), value.to_vec()));
            } else {
                self.table.clear();
            }
        }
    }
}

fn reference() -> hpack::Decoder<'static> {
    let mut decoder = hpack::Decoder::new();
    decoder.set_max_allowed_table_size(DEFAULT_TABLE_SIZE);
    decoder
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_representation_is_understood(blocks in prop::collection::vec(block(), 1..8)) {
        let mut peer = Peer { max_size: DEFAULT_TABLE_SIZE, ..Peer::default() };
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        for (size, list) in blocks {
            let mut out = Vec::new();
            if let Some(size) = size {
                peer.resize(&mut out, size);
            }
            for ((name, value), choice) in &list {
                peer.field(&mut out, name, value, *choice);
            }
            let list: Fields = list.into_iter().map(|(field, _)| field).collect();
            prop_assert_eq!(decode(&mut decoder, &out), Ok(list));
            prop_assert_eq!(decoder.contents().0, peer.table.iter().cloned().collect::<Fields>());
        }
    }

    #[test]
    fn its_encoder_is_understood(blocks in prop::collection::vec(block(), 1..8)) {
        let mut encoder = hpack::Encoder::new();
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        for (size, list) in blocks {
            let mut out = Vec::new();
            if let Some(size) = size {
                encoder.set_max_table_size(size);
                out = size_update(size);
            }
            let list: Fields = list.into_iter().map(|(field, _)| field).collect();
            let block = encoder.encode(list.iter().map(|(n, v)| (&n[..], &v[..])));
            out.extend_from_slice(&block);
            prop_assert_eq!(decode(&mut decoder, &out), Ok(list));
        }
    }
}

// Its decoder builds the code anew for each Huffman-coded string, so fewer cases here.
proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn our_encoder_is_understood(blocks in prop::collection::vec(block(), 1..4), order in prop::collection::vec(0usize..4, 1..12)) {
        let mut theirs = reference();
        let mut ours = Decoder::new(DEFAULT_TABLE_SIZE);
        let mut encoder = Encoder::new();
        // The same blocks come again and again, in any order.
        for nth in order {
            let (size, list) = &blocks[nth % blocks.len()];
            if let Some(size) = *size {
                encoder.peer_max_table_size(size as u32);
                ours.set_max_table_size(size);
                theirs.set_max_allowed_table_size(size.max(DEFAULT_TABLE_SIZE));
            }
            let mut head = [Vec::new(), Vec::new()];
            for (n, ((name, value), choice)) in list.iter().enumerate() {
                let indexing = if choice & 1 == 0 { Indexing::Never } else { Indexing::Without };
                encode_field(&mut head[usize::from(n > 2)], name, value, indexing);
            }
            let out = encoder.encode(&head.map(Bytes::from)).into_owned();
            let list: Fields = list.iter().map(|(field, _)| field.clone()).collect();
            prop_assert_eq!(theirs.decode(&out).unwrap(), list.clone());
            prop_assert_eq!(decode(&mut ours, &out), Ok(list));
            prop_assert_eq!(ours.contents().1, encoder.table_size());
        }
    }

    #[test]
    fn both_decoders_agree(blocks in prop::collection::vec(block(), 1..4)) {
        let mut peer = Peer { max_size: DEFAULT_TABLE_SIZE, ..Peer::default() };
        let mut theirs = reference();
        let mut ours = Decoder::new(DEFAULT_TABLE_SIZE);
        for (size, list) in blocks {
            let mut out = Vec::new();
            if let Some(size) = size {
                peer.resize(&mut out, size);
            }
            for ((name, value), choice) in &list {
                peer.field(&mut out, name, value, *choice);
            }
            prop_assert_eq!(decode(&mut ours, &out).unwrap(), theirs.decode(&out).unwrap());
        }
    }
}
