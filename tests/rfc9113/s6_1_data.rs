//! Section 6.1: DATA.

use crate::client::*;

/// "If a DATA frame is received whose Stream Identifier field is 0x00, the recipient MUST respond with a connection
/// error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_stream_0() {
    expect(&data(0, b"x", false), ConnectionError(C::PROTOCOL_ERROR));
    expect(&data(0, b"", true), ConnectionError(C::PROTOCOL_ERROR));
}

/// "If a DATA frame is received whose stream is not in the "open" or "half-closed (local)" state, the recipient MUST
/// respond with a stream error (Section 5.4.2) of type STREAM_CLOSED."
#[test]
fn on_a_stream_that_is_not_open() {
    for stream in [HALF_CLOSED, CLOSED, RESET] {
        expect(
            &data(stream, b"x", false),
            StreamError(stream, C::STREAM_CLOSED),
        );
        expect(
            &data(stream, b"", true),
            StreamError(stream, C::STREAM_CLOSED),
        );
    }
}

/// "The entire DATA frame payload is included in flow control, including the Pad Length and Padding fields if present."
#[test]
fn padding_is_flow_controlled() {
    let mut client = Client::prepared();
    // 255 of 256 bytes are padding and its length; 65,535 fit.
    let padded = frame(
        Kind::DATA,
        flags::PADDED,
        OPEN,
        &[&[254][..], &[0; 255]].concat(),
    );
    for _ in 0..255 {
        client.send(&padded);
    }
    // What was received is given back at half of the window: so much at least comes back, or it would be a violation.
    let given = client
        .receive()
        .iter()
        .filter(|f| f.is(Kind::WINDOW_UPDATE, OPEN))
        .map(|f| f.number(0))
        .sum::<u32>();
    assert!(given >= 32_767, "{given}");
    let mut client = Client::prepared();
    let all = [&[255][..], &[0; 16_383]].concat();
    for _ in 0..3 {
        client.send(&frame(Kind::DATA, flags::PADDED, OPEN, &all));
    }
    client.send(&frame(Kind::DATA, flags::PADDED, OPEN, &all));
    client.expect(StreamError(OPEN, C::FLOW_CONTROL_ERROR));
}

/// "If the length of the padding is the length of the frame payload or greater, the recipient MUST treat this as a
/// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn padding_that_is_too_long() {
    for payload in [&[1][..], &[2, 0], &[255, 0, 0], &[5, 1, 2, 3, 4]] {
        for stream in [OPEN, HALF_CLOSED, CLOSED] {
            let input = frame(Kind::DATA, flags::PADDED, stream, payload);
            expect(&input, ConnectionError(C::PROTOCOL_ERROR));
        }
    }
    for payload in [&[0][..], &[1, 0], &[4, 1, 2, 3, 4]] {
        expect(&frame(Kind::DATA, flags::PADDED, OPEN, payload), Fine);
    }
}

/// Section 4.2: a frame that "is too small to contain mandatory frame data" is a frame size error.
#[test]
fn without_its_pad_length() {
    let input = frame(Kind::DATA, flags::PADDED, OPEN, &[]);
    expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
}

/// "Data: Application data. The amount of data is the remainder of the frame payload after subtracting the length of the
/// other fields that are present."
#[test]
fn padding_is_no_data() {
    let mut client = Client::prepared();
    client.send(&frame(
        Kind::DATA,
        flags::PADDED,
        OPEN,
        &[2, b'a', b'b', 0, 0],
    ));
    client.send(&frame(
        Kind::DATA,
        flags::PADDED | flags::END_STREAM,
        OPEN,
        &[0, b'c'],
    ));
    assert_eq!(client.events(), [Seen::Data(OPEN, b"abc".to_vec(), true)]);
}
