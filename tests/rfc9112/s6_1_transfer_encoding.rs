//! Section 6.1: Transfer-Encoding.

use crate::client::*;

/// "A recipient MUST be able to parse the chunked transfer coding". RFC 9110, section 10.1.4: "Transfer codings are
/// case-insensitive".
#[test]
fn chunked_is_understood() {
    for coding in ["chunked", "Chunked", "CHUNKED", " chunked\t "] {
        let field = format!("Transfer-Encoding:{coding}");
        understood(post_with(&[&field], "3\r\nabc\r\n0\r\n\r\n"), POSTED);
    }
}

/// "A server that receives a request message with a transfer coding it does not understand SHOULD respond with 501 (Not
/// Implemented)."
#[test]
fn other_codings_are_not_implemented() {
    for coding in [
        "gzip, chunked",
        "x,chunked",
        "gzip;q=1, chunked",
        ", chunked",
        "identity, chunked",
    ] {
        let field = format!("Transfer-Encoding: {coding}");
        refused(post_with(&[&field], "0\r\n\r\n"), 501, E::EncodingUnknown);
    }
}

/// Section 6.3: "If a Transfer-Encoding header field is present in a request and the chunked transfer coding is not the
/// final encoding, the message body length cannot be determined reliably; the server MUST respond with the 400 (Bad
/// Request) status code and then close the connection." Section 7.1: of parameters of chunked, "Their presence SHOULD be
/// treated as an error." Section 6.1: "A sender MUST NOT apply the chunked transfer coding more than once".
#[test]
fn chunked_comes_last_and_once() {
    for fields in [
        &["Transfer-Encoding: gzip"][..],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding:"],
        &["Transfer-Encoding: chunked, gzip"],
        &["Transfer-Encoding: chunked, chunked"],
        &["Transfer-Encoding: chunked, gzip, chunked"],
        &["Transfer-Encoding: chunked,"],
        &["Transfer-Encoding: xchunked"],
        &["Transfer-Encoding: chunkedx"],
        &["Transfer-Encoding: chunked;x=y"],
        &["Transfer-Encoding: chunked; q=1"],
        &["Transfer-Encoding: \"chunked\""],
        &["Transfer-Encoding: chunked chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
        &[
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked",
        ],
    ] {
        refused(post_with(fields, "0\r\n\r\n"), 400, E::EncodingNotChunked);
    }
}

/// "A server MAY reject a request that contains both Content-Length and Transfer-Encoding or process such a request in
/// accordance with the Transfer-Encoding alone. Regardless, the server MUST close the connection after responding".
#[test]
fn not_with_a_content_length() {
    for fields in [
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 0", "Transfer-Encoding: chunked"],
        ["content-length: 0", "TRANSFER-ENCODING: gzip, chunked"],
    ] {
        refused(post_with(&fields, "0\r\n\r\n"), 400, E::LengthAndEncoding);
    }
}

/// "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the
/// message as if the framing is faulty, even if a Content-Length is present, and close the connection after processing
/// the message."
#[test]
fn not_in_http10() {
    for fields in [
        &["Transfer-Encoding: chunked"][..],
        &["Transfer-Encoding: chunked", "Content-Length: 5"],
    ] {
        let mut fields = fields.to_vec();
        fields.push("Connection: keep-alive");
        let input = post_with(&fields, "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0");
        refused(input, 400, E::EncodingInHttp10);
    }
}

/// "A server MUST NOT send a response containing Transfer-Encoding unless the corresponding request indicates HTTP/1.1
/// (or later minor revisions)."
#[test]
fn http10_gets_no_chunks() {
    let mut client = Client::manual();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client
        .core
        .respond(1, ok(stream([segment("abc")], End::Open)));
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    assert_eq!(client.text(), format!("{head}abc"));
    client.core.append(1, segment("def"));
    // There is no place for trailers.
    client
        .core
        .finish(1, End::Trailers(bytes::Bytes::from_static(b"x: y\r\n")));
    assert!(!client.core.is_done());
    assert_eq!(client.text(), "def");
    assert!(client.core.is_done());
}

/// The same, when more was asked for on the connection that has to end: RFC 9112, section 9.3.2, leaves it to the client
/// to ask again.
#[test]
fn http10_without_a_length_ends_what_was_pipelined() {
    let get = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let mut client = Client::manual();
    client.send(get.repeat(3));
    client.core.respond(3, ok(Body::Empty));
    client
        .core
        .respond(2, ok(stream([segment("abc")], End::Done)));
    assert_eq!(client.text(), "");
    client.core.respond(1, ok(Body::Empty));
    let answers = client.answers();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].field("connection"), Some("keep-alive"));
    assert!(answers[1].until_close && answers[1].text() == "abc");
    assert!(client.core.is_done());
}

/// "A server MUST NOT send a Transfer-Encoding header field in any response with a status code of 1xx (Informational) or
/// 204 (No Content)."
#[test]
fn no_content_has_no_chunks() {
    for status in ["204 No Content", "304 Not Modified"] {
        let mut client = Client::manual();
        client.send(GET);
        let mut response = ok(stream([segment("abc")], End::Open));
        response.head[0] = format!("HTTP/1.1 {status}\r\n").into();
        client.core.respond(1, response);
        assert_eq!(client.text(), format!("HTTP/1.1 {status}\r\n\r\n"));
        assert_eq!(client.core.open_streams(), 0);
        // The end of what nobody hears makes no difference.
        client.core.append(1, segment("def"));
        client.core.finish(1, End::Done);
        assert_eq!(client.text(), "");
    }
}
