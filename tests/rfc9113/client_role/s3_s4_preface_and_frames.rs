//! Sections 3.4 and 4.

use super::*;

/// Section 3.4: "This sequence MUST be followed by a SETTINGS frame (Section 6.5), which MAY be empty. The client sends the
/// client connection preface as the first application data octets of a connection."
#[test]
fn the_preface_and_settings_come_first() {
    let mut server = Server::raw(ClientConfig::default());
    server.get();
    let mut wire = server.wire();
    assert!(wire.starts_with(PREFACE));
    wire.drain(..PREFACE.len());
    let frames = take_frames(&mut wire);
    assert!(frames[0].is(Kind::SETTINGS, 0) && frames[0].header.flags == 0);
    assert!(frames.iter().any(|f| f.is(Kind::HEADERS, 1)));
}

/// Section 3.4: "Clients and servers MUST treat an invalid connection preface as a connection error (Section 5.4.1) of type
/// PROTOCOL_ERROR." The server's "MUST be the first frame the server sends".
#[test]
fn an_invalid_preface_of_the_server() {
    for first in [
        ping([0; 8]),
        settings_ack(),
        headers(1, &[STATUS], true),
        frame(Kind(0xbe), 0, 0, b""),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ] {
        let mut server = Server::raw(ClientConfig::default());
        server.get();
        server.receive();
        server.send(&first);
        assert_eq!(server.outcome(), ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// Section 3.4: "The SETTINGS frames received from a peer as part of the connection preface MUST be acknowledged (see
/// Section 6.5.3) after sending the connection preface."
#[test]
fn the_servers_settings_are_acknowledged_after_ours() {
    let mut server = Server::raw(ClientConfig::default());
    server.send(&settings(&[]));
    let frames = server.receive();
    let of_settings: Vec<u8> = frames
        .iter()
        .filter(|f| f.header.kind == Kind::SETTINGS)
        .map(|f| f.header.flags)
        .collect();
    assert_eq!(of_settings, [0, flags::ACK]);
}

/// Section 4.1: "Implementations MUST ignore and discard frames of unknown types."
#[test]
fn unknown_types_are_discarded() {
    for stream in [0, 2, ASKED, HEADED, CLOSED, IDLE] {
        for kind in [0x0a, 0x0b, 0x42, 0xff] {
            expect(&frame(Kind(kind), 0xff, stream, b"payload"), Fine);
        }
    }
}

/// Section 4.1: "Unused flags MUST be ignored on receipt and MUST be left unset (0x00) when sending." "the bit MUST remain
/// unset (0x00) when sending and MUST be ignored when receiving."
#[test]
fn unused_flags_and_the_reserved_bit() {
    expect(&frame(Kind::PING, 0xfe, 0, &[0; 8]), Fine);
    expect(&frame(Kind::WINDOW_UPDATE, 0xff, 0, &[0, 0, 0, 1]), Fine);
    expect(&frame(Kind::SETTINGS, 0xfe, 0, &[]), Fine);
    expect(&frame(Kind::RST_STREAM, 0xff, ASKED, &[0, 0, 0, 8]), Fine);
    let unused = !(flags::PADDED | flags::END_STREAM);
    expect(&frame(Kind::DATA, unused, HEADED, b"x"), Fine);
    let unused = !(flags::PADDED | flags::PRIORITY);
    expect(
        &frame(Kind::HEADERS, unused, ASKED, &block(&[STATUS])),
        Fine,
    );
    for mut bytes in [ping([1; 8]), settings(&[]), headers(ASKED, &[STATUS], true)] {
        bytes[5] |= 0x80;
        expect(&bytes, Fine);
    }

    let mut server = Server::raw(ClientConfig::default());
    server.post(100_000);
    let cancelled = server.get();
    let mut wire = server.wire();
    server.cancel(cancelled);
    server.send(&[settings(&[]), ping([1; 8])].concat());
    wire.extend(server.wire());
    let mut rest = &wire[PREFACE.len()..];
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        assert_eq!(head[5] & 0x80, 0);
        let header = FrameHeader::parse(head);
        let used = match header.kind {
            Kind::DATA => flags::END_STREAM,
            Kind::HEADERS => WHOLE,
            Kind::SETTINGS | Kind::PING => flags::ACK,
            _ => 0,
        };
        assert_eq!(header.flags & !used, 0, "{header:?}");
        rest = &after[header.length as usize..];
    }
}

/// Section 4.2: "All implementations MUST be capable of receiving and minimally processing frames up to 2^14 octets in
/// length". "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size defined in
/// SETTINGS_MAX_FRAME_SIZE, exceeds any limit defined for the frame type, or is too small to contain mandatory frame data."
#[test]
fn frame_sizes() {
    expect(&data(HEADED, &[0; 16_384], true), Fine);
    for input in [
        data(HEADED, &[0; 16_385], true),
        raw_headers(ASKED, &[0; 16_385], true),
        frame(Kind(0xcd), 0, 0, &[0; 16_385]),
        frame(Kind::DATA, flags::PADDED, HEADED, &[]),
        frame(Kind::HEADERS, flags::PADDED | WHOLE, ASKED, &[]),
        frame(Kind::HEADERS, flags::PRIORITY | WHOLE, ASKED, &[0; 4]),
        frame(Kind::PING, 0, 0, &[0; 7]),
        frame(Kind::SETTINGS, 0, 0, &[0; 5]),
        frame(Kind::SETTINGS, flags::ACK, 0, &[0; 6]),
        frame(Kind::GOAWAY, 0, 0, &[0; 7]),
        frame(Kind::WINDOW_UPDATE, 0, 0, &[0; 5]),
        frame(Kind::RST_STREAM, 0, ASKED, &[0; 3]),
    ] {
        expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

/// Section 4.1: "Values greater than 2^14 (16,384) MUST NOT be sent unless the receiver has set a larger value for
/// SETTINGS_MAX_FRAME_SIZE."
#[test]
fn what_is_sent_keeps_to_the_servers_setting() {
    for (size, most) in [(16_384, 16_384), (20_000, 20_000), ((1 << 24) - 1, 65_536)] {
        let parameters = [(id::MAX_FRAME_SIZE, size), (id::INITIAL_WINDOW_SIZE, MOST)];
        let mut server = Server::with(ClientConfig::default(), &parameters);
        server.send(&window_update(0, 1 << 20));
        let stream = server.post(200_000);
        let long = "\\".repeat(100_000);
        let request = Request::new("GET", "https", "a.example", "/", &[("x", &long)]);
        server.ask(&request).unwrap();
        let frames = server.receive();
        assert!(frames.iter().all(|f| f.header.length <= most));
        let sent: u32 = frames
            .iter()
            .filter(|f| f.is(Kind::DATA, stream))
            .map(|f| f.header.length)
            .sum();
        assert_eq!(sent, 200_000);
        assert_eq!(frames.iter().map(|f| f.header.length).max(), Some(most));
    }
}

/// Section 4.3: "Field blocks MUST be transmitted as a contiguous sequence of frames, with no interleaved frames of any
/// other type or from any other stream."
#[test]
fn field_blocks_are_contiguous() {
    for other in [
        ping([0; 8]),
        data(HEADED, b"x", false),
        headers(HEADED, &[("x", "y")], true),
        frame(Kind::CONTINUATION, flags::END_HEADERS, HEADED, &[]),
        frame(Kind(0xab), 0, 0, b""),
        frame(Kind::PRIORITY, 0, ASKED, &[0; 5]),
    ] {
        let begun = frame(Kind::HEADERS, 0, ASKED, &block(&[STATUS]));
        expect(&[begun, other].concat(), ConnectionError(C::PROTOCOL_ERROR));
    }
    // As we send them.
    let mut server = Server::with(ClientConfig::default(), &[]);
    let long = "\\".repeat(40_000);
    let request = Request::new("GET", "https", "a.example", "/", &[("x", &long)]);
    for stream in [1, 3] {
        assert_eq!(server.ask(&request), Ok(stream));
    }
    server.send(&ping([1; 8]));
    let frames = server.receive();
    let kinds: Vec<_> = frames
        .iter()
        .map(|f| (f.header.kind, f.header.stream_id))
        .collect();
    let of = |stream| {
        [
            (Kind::HEADERS, stream),
            (Kind::CONTINUATION, stream),
            (Kind::CONTINUATION, stream),
        ]
    };
    assert_eq!(kinds, [&[(Kind::PING, 0)][..], &of(1), &of(3)].concat());
    for (frame, flags) in frames[1..].iter().zip([1, 0, 4].repeat(2)) {
        assert_eq!(
            frame.header.flags, flags,
            "END_STREAM first, END_HEADERS last"
        );
    }
}

/// Section 4.3: "A decoding error in a field block MUST be treated as a connection error (Section 5.4.1) of type
/// COMPRESSION_ERROR." Blocks that are for nobody are decompressed: "even if the frames are to be discarded".
#[test]
fn field_blocks_are_decompressed() {
    for stream in [ASKED, HEADED] {
        let input = raw_headers(stream, b"\xff\xff\xff\xff\xff\xff", true);
        expect(&input, ConnectionError(C::COMPRESSION_ERROR));
    }
    // On a stream that was cancelled and of which the server may not know yet.
    let mut server = Server::new();
    server.answers_pings = false;
    let (cancelled, other) = (server.get(), server.get());
    server.receive();
    server.cancel(cancelled);
    server.receive();
    let adds = [&block(&[STATUS])[..], b"\x40\x01x\x01y"].concat();
    server.send(&raw_headers(cancelled, &adds, false));
    server.send(&raw_headers(other, b"\x88\xbe", true));
    assert_eq!(server.events(), [Seen::Response(other, 200, true)]);
    server.send(&raw_headers(cancelled, b"\x80", true));
    assert_eq!(server.outcome(), ConnectionError(C::COMPRESSION_ERROR));
}

/// Section 4.3.1: "An endpoint MUST treat a field block that follows an acknowledgment of the reduction to the maximum
/// dynamic table size as a connection error (Section 5.4.1) of type COMPRESSION_ERROR if it does not start with a conformant
/// Dynamic Table Size Update instruction."
#[test]
fn a_table_that_we_reduced() {
    for (prefix, expected) in [
        (&b""[..], ConnectionError(C::COMPRESSION_ERROR)),
        (b"\x3f\xe1\x01", Fine),
        (b"\x20", Fine),
    ] {
        let config = ClientConfig {
            header_table_size: 256,
            ..ClientConfig::default()
        };
        let mut server = Server::with(config, &[]);
        let stream = server.get();
        server.receive();
        let block = [prefix, &block(&[STATUS])].concat();
        server.send(&raw_headers(stream, &block, true));
        assert_eq!(server.outcome(), expected);
    }
}

/// Section 4.3.1: "its HPACK encoder MUST start the next field block with a Dynamic Table Size Update instruction that sets
/// the dynamic table to a size that is less than or equal to the reduced maximum".
#[test]
fn a_table_that_the_server_reduced() {
    for (size, announced) in [(4_096, false), (65_536, false), (4_095, true), (0, true)] {
        let mut server = Server::with(ClientConfig::default(), &[(id::HEADER_TABLE_SIZE, size)]);
        for first in [true, false] {
            let stream = server.get();
            let frames = server.receive();
            let head = frames.iter().find(|f| f.is(Kind::HEADERS, stream));
            assert_eq!(head.unwrap().payload[0] == 0x20, announced && first);
        }
    }
}
