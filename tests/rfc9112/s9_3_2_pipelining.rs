//! Section 9.3.2: pipelining.

use ringlane::h1::limits::MAX_PIPELINED;

use crate::client::*;
use crate::random::Random;

/// "A server MAY process a sequence of pipelined requests in parallel if they all have safe methods, but it MUST send the
/// corresponding responses in the same order that the requests were received." Whatever the order in which they are
/// answered, and whatever they are answered with.
#[test]
fn answers_are_in_the_order_of_the_requests() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let mut client = Client::manual();
        client.slots = Slots {
            layout: random.pick(&[Layout::Gathered, Layout::Placed, SEALED]),
            bytes: random.pick(&[300, 2_000, 70_000]),
            burst: random.pick(&[500, 20_000, 1 << 20]),
        };
        let count = 1 + random.below(30) as u32;
        let mut waiting: Vec<u32> = Vec::new();
        let mut open: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut expected: Vec<Vec<u8>> = vec![Vec::new(); count as usize + 1];
        let (mut sent, mut wire) = (0, Vec::new());
        while sent < count || !waiting.is_empty() || !open.is_empty() {
            match random.below(4) {
                0 if sent < count => {
                    sent += 1;
                    client.send(GET);
                    waiting.push(sent);
                }
                1 if !waiting.is_empty() => {
                    let stream = waiting.swap_remove(random.below(waiting.len()));
                    let body = body(&mut random, stream as u8, &mut expected[stream as usize]);
                    if matches!(body, Body::Stream(_)) {
                        open.push((stream, Vec::new()));
                    }
                    client.core.respond(stream, ok(body));
                }
                2 if !open.is_empty() => {
                    let at = random.below(open.len());
                    let stream = open[at].0;
                    if random.one_in(2) {
                        client.core.finish(stream, End::Done);
                        open.swap_remove(at);
                    } else {
                        let bytes = vec![b'x'; random.below(3_000)];
                        expected[stream as usize].extend_from_slice(&bytes);
                        client.core.append(stream, Segment::Bytes(bytes.into()));
                    }
                }
                _ => {
                    if client.core.wants_transmit() {
                        client.fill();
                    }
                }
            }
        }
        wire.extend(client.receive());
        let answers = answers(&wire);
        let bodies: Vec<_> = answers.iter().map(|answer| &answer.body).collect();
        assert!(
            bodies == expected[1..].iter().collect::<Vec<_>>(),
            "seed {seed}"
        );
        assert_eq!(
            (client.core.open_streams(), client.ended.len()),
            (0, count as usize)
        );
        assert_eq!(client.streams, (1..=count).collect::<Vec<_>>());
    }
}

fn body(random: &mut Random, name: u8, expected: &mut Vec<u8>) -> Body<u8> {
    let len = random.pick(&[0, 1, 200, 3_000, 50_000]);
    match random.below(4) {
        0 => Body::Empty,
        1 => {
            expected.resize(len, name);
            Body::Bytes(expected.clone().into())
        }
        2 => {
            expected.extend((0..len as u64).map(|offset| file_byte(name, offset)));
            file(name, len as u64)
        }
        _ => {
            expected.extend((0..len as u64).map(|offset| file_byte(name, offset)));
            let segment = Segment::File {
                file: name,
                offset: 0,
                len: len as u64,
            };
            stream([segment], End::Open)
        }
    }
}

/// All that is ready goes out at once.
#[test]
fn answers_that_are_ready_share_a_slot() {
    let mut client = Client::manual();
    client.send(GET.repeat(50));
    for stream in (1..=50).rev() {
        client.core.respond(stream, ok(Body::Bytes("abc".into())));
    }
    let len = client.fill();
    assert!(!client.core.wants_transmit());
    assert_eq!(client.answers().len(), 50);
    assert_eq!(client.filled[0], len);
}

/// "A client that pipelines requests SHOULD retry unanswered requests if the connection closes before it receives all of
/// the corresponding responses." So only so many are taken, and the last of these says that it is the last.
#[test]
fn only_so_many_are_taken() {
    let mut client = Client::manual();
    client.send(GET.repeat(MAX_PIPELINED));
    assert_eq!(
        (client.core.open_streams(), client.core.error()),
        (MAX_PIPELINED, None)
    );
    client.send(GET.repeat(10));
    assert_eq!(client.core.error(), Some(E::TooManyPipelined));
    assert_eq!(client.requests.len(), MAX_PIPELINED);
    for stream in client.streams.clone() {
        client.core.respond(stream, ok(Body::Empty));
    }
    let answers = client.answers();
    assert_eq!(answers.len(), MAX_PIPELINED);
    assert_eq!(
        answers[MAX_PIPELINED - 1].field("connection"),
        Some("close")
    );
    assert!(client.core.is_done() && !client.core.is_dead());
}

/// As many at a time as may wait, for as long as they are answered.
#[test]
fn those_that_are_answered_do_not_count() {
    let mut client = Client::echo();
    for _ in 0..20 {
        client.send(GET.repeat(MAX_PIPELINED));
        assert_eq!(client.answers().len(), MAX_PIPELINED);
    }
    assert_eq!(client.core.error(), None);
}
