//! Section 7: error codes.

use crate::client::*;

/// "Unknown or unsupported error codes MUST NOT trigger any special behavior."
#[test]
fn unknown_codes() {
    for code in [0xe, 0xff, u32::MAX].map(ErrorCode) {
        expect(&goaway(0, code), Fine);
        for stream in [OPEN, HALF_CLOSED, CLOSED] {
            expect(&rst_stream(stream, code), Fine);
        }
    }
    let mut client = Client::prepared();
    client.send(&rst_stream(OPEN, ErrorCode(0xff)));
    assert_eq!(client.events(), [Seen::Reset(OPEN, ErrorCode(0xff))]);
}
