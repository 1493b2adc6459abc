#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::http::range::{RANGES_MAX, RangeOutcome, resolve};
use proptest::prelude::*;

const TYPE: &[u8] = b"text/plain; charset=utf-8";

fn merged(field: &[u8], complete_length: u64) -> Option<Ranges> {
    match resolve(Some(field), complete_length) {
        RangeOutcome::Satisfiable(ranges) => Some(ranges.merged()),
        _ => None,
    }
}

/// The content as it goes over the wire.
fn content(multipart: &MultipartByteRanges<'_>, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, range) in multipart.parts().iter().enumerate() {
        multipart.put_part_header(index, &mut out);
        out.extend_from_slice(&data[range.first as usize..=range.last as usize]);
    }
    multipart.put_closing_delimiter(&mut out);
    out
}

/// Reads a content of this `Content-Type` by RFC 2046 section 5.1.1 and nothing of the code above: parts as their
/// fields' lines and their bodies. Panics where it is malformed.
fn parse(content_type: &str, content: &[u8]) -> Vec<(Vec<String>, Vec<u8>)> {
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("the type");
    assert!((1..=70).contains(&boundary.len()));
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // As if a line ended before the first delimiter.
    let mut rest = [b"\r\n", content].concat();
    let mut parts = Vec::new();
    let mut preamble = true;
    loop {
        let at = rest
            .windows(delimiter.len())
            .position(|window| window == delimiter)
            .expect("a delimiter");
        let body = rest[..at].to_vec();
        rest.drain(..at + delimiter.len());
        if preamble {
            assert_eq!(body, b"");
            preamble = false;
        } else {
            let end = body
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .expect("fields");
            let fields = String::from_utf8(body[..end].to_vec()).expect("fields are text");
            let lines = fields.split("\r\n").map(str::to_owned).collect();
            parts.push((lines, body[end + 4..].to_vec()));
        }
        if rest.starts_with(b"--") {
            assert_eq!(rest, b"--\r\n");
            return parts;
        }
        // The line of the delimiter ends; where a part has no fields, this line end is also that of the empty line.
        assert!(rest.starts_with(b"\r\n"));
        rest.drain(..2);
    }
}

/// The example of section 14.6, with the numbers of a file that is long enough.
#[test]
fn s14_6_two_parts() {
    let ranges = merged(b"bytes=500-999,7000-7999", 8000).unwrap();
    let multipart = MultipartByteRanges::new(&ranges, b"application/pdf", 8000, 0xa1).unwrap();
    let boundary = "000000000000000000000000000000a1";
    assert_eq!(
        multipart.content_type().as_bytes(),
        format!("multipart/byteranges; boundary={boundary}").as_bytes()
    );
    let data = vec![b'x'; 8000];
    let expected = format!(
        "--{boundary}\r\nContent-Type: application/pdf\r\nContent-Range: bytes 500-999/8000\r\n\r\n{}\r\n\
         --{boundary}\r\nContent-Type: application/pdf\r\nContent-Range: bytes 7000-7999/8000\r\n\r\n{}\r\n\
         --{boundary}--\r\n",
        "x".repeat(500),
        "x".repeat(1000),
    );
    let found = content(&multipart, &data);
    assert_eq!(String::from_utf8(found).unwrap(), expected);
    assert_eq!(multipart.content_length(), expected.len() as u64);
}

#[test]
fn s15_3_7_2_one_range_is_not_multipart() {
    for field in [&b"bytes=0-9"[..], b"bytes=0-9,5-20", b"bytes=0-9,10-20"] {
        let ranges = merged(field, 8000).unwrap();
        assert!(MultipartByteRanges::new(&ranges, TYPE, 8000, 1).is_none());
    }
}

#[test]
fn s17_15_what_would_be_longer_than_the_whole_is_not_sent() {
    // Two parts with their fields come to about 300 bytes.
    let ranges = merged(b"bytes=0-0,2-2", 250).unwrap();
    assert!(MultipartByteRanges::new(&ranges, TYPE, 250, 1).is_none());
    let ranges = merged(b"bytes=0-0,2-2", 999).unwrap();
    let multipart = MultipartByteRanges::new(&ranges, TYPE, 999, 1).unwrap();
    let content_length = multipart.content_length();
    for (complete_length, sent) in [(content_length, false), (content_length + 1, true)] {
        // As many digits as before, so the headers are as long.
        assert_eq!(complete_length.to_string().len(), 3);
        let multipart = MultipartByteRanges::new(&ranges, TYPE, complete_length, 1);
        assert_eq!(multipart.is_some(), sent, "{complete_length}");
    }
    // Every other byte: most of the content would be fields.
    let mut field = b"bytes=".to_vec();
    for i in 0..RANGES_MAX {
        field.extend_from_slice(format!("{0}-{0},", 2 * i).as_bytes());
    }
    let ranges = merged(&field, 3000).unwrap();
    assert_eq!(ranges.as_slice().len(), RANGES_MAX);
    assert!(MultipartByteRanges::new(&ranges, TYPE, 3000, 1).is_none());
}

#[test]
fn lengths_that_overflow_are_not_sent() {
    let ranges = merged(b"bytes=0-8,10-", u64::MAX).unwrap();
    assert!(MultipartByteRanges::new(&ranges, TYPE, u64::MAX, 1).is_none());
    let ranges = merged(b"bytes=0-8,-10", u64::MAX).unwrap();
    assert!(MultipartByteRanges::new(&ranges, TYPE, u64::MAX, 1).is_some());
}

#[test]
fn the_boundary_is_the_nonce_and_nothing_else() {
    let ranges = merged(b"bytes=0-0,9-9", 4000).unwrap();
    let content_type = |nonce| {
        let multipart = MultipartByteRanges::new(&ranges, TYPE, 4000, nonce).unwrap();
        multipart.content_type()
    };
    for nonce in [0, 1, 1 << 127, u128::MAX, 0x0123_4567_89ab_cdef << 60] {
        let found = content_type(nonce);
        let boundary = &found.as_bytes()[CONTENT_TYPE_PREFIX.len()..];
        assert_eq!(boundary, format!("{nonce:032x}").as_bytes());
    }
}

#[test]
fn no_part_no_header() {
    let ranges = merged(b"bytes=0-0,9-9", 4000).unwrap();
    let multipart = MultipartByteRanges::new(&ranges, TYPE, 4000, 1).unwrap();
    let mut out = Vec::new();
    multipart.put_part_header(2, &mut out);
    assert_eq!(out, b"");
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    let spec = prop_oneof![
        6 => (0u64..5000, 0u64..300).prop_map(|(at, len)| format!("{at}-{}", at + len)),
        1 => (0u64..5000).prop_map(|at| format!("{at}-")),
        1 => (0u64..300).prop_map(|len| format!("-{len}")),
    ];
    proptest::collection::vec(spec, 1..=RANGES_MAX)
        .prop_map(|specs| format!("bytes={}", specs.join(", ")).into_bytes())
}

/// Bytes that look like delimiters and fields as often as can be.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n--".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"Content-Range: bytes 0-1/2\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 1..200),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_parsed_back_is_the_data(field in field(), data in data(), nonce: u128) {
        let len = data.len() as u64;
        let Some(ranges) = merged(&field, len) else {
            return Ok(());
        };
        let Some(multipart) = MultipartByteRanges::new(&ranges, TYPE, len, nonce) else {
            return Ok(());
        };
let content = content(&multipart, &data);
        prop_assert_eq!(content.len() as u64, multipart.content_length());
        prop_assert!(content.len() < data.len());
        let content_type = String::from_utf8(multipart.content_type().as_bytes().to_vec()).unwrap();
        let parts = parse(&content_type, &content);
        prop_assert_eq!(parts.len(), ranges.as_slice().len());
        let mut sent = vec![false; data.len()];
        for (fields, body) in &parts {
            let [part_type, content_range] = fields.as_slice() else {
                panic!("two fields: {fields:?}");
            };
            prop_assert_eq!(part_type, "Content-Type: text/plain; charset=utf-8");
            let (range, complete) = content_range
                .strip_prefix("Content-Range: bytes ")
                .and_then(|value| value.split_once('/'))
                .expect("a Content-Range");
            prop_assert_eq!(complete.parse::<usize>().unwrap(), data.len());
            let (first, last) = range.split_once('-').expect("a range");
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            prop_assert_eq!(&body[..], &data[first..=last]);
            for sent in &mut sent[first..=last] {
                prop_assert!(!std::mem::replace(sent, true), "no byte is sent twice");
            }
        }
        let RangeOutcome::Satisfiable(asked) = resolve(Some(&field), len) else {
            panic!("satisfiable");
        };
        for (at, sent) in sent.iter().enumerate() {
            let at = at as u64;
            let wanted = asked.as_slice().iter().any(|range| range.first <= at && at <= range.last);
            prop_assert_eq!(*sent, wanted);
        }
    }

    #[test]
    fn the_length_is_exact_whatever_the_numbers(
        starts in proptest::collection::vec((any::<u64>(), 0u64..1 << 40), 1..=RANGES_MAX),
        complete_length: u64,
    ) {
        let specs: Vec<_> = starts
            .iter()
            .map(|&(at, len)| format!("{at}-{}", at.saturating_add(len)))
            .collect();
        let field = format!("bytes={}", specs.join(","));
        let Some(ranges) = merged(field.as_bytes(), complete_length) else {
            return Ok(());
        };
        if let Some(multipart) = MultipartByteRanges::new(&ranges, TYPE, complete_length, 7) {
            let mut between = Vec::new();
            for index in 0..multipart.parts().len() {
                multipart.put_part_header(index, &mut between);
            }
            multipart.put_closing_delimiter(&mut between);
            let expected = u128::from(ranges.total_bytes()) + between.len() as u128;
            prop_assert_eq!(u128::from(multipart.content_length()), expected);
        }
    }
}
