//! Section 6.2: HEADERS.

use crate::client::*;

/// "If a HEADERS frame is received whose Stream Identifier field is 0x00, the recipient MUST respond with a connection
/// error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_stream_0() {
    expect(&get(0), ConnectionError(C::PROTOCOL_ERROR));
    expect(
        &frame(Kind::HEADERS, 0, 0, &[]),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}

/// "A HEADERS frame without the END_HEADERS flag set MUST be followed by a CONTINUATION frame for the same stream. A
/// receiver MUST treat the receipt of any other type of frame or a frame on a different stream as a connection error
/// (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn without_its_continuation() {
    let begun = frame(Kind::HEADERS, 0, IDLE, &block(&GET));
    for other in [
        priority(IDLE, 0),
        data(IDLE, b"x", true),
        get(IDLE),
        get(IDLE + 2),
        continuation(IDLE + 2, b"", true),
    ] {
        expect(
            &[begun.clone(), other].concat(),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
}

/// "A HEADERS frame with the END_STREAM flag set can be followed by CONTINUATION frames on the same stream."
#[test]
fn the_end_of_the_stream_before_the_end_of_the_fields() {
    let mut client = Client::prepared();
    let block = block(&GET);
    let (first, rest) = block.split_at(3);
    client.send(&frame(Kind::HEADERS, flags::END_STREAM, IDLE, first));
    client.send(&continuation(IDLE, rest, true));
    assert!(matches!(client.events()[..], [Seen::Request(IDLE, _)]));
    client.send(&data(IDLE, b"x", true));
    client.expect(StreamError(IDLE, C::STREAM_CLOSED));
}

/// "If the length of the padding is the length of the frame payload or greater, the recipient MUST treat this as a
/// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn padding_that_is_too_long() {
    let with = |pad_length: u8, padding: usize| {
        [&[pad_length][..], &block(&GET), &vec![0; padding]].concat()
    };
    let len = block(&GET).len() as u8;
    for (pad_length, padding) in [(len + 1, 0), (len + 2, 0), (255, 0), (len + 6, 5)] {
        let input = frame(
            Kind::HEADERS,
            flags::PADDED | WHOLE,
            IDLE,
            &with(pad_length, padding),
        );
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
    let both = flags::PADDED | flags::PRIORITY | WHOLE;
    expect(
        &frame(Kind::HEADERS, both, IDLE, &[1, 0, 0, 0, 0, 15]),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    for (pad_length, padding) in [(0, 0), (1, 1), (255, 255)] {
        let input = frame(
            Kind::HEADERS,
            flags::PADDED | WHOLE,
            IDLE,
            &with(pad_length, padding),
        );
        expect(&input, Fine);
    }
    let padded = [&[2, 0, 0, 0, 0, 15][..], &block(&GET), &[0, 0]].concat();
    expect(&frame(Kind::HEADERS, both, IDLE, &padded), Fine);
}
