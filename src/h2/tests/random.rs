//! Both sides at random: whatever is asked of it, what the core says is well-formed, in windows and in order.

use std::collections::HashMap;

use super::*;
use crate::h2::settings::id;

/// What a client must see of a stream.
struct Watched {
    window: i64,
    begun: bool,
    ended: bool,
    reset: bool,
}

/// A client that checks every frame as it comes.
struct Watcher {
    connection: i64,
    initial: i64,
    streams: HashMap<StreamId, Watched>,
    in_block: Option<StreamId>,
    last_stream_id: StreamId,
}

impl Watcher {
    fn see(&mut self, frame: &Frame) {
        let FrameHeader {
            kind,
            stream_id,
            length,
            ..
        } = frame.header;
        if let Some(stream) = self.in_block {
            assert_eq!((kind, stream_id), (Kind::CONTINUATION, stream));
        }
        match kind {
            Kind::HEADERS | Kind::CONTINUATION => {
                let stream = self.streams.get_mut(&stream_id).expect("a stream of ours");
                assert!(!stream.reset || kind == Kind::CONTINUATION);
                assert_eq!(stream.begun, kind == Kind::CONTINUATION);
                assert!(!stream.ended || kind == Kind::CONTINUATION);
                stream.begun = !frame.header.has(flags::END_HEADERS) || kind == Kind::HEADERS;
                stream.ended |= kind == Kind::HEADERS && frame.header.has(flags::END_STREAM);
                self.in_block = (!frame.header.has(flags::END_HEADERS)).then_some(stream_id);
                stream.begun = true;
            }
            Kind::DATA => {
                let stream = self.streams.get_mut(&stream_id).expect("a stream of ours");
                assert!(stream.begun && !stream.ended && !stream.reset);
                stream.ended = frame.header.has(flags::END_STREAM);
                stream.window -= i64::from(length);
                self.connection -= i64::from(length);
                assert!(
                    stream.window >= 0 && self.connection >= 0,
                    "it oversteps a window"
                );
            }
            Kind::RST_STREAM => {
                let stream = self.streams.get_mut(&stream_id).expect("a stream of ours");
                stream.reset = true;
            }
            Kind::GOAWAY => {
                let last = Goaway::parse(&frame.payload).unwrap().last_stream_id;
                assert!(last <= self.last_stream_id, "it increases");
                self.last_stream_id = last;
            }
            Kind::WINDOW_UPDATE => assert_ne!(
                super::super::frame::parse_window_update(&frame.payload),
                Ok(0)
            ),
            _ => {}
        }
    }
}

fn response(random: &mut Random) -> Response<u8> {
    let len = [0, 1, 1_000, 20_000, 200_000][random.below(5)];
    let mut response = match random.below(3) {
        0 => empty(),
        1 => bytes(len),
        _ => file(1, len as u64),
    };
    if random.below(10) == 0 {
        response.head[1] = block(&[("x", &"v".repeat(random.below(60_000)))]).into();
    }
    response
}

/// Runs one seed; how many responses were ended.
fn run(seed: u64) -> usize {
    let mut random = Random(seed);
    let initial = [0, 100, 65_535, 1 << 20][random.below(4)];
    let config = Config {
        max_concurrent_streams: 1 + random.below(30) as u32,
        ..Config::default()
    };
    let mut client = Client::with(config, &[(id::INITIAL_WINDOW_SIZE, initial)]);
    client.layout = [Layout::Gathered, Layout::Placed, SEALED][random.below(3)];
    client.slot_len = [300, 3_000, 70_000][random.below(3)];
    client.burst = [500, 50_000, usize::MAX][random.below(3)];
    let mut watcher = Watcher {
        connection: 65_535,
        initial: i64::from(initial),
        streams: HashMap::new(),
        in_block: None,
        last_stream_id: u32::MAX >> 1,
    };
    let mut next = 1;
    for _ in 0..300 {
        client.now_ns += 50_000_000;
        let stream = (random.below(next as usize + 1) as u32) | 1;
        let known = stream < next;
        match random.below(22) {
            0..5 => {
                let end = random.below(4) > 0;
                let priority = format!("u={}{}", random.below(8), [", i", ""][random.below(2)]);
                let fields: Vec<_> = POST
                    .into_iter()
                    .chain([("priority", &priority[..])])
                    .collect();
                client.feed(&headers(next, &fields, end));
                let watched = Watched {
                    window: watcher.initial,
                    begun: false,
                    ended: false,
                    reset: false,
                };
                watcher.streams.insert(next, watched);
                next += 2;
            }
            5 if known => client.feed(&data(
                stream,
                &vec![0; random.below(3_000)],
                random.below(3) == 0,
            )),
            6 if known && random.below(30) == 0 => {
                client.feed(&headers(stream, &[("x", "y")], true))
            }
            7 if known => client.feed(&rst_stream(stream, ErrorCode::CANCEL)),
            8..11 if known => {
                let increment = 1 + random.below(30_000) as u32;
                client.feed(&window_update(stream, increment));
                watcher
                    .streams
                    .entry(stream)
                    .and_modify(|stream| stream.window += i64::from(increment));
            }
            11..13 => {
                let increment = 1 + random.below(60_000) as u32;
                client.feed(&window_update(0, increment));
                watcher.connection += i64::from(increment);
            }
            13 => {
                let new = random.below(100_000) as i64;
                client.feed(&settings(&[(id::INITIAL_WINDOW_SIZE, new as u32)]));
                let change = new - watcher.initial;
                watcher
                    .streams
                    .values_mut()
                    .for_each(|stream| stream.window += change);
                watcher.initial = new;
            }
            14 => {
                let update = [
                    &stream.to_be_bytes()[..],
                    format!("u={}, i", random.below(8)).as_bytes(),
                ]
                .concat();
                client.feed(&frame(Kind::PRIORITY_UPDATE, 0, 0, &update));
            }
            15 if known => client.core.reset(stream, ErrorCode::INTERNAL_ERROR),
            16 if known => client.core.body_failed(Cut { stream, unsent: 0 }),
            17 if random.below(20) == 0 => client.core.shutdown(),
            18 if random.below(60) == 0 => client.feed(&window_update(0, 0)),
            19 => client.core.handle_timeout(client.now_ns),
            _ => {}
        }
        for seen in client.events() {
            if let Seen::Request { stream, .. } = seen
                && random.below(10) > 0
            {
                client.core.respond(stream, response(&mut random));
            }
        }
        for _ in 0..random.below(3) {
            client.transmit();
        }
        let sealed = matches!(client.layout, Layout::Sealed(_));
        for frame in client.split() {
            watcher.see(&frame);
            if frame.header.kind == Kind::PING
                && !frame.header.has(flags::ACK)
                && random.below(3) > 0
            {
                client.feed(&super::super::frame::ping(
                    frame.payload[..].try_into().unwrap(),
                    true,
                ));
            }
        }
        assert!(
            client.wire.is_empty() || sealed,
            "a slot holds whole frames"
        );
    }
    client.answers_pings = false;
    client.frames().iter().for_each(|frame| watcher.see(frame));
    client.ended
}

#[test]
fn what_it_says_is_always_well_formed() {
    let mut ended = 0;
    for seed in 0..400 {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed}");
        ended += result.unwrap_or(0);
    }
    assert!(ended > 5_000, "{ended} responses");
}
