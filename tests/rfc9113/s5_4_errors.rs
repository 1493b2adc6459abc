//! Section 5.4: error handling.

use crate::client::*;

/// Section 5.4: "If a frame causes a connection error, that error MUST be reported." Also when it causes a stream error.
#[test]
fn a_connection_error_goes_before_a_stream_error() {
    // DATA on a closed stream whose padding is wrong; HEADERS on an ended stream that cannot be decoded.
    let padding = frame(Kind::DATA, flags::PADDED, HALF_CLOSED, &[9, 0]);
    expect(&padding, ConnectionError(C::PROTOCOL_ERROR));
    expect(
        &raw_headers(HALF_CLOSED, b"\x80", true),
        ConnectionError(C::COMPRESSION_ERROR),
    );
}

/// Section 5.4.1: "An endpoint that encounters a connection error SHOULD first send a GOAWAY frame (Section 6.8) with the
/// stream identifier of the last stream that it successfully received from its peer. [...] After sending the GOAWAY
/// frame for an error condition, the endpoint MUST close the TCP connection."
#[test]
fn a_connection_error_ends_with_goaway() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 1_000_000);
    client.send(&frame(Kind::PING, 0, 0, &[0; 6]));
    assert!(!client.is_done());
    let frames = client.receive();
    assert!(client.is_done());
    let [goaway] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert!(goaway.is(Kind::GOAWAY, 0));
    assert_eq!(
        (goaway.number(0), goaway.number(4)),
        (RESET, C::FRAME_SIZE_ERROR.0)
    );
}

/// As above: nothing is acted upon any more.
#[test]
fn nothing_is_heard_after_a_connection_error() {
    let mut client = Client::prepared();
    client.send(&[window_update(0, 0), get(IDLE), ping([0; 8])].concat());
    client.send(&get(IDLE + 2));
    assert_eq!(client.events(), []);
    client.expect(ConnectionError(C::PROTOCOL_ERROR));
}

/// Section 5.4.2: "A RST_STREAM is the last frame that an endpoint can send on a stream. The peer that sends the
/// RST_STREAM frame MUST be prepared to receive any frames that were sent or enqueued for sending by the remote peer."
#[test]
fn a_stream_error_ends_its_stream_only() {
    let mut client = Client::prepared();
    client.answers_pings = false;
    client.send(&[post(IDLE), data(HALF_CLOSED, b"x", false)].concat());
    client.answer_file(HALF_CLOSED, 100);
    assert_eq!(client.outcome(), StreamError(HALF_CLOSED, C::STREAM_CLOSED));
    client.send(
        &[
            data(HALF_CLOSED, b"late", true),
            window_update(HALF_CLOSED, 9),
        ]
        .concat(),
    );
    client.send(&[data(IDLE, b"x", true), data(OPEN, b"x", true)].concat());
    assert_eq!(client.outcome(), Fine);
    client.answer_file(IDLE, 5);
    client.answer_file(OPEN, 6);
    let frames = client.receive();
    assert_eq!(
        (data_lengths(&frames, IDLE), data_lengths(&frames, OPEN)),
        (vec![5], vec![6])
    );
    assert!(
        frames
            .iter()
            .all(|frame| frame.header.stream_id != HALF_CLOSED)
    );
}

/// Section 5.4.2: "To avoid looping, an endpoint MUST NOT send a RST_STREAM in response to a RST_STREAM frame."
#[test]
fn no_reset_answers_a_reset() {
    for stream in [OPEN, HALF_CLOSED, CLOSED, RESET] {
        for code in [
            C::NO_ERROR,
            C::CANCEL,
            C::PROTOCOL_ERROR,
            ErrorCode(u32::MAX),
        ] {
            let mut client = Client::prepared();
            client.send(&rst_stream(stream, code).repeat(3));
            assert_eq!(client.receive(), []);
        }
    }
}

/// As above, when our own reset waits to be sent: the stream is closed already.
#[test]
fn no_reset_follows_a_reset() {
    let mut client = Client::prepared();
    client.send(&rst_stream(OPEN, C::CANCEL));
    client.reset(OPEN, C::INTERNAL_ERROR);
    client.send(&data(OPEN, b"x", true));
    assert_eq!(client.outcome(), StreamError(OPEN, C::STREAM_CLOSED));
}
