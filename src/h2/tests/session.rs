//! A session as a whole, in every chunking.

use super::*;

/// A client's session with all that a client sends.
fn session() -> Vec<u8> {
    let mut out = super::super::limits::PREFACE.to_vec();
    out.extend(settings(&[
        (super::super::settings::id::INITIAL_WINDOW_SIZE, 100_000),
        (0xfe, 1),
    ]));
    out.extend(frame(Kind::SETTINGS, flags::ACK, 0, &[]));
    out.extend(window_update(0, 1_000_000));
    out.extend(frame(Kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 16]));
    out.extend(get(1));
    // A request in three frames, padded, with a priority, and with a body.
    let whole = block(
        &[
            POST.as_slice(),
            &[("content-length", "700"), ("cookie", "a=b")],
        ]
        .concat(),
    );
    let (a, rest) = whole.split_at(7);
    let (b, c) = rest.split_at(11);
    let mut first = vec![3, 0, 0, 0, 0, 7];
    first.extend_from_slice(a);
    first.extend([0; 3]);
    out.extend(frame(
        Kind::HEADERS,
        flags::PADDED | flags::PRIORITY,
        3,
        &first,
    ));
    out.extend(frame(Kind::CONTINUATION, 0, 3, b));
    out.extend(frame(Kind::CONTINUATION, flags::END_HEADERS, 3, c));
    out.extend(data(3, &[1; 300], false));
    out.extend(frame(Kind(0xbb), 0xff, 7, b"nobody knows this"));
    let mut padded = vec![20];
    padded.extend([2; 400]);
    padded.extend([0; 20]);
    out.extend(frame(Kind::DATA, flags::PADDED, 3, &padded));
    out.extend(frame(Kind::PING, 0, 0, b"12345678"));
    out.extend(data(3, b"", true));
    out.extend(headers(5, &POST, false));
    out.extend(data(5, b"", false));
    out.extend(data(5, b"x", false));
    out.extend(frame(Kind::DATA, flags::PADDED, 5, &[0]));
    out.extend(headers(5, &[("x-sum", "1")], true));
    out.extend(frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x07u=1"));
    out.extend(get(7));
    out.extend(headers(9, &POST, false));
    out.extend(rst_stream(9, ErrorCode::CANCEL));
    out.extend(headers(
        11,
        &[POST.as_slice(), &[("content-length", "1")]].concat(),
        false,
    ));
    out.extend(data(11, b"xy", true));
    out.extend(get(13));
    out.extend(frame(
        Kind::GOAWAY,
        0,
        0,
        &[0, 0, 0, 0, 0, 0, 0, 0, b'b', b'y', b'e'],
    ));
    out
}

/// The events and our frames, for the input cut at the given lengths.
fn run(input: &[u8], mut cut: impl FnMut(usize) -> usize) -> (Vec<Seen>, Vec<Frame>) {
    let mut client = Client::raw(Config::default());
    let mut rest = input;
    while !rest.is_empty() {
        let (now, after) = rest.split_at(cut(rest.len()));
        client.feed(now);
        rest = after;
    }
    client.answers_pings = false;
    (client.events(), client.frames())
}

#[test]
fn what_a_session_says() {
    let (events, frames) = run(&session(), |len| len);
    let requests: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Seen::Request { stream, end, .. } => Some((*stream, *end)),
            _ => None,
        })
        .collect();
    assert_eq!(
        requests,
        [
            (1, true),
            (3, false),
            (5, false),
            (7, true),
            (9, false),
            (11, false),
            (13, true)
        ]
    );
    let mut body = vec![1; 300];
    body.extend([2; 400]);
    assert!(events.contains(&Seen::Data {
        stream: 3,
        data: body,
        end: true
    }));
    assert!(events.contains(&Seen::Trailers {
        stream: 5,
        fields: vec![(b"x-sum".to_vec(), b"1".to_vec())]
    }));
    assert!(events.contains(&Seen::Reset {
        stream: 9,
        code: ErrorCode::CANCEL
    }));
    assert!(events.contains(&Seen::Reset {
        stream: 11,
        code: ErrorCode::PROTOCOL_ERROR
    }));
    let kinds: Vec<_> = frames
        .iter()
        .map(|frame| (frame.header.kind, frame.header.flags))
        .collect();
    let expected = [
        (Kind::SETTINGS, 0),
        (Kind::WINDOW_UPDATE, 0),
        (Kind::SETTINGS, flags::ACK),
        (Kind::PING, flags::ACK),
        (Kind::RST_STREAM, 0),
        (Kind::PING, 0),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn byte_by_byte_and_cut_anywhere_it_says_the_same() {
    let input = session();
    let whole = run(&input, |len| len);
    assert_eq!(run(&input, |_| 1), whole);
    for first in 1..input.len() {
        let mut first = Some(first);
        assert_eq!(run(&input, |len| first.take().unwrap_or(len)), whole);
    }
    for seed in 0..300 {
        let mut random = Random(seed);
        let most = 1 + random.below(200);
        assert_eq!(
            run(&input, |len| (1 + random.below(most)).min(len)),
            whole,
            "seed {seed}"
        );
    }
}

#[test]
fn a_truncated_session_says_a_part_of_it() {
    let input = session();
    let flat = |events: &[Seen]| format!("{events:?}");
    let (whole, _) = run(&input, |len| len);
    for end in 0..input.len() {
        let (part, _) = run(&input[..end], |len| len);
        assert!(part.len() <= whole.len());
        for (n, event) in part.iter().enumerate() {
            let last = n + 1 == part.len();
            assert!(last || *event == whole[n], "{} at {end}", flat(&part));
        }
    }
}

#[test]
fn bits_flipped_anywhere_never_panic() {
    let input = session();
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let mut input = input.clone();
        for _ in 0..=random.below(3) {
            let at = 24 + random.below(input.len() - 24);
            input[at] ^= 1 << random.below(8);
        }
        let mut client = Client::raw(Config::default());
        let most = 1 + random.below(input.len());
        for part in input.chunks(most) {
            client.feed(part);
            for stream in [1, 3, 5, 7, 13] {
                if client
                    .events()
                    .iter()
                    .any(|event| matches!(event, Seen::Request { stream: s, .. } if *s == stream))
                {
                    client.core.respond(stream, file(1, 70_000));
                }
            }
            client.transmit();
        }
    }
}

#[test]
fn an_idle_connection_is_small() {
    let mut client = Client::wide();
    for n in 0..200 {
        let first = n * 40 + 1;
        (first..)
            .step_by(2)
            .take(20)
            .for_each(|stream| client.feed(&get(stream)));
        (first..)
            .step_by(2)
            .take(20)
            .for_each(|stream| client.core.respond(stream, bytes(100)));
        client.frames();
    }
    assert_eq!((client.core.open_streams(), client.ended), (0, 4_000));
    assert!(
        std::mem::size_of_val(&client.core) <= 768,
        "{} bytes",
        std::mem::size_of_val(&client.core)
    );
    let deadline = client.core.poll_timeout().unwrap();
    assert_eq!(deadline, super::super::limits::IDLE_TRIM_NS);
    client.core.handle_timeout(deadline);
    assert_eq!(client.core.poll_timeout(), None);
    assert!(client.works(9_001));
}
