//! Section 8.

use super::*;

/// These trailers, after a response with content, are malformed.
fn malformed_trailers(fields: &[Field<'_>]) {
    let input = [data(HEADED, b"x", false), headers(HEADED, fields, true)];
    expect(&input.concat(), StreamError(HEADED, C::PROTOCOL_ERROR));
}

/// Section 8.1: "a server MAY send any number of interim responses before the HEADERS frame containing a final response."
#[test]
fn interim_responses() {
    let mut server = Server::prepared();
    let interim = |status| headers(ASKED, &[(":status", status), ("x", "y")], false);
    server.send(&[interim("100"), interim("103"), interim("199")].concat());
    server.send(&headers(ASKED, &[STATUS], true));
    assert_eq!(
        server.events(),
        [
            Seen::Response(ASKED, 100, false),
            Seen::Response(ASKED, 103, false),
            Seen::Response(ASKED, 199, false),
            Seen::Response(ASKED, 200, true)
        ]
    );
    server.expect(Fine);
}

/// Section 8.1: "A HEADERS frame with the END_STREAM flag set that carries an informational status code is malformed
/// (Section 8.1.1)." Section 8.6: "HTTP/2 does not support the 101 (Switching Protocols) informational status code".
#[test]
fn interim_responses_that_are_malformed() {
    malformed(&[(":status", "100")], true);
    malformed(&[(":status", "103"), ("x", "y")], true);
    malformed(&[(":status", "101")], false);
}

/// Section 8.1: "An endpoint that receives a HEADERS frame without the END_STREAM flag set [...] after receiving a final
/// (non-informational) status code MUST treat the corresponding request or response as malformed". "Trailers MUST NOT include
/// pseudo-header fields".
#[test]
fn trailers() {
    let mut server = Server::prepared();
    server.send(
        &[
            data(HEADED, b"x", false),
            headers(HEADED, &[("x-sum", "1")], true),
        ]
        .concat(),
    );
    let trailers = Seen::Trailers(HEADED, vec!["x-sum".to_owned()]);
    assert_eq!(
        server.events(),
        [Seen::Data(HEADED, b"x".to_vec(), false), trailers]
    );
    server.expect(Fine);
    let error = StreamError(HEADED, C::PROTOCOL_ERROR);
    expect(&headers(HEADED, &[("x-sum", "1")], false), error);
    expect(&headers(HEADED, &[(":status", "100")], false), error);
    for field in [STATUS, METHOD, (":x", "y")] {
        malformed_trailers(&[field]);
        malformed_trailers(&[("x-sum", "1"), field]);
    }
    malformed_trailers(&[("X-Sum", "1")]);
    malformed_trailers(&[("x-sum", "a\nb")]);
    malformed_trailers(&[("connection", "close")]);
}

/// Section 8.1: "Clients MUST NOT discard responses as a result of receiving such a RST_STREAM": one of NO_ERROR, after a
/// complete response.
#[test]
fn a_response_before_the_end_of_the_request() {
    let mut server = Server::prepared();
    server.send(&headers(UPLOAD, &[STATUS], false));
    server.send(&data(UPLOAD, b"early", true));
    server.send(&rst_stream(UPLOAD, C::NO_ERROR));
    let content = Seen::Data(UPLOAD, b"early".to_vec(), true);
    assert_eq!(
        server.events(),
        [Seen::Response(UPLOAD, 200, false), content]
    );
    server.send(&window_update(UPLOAD, 100));
    assert_eq!(server.receive(), [], "nothing more is sent of the request");
    server.expect(Fine);
}

/// Section 8.1.1: "A request or response is also malformed if the value of a content-length header field does not equal the
/// sum of the DATA frame payload lengths that form the content, unless the message is defined as having no content."
#[test]
fn content_that_is_not_as_long_as_it_says() {
    let of = |status, length, end| {
        headers(
            ASKED,
            &[(":status", status), ("content-length", length)],
            end,
        )
    };
    let part = |len: usize, end| data(ASKED, &vec![0; len], end);
    let error = StreamError(ASKED, C::PROTOCOL_ERROR);
    for (wire, expected) in [
        ([of("200", "4", false), part(4, true)], Fine),
        ([of("200", "4", false), part(3, true)], error),
        ([of("200", "4", false), part(5, false)], error),
        ([of("200", "4", true), vec![]], error),
        ([of("200", "0", true), vec![]], Fine),
        ([of("200", "x", false), vec![]], error),
        ([of("200", "", false), vec![]], error),
        ([of("304", "4", true), vec![]], Fine),
        ([of("304", "4", false), part(0, true)], Fine),
        ([of("304", "4", false), part(4, true)], error),
        ([of("204", "0", false), part(1, true)], error),
        (
            [
                of("200", "4", false),
                headers(ASKED, &[("x-sum", "1")], true),
            ],
            error,
        ),
    ] {
        expect(&wire.concat(), expected);
    }
    // The response to HEAD says how long that to GET would be.
    for (content, expected) in [(0, Fine), (1, StreamError(1, C::PROTOCOL_ERROR))] {
        let mut server = Server::new();
        let request = Request::new("HEAD", "https", "a.example", "/", &[]);
        let stream = server.ask(&request).unwrap();
        server.receive();
        server.send(&headers(stream, &[STATUS, ("content-length", "4")], false));
        server.send(&data(stream, &vec![0; content], true));
        server.expect(expected);
    }
}

/// Section 8.1: DATA follows the final response's HEADERS; before, it is out of its sequence.
#[test]
fn content_before_the_response() {
    let error = StreamError(ASKED, C::PROTOCOL_ERROR);
    expect(&data(ASKED, b"x", true), error);
    let interim = headers(ASKED, &[(":status", "100")], false);
    expect(&[interim, data(ASKED, b"x", true)].concat(), error);
}

/// Section 8.2.1: characters that names and values must not have. "A request or response that contains a field that violates
/// any of these conditions MUST be treated as malformed (Section 8.1.1)."
#[test]
fn names_and_values() {
    for byte in (0..=0x20)
        .chain(0x41..=0x5a)
        .chain(0x7f..=0xff)
        .chain([b':'])
    {
        let block = [&block(&[STATUS])[..], &[0x00, 2, b'x', byte, 1, b'v']].concat();
        let mut server = Server::new();
        let stream = server.get();
        server.receive();
        server.send(&raw_headers(stream, &block, true));
        server.expect(StreamError(stream, C::PROTOCOL_ERROR));
    }
    for value in ["a\0b", "a\nb", "a\rb", " a", "a ", "\ta", "a\t"] {
        malformed(&[STATUS, ("x", value)], true);
    }
    malformed(&[STATUS, ("", "x")], true);
}

/// Section 8.2.2: "Any message containing connection-specific header fields MUST be treated as malformed (Section 8.1.1)."
#[test]
fn connection_specific_fields() {
    for field in [
        ("connection", "close"),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "max=5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
    ] {
        malformed(&[STATUS, field], true);
        malformed(&[(":status", "103"), field], false);
    }
}

/// Section 8.3: "Pseudo-header fields defined for requests MUST NOT appear in responses". Undefined, misplaced and repeated
/// ones: "MUST be treated as malformed (Section 8.1.1)."
#[test]
fn pseudo_fields() {
    for field in [METHOD, SCHEME, PATH, AUTHORITY, (":x", "y"), (":", "y")] {
        malformed(&[STATUS, field], true);
        malformed(&[field, STATUS], true);
    }
    malformed(&[("x", "y"), STATUS], true);
    malformed(&[STATUS, STATUS], true);
}

/// Section 8.3.2: "This pseudo-header field MUST be included in all responses, including interim responses; otherwise, the
/// response is malformed (Section 8.1.1)." It carries three digits (RFC 9110, section 15).
#[test]
fn the_status() {
    malformed(&[], true);
    malformed(&[("x", "y")], true);
    for status in ["", "2", "20", "2000", "abc", "020", "-20", "20 "] {
        malformed(&[(":status", status)], true);
    }
}

/// Sections 8.2 and 8.3: "Field names MUST be converted to lowercase when constructing an HTTP/2 message." "All HTTP/2
/// requests MUST include exactly one valid value for the ":method", ":scheme", and ":path" pseudo-header fields", which "MUST
/// appear in a field block before all regular field lines"; "Clients that generate HTTP/2 requests directly MUST use the
/// ":authority" pseudo-header field".
#[test]
fn requests_as_they_are_made() {
    let mut server = Server::new();
    let fields = [("accept", "*/*"), ("cookie", "a=b")];
    let request = Request::new("GET", "https", "a.example", "/x?y", &fields);
    let stream = server.ask(&request).unwrap();
    let frames = server.receive();
    let own = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
    let expected = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a.example"),
        (":path", "/x?y"),
        ("accept", "*/*"),
        ("cookie", "a=b"),
    ];
    assert_eq!(crate::client::fields_of(&frames, stream), expected.map(own));
}

/// Section 8.7: "The REFUSED_STREAM error code can be included in a RST_STREAM frame to indicate that the stream is being
/// closed prior to any processing having occurred."
#[test]
fn requests_that_were_not_processed() {
    for (code, retryable) in [
        (C::REFUSED_STREAM, true),
        (C::CANCEL, false),
        (C::NO_ERROR, false),
    ] {
        let mut server = Server::prepared();
        server.send(&rst_stream(ASKED, code));
        assert_eq!(server.events(), [Seen::Reset(ASKED, code, retryable)]);
        server.expect(Fine);
    }
}

/// Section 10.5.1: a response whose fields are over our SETTINGS_MAX_HEADER_LIST_SIZE ends alone; one whose CONTINUATION
/// frames never end is cut off.
#[test]
fn field_blocks_over_the_limit() {
    let large = "\\".repeat(40_000);
    let block = block(&[STATUS, ("x", &large), ("y", &large)]);
    let parts: Vec<_> = block.chunks(16_384).collect();
    let mut wire = frame(Kind::HEADERS, flags::END_STREAM, ASKED, parts[0]);
    for (n, part) in parts.iter().enumerate().skip(1) {
        wire.extend(continuation(ASKED, part, n + 1 == parts.len()));
    }
    expect(&wire, StreamError(ASKED, C::ENHANCE_YOUR_CALM));
    let mut server = Server::prepared();
    server.send(&frame(Kind::HEADERS, 0, ASKED, &[]));
    for _ in 0..65 {
        server.send(&continuation(ASKED, b"", false));
    }
    server.expect(ConnectionError(C::ENHANCE_YOUR_CALM));
}
