//! The end of a connection.

use super::*;

fn goaways(frames: &[Frame]) -> Vec<(StreamId, ErrorCode)> {
    let goaway = |frame: &Frame| {
        let goaway = Goaway::parse(&frame.payload).unwrap();
        (goaway.last_stream_id, goaway.code)
    };
    frames
        .iter()
        .filter(|frame| frame.header.kind == Kind::GOAWAY)
        .map(goaway)
        .collect()
}

#[test]
fn in_two_steps_with_streams_in_flight() {
    let mut client = Client::wide();
    client.answers_pings = false;
    client.feed(&get(1));
    client.core.shutdown();
    let frames = client.frames();
    assert_eq!(goaways(&frames), [((1 << 31) - 1, ErrorCode::NO_ERROR)]);
    let ping = frames
        .iter()
        .find(|frame| frame.header.kind == Kind::PING)
        .unwrap();
    assert!(!client.core.is_done());
    // What was on its way is still served.
    client.feed(&get(3));
    client.feed(&super::super::frame::ping(
        ping.payload[..].try_into().unwrap(),
        true,
    ));
    assert_eq!(goaways(&client.frames()), [(3, ErrorCode::NO_ERROR)]);
    client.events();
    // What comes later is not, and the HPACK state stays in step.
    client.feed(&[headers(5, &POST, false), data(5, b"x", true)].concat());
    assert_eq!((client.events(), client.frames()), (vec![], vec![]));
    client.core.respond(1, bytes(10));
    assert!(body_of(&client.frames(), 1).1 && !client.core.is_done());
    client.core.respond(3, file(1, 100_000));
    assert!(!client.core.is_done());
    assert!(body_of(&client.frames(), 3).1 && client.core.is_done());
}

#[test]
fn called_again_it_does_not_wait_for_the_ping() {
    let mut client = Client::new();
    client.answers_pings = false;
    client.core.shutdown();
    client.core.shutdown();
    client.core.shutdown();
    assert!(!client.core.is_done());
    let expected = [
        ((1 << 31) - 1, ErrorCode::NO_ERROR),
        (0, ErrorCode::NO_ERROR),
    ];
    assert_eq!(goaways(&client.frames()), expected);
    assert!(client.core.is_done());
}

#[test]
fn the_last_stream_is_told_with_an_error() {
    let mut client = Client::new();
    client.feed(&[get(1), get(7)].concat());
    client.feed(&window_update(0, 0));
    let frames = client.frames();
    assert_eq!(goaways(&frames), [(7, ErrorCode::PROTOCOL_ERROR)]);
    let debug = String::from_utf8(frames.last().unwrap().payload[8..].to_vec()).unwrap();
    assert_eq!(debug, client.core.error().unwrap().text());
}
