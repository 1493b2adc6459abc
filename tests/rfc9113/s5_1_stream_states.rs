//! Section 5.1: stream states.

use crate::client::*;

/// "idle: Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be treated as a connection
/// error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn idle() {
    for input in [
        data(IDLE, b"x", true),
        data(IDLE, b"", false),
        rst_stream(IDLE, C::CANCEL),
        window_update(IDLE, 1),
        continuation(IDLE, &block(&GET), true),
    ] {
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
    expect(&get(IDLE), Fine);
    expect(&priority(IDLE, 0), Fine);
}

/// "If this stream is initiated by the server, as described in Section 5.1.1, then receiving a HEADERS frame MUST also
/// be treated as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn idle_and_of_the_server() {
    for input in [
        get(2),
        get(1_000),
        data(2, b"", true),
        window_update(2, 1),
        rst_stream(2, C::CANCEL),
    ] {
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// "open: A stream in the "open" state may be used by both peers to send frames of any type."
#[test]
fn open() {
    for input in [
        data(OPEN, b"x", false),
        data(OPEN, b"x", true),
        headers(OPEN, &[("x-sum", "1")], true),
        window_update(OPEN, 1),
        priority(OPEN, 0),
        rst_stream(OPEN, C::CANCEL),
    ] {
        expect(&input, Fine);
    }
}

/// "half-closed (local): A stream that is in the "half-closed (local)" state cannot be used for sending frames other than
/// WINDOW_UPDATE, PRIORITY, and RST_STREAM."
#[test]
fn half_closed_local() {
    for body in [
        Body::Empty,
        pieces(&["a", "b"], End::Done),
        pieces(&["a"], End::Trailers(block(&[("x", "y")]).into())),
    ] {
        let mut client = Client::prepared();
        client.answer(OPEN, body);
        let frames = client.receive();
        let ends = |f: &&Frame| f.header.has(flags::END_STREAM);
        assert_eq!(frames.iter().filter(ends).count(), 1);
        assert!(frames.last().unwrap().header.has(flags::END_STREAM));
        client.send(&[window_update(OPEN, 9), data(OPEN, b"x", false)].concat());
        client.send(&settings(&[(id::INITIAL_WINDOW_SIZE, 7)]));
        client.send(&headers(OPEN, &[("x-sum", "1")], true));
        let on_it = |f: &Frame| f.header.stream_id == OPEN;
        assert!(!client.receive().iter().any(on_it));
        client.expect(Fine);
    }
}

/// "half-closed (remote): If an endpoint receives additional frames, other than WINDOW_UPDATE, PRIORITY, or RST_STREAM,
/// for a stream that is in this state, it MUST respond with a stream error (Section 5.4.2) of type STREAM_CLOSED."
#[test]
fn half_closed_remote() {
    let error = StreamError(HALF_CLOSED, C::STREAM_CLOSED);
    expect(&data(HALF_CLOSED, b"x", true), error);
    expect(&data(HALF_CLOSED, b"", false), error);
    expect(&headers(HALF_CLOSED, &[("x-sum", "1")], true), error);
    expect(&headers(HALF_CLOSED, &GET, false), error);
    expect(
        &continuation(HALF_CLOSED, b"", true),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    expect(&window_update(HALF_CLOSED, 1), Fine);
    expect(&priority(HALF_CLOSED, 0), Fine);
    expect(&rst_stream(HALF_CLOSED, C::CANCEL), Fine);
}

/// As above, when it was DATA or trailers that ended the stream.
#[test]
fn half_closed_remote_by_data_or_trailers() {
    for end in [
        data(OPEN, b"x", true),
        headers(OPEN, &[("x-sum", "1")], true),
    ] {
        for late in [
            data(OPEN, b"x", true),
            headers(OPEN, &[("x-sum", "1")], true),
        ] {
            expect(
                &[end.clone(), late].concat(),
                StreamError(OPEN, C::STREAM_CLOSED),
            );
        }
    }
}

/// "closed: An endpoint MAY treat receipt of any other type of frame on a closed stream as a connection error (Section
/// 5.4.1) of type STREAM_CLOSED, except as noted below." DATA has a rule of its own (section 6.1).
#[test]
fn closed() {
    for closed in [CLOSED, RESET] {
        expect(
            &data(closed, b"x", true),
            StreamError(closed, C::STREAM_CLOSED),
        );
        expect(
            &headers(closed, &GET, true),
            ConnectionError(C::STREAM_CLOSED),
        );
        expect(
            &headers(closed, &[("x-sum", "1")], true),
            ConnectionError(C::STREAM_CLOSED),
        );
        expect(
            &continuation(closed, b"", true),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
}

/// "An endpoint that sends a frame with the END_STREAM flag set or a RST_STREAM frame might receive a WINDOW_UPDATE or
/// RST_STREAM frame from its peer in the time before the peer receives and processes the frame that closes the stream."
#[test]
fn closed_and_late() {
    for closed in [CLOSED, RESET] {
        expect(&window_update(closed, 1), Fine);
        expect(&window_update(closed, MOST), Fine);
        expect(&rst_stream(closed, C::CANCEL), Fine);
        expect(&priority(closed, 0), Fine);
    }
}

/// "An endpoint that sends a RST_STREAM frame on a stream that is in the "open" or "half-closed (local)" state could
/// receive any type of frame. [...] An endpoint MUST minimally process and then discard any frames it receives in this
/// state. [...] Additionally, the content of DATA frames counts toward the connection flow-control window."
#[test]
fn closed_by_our_reset() {
    let mut client = Client::prepared();
    client.answers_pings = false;
    client.reset(OPEN, C::CANCEL);
    assert_eq!(client.outcome(), StreamError(OPEN, C::CANCEL));
    let late = [
        data(OPEN, &[0; 5_000], false),
        window_update(OPEN, 1),
        priority(OPEN, 0),
        headers(OPEN, &[("x-sum", "1")], true),
        rst_stream(OPEN, C::CANCEL),
    ];
    client.send(&late.concat());
    assert_eq!(client.events(), []);
    assert_eq!(client.receive(), []);
    // More than the connection's window: it is given back.
    let mut given = 0;
    for _ in 0..40 {
        client.send(&data(OPEN, &[0; 10_000], false));
        given += client
            .receive()
            .iter()
            .filter(|frame| frame.is(Kind::WINDOW_UPDATE, 0))
            .map(|frame| frame.number(0))
            .sum::<u32>();
    }
    assert!(given > 250_000, "{given}");
    client.expect(Fine);
}

/// "An endpoint MUST NOT send frames other than PRIORITY on a closed stream."
#[test]
fn nothing_is_sent_on_a_stream_that_was_reset() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 1 << 30);
    assert_eq!(
        data_lengths(&client.receive(), HALF_CLOSED)
            .iter()
            .sum::<u32>(),
        65_535
    );
    client.send(
        &[
            rst_stream(HALF_CLOSED, C::CANCEL),
            window_update(0, 1 << 20),
        ]
        .concat(),
    );
    client.send(&window_update(HALF_CLOSED, 1 << 20));
    client.send(&rst_stream(OPEN, C::CANCEL));
    client.answer_file(OPEN, 100);
    assert_eq!(client.receive(), []);
}

/// "Note that PRIORITY can be sent and received in any stream state."
#[test]
fn priority_in_every_state() {
    for stream in [OPEN, CLOSED, HALF_CLOSED, RESET, IDLE, 2, 10] {
        expect(&priority(stream, 0), Fine);
        expect(&priority(stream, 999), Fine);
    }
}
