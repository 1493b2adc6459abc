//! Section 5.

use super::*;

/// Section 5.1, idle: "Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be treated as a
/// connection error (Section 5.4.1) of type PROTOCOL_ERROR." A server begins none by HEADERS either.
#[test]
fn idle() {
    for stream in [IDLE, 2, MOST] {
        for input in [
            headers(stream, &[STATUS], true),
            data(stream, b"x", true),
            rst_stream(stream, C::CANCEL),
            window_update(stream, 1),
        ] {
            expect(&input, ConnectionError(C::PROTOCOL_ERROR));
        }
        expect(&priority(stream, 0), Fine);
    }
    // A request that is made and not sent yet is idle to the server, also when it was given up since.
    const STREAM: StreamId = 1;
    for given_up in [false, true] {
        for input in [
            headers(STREAM, &[STATUS], true),
            data(STREAM, b"x", true),
            rst_stream(STREAM, C::CANCEL),
        ] {
            let mut server = Server::new();
            assert_eq!(server.get(), STREAM);
            if given_up {
                server.cancel(STREAM);
            }
            server.send(&input);
            assert_eq!(server.outcome(), ConnectionError(C::PROTOCOL_ERROR));
        }
    }
}

/// Section 5.1, half-closed (local): "An endpoint can receive any type of frame in this state."
#[test]
fn half_closed_local() {
    for input in [
        headers(ASKED, &[STATUS], false),
        data(HEADED, b"x", true),
        headers(HEADED, &[("x", "y")], true),
        window_update(ASKED, 1),
        priority(ASKED, 0),
        rst_stream(ASKED, C::CANCEL),
    ] {
        expect(&input, Fine);
    }
}

/// Section 5.1, half-closed (remote): "If an endpoint receives additional frames, other than WINDOW_UPDATE, PRIORITY, or
/// RST_STREAM, for a stream that is in this state, it MUST respond with a stream error (Section 5.4.2) of type
/// STREAM_CLOSED." The response is whole, and the request is not.
#[test]
fn half_closed_remote() {
    let whole = headers(UPLOAD, &[STATUS], true);
    let error = StreamError(UPLOAD, C::STREAM_CLOSED);
    for (late, expected) in [
        (data(UPLOAD, b"x", false), error),
        (data(UPLOAD, b"", true), error),
        (headers(UPLOAD, &[("x", "y")], true), error),
        (window_update(UPLOAD, 1), Fine),
        (priority(UPLOAD, 0), Fine),
        (rst_stream(UPLOAD, C::NO_ERROR), Fine),
    ] {
        expect(&[whole.clone(), late].concat(), expected);
    }
}

/// Section 5.1, closed: "An endpoint MAY treat receipt of any other type of frame on a closed stream as a connection error
/// (Section 5.4.1) of type STREAM_CLOSED", but WINDOW_UPDATE and RST_STREAM may come late, and DATA is an error of the
/// stream (section 6.1).
#[test]
fn closed() {
    for stream in [CLOSED, CANCELLED] {
        expect(
            &data(stream, b"x", true),
            StreamError(stream, C::STREAM_CLOSED),
        );
        expect(
            &headers(stream, &[STATUS], true),
            ConnectionError(C::STREAM_CLOSED),
        );
        expect(&window_update(stream, 1), Fine);
        expect(&rst_stream(stream, C::CANCEL), Fine);
        expect(&priority(stream, 0), Fine);
    }
}

/// Section 5.1, closed: "An endpoint that sends a RST_STREAM frame on a stream that is in the "open" or "half-closed
/// (local)" state could receive any type of frame. [...] An endpoint MUST minimally process and then discard any frames it
/// receives in this state."
#[test]
fn closed_by_our_reset() {
    let mut server = Server::prepared();
    server.answers_pings = false;
    server.cancel(HEADED);
    assert_eq!(server.outcome(), StreamError(HEADED, C::CANCEL));
    server.send(
        &[
            data(HEADED, &[0; 16_384], false),
            window_update(HEADED, 1),
            headers(HEADED, &[("x", "y")], true),
            rst_stream(HEADED, C::CANCEL),
        ]
        .concat(),
    );
    assert_eq!(server.events(), []);
    server.expect(Fine);
    // More than the connection's window: it is given back.
    let mut given = 0;
    for _ in 0..2_000 {
        server.send(&data(HEADED, &[0; 16_384], false));
        let frames = server.receive();
        let updates = frames.iter().filter(|f| f.is(Kind::WINDOW_UPDATE, 0));
        given += updates.map(|f| f.number(0)).sum::<u32>();
    }
    assert!(given > 1 << 24, "{given}");
}

/// Section 5.1: "An endpoint MUST NOT send frames other than PRIORITY on a closed stream." Section 6.4: "After receiving a
/// RST_STREAM on a stream, the receiver MUST NOT send additional frames for that stream, except for PRIORITY."
#[test]
fn nothing_is_sent_on_a_stream_that_was_reset() {
    let mut server = Server::prepared();
    server.send(&rst_stream(UPLOAD, C::CANCEL));
    server.send(&window_update(UPLOAD, 1_000));
    server.cancel(UPLOAD);
    assert_eq!(server.receive(), []);
}

/// Section 5.1.1: "Streams initiated by a client MUST use odd-numbered stream identifiers". "The identifier of a newly
/// established stream MUST be numerically greater than all streams that the initiating endpoint has opened or reserved."
#[test]
fn identifiers_are_odd_and_rise() {
    let mut server = Server::new();
    let mut last = 0;
    for n in 0..50 {
        let stream = if n % 2 == 0 {
            server.get()
        } else {
            server.post(5)
        };
        if n % 7 == 3 {
            // Never sent: its identifier is skipped.
            server.cancel(stream);
        }
        for frame in server.receive() {
            if frame.header.kind == Kind::HEADERS {
                assert!(frame.header.stream_id > last && frame.header.stream_id % 2 == 1);
                last = frame.header.stream_id;
                server.send(&headers(last, &[STATUS], true));
            }
        }
    }
    assert!(last > 80);
}

/// Section 5.1.2: "Endpoints MUST NOT exceed the limit set by their peer."
#[test]
fn no_more_streams_than_the_server_allows() {
    let limit = |most| [(id::MAX_CONCURRENT_STREAMS, most)];
    let mut server = Server::with(ClientConfig::default(), &limit(2));
    let request = Request::new("GET", "https", "a.example", "/", &[]);
    for _ in 0..2 {
        server.get();
    }
    assert_eq!(server.ask(&request), Err(RequestError::Busy));
    server.receive();
    server.send(&headers(1, &[STATUS], true));
    server.get();
    assert_eq!(server.ask(&request), Err(RequestError::Busy));

    // Requests that were made before it was known wait.
    let mut server = Server::raw(ClientConfig::default());
    for _ in 0..5 {
        server.get();
    }
    server.send(&[settings(&limit(2)), settings_ack()].concat());
    let begun = |frames: Vec<Frame>| -> Vec<StreamId> {
        let heads = frames.iter().filter(|f| f.header.kind == Kind::HEADERS);
        heads.map(|f| f.header.stream_id).collect()
    };
    assert_eq!(begun(server.receive()), [1, 3]);
    server.send(&headers(3, &[STATUS], true));
    assert_eq!(begun(server.receive()), [5]);
    server.cancel(7);
    server.send(&settings(&limit(0)));
    server.send(&[headers(1, &[STATUS], true), headers(5, &[STATUS], true)].concat());
    assert_eq!(begun(server.receive()), [] as [StreamId; 0]);
    server.send(&settings(&limit(1)));
    assert_eq!(begun(server.receive()), [9]);
}

/// Section 5.2.1: "A sender MUST respect flow-control limits imposed by a receiver." Both windows are 65,535 at first.
#[test]
fn the_servers_windows() {
    let mut server = Server::new();
    let stream = server.post(100_000);
    let sent = |server: &mut Server| -> u32 {
        let frames = server.receive();
        let data = frames.iter().filter(|f| f.header.kind == Kind::DATA);
        data.map(|f| f.header.length).sum()
    };
    assert_eq!(sent(&mut server), 65_535);
    server.send(&window_update(stream, 1_000));
    assert_eq!(sent(&mut server), 0);
    server.send(&window_update(0, 900));
    assert_eq!(sent(&mut server), 900);
    server.send(&window_update(0, 100_000));
    assert_eq!(sent(&mut server), 100);
}

/// Section 5.2.1, in the other direction: what exceeds our windows.
#[test]
fn our_windows() {
    let config = ClientConfig {
        initial_window_size: 1_000,
        connection_window: 65_535,
        ..ClientConfig::default()
    };
    let begin = |config: &ClientConfig| {
        let mut server = Server::with(config.clone(), &[]);
        let stream = server.get();
        server.receive();
        server.send(&headers(stream, &[STATUS], false));
        server
    };
    let mut server = begin(&config);
    server.send(&data(1, &[0; 1_001], false));
    server.expect(StreamError(1, C::FLOW_CONTROL_ERROR));
    let mut server = begin(&ClientConfig {
        initial_window_size: 1 << 20,
        ..config
    });
    for _ in 0..4 {
        server.send(&data(1, &[0; 16_384], false));
    }
    assert_eq!(server.outcome(), ConnectionError(C::FLOW_CONTROL_ERROR));
}

/// Section 5.4.1: "An endpoint that encounters a connection error SHOULD first send a GOAWAY frame". "After sending the
/// GOAWAY frame for an error condition, the endpoint MUST close the TCP connection."
#[test]
fn a_connection_error_ends_everything() {
    let mut server = Server::prepared();
    server.send(&[window_update(0, 0), headers(ASKED, &[STATUS], true)].concat());
    assert_eq!(server.events(), []);
    let frames = server.receive();
    assert!(frames.len() == 1 && frames[0].is(Kind::GOAWAY, 0));
    // A server has begun no streams.
    assert_eq!(
        (frames[0].number(0), frames[0].number(4)),
        (0, C::PROTOCOL_ERROR.0)
    );
    let request = Request::new("GET", "https", "a.example", "/", &[]);
    assert_eq!(server.ask(&request), Err(RequestError::Closing));
}

/// Section 5.4.2: "To avoid looping, an endpoint MUST NOT send a RST_STREAM in response to a RST_STREAM frame."
#[test]
fn no_reset_answers_a_reset() {
    for stream in [ASKED, HEADED, CLOSED, UPLOAD, CANCELLED] {
        let mut server = Server::prepared();
        server.send(&rst_stream(stream, C::INTERNAL_ERROR).repeat(3));
        assert_eq!(server.receive(), []);
    }
}

/// Section 5.5: "Implementations MUST ignore unknown or unsupported values in all extensible protocol elements." "extension
/// frames that appear in the middle of a field block (Section 4.3) are not permitted".
#[test]
fn unknown_values_are_ignored() {
    expect(&settings(&[(0xffff, 1), (0, 2)]), Fine);
    let mut server = Server::prepared();
    server.send(&rst_stream(ASKED, ErrorCode(0x1234_5678)));
    let reset = Seen::Reset(ASKED, ErrorCode(0x1234_5678), false);
    assert_eq!(server.events(), [reset]);
    server.expect(Fine);
    let begun = frame(Kind::HEADERS, 0, ASKED, &block(&[STATUS]));
    let unknown = frame(Kind(0x16), 0, ASKED, b"");
    expect(
        &[begun, unknown].concat(),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}
