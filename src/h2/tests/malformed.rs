//! Requests that are malformed (RFC 9113, sections 8.1 to 8.3), and some that only look like it.

use super::*;

/// What becomes of a request with these fields: its `RST_STREAM`, if any; the connection goes on.
fn verdict(fields: &[(&str, &str)]) -> Option<ErrorCode> {
    let mut client = Client::new();
    client.feed(&headers(1, fields, true));
    let delivered = client
        .events()
        .iter()
        .any(|event| matches!(event, Seen::Request { .. }));
    let resets = client.resets(1);
    assert_eq!(delivered, resets.is_empty(), "{fields:?}");
    assert!(client.works(3));
    resets.first().copied()
}

/// GET with further fields.
fn get_with(fields: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    GET.iter().chain(fields).copied().collect()
}

#[test]
fn malformed() {
    let m = (":method", "GET");
    let s = (":scheme", "https");
    let p = (":path", "/");
    let a = (":authority", "a.example");
    let cases: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![s, p, a],
        vec![m, p, a],
        vec![m, s, a],
        vec![m, s, p],
        vec![m, m, s, p, a],
        vec![m, s, p, a, p],
        vec![m, s, p, ("x", "y"), a],
        vec![m, s, p, a, (":status", "200")],
        vec![m, s, p, a, (":protocol", "websocket")],
        vec![m, s, p, a, (":", "")],
        vec![m, s, ("", "x"), p, a],
        vec![(":method", ""), s, p, a],
        vec![(":method", "G T"), s, p, a],
        vec![m, (":scheme", ""), p, a],
        vec![m, (":scheme", "1s"), p, a],
        vec![m, s, (":path", ""), a],
        vec![m, s, (":path", "x"), a],
        vec![m, s, (":path", "*"), a],
        vec![m, s, (":path", "/a b"), a],
        vec![m, s, (":path", "/\u{7f}"), a],
        vec![m, s, p, (":authority", "")],
        vec![m, s, p, (":authority", "user@a.example")],
        vec![m, s, p, (":authority", "a/b")],
        vec![m, s, p, a, ("host", "b.example")],
        vec![m, s, p, ("host", "a"), ("host", "a")],
        vec![m, s, p, ("host", "")],
        vec![(":method", "CONNECT"), s, p, a],
        vec![(":method", "CONNECT")],
        get_with(&[("Upper", "x")]),
        get_with(&[("sp ace", "x")]),
        get_with(&[("colon:", "x")]),
        get_with(&[("n\u{e9}", "x")]),
        get_with(&[("x", "a\rb")]),
        get_with(&[("x", "a\nb")]),
        get_with(&[("x", "a\0b")]),
        get_with(&[("x", " a")]),
        get_with(&[("x", "a\t")]),
        get_with(&[("connection", "close")]),
        get_with(&[("proxy-connection", "close")]),
        get_with(&[("keep-alive", "1")]),
        get_with(&[("transfer-encoding", "chunked")]),
        get_with(&[("upgrade", "h2c")]),
        get_with(&[("te", "gzip")]),
        get_with(&[("te", "trailers, deflate")]),
        get_with(&[("content-length", "")]),
        get_with(&[("content-length", "+0")]),
        get_with(&[("content-length", "0, 0")]),
        get_with(&[("content-length", "18446744073709551616")]),
        get_with(&[("content-length", "0"), ("content-length", "1")]),
        get_with(&[("content-length", "1")]),
    ];
    for case in cases {
        assert_eq!(verdict(&case), Some(ErrorCode::PROTOCOL_ERROR), "{case:?}");
    }
}

#[test]
fn well_formed() {
    let m = (":method", "GET");
    let s = (":scheme", "https");
    let p = (":path", "/");
    let a = (":authority", "a.example");
    let cases: Vec<Vec<(&str, &str)>> = vec![
        vec![a, p, s, m],
        vec![m, s, p, ("host", "a.example:1")],
        vec![m, s, p, a, ("host", "A.example")],
        vec![(":method", "OPTIONS"), s, (":path", "*"), a],
        vec![(":method", "CONNECT"), (":authority", "a:1")],
        vec![(":method", "x-Odd!"), s, p, a],
        vec![m, (":scheme", "urn"), (":path", "a:b")],
        vec![m, s, (":path", "/\u{fc}?q=%20"), a],
        vec![m, s, p, (":authority", "[::1]:8443")],
        get_with(&[
            ("te", "trailers"),
            ("x", ""),
            ("x", "a b\tc"),
            ("x", "\u{fc}"),
        ]),
        get_with(&[("content-length", "0"), ("content-length", "0")]),
        get_with(&[("!#$%&'*+-.^_`|~09az", "x")]),
    ];
    for case in cases {
        assert_eq!(verdict(&case), None, "{case:?}");
    }
}

#[test]
fn trailers() {
    let cases: [(&[(&str, &str)], bool); 5] = [
        (&[("x-sum", "1")], true),
        (&[], true),
        (&[(":path", "/")], false),
        (&[("connection", "close")], false),
        (&[("X", "1")], false),
    ];
    for (fields, good) in cases {
        let mut client = Client::new();
        client.feed(&headers(1, &POST, false));
        client.feed(&headers(1, fields, true));
        assert_eq!(client.resets(1).is_empty(), good, "{fields:?}");
        let ended = client
            .events()
            .iter()
            .any(|event| matches!(event, Seen::Trailers { .. }));
        assert_eq!(ended, good);
        assert!(client.works(3));
    }
}

#[test]
fn the_head_as_it_was_sent() {
    let mut client = Client::new();
    client.feed(&headers(
        1,
        &get_with(&[("b", "1"), ("a", ""), ("b", "2")]),
        true,
    ));
    let own = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let head = GET
        .iter()
        .chain(&[("b", "1"), ("a", ""), ("b", "2")])
        .map(own)
        .collect();
    assert_eq!(
        client.events(),
        [Seen::Request {
            stream: 1,
            head,
            end: true
        }]
    );
    assert_eq!(client.scratch.request().get(b"b"), Some(&b"1"[..]));
    assert_eq!(client.scratch.request().get(b"c"), None);
}
