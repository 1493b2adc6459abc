//! Range, the preconditions, entity tags, dates, and what is negotiated by weights.

use ringlane::http::range::{self, RANGES_MAX};
use ringlane::http::{
    Accept, AcceptEncoding, ByteRange, Coding, Comparison, ContentRange, Decision, EntityTag,
    ListingType, Method, MultipartByteRanges, Preconditions, RangeOutcome, Ranges, Representation,
    WantDigest, accepts_trailers, format_http_date, parse_http_date,
};

use super::input::Input;

/// Lengths of a representation at which something changes.
const LENGTHS: [u64; 6] = [0, 1, 10, 1 << 20, u64::MAX - 1, u64::MAX];

/// Pieces that the values of these fields are made of.
const PIECES: [&[u8]; 24] = [
    b"bytes=",
    b"bytes",
    b"=",
    b"-",
    b",",
    b"0",
    b"1",
    b"9",
    b"500",
    b" ",
    b"\t",
    b"\"",
    b"W/",
    b"*",
    b"0-0",
    b"-1",
    b"18446744073709551615",
    b"99999999999999999999",
    b"5-",
    b"a",
    b"items=",
    b", ",
    b"\"a\"",
    b"Thu, 01 Jan 1970 00:00:05 GMT",
];

/// A field of pieces, of a tag or of any bytes; absent sometimes.
fn field(input: &mut Input<'_>, tag: &EntityTag) -> Option<Vec<u8>> {
    let choice = input.byte();
    let text = input.string();
    match choice % 4 {
        0 => None,
        1 => Some(text.to_vec()),
        2 => Some(tag.as_bytes().to_vec()),
        _ => {
            let piece = |byte: &u8| PIECES[usize::from(*byte) % PIECES.len()];
            Some(text.iter().flat_map(piece).copied().collect())
        }
    }
}

/// Evaluates a request's fields, each made from the bytes.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let complete_length = LENGTHS[input.below(LENGTHS.len())];
    let tag = EntityTag::new(input.u64(), complete_length, input.u32().into(), 7);
    let last_modified = u64::from(input.byte());
    let method = [Method::Get, Method::Head, Method::Options, Method::Other][input.below(4)];
    let fields: [_; 6] = std::array::from_fn(|_| field(&mut input, &tag));
    let [if_match, if_none_match, since, unmodified, if_range, range] =
        fields.each_ref().map(Option::as_deref);
    let preconditions = Preconditions {
        if_match,
        if_none_match,
        if_modified_since: since,
        if_unmodified_since: unmodified,
        if_range,
        range,
    };
    let representation = Representation {
        etag: &tag,
        last_modified,
        len: complete_length,
    };
    let decision = preconditions.evaluate(method, &representation, input.byte().into());
    match decision {
        Decision::Partial(ranges) => {
            assert!(method == Method::Get && range.is_some());
            check_ranges(&ranges, complete_length);
            assert_eq!(ranges.merged(), ranges, "they are merged");
            disjoint(ranges.as_slice());
            several_parts(&ranges, complete_length);
        }
        Decision::RangeNotSatisfiable => assert!(method == Method::Get && range.is_some()),
        Decision::PreconditionFailed => {
            assert!(if_match.or(unmodified).or(if_none_match).is_some());
        }
        Decision::NotModified => {
            assert!(method.is_retrieval() && if_none_match.or(since).is_some())
        }
        Decision::Full => {}
    }
    for field in fields.iter().flatten() {
        one_field(field, &tag, complete_length);
    }
}

fn one_field(field: &[u8], tag: &EntityTag, complete_length: u64) {
    if let RangeOutcome::Satisfiable(ranges) = range::resolve(Some(field), complete_length) {
        check_ranges(&ranges, complete_length);
        disjoint(ranges.merged().as_slice());
    }
    let strong = tag.matches_list(field, Comparison::Strong);
    assert!(!strong || tag.matches_list(field, Comparison::Weak));
    if let Some(secs) = parse_http_date(field) {
        assert_eq!(parse_http_date(&format_http_date(secs)), Some(secs));
    }
    negotiated(field);
}

fn negotiated(field: &[u8]) {
    let codings = AcceptEncoding::of(Some(field));
    match codings.choose(Coding::PRECOMPRESSED) {
        Some(coding) => assert!(codings.accepts(coding)),
        None => assert_eq!(codings.choose([]), None),
    }
    let types = Accept::of(Some(field));
    if types == Accept::default() {
        assert_eq!(types.listing_type(), ListingType::Html);
        assert!(!types.accepts_html());
    }
    let mut digests = WantDigest::of(Some(field));
    digests.add_line(b"sha-256=11");
    assert_eq!(digests.choose(), None);
    let _ = accepts_trailers(field);
}

fn several_parts(ranges: &Ranges, complete_length: u64) {
    let multipart = MultipartByteRanges::new(ranges, b"text/plain", complete_length, 1);
    let Some(multipart) = multipart else {
        return;
    };
    assert_eq!(multipart.parts(), ranges.as_slice());
    let mut between = Vec::new();
    for index in 0..multipart.parts().len() {
        multipart.put_part_header(index, &mut between);
    }
    multipart.put_closing_delimiter(&mut between);
    let content_length = ranges.total_bytes() + between.len() as u64;
    assert_eq!(multipart.content_length(), content_length);
    assert!(content_length < complete_length);
}

fn check_ranges(ranges: &Ranges, complete_length: u64) {
    let slice = ranges.as_slice();
    assert!((1..=RANGES_MAX).contains(&slice.len()));
    for &range in slice {
        assert!(range.first <= range.last && range.last < complete_length);
        let text = ContentRange::Satisfied {
            range,
            complete_length,
        }
        .encode();
        let expected = format!("bytes {}-{}/{complete_length}", range.first, range.last);
        assert_eq!(text.as_bytes(), expected.as_bytes());
    }
    assert!(ranges.merged().total_bytes() <= complete_length);
}

fn disjoint(ranges: &[ByteRange]) {
    for (n, range) in ranges.iter().enumerate() {
        for other in &ranges[n + 1..] {
            assert!(range.last < other.first || other.last < range.first);
        }
    }
}
