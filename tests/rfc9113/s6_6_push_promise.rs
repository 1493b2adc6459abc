//! Section 6.6: PUSH_PROMISE.

use crate::client::*;

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
