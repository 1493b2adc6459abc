//! Bodies of several pieces, bodies whose end is learnt late, and trailers.

use super::*;
use crate::h2::limits::{MAX_SENT_BLOCK, STALL_SWEEP_NS, STALL_TIMEOUT_NS};
use crate::h2::settings::id;
use crate::response::{End, Segment, Stream};

const LAYOUTS: [Layout; 3] = [Layout::Gathered, Layout::Placed, SEALED];

fn streamed(segments: Vec<Segment<u8>>, end: End) -> Response<u8> {
    Response {
        head: ok_head(),
        body: Body::Stream(Box::new(Stream::new(segments, end))),
    }
}

fn text(text: &'static str) -> Segment<u8> {
    Segment::Bytes(Bytes::from_static(text.as_bytes()))
}

/// `len` bytes of file 7 from `offset` on, or the same as bytes.
fn piece(offset: u64, len: u64, as_file: bool) -> Segment<u8> {
    if as_file {
        return Segment::File {
            file: 7,
            offset,
            len,
        };
    }
    let bytes: Vec<u8> = (offset..offset + len).map(|at| file_byte(7, at)).collect();
    Segment::Bytes(bytes.into())
}

fn trailers(len: usize) -> End {
    End::Trailers(block(&[("x-sum", &"t".repeat(len))]).into())
}

/// Kind, length and END_STREAM of each frame of a stream.
fn shape(frames: &[Frame], stream: StreamId) -> Vec<(Kind, usize, bool)> {
    let own = frames.iter().filter(|f| f.header.stream_id == stream);
    own.map(|f| {
        let end = f.header.kind != Kind::CONTINUATION && f.header.has(flags::END_STREAM);
        (f.header.kind, f.payload.len(), end)
    })
    .collect()
}

/// A connection with one request, answered by the head and these pieces.
fn answered(segments: Vec<Segment<u8>>, end: End) -> Client {
    let mut client = Client::wide();
    client.feed(&get(1));
    client.core.respond(1, streamed(segments, end));
    client
}

#[test]
fn pieces_go_out_in_order_and_the_last_ends_the_stream() {
    for layout in LAYOUTS {
        for slot_len in [200, 3_000, 200_000] {
            for max in [1, 3_000, 100_000] {
                let mut client = Client::wide();
                (client.layout, client.slot_len) = (layout, slot_len);
                client.feed(&get(1));
                let mut at = 0;
                let lens = [max, 1, max / 2 + 1, 17, max, max];
                let pieces = (0..).zip(lens).map(|(n, len)| {
                    at += len;
                    piece(at - len, len, n % 2 == 0)
                });
                let response = streamed(pieces.collect(), End::Done);
                client.core.respond(1, response);
                let frames = client.frames();
                let (body, ended) = body_of(&frames, 1);
                assert!(ended && body.len() as u64 == at && is_file(&body, 7));
                assert!(!frames.last().unwrap().payload.is_empty());
                assert_eq!((client.ended, client.core.open_streams()), (1, 0));
            }
        }
    }
}

#[test]
fn a_stream_without_pieces_is_no_content() {
    let mut client = answered(vec![text("")], End::Trailers(Bytes::new()));
    let frames = client.frames();
    assert_eq!(
        shape(&frames, 1),
        [(Kind::HEADERS, frames[0].payload.len(), true)]
    );
}

#[test]
fn what_has_nothing_to_send_waits_for_the_application_and_starves_nobody() {
    let mut client = answered(vec![text("abc")], End::Open);
    client.feed(&get_with_priority(3, "u=7"));
    client.core.respond(3, file(1, 50_000));
    let frames = client.frames();
    assert_eq!(shape(&frames, 1)[1..], [(Kind::DATA, 3, false)]);
    assert!(body_of(&frames, 3).1, "a less urgent one goes on");
    assert!(!client.core.wants_transmit());
    assert_eq!(client.core.open_streams(), 1);

    assert!(client.core.append(1, text("de")));
    assert!(client.core.append(1, text("")), "nothing is no news");
    assert!(client.core.append(1, text("f")));
    assert!(client.core.wants_transmit());
    let more = [(Kind::DATA, 2, false), (Kind::DATA, 1, false)];
    assert_eq!(shape(&client.frames(), 1), more);
    assert!(!client.core.wants_transmit());
    assert!(client.core.append(1, text("")));
    assert!(!client.core.wants_transmit());

    assert!(client.core.finish(1, End::Done));
    assert!(client.core.wants_transmit());
    assert_eq!(shape(&client.frames(), 1), [(Kind::DATA, 0, true)]);
    assert_eq!((client.core.open_streams(), client.ended), (0, 2));
}

#[test]
fn an_end_that_is_known_in_time_goes_with_the_last_bytes() {
    let mut client = answered(vec![], End::Open);
    assert_eq!(shape(&client.frames(), 1).len(), 1, "the head goes first");
    client.core.append(1, text("ab"));
    client.core.finish(1, End::Open);
    client.core.finish(1, End::Done);
    assert_eq!(shape(&client.frames(), 1), [(Kind::DATA, 2, true)]);
}

#[test]
fn a_stream_that_is_gone_takes_no_more() {
    let gone = |client: &mut Client, stream| {
        assert!(!client.core.append(stream, text("a")));
        assert!(!client.core.finish(stream, End::Done));
        assert!(client.frames().iter().all(|f| f.header.kind != Kind::DATA));
    };
    // Never begun; reset by the peer and by us; ended; known to end; not answered with a body of pieces.
    gone(&mut answered(vec![], End::Open), 3);
    let mut client = answered(vec![], End::Open);
    client.feed(&rst_stream(1, ErrorCode::CANCEL));
    gone(&mut client, 1);
    let mut client = answered(vec![], End::Open);
    client.core.reset(1, ErrorCode::INTERNAL_ERROR);
    gone(&mut client, 1);
    let mut client = answered(vec![text("a")], End::Done);
    client.frames();
    gone(&mut client, 1);
    let mut client = answered(vec![], trailers(1));
    gone(&mut client, 1);
    let mut client = Client::wide();
    client.feed(&get(1));
    gone(&mut client, 1);
    client.core.respond(1, file(1, 10));
    assert!(!client.core.append(1, text("a")));
    // Its own side is over, the peer's is not.
    let mut client = Client::wide();
    client.feed(&headers(1, &POST, false));
    client.core.respond(1, streamed(vec![text("a")], End::Done));
    client.frames();
    gone(&mut client, 1);
}

#[test]
fn content_and_trailers_go_out_in_one_send() {
    for layout in LAYOUTS {
        for (segment, len) in [(text("abc"), 3), (piece(0, 40_000, true), 40_000)] {
            let mut client = Client::wide();
            client.layout = layout;
            client.feed(&get(1));
            client.core.respond(1, streamed(vec![segment], trailers(5)));
            assert!(client.transmit() && !client.core.wants_transmit());
            let frames = client.split();
            let (last, content) = frames.split_last().unwrap();
            let data = content.iter().filter(|f| f.header.kind == Kind::DATA);
            assert_eq!(data.map(|f| f.payload.len()).sum::<usize>(), len);
            assert_eq!(last.header.kind, Kind::HEADERS);
            assert_eq!(last.header.flags, flags::END_STREAM | flags::END_HEADERS);
            let ends = |f: &Frame| f.header.has(flags::END_STREAM);
            assert!(!content.iter().any(ends), "trailers end the stream");
            assert_eq!(client.ended, 1);
        }
    }
}

#[test]
fn trailers_of_any_size() {
    for layout in LAYOUTS {
        for slot_len in [200, 20_000, 200_000] {
            for len in [1, 16_300, 16_400, 100_000] {
                let mut client = Client::wide();
                (client.layout, client.slot_len) = (layout, slot_len);
                client.feed(&[get(1), get(3)].concat());
                let response = streamed(vec![text("abc")], trailers(len * 2));
                client.core.respond(1, response);
                client.core.respond(3, bytes(100));
                let frames = client.frames();
                let blocks = blocks(&frames, 1);
                assert_eq!(blocks.len(), 2, "a head and trailers");
                let mut decoder = Decoder::new(4_096);
                let mut fields = Vec::new();
                decoder
                    .decode(&blocks[1], usize::MAX, &mut Vec::new(), |field| {
                        fields.push((field.name.to_vec(), field.value.len()));
                    })
                    .unwrap();
                assert_eq!(fields, [(b"x-sum".to_vec(), len * 2)]);
                assert_eq!(body_of(&frames, 1), (b"abc".to_vec(), true));
                assert!(body_of(&frames, 3).1);
                assert_eq!((client.ended, client.core.open_streams()), (2, 0));
            }
        }
    }
}

/// The field blocks of a stream; END_STREAM stands only on the first frame of the last.
fn blocks(frames: &[Frame], stream: StreamId) -> Vec<Vec<u8>> {
    let own = frames.iter().filter(|f| f.header.stream_id == stream);
    let own: Vec<_> = own.collect();
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for (n, frame) in own.iter().enumerate() {
        assert!(frame.payload.len() <= 16_384);
        assert_eq!(open, frame.header.kind == Kind::CONTINUATION);
        match frame.header.kind {
            Kind::HEADERS => {
                blocks.push(frame.payload.clone());
                let mut later = own[n + 1..].iter();
                let last = later.all(|f| f.header.kind == Kind::CONTINUATION);
                assert_eq!(frame.header.has(flags::END_STREAM), last);
            }
            Kind::CONTINUATION => {
                assert_eq!(frame.header.flags & !flags::END_HEADERS, 0);
                blocks.last_mut().unwrap().extend(&frame.payload);
            }
            _ => continue,
        }
        open = !frame.header.has(flags::END_HEADERS);
    }
    blocks
}

#[test]
fn trailers_over_the_limit_end_the_stream_alone() {
    let mut client = answered(vec![text("abc")], End::Open);
    client
        .core
        .finish(1, End::Trailers(vec![0; MAX_SENT_BLOCK + 1].into()));
    let frames = client.frames();
    assert_eq!(
        shape(&frames, 1)[1..],
        [(Kind::DATA, 3, false), (Kind::RST_STREAM, 4, false)]
    );
    assert_eq!(frames[2].payload, ErrorCode::INTERNAL_ERROR.0.to_be_bytes());
    assert!(client.works(3));
}

#[test]
fn the_end_of_a_message_needs_no_window() {
    // One stream has no window, the other finds that of the connection used up.
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 65_535)]);
    client.feed(&[get(1), get(3), get(5)].concat());
    client
        .core
        .respond(1, streamed(vec![piece(0, 65_535, true)], End::Open));
    client.core.respond(3, streamed(vec![], trailers(3)));
    client.core.respond(5, streamed(vec![], End::Open));
    let frames = client.frames();
    assert_eq!(body_of(&frames, 1).0.len(), 65_535);
    let ends = |frames: &[Frame], stream| shape(frames, stream).last().unwrap().2;
    assert!(ends(&frames, 3) && !ends(&frames, 1));
    client.core.finish(1, trailers(3));
    client.core.finish(5, End::Done);
    assert!(client.core.wants_transmit());
    let frames = client.frames();
    assert_eq!(shape(&frames, 1)[0].0, Kind::HEADERS);
    assert_eq!(shape(&frames, 5), [(Kind::DATA, 0, true)]);
    assert!(ends(&frames, 1));
    assert_eq!((client.core.open_streams(), client.ended), (0, 3));
}

#[test]
fn a_lowered_table_is_confirmed_in_trailers_too() {
    let mut client = answered(vec![text("abc")], End::Open);
    client.frames();
    client.feed(&settings(&[(id::HEADER_TABLE_SIZE, 0)]));
    client.core.finish(1, trailers(5));
    let frames = client.frames();
    assert_eq!(frames.last().unwrap().payload[0], 0x20);
    assert!(client.works(3));
}

#[test]
fn who_waits_for_the_application_is_not_stalled() {
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 3)]);
    client.feed(&get(1));
    client
        .core
        .respond(1, streamed(vec![text("abc")], End::Open));
    client.frames();
    let pass = |client: &mut Client, ns: u64| {
        let until_ns = client.now_ns + ns;
        let mut frames = Vec::new();
        while let Some(due) = client.core.poll_timeout().filter(|due| *due <= until_ns) {
            client.now_ns = client.now_ns.max(due);
            client.core.handle_timeout(client.now_ns);
            frames.extend(client.frames());
        }
        client.now_ns = until_ns;
        frames
    };
    assert_eq!(pass(&mut client, 10 * STALL_TIMEOUT_NS), []);
    // The peer's time begins when there is something for it.
    client.core.append(1, text("d"));
    assert_eq!(pass(&mut client, STALL_TIMEOUT_NS - STALL_SWEEP_NS), []);
    let frames = pass(&mut client, 2 * STALL_SWEEP_NS);
    assert_eq!(frames[0].header.kind, Kind::RST_STREAM);
    assert!(!client.core.append(1, text("e")));
}

#[test]
fn a_stream_that_waits_can_be_given_another_priority() {
    let mut client = answered(vec![], End::Open);
    client.frames();
    client.feed(&frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=0"));
    client.feed(&get(3));
    client.core.respond(3, file(1, 50_000));
    client.core.append(1, piece(0, 50_000, true));
    client.core.finish(1, trailers(1));
    let frames = client.frames();
    let at = |stream| {
        let last = |f: &Frame| f.header.stream_id == stream && f.header.has(flags::END_STREAM);
        frames.iter().position(last).unwrap()
    };
    assert!(at(1) < at(3), "the most urgent ends first");
}

/// Pieces that come at random, windows that open at random: every byte arrives once and in order.
#[test]
fn any_pieces_at_any_time_through_any_window() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let initial = [0, 1, 1_000, 100_000][random.below(4)];
        let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, initial)]);
        client.layout = LAYOUTS[random.below(3)];
        client.slot_len = [200, 1_000, 70_000][random.below(3)];
        client.burst = [500, 50_000, usize::MAX][random.below(3)];
        let count = 1 + random.below(6);
        let ids = || (0..count as u32).map(|n| n * 2 + 1);
        for stream in ids() {
            let priority = ["u=1", "u=3, i", "i"][random.below(3)];
            client.feed(&get_with_priority(stream, priority));
            client.core.respond(stream, streamed(vec![], End::Open));
        }
        let mut given = vec![(0_u64, false); count];
        let mut frames = Vec::new();
        for _ in 0..300 {
            client.now_ns += 50_000_000;
            let at = random.below(count);
            let stream = at as u32 * 2 + 1;
            match random.below(8) {
                0..3 => {
                    let len = [0, 1, 300, 20_000][random.below(4)];
                    let segment = piece(given[at].0, len, random.below(2) == 0);
                    if client.core.append(stream, segment) {
                        assert!(!given[at].1, "seed {seed}");
                        given[at].0 += len;
                    }
                }
                3 if random.below(6) == 0 => {
                    let end = [End::Done, trailers(3), trailers(40_000)][random.below(3)].clone();
                    given[at].1 |= client.core.finish(stream, end);
                }
                4 | 5 => client.feed(&window_update(stream, 1 + random.below(20_000) as u32)),
                6 => client.feed(&window_update(0, 1 + random.below(20_000) as u32)),
                _ => drop(client.transmit()),
            }
            frames.extend(client.split());
        }
        for stream in ids() {
            given[stream as usize / 2].1 |= client.core.finish(stream, trailers(1));
            client.feed(&window_update(stream, 1 << 26));
        }
        client.feed(&window_update(0, 1 << 28));
        frames.extend(client.frames());
        for stream in ids() {
            let (body, ended) = body_of(&frames, stream);
            assert!(ended && is_file(&body, 7), "seed {seed}");
            assert_eq!((body.len() as u64, true), given[stream as usize / 2]);
        }
        assert_eq!((client.core.open_streams(), client.ended), (0, count));
    }
}
