//! Section 5: field syntax.

use ringlane::h1::limits::MAX_FIELDS;
use ringlane::h1::{Connection, Event, Scheme, Scratch};

use crate::client::*;

/// "field-line = field-name ":" OWS field-value OWS", and RFC 9110, section 5.1: "Field names are case-insensitive"
#[test]
fn names_are_in_lower_case_and_values_trimmed() {
    let input = "GET / HTTP/1.1\r\nHost:a\r\nX-One: \t v w \t\r\nx-EMPTY:\r\nX-Blank:   \r\nx-one:2:3\r\n\r\n";
    let mut core = Connection::<()>::new(Config::default().into(), Scheme::Https, 0);
    let mut scratch = Scratch::default();
    let Some(Event::Request { head, .. }) =
        core.handle_bytes(0, &mut input.as_bytes(), &mut scratch)
    else {
        panic!("a request");
    };
    let fields: Vec<(&[u8], &[u8])> = vec![
        (b"host", b"a"),
        (b"x-one", b"v w"),
        (b"x-empty", b""),
        (b"x-blank", b""),
        (b"x-one", b"2:3"),
    ];
    assert_eq!(head.iter().collect::<Vec<_>>(), fields);
    assert_eq!(head.get(b"x-one"), Some(&b"v w"[..]));
    assert_eq!((head.get(b"x"), head.scheme()), (None, &b"https"[..]));
    assert!(!head.is_http10());
}

/// Section 5.1: "A server MUST reject, with a response status code of 400 (Bad Request), any received request message
/// that contains whitespace between a header field name and colon."
#[test]
fn no_white_space_before_the_colon() {
    for line in [
        "X : y",
        "X\t: y",
        "X  :y",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
    ] {
        refused(get_with(&[line]), 400, E::SpaceBeforeColon);
    }
}

/// RFC 9110, section 5.1: "field-name = token"
#[test]
fn names_are_tokens() {
    for line in [
        "",
        ":",
        ": y",
        "X",
        "X y: z",
        "X(: y",
        "X\u{e9}: y",
        "X\"y: z",
        "=: y",
        "X\0: y",
        "@:",
        "X/Y: z",
    ] {
        if !line.is_empty() {
            refused(get_with(&[line]), 400, E::FieldName);
        }
    }
}

/// RFC 9110, section 5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous [...] Field values
/// containing other CTL characters are also invalid"
#[test]
fn values_have_no_controls() {
    for byte in (0..32).chain([127u8]) {
        let input = [
            b"GET / HTTP/1.1\r\nHost: a\r\nX: y",
            &[byte][..],
            b"z\r\n\r\n",
        ]
        .concat();
        match byte {
            b'\t' => understood(input, "GET http a /"),
            b'\n' => refused(input, 400, E::BareLf),
            b'\r' => refused(input, 400, E::BareCr),
            _ => refused(input, 400, E::FieldValue),
        }
    }
}

/// Section 5.2: "A server that receives an obs-fold in a request message that is not within a "message/http" container
/// MUST either reject the message by sending a 400 (Bad Request), preferably with a representation explaining that
/// obsolete line folding is unacceptable, or replace each received obs-fold"
#[test]
fn lines_are_not_folded() {
    for fold in [
        "X: y\r\n z",
        "X: y\r\n\tz: w",
        "X:\r\n y",
        "Transfer-Encoding:\r\n chunked",
        "X: y\r\n ",
    ] {
        refused(get_with(&[fold]), 400, E::LineFolding);
    }
}

/// Section 5.4 of RFC 9110: "A server that receives a request header field line, field value, or set of fields larger than
/// it wishes to process MUST respond with an appropriate 4xx (Client Error) status code."
#[test]
fn the_header_section_has_an_end() {
    let with = |len: usize| {
        let least = get_with(&["X: "]).len();
        get_with(&[&format!("X: {}", "v".repeat(len - least))])
    };
    understood(with(32_768), GOT_X);
    refused(with(32_769), 431, E::HeadTooLarge);
    refused(with(100_000), 431, E::HeadTooLarge);
    let many = |fields: usize| get_with(&vec!["X: y"; fields - 1]);
    understood(many(33), GOT_X);
    understood(many(MAX_FIELDS), GOT_X);
    refused(many(MAX_FIELDS + 1), 431, E::TooManyFields);
    refused(many(2_000), 431, E::TooManyFields);
    // A limit of less than there is room for at first.
    let config = Config {
        max_fields: 2,
        ..Config::default()
    };
    let mut client = Client::new(config, Answering::AtOnce);
    client.send(many(2));
    client.send(many(3));
    assert_eq!(client.core.error(), Some(E::TooManyFields));
}

/// What is kept of a head that is not complete is no more than a head may have.
#[test]
fn a_head_without_end_is_refused_before_it_ends() {
    let mut client = Client::echo();
    client.send("GET / HTTP/1.1\r\nX: ");
    for _ in 0..1_000 {
        client.send([b'v'; 100]);
    }
    client.answers()[0].refuses(431, E::HeadTooLarge);
}
