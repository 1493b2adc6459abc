//! Section 4.3: field section compression and decompression.

use crate::client::*;

/// "Each field block is processed as a discrete unit. Field blocks MUST be transmitted as a contiguous sequence of
/// frames, with no interleaved frames of any other type or from any other stream."
#[test]
fn nothing_comes_between_the_frames_of_a_field_block() {
    for other in [
        data(OPEN, b"", false),
        get(IDLE + 2),
        get(IDLE),
        priority(OPEN, 0),
        priority(IDLE, 0),
        rst_stream(IDLE, C::CANCEL),
        settings(&[]),
        ping([0; 8]),
        goaway(0, C::NO_ERROR),
        window_update(0, 1),
        window_update(IDLE, 1),
        continuation(OPEN, b"", true),
        priority_update(IDLE, "u=1"),
        frame(Kind(0xab), 0, IDLE, b""),
    ] {
        let input = [frame(Kind::HEADERS, 0, IDLE, &block(&GET)), other];
        expect(&input.concat(), ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// As above, for what we send: the answers are large enough to be cut, and interesting frames wait.
#[test]
fn the_field_blocks_that_we_send_are_contiguous() {
    let mut client = Client::prepared();
    let long = "v".repeat(60_000);
    let fields = block(&[(":status", "200"), ("x-long", &long)]);
    client.send(&[get(IDLE), get(IDLE + 2), ping([1; 8])].concat());
    for stream in [HALF_CLOSED, IDLE, IDLE + 2] {
        client.answer_with(stream, &fields, Body::Empty);
    }
    let frames = client.receive();
    let mut begun = 0;
    for frame in &frames {
        let ends = frame.header.has(flags::END_HEADERS);
        match frame.header.kind {
            Kind::HEADERS => {
                assert_eq!(begun, 0);
                assert!(frame.header.has(flags::END_STREAM));
                begun = if ends { 0 } else { frame.header.stream_id };
            }
            Kind::CONTINUATION => {
                assert_eq!(begun, frame.header.stream_id);
                begun = if ends { 0 } else { begun };
            }
            _ => assert_eq!(begun, 0, "{frame:?} interrupts"),
        }
    }
    assert_eq!(fields_of(&frames, IDLE)[1].1, long);
}

/// "A receiver MUST terminate the connection with a connection error (Section 5.4.1) of type COMPRESSION_ERROR if it
/// does not decompress a field block." What is refused is decompressed, then: what it adds to the table counts.
#[test]
fn blocks_that_are_for_nobody_are_decompressed() {
    // A literal that is added to the dynamic table, so that it has index 62 afterwards.
    let adds = [&block(&GET)[..], b"\x40\x01x\x01y"].concat();
    let uses = [&block(&GET)[..], b"\xbe"].concat();
    let check = |client: &mut Client, stream| {
        client.events();
        client.send(&raw_headers(stream, &uses, true));
        let events = client.events();
        let [Seen::Request(_, fields)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(fields[4], ("x".to_owned(), "y".to_owned()));
    };

    // Refused for too many streams.
    let mut client = Client::with(
        Config {
            max_concurrent_streams: 1,
            ..Config::default()
        },
        &[],
    );
    client.send(&[get(1), raw_headers(3, &adds, true)].concat());
    assert_eq!(client.outcome(), StreamError(3, C::REFUSED_STREAM));
    client.answer(1, Body::Empty);
    client.receive();
    check(&mut client, 5);

    // Malformed, on a stream that has ended, and on one that we reset.
    let bad = [b"\x40\x01x\x01y", &block(&[METHOD, METHOD])[..]].concat();
    for (stream, block) in [(IDLE, &bad), (HALF_CLOSED, &adds), (OPEN, &adds)] {
        let mut client = Client::prepared();
        if stream == OPEN {
            client.answers_pings = false;
            client.reset(OPEN, C::CANCEL);
            client.receive();
        }
        client.send(&raw_headers(stream, block, true));
        check(&mut client, IDLE + 2);
    }
}

/// "A decoding error in a field block MUST be treated as a connection error (Section 5.4.1) of type COMPRESSION_ERROR."
#[test]
fn decoding_errors() {
    for bad in [&b"\x80"[..], b"\xff\xff\xff\xff\xff\xff", b"\x40\x05x"] {
        // In a request, in trailers, in what is for nobody, and in several frames.
        for input in [
            raw_headers(IDLE, bad, true),
            raw_headers(OPEN, bad, true),
            raw_headers(HALF_CLOSED, bad, true),
            [
                frame(Kind::HEADERS, flags::END_STREAM, IDLE, &bad[..1]),
                continuation(IDLE, &bad[1..], true),
            ]
            .concat(),
        ] {
            expect(&input, ConnectionError(C::COMPRESSION_ERROR));
        }
    }
}

/// Section 4.3.1: "An endpoint MUST treat a field block that follows an acknowledgment of the reduction to the maximum
/// dynamic table size as a connection error (Section 5.4.1) of type COMPRESSION_ERROR if it does not start with a
/// conformant Dynamic Table Size Update instruction."
#[test]
fn a_reduced_table_must_be_announced() {
    let config = Config {
        header_table_size: 256,
        ..Config::default()
    };
    let update = |size: u32| {
        let mut block = vec![0x3f];
        let mut left = size - 31;
        while left >= 128 {
            block.push(left as u8 | 0x80);
            left >>= 7;
        }
        block.push(left as u8);
        block
    };
    for (prefix, expected) in [
        (vec![], ConnectionError(C::COMPRESSION_ERROR)),
        (update(257), ConnectionError(C::COMPRESSION_ERROR)),
        (update(256), Fine),
        (vec![0x20], Fine),
        (vec![0x20, 0x3f, 0xe1, 0x01], Fine),
    ] {
        let mut client = Client::with(config.clone(), &[]);
        client.send(&raw_headers(1, &[&prefix[..], &block(&GET)].concat(), true));
        client.answer(1, Body::Empty);
        assert_eq!(client.outcome(), expected, "{prefix:x?}");
    }
    // Until it is acknowledged, the size that holds without it is in force.
    let mut client = Client::raw(config);
    client.send(&[PREFACE, &settings(&[])[..], &get(1)].concat());
    client.answer(1, Body::Empty);
    assert_eq!(client.outcome(), Fine);
}

/// Section 4.3.1: "Once an endpoint acknowledges a change to SETTINGS_HEADER_TABLE_SIZE that reduces the maximum below
/// the current size of the dynamic table, its HPACK encoder MUST start the next field block with a Dynamic Table Size
/// Update instruction that sets the dynamic table to a size that is less than or equal to the reduced maximum".
#[test]
fn we_announce_that_our_table_is_reduced() {
    let size = |size| settings(&[(id::HEADER_TABLE_SIZE, size)]);
    for (input, announced) in [
        (size(4_096), false),
        (size(65_536), false),
        (size(4_095), true),
        (size(0), true),
        // The lowest on the way counts.
        ([size(100), size(4_096)].concat(), true),
        (
            settings(&[(id::HEADER_TABLE_SIZE, 0), (id::HEADER_TABLE_SIZE, 9_000)]),
            true,
        ),
    ] {
        let mut client = Client::prepared();
        client.send(&[input, get(IDLE)].concat());
        client.answer(HALF_CLOSED, Body::Empty);
        client.answer(IDLE, Body::Empty);
        let frames = client.receive();
        let blocks: Vec<_> = frames
            .iter()
            .filter(|f| f.header.kind == Kind::HEADERS)
            .collect();
        assert_eq!(blocks[0].payload[0] == 0x20, announced);
        assert_ne!(blocks[1].payload[0], 0x20, "once is enough");
        let at = |kind| frames.iter().position(|f| f.header.kind == kind);
        assert!(
            at(Kind::SETTINGS) < at(Kind::HEADERS),
            "it is acknowledged before"
        );
    }
}
