//! The encoding context: what repeats itself becomes short, and both ends agree on the table whatever happens.

use super::super::table::DEFAULT_TABLE_SIZE;
use super::super::{Encoder, MAX_PREFIX};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;

fn head(list: &[(&str, &str)]) -> [Bytes; 2] {
    let mut block = Vec::new();
    for (name, value) in list {
        encode_field(
            &mut block,
            name.as_bytes(),
            value.as_bytes(),
            Indexing::Without,
        );
    }
    [block.into(), Bytes::new()]
}

/// The table's size as the decoder is told it after the table was emptied: 0, then 4,096.
const EMPTIED: [u8; 4] = [0x20, 0x3f, 0xe1, 0x1f];

#[test]
fn what_comes_again_costs_a_byte_a_field() {
    let mut encoder = Encoder::new();
    let list = [
        (":status", "200"),
        ("content-type", "text/css"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "max-age=60"),
    ];
    let head = head(&list);
    // Of the first nothing is remembered, and none is inserted that came only once.
    for _ in 0..2 {
        assert_eq!(*encoder.encode(&head), head[0]);
    }
    let third = encoder.encode(&head).to_vec();
    assert_eq!((third[0], third[1]), (0x88, 0x40 | 31));
    assert!(third.len() <= head[0].len());
    for _ in 0..3 {
        assert_eq!(*encoder.encode(&head), [0x88, 0xc0, 0xbf, 0xbe]);
    }
    let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
    for block in [&head[0][..], &head[0], &third, &[0x88, 0xc0, 0xbf, 0xbe]] {
        assert_eq!(decode(&mut decoder, block), Ok(fields(&list)));
    }
}

#[test]
fn what_is_said_once_takes_no_place() {
    let mut encoder = Encoder::new();
    let common = ("content-type", "text/html");
    for n in 0..1_000 {
        let (etag, length) = (format!("\"{n:x}\""), n.to_string());
        let list = [common, ("etag", &etag), ("content-length", &length)];
        let block = encoder.encode(&head(&list));
        assert_eq!(block[0] == 0xbe, n >= 3, "{n}: {block:x?}");
    }
    assert_eq!(encoder.table_size(), 32 + common.0.len() + common.1.len());
}

#[test]
fn what_must_never_be_indexed_is_not() {
    let mut encoder = Encoder::new();
    let mut block = Vec::new();
    encode_field(&mut block, b"set-cookie", b"id=1", Indexing::Never);
    let head = [Bytes::from(block), Bytes::new()];
    for _ in 0..5 {
        assert_eq!(*encoder.encode(&head), head[0]);
    }
    assert_eq!(encoder.table_size(), 0);
}

#[test]
fn a_smaller_table_is_announced_once() {
    let mut encoder = Encoder::new();
    let head = head(&[(":status", "200")]);
    encoder.peer_max_table_size(65_536);
    encoder.peer_max_table_size(4_096);
    assert_eq!(*encoder.encode(&head), [0x88]);
    encoder.peer_max_table_size(4_095);
    encoder.peer_max_table_size(8_192);
    assert_eq!(*encoder.encode(&head), [&EMPTIED[..], &[0x88]].concat());
    assert_eq!(*encoder.encode(&head), [0x88]);
    encoder.peer_max_table_size(0);
    assert_eq!(*encoder.encode(&head), [0x20, 0x88]);
    assert_eq!(*encoder.encode(&head), [0x88]);
    encoder.peer_max_table_size(10);
    assert_eq!(*encoder.encode(&head), [0x2a, 0x88]);
}

#[test]
fn memory_is_given_back_and_the_peer_told_when_the_table_goes_with_it() {
    let mut encoder = Encoder::new();
    let head = head(&[("content-type", "text/css")]);
    assert!(!encoder.is_trimmable());
    let once = encoder.encode(&head).to_vec();
    assert!(!encoder.is_trimmable(), "one answer leaves nothing behind");
    encoder.encode(&head);
    assert!(encoder.is_trimmable());
    encoder.trim();
    assert!(!encoder.is_trimmable());
    // Nothing had been inserted.
    for _ in 0..2 {
        assert_eq!(*encoder.encode(&head), once);
    }
    encoder.encode(&head);
    assert_ne!(encoder.table_size(), 0);
    encoder.trim();
    assert_eq!(*encoder.encode(&head), [&EMPTIED[..], &once].concat());
}

#[test]
fn a_block_that_may_be_taken_back_ends_the_use_of_the_table() {
    let mut encoder = Encoder::new();
    let head = head(&[("content-type", "text/css")]);
    for _ in 0..3 {
        encoder.encode(&head);
    }
    assert_ne!(encoder.table_size(), 0);
    assert_eq!(encoder.prefix(), None);
    encoder.repeat();
    assert_eq!(encoder.prefix(), None);
    encoder.peer_max_table_size(4_095);
    assert_eq!(encoder.prefix(), Some(0x20));
    assert_eq!(encoder.prefix(), None);
    encoder.peer_max_table_size(65_536);
    for _ in 0..3 {
        assert_eq!(*encoder.encode(&head), head[0]);
    }
    encoder.repeat();
    assert_eq!(encoder.encode(&head)[..1], [0x20]);
    assert_eq!(*encoder.encode(&head), head[0]);
}

#[derive(Clone, Debug)]
enum Step {
    /// Fields, by number: some come often, some once.
    Encode(Vec<u16>),
    /// The lowest and the last of the peer's settings.
    Settings(u32, u32),
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    let field = prop_oneof![3 => 0..12u16, 2 => 0..150u16, 1 => any::<u16>()];
    prop_oneof![
        12 => prop::collection::vec(field, 1..12).prop_map(Step::Encode),
        1 => (0..5_000u32, 0..9_000u32).prop_map(|(a, b)| Step::Settings(a.min(b), b)),
        1 => Just(Step::Trim),
    ]
}

/// Of every kind: names of the static table and others, with and without Huffman coding, short and too long for a place.
fn nth(n: u16) -> (String, String) {
    let name = match n % 5 {
        0 => "content-type".to_owned(),
        1 => ":status".to_owned(),
        2 => format!("x-name-{}", n % 13),
        3 => "date".to_owned(),
        _ => format!("\u{1}{}", n % 3),
    };
    let len = if n % 31 == 30 {
        300
    } else {
        usize::from(n % 60)
    };
    (
        name,
        format!(
            "{n}{}",
            if n.is_multiple_of(2) { "~" } else { "a" }.repeat(len)
        ),
    )
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn both_ends_agree(steps in prop::collection::vec(step(), 1..80)) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        let mut last: Vec<u16> = Vec::new();
        for step in steps {
            match step {
                Step::Encode(numbers) => {
                    // Often the same again.
                    if numbers.len() > 6 {
                        last = numbers;
                    }
                    let list: Vec<_> = last.iter().copied().map(nth).collect();
                    let list: Vec<_> = list.iter().map(|(n, v)| (&n[..], &v[..])).collect();
                    let head = head(&list);
                    let block = encoder.encode(&head);
                    prop_assert!(block.len() <= head[0].len() + MAX_PREFIX);
                    prop_assert_eq!(decode(&mut decoder, &block), Ok(fields(&list)));
                    prop_assert_eq!(decoder.contents().1, encoder.table_size());
                }
                Step::Settings(lowest, size) => {
                    for bytes in [lowest, size] {
                        encoder.peer_max_table_size(bytes);
                        decoder.set_max_table_size(bytes as usize);
                    }
                }
                Step::Trim => encoder.trim(),
            }
        }
    }
}
