//! An answer that is given again is the answer.

use super::*;
use crate::response::{End, Stream};

/// How streams get the same answer.
#[derive(Clone, Copy, Debug)]
enum Given {
    /// Each its own.
    Once,
    /// One that is kept.
    Again,
    /// The first its own, which is shared when the next one asks.
    Shared,
}

/// The wire of three streams with the same answer.
fn wire(
    layout: Layout,
    slot_len: usize,
    window: u32,
    answer: &Response<u8>,
    given: Given,
) -> Vec<u8> {
    let initial = (super::super::settings::id::INITIAL_WINDOW_SIZE, window);
    let mut client = Client::with(Config::default(), &[initial]);
    (client.layout, client.slot_len) = (layout, slot_len);
    let mut kept = Some(Rc::new(answer.clone()));
    for stream in [1, 3, 5] {
        client.feed(&headers(stream, &GET, true));
        match (given, &kept) {
            (Given::Again, Some(kept)) => client.core.respond_again(stream, kept),
            (Given::Shared, _) if stream > 1 => {
                assert_eq!(client.core.share(1, &mut kept), stream == 3);
                let kept = kept.as_ref().expect("it is shared");
                client.core.respond_again(stream, kept);
            }
            _ => client.core.respond(stream, answer.clone()),
        }
    }
    let answer = kept.expect("it is kept");
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
                    let wire = |given| wire(layout, slot_len, window, &answer, given);
                    let once = wire(Given::Once);
                    for given in [Given::Again, Given::Shared] {
                        assert!(
                            wire(given) == once,
                            "{given:?} {layout:?} {slot_len} {window} {answer:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_out_or_of_several_pieces_is_not_shared() {
    let mut client = Client::with(Config::default(), &[]);
    let mut kept = None;
    assert!(!client.core.share(1, &mut kept));
    client.feed(&headers(1, &GET, true));
    assert!(!client.core.share(1, &mut kept));
    client.core.respond(1, file(1, 200_000));
    while client.transmit() {}
    assert!(!client.core.share(1, &mut kept));
    client.feed(&headers(3, &GET, true));
    let open = Response {
        body: Body::Stream(Box::new(Stream::new([], End::Open))),
        ..empty()
    };
    client.core.respond(3, open);
    assert!(!client.core.share(3, &mut kept) && kept.is_none());
}
