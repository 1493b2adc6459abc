//! Every error by name, and input that was never meant to be a block.

use super::super::table::DEFAULT_TABLE_SIZE;
use super::*;

fn fresh(block: &str) -> Result<Fields, DecodeError> {
    decode(&mut Decoder::new(DEFAULT_TABLE_SIZE), &hex(block))
}

#[test]
fn cut_off() {
    for block in [
        "ff",
        "ff80",
        "40",
        "00",
        "10",
        "0001 61",
        "41",
        "7f",
        "3f",
        "0f",
        "4001 617f",
        "3fe1",
    ] {
        assert_eq!(fresh(block), Err(DecodeError::Truncated), "{block}");
    }
    for block in ["4002 61", "0001 6101", "0481", "0485 1f1f", "00ff 8001"] {
        assert_eq!(fresh(block), Err(DecodeError::StringTruncated), "{block}");
    }
}

#[test]
fn integers() {
    for block in [
        "ff80 8080 8080 00",
        "3f80 8080 8080 00",
        "007f 8080 8080 8000",
    ] {
        assert_eq!(fresh(block), Err(DecodeError::IntegerTooLong), "{block}");
    }
    for block in ["ffff ffff ff0f", "3fff ffff ff7f", "04ff ffff ffff 7f"] {
        assert_eq!(fresh(block), Err(DecodeError::IntegerTooLarge), "{block}");
    }
}

#[test]
fn indices() {
    assert_eq!(fresh("80"), Err(DecodeError::IndexZero));
    // Behind the static table with an empty dynamic one, one behind its only entry, and the largest there is.
    for block in [
        "be",
        "4001 6101 62bf",
        "ff80 ffff ff0f",
        "7f00 0161",
        "0f2f 0161",
        "1f2f 0161",
    ] {
        assert_eq!(fresh(block), Err(DecodeError::IndexOutOfRange), "{block}");
    }
    assert_eq!(
        fresh("4001 6101 62be"),
        Ok(fields(&[("a", "b"), ("a", "b")]))
    );
}

#[test]
fn huffman_strings() {
    assert_eq!(fresh("0482 1fff"), Err(DecodeError::HuffmanPaddingTooLong));
    assert_eq!(fresh("0481 ff"), Err(DecodeError::HuffmanPaddingTooLong));
    assert_eq!(fresh("0481 18"), Err(DecodeError::HuffmanPaddingNotOnes));
    assert_eq!(fresh("0482 fffe"), Err(DecodeError::HuffmanPaddingNotOnes));
    assert_eq!(fresh("0484 ffff ffff"), Err(DecodeError::HuffmanEos));
    assert_eq!(
        fresh("0081 1f85 ffff ffff ff"),
        Err(DecodeError::HuffmanEos)
    );
    assert_eq!(fresh("0480"), Ok(fields(&[(":path", "")])));
    assert_eq!(fresh("0481 1f"), Ok(fields(&[(":path", "a")])));
}

#[test]
fn size_updates() {
    let decoder = || Decoder::new(DEFAULT_TABLE_SIZE);
    assert_eq!(fresh("8220"), Err(DecodeError::SizeUpdateNotFirst));
    assert_eq!(fresh("2082 20"), Err(DecodeError::SizeUpdateNotFirst));
    assert_eq!(fresh("2020 20"), Err(DecodeError::SizeUpdateTooMany));
    assert_eq!(fresh("2020 82"), Ok(fields(&[(":method", "GET")])));
    assert_eq!(decode(&mut decoder(), &size_update(4_096)), Ok(vec![]));
    assert_eq!(
        decode(&mut decoder(), &size_update(4_097)),
        Err(DecodeError::SizeUpdateTooLarge)
    );
    let mut wide = Decoder::new(65_536);
    assert_eq!(decode(&mut wide, &size_update(65_536)), Ok(vec![]));
    assert_eq!(
        decode(&mut wide, &size_update(65_537)),
        Err(DecodeError::SizeUpdateTooLarge)
    );
}

#[test]
fn a_lowered_setting_obliges_the_peer() {
    let lowered = |sizes: &[usize]| {
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        decode(&mut decoder, &hex("4001 6101 62")).unwrap();
        for &size in sizes {
            decoder.set_max_table_size(size);
        }
        decoder
    };
    let missing = Err(DecodeError::SizeUpdateMissing);
    assert_eq!(decode(&mut lowered(&[100]), &hex("82")), missing);
    assert_eq!(decode(&mut lowered(&[100]), &[]), missing);
    // Lowered and raised before the next block: the low point counts.
    assert_eq!(decode(&mut lowered(&[30, 4_096]), &hex("82")), missing);
    assert_eq!(
        decode(&mut lowered(&[30, 4_096]), &size_update(31)),
        missing
    );

    let mut decoder = lowered(&[30, 4_096]);
    let block = [size_update(30), size_update(4_096), hex("82")].concat();
    assert_eq!(
        decode(&mut decoder, &block),
        Ok(fields(&[(":method", "GET")]))
    );
    assert_eq!(decoder.contents(), (vec![], 0));
    // Done once, and done for good.
    assert!(decode(&mut decoder, &hex("82")).is_ok());

    assert_eq!(
        decode(&mut lowered(&[100]), &size_update(101)),
        Err(DecodeError::SizeUpdateTooLarge)
    );
    // Not lowered below what the peer uses: nothing is owed.
    let mut decoder = lowered(&[]);
    decode(&mut decoder, &size_update(64)).unwrap();
    decoder.set_max_table_size(64);
    assert!(decode(&mut decoder, &hex("be")).is_ok());
    decoder.set_max_table_size(8_192);
    assert!(decode(&mut decoder, &hex("be")).is_ok());
}

/// RFC 7541, section 4.4: the name may be that of the entry which the insertion evicts.
#[test]
fn a_name_outlives_the_entry_it_came_from() {
    let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
    decode(&mut decoder, &size_update(40)).unwrap();
    let mut block = hex("4004 6e61 6d65 0131");
    for n in 0..100 {
        block.extend_from_slice(&[0x7e, 1, b'2' + n % 7]);
    }
    assert_eq!(decode(&mut decoder, &block).unwrap().len(), 101);
    assert_eq!(decoder.contents(), (fields(&[("name", "3")]), 37));
    // Larger than the table: handed out, and the table is empty.
    assert_eq!(
        decode(&mut decoder, &hex("7e05 3132 3334 35")),
        Ok(fields(&[("name", "12345")]))
    );
    assert_eq!(decoder.contents(), (vec![], 0));
}

#[test]
fn a_list_over_the_limit_keeps_the_table_in_step() {
    let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
    // 32 + 2 bytes each.
    let block = hex("4001 6101 62 4001 6301 64 4001 6501 66");
    let over = decode_limited(&mut decoder, &block, 101);
    assert_eq!(
        over,
        Ok((Outcome::TooLarge, fields(&[("a", "b"), ("c", "d")])))
    );
    let exact = decode_limited(&mut decoder, &hex("bebf c0"), 102);
    assert_eq!(
        exact,
        Ok((
            Outcome::Complete,
            fields(&[("e", "f"), ("c", "d"), ("a", "b")])
        ))
    );
    // Once over, a small field is not handed out either, and errors are still errors.
    let block = hex("0005 6161 6161 6100 be");
    assert_eq!(
        decode_limited(&mut decoder, &block, 34),
        Ok((Outcome::TooLarge, vec![]))
    );
    assert_eq!(
        decode_limited(&mut decoder, &hex("bebe 80"), 34),
        Err(DecodeError::IndexZero)
    );
}

/// A block with every representation, and where its fields end.
fn every_representation() -> (Vec<u8>, Vec<usize>) {
    let parts = [
        size_update(0),
        size_update(4_000),
        hex("82"),
        hex("418c f1e3 c2e5 f23a 6ba0 ab90 f4ff"),
        hex("4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"),
        hex("040c 2f73 616d 706c 652f 7061 7468"),
        hex("1008 7061 7373 776f 7264 0673 6563 7265 74"),
        hex("0f09 86a8 eb10 649c bf"),
        hex("7e01 41"),
        hex("c0"),
    ];
    let ends = parts
        .iter()
        .scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        })
        .collect();
    (parts.concat(), ends)
}

#[test]
fn every_truncation_is_an_error() {
    let (block, ends) = every_representation();
    for len in 1..=block.len() {
        let result = decode(&mut Decoder::new(DEFAULT_TABLE_SIZE), &block[..len]);
        assert_eq!(
            result.is_ok(),
            ends.contains(&len),
            "{len} bytes: {result:?}"
        );
    }
}

#[test]
fn no_flipped_bit_panics() {
    let (block, _) = every_representation();
    for bit in 0..block.len() * 8 {
        let mut block = block.clone();
        block[bit / 8] ^= 1 << (bit % 8);
        let _ = decode(&mut Decoder::new(DEFAULT_TABLE_SIZE), &block);
    }
}

#[test]
fn no_random_bytes_panic() {
    let mut random = Random::new();
    let mut scratch = Vec::new();
    for _ in 0..30_000 {
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        let block: Vec<u8> = (0..random.below(100))
            .map(|_| random.below(256) as u8)
            .collect();
        let limit = random.below(400);
        let mut sum = 0;
        for _ in 0..3 {
            let _ = decoder.decode(&block, limit, &mut scratch, |field| {
                sum += field.name.len() + field.value.len() + 32;
            });
            assert!(sum <= limit);
            sum = 0;
        }
    }
}
