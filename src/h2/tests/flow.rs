//! Flow control both ways: windows always add up.

use super::*;
use crate::h2::settings::id;

#[test]
fn a_client_with_windows_of_any_size_receives_exactly_the_body() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let initial = [0, 1, 7, 1_000, 65_535, 200_000][random.below(6)];
        let max_frame = [16_384, 20_000, 1 << 20][random.below(3)];
        let mut client = Client::with(
            Config::default(),
            &[
                (id::INITIAL_WINDOW_SIZE, initial),
                (id::MAX_FRAME_SIZE, max_frame),
            ],
        );
        client.layout = [Layout::Gathered, Layout::Placed, SEALED][random.below(3)];
        client.slot_len = [200, 1_000, 40_000, 300_000][random.below(4)];
        client.burst = [500, 5_000, usize::MAX][random.below(3)];
        let (step, most) = [(1, 400), (100, 20_000), (50_000, 1_000_000)][random.below(3)];
        let len = 1 + random.below(most);
        let mut initial = i64::from(initial);
        let mut connection = 65_535_i64;
        let mut streams: Vec<_> = (0..1 + random.below(5))
            .map(|n| (n as u32 * 2 + 1, initial, 0_usize, false))
            .collect();
        for &(stream, ..) in &streams {
            client.feed(&get(stream));
            let response = if random.below(2) == 0 {
                file(0, len as u64)
            } else {
                bytes(len)
            };
            client.core.respond(stream, response);
        }
        let mut rounds = 0;
        loop {
            for frame in client.frames() {
                if frame.header.kind == Kind::DATA {
                    let id = frame.header.stream_id;
                    let entry = streams
                        .iter_mut()
                        .find(|(stream, ..)| *stream == id)
                        .unwrap();
                    let size = frame.payload.len() as i64;
                    assert!(size > 0 && size <= i64::from(max_frame.min(65_536)));
                    assert!(
                        size <= entry.1 && size <= connection,
                        "seed {seed}: it oversteps a window"
                    );
                    assert!(!entry.3, "seed {seed}: DATA after the end");
                    entry.1 -= size;
                    connection -= size;
                    let expected = (entry.2 as u64..).zip(&frame.payload);
                    assert!(
                        expected
                            .into_iter()
                            .all(|(at, byte)| *byte == file_byte(0, at)),
                        "seed {seed}"
                    );
                    entry.2 += frame.payload.len();
                    entry.3 = frame.header.has(flags::END_STREAM);
                }
            }
            for (stream, window, got, end) in &streams {
                let stuck = *end || *window <= 0 || connection <= 0;
                assert!(
                    stuck,
                    "seed {seed}: stream {stream} has window {window}, {got} of {len}"
                );
                assert_eq!(*end, *got == len, "seed {seed}");
            }
            if streams.iter().all(|(.., end)| *end) {
                break;
            }
            rounds += 1;
            assert!(rounds < 100_000, "seed {seed}: it never ends");
            // At times the initial window changes, also to less than what is out.
            if random.below(40) == 0 {
                let new = random.below(step * 3) as i64;
                streams
                    .iter_mut()
                    .for_each(|(_, window, ..)| *window += new - initial);
                initial = new;
                client.feed(&settings(&[(id::INITIAL_WINDOW_SIZE, new as u32)]));
            }
            client.now_ns += 100_000_000;
            let at = random.below(streams.len());
            let increment = 1 + random.below(step);
            if !streams[at].3 {
                client.feed(&window_update(streams[at].0, increment as u32));
                streams[at].1 += increment as i64;
            }
            if connection <= 0 || random.below(2) == 0 {
                let increment = 1 + random.below(step);
                client.feed(&window_update(0, increment as u32));
                connection += increment as i64;
            }
            assert_eq!(client.core.error(), None, "seed {seed}");
        }
        assert_eq!(
            (client.core.open_streams(), client.ended),
            (0, streams.len()),
            "seed {seed}"
        );
    }
}

#[test]
fn bodies_of_requests_are_credited_back() {
    let config = Config {
        initial_window_size: 1_000,
        connection_window: 70_000,
        max_stream_window: 1_000,
        max_connection_window: 70_000,
        ..Config::default()
    };
    let mut client = Client::with(config, &[]);
    let mut random = Random(1);
    let (mut connection, mut next) = (70_000_i64, 1);
    let mut window = 0;
    let mut current = None;
    for _ in 0..20_000 {
        let stream = *current.get_or_insert_with(|| {
            window = 1_000;
            next += 2;
            client.feed(&headers(next, &POST, false));
            next
        });
        let padding = random.below(20);
        let room = (window.min(connection) - padding as i64 - 1).max(0) as usize;
        let len = random.below(room.min(900) + 1);
        assert!(
            window > 21 && connection > 21,
            "stuck with {window} and {connection}"
        );
        let mut payload = vec![padding as u8];
        payload.resize(1 + len + padding, 0);
        let end = random.below(10) == 0;
        let end_flag = if end { flags::END_STREAM } else { 0 };
        client.feed(&frame(
            Kind::DATA,
            flags::PADDED | end_flag,
            stream,
            &payload,
        ));
        window -= payload.len() as i64;
        connection -= payload.len() as i64;
        if random.below(20) == 0 {
            client.core.reset(stream, ErrorCode::CANCEL);
            current = None;
        } else if end {
            client.core.respond(stream, empty());
            current = None;
        }
        client.now_ns += 1_000_000_000;
        for frame in client.frames() {
            if frame.header.kind == Kind::WINDOW_UPDATE {
                let increment = super::super::frame::parse_window_update(&frame.payload).unwrap();
                match frame.header.stream_id {
                    0 => connection += i64::from(increment),
                    id if current == Some(id) => window += i64::from(increment),
                    _ => {}
                }
            }
        }
        assert!(connection <= 70_000 && window <= 1_000);
        assert_eq!(client.core.error(), None);
        client.seen.clear();
    }
}

#[test]
fn more_than_a_window_is_refused() {
    let config = Config {
        initial_window_size: 100,
        ..Config::default()
    };
    let mut client = Client::with(config.clone(), &[]);
    client.feed(&headers(1, &POST, false));
    client.feed(&data(1, &[0; 101], false));
    assert_eq!(client.resets(1), [ErrorCode::FLOW_CONTROL_ERROR]);
    assert!(client.works(3));

    // Before it knows of our window, a client has the default one.
    let mut client = Client::raw(config);
    client.feed(&[super::super::limits::PREFACE, &settings(&[])[..]].concat());
    client.feed(&[headers(1, &POST, false), data(1, &[0; 101], false)].concat());
    client.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
    assert_eq!(client.resets(1), []);
    client.feed(&data(1, &[0; 1], false));
    assert_eq!(client.resets(1), [ErrorCode::FLOW_CONTROL_ERROR]);

    let mut client = Client::new();
    client.answers_pings = false;
    client.feed(&headers(1, &POST, false));
    client.core.reset(1, ErrorCode::CANCEL);
    for _ in 0..17 {
        client.feed(&data(1, &[0; 16_000], false));
    }
    assert_eq!(
        client.goaway(),
        Some(ErrorCode::FLOW_CONTROL_ERROR),
        "without waiting for our WINDOW_UPDATE"
    );
}

#[test]
fn a_large_body_through_holes() {
    for layout in [Layout::Gathered, Layout::Placed, SEALED] {
        let mut client = Client::wide();
        (client.layout, client.slot_len) = (layout, 256 << 10);
        client.burst = 1 << 20;
        client.feed(&get(1));
        client.core.respond(1, file(7, 10_000_001));
        let frames = client.frames();
        let (body, ended) = body_of(&frames, 1);
        assert!(ended && body.len() == 10_000_001 && is_file(&body, 7));
        let last = frames.last().unwrap();
        assert!(
            !last.payload.is_empty(),
            "END_STREAM goes with the last bytes"
        );
        let small = frames
            .iter()
            .filter(|frame| frame.payload.len() < 8_192)
            .count();
        assert!(small < 80, "{small} small frames");
    }
}

#[test]
fn bytes_larger_than_a_slot() {
    for layout in [Layout::Gathered, Layout::Placed, SEALED] {
        let mut client = Client::wide();
        (client.layout, client.slot_len) = (layout, 4_000);
        client.feed(&get(1));
        client.core.respond(1, bytes(100_000));
        let (body, ended) = body_of(&client.frames(), 1);
        assert!(ended && body.len() == 100_000 && is_file(&body, 0));
    }
}

#[test]
fn a_file_that_fails_gives_its_window_back() {
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 1 << 20)]);
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, file(1, 50_000));
    client.core.respond(3, file(2, 60_000));
    client.transmit();
    let sent: usize = client
        .split()
        .iter()
        .filter(|f| f.header.kind == Kind::DATA)
        .map(|f| f.payload.len())
        .sum();
    assert_eq!(sent, 65_535);
    // All of the first was framed with END_STREAM, but 20,000 bytes never went out.
    client.core.body_failed(Cut {
        stream: 1,
        unsent: 20_000,
    });
    let frames = client.frames();
    assert_eq!(frames[0].payload, ErrorCode::INTERNAL_ERROR.0.to_be_bytes());
    assert_eq!(
        (frames[0].header.kind, frames[0].header.stream_id),
        (Kind::RST_STREAM, 1)
    );
    assert_eq!(body_of(&frames, 3).0.len(), 20_000);
    // The second has sent a part.
    client.core.body_failed(Cut {
        stream: 3,
        unsent: 5_000,
    });
    let frames = client.frames();
    assert_eq!(
        (frames[0].header.kind, frames[0].header.stream_id),
        (Kind::RST_STREAM, 3)
    );
    assert!(body_of(&frames, 3).0.is_empty() && client.core.open_streams() == 0);
    client.feed(&get(5));
    client.core.respond(5, file(3, 5_000));
    assert!(body_of(&client.frames(), 5).1);
}
