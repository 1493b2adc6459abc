//! Large frames, and content that is thrown away unseen.

use super::*;
use crate::h2::limits::MAX_MAX_FRAME_SIZE;
use crate::h2::settings::id;

/// The largest frames that were announced, in order.
fn announced(told: &mut Told) -> Vec<u32> {
    let said = told.said(Kind::SETTINGS).into_iter();
    let value = |(_, payload): (StreamId, Vec<u8>)| {
        payload.as_chunks::<6>().0.iter().find_map(|p| {
            let [i, j, a, b, c, d] = *p;
            let found = u16::from_be_bytes([i, j]) == id::MAX_FRAME_SIZE;
            found.then(|| u32::from_be_bytes([a, b, c, d]))
        })
    };
    said.filter_map(value).collect()
}

/// What a client of this policy announces: at the start, and after responses of these lengths.
fn told(policy: FramePolicy, lengths: &[u64]) -> Vec<u32> {
    let mut told = Told::raw(ClientConfig {
        max_frame_size: policy.at_start(),
        ..ClientConfig::default()
    });
    let mut all = announced(&mut told);
    told.feed(&settings(&[]));
    for length in lengths {
        let stream = told.core.request(get("/")).unwrap();
        told.frames();
        let length = length.to_string();
        let wire = headers(
            stream,
            &[(":status", "200"), ("content-length", &length)],
            false,
        );
        let mut input = &wire[..];
        let Some(ClientEvent::Response { head, .. }) =
            told.core.handle_bytes(&mut input, &mut told.scratch)
        else {
            panic!("no response");
        };
        policy.observe(&mut told.core, &head);
        all.extend(announced(&mut told));
    }
    all
}

#[test]
fn the_four_policies() {
    let lengths = [100, 16_384, 16_385, 1_000_000, 40_000, 1 << 40];
    let most = MAX_MAX_FRAME_SIZE;
    assert_eq!(told(FramePolicy::None, &lengths), [16_384]);
    assert_eq!(told(FramePolicy::Medium, &lengths), [65_536]);
    assert_eq!(told(FramePolicy::Large, &lengths), [most]);
    assert_eq!(
        told(FramePolicy::Sufficient, &lengths),
        [16_384, 32_768, 1 << 20, most]
    );
    assert_eq!(
        FramePolicy::Sufficient.raised(16_384, u64::MAX),
        Some(most),
        "no overflow"
    );
}

/// The wire of a server that answers three requests in frames of many sizes, one of them padded, one of no length.
fn wire() -> Vec<u8> {
    let mut wire = Vec::new();
    let length = |length| ("content-length", length);
    wire.extend(headers(1, &[(":status", "200"), length("70000")], false));
    wire.extend(headers(3, &[(":status", "200")], false));
    wire.extend(data(1, &[1; 30_000], false));
    wire.extend(data(3, &[3; 16_384], false));
    wire.extend(frame(Kind::PING, 0, 0, b"pingpong"));
    wire.extend(data(3, b"", false));
    wire.extend(data(1, &[1; 40_000], true));
    wire.extend(headers(5, &[(":status", "200"), length("9")], false));
    let padded = [&[200][..], &[3; 7_000], &[0; 200]].concat();
    wire.extend(frame(Kind::DATA, flags::PADDED, 3, &padded));
    wire.extend(data(5, &[5; 9], true));
    // Too much of it.
    wire.extend(data(3, &[3; 60_000], false));
    wire
}

/// Per stream: bytes of content, and how it ended.
type Fates = Vec<(StreamId, usize, &'static str)>;

/// Gives the wire in pieces; content is thrown away when a piece ends in the middle of it, if `discard`.
fn fates(piece: usize, discard: bool) -> (Fates, Vec<(u8, StreamId, Vec<u8>)>) {
    let mut told = Told::raw(ClientConfig {
        initial_window_size: 80_000,
        connection_window: 200_000,
        max_frame_size: 65_536,
        ..ClientConfig::default()
    });
    told.feed(&settings(&[]));
    for _ in 0..3 {
        told.core.request(get("/")).unwrap();
    }
    told.frames();
    let mut fates: Fates = [1, 3, 5].map(|stream| (stream, 0, "open")).to_vec();
    let mut note = |stream: StreamId, len: usize, end: Option<&'static str>| {
        let fate = &mut fates[stream as usize / 2];
        assert_eq!(fate.2, "open");
        fate.1 += len;
        fate.2 = end.unwrap_or(fate.2);
    };
    let wire = wire();
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let left = (told.core.data_left() as usize).min(rest.len());
        if discard && left > 0 {
            rest = &rest[left..];
            if let Some((stream, end)) = told.core.handle_discarded(left as u32) {
                note(stream, left, end.then_some("whole"));
            }
            continue;
        }
        let (now, later) = rest.split_at(piece.min(rest.len()));
        rest = later;
        let mut input = now;
        while let Some(event) = told.core.handle_bytes(&mut input, &mut told.scratch) {
            match event {
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => note(stream, data.len(), end_stream.then_some("whole")),
                ClientEvent::Reset {
                    stream, violation, ..
                } => {
                    assert!(violation.is_some(), "it was not the server");
                    note(stream, 0, Some("reset"));
                }
                _ => {}
            }
        }
    }
    assert_eq!(told.core.error(), None);
    let said = told.frames().into_iter();
    let said = said.map(|(header, payload)| (header.kind.0, header.stream_id, payload));
    (fates, said.collect())
}

#[test]
fn content_thrown_away_counts_as_content_received() {
    let (fates_of_all, said) = fates(usize::MAX, false);
    assert_eq!(
        fates_of_all,
        [(1, 70_000, "whole"), (3, 23_384, "reset"), (5, 9, "whole")]
    );
    for piece in [1, 9, 10, 100, 5_000, 40_000] {
        for discard in [false, true] {
            let (fates, says) = fates(piece, discard);
            assert_eq!(fates, fates_of_all, "{piece} {discard}");
            assert_eq!(says, said, "{piece} {discard}");
        }
    }
}

#[test]
#[should_panic(expected = "only content")]
fn nothing_but_content_can_be_thrown_away() {
    Told::new().core.handle_discarded(1);
}
