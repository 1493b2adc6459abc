//! Field blocks of any size, both ways.

use super::*;
use crate::h2::limits::MAX_SENT_BLOCK;
use crate::h2::settings::id;

/// A request whose field block is cut into HEADERS and CONTINUATION frames of `size` bytes.
fn in_frames(stream: StreamId, block: &[u8], size: usize) -> Vec<u8> {
    let parts: Vec<_> = block.chunks(size).collect();
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let (kind, mut flags) = if n == 0 {
            (Kind::HEADERS, flags::END_STREAM)
        } else {
            (Kind::CONTINUATION, 0)
        };
        flags |= if n + 1 == parts.len() {
            flags::END_HEADERS
        } else {
            0
        };
        out.extend(frame(kind, flags, stream, part));
    }
    out
}

#[test]
fn a_block_over_the_list_limit_is_answered_431() {
    let long = "x".repeat(40_000);
    let mut client = Client::new();
    let fields: Vec<_> = GET.iter().copied().chain([("x", &long[..])]).collect();
    client.feed(&in_frames(1, &block(&fields), 10_000));
    assert_eq!(client.events(), []);
    let frames = client.frames();
    let mut decoder = Decoder::new(4_096);
    let fields = fields_of(&frames, 1, &mut decoder);
    assert_eq!(fields[0], (":status".into(), "431".into()));
    assert!(body_of(&frames, 1).1);
    assert!(client.works(3));
}

#[test]
fn the_hpack_state_is_in_step_after_requests_that_were_not_served() {
    // Each of the blocks adds one entry to the table; the last request takes all of them from there.
    let mut client = Client::with(
        Config {
            max_concurrent_streams: 4,
            ..Config::default()
        },
        &[],
    );
    let adding = |name: &str, bad: &str| {
        let mut out = block(&[GET.as_slice(), &[("x", bad)]].concat());
        out.extend([0x40, 1]);
        out.extend(name.as_bytes());
        out.extend([1, b'v']);
        out
    };
    client.feed(&frame(Kind::HEADERS, 5, 1, &adding("a", "\0")));
    client.feed(&frame(Kind::HEADERS, 4, 3, &adding("b", "y")));
    client.core.reset(3, ErrorCode::CANCEL);
    client.feed(&frame(Kind::HEADERS, 5, 3, &adding("c", "y")));
    client.feed(&frame(Kind::HEADERS, 5, 5, &adding("d", "y")));
    client.feed(&frame(Kind::HEADERS, 5, 5, &adding("e", "y")));
    client.frames();
    client.feed(&frame(Kind::HEADERS, 5, 7, &in_table()));
    let events = client.events();
    let Some(Seen::Request { head, .. }) = events.last() else {
        panic!("{events:?}")
    };
    let names: Vec<_> = head[4..].iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, [b"a", b"b", b"c", b"d", b"e"]);
}

/// A block with the five newest entries of the table, the oldest first.
fn in_table() -> Vec<u8> {
    let mut out = block(&GET);
    out.extend([0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]);
    out
}

#[test]
fn continuation_without_end_is_cut_off() {
    let mut client = Client::new();
    client.feed(&frame(Kind::HEADERS, 0, 1, &[0; 16_000]));
    for _ in 0..10 {
        client.feed(&frame(Kind::CONTINUATION, 0, 1, &[0; 16_000]));
    }
    assert_eq!(client.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));

    let mut client = Client::new();
    client.feed(&frame(Kind::HEADERS, 0, 1, &[]));
    for _ in 0..100 {
        client.feed(&frame(Kind::CONTINUATION, 0, 1, &[]));
    }
    assert_eq!(client.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));
}

/// A response whose field block has `len` bytes of value.
fn large(len: usize, body: usize) -> Response<u8> {
    let value = "v".repeat(len);
    let mut head = Vec::new();
    hpack::encode_status(&mut head, 200);
    Response {
        head: [head.into(), block(&[("x", &value)]).into()],
        ..bytes(body)
    }
}

#[test]
fn a_block_larger_than_a_frame_or_a_slot_goes_out_in_parts() {
    for layout in [Layout::Gathered, Layout::Placed, SEALED] {
        for slot_len in [200, 1_000, 20_000, 200_000] {
            for len in [10, 16_300, 16_400, 60_000] {
                let mut client = Client::wide();
                (client.layout, client.slot_len) = (layout, slot_len);
                client.feed(&[get(1), get(3)].concat());
                client.core.respond(1, large(len * 2, 0));
                client.core.respond(3, large(len * 2, 100));
                // Something that may not come between.
                client.transmit();
                client.feed(&frame(Kind::PING, 0, 0, &[0; 8]));
                client.core.reset(5, ErrorCode::CANCEL);
                let frames = client.frames();
                let mut open = None;
                for frame in &frames {
                    let header = frame.header;
                    if let Some(stream) = open {
                        assert_eq!(
                            (header.kind, header.stream_id),
                            (Kind::CONTINUATION, stream)
                        );
                    }
                    if matches!(header.kind, Kind::HEADERS | Kind::CONTINUATION) {
                        assert!(header.length <= 16_384);
                        open = (!header.has(flags::END_HEADERS)).then_some(header.stream_id);
                    }
                }
                let mut decoder = Decoder::new(4_096);
                for (stream, body) in [(1, 0), (3, 100)] {
                    let fields = fields_of(&frames, stream, &mut decoder);
                    assert_eq!(fields[1].1.len(), len * 2, "{layout:?} {slot_len} {len}");
                    assert_eq!(body_of(&frames, stream).0.len(), body);
                    assert!(
                        frames.iter().any(
                            |f| f.header.stream_id == stream && f.header.has(flags::END_STREAM)
                        )
                    );
                }
            }
        }
    }
}

/// Joins the frames of the first field block of a stream, which nothing may interrupt: END_STREAM stands on the first of
/// them or on none, END_HEADERS on the last alone, and no frame is larger than `limit`.
fn first_block(frames: &[Frame], stream: StreamId, limit: usize, end_stream: bool) -> Vec<u8> {
    let from = frames.iter().position(|f| f.header.stream_id == stream);
    let mut block = Vec::new();
    for (n, frame) in frames[from.unwrap()..].iter().enumerate() {
        let header = frame.header;
        let kind = if n == 0 {
            Kind::HEADERS
        } else {
            Kind::CONTINUATION
        };
        assert_eq!((header.kind, header.stream_id), (kind, stream));
        assert!(frame.payload.len() <= limit && !frame.payload.is_empty());
        let first = if n == 0 && end_stream {
            flags::END_STREAM
        } else {
            0
        };
        assert_eq!(header.flags & !flags::END_HEADERS, first);
        block.extend_from_slice(&frame.payload);
        if header.has(flags::END_HEADERS) {
            return block;
        }
    }
    panic!("it has no end");
}

#[test]
fn heads_of_a_mebibyte_and_fields_of_a_hundred_kibibytes() {
    let many: Vec<_> = (0..1_000)
        .map(|n| (format!("x-{n}"), "\u{7f}".repeat(1_040)))
        .collect();
    let single = vec![("x".to_owned(), "\u{7f}".repeat(100 << 10))];
    for (list, least) in [(many, 1 << 20), (single, 100 << 10)] {
        let fields: Vec<_> = [(":status", "200")]
            .into_iter()
            .chain(list.iter().map(|(n, v)| (&n[..], &v[..])))
            .map(|(n, v)| (n.as_bytes(), v.as_bytes(), Indexing::Without))
            .collect();
        let head = Bytes::from(hpack::encode_block(&fields, 2 << 20).unwrap());
        assert!(head.len() >= least);
        for layout in [Layout::Gathered, Layout::Placed, SEALED] {
            for (max_frame, limit) in [(16_384, 16_384), ((1 << 24) - 1, 65_536)] {
                let mut client = Client::wide();
                client.feed(&settings(&[
                    (id::MAX_FRAME_SIZE, max_frame),
                    // Advice that is not heeded (section 10.5.1).
                    (id::MAX_HEADER_LIST_SIZE, 1_000),
                ]));
                client.frames();
                client.layout = layout;
                client.feed(&[get(1), get(3), get(5)].concat());
                let with = |body| Response {
                    head: [head.clone(), Bytes::new()],
                    body,
                };
                client.core.respond(1, with(Body::Empty));
                client.core.respond(3, with(bytes(50_000).body));
                client.core.respond(5, bytes(10));
                let frames = client.frames();
                for (stream, end) in [(1, true), (3, false)] {
                    assert!(first_block(&frames, stream, limit, end) == head);
                    assert!(body_of(&frames, stream).1);
                }
                let full = |f: &&Frame| f.header.stream_id == 1 && f.payload.len() == limit;
                let full = frames.iter().filter(full).count();
                let slots = head.len().div_ceil(client.slot_len);
                assert!(
                    full + slots >= head.len() / limit,
                    "frames are as large as may be"
                );
                assert_eq!(body_of(&frames, 3).0.len(), 50_000);
                assert_eq!((client.core.open_streams(), client.ended), (0, 3));
            }
        }
    }
}

#[test]
fn a_head_over_the_limit_is_answered_500() {
    for body in [0, 100] {
        let mut client = Client::wide();
        client.feed(&[get(1), get(3)].concat());
        let over = Bytes::from(vec![0x82; MAX_SENT_BLOCK]);
        client.core.respond(
            1,
            Response {
                head: [Bytes::from_static(b"\x88"), over],
                body: bytes(body).body,
            },
        );
        client.core.respond(3, bytes(10));
        let frames = client.frames();
        let mut decoder = Decoder::new(4_096);
        let fields = fields_of(&frames, 1, &mut decoder);
        let expected = [(":status", "500"), ("content-length", "0")];
        assert_eq!(fields, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(body_of(&frames, 1), (vec![], true));
        assert!(body_of(&frames, 3).1);
    }
}

#[test]
fn a_stream_that_is_reset_in_the_middle_of_its_block() {
    let mut client = Client::wide();
    client.slot_len = 1_000;
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, large(5_000, 5_000));
    client.transmit();
    client.feed(&rst_stream(1, ErrorCode::CANCEL));
    client.core.respond(3, empty());
    let frames = client.frames();
    let mut decoder = Decoder::new(4_096);
    assert_eq!(fields_of(&frames, 1, &mut decoder)[1].1.len(), 5_000);
    assert_eq!(fields_of(&frames, 3, &mut decoder)[0].1, "200");
    assert!(body_of(&frames, 1).0.is_empty());

    // The same with an error of the connection.
    let mut client = Client::wide();
    client.slot_len = 1_000;
    client.feed(&get(1));
    client.core.respond(1, large(5_000, 5_000));
    client.transmit();
    client.feed(&window_update(0, 0));
    let frames = client.frames();
    assert_eq!(fields_of(&frames, 1, &mut decoder)[1].1.len(), 5_000);
    assert_eq!(frames.last().unwrap().header.kind, Kind::GOAWAY);
    assert!(client.core.is_done());
}

#[test]
fn a_lowered_table_is_confirmed_in_the_next_block() {
    let id = super::super::settings::id::HEADER_TABLE_SIZE;
    let mut client = Client::with(Config::default(), &[(id, 0), (id, 4_096)]);
    let mut decoder = Decoder::new(4_096);
    decoder.set_max_table_size(0);
    decoder.set_max_table_size(4_096);
    for stream in [1, 3] {
        client.feed(&get(stream));
        client.core.respond(stream, empty());
        let frames = client.frames();
        assert_eq!(frames[0].payload[0] == 0x20, stream == 1);
        assert_eq!(fields_of(&frames, stream, &mut decoder)[0].1, "200");
    }
}

/// A block that adds `:path` to the table, or takes it from there.
fn path(value: Option<&str>) -> Vec<u8> {
    let mut out = vec![0x82, 0x87];
    let Some(value) = value else {
        out.extend([0xbf, 0xbe]);
        return out;
    };
    out.extend([0x44, value.len() as u8]);
    out.extend_from_slice(value.as_bytes());
    out.extend([0x41, 1, b'a']);
    out
}

#[test]
fn connections_that_share_their_memory_do_not_hear_each_other() {
    let fields = |events: Vec<Seen>| match events.last() {
        Some(Seen::Request { head, .. }) => String::from_utf8(head[2].1.clone()).unwrap(),
        _ => panic!("{events:?}"),
    };
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut scratch = Scratch::default();
        let mut clients = [Client::wide(), Client::wide()];
        let mut paths = [None, None];
        for n in 0..60 {
            let at = random.below(2);
            let client = &mut clients[at];
            std::mem::swap(&mut client.scratch, &mut scratch);
            let stream = n * 2 + 1;
            let new = (paths[at].is_none() || random.below(6) == 0).then(|| format!("/{at}/{n}"));
            let block = path(new.as_deref());
            paths[at] = new.or(paths[at].take());
            if random.below(8) == 0 {
                // Not decoded for anybody.
                client.core.shutdown();
                client.core.shutdown();
            }
            client.feed(&frame(
                Kind::HEADERS,
                flags::END_HEADERS | flags::END_STREAM,
                stream,
                &block,
            ));
            if client.core.is_past_goaway(stream) {
                client.feed(&frame(
                    Kind::HEADERS,
                    flags::END_HEADERS | flags::END_STREAM,
                    stream + 200,
                    &block,
                ));
                std::mem::swap(&mut clients[at].scratch, &mut scratch);
                clients[at] = Client::wide();
                paths[at] = None;
                continue;
            } else {
                assert_eq!(Some(fields(client.events())), paths[at], "seed {seed}");
                client.core.respond(stream, empty());
                client.frames();
            }
            std::mem::swap(&mut clients[at].scratch, &mut scratch);
        }
    }
}

#[test]
fn a_block_that_is_not_decoded_again_is_checked_again_after_settings() {
    let mut client = Client::raw(Config {
        header_table_size: 0,
        ..Config::default()
    });
    client.feed(super::super::limits::PREFACE);
    client.feed(&settings(&[]));
    let all = flags::END_HEADERS | flags::END_STREAM;
    client.feed(&frame(Kind::HEADERS, all, 1, &path(Some("/x"))));
    client.feed(&frame(Kind::HEADERS, all, 3, &path(None)));
    client.feed(&frame(Kind::HEADERS, all, 5, &path(None)));
    assert_eq!(client.events().len(), 3);
    client.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
    client.feed(&frame(Kind::HEADERS, all, 7, &path(None)));
    assert_eq!(client.goaway(), Some(ErrorCode::COMPRESSION_ERROR));
}
