//! Section 4.2: frame size.

use crate::client::*;

/// "All implementations MUST be capable of receiving and minimally processing frames up to 2^14 octets in length, plus
/// the 9-octet frame header (Section 4.1)."
#[test]
fn frames_of_16384_bytes_are_processed() {
    expect(&data(OPEN, &[0; 16_384], true), Fine);
    let mut fields = get_with(&[]);
    let long = "v".repeat(4_000);
    let sent: Vec<_> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|name| (*name, long.as_str()))
        .collect();
    fields.extend(&sent);
    let block = block(&fields);
    let (first, rest) = block.split_at(16_384.min(block.len()));
    let input = [
        frame(Kind::HEADERS, flags::END_STREAM, IDLE, first),
        continuation(IDLE, rest, true),
    ];
    expect(&input.concat(), Fine);
}

/// "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size defined in
/// SETTINGS_MAX_FRAME_SIZE, exceeds any limit defined for the frame type, or is too small to contain mandatory frame
/// data."
#[test]
fn frames_larger_than_the_setting() {
    let large = [0; 16_385];
    for input in [
        data(OPEN, &large, true),
        frame(Kind(0xcd), 0, 0, &large),
        frame(Kind::GOAWAY, 0, 0, &large),
        frame(Kind::DATA, 0, CLOSED, &large),
    ] {
        expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

/// "A frame size error in a frame that could alter the state of the entire connection MUST be treated as a connection
/// error (Section 5.4.1); this includes any frame carrying a field block (Section 4.3) (that is, HEADERS, PUSH_PROMISE,
/// and CONTINUATION), a SETTINGS frame, and any frame with a stream identifier of 0."
#[test]
fn frame_size_errors_that_alter_the_connection() {
    let large = vec![0; 16_385];
    let begun = frame(Kind::HEADERS, 0, IDLE, &[]);
    for input in [
        raw_headers(IDLE, &large, true),
        [begun, continuation(IDLE, &large, true)].concat(),
        frame(Kind::SETTINGS, 0, 0, &[0; 16_386]),
        frame(Kind::WINDOW_UPDATE, 0, 0, &[0; 5]),
        frame(Kind::HEADERS, flags::PRIORITY | WHOLE, IDLE, &[0; 4]),
        frame(Kind::HEADERS, flags::PADDED | WHOLE, IDLE, &[]),
    ] {
        expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
    }
}

/// "The size of a frame payload is limited by the maximum size that a receiver advertises in the SETTINGS_MAX_FRAME_SIZE
/// setting."
#[test]
fn what_is_sent_keeps_to_the_clients_setting() {
    for size in [16_384, 20_000, (1 << 24) - 1] {
        let parameters = [(id::MAX_FRAME_SIZE, size), (id::INITIAL_WINDOW_SIZE, MOST)];
        let mut client = Client::with(Config::default(), &parameters);
        client.send(&[window_update(0, 1 << 20), get(1)].concat());
        client.answer_file(1, 200_000);
        let lengths = data_lengths(&client.receive(), 1);
        assert_eq!(lengths.iter().sum::<u32>(), 200_000);
        assert!(lengths.iter().all(|len| *len <= size), "{lengths:?}");
    }
}

/// As above: our own larger setting is what a client may use once it is said.
#[test]
fn frames_up_to_our_own_setting_are_accepted() {
    let config = Config {
        max_frame_size: 30_000,
        ..Config::default()
    };
    let mut client = Client::raw(config.clone());
    assert_eq!(
        client.receive()[0].setting(id::MAX_FRAME_SIZE),
        Some(30_000)
    );
    for (len, expected) in [
        (30_000, Fine),
        (30_001, ConnectionError(C::FRAME_SIZE_ERROR)),
    ] {
        let mut client = Client::with(config.clone(), &[]);
        client.send(&[post(1), data(1, &vec![0; len], true)].concat());
        client.expect(expected);
    }
}
