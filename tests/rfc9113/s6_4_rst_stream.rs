//! Section 6.4: RST_STREAM.

use crate::client::*;

/// "If a RST_STREAM frame is received with a stream identifier of 0x00, the recipient MUST treat this as a connection
/// error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_stream_0() {
    expect(
        &rst_stream(0, C::CANCEL),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}

/// "If a RST_STREAM frame identifying an idle stream is received, the recipient MUST treat this as a connection error
/// (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_an_idle_stream() {
    expect(
        &rst_stream(IDLE, C::CANCEL),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    expect(
        &rst_stream(2, C::CANCEL),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}

/// "A RST_STREAM frame with a length other than 4 octets MUST be treated as a connection error (Section 5.4.1) of type
/// FRAME_SIZE_ERROR."
#[test]
fn of_a_wrong_length() {
    for len in [0, 3, 5, 8] {
        for stream in [OPEN, CLOSED] {
            let input = frame(Kind::RST_STREAM, 0, stream, &vec![0; len]);
            expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
        }
    }
}

/// "After receiving a RST_STREAM on a stream, the receiver MUST NOT send additional frames for that stream, except for
/// PRIORITY."
#[test]
fn nothing_more_is_sent() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 10);
    client.send(&rst_stream(HALF_CLOSED, C::CANCEL));
    assert_eq!(client.events(), [Seen::Reset(HALF_CLOSED, C::CANCEL)]);
    assert_eq!(client.receive(), []);
    // Not even credit for what came before.
    let mut client = Client::prepared();
    for _ in 0..3 {
        client.send(&data(OPEN, &[0; 16_000], false));
    }
    client.send(&rst_stream(OPEN, C::CANCEL));
    assert!(
        client
            .receive()
            .iter()
            .all(|frame| frame.header.stream_id == 0)
    );
}

/// "RST_STREAM frames MUST NOT be sent for a stream in the "idle" state."
#[test]
fn none_is_sent_on_an_idle_stream() {
    for input in [
        priority(IDLE, IDLE),
        frame(Kind::PRIORITY, 0, IDLE, b"x"),
        window_update(IDLE, 0),
        data(IDLE, b"x", true),
        priority_update(IDLE, "u=?"),
    ] {
        let mut client = Client::prepared();
        client.send(&input);
        let frames = client.receive();
        assert!(
            frames
                .iter()
                .all(|frame| frame.header.kind != Kind::RST_STREAM)
        );
    }
}

/// "However, after sending the RST_STREAM, the sending endpoint MUST be prepared to receive and process additional
/// frames sent on the stream that might have been sent by the peer prior to the arrival of the RST_STREAM."
#[test]
fn late_frames_after_a_malformed_request() {
    let mut client = Client::prepared();
    client.answers_pings = false;
    client.send(&headers(IDLE, &post_with(&[("X", "upper")]), false));
    client.send(
        &[
            data(IDLE, b"x", false),
            headers(IDLE, &[("x-sum", "1")], true),
        ]
        .concat(),
    );
    client.expect(StreamError(IDLE, C::PROTOCOL_ERROR));
}
