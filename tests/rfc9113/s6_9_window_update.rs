//! Section 6.9: WINDOW_UPDATE.

use crate::client::*;

/// The sum of the increments for a stream.
fn credit(frames: &[Frame], stream: StreamId) -> u32 {
    let updates = frames.iter().filter(|f| f.is(Kind::WINDOW_UPDATE, stream));
    updates.map(|frame| frame.number(0)).sum()
}

/// "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window increment of 0 as a stream
/// error (Section 5.4.2) of type PROTOCOL_ERROR; errors on the connection flow-control window MUST be treated as a
/// connection error (Section 5.4.1)."
#[test]
fn by_0() {
    expect(&window_update(0, 0), ConnectionError(C::PROTOCOL_ERROR));
    for stream in [OPEN, HALF_CLOSED] {
        expect(
            &window_update(stream, 0),
            StreamError(stream, C::PROTOCOL_ERROR),
        );
        // The reserved bit is no part of the increment.
        expect(
            &window_update(stream, 1 << 31),
            StreamError(stream, C::PROTOCOL_ERROR),
        );
    }
}

/// "This means that a receiver could receive a WINDOW_UPDATE frame on a stream in a "half-closed (remote)" or "closed"
/// state. A receiver MUST NOT treat this as an error (see Section 5.1)."
#[test]
fn on_streams_that_have_ended() {
    for stream in [HALF_CLOSED, CLOSED, RESET] {
        expect(&window_update(stream, 100), Fine);
    }
}

/// "A WINDOW_UPDATE frame with a length other than 4 octets MUST be treated as a connection error (Section 5.4.1) of type
/// FRAME_SIZE_ERROR."
#[test]
fn of_a_wrong_length() {
    for len in [0, 3, 5, 8] {
        for stream in [0, OPEN, CLOSED] {
            let input = frame(Kind::WINDOW_UPDATE, 0, stream, &vec![1; len]);
            expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
        }
    }
}

/// "A receiver that receives a flow-controlled frame MUST always account for its contribution against the connection
/// flow-control window, unless the receiver treats this as a connection error (Section 5.4.1). This is necessary even if
/// the frame is in error."
#[test]
fn data_in_error_is_accounted_for() {
    for stream in [HALF_CLOSED, CLOSED, OPEN] {
        let mut client = Client::prepared();
        client.answers_pings = false;
        if stream == OPEN {
            client.send(&headers(
                IDLE,
                &post_with(&[("content-length", "1")]),
                false,
            ));
        }
        let stream = if stream == OPEN { IDLE } else { stream };
        let mut sent = 0;
        let mut given = 0;
        while sent < 320_000 {
            client.send(&data(stream, &[0; 16_000], false));
            sent += 16_000;
            given += credit(&client.receive(), 0);
            assert!(sent - given < 262_144, "{sent} sent, {given} given back");
        }
        client.expect(Fine);
    }
}

/// Section 6.9.1: "The sender MUST NOT send a flow-controlled frame with a length that exceeds the space available in
/// either of the flow-control windows advertised by the receiver."
#[test]
fn data_keeps_to_both_windows() {
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 3)]);
    client.send(&get(1));
    client.answer_file(1, 70_000);
    assert_eq!(data_lengths(&client.receive(), 1), [3]);
    client.send(&window_update(1, 1));
    assert_eq!(data_lengths(&client.receive(), 1), [1]);
    client.send(&window_update(1, 66_000));
    assert_eq!(
        data_lengths(&client.receive(), 1).iter().sum::<u32>(),
        65_531
    );
    client.send(&window_update(0, 2));
    assert_eq!(data_lengths(&client.receive(), 1), [2]);
}

/// Section 6.9.1: "Frames with zero length with the END_STREAM flag set (that is, an empty DATA frame) MAY be sent if
/// there is no available space in either flow-control window."
#[test]
fn what_has_no_content_needs_no_window() {
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 0)]);
    client.send(&get(1));
    client.answer(1, Body::Empty);
    let frames = client.receive();
    assert!(frames[0].is(Kind::HEADERS, 1) && frames[0].header.has(flags::END_STREAM));
    // And what a client may send: an empty frame when our window is used up.
    let mut client = Client::with(
        Config {
            initial_window_size: 0,
            ..Config::default()
        },
        &[],
    );
    client.send(&[post(1), data(1, b"", false), data(1, b"", true)].concat());
    client.answer(1, Body::Empty);
    client.expect(Fine);
}

/// As above, when the end is learnt after all content was sent: by an empty frame, or by trailers, which are not subject to
/// flow control.
#[test]
fn an_end_that_comes_late_needs_no_window() {
    for (end, kind) in [
        (End::Done, Kind::DATA),
        (End::Trailers(block(&[("x", "y")]).into()), Kind::HEADERS),
    ] {
        let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 3)]);
        client.send(&get(1));
        client.answer(1, pieces(&["abc"], End::Open));
        assert_eq!(data_lengths(&client.receive(), 1), [3]);
        client.finish(1, &end);
        let frames = client.receive();
        let [last] = &frames[..] else {
            panic!("{frames:?}");
        };
        assert!(last.is(kind, 1) && last.header.has(flags::END_STREAM));
        client.expect(Fine);
    }
}

/// Section 6.9.1: "If a sender receives a WINDOW_UPDATE that causes a flow-control window to exceed this maximum, it MUST
/// terminate either the stream or the connection, as appropriate. For streams, the sender sends a RST_STREAM with an
/// error code of FLOW_CONTROL_ERROR; for the connection, a GOAWAY frame with an error code of FLOW_CONTROL_ERROR is
/// sent."
#[test]
fn over_the_maximum() {
    let most = MOST - 65_535;
    expect(
        &window_update(0, MOST),
        ConnectionError(C::FLOW_CONTROL_ERROR),
    );
    expect(&window_update(0, most), Fine);
    let twice = [window_update(0, most), window_update(0, 1)].concat();
    expect(&twice, ConnectionError(C::FLOW_CONTROL_ERROR));
    for stream in [OPEN, HALF_CLOSED] {
        let error = StreamError(stream, C::FLOW_CONTROL_ERROR);
        expect(&window_update(stream, MOST), error);
        expect(&window_update(stream, most), Fine);
        expect(
            &[window_update(stream, most), window_update(stream, 1)].concat(),
            error,
        );
    }
}

/// Section 6.9.2: "When the value of SETTINGS_INITIAL_WINDOW_SIZE changes, a receiver MUST adjust the size of all stream
/// flow-control windows that it maintains by the difference between the new value and the old value."
#[test]
fn the_initial_size_changes_while_streams_are_open() {
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, 0)]);
    client.send(&[get(1), get(3)].concat());
    client.answer_file(1, 100);
    client.answer_file(3, 100);
    assert_eq!(data_lengths(&client.receive(), 1), [] as [u32; 0]);
    client.send(&settings(&[(id::INITIAL_WINDOW_SIZE, 1)]));
    let frames = client.receive();
    assert_eq!(
        (data_lengths(&frames, 1), data_lengths(&frames, 3)),
        (vec![1], vec![1])
    );
    client.send(&settings(&[(id::INITIAL_WINDOW_SIZE, 8)]));
    let frames = client.receive();
    assert_eq!(
        (data_lengths(&frames, 1), data_lengths(&frames, 3)),
        (vec![7], vec![7])
    );
}

/// Section 6.9.2: "A sender MUST track the negative flow-control window and MUST NOT send new flow-controlled frames until
/// it receives WINDOW_UPDATE frames that cause the flow-control window to become positive."
#[test]
fn a_negative_window() {
    let mut client = Client::prepared();
    client.send(&window_update(0, 1_000_000));
    client.answer_file(HALF_CLOSED, 100_000);
    client.receive();
    client.send(&window_update(HALF_CLOSED, 10_000));
    client.receive();
    // 75,535 of 100,000 are sent, and the window is 0.
    client.send(&settings(&[(id::INITIAL_WINDOW_SIZE, 10_000)]));
    client.receive();
    client.send(&window_update(HALF_CLOSED, 55_535));
    assert_eq!(client.receive(), []);
    client.send(&window_update(HALF_CLOSED, 2));
    assert_eq!(data_lengths(&client.receive(), HALF_CLOSED), [2]);
    client.send(&settings(&[(id::INITIAL_WINDOW_SIZE, 10_003)]));
    assert_eq!(data_lengths(&client.receive(), HALF_CLOSED), [3]);
}

/// Section 6.9.2: "A SETTINGS frame cannot alter the connection flow-control window."
#[test]
fn settings_do_not_alter_the_connections_window() {
    let mut client = Client::prepared();
    client.send(&settings(&[(id::INITIAL_WINDOW_SIZE, MOST)]));
    client.answer_file(HALF_CLOSED, 1_000_000);
    assert_eq!(
        data_lengths(&client.receive(), HALF_CLOSED)
            .iter()
            .sum::<u32>(),
        65_535
    );
}

/// Section 6.9.2: "An endpoint MUST treat a change to SETTINGS_INITIAL_WINDOW_SIZE that causes any flow-control window to
/// exceed the maximum size as a connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
#[test]
fn a_change_over_the_maximum() {
    let input = [
        window_update(HALF_CLOSED, 1),
        settings(&[(id::INITIAL_WINDOW_SIZE, MOST)]),
    ];
    expect(&input.concat(), ConnectionError(C::FLOW_CONTROL_ERROR));
    let input = [
        window_update(CLOSED, 1),
        settings(&[(id::INITIAL_WINDOW_SIZE, MOST)]),
    ];
    expect(&input.concat(), Fine);
}

/// Section 6.9.3: "the receiver MUST be prepared to receive data that exceeds this window size, since the sender might
/// send data that exceeds the lower limit prior to processing the SETTINGS frame."
#[test]
fn data_that_exceeds_a_window_that_was_made_smaller() {
    let config = Config {
        initial_window_size: 1_000,
        ..Config::default()
    };
    let mut client = Client::raw(config);
    client.send(&[PREFACE, &settings(&[])[..], &post(1), &post(3)].concat());
    for _ in 0..3 {
        client.send(&data(1, &[0; 16_000], false));
    }
    assert_eq!(client.outcome(), Fine);
    client.send(&settings_ack());
    client.send(&data(3, &[0; 1_000], false));
    assert_eq!(client.outcome(), Fine);
    client.send(&post(5));
    client.send(&data(5, &[0; 1_001], false));
    assert_eq!(client.outcome(), StreamError(5, C::FLOW_CONTROL_ERROR));
}

/// "The receiver of a frame sends a WINDOW_UPDATE frame as it consumes data and frees up space in flow-control windows.
/// Separate WINDOW_UPDATE frames are sent for the stream- and connection-level flow-control windows."
#[test]
fn what_is_received_is_given_back() {
    let mut client = Client::prepared();
    let (mut stream, mut connection) = (0, 0);
    for _ in 0..100 {
        client.send(&data(OPEN, &[0; 16_000], false));
        let frames = client.receive();
        stream += credit(&frames, OPEN);
        connection += credit(&frames, 0);
    }
    assert!(stream > 1_534_465 && stream <= 1_600_000, "{stream}");
    assert!(
        connection > 1_337_856 && connection <= 1_600_000,
        "{connection}"
    );
}
