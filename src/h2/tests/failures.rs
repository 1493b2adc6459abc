//! Files that cannot supply what was framed of them.

use super::*;
use crate::h2::cut;
use crate::h2::settings::id;
use crate::response::{End, Segment, Stream};
use crate::slot::Hole;

const LAYOUTS: [Layout; 3] = [Layout::Gathered, Layout::Placed, SEALED];

fn part(offset: u64, len: u64) -> Segment<u8> {
    Segment::File {
        file: 7,
        offset,
        len,
    }
}

fn text(text: &'static str) -> Segment<u8> {
    Segment::Bytes(Bytes::from_static(text.as_bytes()))
}

fn streamed(segments: Vec<Segment<u8>>, end: End) -> Response<u8> {
    Response {
        head: ok_head(),
        body: Body::Stream(Box::new(Stream::new(segments, end))),
    }
}

impl Client {
    /// Fills slots up to one with a hole of `stream` at `offset` or later, which cannot be filled, and takes what becomes
    /// of them.
    fn transmit_without(&mut self, stream: StreamId, offset: u64) -> Vec<Frame> {
        let is_lost = |hole: &Hole<u8>| hole.stream == stream && hole.offset >= offset;
        loop {
            let (mut buffer, mut plan) = self.fill();
            let lost = plan.holes.iter().position(is_lost);
            if let Some(from) = lost {
                self.core.body_failed(cut(&mut plan, &mut buffer, from));
            }
            self.take(&mut buffer, &plan);
            if lost.is_some() {
                return self.split();
            }
        }
    }
}

fn resets(frames: &[Frame]) -> Vec<(StreamId, ErrorCode)> {
    let resets = frames.iter().filter(|f| f.header.kind == Kind::RST_STREAM);
    let code = |f: &Frame| super::super::frame::parse_rst_stream(&f.payload).unwrap();
    resets.map(|f| (f.header.stream_id, code(f))).collect()
}

#[test]
fn nothing_that_follows_a_lost_piece_goes_out() {
    for layout in LAYOUTS {
        for end in [End::Done, End::Trailers(block(&[("x", "y")]).into())] {
            let mut client = Client::with(
                Config::default(),
                &[
                    (id::INITIAL_WINDOW_SIZE, 1 << 20),
                    (id::HEADER_TABLE_SIZE, 0),
                ],
            );
            client.layout = layout;
            client.feed(&[get(1), get(3)].concat());
            let pieces = vec![
                text("abc"),
                part(3, 500),
                text("def"),
                part(506, 500),
                text("ghi"),
            ];
            client.core.respond(1, streamed(pieces, end));
            client.core.respond(3, file(7, 3_000));
            let mut frames = client.transmit_without(1, 506);
            frames.extend(client.frames());
            let (body, ended) = body_of(&frames, 1);
            assert!(!ended, "it was cut off");
            assert_eq!((&body[..3], &body[503..506]), (&b"abc"[..], &b"def"[..]));
            assert_eq!(body.len(), 506);
            assert_eq!(resets(&frames), [(1, ErrorCode::INTERNAL_ERROR)]);
            let (other, ended) = body_of(&frames, 3);
            assert!(ended && is_file(&other, 7) && other.len() == 3_000);
            // What was not sent is in the window again: all but 506 and 3,000 bytes.
            client.feed(&get(5));
            client.core.respond(5, file(7, 100_000));
            assert_eq!(body_of(&client.frames(), 5).0.len(), 65_535 - 3_506);
            // The update of the table that may have gone with the trailers is said again.
            client.feed(&get(7));
            client.core.respond(7, empty());
            let frames = client.frames();
            let block = frames.iter().find(|f| f.header.stream_id == 7).unwrap();
            assert_ne!(block.payload[0], 0x20, "it stood in the block of stream 5");
        }
    }
}

#[test]
fn a_table_update_that_was_cut_off_is_said_again() {
    let mut client = Client::wide();
    client.feed(&get(1));
    let trailers = End::Trailers(block(&[("x", "y")]).into());
    client.core.respond(1, streamed(vec![], End::Open));
    client.frames();
    client.feed(&settings(&[(id::HEADER_TABLE_SIZE, 0)]));
    client.core.append(1, part(0, 100));
    client.core.finish(1, trailers);
    client.transmit_without(1, 0);
    client.feed(&get(3));
    client.core.respond(3, empty());
    let frames = client.frames();
    assert_eq!(resets(&frames), [(1, ErrorCode::INTERNAL_ERROR)]);
    let head = frames.iter().find(|f| f.header.kind == Kind::HEADERS);
    assert_eq!(head.unwrap().payload[0], 0x20);
}

#[test]
fn trailers_whose_beginning_was_cut_off_do_not_go_on() {
    for layout in LAYOUTS {
        let mut client = Client::wide();
        (client.layout, client.slot_len) = (layout, 4_000);
        client.feed(&[get(1), get(3)].concat());
        let trailers = End::Trailers(block(&[("x", &"v".repeat(100_000))]).into());
        client
            .core
            .respond(1, streamed(vec![part(0, 1_000)], trailers));
        client.core.respond(3, bytes(10));
        let mut frames = client.transmit_without(1, 0);
        assert!(!frames.iter().any(|f| f.header.kind == Kind::CONTINUATION));
        frames.extend(client.frames());
        assert!(!frames.iter().any(|f| f.header.kind == Kind::CONTINUATION));
        assert_eq!(resets(&frames), [(1, ErrorCode::INTERNAL_ERROR)]);
        assert!(body_of(&frames, 3).1);
    }
}

#[test]
fn neither_do_they_when_the_connection_fails() {
    for layout in LAYOUTS {
        let mut begun = 0;
        // Of some sizes the block is begun behind the content, and its last frame does not fit.
        for len in (38_000..40_000).step_by(10) {
            let mut client = Client::wide();
            (client.layout, client.slot_len) = (layout, 40_000);
            client.feed(&get(1));
            let trailers = End::Trailers(block(&[("x", &"\u{7f}".repeat(len))]).into());
            client
                .core
                .respond(1, streamed(vec![part(0, 100)], trailers));
            let (mut buffer, mut plan) = client.fill();
            if client.core.pending.is_none() {
                continue;
            }
            begun += 1;
            client.feed(&frame(Kind::PING, 0, 1, &[0; 8]));
            let cut = cut(&mut plan, &mut buffer, 0);
            client.core.body_failed(cut);
            client.take(&mut buffer, &plan);
            let mut frames = client.split();
            frames.extend(client.frames());
            assert!(!frames.iter().any(|f| f.header.kind == Kind::CONTINUATION));
            let last = frames.last().map(|f| f.header.kind);
            assert_eq!(last, Some(Kind::GOAWAY), "not amid a field block");
        }
        assert!(begun > 0, "{layout:?}");
    }
}

/// An upload of which much is left is told to stop once its answer is out: not when that was cut off after all.
#[test]
fn one_reset_for_an_upload_whose_answer_fails() {
    for layout in LAYOUTS {
        // The reset without error is in the slot, or does not fit it.
        for slot_len in (200..420).step_by(4).chain([64 << 10]) {
            let mut client = Client::wide();
            (client.layout, client.slot_len) = (layout, slot_len);
            let long = [&POST[..], &[("content-length", "1000000")]].concat();
            client.feed(&headers(1, &long, false));
            client.core.respond(1, file(7, 100));
            let mut frames = client.transmit_without(1, 0);
            frames.extend(client.frames());
            assert_eq!(resets(&frames), [(1, ErrorCode::INTERNAL_ERROR)]);
            assert!(!body_of(&frames, 1).1);
            assert!(client.works(3));
        }
    }
}

#[test]
fn no_reset_for_a_stream_that_was_reset_meanwhile() {
    type Case = (fn(&mut Client), &'static [ErrorCode]);
    let cases: [Case; 4] = [
        (|_| {}, &[ErrorCode::INTERNAL_ERROR]),
        (|client| client.feed(&rst_stream(1, ErrorCode::CANCEL)), &[]),
        (
            |client| client.core.reset(1, ErrorCode::CANCEL),
            &[ErrorCode::CANCEL],
        ),
        (
            |client| client.feed(&data(1, b"more than it said", false)),
            &[ErrorCode::PROTOCOL_ERROR],
        ),
    ];
    for (meanwhile, expected) in cases {
        // A part of it is framed, and all of it.
        for len in [100_000, 100] {
            let mut client = Client::with(Config::default(), &[]);
            let short = [&POST[..], &[("content-length", "1")]].concat();
            client.feed(&headers(1, &short, false));
            client.core.respond(1, file(7, len));
            let (mut buffer, mut plan) = client.fill();
            meanwhile(&mut client);
            let cut = cut(&mut plan, &mut buffer, 0);
            client.core.body_failed(cut);
            client.take(&mut buffer, &plan);
            let mut frames = client.split();
            frames.extend(client.frames());
            let codes: Vec<_> = resets(&frames).into_iter().map(|(_, code)| code).collect();
            assert_eq!(codes, expected, "{len}");
            assert!(client.works(3));
        }
    }
    // The same for one that both sides have ended.
    let mut client = Client::wide();
    client.feed(&get(1));
    client.core.respond(1, file(7, 100));
    let (mut buffer, mut plan) = client.fill();
    client.feed(&rst_stream(1, ErrorCode::CANCEL));
    let cut = cut(&mut plan, &mut buffer, 0);
    client.core.body_failed(cut);
    assert_eq!(resets(&client.frames()), []);
}

#[test]
fn what_was_sent_is_not_remembered() {
    for rate in [None, Some(1_000_000)] {
        let mut client = Client::wide();
        client.rate = rate;
        for n in 0..10_000 {
            client.feed(&get(n * 2 + 1));
            client.core.respond(n * 2 + 1, file(7, 10));
            client.frames();
            assert!(client.core.ended.len() <= 1);
        }
    }
}
