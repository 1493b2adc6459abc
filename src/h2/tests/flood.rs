//! Peers that ask for work and bring none.

use super::*;

/// Feeds what `flood` makes of 1, 2, 3 and so on until the connection fails; how many it took.
fn until_failure(client: &mut Client, read: bool, mut flood: impl FnMut(u32) -> Vec<u8>) -> u32 {
    for n in 1..20_000 {
        client.feed(&flood(n));
        if client.core.error().is_some() {
            assert_eq!(client.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));
            return n;
        }
        if read {
            client.frames();
        }
        client.seen.clear();
    }
    panic!("it is never enough");
}

#[test]
fn floods() {
    let id = super::super::settings::id::INITIAL_WINDOW_SIZE;
    type Flood = fn(u32) -> Vec<u8>;
    let floods: [(&str, Flood); 12] = [
        ("ping", |_| frame(Kind::PING, 0, 0, &[0; 8])),
        ("ping ack", |_| frame(Kind::PING, flags::ACK, 0, &[0; 8])),
        ("settings", |_| settings(&[])),
        ("settings ack", |_| {
            frame(Kind::SETTINGS, flags::ACK, 0, &[])
        }),
        ("unknown", |_| frame(Kind(0x77), 0, 0, &[])),
        ("priority", |n| {
            frame(Kind::PRIORITY, 0, n, &[0, 0, 0, 0, 0])
        }),
        // Of few streams: more than may be open are a violation by themselves.
        ("priority update", |n| {
            frame(Kind::PRIORITY_UPDATE, 0, 0, &((n % 64) | 1).to_be_bytes())
        }),
        ("window update", |_| window_update(0, 1)),
        ("rapid reset", |n| {
            [get(n * 2 + 1), rst_stream(n * 2 + 1, ErrorCode::CANCEL)].concat()
        }),
        ("empty headers", |n| headers(n * 2 + 1, &[], true)),
        ("window update by 0", |n| {
            [get(n * 2 + 1), window_update(n * 2 + 1, 0)].concat()
        }),
        ("goaway", |_| frame(Kind::GOAWAY, 0, 0, &[0; 8])),
    ];
    for read in [true, false] {
        for (name, flood) in floods {
            let n = until_failure(&mut Client::new(), read, flood);
            assert!((50..5_000).contains(&n), "{name} ended after {n}");
        }
        let mut client = Client::new();
        client.feed(&headers(1, &POST, false));
        until_failure(&mut client, read, |_| data(1, b"", false));
        let mut client = Client::new();
        client.feed(&get(1));
        until_failure(&mut client, read, |n| settings(&[(id, n)]));
        // Streams are refused, DATA comes on closed ones, and streams are answered that were not finished.
        let mut client = Client::with(
            Config {
                max_concurrent_streams: 1,
                ..Config::default()
            },
            &[],
        );
        client.feed(&get(1));
        until_failure(&mut client, read, |n| get(n * 2 + 1));
        let mut client = Client::new();
        client.feed(&[get(1), rst_stream(1, ErrorCode::CANCEL)].concat());
        until_failure(&mut client, true, |_| data(1, b"x", false));
    }
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut client = Client::new();
    for n in 0..200_000u64 {
        client.now_ns += 1_000_000_000;
        client.feed(&frame(Kind::PING, 0, 0, &n.to_be_bytes()));
        if client.core.error().is_some() {
            assert!(n <= 1_100);
            return;
        }
    }
    panic!("it is never enough");
}

#[test]
fn busy_clients_are_not_floods() {
    // A download whose windows are updated for each frame, with a PING every now and then and most requests cancelled.
    let mut client = Client::new();
    let mut next = 1;
    for _ in 0..20_000 {
        client.now_ns += 1_000_000;
        client.feed(&[get(next), get(next + 2), window_update(0, 3_000)].concat());
        client.core.respond(next, bytes(1_000));
        client.core.respond(next + 2, bytes(1_000));
        if next % 16 == 1 {
            client.feed(&frame(Kind::PING, 0, 0, &[0; 8]));
            client.feed(&rst_stream(next + 2, ErrorCode::CANCEL));
        }
        client.frames();
        client.seen.clear();
        assert_eq!(client.core.error(), None);
        next += 4;
    }
}
