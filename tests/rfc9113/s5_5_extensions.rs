//! Section 5.5: extending HTTP/2.

use crate::client::*;

/// "Implementations MUST ignore unknown or unsupported values in all extensible protocol elements. Implementations MUST
/// discard frames that have unknown or unsupported types."
#[test]
fn unknown_values_are_ignored() {
    expect(&frame(Kind(0x0b), 0, 1_000, b"anything"), Fine);
    expect(&settings(&[(0xffff, 1), (0, 2), (0x0a0a, u32::MAX)]), Fine);
    expect(&rst_stream(OPEN, ErrorCode(0x1234_5678)), Fine);
    expect(&goaway(0, ErrorCode(0x1234_5678)), Fine);
}

/// "However, extension frames that appear in the middle of a field block (Section 4.3) are not permitted; these MUST be
/// treated as a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn unknown_frames_within_a_field_block() {
    let begun = frame(Kind::HEADERS, flags::END_STREAM, IDLE, &block(&GET));
    let more = continuation(IDLE, b"", false);
    let unknown = frame(Kind(0x16), 0, IDLE, b"");
    for input in [
        [begun.clone(), unknown.clone()],
        [[begun, more].concat(), unknown],
    ] {
        expect(&input.concat(), ConnectionError(C::PROTOCOL_ERROR));
    }
}
