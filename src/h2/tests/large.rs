//! The size of DATA frames and of what is committed at a time: large when it helps, bounded by time.

use super::*;
use crate::h2::ConnectionError;
use crate::h2::limits::{LATENCY_BOUND_NS, LEAST_BURST};
use crate::h2::settings::id;

const LARGEST: u32 = (1 << 24) - 1;

/// A client with windows without end, that takes frames of `max_frame` at `rate` bytes per second.
fn client(max_frame: u32, rate: u64) -> Client {
    let mut client = Client::wide();
    client.feed(&settings(&[(id::MAX_FRAME_SIZE, max_frame)]));
    client.rate = Some(rate);
    client
}

/// Fills a slot and has it taken; the stream and length of its DATA frames whose bytes are from a file, and whether
/// a response ended.
fn send(client: &mut Client) -> (Vec<(StreamId, usize)>, bool) {
    let mut buffer = vec![0; 128 << 10];
    let mut plan = Plan::default();
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 64 << 20);
    client.core.poll_transmit(client.now_ns, &mut slot);
    slot.finish();
    let taken: usize = plan.holes.iter().map(|hole| hole.len).sum();
    if let Some(rate) = client.rate {
        client.now_ns += plan.wire_len as u64 * 1_000_000_000 / rate;
        client
            .core
            .note_drained(plan.wire_len, true, true, client.now_ns);
    }
    if taken > 0 {
        client.feed(&window_update(0, taken as u32));
        let first = plan.holes[0].stream;
        client.feed(&window_update(first, taken as u32));
    }
    let frames = plan.holes.iter().map(|hole| (hole.stream, hole.len));
    (frames.collect(), !plan.ended.is_empty())
}

fn largest(frames: &[(StreamId, usize)]) -> usize {
    frames.iter().map(|&(_, len)| len).max().unwrap_or(0)
}

#[test]
fn one_stream_alone_gets_frames_as_large_as_the_peer_and_the_bound_allow() {
    for (max_frame, rate, most) in [
        (16_384, 10_000_000_000, 16_384),
        (100_000, 10_000_000_000, 100_000),
        (1 << 20, 10_000_000_000, 1 << 20),
        (LARGEST, 10_000_000_000, LARGEST as usize),
        (LARGEST, 1_000_000_000, 5_000_000),
        (LARGEST, 20_000_000, 100_000),
        (LARGEST, 1_000_000, LEAST_BURST),
    ] {
        let mut client = client(max_frame, rate);
        client.feed(&get(1));
        client.core.respond(1, file(1, 1 << 40));
        // The first slot is filled before anything is measured.
        assert!(largest(&send(&mut client).0) <= 65_536);
        for round in 0..400 {
            let largest = largest(&send(&mut client).0);
            assert!(largest <= most, "{max_frame} {rate}: {largest}");
            assert!(
                round < 200 || largest + 2 * 16_384 > most,
                "{max_frame} {rate}: {largest}"
            );
        }
        assert_eq!(client.core.error(), None);
    }
}

#[test]
fn a_small_response_waits_no_longer_than_the_bound() {
    for rate in [4_000_000, 20_000_000, 100_000_000, 1_000_000_000] {
        let mut client = client(LARGEST, rate);
        client.feed(&get(1));
        client.core.respond(1, file(1, 1 << 40));
        for _ in 0..500 {
            send(&mut client);
        }
        for n in 1..50 {
            // It comes when a slot has just been filled.
            let asked_ns = client.now_ns;
            send(&mut client);
            let waited_ns = client.now_ns - asked_ns;
            assert!(waited_ns <= LATENCY_BOUND_NS, "{rate}: {waited_ns} ns");
            client.feed(&get_with_priority(n * 2 + 1, "u=0"));
            client.core.respond(n * 2 + 1, bytes(1_000));
            let (_, ended) = send(&mut client);
            assert!(ended, "{rate}: it is in the next slot");
        }
    }
}

#[test]
fn frames_are_small_while_others_are_open_and_large_again_after() {
    let mut client = client(LARGEST, 10_000_000_000);
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, file(1, 1 << 40));
    for _ in 0..50 {
        assert!(largest(&send(&mut client).0) <= 65_536);
    }
    // The other is answered and gone.
    client.core.respond(3, bytes(100));
    assert!(largest(&send(&mut client).0) > 65_536);
    client.core.reset(1, ErrorCode::CANCEL);
    // Two that take turns.
    client.feed(
        &[
            get_with_priority(5, "u=2, i"),
            get_with_priority(7, "u=2, i"),
        ]
        .concat(),
    );
    client.core.respond(5, file(1, 2_000_000));
    client.core.respond(7, file(1, 2_000_000));
    let (frames, _) = send(&mut client);
    assert!(frames.len() > 20 && largest(&frames) <= 65_536);
    let turns = |pair: &[(StreamId, usize)]| pair[0].0 != pair[1].0;
    assert!(frames[..20].windows(2).all(turns), "{frames:?}");
}

#[test]
fn the_peer_changes_its_mind() {
    let mut client = client(LARGEST, 10_000_000_000);
    client.feed(&get(1));
    client.core.respond(1, file(1, 1 << 40));
    for (max_frame, most) in [
        (LARGEST, LARGEST as usize),
        (16_384, 16_384),
        (1 << 20, 1 << 20),
        (16_384, 16_384),
    ] {
        client.feed(&settings(&[(id::MAX_FRAME_SIZE, max_frame)]));
        let largest = (0..12).map(|_| largest(&send(&mut client).0)).max();
        assert_eq!(largest, Some(most));
    }
}

#[test]
fn a_driver_that_says_nothing_gets_frames_of_64_kib() {
    let mut client = client(LARGEST, 1);
    client.rate = None;
    client.feed(&get(1));
    client.core.respond(1, file(1, 10_000_000));
    let all: Vec<_> = (0..10).flat_map(|_| send(&mut client).0).collect();
    assert_eq!(largest(&all), 65_536);
}

#[test]
fn windows_may_be_opened_by_the_kilobyte() {
    for max_frame in [16_384, 1 << 20] {
        for read in [1_024, 1_448, 4_096, 32_768] {
            let mut client = client(max_frame, 10_000_000_000);
            client.burst = 4 << 20;
            client.feed(&get(1));
            client.core.respond(1, file(1, 1 << 40));
            let mut unread = 0;
            for _ in 0..3 {
                // What is on its way is read at once, and credited piece by piece.
                while unread < 16 << 20 {
                    let (_, plan) = client.fill();
                    unread += plan.holes.iter().map(|hole| hole.len).sum::<usize>();
                    let now_ns = client.now_ns;
                    client.core.note_drained(plan.wire_len, true, false, now_ns);
                }
                while unread >= read {
                    unread -= read;
                    client.feed(&window_update(1, read as u32));
                    client.feed(&window_update(0, read as u32));
                    assert_eq!(client.core.error(), None, "{max_frame}, {read}");
                }
            }
            // What was earned is bounded.
            client.feed(&rst_stream(1, ErrorCode::CANCEL));
            for _ in 0..=u16::MAX {
                client.feed(&window_update(1, 1));
            }
            let error = Some(ConnectionError::TooManyWindowUpdates);
            assert_eq!(client.core.error(), error);
        }
    }
}
