//! Section 6.

use super::*;

const PROTOCOL: Outcome = ConnectionError(C::PROTOCOL_ERROR);
const SIZE: Outcome = ConnectionError(C::FRAME_SIZE_ERROR);

/// Sections 6.1, 6.2, 6.3, 6.4, 6.10: frames that "MUST be associated with a stream", on none; sections 6.5, 6.7, 6.8:
/// frames that apply to the connection, on a stream. "the recipient MUST respond with a connection error (Section 5.4.1) of
/// type PROTOCOL_ERROR."
#[test]
fn frames_on_wrong_streams() {
    for input in [
        data(0, b"x", true),
        headers(0, &[STATUS], true),
        priority(0, 1),
        rst_stream(0, C::CANCEL),
        continuation(0, b"", true),
        frame(Kind::SETTINGS, 0, ASKED, &[]),
        frame(Kind::SETTINGS, flags::ACK, ASKED, &[]),
        frame(Kind::PING, 0, ASKED, &[0; 8]),
        frame(Kind::GOAWAY, 0, ASKED, &[0; 8]),
    ] {
        expect(&input, PROTOCOL);
    }
}

/// Sections 6.1 and 6.2: "If the length of the padding is the length of the frame payload or greater, the recipient MUST
/// treat this as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn padding() {
    let padded = |pad: u8| [&[pad][..], &block(&[STATUS]), &[0; 3]].concat();
    for (pad, expected) in [(3, Fine), (5, PROTOCOL), (255, PROTOCOL)] {
        let input = frame(Kind::HEADERS, flags::PADDED | WHOLE, ASKED, &padded(pad));
        expect(&input, expected);
    }
    for (pad, expected) in [(0, Fine), (2, Fine), (3, PROTOCOL), (255, PROTOCOL)] {
        for stream in [HEADED, CLOSED] {
            let input = frame(Kind::DATA, flags::PADDED, stream, &[pad, 1, 2]);
            let expected = match expected {
                Fine if stream == CLOSED => StreamError(CLOSED, C::STREAM_CLOSED),
                other => other,
            };
            expect(&input, expected);
        }
    }
    let mut server = Server::prepared();
    let payload = [2, b'a', b'b', 0, 0];
    server.send(&frame(Kind::DATA, flags::PADDED | 1, HEADED, &payload));
    assert_eq!(server.events(), [Seen::Data(HEADED, b"ab".to_vec(), true)]);
}

/// Section 6.1: "The entire DATA frame payload is included in flow control, including the Pad Length and Padding fields if
/// present."
#[test]
fn padding_is_flow_controlled() {
    let config = ClientConfig {
        initial_window_size: 1_000,
        ..ClientConfig::default()
    };
    let mut server = Server::with(config, &[]);
    let stream = server.get();
    server.receive();
    server.send(&headers(stream, &[STATUS], false));
    let padded = [&[254][..], &[0; 255]].concat();
    for _ in 0..100 {
        server.send(&frame(Kind::DATA, flags::PADDED, stream, &padded));
    }
    let given: u32 = server
        .receive()
        .iter()
        .filter(|f| f.is(Kind::WINDOW_UPDATE, stream))
        .map(|f| f.number(0))
        .sum();
    assert!(given == 0, "it overstepped its window: {given}");
    let mut server = Server::prepared();
    for _ in 0..8_000 {
        server.send(&frame(Kind::DATA, flags::PADDED, HEADED, &padded));
        server.receive();
    }
    server.expect(Fine);
}

/// Section 6.3: "A PRIORITY frame with a length other than 5 octets MUST be treated as a stream error (Section 5.4.2) of type
/// FRAME_SIZE_ERROR."
#[test]
fn priority_of_a_wrong_length() {
    for len in [0, 4, 6] {
        for stream in [ASKED, HEADED, UPLOAD] {
            let input = frame(Kind::PRIORITY, 0, stream, &vec![0; len]);
            expect(&input, StreamError(stream, C::FRAME_SIZE_ERROR));
        }
        // RST_STREAM must not be sent on an idle stream (section 6.4).
        expect(&frame(Kind::PRIORITY, 0, IDLE, &vec![0; len]), SIZE);
    }
}

/// Section 6.4: "A RST_STREAM frame with a length other than 4 octets MUST be treated as a connection error (Section 5.4.1)
/// of type FRAME_SIZE_ERROR."
#[test]
fn resets_of_a_wrong_length() {
    for len in [0, 3, 5] {
        expect(&frame(Kind::RST_STREAM, 0, ASKED, &vec![0; len]), SIZE);
    }
}

/// Section 6.5: "A SETTINGS frame with a length other than a multiple of 6 octets MUST be treated as a connection error
/// (Section 5.4.1) of type FRAME_SIZE_ERROR", and so an acknowledgement with content.
#[test]
fn settings_of_a_wrong_length() {
    for len in [1, 5, 7] {
        expect(&frame(Kind::SETTINGS, 0, 0, &vec![0; len]), SIZE);
    }
    expect(&frame(Kind::SETTINGS, flags::ACK, 0, &[0; 6]), SIZE);
}

/// Section 6.5.2: "A client MUST treat receipt of a SETTINGS frame with SETTINGS_ENABLE_PUSH set to 1 as a connection error
/// (Section 5.4.1) of type PROTOCOL_ERROR." And values that are out of their range.
#[test]
fn settings_that_are_not_allowed() {
    for (id, value, expected) in [
        (id::ENABLE_PUSH, 0, Fine),
        (id::ENABLE_PUSH, 1, PROTOCOL),
        (id::ENABLE_PUSH, 2, PROTOCOL),
        (id::INITIAL_WINDOW_SIZE, MOST, Fine),
        (
            id::INITIAL_WINDOW_SIZE,
            MOST + 1,
            ConnectionError(C::FLOW_CONTROL_ERROR),
        ),
        (id::MAX_FRAME_SIZE, 16_383, PROTOCOL),
        (id::MAX_FRAME_SIZE, 1 << 24, PROTOCOL),
        (id::MAX_FRAME_SIZE, (1 << 24) - 1, Fine),
        (id::MAX_HEADER_LIST_SIZE, 0, Fine),
        (0x0b, 7, Fine),
    ] {
        let mut server = Server::new();
        server.send(&settings(&[(id, value)]));
        server.expect(expected);
    }
}

/// Section 6.5.3: "The values in the SETTINGS frame MUST be processed in the order they appear". "the recipient MUST
/// immediately emit a SETTINGS frame with the ACK flag set." Each has its own.
#[test]
fn settings_are_acknowledged() {
    let mut server = Server::new();
    let twice = [
        settings(&[(id::INITIAL_WINDOW_SIZE, 0), (id::INITIAL_WINDOW_SIZE, 7)]),
        settings(&[]),
    ];
    let stream = server.post(10);
    server.send(&twice.concat());
    let frames = server.receive();
    let is_ack = |f: &&Frame| f.is(Kind::SETTINGS, 0) && f.header.flags == flags::ACK;
    assert_eq!(frames.iter().filter(is_ack).count(), 2);
    let data = frames.iter().find(|f| f.is(Kind::DATA, stream)).unwrap();
    assert_eq!(data.header.length, 7, "the last value counts");
}

/// Section 6.6: "An endpoint that has set this setting and has received acknowledgment MUST treat the receipt of a
/// PUSH_PROMISE frame as a connection error (Section 5.4.1) of type PROTOCOL_ERROR." SETTINGS_ENABLE_PUSH is 0.
#[test]
fn push_promise() {
    let mut server = Server::raw(ClientConfig::default());
    assert_eq!(server.receive()[0].setting(id::ENABLE_PUSH), Some(0));
    let promise = [&[0, 0, 0, 2][..], &block(&GET)].concat();
    for stream in [ASKED, HEADED, CLOSED, CANCELLED, IDLE, 0] {
        let input = frame(Kind::PUSH_PROMISE, flags::END_HEADERS, stream, &promise);
        expect(&input, PROTOCOL);
    }
}

/// Section 6.7: "Receivers of a PING frame that does not include an ACK flag MUST send a PING frame with the ACK flag set in
/// response, with an identical frame payload." "An endpoint MUST NOT respond to PING frames containing this flag."
#[test]
fn pings() {
    let mut server = Server::new();
    server.send(&frame(Kind::PING, flags::ACK, 0, b"an-ack!!"));
    server.send(&ping(*b"identity"));
    let frames = server.receive();
    assert_eq!(frames.len(), 1);
    assert_eq!(
        (frames[0].header.flags, &frames[0].payload[..]),
        (flags::ACK, &b"identity"[..])
    );
    for len in [0, 7, 9] {
        expect(&frame(Kind::PING, 0, 0, &vec![0; len]), SIZE);
    }
}

/// Section 6.8: "Receivers of a GOAWAY frame MUST NOT open additional streams on the connection". "The receiver of the GOAWAY
/// frame can treat the streams as though they had never been created at all".
#[test]
fn goaway() {
    for last in [ASKED, MOST] {
        let mut server = Server::new();
        let (first, second) = (server.get(), server.get());
        server.receive();
        // Made, and not sent: it must not be any more.
        let unsent = server.get();
        server.send(&super::goaway(last, C::NO_ERROR));
        let mut expected = vec![Seen::Goaway(last)];
        for stream in [second, unsent] {
            if stream == unsent || stream > last {
                expected.push(Seen::Reset(stream, C::REFUSED_STREAM, true));
            }
        }
        assert_eq!(server.events(), expected);
        assert_eq!(server.receive(), []);
        let request = Request::new("GET", "https", "a.example", "/", &[]);
        assert_eq!(server.ask(&request), Err(RequestError::Closing));
        // Those up to the last one are still answered.
        server.send(&headers(first, &[STATUS], true));
        assert_eq!(server.events(), [Seen::Response(first, 200, true)]);
    }
}

/// Section 6.8: "Endpoints MUST NOT increase the value they send in the last stream identifier". The first GOAWAY of a
/// graceful end has the largest.
#[test]
fn goaway_twice() {
    let goaway = |last| super::goaway(last, C::NO_ERROR);
    let mut server = Server::prepared();
    server.send(&[goaway(MOST), goaway(ASKED)].concat());
    assert_eq!(server.outcome(), Fine);
    server.send(&goaway(HEADED));
    assert_eq!(server.outcome(), PROTOCOL);
}

/// Section 6.9: "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window increment of 0 as a
/// stream error (Section 5.4.2) of type PROTOCOL_ERROR; errors on the connection flow-control window MUST be treated as a
/// connection error".
#[test]
fn window_updates_by_0() {
    expect(&window_update(0, 0), PROTOCOL);
    for stream in [ASKED, HEADED, UPLOAD] {
        let error = StreamError(stream, C::PROTOCOL_ERROR);
        expect(&window_update(stream, 0), error);
        expect(&window_update(stream, 1 << 31), error);
    }
    for len in [0, 3, 5] {
        expect(&frame(Kind::WINDOW_UPDATE, 0, ASKED, &vec![1; len]), SIZE);
    }
}

/// Section 6.9: "A receiver that receives a flow-controlled frame MUST always account for its contribution against the
/// connection flow-control window, [...] even if the frame is in error."
#[test]
fn data_in_error_is_accounted_for() {
    let config = ClientConfig {
        connection_window: 65_535,
        ..ClientConfig::default()
    };
    let mut server = Server::with(config, &[]);
    let closed = server.get();
    server.receive();
    server.send(&headers(closed, &[STATUS], true));
    server.answers_pings = false;
    let (mut sent, mut given) = (0, 0);
    while sent < 320_000 {
        server.send(&data(closed, &[0; 16_000], false));
        sent += 16_000;
        let frames = server.receive();
        let updates = frames.iter().filter(|f| f.is(Kind::WINDOW_UPDATE, 0));
        given += updates.map(|f| f.number(0)).sum::<u32>();
        assert!(sent - given < 65_535, "{sent} sent, {given} given back");
    }
    server.expect(Fine);
}

/// Section 6.9.1: "If a sender receives a WINDOW_UPDATE that causes a flow-control window to exceed this maximum, it MUST
/// terminate either the stream or the connection, as appropriate."
#[test]
fn windows_over_the_maximum() {
    let flow = C::FLOW_CONTROL_ERROR;
    expect(&window_update(0, MOST - 65_535), Fine);
    expect(&window_update(0, MOST - 65_534), ConnectionError(flow));
    let twice = [window_update(ASKED, MOST), window_update(ASKED, 1)];
    expect(&twice.concat(), StreamError(ASKED, flow));
}

/// Section 6.9.2: "a receiver MUST adjust the size of all stream flow-control windows that it maintains by the difference
/// between the new value and the old value." "MUST track the negative flow-control window". "MUST treat a change [...] that
/// causes any flow-control window to exceed the maximum size as a connection error".
#[test]
fn the_initial_window_changes() {
    let mut server = Server::prepared();
    let sent = |server: &mut Server| -> u32 {
        let frames = server.receive();
        let data = frames.iter().filter(|f| f.is(Kind::DATA, UPLOAD));
        data.map(|f| f.header.length).sum()
    };
    let change = |value| settings(&[(id::INITIAL_WINDOW_SIZE, value)]);
    server.send(&change(3));
    assert_eq!(sent(&mut server), 3);
    server.send(&change(1));
    server.send(&window_update(UPLOAD, 2));
    assert_eq!(sent(&mut server), 0, "it is 0 again");
    server.send(&window_update(UPLOAD, 4));
    assert_eq!(sent(&mut server), 4);
    server.send(&[window_update(UPLOAD, 10), change(MOST)].concat());
    assert_eq!(server.outcome(), ConnectionError(C::FLOW_CONTROL_ERROR));
}

/// Section 6.9.3: "the receiver MUST be prepared to receive data that exceeds this window size, since the sender might send
/// data that exceeds the lower limit prior to processing the SETTINGS frame."
#[test]
fn data_before_the_server_knows_our_window() {
    let config = ClientConfig {
        initial_window_size: 10,
        ..ClientConfig::default()
    };
    let mut server = Server::raw(config);
    let stream = server.get();
    server.receive();
    server.send(&[settings(&[]), headers(stream, &[STATUS], false)].concat());
    for _ in 0..3 {
        server.send(&data(stream, &[0; 16_000], false));
    }
    assert_eq!(server.outcome(), Fine);
    server.send(&data(stream, b"", true));
    server.expect(Fine);
}

/// Section 6.10: "A CONTINUATION frame MUST be preceded by a HEADERS, PUSH_PROMISE or CONTINUATION frame without the
/// END_HEADERS flag set. A recipient that observes violation of this rule MUST respond with a connection error (Section
/// 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn continuations() {
    let late = continuation(ASKED, b"", true);
    for before in [
        vec![],
        headers(ASKED, &[STATUS], false),
        data(HEADED, b"x", false),
        ping([0; 8]),
    ] {
        expect(&[before, late.clone()].concat(), PROTOCOL);
    }
    let mut wire = frame(Kind::HEADERS, flags::END_STREAM, ASKED, &[]);
    for byte in block(&[STATUS, ("x", "a value")]) {
        wire.extend(continuation(ASKED, &[byte], false));
    }
    wire.extend(continuation(ASKED, b"", true));
    let mut server = Server::prepared();
    server.send(&wire);
    assert_eq!(server.events(), [Seen::Response(ASKED, 200, true)]);
    server.expect(Fine);
}
