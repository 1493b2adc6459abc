//! Section 8.4: server push.

use crate::client::*;

/// "A client cannot push. Thus, servers MUST treat the receipt of a PUSH_PROMISE frame as a connection error
/// (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn from_a_client() {
    let payload = [&[0, 0, 0, 2][..], &block(&GET)].concat();
    for stream in [OPEN, HALF_CLOSED, CLOSED, IDLE, 0] {
        let input = frame(Kind::PUSH_PROMISE, flags::END_HEADERS, stream, &payload);
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
    expect(
        &frame(Kind::PUSH_PROMISE, 0, OPEN, &[]),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}
