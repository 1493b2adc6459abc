//! Fields into buffers that are too small, and that grow.

use proptest::prelude::*;

use super::*;
use crate::h2::hpack::{Encoded, FieldToEncode, encode_block, encode_fields};

fn one_by_one(fields: &[FieldToEncode<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value, indexing) in fields {
        encode_field(&mut out, name, value, *indexing);
    }
    out
}

/// Fields of which some are in the static table, some shrink by Huffman's code and some do not.
fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, bool)> {
    let name = prop_oneof![
        Just(b":status".to_vec()),
        Just(b"accept-encoding".to_vec()),
        "[a-z]{1,10}".prop_map(String::into_bytes),
        "[a-z]{100,300}".prop_map(String::into_bytes),
    ];
    let value = prop_oneof![
        Just(b"200".to_vec()),
        Just(b"gzip, deflate".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 100..20_000),
        "[a-z]{0,400}".prop_map(String::into_bytes),
    ];
    (name, value, any::<bool>())
}

proptest! {
    #![proptest_config(config(300))]

    /// Whatever the room, it is filled with whole fields and not exceeded, and the parts join to the block.
    #[test]
    fn parts_join_to_the_block(list in prop::collection::vec(field(), 0..12), room in 0usize..3_000) {
        let indexing = |never| if never { Indexing::Never } else { Indexing::Without };
        let fields: Vec<_> = list.iter().map(|(n, v, never)| (&n[..], &v[..], indexing(*never))).collect();
        let whole = one_by_one(&fields);
        let (mut left, mut joined, mut room) = (&fields[..], Vec::new(), room);
        loop {
            let mut part = Vec::with_capacity(room);
            let (before, room_before) = (left.len(), part.capacity());
            let answer = encode_fields(&mut part, &mut left);
            prop_assert_eq!(part.capacity(), room_before);
            joined.extend_from_slice(&part);
            match answer {
                Encoded::Done => break prop_assert!(left.is_empty()),
                Encoded::More => prop_assert!(left.len() < before),
                Encoded::DoesNotFit => prop_assert_eq!((left.len(), part.len()), (before, 0)),
            }
            let next = one_by_one(&left[..1]).len();
            prop_assert!(part.len() + next > room_before, "it would have fitted");
            // Now and then exactly what the next one takes.
            room = if room % 2 == 0 { next } else { room * 2 + 1 };
        }
        prop_assert_eq!(&joined, &whole);

        prop_assert_eq!(encode_block(&fields, whole.len()), Some(whole.clone()));
        prop_assert_eq!(encode_block(&fields, usize::MAX), Some(whole.clone()));
        if let Some(less) = whole.len().checked_sub(1) {
            prop_assert_eq!(encode_block(&fields, less), None);
        }
    }
}

#[test]
fn a_block_grows_by_doubling() {
    let value = [0xff; 100];
    let field: FieldToEncode<'_> = (b"x-long-enough", &value, Indexing::Without);
    for count in [1, 2, 3, 5, 50, 500] {
        let fields = vec![field; count];
        let block = encode_block(&fields, 1 << 20).unwrap();
        let doubled = block.len().next_power_of_two().max(256);
        assert!(block.capacity() <= doubled, "{}", block.capacity());
    }
    // The last step is the limit itself.
    let fields = vec![field; 5];
    let len = one_by_one(&fields).len();
    assert_eq!(encode_block(&fields, len).unwrap().capacity(), len);
}

#[test]
fn lengths_of_integers() {
    for prefix_bits in 4..=7 {
        let mask = (1usize << prefix_bits) - 1;
        for near in [
            0,
            mask,
            mask + 128,
            mask + (1 << 14),
            mask + (1 << 21),
            u32::MAX as usize,
        ] {
            for value in near.saturating_sub(2)..=near + 2 {
                let mut out = Vec::new();
                integer::encode(&mut out, 0, prefix_bits, value);
                assert_eq!(integer::len(prefix_bits, value), out.len(), "{value}");
            }
        }
    }
}
