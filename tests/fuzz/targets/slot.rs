//! The slot: whatever is put into it, in any layout, is on its wire in order, and nothing outgrows it.

use ringlane::slot::{FRAME_SLACK, Layout, MAX_HOLES, Plan, RecordLayout, Slot, WIRE_OFFSET};

use super::input::Input;

/// TLS 1.3, and TLS 1.2 with an explicit nonce.
const RECORDS: [RecordLayout; 2] = [
    RecordLayout {
        prefix: 5,
        suffix: 17,
    },
    RecordLayout {
        prefix: 13,
        suffix: 16,
    },
];

fn content(offset: u64) -> u8 {
    (offset.wrapping_mul(167) >> 2) as u8
}

/// Fills one slot with what the bytes ask for.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let layout = [
        Layout::Gathered,
        Layout::Placed,
        Layout::Sealed(RECORDS[0]),
        Layout::Sealed(RECORDS[1]),
    ][input.below(4)];
    let size = 2 * WIRE_OFFSET + input.below(50_000);
    let burst = [usize::MAX, 1_000, 20_000][input.below(3)];
    let mut buffer = vec![0; size];
    let mut plan = Plan::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, layout, burst);
    let mut model = Vec::new();
    while !input.is_empty() {
        let room = slot.room();
        match input.byte() % 4 {
            0 => {
                let bytes = vec![input.byte(); input.below(30_000).min(room)];
                slot.put(&bytes);
                model.extend_from_slice(&bytes);
            }
            1 if room >= FRAME_SLACK => {
                let header = [input.byte(); 9];
                slot.put_frame_header(&header);
                model.extend_from_slice(&header);
            }
            2 => bare_body(&mut input, &mut slot, &mut model),
            _ => body(&mut input, &mut slot, &mut model),
        }
        assert!(slot.room() <= room, "room never grows");
    }
    slot.finish();
    assert!(plan.used.start == WIRE_OFFSET && plan.used.end <= size);
    assert!(plan.holes.len() <= MAX_HOLES);
    assert!(
        wire(&mut buffer, &plan, layout) == model,
        "the wire is what was put"
    );
}

/// One frame of a file, as long as the slot lets it be.
fn body(input: &mut Input<'_>, slot: &mut Slot<'_, u8>, model: &mut Vec<u8>) {
    let frame_limit = [16_384, 20_000, 65_536][input.below(3)];
    let want = input.u32() as usize % 100_000;
    let file = input.byte();
    let len = slot.payload_len(want, frame_limit, Some(&file));
    assert!(len <= want.min(frame_limit));
    if len == 0 {
        return;
    }
    let (header, offset) = ([input.byte(); 9], u64::from(input.u16()));
    let at = slot.put_frame_header(&header);
    slot.hole(&file, offset, len, at, 1);
    model.extend_from_slice(&header);
    model.extend((offset..offset + len as u64).map(content));
}

/// A part of a file that nothing announces, with something around it.
fn bare_body(input: &mut Input<'_>, slot: &mut Slot<'_, u8>, model: &mut Vec<u8>) {
    let (before, after) = (vec![input.byte(); input.below(20)], [1, 2]);
    let want = input.u32() as usize % 100_000;
    let file = input.byte();
    let len = slot.body_len(want, before.len() + after.len(), Some(&file));
    assert!(len <= want);
    if len == 0 {
        return;
    }
    let offset = u64::from(input.u16());
    slot.put(&before);
    slot.bare_hole(&file, offset, len, 1);
    slot.put(&after);
    model.extend_from_slice(&before);
    model.extend((offset..offset + len as u64).map(content));
    model.extend_from_slice(&after);
}

/// What goes on the wire, without the records; checks that wire and buffer agree on their lengths.
fn wire(buffer: &mut [u8], plan: &Plan<u8>, layout: Layout) -> Vec<u8> {
    for hole in plan.holes.iter().filter(|hole| !hole.gathered) {
        for i in 0..hole.len {
            buffer[hole.at + i] = content(hole.offset + i as u64);
        }
    }
    let mut wire = Vec::new();
    if layout == Layout::Gathered {
        let mut from = plan.used.start;
        for hole in plan.holes.iter().filter(|hole| hole.gathered) {
            wire.extend_from_slice(&buffer[from..hole.at]);
            wire.extend((0..hole.len as u64).map(|i| content(hole.offset + i)));
            from = hole.at;
        }
        wire.extend_from_slice(&buffer[from..plan.used.end]);
        assert_eq!(wire.len(), plan.wire_len);
        return wire;
    }
    assert_eq!(plan.used.len(), plan.wire_len);
    let Layout::Sealed(record) = layout else {
        return buffer[plan.used.clone()].to_vec();
    };
    let mut at = plan.used.start;
    for sealed in &plan.records {
        assert_eq!(sealed.at, at, "records follow each other");
        let plaintext = at + record.prefix;
        wire.extend_from_slice(&buffer[plaintext..plaintext + sealed.len]);
        at = plaintext + sealed.len + record.suffix;
    }
    assert_eq!(at, plan.used.end);
    wire
}
