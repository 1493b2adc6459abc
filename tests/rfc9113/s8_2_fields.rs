//! Section 8.2: HTTP fields.

use crate::client::*;

/// Section 8.2.1: "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff (all ranges
/// inclusive). [...] A request or response that contains a field that violates any of these conditions MUST be treated as
/// malformed (Section 8.1.1)."
#[test]
fn characters_that_names_must_not_have() {
    for byte in (0..=0x20).chain(0x41..=0x5a).chain(0x7f..=0xff) {
        for name in [&[b'x', byte, b'y'][..], &[byte], &[byte, b'x']] {
            let field = [&[0x00, name.len() as u8][..], name, b"\x01v"].concat();
            let mut client = Client::new();
            client.send(&raw_headers(1, &[&block(&GET)[..], &field].concat(), true));
            assert_eq!(
                client.outcome(),
                StreamError(1, C::PROTOCOL_ERROR),
                "{name:?}"
            );
            assert_eq!(client.events(), []);
        }
    }
}

/// As above, and section 8.2: "Field names MUST be converted to lowercase when constructing an HTTP/2 message."
#[test]
fn names_in_upper_case() {
    for name in ["Upper", "x-Test", "HOST", "Content-Length", "TE", "Cookie"] {
        malformed(&get_with(&[(name, "1")]));
        malformed_trailers(&[(name, "1")]);
    }
    malformed(&[("\u{3a}Method", "GET"), METHOD, SCHEME, PATH, AUTHORITY]);
}

/// As above, when the name comes from the dynamic table.
#[test]
fn names_in_upper_case_by_index() {
    let mut client = Client::prepared();
    let adds = [&block(&GET)[..], b"\x40\x01X\x01y"].concat();
    let uses = [&block(&GET)[..], b"\xbe"].concat();
    client.send(&raw_headers(IDLE, &adds, true));
    assert_eq!(client.outcome(), StreamError(IDLE, C::PROTOCOL_ERROR));
    client.send(&raw_headers(IDLE + 2, &uses, true));
    client.expect(StreamError(IDLE + 2, C::PROTOCOL_ERROR));
}

/// Section 8.2.1: "With the exception of pseudo-header fields (Section 8.3), which have a name that starts with a single
/// colon, field names MUST NOT include a colon (ASCII COLON, 0x3a)."
#[test]
fn colons_in_names() {
    for name in ["a:b", "a:", "::method", ":"] {
        malformed(&get_with(&[(name, "x")]));
        malformed_trailers(&[(name, "x")]);
    }
}

/// RFC 9110, section 5.1: a name is a token, which is not empty.
#[test]
fn names_that_are_no_tokens() {
    for name in [
        "", "a b", "a(b", "a,b", "a/b", "a\"b", "a{b}", "a[b", "a@b", "a;b", "a=b", "a?b", "a\\b",
    ] {
        malformed(&get_with(&[(name, "x")]));
    }
    well_formed(&get_with(&[("!#$%&'*+-.^_`|~0189abyz", "x")]));
}

/// Section 8.2.1: "A field value MUST NOT contain the zero value (ASCII NUL, 0x00), line feed (ASCII LF, 0x0a), or
/// carriage return (ASCII CR, 0x0d) at any position."
#[test]
fn characters_that_values_must_not_have() {
    for value in [
        "\0",
        "\n",
        "\r",
        "a\0b",
        "a\nb",
        "a\rb",
        "\r\n",
        "a\r\nx: y",
        "a\n",
        "\ra",
    ] {
        malformed(&get_with(&[("x", value)]));
        malformed(&get_with(&[("cookie", value)]));
        malformed(&[METHOD, SCHEME, (":path", value), AUTHORITY]);
        malformed_trailers(&[("x", value)]);
    }
    // Also where Huffman coding hides them: encoders choose it for what is longer.
    let long = format!("{}\n", "a".repeat(100));
    malformed(&get_with(&[("x", &long)]));
}

/// Section 8.2.1: "A field value MUST NOT start or end with an ASCII whitespace character (ASCII SP or HTAB, 0x20 or
/// 0x09)."
#[test]
fn white_space_around_values() {
    for value in [" ", "\t", " a", "a ", "\ta", "a\t", "  a  "] {
        malformed(&get_with(&[("x", value)]));
        malformed(&[METHOD, SCHEME, PATH, (":authority", value)]);
        malformed_trailers(&[("x", value)]);
    }
    well_formed(&get_with(&[("x", ""), ("x", "a b"), ("x", "a\tb")]));
}

/// RFC 9110, section 5.5: `obs-text` is opaque, and no error.
#[test]
fn bytes_above_ascii_in_values() {
    let field = b"\x00\x01x\x03\x80\xe9\xff";
    expect(
        &raw_headers(IDLE, &[&block(&GET)[..], field].concat(), true),
        Fine,
    );
}

/// Section 8.2.2: "Any message containing connection-specific header fields MUST be treated as malformed (Section
/// 8.1.1)." These are Connection, "Proxy-Connection, Keep-Alive, Transfer-Encoding, and Upgrade".
#[test]
fn connection_specific_fields() {
    for (name, value) in [
        ("connection", "keep-alive"),
        ("connection", "x-none"),
        ("connection", ""),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "max=5"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "h2c"),
    ] {
        malformed(&get_with(&[(name, value)]));
        malformed_trailers(&[(name, value)]);
    }
}

/// Section 8.2.2: "The only exception to this is the TE header field, which MAY be present in an HTTP/2 request; when it
/// is, it MUST NOT contain any value other than "trailers"."
#[test]
fn te() {
    for value in [
        "gzip",
        "trailers, deflate",
        "trailers;q=0.5",
        "",
        "chunked",
        "trailers,",
    ] {
        malformed(&get_with(&[("te", value)]));
    }
    malformed(&get_with(&[("te", "trailers"), ("te", "gzip")]));
    well_formed(&get_with(&[("te", "trailers")]));
    well_formed(&get_with(&[("te", "Trailers")]));
}

/// Section 8.2.3: "the Cookie header field MAY be split into separate header fields, each with one or more cookie-pairs."
/// They are not joined here: nothing reads them, and the application gets every field in its order.
#[test]
fn cookies_in_crumbs() {
    let mut client = Client::prepared();
    client.send(&headers(
        IDLE,
        &get_with(&[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d; e=f")]),
        true,
    ));
    let events = client.events();
    let [Seen::Request(_, fields)] = &events[..] else {
        panic!("{events:?}");
    };
    let crumbs: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name == "cookie")
        .map(|(_, value)| &value[..])
        .collect();
    assert_eq!(crumbs.join("; "), "a=b; c=d; e=f");
}
