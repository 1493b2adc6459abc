//! Section 7.1: chunked transfer coding, received and sent.

use ringlane::h1::limits::{MAX_CHUNK_LINE, MAX_DRAINED_CONTENT, MAX_TRAILER_BYTES};

use crate::client::*;

const CHUNKED: [&str; 1] = ["Transfer-Encoding: chunked"];

fn read(content: &str) {
    understood(post_with(&CHUNKED, content), POSTED);
}

/// The content is malformed when nothing of the answer is out: it is replaced by one that says so. When the answer is
/// out, there is nothing that could be said, and the connection ends.
fn malformed(content: &str, error: E) {
    let input = post_with(&CHUNKED, content) + GET;
    let outcome = serve(&input);
    assert_eq!(outcome.requests, [POSTED], "{}", content.escape_debug());
    assert_eq!(
        (outcome.error, outcome.done),
        (Some(error), true),
        "{}",
        content.escape_debug()
    );
    let answers = answers(&outcome.wire);
    assert_eq!(answers.len(), 1);
    answers[0].refuses(400, error);

    let (head, content) = input.split_at(post_with(&CHUNKED, "").len());
    let mut client = Client::echo();
    client.send(head);
    assert_eq!(client.status(), 200);
    client.send(content);
    assert_eq!(
        (client.core.error(), client.core.is_done()),
        (Some(error), true)
    );
    assert_eq!(client.text(), "");
}

/// "A recipient MUST be able to parse and decode the chunked transfer coding."
#[test]
fn chunks_are_read() {
    for content in [
        "0\r\n\r\n",
        "00000\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "03\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n",
        "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        "4\r\n\r\n\r\n\r\n0\r\n\r\n",
        "5\r\n0\r\n\r\n\r\n0\r\n\r\n",
    ] {
        read(content);
    }
}

/// "chunk-size = 1*HEXDIG"
#[test]
fn sizes_are_hexadecimal_digits() {
    for size in [
        "", "g", "0x3", "+3", "-3", "-0", " 3", "3 ", "3\t", "\t3", "3 3", "3,3", "3_", "3h",
        "3.0", "\u{663}", "3\u{0}", "\"3\"", "3:", "3=",
    ] {
        malformed(&format!("{size}\r\nabc\r\n0\r\n\r\n"), E::ChunkSize);
    }
    malformed("\r\n0\r\n\r\n", E::ChunkSize);
}

/// "recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing errors due to integer conversion
/// overflows or precision loss due to integer representation."
#[test]
fn sizes_do_not_overflow() {
    for size in [
        "1000000000000003",
        "10000000000000003",
        "ffffffffffffffff",
        "0000000000000003",
        "fffffffffffffffffffffffffffffffff",
    ] {
        malformed(&format!("{size}\r\nabc\r\n0\r\n\r\n"), E::ChunkSize);
    }
    read("000000000000003\r\nabc\r\n0\r\n\r\n");
    let mut client = Client::echo();
    client.send(post_with(&CHUNKED, "fffffffffffffff\r\n"));
    client.send(vec![b'x'; MAX_DRAINED_CONTENT as usize]);
    assert_eq!(client.core.error(), None);
    assert_eq!(client.answers()[0].field("connection"), Some("close"));
}

/// "chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF"
#[test]
fn chunks_end_where_their_size_says() {
    for content in [
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nab\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r0\r\n\r\n",
        "3\r\nabc\r\r\n0\r\n\r\n",
    ] {
        malformed(content, E::ChunkEnd);
    }
    for content in ["3\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\n\r\n"] {
        malformed(content, E::ChunkSize);
    }
    for content in [
        "3\rabc\r\n0\r\n\r\n",
        "0\r\n\rx",
        "0\r\r\n\r\n",
        "3;a\rb\r\nabc\r\n",
    ] {
        malformed(content, E::BareCr);
    }
}

/// Section 7.1.1: "A recipient MUST ignore unrecognized chunk extensions."
#[test]
fn extensions_are_ignored() {
    for extension in [
        ";a",
        ";a=b",
        ";a=\"b c\"",
        " ;a",
        "\t; a = b",
        ";",
        ";;",
        ";a=\"\u{e9}\"",
    ] {
        read(&format!("3{extension}\r\nabc\r\n0{extension}\r\n\r\n"));
    }
    for extension in [";a\0", ";a\x7f", ";a\nb", ";\x0b"] {
        malformed(
            &format!("3{extension}\r\nabc\r\n0\r\n\r\n"),
            E::ChunkExtension,
        );
    }
    for extension in [" a", " =", "  \r", "\t\n"] {
        malformed(&format!("3{extension}\r\nabc\r\n0\r\n\r\n"), E::ChunkSize);
    }
}

/// "A server ought to limit the total length of chunk extensions received in a request to an amount reasonable for the
/// services provided, in the same way that it applies length limitations and timeouts for other parts of a message, and
/// generate an appropriate 4xx (Client Error) response if that amount is exceeded."
#[test]
fn extensions_have_an_end() {
    // With a digit and a semicolon.
    let most = MAX_CHUNK_LINE as usize - 2;
    read(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(most)));
    malformed(
        &format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(most + 1)),
        E::ChunkLineTooLong,
    );
    malformed(
        &format!("3{};\r\nabc\r\n0\r\n\r\n", " ".repeat(most + 1)),
        E::ChunkLineTooLong,
    );
    // All together as long as the content that is read at most.
    let mut client = Client::echo();
    client.send(post_with(&CHUNKED, ""));
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(most));
    client.send(chunk.repeat(MAX_DRAINED_CONTENT as usize / chunk.len() + 1));
    assert_eq!(client.core.error(), None);
    client.answers();
    assert!(client.core.is_done());
}

/// Section 7.1.2: "A recipient that removes the chunked coding from a message MAY selectively retain or discard the
/// received trailer fields."
#[test]
fn trailers_are_thrown_away() {
    for trailers in [
        "A: b\r\n",
        "a:\r\nb: c\r\n",
        "Content-Length: 5\r\n",
        "Host: b\r\nTransfer-Encoding: x\r\n",
        "a: \u{e9}\tb\r\n",
    ] {
        read(&format!("1\r\nx\r\n0\r\n{trailers}\r\n"));
    }
}

/// "trailer-section = *( field-line CRLF )"
#[test]
fn trailers_are_fields() {
    for trailers in [
        "a\r\n",
        "a b: c\r\n",
        ": a\r\n",
        " a: b\r\n",
        "a : b\r\n",
        "a: b\r\n c\r\n",
        "a: b\0\r\n",
        "a: b\n",
        "\n",
        "a: b\x7f\r\n",
        "GET / HTTP/1.1\r\n",
    ] {
        malformed(&format!("1\r\nx\r\n0\r\n{trailers}\r\n"), E::Trailer);
    }
    malformed("0\r\na: b\rc\r\n\r\n", E::BareCr);
    malformed("0\r\na: b\r\n\rc", E::BareCr);
}

/// They have an end as a header section has.
#[test]
fn trailers_have_an_end() {
    let trailer = format!("a: {}\r\n", "v".repeat(MAX_TRAILER_BYTES as usize - 5));
    read(&format!("0\r\n{trailer}\r\n"));
    malformed(
        &format!("0\r\n{}\r\n", trailer.replacen("v", "vv", 1)),
        E::TrailersTooLarge,
    );
    malformed(
        &format!("0\r\n{}\r\n", "a:\r\n".repeat(2_000)),
        E::TrailersTooLarge,
    );
}

/// A message is answered in chunks when nobody knows its length, each chunk one part of it, the last one empty.
#[test]
fn streams_are_sent_in_chunks() {
    let mut client = Client::manual();
    client.send(GET.repeat(2));
    client.core.respond(2, ok(Body::Bytes("next".into())));
    client.core.respond(
        1,
        ok(stream(
            [
                segment("abc"),
                Segment::File {
                    file: 7,
                    offset: 5,
                    len: 300_000,
                },
            ],
            End::Open,
        )),
    );
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n493e0\r\n";
    let wire = client.receive();
    assert!(wire.starts_with(head.as_bytes()));
    assert_eq!(wire.len(), head.len() + 300_000 + 2);
    assert!(!client.core.wants_transmit(), "it waits for more");
    client.core.append(1, segment(""));
    assert!(
        !client.core.wants_transmit(),
        "that is nothing, and no last chunk"
    );
    client.core.append(1, segment("0123456789abcdef"));
    assert!(client.core.wants_transmit());
    client.core.finish(1, End::Done);
    client.core.append(1, segment("too late"));
    let next = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext";
    assert_eq!(
        client.text(),
        format!("10\r\n0123456789abcdef\r\n0\r\n\r\n{next}")
    );
    assert_eq!(client.ended.len(), 2);
}

/// "chunked-body = *chunk last-chunk trailer-section CRLF"
#[test]
fn trailers_follow_the_last_chunk() {
    let mut client = Client::manual();
    client.send(GET);
    let trailers = End::Trailers("digest: x\r\nb: c\r\n".into());
    client
        .core
        .respond(1, ok(stream([segment("abc")], trailers)));
    let wire = client.receive();
    let answers = answers(&wire);
    let trailers =
        [("digest", "x"), ("b", "c")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        (answers[0].text(), &answers[0].trailers[..]),
        ("abc", &trailers[..])
    );
    assert!(wire.ends_with(b"3\r\nabc\r\n0\r\ndigest: x\r\nb: c\r\n\r\n"));
}

/// A stream that is known to be empty is the last chunk alone.
#[test]
fn an_empty_stream_is_the_last_chunk() {
    for end in [End::Open, End::Done] {
        let mut client = Client::manual();
        client.send(GET);
        client.core.respond(1, ok(stream([], end)));
        client.core.finish(1, End::Done);
        assert!(client.text().ends_with("\r\n\r\n0\r\n\r\n"));
        assert_eq!(client.core.open_streams(), 0);
    }
}
