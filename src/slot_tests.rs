//! Tests of the slot.

use super::*;
use proptest::prelude::*;

const TLS13: RecordLayout = RecordLayout {
    prefix: 5,
    suffix: 17,
};

const MAPPED: u8 = b'm';
const UNMAPPED: u8 = 0xff;

/// The plaintext wire that a plan stands for, with every hole's byte taken from its offset.
fn wire(buffer: &[u8], plan: &Plan<u8>, layout: Layout) -> Vec<u8> {
    let byte = |offset: u64| (offset % 251) as u8;
    let mut filled = buffer.to_vec();
    for hole in plan.holes.iter().filter(|hole| !hole.gathered) {
        for i in 0..hole.len {
            filled[hole.at + i] = byte(hole.offset + i as u64);
        }
    }
    match layout {
        Layout::Gathered => {
            let mut out = Vec::new();
            let mut from = plan.used.start;
            for hole in plan.holes.iter().filter(|hole| hole.gathered) {
                out.extend_from_slice(&filled[from..hole.at]);
                out.extend((0..hole.len as u64).map(|i| byte(hole.offset + i)));
                from = hole.at;
            }
            out.extend_from_slice(&filled[from..plan.used.end]);
            out
        }
        Layout::Placed => filled[plan.used.clone()].to_vec(),
        Layout::Sealed(record) => plan
            .records
            .iter()
            .flat_map(|r| filled[r.at + record.prefix..r.at + record.prefix + r.len].to_vec())
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_layout_carries_the_same_wire(parts in prop::collection::vec((0usize..40_000, 0u8..4), 1..30)) {
        let mut wires = Vec::new();
        for layout in [Layout::Gathered, Layout::Placed, Layout::Sealed(TLS13)] {
            let mut buffer = vec![0; 2 << 20];
            let mut plan = Plan::default();
            let mut slot = Slot::new(&mut buffer, &mut plan, layout, usize::MAX);
            for (n, &(len, kind)) in parts.iter().enumerate() {
                let header = [n as u8; 9];
                let at = slot.put_frame_header(&header);
                match kind {
                    0 => slot.put(&vec![n as u8; len]),
                    1 => slot.hole(&MAPPED, n as u64 * 7, len, at, 1),
                    2 => slot.hole(&UNMAPPED, n as u64 * 7, len, at, 1),
                    _ => slot.bare_hole(&MAPPED, n as u64 * 7, len, 2),
                }
            }
            slot.finish();
            for hole in plan.holes.iter().filter(|hole| hole.len > 0) {
                prop_assert_eq!(hole.frame().is_some(), hole.stream == 1);
            }
            for hole in &plan.holes {
                let gathered = layout == Layout::Gathered && hole.file == MAPPED;
                prop_assert_eq!(hole.gathered, gathered);
            }
            if layout != Layout::Gathered {
                prop_assert_eq!(plan.wire_len, plan.used.len());
            }
            wires.push(wire(&buffer, &plan, layout));
        }
        prop_assert!(wires[0] == wires[1], "gathered and placed differ");
        prop_assert!(wires[0] == wires[2], "gathered and sealed differ");
    }

    #[test]
    fn room_is_what_put_takes(size in 200usize..100_000, chunks in prop::collection::vec(1usize..20_000, 1..40)) {
        for layout in [Layout::Placed, Layout::Sealed(TLS13)] {
            let mut buffer = vec![0; size];
            let mut plan = Plan::<u8>::default();
            let mut slot = Slot::new(&mut buffer, &mut plan, layout, usize::MAX);
            for &chunk in &chunks {
                let take = chunk.min(slot.room());
                slot.put(&vec![1; take]);
            }
            let rest = slot.room();
            slot.put(&vec![2; rest]);
            prop_assert_eq!(slot.room(), 0);
            slot.finish();
            prop_assert!(plan.used.end <= size);
        }
    }
}

#[test]
fn a_default_sized_frame_fills_a_record() {
    let mut buffer = vec![0; 256 << 10];
    let mut plan = Plan::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Sealed(TLS13), 200 << 10);
    let mut offset = 0;
    loop {
        let len = slot.payload_len(1 << 30, 16_384, Some(&MAPPED));
        if len == 0 {
            break;
        }
        let at = slot.put_frame_header(&[0; 9]);
        slot.hole(&MAPPED, offset, len, at, 1);
        offset += len as u64;
    }
    slot.finish();
    assert!(plan.records.len() > 10);
    let full = plan.records.len() - 1;
    assert!(
        plan.records[..full]
            .iter()
            .all(|record| record.len == MAX_RECORD_PLAINTEXT)
    );
    assert_eq!(plan.holes[0].len, 16_375);
}

#[test]
fn a_body_without_frames_is_cut_where_a_record_ends() {
    let mut buffer = vec![0; 100_000];
    let mut plan = Plan::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Sealed(TLS13), usize::MAX);
    slot.put(&[0; 200]);
    // What is wanted and fits is not cut; what does not fit is.
    assert_eq!(slot.body_len(40_000, 12, Some(&MAPPED)), 40_000);
    let len = slot.body_len(1 << 30, 12, Some(&MAPPED));
    slot.put(&[0; 10]);
    slot.bare_hole(&MAPPED, 0, len, 1);
    slot.put(&[0; 2]);
    assert_eq!(
        slot.body_len(1 << 30, 0, Some(&MAPPED)),
        0,
        "the rest is less than a record"
    );
    assert_eq!(
        slot.body_len(100, 0, Some(&MAPPED)),
        100,
        "unless that is all there is"
    );
    slot.finish();
    assert!(
        plan.records
            .iter()
            .all(|record| record.len == MAX_RECORD_PLAINTEXT)
    );
    assert_eq!(plan.records.len(), 6);
}

#[test]
fn a_burst_ends_the_body_and_not_the_control_frames() {
    let mut buffer = vec![0; 16 << 10];
    let mut plan = Plan::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 100);
    assert_eq!(slot.payload_len(1_000, 16_384, Some(&MAPPED)), 91);
    let at = slot.put_frame_header(&[0; 9]);
    slot.hole(&MAPPED, 0, 91, at, 1);
    assert_eq!(slot.payload_len(1_000, 16_384, Some(&MAPPED)), 0);
    slot.put(&[1; 17]);
    slot.finish();
    assert_eq!(plan.wire_len, 117);
}

#[test]
fn a_frame_header_never_straddles_records() {
    let mut buffer = vec![0; 64 << 10];
    let mut plan = Plan::<u8>::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Sealed(TLS13), usize::MAX);
    slot.put(&vec![0; MAX_RECORD_PLAINTEXT - 4]);
    slot.put_frame_header(&[7; 9]);
    slot.finish();
    assert_eq!(
        plan.records.iter().map(|r| r.len).collect::<Vec<_>>(),
        [MAX_RECORD_PLAINTEXT - 4, 9]
    );
}

#[test]
fn what_is_not_mapped_takes_room_in_a_gathered_slot() {
    let mut buffer = vec![0; 16 << 10];
    let mut plan = Plan::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
    let room = slot.room();
    let mapped = slot.payload_len(1 << 20, 100_000, Some(&MAPPED));
    assert_eq!(mapped, 100_000);
    for unmapped in [Some(&UNMAPPED), None] {
        let len = slot.payload_len(1 << 20, 100_000, unmapped);
        assert_eq!(len, room - FRAME_SLACK);
        assert_eq!(slot.body_len(1 << 20, 12, unmapped), room - 12);
    }
    let at = slot.put_frame_header(&[0; 9]);
    slot.hole(&UNMAPPED, 0, room - FRAME_SLACK, at, 1);
    assert!(slot.room() < FRAME_SLACK);
    for source in [Some(&MAPPED), Some(&UNMAPPED), None] {
        assert_eq!(slot.payload_len(1 << 20, 100_000, source), 0);
    }
    slot.finish();
}
