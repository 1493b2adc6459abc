//! What a server must not do.

use super::*;
use crate::h2::error::{ConnectionError as C, StreamError as S};
use crate::h2::settings::id;

/// Responses that are malformed: the stream ends, the connection goes on (section 8.1.1).
#[test]
fn malformed_responses_end_their_stream() {
    let ok = (":status", "200");
    type Fields<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Fields<'_>, bool, S)] = &[
        (&[], true, S::Status),
        (&[("a", "b")], true, S::Status),
        (&[(":status", "20")], true, S::Status),
        (&[(":status", "2000")], true, S::Status),
        (&[(":status", "abc")], true, S::Status),
        (&[(":status", "020")], true, S::Status),
        (&[(":status", "101")], false, S::Status),
        (&[(":status", "103")], true, S::InformationalEnd),
        (&[ok, ok], true, S::RepeatedPseudoField),
        (&[("a", "b"), ok], true, S::MisplacedPseudoField),
        (&[ok, (":path", "/")], true, S::UnknownPseudoField),
        (&[ok, ("Upper", "b")], true, S::FieldName),
        (&[ok, ("a", "b\r\nc: d")], true, S::FieldValue),
        (&[ok, ("a", " b")], true, S::FieldValue),
        (&[ok, ("connection", "close")], true, S::ConnectionField),
        (
            &[ok, ("transfer-encoding", "chunked")],
            false,
            S::ConnectionField,
        ),
        (&[ok, ("content-length", "x")], false, S::ContentLength),
        (
            &[ok, ("content-length", "1"), ("content-length", "2")],
            false,
            S::ContentLength,
        ),
        (
            &[ok, ("content-length", "1")],
            true,
            S::ContentLengthMismatch,
        ),
    ];
    let mut told = Told::new();
    for (fields, end, error) in cases {
        let stream = told.core.request(get("/")).unwrap();
        told.frames();
        let seen = told.feed(&headers(stream, fields, *end));
        let reset = Seen::Reset(stream, error.code(), false);
        assert_eq!(seen, [reset], "{error:?}");
        assert_eq!(told.resets(), [(stream, error.code())]);
    }
    assert!(told.works());
}

#[test]
fn content_and_trailers_that_are_malformed_end_their_stream() {
    let ok = |stream, length| {
        let fields = [(":status", "200"), ("content-length", length)];
        headers(stream, &fields, false)
    };
    let plain = |stream| headers(stream, &[(":status", "200")], false);
    type Wire = fn(StreamId) -> Vec<u8>;
    let cases: [(Wire, S); 7] = [
        (|s| data(s, b"x", true), S::DataBeforeResponse),
        (|s| data(s, b"x", true), S::ContentLengthMismatch),
        (|s| data(s, b"xyz", false), S::ContentLengthMismatch),
        (
            |s| headers(s, &[("a", "b")], true),
            S::ContentLengthMismatch,
        ),
        (|s| headers(s, &[("a", "b")], false), S::TrailersWithoutEnd),
        (
            |s| headers(s, &[(":status", "200")], true),
            S::PseudoFieldInTrailers,
        ),
        (
            |s| crate::h2::frame::window_update(s, 0).to_vec(),
            S::ZeroIncrement,
        ),
    ];
    let mut told = Told::new();
    for (n, (wire, error)) in cases.into_iter().enumerate() {
        let stream = told.core.request(get("/")).unwrap();
        told.frames();
        match n {
            0 => {}
            1..4 => drop(told.feed(&ok(stream, "2"))),
            _ => drop(told.feed(&plain(stream))),
        }
        let seen = told.feed(&wire(stream));
        let seen: Vec<_> = seen
            .into_iter()
            .filter(|seen| matches!(seen, Seen::Reset(..)))
            .collect();
        assert_eq!(seen, [Seen::Reset(stream, error.code(), false)], "{n}");
        assert_eq!(told.resets(), [(stream, error.code())], "{n}");
    }
    assert!(told.works());
}

#[test]
fn violations_that_end_the_connection() {
    let most = (1 << 31) - 1;
    let update = |stream, increment| crate::h2::frame::window_update(stream, increment).to_vec();
    let cases: Vec<(Vec<u8>, C)> = vec![
        (
            frame(Kind::PUSH_PROMISE, flags::END_HEADERS, 1, &[0, 0, 0, 2]),
            C::PushDisabled,
        ),
        (settings(&[(id::ENABLE_PUSH, 1)]), C::PushDisabled),
        (settings(&[(id::ENABLE_PUSH, 2)]), C::EnablePush),
        (settings(&[(id::MAX_FRAME_SIZE, 1)]), C::MaxFrameSize),
        (
            frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"),
            C::PriorityUpdateFromServer,
        ),
        // Streams that we have not begun, and those that only a server that pushes begins.
        (headers(3, &[(":status", "200")], true), C::IdleStream),
        (headers(2, &[(":status", "200")], true), C::IdleStream),
        (data(3, b"x", true), C::IdleStream),
        (update(3, 1), C::IdleStream),
        (frame(Kind::RST_STREAM, 0, 3, &[0; 4]), C::IdleStream),
        (update(0, 0), C::ZeroIncrement),
        (update(0, most), C::WindowOverflow),
        (
            frame(Kind::HEADERS, 0, 1, &[])
                .into_iter()
                .chain(frame(Kind::PING, 0, 0, &[0; 8]))
                .collect(),
            C::ExpectedContinuation,
        ),
        (
            frame(Kind::CONTINUATION, flags::END_HEADERS, 1, &[]),
            C::UnexpectedContinuation,
        ),
        (
            frame(Kind::HEADERS, flags::END_HEADERS, 1, &[0xff]),
            C::Compression,
        ),
        (frame(Kind::DATA, flags::PADDED, 1, &[3, 0]), C::Padding),
        (frame(Kind(0xbb), 0, 0, &vec![0; 16_385]), C::FrameTooLarge),
        (
            [
                frame(Kind::GOAWAY, 0, 0, &[0; 8]),
                frame(Kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
            ]
            .concat(),
            C::GoawayRises,
        ),
    ];
    for (wire, error) in cases {
        for piece in [usize::MAX, 1] {
            let mut told = Told::new();
            told.core.request(get("/")).unwrap();
            told.frames();
            told.piece = piece;
            told.feed(&wire);
            assert_eq!(told.core.error(), Some(error));
            assert_eq!(told.core.open_streams(), 0);
            assert_eq!(told.core.request(get("/")), Err(RequestError::Closing));
            let goaway = &told.said(Kind::GOAWAY)[0].1;
            assert_eq!(goaway[4..8], error.code().0.to_be_bytes());
            assert!(told.core.is_done());
        }
    }
}

#[test]
fn the_first_frame_is_settings() {
    for wire in [
        frame(Kind::PING, 0, 0, &[0; 8]),
        frame(Kind::SETTINGS, flags::ACK, 0, &[]),
    ] {
        let mut told = Told::raw(ClientConfig::default());
        told.feed(&wire);
        assert_eq!(told.core.error(), Some(C::PrefaceWithoutSettings));
        let wire = told.wire();
        assert!(wire.starts_with(PREFACE) && wire[24 + 3] == 4, "ours come");
    }
}

#[test]
fn windows_that_a_server_oversteps() {
    let config = ClientConfig {
        initial_window_size: 10,
        connection_window: 65_535,
        ..ClientConfig::default()
    };
    let mut told = Told::with(config.clone(), &[]);
    let stream = told.core.request(get("/")).unwrap();
    told.frames();
    told.feed(&headers(stream, &[(":status", "200")], false));
    told.feed(&data(stream, &[0; 10], false));
    let code = ErrorCode::FLOW_CONTROL_ERROR;
    // Half of it is owed, and said; but not seen by the server yet.
    let seen = told.feed(&data(stream, &[0; 11], false));
    assert_eq!(seen, [Seen::Reset(stream, code, false)]);
    assert_eq!(told.resets(), [(stream, code)]);
    assert!(told.works());

    let wide = ClientConfig {
        initial_window_size: 1 << 20,
        ..config
    };
    let mut told = Told::with(wide, &[]);
    let stream = told.core.request(get("/")).unwrap();
    told.frames();
    told.feed(&headers(stream, &[(":status", "200")], false));
    for _ in 0..4 {
        told.feed(&data(stream, &[0; 16_000], false));
    }
    assert_eq!(told.core.error(), None);
    told.feed(&data(stream, &[0; 16_000], false));
    assert_eq!(told.core.error(), Some(C::FlowControl));
}

#[test]
fn frames_of_a_stream_that_is_closed() {
    let mut told = Told::new();
    let stream = told.core.request(get("/")).unwrap();
    told.frames();
    told.feed(&headers(stream, &[(":status", "200")], true));
    told.feed(&data(stream, b"late", false));
    let closed = ErrorCode::STREAM_CLOSED;
    assert_eq!(told.resets(), [(stream, closed)]);
    assert!(told.works());
    // The PING that followed the reset is acknowledged: now nothing is absorbed any more.
    told.feed(&frame(Kind::PING, flags::ACK, 0, b"rl:reset"));
    told.feed(&headers(stream, &[(":status", "200")], true));
    assert_eq!(told.core.error(), Some(C::HeadersOnClosedStream));
}
