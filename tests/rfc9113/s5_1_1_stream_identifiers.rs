//! Section 5.1.1: stream identifiers.

use crate::client::*;

/// "Streams initiated by a client MUST use odd-numbered stream identifiers". "An endpoint that receives an unexpected
/// stream identifier MUST respond with a connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn even_identifiers() {
    expect(&get(2), ConnectionError(C::PROTOCOL_ERROR));
    expect(&get(IDLE + 1), ConnectionError(C::PROTOCOL_ERROR));
    expect(
        &frame(Kind::HEADERS, 0, IDLE + 1, &[]),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}

/// "The identifier of a newly established stream MUST be numerically greater than all streams that the initiating
/// endpoint has opened or reserved. [...] An endpoint that receives an unexpected stream identifier MUST respond with a
/// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
#[test]
fn decreasing_identifiers() {
    let up = get(IDLE + 20);
    expect(
        &[up.clone(), get(IDLE)].concat(),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    expect(
        &[up, post(IDLE + 18)].concat(),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    // Also when it was begun and ended at once.
    let mut client = Client::prepared();
    client.send(&get(IDLE + 20));
    client.answer(IDLE + 20, Body::Empty);
    client.receive();
    client.send(&get(IDLE));
    client.expect(ConnectionError(C::PROTOCOL_ERROR));
}

/// As above, while frames of a stream that we reset are still absorbed.
#[test]
fn decreasing_identifiers_after_a_reset() {
    for reset in [IDLE + 20, OPEN] {
        let mut client = Client::prepared();
        client.answers_pings = false;
        client.send(&headers(IDLE + 20, &GET, false));
        client.reset(reset, C::CANCEL);
        client.receive();
        client.send(&get(IDLE));
        client.expect(ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// "an endpoint may skip a stream identifier, with the effect being that the skipped stream is immediately closed."
#[test]
fn skipped_identifiers_are_closed() {
    let skipped = |input| [get(IDLE + 20), input].concat();
    expect(
        &skipped(data(IDLE, b"x", true)),
        StreamError(IDLE, C::STREAM_CLOSED),
    );
    expect(&skipped(window_update(IDLE, 1)), Fine);
    expect(&skipped(rst_stream(IDLE, C::CANCEL)), Fine);
}

/// "Streams are identified by an unsigned 31-bit integer." The largest is one like the others.
#[test]
fn the_largest_identifier() {
    let mut client = Client::prepared();
    assert!(client.works(MOST));
    client.send(&get(IDLE));
    assert_eq!(client.outcome(), ConnectionError(C::PROTOCOL_ERROR));
}
