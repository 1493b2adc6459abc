//! Sections 6.6 and 8.4: PUSH_PROMISE and server push.

use crate::client::*;

/// Section 8.4: "A client cannot push. Thus, servers MUST treat the receipt of a PUSH_PROMISE frame as a connection error
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

/// "PUSH_PROMISE MUST NOT be sent if the SETTINGS_ENABLE_PUSH setting of the peer endpoint is set to 0." None is sent in
/// any case.
#[test]
fn none_is_sent() {
    for push in [0, 1] {
        let mut client = Client::with(Config::default(), &[(id::ENABLE_PUSH, push)]);
        client.send(&get(1));
        client.answer_file(1, 1_000);
        let frames = client.receive();
        assert!(
            frames
                .iter()
                .all(|frame| frame.header.kind != Kind::PUSH_PROMISE)
        );
        assert!(
            frames.iter().all(|frame| frame.header.stream_id == 1),
            "and no stream is ours"
        );
    }
}
