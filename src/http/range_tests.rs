#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use proptest::prelude::*;

fn satisfiable(field: &[u8], complete_length: u64) -> Option<Vec<(u64, u64)>> {
    match resolve(Some(field), complete_length) {
        RangeOutcome::Satisfiable(ranges) => Some(pairs(&ranges)),
        _ => None,
    }
}

fn pairs(ranges: &Ranges) -> Vec<(u64, u64)> {
    let pair = |range: &ByteRange| (range.first, range.last);
    ranges.as_slice().iter().map(pair).collect()
}

/// The examples of section 14.1.2, of a representation of 10,000 bytes.
#[test]
fn s14_1_2_examples() {
    for (field, ranges) in [
        (&b"bytes=0-499"[..], &[(0, 499)][..]),
        (b"bytes=500-999", &[(500, 999)]),
        (b"bytes=-500", &[(9500, 9999)]),
        (b"bytes=9500-", &[(9500, 9999)]),
        (b"bytes=0-0,-1", &[(0, 0), (9999, 9999)]),
        (
            b"bytes= 0-999, 4500-5499, -1000",
            &[(0, 999), (4500, 5499), (9000, 9999)],
        ),
        (b"bytes=500-600,601-999", &[(500, 600), (601, 999)]),
        (b"bytes=500-700,601-999", &[(500, 700), (601, 999)]),
    ] {
        let found = satisfiable(field, 10_000);
        assert_eq!(found.as_deref(), Some(ranges), "{}", field.escape_ascii());
    }
}

#[test]
fn resolved_against_the_length() {
    for (field, complete_length, ranges) in [
        (&b"bytes=0-"[..], 1, &[(0, 0)][..]),
        (b"bytes=0-99999999999999999999", 10, &[(0, 9)]),
        (b"bytes=-99999999999999999999", 10, &[(0, 9)]),
        (b"bytes=-10", 10, &[(0, 9)]),
        (b"bytes=-11", 10, &[(0, 9)]),
        (b"bytes=9-10", 10, &[(9, 9)]),
        (b"bytes=20-30,5-6,10-", 10, &[(5, 6)]),
        (b"bytes=-0,5-6", 10, &[(5, 6)]),
        (b"bytes=00000000000000000000000005-6", 10, &[(5, 6)]),
        (b"BYTES=1-2", 10, &[(1, 2)]),
        (b" bytes=,, 1-2 ,\t,", 10, &[(1, 2)]),
        (b"bytes=0-", u64::MAX, &[(0, u64::MAX - 1)]),
        (b"bytes=-1", u64::MAX, &[(u64::MAX - 1, u64::MAX - 1)]),
    ] {
        let found = satisfiable(field, complete_length);
        assert_eq!(found.as_deref(), Some(ranges), "{}", field.escape_ascii());
    }
}

#[test]
fn unsatisfiable() {
    for (field, complete_length) in [
        (&b"bytes=10-"[..], 10),
        (b"bytes=10-20,30-", 10),
        (b"bytes=-0", 10),
        (b"bytes=0-", 0),
        (b"bytes=0-0", 0),
        (b"bytes=-0", 0),
        (b"bytes=99999999999999999999-", 10),
        (b"bytes=99999999999999999999-", u64::MAX),
    ] {
        let outcome = resolve(Some(field), complete_length);
        assert_eq!(outcome, RangeOutcome::Unsatisfiable);
    }
}

#[test]
fn ignored() {
    assert_eq!(resolve(None, 10), RangeOutcome::Whole);
    for field in [
        &b""[..],
        b"bytes",
        b"bytes=",
        b"bytes=,",
        b"bytes=-",
        b"bytes=5",
        b"bytes=5-4",
        b"bytes=0-1,5-4",
        b"bytes=a-b",
        b"bytes=0-1,x",
        b"bytes=0-1-2",
        b"bytes=--1",
        b"bytes=+0-1",
        b"bytes=0 - 1",
        b"bytes =0-1",
        b"bytes:0-1",
        b"bytes=0-1;2-3",
        b"lines=0-1",
        b"xbytes=0-1",
        b"none",
    ] {
        let outcome = resolve(Some(field), 10);
        assert_eq!(outcome, RangeOutcome::Whole, "{}", field.escape_ascii());
    }
    // Satisfiable by the letter, but no Content-Range could name it.
    assert_eq!(resolve(Some(b"bytes=-5"), 0), RangeOutcome::Whole);
}

#[test]
fn more_ranges_than_the_cap_are_ignored() {
    let most = format!("bytes={}", vec!["0-0"; RANGES_MAX].join(","));
    let found = satisfiable(most.as_bytes(), 10).expect("satisfiable");
    assert_eq!(found.len(), RANGES_MAX);
    for more in [",1-1", ",50-"] {
        let field = format!("{most}{more}");
        assert_eq!(resolve(Some(field.as_bytes()), 10), RangeOutcome::Whole);
    }
}

#[test]
fn merging_keeps_the_order_of_the_request() {
    for (field, merged) in [
        (&b"bytes=0-0"[..], &[(0, 0)][..]),
        (b"bytes=0-4,5-9", &[(0, 9)]),
        (b"bytes=0-4,6-9", &[(0, 4), (6, 9)]),
        (b"bytes=50-59,0-9,55-70", &[(50, 70), (0, 9)]),
        (b"bytes=0-9,20-29,5-25", &[(0, 29)]),
        (b"bytes=90-,0-9,20-29,5-25", &[(90, 99), (0, 29)]),
        (b"bytes=0-,0-,0-", &[(0, 99)]),
        (b"bytes=40-49,20-29,0-9,10-19,30-39", &[(0, 49)]),
    ] {
        let RangeOutcome::Satisfiable(ranges) = resolve(Some(field), 100) else {
            panic!("satisfiable");
        };
        assert_eq!(pairs(&ranges.merged()), merged, "{}", field.escape_ascii());
    }
}

#[test]
fn single_is_for_one_range_only() {
    let RangeOutcome::Satisfiable(one) = resolve(Some(b"bytes=1-3"), 10) else {
        panic!("satisfiable");
    };
    assert_eq!(one.single(), Some(ByteRange { first: 1, last: 3 }));
    assert_eq!(one.total_bytes(), 3);
    let RangeOutcome::Satisfiable(two) = resolve(Some(b"bytes=1-3,5-5"), 10) else {
        panic!("satisfiable");
    };
    assert_eq!((two.single(), two.total_bytes()), (None, 4));
}

#[test]
fn s14_4_content_range() {
    let range = ByteRange {
        first: 42,
        last: 1233,
    };
    let satisfied = ContentRange::Satisfied {
        range,
        complete_length: 1234,
    };
    assert_eq!(satisfied.encode().as_bytes(), b"bytes 42-1233/1234");
    let unsatisfied = ContentRange::Unsatisfied {
        complete_length: 1234,
    };
    assert_eq!(unsatisfied.encode().as_bytes(), b"bytes */1234");
    let widest = ContentRange::Satisfied {
        range: ByteRange {
            first: u64::MAX,
            last: u64::MAX,
        },
        complete_length: u64::MAX,
    };
    assert_eq!(widest.encode().as_bytes().len(), CONTENT_RANGE_BYTES);
}

/// Fields that are mostly well-formed, over positions around the lengths below.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let spec = prop_oneof![
        4 => (0u64..60, 0u64..60).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        2 => (0u64..60).prop_map(|a| format!("{a}-")),
        2 => (0u64..60).prop_map(|a| format!("-{a}")),
        1 => any::<u64>().prop_map(|a| format!("{a}0-{a}99")),
        1 => "[-0-9, x]{0,6}",
    ];
    proptest::collection::vec(spec, 0..36)
        .prop_map(|specs| format!("bytes={}", specs.join(",")).into_bytes())
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..70, 1 => any::<u64>()]
}

proptest! {
    #[test]
    fn every_range_lies_within_the_representation(field in field(), complete_length in length()) {
        for len in 0..=field.len() {
            let RangeOutcome::Satisfiable(ranges) = resolve(Some(&field[..len]), complete_length) else {
                continue;
            };
            prop_assert!(!ranges.as_slice().is_empty());
            for range in ranges.as_slice() {
                prop_assert!(range.first <= range.last && range.last < complete_length);
            }
        }
    }

    #[test]
    fn merging_keeps_the_bytes_and_makes_them_disjoint(field in field(), complete_length in 0u64..70) {
        if let RangeOutcome::Satisfiable(ranges) = resolve(Some(&field), complete_length) {
            let merged = ranges.merged();
            let holds = |ranges: &Ranges, at: u64| {
                ranges.as_slice().iter().filter(|range| range.first <= at && at <= range.last).count()
            };
            for at in 0..complete_length {
                prop_assert_eq!(holds(&merged, at), usize::from(holds(&ranges, at) > 0));
            }
            prop_assert!(merged.total_bytes() <= complete_length);
            prop_assert_eq!(merged.merged(), merged);
        }
    }

    #[test]
    fn no_bytes_panic(field in proptest::collection::vec(any::<u8>(), 0..40), complete_length: u64) {
        let _ = resolve(Some(&field), complete_length);
    }
}
