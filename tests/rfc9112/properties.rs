//! What holds whatever is sent: nothing depends on how bytes are cut, slots are filled well, and nothing panics.

use crate::client::*;
use crate::random::Random;

/// Parts of requests, good and bad, of which random inputs are made.
const PARTS: &[&str] = &[
    "GET ",
    "HEAD ",
    "POST ",
    "OPTIONS ",
    "CONNECT ",
    "X ",
    "/",
    "/a?b",
    "*",
    "http://b/c",
    "http://b",
    "b:443",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/1.2\r\n",
    " HTTP/2.0\r\n",
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    "\0",
    "\u{e9}",
    "Host: a\r\n",
    "Host: b\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 300000\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "X: y\r\n",
    "X : y\r\n",
    " z\r\n",
    "abc",
    "3\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "5;x=y\r\n",
];

fn input(random: &mut Random) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..random.below(30) {
        match random.below(8) {
            0 => input.extend_from_slice(GET.as_bytes()),
            1 => input.extend_from_slice(get_with(&[random.pick(PARTS).trim_end()]).as_bytes()),
            2 => {
                let post = post_with(&["Transfer-Encoding: chunked"], random.pick(PARTS));
                input.extend_from_slice(post.as_bytes());
            }
            3 => input.extend_from_slice(post_with(&["Content-Length: 3"], "abc").as_bytes()),
            _ => input.extend_from_slice(random.pick(PARTS).as_bytes()),
        }
    }
    if !input.is_empty() && random.one_in(3) {
        let at = random.below(input.len());
        input[at] = random.number() as u8;
    }
    input
}

/// [`serve`] compares every cut with the whole.
#[test]
fn the_cut_of_the_bytes_makes_no_difference() {
    let mut requests = 0;
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let outcome = serve(input(&mut random));
        answers_to(&outcome);
        requests += outcome.requests.len();
    }
    assert!(requests > 200, "{requests} of them were requests");
}

/// Every request has its answer, and a refusal is the last one.
fn answers_to(outcome: &Outcome) {
    let mut rest = &outcome.wire[..];
    for (n, request) in outcome.requests.iter().enumerate() {
        let answer = crate::answers::answer(&mut rest, request.starts_with("HEAD "));
        let replaced = n + 1 == outcome.requests.len() && outcome.done && rest.is_empty();
        assert!(answer.status == 200 || replaced, "{answer:?}");
    }
    if !rest.is_empty() {
        assert!(outcome.done && outcome.error.is_some());
        let text = String::from_utf8_lossy(rest);
        assert!(text.starts_with("HTTP/1.1 ") && text.contains("connection: close\r\n"));
    }
}

/// Bytes of no meaning.
#[test]
fn garbage_never_panics() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut client = Client::echo();
        let kind = random.below(3);
        for _ in 0..random.below(5) {
            let len = random.below(300);
            let bytes: Vec<u8> = (0..len)
                .map(|_| match kind {
                    0 => random.number() as u8,
                    1 => b"GET /HTP1.\r\n: "[random.below(14)],
                    _ => b' ' + random.below(95) as u8,
                })
                .collect();
            client.send(bytes);
        }
        client.receive();
        client.wait(30);
        client.receive();
        client.core.shutdown();
        client.receive();
        assert!(client.core.is_done(), "seed {seed}");
    }
}

/// A large file: as few pieces as the slots allow, each slot full, whole records over TLS.
#[test]
fn a_file_fills_slots_to_the_brim() {
    let len = 3 << 20;
    for (layout, bytes, burst) in [
        (Layout::Gathered, 65_536, 1 << 20),
        (Layout::Placed, 262_144, usize::MAX),
        (SEALED, 262_144, usize::MAX),
        (SEALED, 65_536, usize::MAX),
    ] {
        for chunked in [false, true] {
            let mut client = Client::manual();
            client.slots = Slots {
                layout,
                bytes,
                burst,
            };
            client.send(GET);
            let segment = Segment::File {
                file: 3,
                offset: 0,
                len,
            };
            let body = if chunked {
                stream([segment], End::Done)
            } else {
                file(3, len)
            };
            client.core.respond(1, ok(body));
            let answers = client.answers();
            let expected: Vec<u8> = (0..len).map(|offset| file_byte(3, offset)).collect();
            assert!(answers[0].body == expected);
            let full = &client.filled[..client.filled.len() - 2];
            let slots = len as usize / bytes.max(burst.min(1 << 20)) + 2;
            match layout {
                Layout::Gathered => {
                    assert!(full.iter().all(|len| *len == burst), "{full:?}");
                    assert!(client.filled.len() <= slots + 1);
                }
                Layout::Placed => assert!(full.iter().all(|len| *len == bytes - 64), "{full:?}"),
                // Every record but the last of all is full, so that a slot is some of them.
                Layout::Sealed(_) => {
                    let record = 16_384 + 22;
                    let most = (bytes - 64) / record * record;
                    assert!(full.iter().all(|len| *len == most), "{full:?}");
                }
            }
            if chunked {
                assert!(answers[0].chunks.len() < client.filled.len());
            }
        }
    }
}

/// Slots of any size, as long as the smallest slot there is: everything gets through.
#[test]
fn small_slots_get_everything_through() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut client = Client::manual();
        client.slots = Slots {
            layout: random.pick(&[Layout::Gathered, Layout::Placed, SEALED]),
            bytes: 200 + random.below(2_000),
            burst: 100 + random.below(3_000),
        };
        client.send(GET);
        let segments = [
            Segment::Bytes(vec![b'x'; random.below(5_000)].into()),
            Segment::File {
                file: 1,
                offset: 9,
                len: random.below(20_000) as u64,
            },
            Segment::Bytes(vec![b'y'; random.below(100)].into()),
        ];
        let len: u64 = segments.iter().map(Segment::len).sum();
        let trailers = End::Trailers(format!("x: {}\r\n", "t".repeat(random.below(2_000))).into());
        let mut response = ok(stream(segments, trailers));
        response.head[1] = format!("x: {}\r\n", "h".repeat(random.below(2_000))).into();
        client.core.respond(1, response);
        let answers = client.answers();
        assert_eq!(answers[0].body.len() as u64, len, "seed {seed}");
    }
}
