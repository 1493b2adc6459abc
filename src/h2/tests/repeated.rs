//! An answer that is given again is the answer.

use super::*;

/// The wire of three streams with the same answer, given once each or again and again.
fn wire(
    layout: Layout,
    slot_len: usize,
    window: u32,
    answer: &Response<u8>,
    again: bool,
) -> Vec<u8> {
    let initial = (super::super::settings::id::INITIAL_WINDOW_SIZE, window);
    let mut client = Client::with(Config::default(), &[initial]);
    (client.layout, client.slot_len) = (layout, slot_len);
    let answer = Rc::new(answer.clone());
    for stream in [1, 3, 5] {
        client.feed(&headers(stream, &GET, true));
        if again {
            client.core.respond_again(stream, &answer);
        } else {
            client.core.respond(stream, Response::clone(&answer));
        }
    }
    // Of two that are reset before their turn the memory is given back.
    client.feed(&frame(Kind::RST_STREAM, 0, 5, &8_u32.to_be_bytes()));
    while client.transmit() {}
    for _ in 0..4 {
        client.feed(&[window_update(1, 9_000), window_update(3, 9_000)].concat());
        while client.transmit() {}
    }
    if let Body::Bytes(body) = &answer.body
        && body.len() <= 9_000
    {
        assert_eq!(Rc::strong_count(&answer), 1);
        assert_eq!(client.ended, 2);
    }
    client.wire
}

#[test]
fn it_is_the_same_whatever_room_and_windows_there_are() {
    for layout in [Layout::Gathered, Layout::Placed, SEALED] {
        for slot_len in [200, 700, 2_000, 20_000, 64 << 10] {
            for window in [0, 1, 500, 65_535] {
                for answer in [
                    bytes(1),
                    bytes(500),
                    bytes(1_024),
                    bytes(9_000),
                    bytes(20_000),
                    empty(),
                    file(1, 3_000),
                ] {
                    let [once, again] =
                        [false, true].map(|again| wire(layout, slot_len, window, &answer, again));
                    assert!(once == again, "{layout:?} {slot_len} {window} {answer:?}");
                }
            }
        }
    }
}
