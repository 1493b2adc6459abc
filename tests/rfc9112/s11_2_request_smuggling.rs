//! Section 11.2: request smuggling. "This specification has introduced new requirements on request parsing, particularly
//! with regard to message framing in Section 6.3, to reduce the effectiveness of request smuggling."
//!
//! Each input holds a request of which two recipients could think differently, and behind or in it another one that must
//! not be served. Shapes as published by Linhart et al. (2005), Kettle (2019, "HTTP Desync Attacks"; 2022, "Browser-Powered
//! Desync Attacks") and Jabiyev et al. (2021, "T-Reqs").

use crate::client::*;

const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// Nothing is served of it but, where it is harmless, the request itself; and the connection ends.
fn refuses(fields: &[&str], content: &str) {
    for method in ["POST", "GET", "HEAD", "OPTIONS", "DELETE"] {
        let input = post_with(fields, content).replacen("POST", method, 1);
        let outcome = serve([GET.as_bytes(), input.as_bytes()].concat());
        assert_eq!(outcome.requests, [GOT], "{method} {fields:?}");
        assert!(
            outcome.done && outcome.error.is_some(),
            "{method} {fields:?}"
        );
        let status = outcome.error.unwrap().status().unwrap().as_u16();
        assert!(matches!(status, 400 | 501));
        let wire = String::from_utf8(outcome.wire).unwrap();
        assert!(!wire.contains("smuggled"));
        assert!(
            wire.contains(&format!("HTTP/1.1 {status} ")) && wire.contains("connection: close\r\n")
        );
    }
}

/// CL.TE, TE.CL and TE.TE: two framings in one head.
#[test]
fn two_framings() {
    let chunked = format!("0\r\n\r\n{INNER}");
    let length = format!("Content-Length: {}", chunked.len());
    for fields in [
        &[&length[..], "Transfer-Encoding: chunked"][..],
        &["Transfer-Encoding: chunked", &length],
        &["Content-Length: 4", "Transfer-Encoding: chunked"],
        &["Content-Length: 0", "Transfer-Encoding: chunked"],
        &[&length, "Transfer-Encoding: xchunked"],
        &[&length, "Transfer-Encoding : chunked"],
        &[&length, "Transfer-Encoding\t: chunked"],
        &[&length, " Transfer-Encoding: chunked"],
        &[&length, "X: y\r\n Transfer-Encoding: chunked"],
        &[&length, "X: y\nTransfer-Encoding: chunked"],
        &[&length, "X: y\rTransfer-Encoding: chunked"],
        &[&length, "Transfer-Encoding:\x0bchunked"],
        &[&length, "Transfer-Encoding: \x0cchunked"],
        &[&length, "Transfer-Encoding: chunked\0"],
        &[&length, "Transfer-Encoding\0: chunked"],
        &[&length, "\0Transfer-Encoding: chunked"],
        &[
            &length,
            "Transfer-Encoding: chunked",
            "Transfer-encoding: x",
        ],
        &[
            &length,
            "Transfer-Encoding: x",
            "Transfer-encoding: chunked",
        ],
        &[&length, "Transfer-Encoding: 'chunked'"],
        &[&length, "Transfer-Encoding: chunked\r"],
        &[&length, "Transfer-Encoding:\r\n chunked"],
        &[&length, "Transfer-Encoding: chunk\u{ad}ed"],
        &["Transfer-Encoding: identity, chunked", &length],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding: chunked, identity"],
        &["Transfer-Encoding: chunked;q=0"],
        &["Transfer-Encoding: \u{212a}chunked"],
    ] {
        refuses(fields, &chunked);
    }
}

/// Lengths that are read in two ways, or twice.
#[test]
fn two_lengths() {
    let zero_or_all = INNER.len();
    let fields = |value: &str| format!("Content-Length: {value}");
    for value in [
        format!("+{zero_or_all}"),
        format!("{zero_or_all} 0"),
        format!("0, {zero_or_all}"),
        format!("{zero_or_all}, {zero_or_all}"),
        format!("0x{zero_or_all:x}"),
        format!("{zero_or_all}e0"),
        format!("{zero_or_all}.0"),
        format!("-{zero_or_all}"),
        format!("\u{b}{zero_or_all}"),
        format!("{zero_or_all}\0"),
        format!("0\r\n {zero_or_all}"),
        format!("\"{zero_or_all}\""),
        format!("{zero_or_all};"),
        "18446744073709551616".into(),
        "184467440737095516160".into(),
        "4294967296e".into(),
        String::new(),
    ] {
        refuses(&[&fields(&value)], INNER);
    }
    let (zero, all) = (fields("0"), fields(&zero_or_all.to_string()));
    for twice in [
        [&zero[..], &all[..]],
        [&all, &zero],
        [&all, &all],
        [&zero, &zero],
    ] {
        refuses(&twice, INNER);
    }
    for name in [
        "Content-Length ",
        "Content-Length\t",
        " Content-Length",
        "Content-Length\x0b",
        "Content Length",
        "Content-Length\0",
        "\u{feff}Content-Length",
    ] {
        refuses(&[&format!("{name}: {zero_or_all}")], INNER);
    }
}

/// What is within content stays there, however it is framed.
#[test]
fn content_is_not_read_as_a_request() {
    let size = INNER.len();
    let chunked = ["Transfer-Encoding: chunked"];
    for input in [
        post_with(&[&format!("Content-Length: {size}")], INNER),
        post_with(&chunked, &format!("{size:x}\r\n{INNER}\r\n0\r\n\r\n")),
        post_with(&chunked, &format!("{size:x};a=b\r\n{INNER}\r\n0\r\n\r\n")),
        post_with(
            &chunked,
            &format!("1\r\nx\r\n{size:X}\r\n{INNER}\r\n0\r\nA: b\r\n\r\n"),
        ),
    ] {
        understood(input, POSTED);
    }
    // A chunk whose end two recipients could see at different places.
    for content in [
        format!("0\n\r\n{INNER}"),
        format!("0 \r\n\r\n{INNER}"),
        format!("0x0\r\n\r\n{INNER}"),
        format!("3\r\nabc0\r\n\r\n{INNER}"),
        format!("3\r\nabc\n0\r\n\r\n{INNER}"),
        format!("2;\n{INNER}"),
        format!("-1\r\n{INNER}"),
        format!("0;\r{INNER}"),
        format!("00000000000000000\r\n\r\n{INNER}"),
        format!("0\r\nX: y\n\r\n{INNER}"),
        format!("0\r\n\n{INNER}"),
        format!("ffffffffffffffff\r\n{INNER}"),
        format!("10000000000000000\r\n\r\n{INNER}"),
    ] {
        let outcome = serve(post_with(&chunked, &content));
        assert_eq!(outcome.requests, [POSTED], "{content:?}");
        assert!(outcome.done && outcome.error.is_some());
    }
}

/// Expectations: the answer comes instead of 100, and whether content follows is not known.
#[test]
fn nothing_is_read_after_an_expectation() {
    understood_last(
        post_with(&["Expect: 100-continue", "Content-Length: 5"], INNER),
        POSTED,
    );
    understood_last(
        post_with(
            &["Expect: 100-continue", "Transfer-Encoding: chunked"],
            INNER,
        ),
        POSTED,
    );
}

/// A tunnel that was refused may be in use already.
#[test]
fn nothing_is_read_after_connect() {
    let connect = "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n";
    understood_last([connect, INNER].concat(), "CONNECT  b:443 ");
}

/// An upgrade that did not happen was none: what follows is HTTP/1.1, as the client has to expect.
#[test]
fn an_upgrade_is_ignored() {
    let fields = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
    ];
    understood(get_with(&fields), GOT_X);
}

/// Request lines that are read in two ways.
#[test]
fn two_request_lines() {
    for line in [
        "GET / HTTP/1.1\nGET /smuggled HTTP/1.1",
        "GET /\nGET /smuggled HTTP/1.1",
        "GET / HTTP/1.1 \r\n",
        "GET / HTTP/1.1\r\r\n",
        "GET /x y HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1\x0b",
        "GET /\0 HTTP/1.1",
        "GET / HTTP/1.1\0",
        "GET / HTTP/1.1 HTTP/1.1",
        "GET http://a/ b HTTP/1.1",
    ] {
        let outcome = serve(format!("{line}\r\nHost: a.example\r\n\r\n{INNER}"));
        assert_eq!(outcome.requests, [""; 0], "{line:?}");
        assert!(outcome.done && outcome.error.is_some());
    }
}
