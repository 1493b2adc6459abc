//! Section 5.3: prioritization, which is that of RFC 9218 here.

use crate::client::*;

/// Section 5.3.2: "some of the mandatory handling is retained to ensure that implementations of this document remain
/// interoperable with implementations that use the priority signaling described in RFC 7540."
#[test]
fn priorities_of_rfc_7540_are_accepted() {
    for (exclusive, weight) in [(0, 0), (0x80, 255)] {
        let payload = [exclusive, 0, 0, 3, weight];
        expect(&frame(Kind::PRIORITY, 0, IDLE, &payload), Fine);
        expect(&frame(Kind::PRIORITY, 0, OPEN, &payload), Fine);
        let headers = [&payload[..], &block(&GET)].concat();
        expect(
            &frame(Kind::HEADERS, flags::PRIORITY | WHOLE, IDLE, &headers),
            Fine,
        );
    }
}

/// RFC 7540, section 5.3.1: "A stream cannot depend on itself. An endpoint MUST treat this as a stream error (Section
/// 5.4.2) of type PROTOCOL_ERROR."
#[test]
fn a_priority_frame_of_a_stream_that_depends_on_itself() {
    for stream in [OPEN, HALF_CLOSED, CLOSED] {
        expect(
            &priority(stream, stream),
            StreamError(stream, C::PROTOCOL_ERROR),
        );
    }
    // RST_STREAM must not be sent on an idle stream (section 6.4).
    expect(&priority(IDLE, IDLE), ConnectionError(C::PROTOCOL_ERROR));
}

/// As above, in HEADERS: a request and trailers. The field block is decompressed.
#[test]
fn headers_of_a_stream_that_depends_on_itself() {
    for (stream, fields) in [(IDLE, &GET[..]), (OPEN, &[("x-sum", "1")])] {
        let payload = [&stream.to_be_bytes()[..], &[15], &block(fields)].concat();
        let input = frame(Kind::HEADERS, flags::PRIORITY | WHOLE, stream, &payload);
        expect(&input, StreamError(stream, C::PROTOCOL_ERROR));
    }
}
