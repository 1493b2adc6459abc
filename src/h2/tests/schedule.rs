//! Who goes first (RFC 9218).

use super::*;

/// The streams of DATA frames in order, without repetitions.
fn order(frames: &[Frame]) -> Vec<StreamId> {
    let mut order: Vec<_> = frames
        .iter()
        .filter(|f| f.header.kind == Kind::DATA)
        .map(|f| f.header.stream_id)
        .collect();
    order.dedup();
    order
}

fn client(requests: &[(StreamId, &str)]) -> Client {
    let mut client = Client::wide();
    requests
        .iter()
        .for_each(|(stream, priority)| client.feed(&get_with_priority(*stream, priority)));
    client
}

#[test]
fn urgent_ones_first_and_in_order() {
    let mut client = client(&[(1, "u=5"), (3, "u=1"), (5, ""), (7, "u=1"), (9, "u=0, i")]);
    [1, 3, 5, 7, 9]
        .into_iter()
        .for_each(|stream| client.core.respond(stream, file(1, 50_000)));
    assert_eq!(order(&client.frames()), [9, 3, 7, 5, 1]);
}

#[test]
fn incremental_ones_take_turns() {
    let mut client = client(&[(1, "i"), (3, "i"), (5, "i")]);
    [1, 3, 5]
        .into_iter()
        .for_each(|stream| client.core.respond(stream, file(1, 160_000)));
    let frames = client.frames();
    let mut sent = [0_i64; 3];
    for frame in frames
        .iter()
        .filter(|frame| frame.header.kind == Kind::DATA)
    {
        sent[frame.header.stream_id as usize / 2] += frame.payload.len() as i64;
        let (low, high) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(high - low <= 16_384, "{sent:?}");
    }
    assert_eq!(sent, [160_000; 3]);
}

#[test]
fn field_blocks_and_small_bodies_do_not_wait_for_large_ones() {
    let mut client = client(&[(1, ""), (3, "")]);
    client.burst = 40_000;
    client.core.respond(1, file(1, 1_000_000));
    client.transmit();
    client.core.respond(3, bytes(1_000));
    client.split();
    client.transmit();
    let frames = client.split();
    assert_eq!(
        (frames[0].header.kind, frames[0].header.stream_id),
        (Kind::HEADERS, 3)
    );
    assert_eq!(frames[1].header.stream_id, 3);
    assert!(frames[1].header.has(flags::END_STREAM));
    assert!(frames[2..].iter().all(|frame| frame.header.stream_id == 1));
    // But not those of a lower urgency.
    client.feed(&get_with_priority(5, "u=4"));
    client.core.respond(5, bytes(10));
    assert_eq!(order(&client.frames()), [1, 5]);
}

#[test]
fn priorities_change() {
    let mut client = client(&[(1, ""), (3, ""), (5, "")]);
    [1, 3, 5]
        .into_iter()
        .for_each(|stream| client.core.respond(stream, file(1, 50_000)));
    client.feed(&frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x05u=0"));
    assert_eq!(order(&client.frames()), [5, 1, 3]);
    // Ahead of the stream, and in the middle of a body.
    client.feed(&frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x09u=2"));
    client.feed(&[get(7), get_with_priority(9, "u=6")].concat());
    [7, 9]
        .into_iter()
        .for_each(|stream| client.core.respond(stream, file(1, 100_000)));
    client.burst = 40_000;
    client.transmit();
    client.feed(&frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x09u=7"));
    assert_eq!(order(&client.frames()), [9, 7, 9]);
}

#[test]
fn a_stream_without_a_window_holds_nobody_up() {
    let mut client = Client::with(
        Config::default(),
        &[(super::super::settings::id::INITIAL_WINDOW_SIZE, 10)],
    );
    client.feed(&[get_with_priority(1, "u=0"), get(3)].concat());
    client.feed(&window_update(3, 40_000));
    [1, 3]
        .into_iter()
        .for_each(|stream| client.core.respond(stream, file(1, 30_000)));
    let frames = client.frames();
    assert_eq!(order(&frames), [1, 3]);
    assert!(body_of(&frames, 3).1);
    client.feed(&window_update(1, 40_000));
    assert!(body_of(&client.frames(), 1).1);
}

#[test]
fn control_frames_come_before_bodies() {
    let mut client = client(&[(1, "u=0")]);
    client.burst = 40_000;
    client.core.respond(1, file(1, 1_000_000));
    client.transmit();
    client.split();
    client.feed(&frame(Kind::PING, 0, 0, b"12345678"));
    client.transmit();
    assert_eq!(client.split()[0].header.kind, Kind::PING);
}

#[test]
fn wants_transmit_says_whether_there_is_something() {
    let mut client = Client::new();
    assert!(!client.core.wants_transmit());
    client.feed(&get(1));
    assert!(!client.core.wants_transmit());
    client.core.respond(1, file(1, 70_000));
    assert!(client.core.wants_transmit());
    assert_eq!(body_of(&client.frames(), 1).0.len(), 65_535);
    assert!(!client.core.wants_transmit());
    client.feed(&window_update(1, 10_000));
    assert!(
        !client.core.wants_transmit(),
        "the connection has no window"
    );
    client.feed(&window_update(0, 10));
    assert!(client.core.wants_transmit());
}

#[test]
fn twenty_small_responses_go_into_one_slot() {
    let mut client = Client::wide();
    (0..20).for_each(|n| client.feed(&get(n * 2 + 1)));
    (0..20).for_each(|n| client.core.respond(n * 2 + 1, bytes(1_000)));
    assert!(client.transmit());
    assert_eq!((client.ended, client.core.wants_transmit()), (20, false));
    assert_eq!(client.split().len(), 40);
}
