//! Section 6.3: PRIORITY.

use crate::client::*;

/// "If a PRIORITY frame is received with a stream identifier of 0x00, the recipient MUST respond with a connection error
/// (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_stream_0() {
    expect(&priority(0, 1), ConnectionError(C::PROTOCOL_ERROR));
}

/// "A PRIORITY frame with a length other than 5 octets MUST be treated as a stream error (Section 5.4.2) of type
/// FRAME_SIZE_ERROR."
#[test]
fn of_a_wrong_length() {
    for len in [0, 4, 6] {
        for stream in [OPEN, HALF_CLOSED, CLOSED] {
            let input = frame(Kind::PRIORITY, 0, stream, &vec![0; len]);
            expect(&input, StreamError(stream, C::FRAME_SIZE_ERROR));
        }
        // RST_STREAM must not be sent on an idle stream (section 6.4).
        let input = frame(Kind::PRIORITY, 0, IDLE, &vec![0; len]);
        expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

/// "Sending or receiving a PRIORITY frame does not affect the state of any stream (Section 5.1)."
#[test]
fn it_begins_no_stream() {
    let mut client = Client::prepared();
    client.send(&[priority(IDLE + 20, 0), get(IDLE)].concat());
    assert!(matches!(client.events()[..], [Seen::Request(IDLE, _)]));
    client.send(&data(IDLE + 20, b"x", true));
    client.expect(ConnectionError(C::PROTOCOL_ERROR));
}
