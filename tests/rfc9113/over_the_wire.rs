//! The real server, over sockets: what a client sees when it breaks a rule, up to the close of the connection, which must
//! be clean. Each requirement is quoted with the test of the core.

use std::fs;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;

use crate::client::*;
use crate::server::Server;
use crate::wire::*;

fn the_preface(site: &Site) {
    for (input, code) in [
        (
            b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec(),
            C::PROTOCOL_ERROR,
        ),
        (
            b"PRI * HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec(),
            C::PROTOCOL_ERROR,
        ),
        ([&PREFACE[..], &ping([0; 8])].concat(), C::PROTOCOL_ERROR),
    ] {
        let mut wire = site.raw();
        wire.send(&input);
        assert!(wire.next().unwrap().is(Kind::SETTINGS, 0));
        wire.expect(ConnectionError(code));
    }
}

/// More may be on its way than the server reads: its GOAWAY must arrive nevertheless.
fn goaway_arrives_whatever_follows(site: &Site) {
    for bytes in [16_385, 400_000] {
        let mut input = frame(Kind::DATA, 0, OPEN, &vec![0; bytes]);
        input.extend(ping([0; 8]).repeat(1_000));
        site.expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

fn frames_that_are_ignored(site: &Site) {
    site.expect(&frame(Kind(0xee), 0xff, OPEN, b"payload"), Fine);
    site.expect(&frame(Kind::PING, 0xff, 0, &[0; 8]), Fine);
    site.expect(&settings(&[(0xfefe, 1)]), Fine);
    site.expect(&priority(IDLE, 0), Fine);
    site.expect(&goaway(0, ErrorCode(0xff)), Fine);
    site.expect(&window_update(HALF_CLOSED, 1), Fine);
}

fn frame_sizes(site: &Site) {
    let large = vec![0; 16_385];
    let error = ConnectionError(C::FRAME_SIZE_ERROR);
    site.expect(&raw_headers(IDLE, &large, true), error);
    for kind in [
        Kind::PING,
        Kind::RST_STREAM,
        Kind::WINDOW_UPDATE,
        Kind::SETTINGS,
        Kind::GOAWAY,
    ] {
        let stream = if matches!(kind, Kind::RST_STREAM | Kind::WINDOW_UPDATE) {
            OPEN
        } else {
            0
        };
        site.expect(&frame(kind, 0, stream, &[0; 5]), error);
    }
    site.expect(&frame(Kind::SETTINGS, flags::ACK, 0, &[0; 6]), error);
    site.expect(
        &frame(Kind::PRIORITY, 0, OPEN, &[0; 4]),
        StreamError(OPEN, C::FRAME_SIZE_ERROR),
    );
    // The largest that must be taken.
    let mut wire = site.connect(&[]);
    wire.send(&[post(1), data(1, &[0; 16_384], true)].concat());
    assert_eq!(fields_of(&wire.answer(1), 1)[0].1, "405");
}

fn frames_on_wrong_streams(site: &Site) {
    let error = ConnectionError(C::PROTOCOL_ERROR);
    for kind in [Kind::DATA, Kind::HEADERS, Kind::CONTINUATION] {
        site.expect(&frame(kind, flags::END_HEADERS, 0, &block(&GET)), error);
    }
    site.expect(&rst_stream(0, C::CANCEL), error);
    site.expect(&priority(0, 1), error);
    for (kind, len) in [(Kind::SETTINGS, 0), (Kind::PING, 8), (Kind::GOAWAY, 8)] {
        site.expect(&frame(kind, 0, OPEN, &vec![0; len]), error);
    }
    site.expect(
        &frame(Kind::PUSH_PROMISE, flags::END_HEADERS, OPEN, &[0, 0, 0, 2]),
        error,
    );
}

fn states(site: &Site) {
    let error = ConnectionError(C::PROTOCOL_ERROR);
    for input in [
        data(IDLE, b"x", true),
        rst_stream(IDLE, C::CANCEL),
        window_update(IDLE, 1),
        continuation(IDLE, b"", true),
    ] {
        site.expect(&input, error);
    }
    let closed = StreamError(HALF_CLOSED, C::STREAM_CLOSED);
    site.expect(&data(HALF_CLOSED, b"x", true), closed);
    site.expect(&get(HALF_CLOSED), closed);
    let reset = rst_stream(HALF_CLOSED, C::CANCEL);
    site.expect(
        &[reset.clone(), data(HALF_CLOSED, b"x", true)].concat(),
        closed,
    );
    site.expect(
        &[reset, get(HALF_CLOSED)].concat(),
        ConnectionError(C::STREAM_CLOSED),
    );
    // Closed by both ends.
    for (late, expected) in [
        (data(1, b"x", true), StreamError(1, C::STREAM_CLOSED)),
        (get(1), ConnectionError(C::STREAM_CLOSED)),
        (window_update(1, 1), Fine),
        (rst_stream(1, C::CANCEL), Fine),
        (priority(1, 0), Fine),
    ] {
        let mut wire = site.connect(&[]);
        wire.works(1);
        wire.send(&late);
        wire.expect(expected);
    }
}

fn identifiers(site: &Site) {
    site.expect(&get(2), ConnectionError(C::PROTOCOL_ERROR));
    site.expect(
        &[get(IDLE + 2), get(IDLE)].concat(),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    site.expect(&priority(OPEN, OPEN), StreamError(OPEN, C::PROTOCOL_ERROR));
}

fn concurrency(site: &Site) {
    let mut wire = site.raw();
    wire.send(
        &[
            PREFACE,
            &settings(&[(id::INITIAL_WINDOW_SIZE, 0)])[..],
            &settings_ack(),
        ]
        .concat(),
    );
    let most = wire
        .next()
        .unwrap()
        .setting(id::MAX_CONCURRENT_STREAMS)
        .unwrap();
    let large = [METHOD, SCHEME, LARGE, AUTHORITY];
    for n in 0..=most {
        wire.send(&headers(2 * n + 1, &large, true));
    }
    let frames = wire.until(|frame| frame.header.kind == Kind::RST_STREAM);
    let reset = frames.last().unwrap();
    assert_eq!(
        (reset.header.stream_id, reset.number(0)),
        (2 * most + 1, C::REFUSED_STREAM.0)
    );
    // One ends, and there is room again.
    wire.send(&rst_stream(1, C::CANCEL));
    wire.send(&ping([9; 8]));
    wire.until(|frame| frame.is(Kind::PING, 0) && frame.header.has(flags::ACK));
    wire.works(2 * most + 3);
}

fn bad_settings(site: &Site) {
    for (id, value, code) in [
        (id::ENABLE_PUSH, 2, C::PROTOCOL_ERROR),
        (id::INITIAL_WINDOW_SIZE, 1 << 31, C::FLOW_CONTROL_ERROR),
        (id::MAX_FRAME_SIZE, 16_383, C::PROTOCOL_ERROR),
        (id::MAX_FRAME_SIZE, 1 << 24, C::PROTOCOL_ERROR),
        (id::NO_RFC7540_PRIORITIES, 2, C::PROTOCOL_ERROR),
    ] {
        site.expect(&settings(&[(id, value)]), ConnectionError(code));
    }
}

fn settings_change_windows(site: &Site) {
    let mut wire = site.blocked();
    wire.send(&rst_stream(OPEN, C::CANCEL));
    wire.send(&settings(&[
        (id::INITIAL_WINDOW_SIZE, 100),
        (id::INITIAL_WINDOW_SIZE, 1),
    ]));
    let frames = wire.until(|frame| frame.is(Kind::DATA, HALF_CLOSED));
    let ack = frames
        .iter()
        .position(|f| f.is(Kind::SETTINGS, 0) && f.header.flags == flags::ACK);
    assert!(ack.is_some(), "it is acknowledged before");
    assert_eq!(frames.last().unwrap().header.length, 1);
    // Below zero, and back.
    wire.send(&window_update(HALF_CLOSED, 9));
    wire.until(|frame| frame.is(Kind::DATA, HALF_CLOSED) && frame.header.length == 9);
    wire.send(
        &[
            settings(&[(id::INITIAL_WINDOW_SIZE, 0)]),
            window_update(HALF_CLOSED, 1),
            ping([2; 8]),
        ]
        .concat(),
    );
    let frames = wire.until(|frame| frame.is(Kind::PING, 0));
    assert_eq!(data_lengths(&frames, HALF_CLOSED), [] as [u32; 0]);
    wire.send(&window_update(HALF_CLOSED, 3));
    let frames = wire.until(|frame| frame.is(Kind::DATA, HALF_CLOSED));
    assert_eq!(frames.last().unwrap().header.length, 3);
}

fn windows(site: &Site) {
    let most = MOST;
    site.expect(&window_update(0, 0), ConnectionError(C::PROTOCOL_ERROR));
    site.expect(
        &window_update(HALF_CLOSED, 0),
        StreamError(HALF_CLOSED, C::PROTOCOL_ERROR),
    );
    site.expect(
        &window_update(0, most),
        ConnectionError(C::FLOW_CONTROL_ERROR),
    );
    let mut wire = site.connect(&[(id::INITIAL_WINDOW_SIZE, 1)]);
    wire.send(&headers(1, &[METHOD, SCHEME, LARGE, AUTHORITY], true));
    wire.until(|frame| frame.is(Kind::DATA, 1));
    // The connection's window ends the sending long before the stream's, of which most is left.
    wire.send(&settings(&[(id::INITIAL_WINDOW_SIZE, most / 2)]));
    wire.until(|frame| frame.is(Kind::SETTINGS, 0) && frame.header.has(flags::ACK));
    wire.send(&window_update(1, most));
    wire.expect(StreamError(1, C::FLOW_CONTROL_ERROR));
}

fn both_windows_bound_what_is_sent(site: &Site) {
    let mut wire = site.connect(&[(id::INITIAL_WINDOW_SIZE, MOST)]);
    wire.send(&headers(1, &[METHOD, SCHEME, LARGE, AUTHORITY], true));
    let mut sent = 0;
    while sent < 65_535 {
        let frames = wire.until(|frame| frame.is(Kind::DATA, 1));
        sent += frames.last().unwrap().header.length;
    }
    wire.send(&ping([3; 8]));
    let frames = wire.until(|frame| frame.is(Kind::PING, 0));
    assert_eq!((sent, data_lengths(&frames, 1)), (65_535, vec![]));
    wire.send(&window_update(0, 1 << 20));
    sent += data_lengths(&wire.answer(1), 1).iter().sum::<u32>();
    assert_eq!(sent as usize, LARGE_BYTES);
}

fn pings(site: &Site) {
    let mut wire = site.connect(&[]);
    wire.send(&frame(Kind::PING, flags::ACK, 0, b"an-ack!!"));
    wire.send(&ping(*b"identity"));
    let frames = wire.until(|frame| frame.header.kind == Kind::PING);
    let answer = frames.last().unwrap();
    assert_eq!(
        (answer.header.flags, &answer.payload[..]),
        (flags::ACK, &b"identity"[..])
    );
}

fn continuations(site: &Site) {
    let error = ConnectionError(C::PROTOCOL_ERROR);
    let begun = frame(Kind::HEADERS, flags::END_STREAM, IDLE, &block(&GET));
    for other in [
        data(OPEN, b"x", true),
        get(IDLE + 2),
        ping([0; 8]),
        frame(Kind(0xab), 0, 0, b""),
        continuation(OPEN, b"", true),
    ] {
        site.expect(&[begun.clone(), other].concat(), error);
    }
    site.expect(&[get(IDLE), continuation(IDLE, b"", true)].concat(), error);
    site.expect(
        &[data(OPEN, b"x", false), continuation(OPEN, b"", true)].concat(),
        error,
    );
    let rest = [
        continuation(IDLE, b"", false),
        continuation(IDLE, b"", true),
    ]
    .concat();
    site.expect(&[begun, rest].concat(), Fine);
}

fn padding(site: &Site) {
    let error = ConnectionError(C::PROTOCOL_ERROR);
    site.expect(
        &frame(Kind::DATA, flags::PADDED, OPEN, &[6, 1, 2, 3, 4]),
        error,
    );
    let payload = [&[200][..], &block(&GET)].concat();
    site.expect(
        &frame(Kind::HEADERS, flags::PADDED | WHOLE, IDLE, &payload),
        error,
    );
}

fn field_blocks_that_cannot_be_decoded(site: &Site) {
    for bad in [
        &b"\x80"[..],
        b"\xff\xff\x03",
        b"\x00\x82\x1f\xff\x01v",
        b"\x00\x81\x18\x01v",
        b"\x00\x01x\x84\xff\xff\xff\xff",
        b"\x20",
        b"\x00\x05x",
    ] {
        let block = [&block(&GET)[..], bad].concat();
        site.expect(
            &raw_headers(IDLE, &block, true),
            ConnectionError(C::COMPRESSION_ERROR),
        );
    }
    let update = [b"\x3f\xff\xff\xff\x0f", &block(&GET)[..]].concat();
    site.expect(
        &raw_headers(IDLE, &update, true),
        ConnectionError(C::COMPRESSION_ERROR),
    );
}

fn malformed_requests(site: &Site) {
    let cases: &[&[Field<'_>]] = &[
        &[SCHEME, PATH, AUTHORITY],
        &[METHOD, PATH, AUTHORITY],
        &[METHOD, SCHEME, AUTHORITY],
        &[METHOD, METHOD, SCHEME, PATH, AUTHORITY],
        &[METHOD, SCHEME, (":path", ""), AUTHORITY],
        &[METHOD, SCHEME, (":path", "x"), AUTHORITY],
        &[METHOD, SCHEME, (":path", "*"), AUTHORITY],
        &[METHOD, SCHEME, PATH, (":authority", "user@a.example")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "b.example")],
        &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")],
        &[METHOD, SCHEME, PATH, AUTHORITY, (":test", "x")],
        &[METHOD, SCHEME, PATH, ("x", "y"), AUTHORITY],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("X-Upper", "x")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("a b", "x")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("x", "a\r\nb: c")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("x", "a\0")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("x", " a")],
        &[
            METHOD,
            SCHEME,
            PATH,
            AUTHORITY,
            ("connection", "keep-alive"),
        ],
        &[
            METHOD,
            SCHEME,
            PATH,
            AUTHORITY,
            ("transfer-encoding", "chunked"),
        ],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("upgrade", "h2c")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("te", "trailers, deflate")],
        &[METHOD, SCHEME, PATH, AUTHORITY, ("content-length", "1")],
        &[(":method", "CONNECT"), SCHEME, PATH, AUTHORITY],
    ];
    let mut wire = site.connect(&[]);
    for (n, fields) in (0..).zip(cases) {
        let stream = 2 * n + 1;
        wire.send(&headers(stream, fields, true));
        let frames = wire.answer(stream);
        assert!(
            frames[0].is(Kind::RST_STREAM, stream),
            "{fields:?}: {frames:?}"
        );
        assert_eq!(
            ErrorCode(frames[0].number(0)),
            C::PROTOCOL_ERROR,
            "{fields:?}"
        );
    }
    wire.works(1_001);
}

/// The request is answered before its content comes, which is malformed nevertheless.
fn malformed_content(site: &Site) {
    let of = |fields: &[Field<'static>]| headers(1, &post_with(fields), false);
    for (head, rest) in [
        (of(&[("content-length", "1")]), data(1, b"test", true)),
        (
            of(&[("content-length", "1")]),
            [data(1, b"test", false), data(1, b"test", true)].concat(),
        ),
        (
            of(&[]),
            [data(1, b"test", false), headers(1, &[("x", "y")], false)].concat(),
        ),
        (
            of(&[]),
            [data(1, b"test", false), headers(1, &[METHOD], true)].concat(),
        ),
    ] {
        for waits in [false, true] {
            let mut wire = site.connect(&[]);
            wire.send(&head);
            if waits {
                assert_eq!(fields_of(&wire.answer(1), 1)[0].1, "405");
            }
            wire.send(&rest);
            wire.expect(StreamError(1, C::PROTOCOL_ERROR));
        }
    }
    let mut wire = site.connect(&[]);
    wire.send(
        &[
            of(&[]),
            data(1, b"test", false),
            headers(1, &[("x-sum", "1")], true),
        ]
        .concat(),
    );
    assert_eq!(fields_of(&wire.answer(1), 1)[0].1, "405");
    wire.expect(Fine);
}

/// Section 8.1.1: "204 or 304 responses contain no content, as does the response to a HEAD request"; section 8.2: names in
/// lower case, and no connection-specific fields; section 8.3.2: one `:status`, and it is first; and no 1xx.
fn answers(site: &Site) {
    let mut wire = site.connect(&[]);
    wire.send(&window_update(0, 1 << 24));
    let request = |method, path| [(":method", method), SCHEME, (":path", path), AUTHORITY];
    let mut stream = 1;
    let mut etag = String::new();
    for (method, path, field, status) in [
        ("GET", "/small.txt", ("expect", "100-continue"), "200"),
        ("HEAD", "/small.txt", ("x", "y"), "200"),
        ("HEAD", "/large.bin", ("x", "y"), "200"),
        ("GET", "/small.txt", ("range", "bytes=1-2"), "206"),
        ("GET", "/small.txt", ("if-none-match", ""), "304"),
        ("HEAD", "/small.txt", ("if-none-match", ""), "304"),
        ("GET", "/none", ("x", "y"), "404"),
        ("HEAD", "/none", ("x", "y"), "404"),
        ("POST", "/small.txt", ("x", "y"), "405"),
        ("OPTIONS", "*", ("x", "y"), ""),
    ] {
        let field = if status == "304" {
            (field.0, etag.as_str())
        } else {
            field
        };
        wire.send(&headers(
            stream,
            &[&request(method, path)[..], &[field]].concat(),
            true,
        ));
        let frames = wire.answer(stream);
        let fields = fields_of(&frames, stream);
        assert_eq!(
            frames
                .iter()
                .filter(|f| f.header.kind == Kind::HEADERS)
                .count(),
            1
        );
        assert_eq!(fields[0].0, ":status");
        assert!(
            status.is_empty() || fields[0].1 == status,
            "{method} {path}: {fields:?}"
        );
        for (name, value) in &fields[1..] {
            assert!(
                !name.starts_with(':') && *name == name.to_ascii_lowercase(),
                "{name}"
            );
            assert_eq!(value.trim(), value);
            let specific = [
                "connection",
                "keep-alive",
                "proxy-connection",
                "transfer-encoding",
                "upgrade",
            ];
            assert!(!specific.contains(&&name[..]), "{name}");
        }
        let content = data_lengths(&frames, stream).iter().sum::<u32>();
        let length = fields.iter().find(|(name, _)| name == "content-length");
        if method == "HEAD" || status == "304" {
            assert!(frames[0].header.has(flags::END_STREAM), "{method} {path}");
        } else if let Some((_, length)) = length {
            assert_eq!(*length, content.to_string(), "{method} {path}");
        }
        if let Some((_, value)) = fields.iter().find(|(name, _)| name == "etag") {
            etag.clone_from(value);
        }
        stream += 2;
    }
    // A server of files is no proxy.
    wire.send(&headers(
        stream,
        &[(":method", "CONNECT"), (":authority", "a.example:443")],
        true,
    ));
    let fields = fields_of(&wire.answer(stream), stream);
    assert!(!fields[0].1.starts_with('2'), "{fields:?}");
}

/// Cases with their names.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        &[$((stringify!($case), $case as fn(&Site))),+]
    };
}

/// A name, and what is asked of the server.
type Case = (&'static str, fn(&Site));

const CASES: &[Case] = cases![
    the_preface,
    goaway_arrives_whatever_follows,
    frames_that_are_ignored,
    frame_sizes,
    frames_on_wrong_streams,
    states,
    identifiers,
    concurrency,
    bad_settings,
    settings_change_windows,
    windows,
    both_windows_bound_what_is_sent,
    pings,
    continuations,
    padding,
    field_blocks_that_cannot_be_decoded,
    malformed_requests,
    malformed_content,
    answers,
];

fn all(tls: Option<&'static SupportedProtocolVersion>) {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("small.txt"), "small").unwrap();
    fs::write(root.path().join("large.bin"), vec![7; LARGE_BYTES]).unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    let site = Site { server, tls };
    let mut failed = Vec::new();
    for (name, case) in CASES {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&site))).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
    site.server.stop().assert_clean();
}

#[test]
fn in_the_clear() {
    all(None);
}

#[test]
fn over_tls_1_3() {
    all(Some(&TLS13));
}

/// Section 9.2: "Implementations of HTTP/2 MUST use TLS version 1.2 [TLS12] or higher for HTTP/2 over TLS."
#[test]
fn over_tls_1_2() {
    all(Some(&TLS12));
}
