//! Section 5.1.2: stream concurrency.

use crate::client::*;

fn limited(most: u32) -> Client {
    let config = Config {
        max_concurrent_streams: most,
        ..Config::default()
    };
    Client::with(config, &[])
}

/// "An endpoint that receives a HEADERS frame that causes its advertised concurrent stream limit to be exceeded MUST
/// treat this as a stream error (Section 5.4.2) of type PROTOCOL_ERROR or REFUSED_STREAM."
#[test]
fn streams_over_the_limit() {
    let mut client = limited(3);
    client.send(&[get(1), post(3), get(5), get(7)].concat());
    assert_eq!(client.events().len(), 3);
    assert_eq!(client.outcome(), StreamError(7, C::REFUSED_STREAM));
    client.answer(1, Body::Empty);
    client.expect(Fine);
}

/// "specifies the maximum number of concurrent streams the client can initiate": it is said in our SETTINGS.
#[test]
fn the_limit_is_advertised() {
    let mut client = Client::raw(Config {
        max_concurrent_streams: 17,
        ..Config::default()
    });
    let first = &client.receive()[0];
    assert_eq!(first.setting(id::MAX_CONCURRENT_STREAMS), Some(17));
}

/// "Streams that are in the "open" state or in either of the "half-closed" states count toward the maximum number of
/// streams that an endpoint is permitted to open."
#[test]
fn closed_streams_do_not_count() {
    let mut client = limited(2);
    for stream in (1..400).step_by(2) {
        client.send(&post(stream));
        assert!(
            matches!(client.events()[..], [Seen::Request(..)]),
            "stream {stream}"
        );
        if stream % 4 == 1 {
            client.send(&rst_stream(stream, C::CANCEL));
        } else {
            client.send(&data(stream, b"x", true));
            client.answer_file(stream, 10);
        }
        assert_eq!(client.outcome(), Fine);
        assert_eq!(client.open_streams(), 0);
        client.events();
        client.send(&window_update(0, 10));
    }
}

/// As above: what was begun keeps its place until all of its answer was sent.
#[test]
fn blocked_streams_count() {
    let mut client = Client::with(
        Config {
            max_concurrent_streams: 2,
            ..Config::default()
        },
        &[(id::INITIAL_WINDOW_SIZE, 0)],
    );
    client.send(&[get(1), get(3)].concat());
    client.answer_file(1, 10);
    client.answer_file(3, 10);
    client.send(&get(5));
    assert_eq!(client.outcome(), StreamError(5, C::REFUSED_STREAM));
    client.send(&window_update(1, 10));
    assert_eq!(client.outcome(), Fine);
    client.expect(Fine);
}

/// Section 8.7: "If frames that are on a stream are passed to the application layer for any stream, then REFUSED_STREAM
/// MUST NOT be used for that stream".
#[test]
fn what_is_refused_is_not_delivered() {
    let mut client = limited(1);
    client.send(&[post(1), post(3), data(3, b"x", true)].concat());
    assert!(matches!(client.events()[..], [Seen::Request(1, _)]));
    assert_eq!(client.outcome(), StreamError(3, C::REFUSED_STREAM));
}
