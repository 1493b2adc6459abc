//! What violates the protocol, and what that ends.

use super::*;
use ErrorCode as C;

/// What became of a violation.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Connection(ErrorCode),
    Stream(StreamId, ErrorCode),
    Ignored,
}

fn outcome(client: &mut Client) -> Outcome {
    let frames = client.frames();
    for frame in &frames {
        if frame.header.kind == Kind::GOAWAY {
            assert!(client.core.is_done() && client.core.error().is_some());
            return Outcome::Connection(Goaway::parse(&frame.payload).unwrap().code);
        }
    }
    assert!(client.core.error().is_none());
    let reset = frames
        .iter()
        .find(|frame| frame.header.kind == Kind::RST_STREAM);
    reset.map_or(Outcome::Ignored, |frame| {
        Outcome::Stream(
            frame.header.stream_id,
            super::super::frame::parse_rst_stream(&frame.payload).unwrap(),
        )
    })
}

/// On a connection on which stream 1 is open, 3 was closed by END_STREAM on both sides, 5 is half-closed (remote),
/// 7 was reset by the client, and 9 by us without the client knowing.
fn prepared() -> Client {
    let mut client = Client::new();
    client.feed(&headers(1, &POST, false));
    client.feed(&get(3));
    client.core.respond(3, empty());
    client.feed(&get(5));
    client.feed(&headers(7, &POST, false));
    client.feed(&rst_stream(7, C::CANCEL));
    client.frames();
    client
}

fn check(input: &[u8], expected: Outcome) {
    let mut client = prepared();
    client.feed(input);
    assert_eq!(outcome(&mut client), expected, "{input:?}");
    if !matches!(expected, Outcome::Connection(_)) {
        assert!(client.works(101), "the connection goes on after {input:?}");
    }
}

#[test]
fn frames_by_state_of_their_stream() {
    use Outcome::{Connection, Ignored, Stream};
    // Idle.
    check(&data(11, b"x", true), Connection(C::PROTOCOL_ERROR));
    check(&rst_stream(11, C::CANCEL), Connection(C::PROTOCOL_ERROR));
    check(&window_update(11, 1), Connection(C::PROTOCOL_ERROR));
    check(&frame(Kind::PRIORITY, 0, 11, &[0, 0, 0, 1, 1]), Ignored);
    check(
        &frame(Kind::CONTINUATION, flags::END_HEADERS, 11, b""),
        Connection(C::PROTOCOL_ERROR),
    );
    // Even streams are idle forever.
    check(&headers(12, &GET, true), Connection(C::PROTOCOL_ERROR));
    check(&window_update(2, 1), Connection(C::PROTOCOL_ERROR));
    check(&data(2, b"", true), Connection(C::PROTOCOL_ERROR));
    // Open.
    check(
        &headers(1, &[("x", "y")], false),
        Stream(1, C::PROTOCOL_ERROR),
    );
    check(
        &frame(Kind::PUSH_PROMISE, flags::END_HEADERS, 1, &[0, 0, 0, 2]),
        Connection(C::PROTOCOL_ERROR),
    );
    // Half-closed (remote).
    check(&data(5, b"x", false), Stream(5, C::STREAM_CLOSED));
    check(&headers(5, &GET, true), Stream(5, C::STREAM_CLOSED));
    check(&window_update(5, 1), Ignored);
    check(&frame(Kind::PRIORITY, 0, 5, &[0, 0, 0, 1, 1]), Ignored);
    // Closed by END_STREAM, or by the client's RST_STREAM.
    for closed in [3, 7] {
        check(&data(closed, b"x", false), Stream(closed, C::STREAM_CLOSED));
        check(&headers(closed, &GET, true), Connection(C::STREAM_CLOSED));
        check(&window_update(closed, 1), Ignored);
        check(&rst_stream(closed, C::CANCEL), Ignored);
        check(&frame(Kind::PRIORITY, 0, closed, &[0, 0, 0, 1, 1]), Ignored);
    }
}

#[test]
fn an_identifier_that_was_skipped_is_not_begun_later() {
    let mut client = prepared();
    client.feed(&get(21));
    client.feed(&get(13));
    assert_eq!(outcome(&mut client), Outcome::Connection(C::PROTOCOL_ERROR));
}

#[test]
fn windows() {
    use Outcome::{Connection, Stream};
    check(&window_update(0, 0), Connection(C::PROTOCOL_ERROR));
    check(&window_update(5, 0), Stream(5, C::PROTOCOL_ERROR));
    check(
        &window_update(0, (1 << 31) - 1),
        Connection(C::FLOW_CONTROL_ERROR),
    );
    check(
        &window_update(5, (1 << 31) - 1),
        Stream(5, C::FLOW_CONTROL_ERROR),
    );
    let size = super::super::settings::id::INITIAL_WINDOW_SIZE;
    let overflow = [
        window_update(5, (1 << 31) - 1 - 65_535),
        settings(&[(size, 65_536)]),
    ]
    .concat();
    check(&overflow, Connection(C::FLOW_CONTROL_ERROR));
    check(
        &settings(&[(size, 1 << 31)]),
        Connection(C::FLOW_CONTROL_ERROR),
    );
}

#[test]
fn padding_and_sizes() {
    use Outcome::{Connection, Stream};
    check(
        &frame(Kind::DATA, flags::PADDED, 1, &[1]),
        Connection(C::PROTOCOL_ERROR),
    );
    check(
        &frame(Kind::DATA, flags::PADDED, 1, &[]),
        Connection(C::FRAME_SIZE_ERROR),
    );
    check(
        &frame(Kind::HEADERS, flags::PADDED | flags::END_HEADERS, 11, &[1]),
        Connection(C::PROTOCOL_ERROR),
    );
    check(
        &frame(Kind::PRIORITY, 0, 1, &[0; 4]),
        Stream(1, C::FRAME_SIZE_ERROR),
    );
    check(
        &frame(Kind::PRIORITY, 0, 11, &[0; 4]),
        Connection(C::FRAME_SIZE_ERROR),
    );
    check(
        &frame(Kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
        Stream(1, C::PROTOCOL_ERROR),
    );
    check(
        &frame(Kind::PRIORITY, 0, 11, &[0, 0, 0, 11, 0]),
        Connection(C::PROTOCOL_ERROR),
    );
    check(
        &frame(Kind::SETTINGS, 0, 0, &[0; 5]),
        Connection(C::FRAME_SIZE_ERROR),
    );
    check(
        &frame(Kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 0]),
        Connection(C::PROTOCOL_ERROR),
    );
    check(
        &frame(Kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 2]),
        Connection(C::PROTOCOL_ERROR),
    );
    let too_large = FrameHeader {
        length: 16_385,
        kind: Kind::DATA,
        flags: 0,
        stream_id: 1,
    };
    check(&too_large.to_bytes(), Connection(C::FRAME_SIZE_ERROR));
}

#[test]
fn field_blocks_are_not_interrupted() {
    use Outcome::Connection;
    let begun = frame(Kind::HEADERS, 0, 11, &block(&GET));
    for other in [
        data(1, b"", false),
        get(13),
        frame(Kind::PING, 0, 0, &[0; 8]),
        frame(Kind::CONTINUATION, flags::END_HEADERS, 1, b""),
        frame(Kind(0xcc), 0, 0, b""),
        frame(Kind::PRIORITY, 0, 1, &[0; 4]),
    ] {
        check(
            &[begun.clone(), other].concat(),
            Connection(C::PROTOCOL_ERROR),
        );
    }
    check(
        &frame(Kind::HEADERS, flags::END_HEADERS, 11, &[0x80]),
        Connection(C::COMPRESSION_ERROR),
    );
}

#[test]
fn the_preface_comes_first() {
    for input in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t",
    ] {
        let mut client = Client::raw(Config::default());
        client.feed(input);
        let frames = client.frames();
        assert_eq!(frames[0].header.kind, Kind::SETTINGS);
        assert_eq!(frames[1].header.kind, Kind::GOAWAY);
        assert!(client.core.is_done());
    }
    for input in [
        get(1),
        frame(Kind::SETTINGS, flags::ACK, 0, &[]),
        frame(Kind(0xaa), 0, 0, &[]),
    ] {
        let mut client = Client::raw(Config::default());
        client.feed(super::super::limits::PREFACE);
        client.feed(&input);
        assert_eq!(client.goaway(), Some(C::PROTOCOL_ERROR));
    }
}

#[test]
fn nothing_is_heard_after_an_error() {
    let mut client = prepared();
    client.events();
    client.feed(&[window_update(0, 0), get(11)].concat());
    client.feed(&get(13));
    client.core.respond(5, empty());
    assert_eq!(client.events(), []);
    assert_eq!(client.goaway(), Some(C::PROTOCOL_ERROR));
    assert_eq!(client.core.open_streams(), 0);
}

#[test]
fn what_was_sent_before_a_reset_was_known_is_absorbed() {
    let mut client = prepared();
    client.answers_pings = false;
    client.core.reset(1, C::CANCEL);
    let frames = client.frames();
    assert_eq!(frames[0].header.kind, Kind::RST_STREAM);
    assert_eq!(frames[1].header.kind, Kind::PING);
    let late = [
        data(1, &[0; 10_000], false),
        headers(1, &[("x", "y")], true),
        window_update(1, 1),
        rst_stream(1, C::CANCEL),
    ];
    client.feed(&late.concat());
    assert_eq!(client.frames(), []);
    // 10,000 bytes of each of these are credited to the connection, which has a window of 262,144.
    for _ in 0..50 {
        client.feed(&data(1, &[0; 10_000], false));
        client.frames();
    }
    assert_eq!(client.core.error(), None);
    client.feed(&super::super::frame::ping(
        frames[1].payload[..].try_into().unwrap(),
        true,
    ));
    client.feed(&headers(1, &[("x", "y")], true));
    assert_eq!(client.goaway(), Some(C::STREAM_CLOSED));
}

#[test]
fn streams_that_we_reset_count_until_the_client_knows() {
    let mut client = Client::with(
        Config {
            max_concurrent_streams: 2,
            ..Config::default()
        },
        &[],
    );
    client.answers_pings = false;
    client.feed(&[get(1), get(3), get(5)].concat());
    assert_eq!(client.resets(5), [C::REFUSED_STREAM]);
    client.core.reset(1, C::CANCEL);
    client.feed(&get(7));
    assert_eq!(client.resets(7), [C::REFUSED_STREAM]);
    // The PING after the first reset, then the one after those that followed.
    for _ in 0..2 {
        client.feed(&super::super::frame::ping(
            super::super::control::RESET_PING,
            true,
        ));
        client.frames();
    }
    assert!(client.works(9));
}

#[test]
fn an_answer_before_the_request_has_ended() {
    let mut client = prepared();
    let long = [POST.as_slice(), &[("content-length", "1000000")]].concat();
    client.feed(&headers(11, &long, false));
    client.core.respond(11, bytes(5));
    let frames = client.frames();
    assert!(body_of(&frames, 11).1);
    let reset = frames
        .iter()
        .position(|frame| frame.header.kind == Kind::RST_STREAM)
        .unwrap();
    assert_eq!(
        frames[reset],
        Frame {
            header: FrameHeader {
                length: 4,
                kind: Kind::RST_STREAM,
                flags: 0,
                stream_id: 11
            },
            payload: vec![0; 4],
        }
    );
    assert!(
        frames[..reset]
            .iter()
            .any(|frame| frame.header.has(flags::END_STREAM))
    );
    assert_eq!(client.core.open_streams(), 2);
}

#[test]
fn content_length_is_what_is_sent() {
    let length = |length| [POST.as_slice(), &[("content-length", length)]].concat();
    type Case = (&'static str, &'static [(usize, bool)], bool);
    let cases: [Case; 7] = [
        ("3", &[(3, true)], true),
        ("3", &[(1, false), (2, true)], true),
        ("3", &[(3, false), (0, true)], true),
        ("3", &[(4, false)], false),
        ("3", &[(2, true)], false),
        ("3", &[(3, false), (1, true)], false),
        ("0", &[(0, true)], true),
    ];
    for (said, sent, good) in cases {
        let mut client = Client::new();
        client.feed(&headers(1, &length(said), false));
        sent.iter()
            .for_each(|(len, end)| client.feed(&data(1, &vec![0; *len], *end)));
        let expected: &[C] = if good { &[] } else { &[C::PROTOCOL_ERROR] };
        assert_eq!(client.resets(1), expected, "{said} {sent:?}");
        assert!(client.works(3));
    }
    let mut client = Client::new();
    client.feed(&headers(1, &length("5"), true));
    client.feed(&headers(3, &length("5"), false));
    client.feed(&data(3, b"1234", false));
    client.feed(&headers(3, &[("x", "y")], true));
    let mut resets = client.frames();
    resets.retain(|frame| frame.header.kind == Kind::RST_STREAM);
    assert_eq!(resets.len(), 2);
}

#[test]
fn timeouts() {
    let second = 1_000_000_000;
    let mut client = Client::raw(Config::default());
    client.core.handle_timeout(10 * second - 1);
    assert_eq!(client.core.error(), None);
    client.core.handle_timeout(10 * second);
    assert_eq!(client.goaway(), Some(C::PROTOCOL_ERROR));

    let mut client = Client::raw(Config::default());
    client.feed(&[super::super::limits::PREFACE, &settings(&[])[..]].concat());
    assert_eq!(client.core.poll_timeout(), Some(30 * second));
    client.core.handle_timeout(30 * second);
    assert_eq!(client.goaway(), Some(C::SETTINGS_TIMEOUT));

    // What is still on its way cannot be acknowledged.
    let mut client = Client::raw(Config::default());
    client.feed(&[super::super::limits::PREFACE, &settings(&[])[..]].concat());
    for (at, all, until) in [(20, false, 50), (25, true, 55), (40, true, 55)] {
        client.core.note_drained(1, all, true, at * second);
        assert_eq!(client.core.poll_timeout(), Some(until * second));
    }
    client.core.handle_timeout(55 * second);
    assert_eq!(client.goaway(), Some(C::SETTINGS_TIMEOUT));

    // A field block that never ends, although something comes now and then.
    let mut client = Client::new();
    client.feed(&frame(Kind::HEADERS, 0, 1, &[]));
    for n in 0..20 {
        client.now_ns = n * second;
        client.core.handle_timeout(client.now_ns);
        client.feed(&frame(Kind::CONTINUATION, 0, 1, &[]));
        assert_eq!(client.core.error(), None);
    }
    client.core.handle_timeout(20 * second);
    assert_eq!(client.goaway(), Some(C::ENHANCE_YOUR_CALM));
}
