//! The life of a connection and of its streams.

use super::*;
use crate::h2::limits::MAX_WINDOW;
use crate::h2::settings::id;

#[test]
fn informational_responses_come_before_the_final_one() {
    for piece in [usize::MAX, 1] {
        let mut told = Told::new();
        told.piece = piece;
        let stream = told.core.request(get("/")).unwrap();
        told.frames();
        let wire = [
            headers(stream, &[(":status", "100")], false),
            headers(stream, &[(":status", "103"), ("link", "</a>")], false),
            headers(
                stream,
                &[(":status", "200"), ("content-length", "5")],
                false,
            ),
            frame(Kind::DATA, flags::PADDED, stream, b"\x02he\0\0"),
            data(stream, b"", false),
            frame(Kind(0xab), 0xff, stream, b"ignored"),
            data(stream, b"llo", false),
            headers(stream, &[("x-checksum", "1")], true),
        ]
        .concat();
        let seen = told.feed(&wire);
        let last = seen.last();
        assert_eq!(
            seen[..3],
            [100, 103, 200].map(|status| Seen::Response(stream, status, false))
        );
        let bytes = seen.iter().filter_map(|seen| match seen {
            Seen::Data(_, data, _) => Some(data.clone()),
            _ => None,
        });
        assert_eq!(bytes.collect::<Vec<_>>().concat(), b"hello");
        assert_eq!(last, Some(&Seen::Trailers(stream, 1)));
        assert_eq!(told.core.open_streams(), 0);
    }
}

#[test]
fn responses_without_content_may_say_how_long_it_would_be() {
    let mut told = Told::new();
    let length = ("content-length", "5");
    let head_request = Request::new("HEAD", "https", "a.example", "/", &[]);
    let stream = told.core.request(head_request.clone()).unwrap();
    let other = told.core.request(get("/")).unwrap();
    told.frames();
    for (stream, status) in [(stream, "200"), (other, "304")] {
        let seen = told.feed(&headers(stream, &[(":status", status), length], true));
        assert_eq!(
            seen,
            [Seen::Response(stream, status.parse().unwrap(), true)]
        );
    }
    // But they have none.
    let stream = told.core.request(head_request).unwrap();
    told.frames();
    told.feed(&headers(stream, &[(":status", "200"), length], false));
    let seen = told.feed(&data(stream, b"hello", true));
    assert_eq!(
        seen,
        [Seen::Reset(stream, ErrorCode::PROTOCOL_ERROR, false)]
    );
}

#[test]
fn goaway_names_the_requests_that_can_be_made_again() {
    let mut told = Told::new();
    let streams: Vec<_> = (0..4)
        .map(|_| told.core.request(get("/")).unwrap())
        .collect();
    told.frames();
    let notice = frame(Kind::GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    assert_eq!(
        told.feed(&notice),
        [Seen::Goaway(MAX_WINDOW, ErrorCode::NO_ERROR)]
    );
    assert_eq!(told.core.request(get("/")), Err(RequestError::Closing));
    let last = streams[1];
    let goaway = frame(Kind::GOAWAY, 0, 0, &[0, 0, 0, last as u8, 0, 0, 0, 0, b'x']);
    let refused = |stream| Seen::Reset(stream, ErrorCode::REFUSED_STREAM, true);
    assert_eq!(
        told.feed(&goaway),
        [
            Seen::Goaway(last, ErrorCode::NO_ERROR),
            refused(streams[2]),
            refused(streams[3])
        ]
    );
    // What comes of them all the same is for nobody, and those before are still answered.
    assert_eq!(
        told.feed(&headers(streams[2], &[(":status", "200")], true)),
        []
    );
    for stream in &streams[..2] {
        assert!(!told.core.is_done());
        told.feed(&headers(*stream, &[(":status", "200")], true));
    }
    assert_eq!(told.core.goaway(), Some(last));
    assert!(told.core.is_done());
}

#[test]
fn resets_of_the_server() {
    let mut told = Told::new();
    let streams: Vec<_> = (0..2)
        .map(|_| told.core.request(post(100_000)).unwrap())
        .collect();
    told.frames();
    let reset = |stream, code| crate::h2::frame::rst_stream(stream, code).to_vec();
    let refused = ErrorCode::REFUSED_STREAM;
    assert_eq!(
        told.feed(&reset(streams[0], refused)),
        [Seen::Reset(streams[0], refused, true)]
    );
    // The whole response, and then: the rest of the request is not needed (section 8.1).
    told.feed(&headers(streams[1], &[(":status", "200")], true));
    assert_eq!(told.core.open_streams(), 1);
    assert_eq!(told.feed(&reset(streams[1], ErrorCode::NO_ERROR)), []);
    assert_eq!(told.core.open_streams(), 0);
    assert!(told.works());
}

#[test]
fn no_more_streams_than_the_server_allows() {
    let mut told = Told::raw(ClientConfig::default());
    for _ in 0..100 {
        told.core.request(get("/")).unwrap();
    }
    assert_eq!(told.core.request(get("/")), Err(RequestError::Busy));
    told.feed(&settings(&[]));
    assert!(told.core.request(get("/")).is_ok());
    told.feed(&settings(&[(id::MAX_CONCURRENT_STREAMS, 101)]));
    assert_eq!(told.core.request(get("/")), Err(RequestError::Busy));
    told.frames();
    told.feed(&headers(1, &[(":status", "200")], true));
    assert!(told.core.request(get("/")).is_ok());
}

#[test]
fn identifiers_are_used_once() {
    let mut told = Told::new();
    told.core.next_id = MAX_WINDOW;
    assert_eq!(told.core.request(get("/")), Ok(MAX_WINDOW));
    assert_eq!(told.core.request(get("/")), Err(RequestError::Exhausted));
}

#[test]
fn requests_that_are_given_up() {
    let mut told = Told::new();
    let unsent = told.core.request(get("/")).unwrap();
    told.core.cancel(unsent);
    assert_eq!(told.frames(), [], "the server has not heard of it");
    let sent = told.core.request(get("/")).unwrap();
    told.frames();
    told.core.cancel(sent);
    assert_eq!(told.resets(), [(sent, ErrorCode::CANCEL)]);
    // On its way before the server knew; the connection's window gets it back.
    let owed = told.core.recv_owed;
    assert_eq!(told.feed(&headers(sent, &[(":status", "200")], false)), []);
    assert_eq!(told.feed(&data(sent, &[0; 1_000], true)), []);
    assert_eq!(told.core.recv_owed, owed + 1_000);
    assert!(told.works());
}

#[test]
fn contents_keep_to_the_windows() {
    let mut told = Told::with(ClientConfig::default(), &[(id::INITIAL_WINDOW_SIZE, 10)]);
    let stream = told.core.request(post(100)).unwrap();
    let other = told.core.request(post(5)).unwrap();
    let lengths = |told: &mut Told| -> Vec<_> {
        let said = told.said(Kind::DATA).into_iter();
        said.map(|(stream, data)| (stream, data.len())).collect()
    };
    assert_eq!(lengths(&mut told), [(stream, 10), (other, 5)]);
    // Below zero, and then up to 30 in all.
    told.feed(&settings(&[(id::INITIAL_WINDOW_SIZE, 0)]));
    told.feed(&crate::h2::frame::window_update(stream, 10));
    assert_eq!(lengths(&mut told), []);
    told.feed(&settings(&[(id::INITIAL_WINDOW_SIZE, 20)]));
    assert_eq!(lengths(&mut told), [(stream, 20)]);
    told.feed(&crate::h2::frame::window_update(stream, 1_000));
    let frames = told.frames();
    let [(header, _)] = &frames[..] else {
        panic!("one frame: {frames:?}");
    };
    assert!(header.length == 70 && header.has(flags::END_STREAM));
}

#[test]
fn the_frame_size_can_be_changed() {
    let mut told = Told::new();
    told.core.set_max_frame_size(100_000);
    let stream = told.core.request(get("/")).unwrap();
    let said = told.said(Kind::SETTINGS);
    assert!(said[0].1.ends_with(&65_536u32.to_be_bytes()), "list size");
    assert!(said[0].1.windows(6).any(|p| p == [0, 5, 0, 1, 0x86, 0xa0]));
    told.feed(&headers(stream, &[(":status", "200")], false));
    // Allowed at once, whether it is acknowledged or not.
    told.feed(&data(stream, &[0; 90_000], false));
    told.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
    told.core.set_max_frame_size(16_384);
    told.feed(&data(stream, &[0; 90_000], false));
    assert_eq!(told.core.error(), None);
    told.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
    told.feed(&data(stream, &[0; 90_000], false));
    assert_eq!(
        told.core.error().map(|error| error.code()),
        Some(ErrorCode::FRAME_SIZE_ERROR)
    );
}

#[test]
fn credit_is_given_at_half_or_at_once() {
    for (credit, updates) in [(Credit::AtHalf, 1), (Credit::AtOnce, 10)] {
        let config = ClientConfig {
            initial_window_size: 20_000,
            connection_window: 65_535,
            credit,
            ..ClientConfig::default()
        };
        let mut told = Told::with(config, &[]);
        let stream = told.core.request(get("/")).unwrap();
        told.frames();
        told.feed(&headers(stream, &[(":status", "200")], false));
        let mut said = 0;
        for _ in 0..10 {
            told.feed(&data(stream, &[0; 1_000], false));
            let of = |(id, _): &(StreamId, Vec<u8>)| *id == stream;
            said += told
                .said(Kind::WINDOW_UPDATE)
                .into_iter()
                .filter(of)
                .count();
        }
        assert_eq!(said, updates, "{credit:?}");
    }
}

#[test]
fn pings_are_answered_and_a_shutdown_finishes_what_is_in_flight() {
    let mut told = Told::new();
    let stream = told.core.request(get("/")).unwrap();
    told.frames();
    told.feed(&frame(Kind::PING, 0, 0, b"pingpong"));
    told.core.shutdown();
    let kinds: Vec<_> = told.frames().iter().map(|frame| frame.0.kind).collect();
    assert_eq!(kinds, [Kind::PING, Kind::GOAWAY]);
    assert_eq!(told.core.request(get("/")), Err(RequestError::Closing));
    assert!(!told.core.is_done());
    told.feed(&headers(stream, &[(":status", "200")], true));
    assert!(told.core.is_done());
}
