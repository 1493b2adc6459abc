//! Sections 6.2 and 6.3: Content-Length, and the length of the content.

use ringlane::h1::limits::MAX_DRAINED_CONTENT;

use crate::client::*;

/// "If a valid Content-Length header field is present without Transfer-Encoding, its decimal value defines the expected
/// message body length in octets." Section 9.3: "A server MUST read the entire request message body or close the
/// connection after sending its response".
#[test]
fn content_of_a_length_is_read_to_its_end() {
    for content in [
        "a",
        "abcdef",
        "\r\n\r\n",
        "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let length = content.len();
        for field in [
            format!("Content-Length: {length}"),
            format!("content-length:0{length}\t"),
        ] {
            understood(post_with(&[&field], content), POSTED);
            understood(
                post_with(&[&field], content).replacen("POST", "GET", 1),
                &format!("{GOT_X} +"),
            );
        }
    }
}

/// "If this is a request message and none of the above are true, then the message body length is zero (no message body
/// is present)."
#[test]
fn no_length_is_no_content() {
    understood(post_with(&[], ""), "POST http a.example /x");
    understood(
        post_with(&["Content-Length: 0"], ""),
        "POST http a.example /x",
    );
}

/// "If a message is received without Transfer-Encoding and with an invalid Content-Length header field, then the message
/// framing is invalid and the recipient MUST treat it as an unrecoverable error [...] the server MUST respond with a 400
/// (Bad Request) status code and then close the connection."
#[test]
fn lengths_are_digits() {
    for value in [
        "",
        "+5",
        "-5",
        "0x5",
        "5 ",
        "5\t5",
        "5 5",
        "5.0",
        "5e0",
        "five",
        "5;",
        "\"5\"",
        "5,",
        ",5",
        "5, 5",
        "5,6",
        "٥",
        "18446744073709551616",
        "99999999999999999999",
        "-0",
        "1_000",
        "0b1",
        "5\u{a0}",
    ] {
        let trimmed = value.trim_matches([' ', '\t']) != value;
        let input = post_with(&[&format!("Content-Length: {value}")], "abcde");
        if trimmed {
            understood(input, POSTED);
        } else {
            refused(input, 400, E::ContentLength);
        }
    }
}

/// RFC 9110, section 8.6, of the same value repeated: "the recipient of the message MUST either reject the message as
/// invalid or replace the duplicated field values with a single valid Content-Length". Rejected; so are differing ones.
#[test]
fn one_length_only() {
    for (first, second) in [(5, 5), (5, 6), (6, 5), (0, 5), (5, 0), (0, 0)] {
        let fields = [
            format!("Content-Length: {first}"),
            format!("CONTENT-LENGTH: {second}"),
        ];
        let fields = fields.each_ref().map(String::as_str);
        refused(post_with(&fields, "abcde"), 400, E::ContentLengthRepeated);
    }
}

/// Content is thrown away up to a limit; with more the answer is the last one.
#[test]
fn content_over_the_limit_ends_the_connection() {
    for (length, kept) in [
        (MAX_DRAINED_CONTENT, true),
        (MAX_DRAINED_CONTENT + 1, false),
        (u64::MAX, false),
    ] {
        let mut client = Client::echo();
        client.send(post_with(&[&format!("Content-Length: {length}")], ""));
        assert!(!client.core.is_done(), "the answer is to be said");
        let answers = client.answers();
        assert_eq!(answers[0].field("connection"), (!kept).then_some("close"));
        assert_eq!((client.core.is_done(), client.core.error()), (!kept, None));
        for _ in 0..MAX_DRAINED_CONTENT / 1_024 {
            client.send([b'x'; 1_024]);
        }
        client.send(GET);
        assert_eq!(client.requests.len(), 1 + usize::from(kept));
    }
}

/// The answer does not wait for content that nobody reads.
#[test]
fn the_answer_does_not_wait_for_the_content() {
    let mut client = Client::echo();
    client.send(post_with(&["Content-Length: 1000"], "abc"));
    assert_eq!(client.status(), 200);
    client.send([b'x'; 996]);
    // The last byte of the content is the first of this, and what is left a method that is the application's to know.
    client.send(GET);
    assert_eq!(client.requests, [POSTED, "ET http a.example /first"]);
    assert_eq!((client.status(), client.core.error()), (200, None));
}

/// "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No Content), or 304 (Not Modified)
/// status code is always terminated by the first empty line after the header fields".
#[test]
fn responses_without_content_end_with_their_head() {
    for (method, status) in [
        ("HEAD", "200 OK"),
        ("HEAD", "404 Not Found"),
        ("GET", "304 Not Modified"),
        ("GET", "204 No Content"),
    ] {
        for (body, length) in [
            (Body::Bytes("abc".into()), "content-length: 3\r\n"),
            (file(1, 100), "content-length: 100\r\n"),
            (stream([segment("abc")], End::Done), ""),
            (Body::Empty, ""),
        ] {
            let mut client = Client::manual();
            client.send(GET.replace("GET", method));
            let mut response = ok(body);
            response.head = [format!("HTTP/1.1 {status}\r\n").into(), length.into()];
            client.core.respond(1, response);
            assert_eq!(client.text(), format!("HTTP/1.1 {status}\r\n{length}\r\n"));
            assert_eq!((client.core.open_streams(), client.core.error()), (0, None));
        }
    }
}

/// A stream whose head says how long it is goes out as it is.
#[test]
fn a_stream_of_known_length_has_no_chunks() {
    for name in ["content-length", "Content-Length"] {
        for at in 0..2 {
            let mut client = Client::manual();
            client.send(GET);
            let mut response = ok(stream([segment("abc")], End::Open));
            let line = format!("{name}: 6\r\n");
            response.head[at] = [&response.head[at][..], line.as_bytes()].concat().into();
            client.core.respond(1, response);
            assert_eq!(client.text(), format!("HTTP/1.1 200 OK\r\n{line}\r\nabc"));
            client.core.append(1, segment("def"));
            client.core.finish(1, End::Trailers("x: y\r\n".into()));
            assert_eq!(client.text(), "def", "no trailers without chunks");
            client.send(GET);
            client.core.respond(2, ok(Body::Empty));
            assert_eq!(client.status(), 200);
        }
    }
}

/// "If the sender closes the connection or the recipient times out before the indicated number of octets are received,
/// the recipient MUST consider the message to be incomplete and close the connection." So the end of a file that is
/// shorter than was promised must look like that.
#[test]
fn a_body_that_fails_ends_the_connection_without_a_word() {
    let mut client = Client::manual();
    client.send(GET.repeat(3));
    client.core.respond(1, ok(file(1, 1_000_000)));
    client.core.respond(2, ok(Body::Empty));
    client.slots.bytes = 16_384;
    client.slots.layout = Layout::Placed;
    client.fill();
    assert!(client.core.wants_transmit());
    client.core.body_failed();
    assert!(client.core.is_dead() && client.core.is_done() && !client.core.wants_transmit());
    assert_eq!(client.core.error(), Some(E::BodyFailed));
    assert_eq!(client.core.open_streams(), 0);
    // Late answers and late bytes go nowhere.
    client.core.respond(3, ok(Body::Empty));
    client.core.append(3, segment("x"));
    client.core.finish(1, End::Done);
    client.send(GET);
    client.core.body_failed();
    assert_eq!(client.fill(), 0);
    assert_eq!(client.requests.len(), 3);
    assert_eq!(client.core.poll_timeout(), None);
}
