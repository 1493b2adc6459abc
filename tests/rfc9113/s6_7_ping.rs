//! Section 6.7: PING.

use crate::client::*;

/// "Receivers of a PING frame that does not include an ACK flag MUST send a PING frame with the ACK flag set in response,
/// with an identical frame payload."
#[test]
fn it_is_answered() {
    let mut client = Client::prepared();
    client.send(&[ping(*b"identity"), ping([0xff; 8])].concat());
    let frames = client.receive();
    assert_eq!(frames.len(), 2);
    for (frame, payload) in frames.iter().zip([b"identity", &[0xff; 8]]) {
        assert!(frame.is(Kind::PING, 0) && frame.header.flags == flags::ACK);
        assert_eq!(frame.payload, payload);
    }
}

/// "PING responses SHOULD be given higher priority than any other frame."
#[test]
fn its_answer_comes_before_data() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 50_000);
    client.send(&ping([1; 8]));
    assert!(client.receive()[0].is(Kind::PING, 0));
}

/// "An endpoint MUST NOT respond to PING frames containing this flag."
#[test]
fn an_answer_is_not_answered() {
    let mut client = Client::prepared();
    client.send(&frame(Kind::PING, flags::ACK, 0, b"whatever"));
    assert_eq!(client.receive(), []);
    client.expect(Fine);
}

/// "If a PING frame is received with a Stream Identifier field value other than 0x00, the recipient MUST respond with a
/// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn on_a_stream() {
    for stream in [OPEN, CLOSED, IDLE, 2] {
        expect(
            &frame(Kind::PING, 0, stream, &[0; 8]),
            ConnectionError(C::PROTOCOL_ERROR),
        );
    }
}

/// "Receipt of a PING frame with a length field value other than 8 MUST be treated as a connection error (Section 5.4.1)
/// of type FRAME_SIZE_ERROR."
#[test]
fn of_a_wrong_length() {
    for len in [0, 6, 7, 9, 16] {
        for flags in [0, flags::ACK] {
            let input = frame(Kind::PING, flags, 0, &vec![0; len]);
            expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
        }
    }
}
