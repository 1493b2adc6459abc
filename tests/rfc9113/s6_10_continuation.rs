//! Section 6.10: CONTINUATION.

use crate::client::*;

/// "Any number of CONTINUATION frames can be sent, as long as the preceding frame is on the same stream and is a HEADERS,
/// PUSH_PROMISE, or CONTINUATION frame without the END_HEADERS flag set."
#[test]
fn several() {
    let mut client = Client::prepared();
    let block = block(&get_with(&[("x", "a rather long value")]));
    let mut input = frame(Kind::HEADERS, flags::END_STREAM, IDLE, &[]);
    for byte in &block {
        input.extend(continuation(IDLE, &[*byte], false));
    }
    input.extend(continuation(IDLE, b"", true));
    client.send(&input);
    assert!(matches!(client.events()[..], [Seen::Request(IDLE, _)]));
    client.expect(Fine);
}

/// "If the END_HEADERS flag is not set, this frame MUST be followed by another CONTINUATION frame. A receiver MUST treat
/// the receipt of any other type of frame or a frame on a different stream as a connection error (Section 5.4.1) of type
/// PROTOCOL_ERROR."
#[test]
fn followed_by_another_frame() {
    let begun = [
        frame(Kind::HEADERS, 0, IDLE, &block(&GET)),
        continuation(IDLE, b"", false),
    ]
    .concat();
    for other in [
        get(IDLE + 2),
        data(IDLE, b"", true),
        continuation(OPEN, b"", true),
        settings(&[]),
    ] {
        expect(
            &[begun.clone(), other].concat(),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
}

/// "If a CONTINUATION frame is received with a Stream Identifier field of 0x00, the recipient MUST respond with a
/// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_stream_0() {
    expect(
        &continuation(0, b"", true),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    let begun = frame(Kind::HEADERS, 0, IDLE, &block(&GET));
    expect(
        &[begun, continuation(0, b"", true)].concat(),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}

/// "A CONTINUATION frame MUST be preceded by a HEADERS, PUSH_PROMISE or CONTINUATION frame without the END_HEADERS flag
/// set. A recipient that observes violation of this rule MUST respond with a connection error (Section 5.4.1) of type
/// PROTOCOL_ERROR."
#[test]
fn preceded_by_something_else() {
    let late = continuation(IDLE, b"", true);
    let begun = frame(Kind::HEADERS, 0, IDLE, &block(&POST));
    for before in [
        vec![],
        get(IDLE),
        [begun, continuation(IDLE, b"", true)].concat(),
        [post(IDLE), data(IDLE, b"x", false)].concat(),
        ping([0; 8]),
    ] {
        expect(
            &[before, late.clone()].concat(),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
}

/// Section 10.5.1: what is over the limits of a field block is cut off, in bytes and in frames.
#[test]
fn without_end() {
    let mut client = Client::prepared();
    client.send(&frame(Kind::HEADERS, 0, IDLE, &[]));
    for _ in 0..65 {
        client.send(&continuation(IDLE, b"", false));
    }
    client.expect(ConnectionError(C::ENHANCE_YOUR_CALM));
    let mut client = Client::prepared();
    client.send(&frame(Kind::HEADERS, 0, IDLE, &[]));
    for _ in 0..5 {
        client.send(&continuation(IDLE, &[0x82; 16_384], false));
    }
    client.expect(ConnectionError(C::ENHANCE_YOUR_CALM));
}
