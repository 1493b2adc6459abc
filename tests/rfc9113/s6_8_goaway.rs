//! Section 6.8: GOAWAY.

use crate::client::*;

/// "An endpoint MUST treat a GOAWAY frame with a stream identifier other than 0x00 as a connection error (Section 5.4.1)
/// of type PROTOCOL_ERROR."
#[test]
fn on_a_stream() {
    for stream in [OPEN, IDLE] {
        let input = frame(Kind::GOAWAY, 0, stream, &[0; 8]);
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// Section 4.2: a frame that "is too small to contain mandatory frame data" is a frame size error.
#[test]
fn that_is_too_short() {
    for len in [0, 4, 7] {
        expect(
            &frame(Kind::GOAWAY, 0, 0, &vec![0; len]),
            ConnectionError(C::FRAME_SIZE_ERROR),
        );
    }
}

/// "Activity on streams numbered lower than or equal to the last stream identifier might still complete successfully."
/// A client's GOAWAY is about streams of ours, of which there are none: its own go on.
#[test]
fn from_a_client() {
    let mut client = Client::prepared();
    let debug = [&[0; 8][..], b"debug data"].concat();
    client.send(&frame(Kind::GOAWAY, 0, 0, &debug));
    client.send(&goaway(MOST, C::NO_ERROR));
    client.answer_file(HALF_CLOSED, 100);
    assert_eq!(data_lengths(&client.receive(), HALF_CLOSED), [100]);
    client.send(&ping([1; 8]));
    assert!(client.receive()[0].is(Kind::PING, 0));
}

/// "A server that is attempting to gracefully shut down a connection SHOULD send an initial GOAWAY frame with the last
/// stream identifier set to 2^31-1 and a NO_ERROR code. [...] After allowing time for any in-flight stream creation (at
/// least one round-trip time), the server MAY send another GOAWAY frame with an updated last stream identifier."
#[test]
fn a_graceful_shutdown() {
    let mut client = Client::prepared();
    client.answers_pings = false;
    client.shutdown();
    let frames = client.receive();
    assert!(frames[0].is(Kind::GOAWAY, 0) && frames[1].is(Kind::PING, 0));
    assert_eq!((frames[0].number(0), frames[0].number(4)), (MOST, 0));
    // In flight: served.
    client.send(&get(IDLE));
    client.send(&frame(Kind::PING, flags::ACK, 0, &frames[1].payload));
    let frames = client.receive();
    assert!(frames[0].is(Kind::GOAWAY, 0));
    assert_eq!((frames[0].number(0), frames[0].number(4)), (IDLE, 0));
    assert!(!client.is_done());
    for stream in [IDLE, HALF_CLOSED, OPEN] {
        client.answer_file(stream, 10);
        assert_eq!(data_lengths(&client.receive(), stream), [10]);
    }
    assert!(client.is_done());
}

/// A client after the second GOAWAY of a shutdown, whose last stream is [`IDLE`].
fn shut_down() -> Client {
    let mut client = Client::prepared();
    client.send(&post(IDLE));
    client.shutdown();
    client.receive();
    client.events();
    client
}

/// "After sending a GOAWAY frame, the sender can discard frames for streams initiated by the receiver with identifiers
/// higher than the identified last stream."
#[test]
fn streams_after_it_are_ignored() {
    let mut client = shut_down();
    let late = [
        post(IDLE + 2),
        data(IDLE + 2, b"x", true),
        window_update(IDLE + 2, 1),
        get(IDLE + 4),
        rst_stream(IDLE + 4, C::CANCEL),
    ];
    client.send(&late.concat());
    assert_eq!((client.events(), client.receive()), (vec![], vec![]));
}

/// "However, any frames that alter connection state cannot be completely ignored. For instance, HEADERS, PUSH_PROMISE,
/// and CONTINUATION frames MUST be minimally processed to ensure that the state maintained for field section compression
/// is consistent (see Section 4.3); similarly, DATA frames MUST be counted toward the connection flow-control window."
#[test]
fn streams_after_it_alter_the_connection() {
    let mut client = shut_down();
    let adds = [&block(&POST)[..], b"\x40\x01x\x01y"].concat();
    client.send(&raw_headers(IDLE + 2, &adds, false));
    client.send(&raw_headers(IDLE, b"\xbe", true));
    let fields = vec![("x".to_owned(), "y".to_owned())];
    assert_eq!(client.events(), [Seen::Trailers(IDLE, fields)]);
    let mut given = 0;
    for _ in 0..20 {
        client.send(&data(IDLE + 2, &[0; 16_000], false));
        given += client
            .receive()
            .iter()
            .filter(|f| f.is(Kind::WINDOW_UPDATE, 0))
            .map(|f| f.number(0))
            .sum::<u32>();
    }
    assert!(given >= 131_072, "{given}");
    client.send(&raw_headers(IDLE + 4, b"\x80", true));
    assert_eq!(client.outcome(), ConnectionError(C::COMPRESSION_ERROR));
}

/// "Endpoints MUST NOT increase the value they send in the last stream identifier".
#[test]
fn the_last_stream_never_increases() {
    let mut client = Client::prepared();
    client.shutdown();
    let mut frames = client.receive();
    client.send(&[get(IDLE), get(IDLE + 2)].concat());
    client.shutdown();
    client.send(&window_update(0, 0));
    frames.extend(client.receive());
    let last: Vec<u32> = frames
        .iter()
        .filter(|f| f.is(Kind::GOAWAY, 0))
        .map(|f| f.number(0))
        .collect();
    assert_eq!(last, [MOST, RESET, RESET]);
}

/// Section 8.7: "a GOAWAY frame MUST include a stream identifier that is greater than or equal to the given stream
/// identifier" of any stream of which frames were passed to the application.
#[test]
fn the_last_stream_covers_what_was_delivered() {
    let mut client = Client::prepared();
    client.send(
        &[
            get(IDLE),
            headers(IDLE + 2, &[METHOD], true),
            window_update(0, 0),
        ]
        .concat(),
    );
    assert!(matches!(client.events()[..], [Seen::Request(IDLE, _)]));
    let frames = client.receive();
    assert!(frames.last().unwrap().number(0) >= IDLE);
}
