//! Section 3: the request line.

use crate::client::*;

/// "Although the request-line grammar rule requires that each of the component elements be separated by a single SP
/// octet, recipients MAY instead parse on whitespace-delimited word boundaries". This one does not.
#[test]
fn parts_are_separated_by_one_space() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET",
        "GET ",
        "GET / ",
        "GET  HTTP/1.1",
    ] {
        refused(format!("{line}\r\nHost: a\r\n\r\n"), 400, E::RequestLine);
    }
    for blank in ["\t", "\x0b", "\x0c", "\0"] {
        let line = format!("GET{blank}/{blank}HTTP/1.1\r\nHost: a\r\n\r\n");
        refused(line, 400, E::Method);
        let line = format!("GET /{blank}a HTTP/1.1\r\nHost: a\r\n\r\n");
        refused(line, 400, E::Target);
    }
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, E::NotHttp);
}

/// "method = token" (section 3.1), which is the application's to know.
#[test]
fn methods_are_tokens() {
    for method in ["get", "PATCH", "M-SEARCH", "!#$%&'*+-.^_`|~09", "X"] {
        let request = get_with(&[]).replace("GET", method);
        understood(request, &format!("{method} http a.example /x"));
    }
    for method in ["GE(T", "G{}", "GET,", "G\u{e9}T", "GET:", "G/T", "G=T"] {
        refused(get_with(&[]).replace("GET", method), 400, E::Method);
    }
}

/// "A server that receives a method longer than any that it implements SHOULD respond with a 501 (Not Implemented)
/// status code."
#[test]
fn a_method_without_end_is_not_implemented() {
    refused("G".repeat(16_384), 501, E::MethodTooLong);
}

/// "A server that receives a request-target longer than any URI it wishes to parse MUST respond with a 414 (URI Too
/// Long) status code", and "It is RECOMMENDED that all HTTP senders and recipients support, at a minimum, request-line
/// lengths of 8000 octets."
#[test]
fn request_lines_have_an_end() {
    let line = |len: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(len - 16));
    let rest = "Host: a\r\n\r\n";
    for len in [8_000, 16_384] {
        let input = line(len) + rest;
        understood(&input, &format!("GET http a /{}", "a".repeat(len - 16)));
    }
    refused(line(16_385) + rest, 414, E::RequestLineTooLong);
    refused(line(100_000) + rest, 414, E::RequestLineTooLong);
    // As soon as it is too long, whatever comes.
    let mut client = Client::echo();
    client.send(&line(20_000)[..16_383]);
    assert_eq!(client.core.error(), None);
    client.send("a");
    assert_eq!(client.core.error(), Some(E::RequestLineTooLong));
}

/// Whatever the line is, it is looked at when it is there, not when the fields are.
#[test]
fn a_bad_line_is_refused_before_its_fields_come() {
    let mut client = Client::echo();
    client.send("GET / HTTP/3.0\r");
    assert_eq!(client.core.error(), None);
    client.send("\n");
    assert_eq!(client.core.error(), Some(E::VersionNotSupported));
}
