//! Section 5.2: flow control.

use crate::client::*;

/// Section 5.2.1: "A sender MUST respect flow-control limits imposed by a receiver." "The initial value for the
/// flow-control window is 65,535 octets for both new streams and the overall connection."
#[test]
fn the_initial_windows() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 100_000);
    let sent = data_lengths(&client.receive(), HALF_CLOSED);
    assert_eq!(sent.iter().sum::<u32>(), 65_535);
    client.send(&window_update(HALF_CLOSED, 1_000));
    assert_eq!(client.receive(), [], "the connection's window is used up");
    client.send(&window_update(0, 999));
    assert_eq!(data_lengths(&client.receive(), HALF_CLOSED), [999]);
    client.send(&window_update(0, 100_000));
    assert_eq!(data_lengths(&client.receive(), HALF_CLOSED), [1]);
}

/// Section 5.2.1: "Of the frames specified in this document, only DATA frames are subject to flow control; all other
/// frame types do not consume space in the advertised flow-control window. This ensures that important control frames
/// are not blocked by flow control."
#[test]
fn only_data_is_blocked() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 100_000);
    client.receive();
    client.send(&[ping([3; 8]), settings(&[]), get(IDLE)].concat());
    client.answer(IDLE, Body::Empty);
    let kinds: Vec<_> = client
        .receive()
        .iter()
        .map(|frame| frame.header.kind)
        .collect();
    assert_eq!(kinds, [Kind::PING, Kind::SETTINGS, Kind::HEADERS]);
}

/// As above, in the other direction: field blocks and padding of HEADERS take nothing out of our windows.
#[test]
fn headers_take_nothing_out_of_our_windows() {
    let mut client = Client::prepared();
    let padded = [&[255][..], &block(&GET), &[0; 255]].concat();
    for n in 0..200 {
        let stream = IDLE + 2 * n;
        client.send(&frame(
            Kind::HEADERS,
            flags::PADDED | WHOLE,
            stream,
            &padded,
        ));
        client.send(&rst_stream(stream, C::CANCEL));
    }
    assert_eq!(client.receive(), []);
    client.send(&data(OPEN, &[0; 16_000], false));
    client.expect(Fine);
}

/// Section 5.2.1: flow control "is credit-based": what a client sends beyond what we advertised is a violation.
#[test]
fn data_beyond_our_windows() {
    let config = Config {
        initial_window_size: 100_000,
        connection_window: 65_535,
        ..Config::default()
    };
    // The stream's window is 65,535 until the client has our SETTINGS, then larger; the connection's is 65,535.
    let mut client = Client::with(config, &[]);
    client.send(&post(1));
    client.answers_pings = false;
    for _ in 0..4 {
        client.send(&data(1, &[0; 16_383], false));
    }
    client.send(&data(1, &[0; 4], false));
    client.expect(ConnectionError(C::FLOW_CONTROL_ERROR));

    // The connection's is larger: the stream's ends first.
    let mut client = Client::prepared();
    for _ in 0..4 {
        client.send(&data(OPEN, &[0; 16_383], false));
    }
    client.send(&data(OPEN, &[0; 4], false));
    client.expect(StreamError(OPEN, C::FLOW_CONTROL_ERROR));
}

/// Section 5.2.2: "Endpoints MUST read and process HTTP/2 frames from the TCP receive buffer as soon as data is
/// available." Nothing that waits to be sent keeps a frame from being acted upon.
#[test]
fn frames_are_processed_while_answers_wait() {
    let mut client = Client::prepared();
    client.answer_file(HALF_CLOSED, 1 << 20);
    let first = data_lengths(&client.receive(), HALF_CLOSED)
        .iter()
        .sum::<u32>();
    client.send(
        &[
            window_update(0, 1 << 21),
            window_update(HALF_CLOSED, 1 << 21),
        ]
        .concat(),
    );
    let rest = data_lengths(&client.receive(), HALF_CLOSED)
        .iter()
        .sum::<u32>();
    assert_eq!(first + rest, 1 << 20);
}
