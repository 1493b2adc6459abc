//! Section 6.5: SETTINGS.

use crate::client::*;

fn acks(frames: &[Frame]) -> usize {
    let is_ack = |f: &&Frame| {
        f.is(Kind::SETTINGS, 0) && f.header.flags == flags::ACK && f.payload.is_empty()
    };
    frames.iter().filter(is_ack).count()
}

/// "Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0 MUST be treated as a
/// connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
#[test]
fn an_acknowledgement_with_content() {
    for len in [1, 6, 12] {
        let input = frame(Kind::SETTINGS, flags::ACK, 0, &vec![0; len]);
        expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

/// "If an endpoint receives a SETTINGS frame whose Stream Identifier field is anything other than 0x00, the endpoint MUST
/// respond with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_a_stream() {
    for stream in [OPEN, CLOSED, IDLE, 2] {
        for flags in [0, flags::ACK] {
            let input = frame(Kind::SETTINGS, flags, stream, &[]);
            expect(&input, ConnectionError(C::PROTOCOL_ERROR));
        }
    }
}

/// "A SETTINGS frame with a length other than a multiple of 6 octets MUST be treated as a connection error (Section
/// 5.4.1) of type FRAME_SIZE_ERROR."
#[test]
fn of_a_wrong_length() {
    for len in [1, 3, 5, 7, 13] {
        let input = frame(Kind::SETTINGS, 0, 0, &vec![0; len]);
        expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

/// Section 6.5.2, SETTINGS_ENABLE_PUSH: "Any value other than 0 or 1 MUST be treated as a connection error (Section
/// 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn enable_push() {
    for value in [2, 255, u32::MAX] {
        expect(
            &settings(&[(id::ENABLE_PUSH, value)]),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
    for value in [0, 1] {
        expect(&settings(&[(id::ENABLE_PUSH, value)]), Fine);
    }
}

/// Section 6.5.2, SETTINGS_ENABLE_PUSH: "A server MUST NOT explicitly set this value to 1."
#[test]
fn enable_push_is_not_sent() {
    let mut client = Client::raw(Config::default());
    assert!(matches!(
        client.receive()[0].setting(id::ENABLE_PUSH),
        None | Some(0)
    ));
}

/// Section 6.5.2, SETTINGS_MAX_CONCURRENT_STREAMS: "A value of 0 for SETTINGS_MAX_CONCURRENT_STREAMS SHOULD NOT be
/// treated as special by endpoints." It is for streams of ours, of which there are none.
#[test]
fn max_concurrent_streams() {
    for value in [0, 1, u32::MAX] {
        expect(&settings(&[(id::MAX_CONCURRENT_STREAMS, value)]), Fine);
    }
}

/// Section 6.5.2, SETTINGS_INITIAL_WINDOW_SIZE: "Values above the maximum flow-control window size of 2^31-1 MUST be
/// treated as a connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
#[test]
fn initial_window_size() {
    for value in [MOST + 1, u32::MAX] {
        let input = settings(&[(id::INITIAL_WINDOW_SIZE, value)]);
        expect(&input, ConnectionError(C::FLOW_CONTROL_ERROR));
    }
    for value in [0, 1, MOST] {
        expect(&settings(&[(id::INITIAL_WINDOW_SIZE, value)]), Fine);
    }
}

/// Section 6.5.2, SETTINGS_MAX_FRAME_SIZE: "The value advertised by an endpoint MUST be between this initial value and
/// the maximum allowed frame size (2^24-1 or 16,777,215 octets), inclusive. Values outside this range MUST be treated as
/// a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn max_frame_size() {
    for value in [0, 16_383, 1 << 24, u32::MAX] {
        expect(
            &settings(&[(id::MAX_FRAME_SIZE, value)]),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
    for value in [16_384, 16_385, (1 << 24) - 1] {
        expect(&settings(&[(id::MAX_FRAME_SIZE, value)]), Fine);
    }
}

/// As above, for what we say.
#[test]
fn our_settings_are_in_their_range() {
    for config in [
        Config::default(),
        Config {
            initial_window_size: MOST,
            max_frame_size: (1 << 24) - 1,
            header_table_size: 0,
            ..Config::default()
        },
    ] {
        let frame = &Client::raw(config).receive()[0];
        let window = frame.setting(id::INITIAL_WINDOW_SIZE).unwrap_or(65_535);
        let size = frame.setting(id::MAX_FRAME_SIZE).unwrap_or(16_384);
        assert!(window <= MOST && (16_384..1 << 24).contains(&size));
    }
}

/// Section 6.5.2, SETTINGS_HEADER_TABLE_SIZE: "The encoder can select any size equal to or less than this value".
#[test]
fn header_table_size() {
    for value in [0, 100, 4_096, u32::MAX] {
        expect(&settings(&[(id::HEADER_TABLE_SIZE, value)]), Fine);
    }
}

/// Section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE: "The value is based on the uncompressed size of field lines, including
/// the length of the name and value in units of octets plus an overhead of 32 octets for each field line." RFC 6585,
/// section 5, has the status for what is over it.
#[test]
fn max_header_list_size() {
    let config = Config {
        max_header_list_size: 1_000,
        ..Config::default()
    };
    let mut client = Client::raw(config.clone());
    assert_eq!(
        client.receive()[0].setting(id::MAX_HEADER_LIST_SIZE),
        Some(1_000)
    );
    let size = |fields: &[Field<'_>]| {
        fields
            .iter()
            .map(|(n, v)| n.len() + v.len() + 32)
            .sum::<usize>()
    };
    let left = 1_000 - size(&GET) - 1 - 32;
    for (len, delivered) in [(left, true), (left + 1, false)] {
        let mut client = Client::with(config.clone(), &[]);
        let value = "v".repeat(len);
        client.send(&headers(1, &get_with(&[("x", &value)]), true));
        assert_eq!(client.events().len(), usize::from(delivered));
        if !delivered {
            let frames = client.receive();
            assert_eq!(fields_of(&frames, 1)[0].1, "431");
        }
        assert!(client.works(3));
    }
}

/// Section 6.5.2: "An endpoint that receives a SETTINGS frame with any unknown or unsupported identifier MUST ignore that
/// setting."
#[test]
fn unknown_settings() {
    let mut client = Client::prepared();
    client.send(&settings(&[
        (0, 1),
        (0x7, 2),
        (0xff, u32::MAX),
        (0xffff, 0),
    ]));
    assert_eq!(acks(&client.receive()), 1);
    client.expect(Fine);
}

/// Section 6.5.3: "the recipient of a SETTINGS frame in which the ACK flag is not set MUST apply the updated settings as
/// soon as possible upon receipt. [...] Once all values have been processed, the recipient MUST immediately emit a
/// SETTINGS frame with the ACK flag set."
#[test]
fn they_are_acknowledged_at_once() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 50_000);
    client.send(&settings(&[(id::MAX_FRAME_SIZE, 20_000)]));
    let frames = client.receive();
    assert!(frames[0].is(Kind::SETTINGS, 0) && frames[0].header.has(flags::ACK));
    assert_eq!(data_lengths(&frames, HALF_CLOSED), [20_000, 20_000, 10_000]);
}

/// Section 6.5.3: each SETTINGS frame has its acknowledgement, "in the order in which they are received".
#[test]
fn each_is_acknowledged() {
    let mut client = Client::prepared();
    client.send(&settings(&[]).repeat(5));
    assert_eq!(acks(&client.receive()), 5);
    client.send(&settings_ack());
    assert_eq!(client.receive(), [], "an acknowledgement has none");
}

/// Section 6.5.3: "The values in the SETTINGS frame MUST be processed in the order they appear, with no other frame
/// processing between values."
#[test]
fn the_last_value_counts() {
    let mut client = Client::prepared();
    client.send(&settings(&[
        (id::INITIAL_WINDOW_SIZE, 100),
        (id::INITIAL_WINDOW_SIZE, 1),
    ]));
    client.answer_file(HALF_CLOSED, 50);
    assert_eq!(data_lengths(&client.receive(), HALF_CLOSED), [1]);
}

/// As above: a value in the middle that a window does not bear is an error, whatever follows it.
#[test]
fn a_value_in_the_middle_counts_too() {
    let mut client = Client::prepared();
    client.send(&window_update(HALF_CLOSED, 1));
    let over = [
        (id::INITIAL_WINDOW_SIZE, MOST),
        (id::INITIAL_WINDOW_SIZE, 65_535),
    ];
    client.send(&settings(&over));
    client.expect(ConnectionError(C::FLOW_CONTROL_ERROR));
    expect(
        &settings(&[(id::MAX_FRAME_SIZE, 1), (id::MAX_FRAME_SIZE, 16_384)]),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    expect(
        &settings(&[(id::ENABLE_PUSH, 2), (id::ENABLE_PUSH, 0)]),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}
