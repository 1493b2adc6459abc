//! Section 8.1: HTTP message framing.

use crate::client::*;

/// "An endpoint that receives a HEADERS frame without the END_STREAM flag set after receiving the HEADERS frame that opens
/// a request or after receiving a final (non-informational) status code MUST treat the corresponding request or response
/// as malformed (Section 8.1.1)."
#[test]
fn trailers_that_do_not_end_the_stream() {
    let error = StreamError(OPEN, C::PROTOCOL_ERROR);
    expect(&headers(OPEN, &[("x-sum", "1")], false), error);
    expect(&headers(OPEN, &POST, false), error);
    expect(
        &[
            data(OPEN, b"x", false),
            headers(OPEN, &[("x-sum", "1")], false),
        ]
        .concat(),
        error,
    );
    expect(
        &[
            frame(Kind::HEADERS, 0, OPEN, &block(&[("x-sum", "1")])),
            continuation(OPEN, b"", true),
        ]
        .concat(),
        error,
    );
}

/// "Trailers MUST NOT include pseudo-header fields (Section 8.3). An endpoint that receives pseudo-header fields in
/// trailers MUST treat the request or response as malformed (Section 8.1.1)."
#[test]
fn pseudo_fields_in_trailers() {
    for field in [
        METHOD,
        SCHEME,
        PATH,
        AUTHORITY,
        (":status", "200"),
        (":x", "y"),
    ] {
        malformed_trailers(&[field]);
        malformed_trailers(&[("x-sum", "1"), field]);
    }
}

/// Trailers that are well-formed end the request; their block may be empty, or come in several frames.
#[test]
fn trailers() {
    for fields in [&[("x-sum", "1"), ("x-more", "2")][..], &[]] {
        let mut client = Client::prepared();
        client.send(&data(OPEN, b"x", false));
        client.send(&frame(Kind::HEADERS, flags::END_STREAM, OPEN, &[]));
        client.send(&continuation(OPEN, &block(fields), true));
        let own = |(name, value): &Field<'_>| (name.to_string(), value.to_string());
        let trailers = Seen::Trailers(OPEN, fields.iter().map(own).collect());
        assert_eq!(
            client.events(),
            [Seen::Data(OPEN, b"x".to_vec(), false), trailers]
        );
        client.answer_file(OPEN, 7);
        assert_eq!(data_lengths(&client.receive(), OPEN), [7]);
        client.expect(Fine);
    }
}

/// "The last frame in the sequence bears an END_STREAM flag". "An HTTP request/response exchange fully consumes a single
/// stream."
#[test]
fn a_response_ends_once() {
    let mut client = Client::prepared();
    client.send(&window_update(0, 1 << 20));
    for (n, len) in [0, 1, 16_384, 16_385, 60_000].into_iter().enumerate() {
        let stream = IDLE + 2 * n as u32;
        client.send(&get(stream));
        let body = if len == 0 {
            Body::Empty
        } else {
            Body::Bytes(vec![7; len].into())
        };
        client.answer(stream, body);
        let frames = client.receive();
        assert!(frames[0].is(Kind::HEADERS, stream));
        let ends = frames
            .iter()
            .filter(|frame| frame.header.has(flags::END_STREAM))
            .count();
        assert_eq!(ends, 1);
        assert!(frames.last().unwrap().header.has(flags::END_STREAM));
    }
}

/// Section 8.1.1: "A request or response is also malformed if the value of a content-length header field does not equal
/// the sum of the DATA frame payload lengths that form the content". "Malformed requests or responses that are detected
/// MUST be treated as a stream error (Section 5.4.2) of type PROTOCOL_ERROR."
#[test]
fn content_that_is_not_as_long_as_it_says() {
    let of = |length: &str| headers(IDLE, &post_with(&[("content-length", length)]), false);
    let part = |len: usize, end| data(IDLE, &vec![0; len], end);
    for (length, content) in [
        ("1", part(4, true)),
        ("1", part(4, false)),
        ("1", [part(1, false), part(4, true)].concat()),
        ("8", part(4, true)),
        ("8", [part(4, false), part(3, true)].concat()),
        ("8", [part(4, false), part(5, true)].concat()),
        ("0", part(1, true)),
        ("4", part(0, true)),
        (
            "8",
            [part(4, false), headers(IDLE, &[("x-sum", "1")], true)].concat(),
        ),
    ] {
        expect(
            &[of(length), content].concat(),
            StreamError(IDLE, C::PROTOCOL_ERROR),
        );
    }
    for (length, content) in [
        ("4", part(4, true)),
        ("4", [part(1, false), part(3, true)].concat()),
        ("4", [part(4, false), part(0, true)].concat()),
        (
            "4",
            [part(4, false), headers(IDLE, &[("x-sum", "1")], true)].concat(),
        ),
        ("0", part(0, true)),
        // Padding is no content.
        (
            "1",
            frame(
                Kind::DATA,
                flags::PADDED | flags::END_STREAM,
                IDLE,
                &[3, 9, 0, 0, 0],
            ),
        ),
    ] {
        expect(&[of(length), content].concat(), Fine);
    }
}

/// As above, for requests that end with their HEADERS frame, whatever their method.
#[test]
fn no_content_that_says_it_has_some() {
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let fields = [(":method", method), SCHEME, PATH, AUTHORITY];
        malformed(&[&fields[..], &[("content-length", "1")]].concat());
        well_formed(&[&fields[..], &[("content-length", "0")]].concat());
    }
}

/// As above: a value that is no length, or two that differ (RFC 9110, section 8.6).
#[test]
fn content_lengths_that_are_none() {
    for value in [
        "",
        "x",
        "-1",
        "+1",
        "1.0",
        "0x1",
        "1, 2",
        "18446744073709551616",
        "1 1",
    ] {
        let input = headers(IDLE, &post_with(&[("content-length", value)]), false);
        expect(&input, StreamError(IDLE, C::PROTOCOL_ERROR));
    }
    malformed(&get_with(&[
        ("content-length", "0"),
        ("content-length", "1"),
    ]));
}

/// As above, when the request was answered already, as one of a method that is not allowed is: what follows of it is
/// still the content of a request that is malformed.
#[test]
fn content_that_is_not_as_long_as_it_says_after_the_answer() {
    let part = |len: usize, end| data(IDLE, &vec![0; len], end);
    for (fields, rest) in [
        (&[("content-length", "1")][..], part(4, true)),
        (&[("content-length", "1")], part(4, false)),
        (&[("content-length", "8")], part(4, true)),
        (&[], headers(IDLE, &[("x-sum", "1")], false)),
        (
            &[],
            [part(4, false), headers(IDLE, &[METHOD], true)].concat(),
        ),
    ] {
        let mut client = Client::prepared();
        client.send(&headers(IDLE, &post_with(fields), false));
        client.answer(IDLE, Body::Empty);
        assert_eq!(client.outcome(), Fine);
        client.events();
        client.send(&rest);
        assert_eq!(client.events(), [], "nobody waits for it");
        client.expect(StreamError(IDLE, C::PROTOCOL_ERROR));
    }
}

/// "A server can send a complete response prior to the client sending an entire request if the response does not depend
/// on any portion of the request that has not been sent and received." What is small is taken and thrown away.
#[test]
fn a_response_before_the_end_of_the_request() {
    for end in [
        data(OPEN, b"x", true),
        headers(OPEN, &[("x-sum", "1")], true),
        rst_stream(OPEN, C::CANCEL),
    ] {
        let mut client = Client::prepared();
        client.answer_file(OPEN, 10);
        let frames = client.receive();
        assert!(frames.last().unwrap().header.has(flags::END_STREAM));
        client.send(&[data(OPEN, &[0; 1_000], false), end].concat());
        assert_eq!(client.events(), []);
        assert_eq!(client.open_streams(), 1, "the other one");
        client.expect(Fine);
    }
}

/// "When this is true, a server MAY request that the client abort transmission of a request without error by sending a
/// RST_STREAM with an error code of NO_ERROR after sending a complete response (i.e., a frame with the END_STREAM flag
/// set)."
#[test]
fn a_response_before_much_of_the_request() {
    // It says that it is long, or turns out to be, or the connection ends.
    let mut client = Client::prepared();
    client.send(&headers(
        IDLE,
        &post_with(&[("content-length", "1000000")]),
        false,
    ));
    client.answer_file(IDLE, 10);
    let frames = client.receive();
    let at = |kind| frames.iter().position(|frame| frame.is(kind, IDLE));
    assert!(at(Kind::DATA) < at(Kind::RST_STREAM));
    assert_eq!(
        frames[at(Kind::RST_STREAM).unwrap()].number(0),
        C::NO_ERROR.0
    );

    let mut client = Client::prepared();
    client.answer_file(OPEN, 10);
    assert_eq!(client.outcome(), Fine);
    client.send(&data(OPEN, &[0; 16_000], false));
    client.send(&data(OPEN, &[0; 16_000], false));
    assert_eq!(client.outcome(), Fine);
    client.send(&data(OPEN, &[0; 16_000], false));
    client.expect(StreamError(OPEN, C::NO_ERROR));

    let mut client = Client::prepared();
    client.answer_file(OPEN, 10);
    client.answer_file(HALF_CLOSED, 10);
    assert_eq!(client.outcome(), Fine);
    client.shutdown();
    let frames = client.receive();
    assert!(frames.iter().any(|frame| frame.is(Kind::RST_STREAM, OPEN)));
    assert!(client.is_done());
}

/// "Trailer fields are carried in a field block that also terminates the stream. That is, trailer fields comprise a sequence
/// starting with a HEADERS frame, followed by zero or more CONTINUATION frames, where the HEADERS frame bears an END_STREAM
/// flag." "Other frames (from any stream) MUST NOT occur between the HEADERS frame and any CONTINUATION frames that might
/// follow."
#[test]
fn our_trailers_end_the_stream() {
    for len in [1, 16_000, 40_000] {
        let trailers = block(&[("x-sum", &"\\".repeat(len))]);
        let end = End::Trailers(trailers.clone().into());
        for late in [false, true] {
            let mut client = Client::prepared();
            client.send(&get(IDLE));
            let known = if late { End::Open } else { end.clone() };
            client.answer(IDLE, pieces(&["some ", "content"], known));
            let mut frames = client.receive();
            if late {
                client.finish(IDLE, &end);
                client.send(&[get(IDLE + 2), ping([0; 8])].concat());
                client.answer(IDLE + 2, Body::Empty);
                frames.extend(client.receive());
            }
            let at = |f: &Frame| f.header.stream_id == IDLE && f.header.has(flags::END_STREAM);
            let first = frames.iter().position(at).unwrap();
            assert_eq!(frames[first].header.kind, Kind::HEADERS);
            let mut sent = frames[first].payload.clone();
            let mut last = first;
            while !frames[last].header.has(flags::END_HEADERS) {
                last += 1;
                assert!(frames[last].is(Kind::CONTINUATION, IDLE));
                sent.extend_from_slice(&frames[last].payload);
            }
            assert!(sent == trailers);
            let before = &frames[..first];
            assert_eq!(data_lengths(before, IDLE), [5, 7]);
            assert!(!before.iter().any(at), "the content does not end it");
            client.expect(Fine);
        }
    }
}
