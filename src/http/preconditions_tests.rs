#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::http::date::format_http_date;
use proptest::prelude::*;

const MODIFIED_SECS: u64 = 784_111_777;
const NOW_SECS: u64 = MODIFIED_SECS + 100;
const LEN: u64 = 1000;

const SAME_DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &[u8] = b"Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &[u8] = b"Sun, 06 Nov 1994 08:49:38 GMT";

const TAG: &[u8] = b"\"1-3e8-2ebc98a1-0\"";
const WEAK_TAG: &[u8] = b"W/\"1-3e8-2ebc98a1-0\"";
const OTHER_TAG: &[u8] = b"\"other\"";

fn etag() -> EntityTag {
    EntityTag::new(1, LEN, MODIFIED_SECS as i64, 0)
}

fn evaluate_at(now_secs: u64, method: Method, preconditions: Preconditions<'_>) -> &'static str {
    let etag = etag();
    let representation = Representation {
        etag: &etag,
        last_modified: MODIFIED_SECS,
        len: LEN,
    };
    match preconditions.evaluate(method, &representation, now_secs) {
        Decision::Full => "200",
        Decision::Partial(_) => "206",
        Decision::NotModified => "304",
        Decision::PreconditionFailed => "412",
        Decision::RangeNotSatisfiable => "416",
    }
}

fn evaluate(method: Method, preconditions: Preconditions<'_>) -> &'static str {
    evaluate_at(NOW_SECS, method, preconditions)
}

fn none() -> Preconditions<'static> {
    Preconditions::default()
}

#[test]
fn the_constants_above_are_of_one_file() {
    assert_eq!(etag().as_bytes(), TAG);
    assert_eq!(&format_http_date(MODIFIED_SECS), SAME_DATE);
    assert_eq!(evaluate(Method::Get, none()), "200");
}

#[test]
fn s13_1_1_if_match_compares_strongly() {
    for (field, status) in [
        (TAG, "200"),
        (b"*", "200"),
        (WEAK_TAG, "412"),
        (OTHER_TAG, "412"),
        (b"broken", "412"),
        (b"", "412"),
    ] {
        for method in [Method::Get, Method::Head, Method::Other] {
            let if_match = Some(field);
            assert_eq!(
                evaluate(method, Preconditions { if_match, ..none() }),
                status
            );
        }
    }
}

#[test]
fn s13_1_2_if_none_match_compares_weakly() {
    for (field, status, status_of_others) in [
        (TAG, "304", "412"),
        (WEAK_TAG, "304", "412"),
        (b"*", "304", "412"),
        (OTHER_TAG, "200", "200"),
        (b"broken", "200", "200"),
    ] {
        let preconditions = Preconditions {
            if_none_match: Some(field),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, preconditions), status);
        assert_eq!(evaluate(Method::Head, preconditions), status);
        assert_eq!(evaluate(Method::Other, preconditions), status_of_others);
    }
}

#[test]
fn s13_1_3_if_modified_since() {
    for (field, status) in [
        (SAME_DATE, "304"),
        (LATER, "304"),
        (EARLIER, "200"),
        (b"Sun Nov  6 08:49:37 1994", "304"),
        (b"yesterday", "200"),
    ] {
        let preconditions = Preconditions {
            if_modified_since: Some(field),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, preconditions), status);
        assert_eq!(evaluate(Method::Head, preconditions), status);
        assert_eq!(evaluate(Method::Other, preconditions), "200");
    }
}

#[test]
fn s13_1_4_if_unmodified_since() {
    for (field, status) in [
        (SAME_DATE, "200"),
        (LATER, "200"),
        (EARLIER, "412"),
        (b"yesterday", "200"),
    ] {
        let preconditions = Preconditions {
            if_unmodified_since: Some(field),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, preconditions), status);
    }
}

#[test]
fn s13_1_5_if_range() {
    for (field, status) in [
        (TAG, "206"),
        (WEAK_TAG, "200"),
        (OTHER_TAG, "200"),
        (b"*", "200"),
        (SAME_DATE, "206"),
        (EARLIER, "200"),
        // Exact, so a later date does not do either.
        (LATER, "200"),
        (b"broken", "200"),
    ] {
        let preconditions = Preconditions {
            if_range: Some(field),
            range: Some(b"bytes=0-9"),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, preconditions), status);
        assert_eq!(evaluate(Method::Head, preconditions), "200");
    }
    let alone = Preconditions {
        if_range: Some(TAG),
        ..none()
    };
    assert_eq!(evaluate(Method::Get, alone), "200");
}

#[test]
fn s8_8_2_2_a_date_is_strong_once_its_second_is_over() {
    let preconditions = Preconditions {
        if_range: Some(SAME_DATE),
        range: Some(b"bytes=0-9"),
        ..none()
    };
    for (now_secs, status) in [
        (MODIFIED_SECS - 1, "200"),
        (MODIFIED_SECS, "200"),
        (MODIFIED_SECS + 1, "206"),
    ] {
        assert_eq!(evaluate_at(now_secs, Method::Get, preconditions), status);
    }
}

#[test]
fn s14_2_range_is_for_get_alone() {
    for (field, status) in [
        (&b"bytes=0-9"[..], "206"),
        (b"bytes=1000-", "416"),
        (b"bytes=9-0", "200"),
        (b"lines=0-9", "200"),
    ] {
        let preconditions = Preconditions {
            range: Some(field),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, preconditions), status);
        assert_eq!(evaluate(Method::Head, preconditions), "200");
        assert_eq!(evaluate(Method::Other, preconditions), "200");
    }
}

#[test]
fn s13_2_2_the_order() {
    let fields = |if_match, if_unmodified_since, if_none_match, if_modified_since| Preconditions {
        if_match,
        if_unmodified_since,
        if_none_match,
        if_modified_since,
        range: Some(b"bytes=0-9"),
        ..none()
    };
    for (preconditions, status) in [
        // If-Match hides If-Unmodified-Since, either way.
        (fields(Some(TAG), Some(EARLIER), None, None), "206"),
        (fields(Some(OTHER_TAG), Some(LATER), None, None), "412"),
        // 412 goes before 304.
        (fields(Some(OTHER_TAG), None, Some(TAG), None), "412"),
        (fields(None, Some(EARLIER), Some(TAG), None), "412"),
        // Both true, so the next two are looked at.
        (fields(Some(TAG), None, Some(TAG), None), "304"),
        (fields(None, Some(LATER), None, Some(LATER)), "304"),
        // If-None-Match hides If-Modified-Since, either way, even if it is broken.
        (fields(None, None, Some(OTHER_TAG), Some(LATER)), "206"),
        (fields(None, None, Some(b"broken"), Some(LATER)), "206"),
        (fields(None, None, Some(TAG), Some(EARLIER)), "304"),
        // 304 goes before Range.
        (fields(None, None, None, Some(SAME_DATE)), "304"),
        (fields(None, None, None, Some(EARLIER)), "206"),
    ] {
        let found = evaluate(Method::Get, preconditions);
        assert_eq!(found, status, "{preconditions:?}");
    }
}

#[test]
fn s5_3_several_lines_are_one_list() {
    let joined = |one: &[u8], other: &[u8]| [one, b", ", other].concat();
    let both = [joined(OTHER_TAG, TAG), joined(TAG, OTHER_TAG)];
    for list in &both {
        let field = Some(&list[..]);
        let if_match = Preconditions {
            if_match: field,
            ..none()
        };
        assert_eq!(evaluate(Method::Get, if_match), "200");
        let if_none_match = Preconditions {
            if_none_match: field,
            ..none()
        };
        assert_eq!(evaluate(Method::Get, if_none_match), "304");
        // One tag is all that If-Range takes.
        let if_range = Preconditions {
            if_range: field,
            range: Some(b"bytes=0-9"),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, if_range), "200");
    }
    // An asterisk is no member of a list.
    let list = joined(OTHER_TAG, b"*");
    let if_match = Preconditions {
        if_match: Some(&list),
        ..none()
    };
    assert_eq!(evaluate(Method::Get, if_match), "412");
}

#[test]
fn s13_1_3_and_s13_1_4_a_list_of_dates_is_ignored() {
    for (one, other) in [(SAME_DATE, SAME_DATE), (LATER, EARLIER), (EARLIER, LATER)] {
        let list = [one, b", ", other].concat();
        let modified = Preconditions {
            if_modified_since: Some(&list),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, modified), "200");
        let unmodified = Preconditions {
            if_unmodified_since: Some(&list),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, unmodified), "200");
        let if_range = Preconditions {
            if_range: Some(&list),
            range: Some(b"bytes=0-9"),
            ..none()
        };
        assert_eq!(evaluate(Method::Get, if_range), "200");
    }
    let range = Preconditions {
        range: Some(b"bytes=0-9, bytes=20-29"),
        ..none()
    };
    assert_eq!(evaluate(Method::Get, range), "200");
}

#[test]
fn s13_2_1_options_ignores_them_all() {
    let preconditions = Preconditions {
        if_match: Some(OTHER_TAG),
        if_none_match: Some(TAG),
        ..none()
    };
    assert_eq!(evaluate(Method::Options, preconditions), "200");
}

#[test]
fn partial_ranges_are_merged() {
    let etag = etag();
    let representation = Representation {
        etag: &etag,
        last_modified: MODIFIED_SECS,
        len: LEN,
    };
    let preconditions = Preconditions {
        range: Some(b"bytes=0-,0-,0-"),
        ..none()
    };
    let Decision::Partial(ranges) = preconditions.evaluate(Method::Get, &representation, NOW_SECS)
    else {
        panic!("partial");
    };
    assert_eq!(ranges.single().map(|range| range.len()), Some(LEN));
}

fn any_field() -> impl Strategy<Value = Option<Vec<u8>>> {
    let value = prop_oneof![
        Just(TAG.to_vec()),
        Just(WEAK_TAG.to_vec()),
        Just(b"*".to_vec()),
        Just(SAME_DATE.to_vec()),
        Just(EARLIER.to_vec()),
        Just(b"bytes=0-9,5-20".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::option::of(value)
}

proptest! {
    #[test]
    fn whatever_the_fields_the_decision_fits_the_method(
        fields in proptest::array::uniform6(any_field()),
        method in prop_oneof![Just(Method::Get), Just(Method::Head), Just(Method::Options), Just(Method::Other)],
        now_secs in MODIFIED_SECS - 2..MODIFIED_SECS + 3,
    ) {
        let [if_match, if_none_match, if_modified_since, if_unmodified_since, if_range, range] = &fields;
        let status = evaluate_at(now_secs, method, Preconditions {
            if_match: if_match.as_deref(),
            if_none_match: if_none_match.as_deref(),
            if_modified_since: if_modified_since.as_deref(),
            if_unmodified_since: if_unmodified_since.as_deref(),
            if_range: if_range.as_deref(),
            range: range.as_deref(),
        });
        match status {
            "206" | "416" => prop_assert!(method == Method::Get && range.is_some()),
            "304" => prop_assert!(method.is_retrieval()),
            "412" => prop_assert!(method != Method::Options),
            _ => {}
        }
    }
}
