//! Section 4.1: frame format.

use crate::client::*;

/// "Implementations MUST ignore and discard frames of unknown types."
#[test]
fn unknown_types_are_discarded() {
    for stream in [0, OPEN, CLOSED, HALF_CLOSED, IDLE, 2] {
        for kind in [0x0a, 0x0b, 0x42, 0xff] {
            expect(&frame(Kind(kind), 0xff, stream, b"payload"), Fine);
        }
    }
    expect(&frame(Kind(0xee), 0, 0, &[0; 16_384]), Fine);
}

/// "Unused flags MUST be ignored on receipt and MUST be left unset (0x00) when sending."
#[test]
fn unused_flags_are_ignored() {
    expect(&frame(Kind::PING, 0xfe, 0, &[0; 8]), Fine);
    expect(&frame(Kind::WINDOW_UPDATE, 0xff, 0, &[0, 0, 0, 1]), Fine);
    expect(&frame(Kind::RST_STREAM, 0xff, OPEN, &[0, 0, 0, 8]), Fine);
    expect(&frame(Kind::PRIORITY, 0xff, IDLE, &[0, 0, 0, 1, 15]), Fine);
    expect(&frame(Kind::SETTINGS, 0xfe, 0, &[]), Fine);
    let unused = !(flags::PADDED | flags::END_STREAM);
    expect(&frame(Kind::DATA, unused, OPEN, b"x"), Fine);
    let unused = !(flags::PADDED | flags::PRIORITY);
    expect(&frame(Kind::HEADERS, unused, IDLE, &block(&GET)), Fine);
    // PADDED and PRIORITY mean nothing to CONTINUATION.
    let begun = frame(Kind::HEADERS, flags::END_STREAM, IDLE, &[]);
    let rest = frame(Kind::CONTINUATION, 0xff, IDLE, &block(&GET));
    expect(&[begun, rest].concat(), Fine);
}

/// "Unused flags MUST be ignored on receipt and MUST be left unset (0x00) when sending."
#[test]
fn unused_flags_are_not_sent() {
    let mut client = Client::raw(Config::default());
    client.send(
        &[
            PREFACE,
            &settings(&[])[..],
            &ping([1; 8]),
            &get(1),
            &post(3),
        ]
        .concat(),
    );
    client.answer_file(1, 100_000);
    client.reset(3, C::CANCEL);
    client.shutdown();
    for frame in client.receive() {
        let used = match frame.header.kind {
            Kind::DATA => flags::END_STREAM,
            Kind::HEADERS => WHOLE,
            Kind::CONTINUATION => flags::END_HEADERS,
            Kind::SETTINGS | Kind::PING => flags::ACK,
            _ => 0,
        };
        assert_eq!(frame.header.flags & !used, 0, "{frame:?}");
    }
}

/// "Reserved: A reserved 1-bit field. The semantics of this bit are undefined, and the bit MUST remain unset (0x00) when
/// sending and MUST be ignored when receiving."
#[test]
fn the_reserved_bit_is_ignored() {
    let with_bit = |mut frame: Vec<u8>| {
        frame[5] |= 0x80;
        frame
    };
    expect(&with_bit(ping([7; 8])), Fine);
    expect(&with_bit(window_update(0, 1)), Fine);
    expect(&with_bit(window_update(OPEN, 1)), Fine);
    expect(&with_bit(settings(&[])), Fine);
    expect(&with_bit(data(OPEN, b"x", true)), Fine);
    let mut client = Client::prepared();
    client.send(&with_bit(get(IDLE)));
    assert!(matches!(client.events()[..], [Seen::Request(IDLE, _)]));
}

/// As above: it is not sent.
#[test]
fn the_reserved_bit_is_not_sent() {
    let mut client = Client::prepared();
    client.answers_pings = false;
    client.send(&[ping([0xff; 8]), settings(&[]), get(MOST)].concat());
    client.send(&data(OPEN, &[0; 40_000][..16_384], false).repeat(3));
    let long = block(&[(":status", "200"), ("x", &"\\".repeat(40_000))]);
    client.answer_with(MOST, &long, Body::Bytes(vec![0xff; 20_000].into()));
    client.reset(HALF_CLOSED, C::CANCEL);
    client.shutdown();
    let wire = client.wire();
    let (mut rest, mut kinds) = (&wire[..], Vec::new());
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        assert_eq!(head[5] & 0x80, 0, "{head:?}");
        let header = FrameHeader::parse(head);
        if matches!(header.kind, Kind::WINDOW_UPDATE | Kind::GOAWAY) {
            assert_eq!(after[0] & 0x80, 0, "of increments and last streams too");
        }
        kinds.push(header.kind.0);
        rest = &after[header.length as usize..];
    }
    for kind in [0, 1, 3, 4, 6, 7, 8, 9] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}
