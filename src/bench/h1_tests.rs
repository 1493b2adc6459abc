//! Responses in every cut, and those that are none.

#![allow(clippy::unwrap_used)]

use super::*;

/// A connection that has made a request and sent it.
fn asked() -> H1Connection {
    let mut h1 = H1Connection::new();
    ask(&mut h1);
    h1
}

fn ask(h1: &mut H1Connection) {
    assert!(h1.is_idle());
    h1.request(Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), Bytes::new());
    h1.transmit(usize::MAX, |_| {});
    assert!(!h1.wants_transmit() && !h1.is_idle());
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    heads: Vec<Head>,
    content: Vec<u8>,
    ends: usize,
}

/// Feeds `wire` in pieces; content is thrown away where the reader would, if `discard`.
fn feed(h1: &mut H1Connection, wire: &[u8], piece: usize, discard: bool) -> Result<Seen, H1Error> {
    let mut seen = Seen::default();
    let mut rest = wire;
    while !rest.is_empty() {
        let left = h1.data_left().min(rest.len() as u64);
        if discard && left > 0 {
            seen.content.extend(&rest[..left as usize]);
            rest = &rest[left as usize..];
            seen.ends += usize::from(h1.handle_discarded(left));
            continue;
        }
        let (now, later) = rest.split_at(piece.min(rest.len()));
        rest = later;
        let mut input = now;
        while let Some(event) = h1.handle_bytes(&mut input)? {
            match event {
                H1Event::Head(head) => seen.heads.push(head),
                H1Event::Data(data) => seen.content.extend(data),
                H1Event::End => seen.ends += 1,
            }
        }
    }
    Ok(seen)
}

fn head(status: u16, content_length: Option<u64>) -> Head {
    Head {
        status,
        content_length,
        content_range: None,
    }
}

#[test]
fn responses_in_every_cut() {
    let cases: &[(&str, Head, &str)] = &[
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            head(200, Some(5)),
            "hello",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            head(200, Some(0)),
            "",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            head(204, None),
            "",
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n",
            head(304, Some(500)),
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nhel\r\n0002\r\nlo\r\n0\r\ntrailer: x\r\n\r\n",
            head(200, None),
            "hello",
        ),
        (
            "HTTP/1.1 206 Partial\r\ncontent-range: bytes 5-7/100\r\ncontent-length: 3\r\n\r\nabc",
            Head {
                content_range: Some(ContentRange {
                    first: 5,
                    last: 7,
                    complete: Some(100),
                }),
                ..head(206, Some(3))
            },
            "abc",
        ),
    ];
    for (wire, head, content) in cases {
        for piece in 1..=wire.len() {
            for discard in [false, true] {
                let mut h1 = asked();
                // Twice: a connection is kept.
                for _ in 0..2 {
                    let seen = feed(&mut h1, wire.as_bytes(), piece, discard).unwrap();
                    let expected = Seen {
                        heads: vec![*head],
                        content: content.as_bytes().to_vec(),
                        ends: 1,
                    };
                    assert_eq!(seen, expected, "{wire} by {piece}");
                    assert!(h1.is_idle() && !h1.is_over());
                    ask(&mut h1);
                }
            }
        }
    }
}

#[test]
fn connections_that_end_with_a_response() {
    for wire in [
        "HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nconnection: x, close\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab",
    ] {
        let mut h1 = asked();
        assert_eq!(feed(&mut h1, wire.as_bytes(), 7, false).unwrap().ends, 1);
        assert!(h1.is_over() && !h1.is_idle());
    }
    let kept = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nab";
    let mut h1 = asked();
    feed(&mut h1, kept.as_bytes(), 7, false).unwrap();
    assert!(h1.is_idle());
    // Without a length the content ends with the connection.
    let mut h1 = asked();
    let seen = feed(&mut h1, b"HTTP/1.1 200 OK\r\n\r\nall of it", 5, false).unwrap();
    assert_eq!((&seen.content[..], seen.ends), (&b"all of it"[..], 0));
    assert!(h1.handle_end() && h1.is_over());
}

#[test]
fn an_end_in_the_middle_is_no_end() {
    for wire in [
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let mut h1 = asked();
        feed(&mut h1, wire.as_bytes(), 3, false).unwrap();
        assert!(!h1.handle_end());
    }
}

#[test]
fn what_is_no_response_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD_BYTES));
    let lengths = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    let chunked =
        |rest: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{rest}");
    let cases = [
        ("PRI * HTTP/2.0\r\n\r\n".to_owned(), H1Error::Head),
        (long, H1Error::HeadTooLong),
        (lengths.to_owned(), H1Error::ContentLength),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_owned(),
            H1Error::ContentLength,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
            H1Error::TransferEncoding,
        ),
        ("HTTP/1.1 101 Switch\r\n\r\n".to_owned(), H1Error::Switched),
        (chunked("g\r\n"), H1Error::Chunk),
        (chunked("1\r\nabc\r\n"), H1Error::Chunk),
        (chunked(&"0".repeat(MAX_HEAD_BYTES + 1)), H1Error::Chunk),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab".to_owned(),
            H1Error::Unasked,
        ),
    ];
    for (wire, error) in cases {
        for piece in [wire.len(), 1_000] {
            let found = feed(&mut asked(), wire.as_bytes(), piece, false);
            assert_eq!(found, Err(error), "{}", &wire[..wire.len().min(80)]);
        }
    }
    let mut idle = H1Connection::new();
    assert_eq!(
        idle.handle_bytes(&mut &b"HTTP/1.1 408 Timeout\r\n\r\n"[..]),
        Err(H1Error::Unasked)
    );
}

#[test]
fn a_request_goes_out_in_pieces() {
    let head = request_head(
        "POST",
        "/a?b",
        "h:8",
        &[("x-y", "z"), ("content-length", "4")],
    );
    let text = "POST /a?b HTTP/1.1\r\nhost: h:8\r\nx-y: z\r\ncontent-length: 4\r\n\r\n";
    assert_eq!(head, text);
    for piece in [1, 10, 1_000] {
        let mut h1 = H1Connection::new();
        h1.request(head.clone(), Bytes::from_static(b"body"));
        let (mut out, mut content) = (Vec::new(), 0);
        while h1.wants_transmit() {
            let before = out.len();
            content += h1.transmit(piece, |bytes| out.extend_from_slice(bytes));
            assert!(out.len() > before && out.len() - before <= piece);
        }
        assert_eq!(out, [text.as_bytes(), b"body"].concat());
        assert_eq!(content, 4);
    }
    // Answered before it is out: the rest would be taken for another request.
    let mut h1 = H1Connection::new();
    h1.request(head, Bytes::from_static(b"body"));
    h1.transmit(20, |_| {});
    let wire = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(feed(&mut h1, wire, 100, false).unwrap().ends, 1);
    assert!(h1.is_over());
}
