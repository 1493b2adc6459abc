//! Section 2.2: message parsing.

use crate::client::*;

/// "Although the line terminator for the start-line and fields is the sequence CRLF, a recipient MAY recognize a single
/// LF as a line terminator and ignore any preceding CR." This one does not: who else does is not known.
#[test]
fn a_lone_lf_ends_no_line() {
    for input in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: w\r\n\r\n",
        "GET / HTTP/1.0\n\n",
        "GET /\n",
    ] {
        refused(input, 400, E::BareLf);
    }
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, E::NotHttp);
}

/// "A recipient of such a bare CR MUST consider that element to be invalid or replace each bare CR with SP before
/// processing the element or forwarding the message."
#[test]
fn a_lone_cr_is_invalid() {
    for input in [
        "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r: y\r\n\r\n",
    ] {
        refused(input, 400, E::BareCr);
    }
    // Before a request nothing but a whole empty line is let pass.
    refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, E::NotHttp);
    refused("\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, E::NotHttp);
}

/// "In the interest of robustness, a server that is expecting to receive and parse a request-line SHOULD ignore at
/// least one empty line (CRLF) received prior to the request-line."
#[test]
fn one_empty_line_before_a_request_is_ignored() {
    let empty_line = format!("\r\n{}", get_with(&[]));
    understood(&empty_line, GOT_X);
    refused(format!("\r\n{empty_line}"), 400, E::NotHttp);
    // One before each, as old clients send it after content.
    let twice = serve([&empty_line[..], &empty_line].concat());
    assert_eq!(twice.requests, [GOT_X, GOT_X]);
    let posted = post_with(&["Content-Length: 2"], "ab\r\n");
    understood(posted, POSTED);
}

/// "A recipient that receives whitespace between the start-line and the first header field MUST either reject the
/// message as invalid or consume each whitespace-preceded line without further processing of it"
#[test]
fn white_space_before_the_first_field_is_rejected() {
    for blank in [" ", "\t", " \t", " X: y"] {
        let input = format!("GET / HTTP/1.1\r\n{blank}\r\nHost: a\r\n\r\n");
        refused(input, 400, E::LineFolding);
    }
}

/// "When a server listening only for HTTP request messages [...] receives a sequence of octets that does not match the
/// HTTP-message grammar aside from the robustness exceptions listed above, the server SHOULD respond with a 400 (Bad
/// Request) response and close the connection."
#[test]
fn garbage_is_refused_at_its_first_byte() {
    for byte in 0..=255u8 {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if token || byte == b'\r' {
            continue;
        }
        let mut client = Client::echo();
        client.send([byte]);
        let error = if byte == 0x16 {
            E::TlsOnCleartext
        } else {
            E::NotHttp
        };
        assert_eq!(client.core.error(), Some(error), "{byte:#x}");
        client.answers()[0].refuses(400, error);
        assert!(client.core.is_done());
        // Whatever follows is swallowed.
        client.send([byte; 1_000]);
        client.send(GET);
        assert_eq!(client.receive(), b"");
        assert_eq!(client.requests, [""; 0]);
    }
}

/// A browser that was told https:// on the port for http://.
#[test]
fn a_tls_handshake_in_the_clear_is_told_so() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n\r\n";
    refused(hello, 400, E::TlsOnCleartext);
}

/// "A recipient MUST parse an HTTP message as a sequence of octets in an encoding that is a superset of US-ASCII"
#[test]
fn octets_above_ascii_are_octets() {
    let mut client = Client::manual();
    client.send(b"GET /\xff\xc3 HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\x80\r\n\r\n");
    assert_eq!(client.requests, [r"GET http a /\xff\xc3"]);
}
