//! The client's connection: frames of a server that the bytes choose, and any bytes between them.
//!
//! As with the server's, two connections are told the same in other pieces, and must see and say the same.

use std::rc::Rc;

use ringlane::h2::Scratch;
use ringlane::h2::client::{ClientConfig, ClientConnection, ClientEvent, Credit, Request};
use ringlane::h2::frame::{FRAME_HEADER_LEN, FrameHeader, Kind, flags};
use ringlane::h2::hpack::{Indexing, encode_field};
use ringlane::h2::limits::{MAX_MAX_FRAME_SIZE, PREFACE};
use ringlane::slot::{Layout, Plan, Slot};

use super::input::Input;
use super::raw::frame;

struct Side {
    core: ClientConnection,
    scratch: Scratch,
    events: Vec<String>,
    wire: Vec<u8>,
}

impl Side {
    fn new(config: ClientConfig) -> Self {
        Self {
            core: ClientConnection::new(Rc::new(config)),
            scratch: Scratch::default(),
            events: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn feed(&mut self, mut input: &[u8]) {
        while let Some(event) = self.core.handle_bytes(&mut input, &mut self.scratch) {
            match event {
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    let data = data.iter().map(|byte| format!("d{stream}:{byte}"));
                    self.events.extend(data);
                    if end_stream {
                        self.events.push(format!("end {stream}"));
                    }
                }
                ClientEvent::Response {
                    stream,
                    head,
                    end_stream,
                } => {
                    assert!((100..1_000).contains(&head.status()));
                    let fields: Vec<_> = head.iter().collect();
                    let status = head.status();
                    self.events
                        .push(format!("{stream} {status} {end_stream} {fields:?}"));
                }
                ClientEvent::Trailers { stream, trailers } => {
                    let fields: Vec<_> = trailers.iter().collect();
                    self.events.push(format!("trailers {stream} {fields:?}"));
                }
                other => self.events.push(format!("{other:?}")),
            }
        }
        assert!(input.is_empty(), "all input is taken");
    }

    fn transmit(&mut self) {
        let (mut buffer, mut plan) = (vec![0; 20_000], Plan::<()>::default());
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
        self.core.poll_transmit(&mut slot);
        slot.finish();
        self.wire.extend_from_slice(&buffer[plan.used]);
    }

    fn request(&mut self, choice: u8) {
        let method = ["GET", "HEAD", "POST"][usize::from(choice % 3)];
        let mut request = Request::new(method, "https", "a.example", "/", &[]);
        if method == "POST" {
            let len = usize::from(choice) * 400;
            request = request.with_body(vec![choice; len].into());
        }
        let made = self.core.request(request);
        self.events.push(format!("{made:?}"));
    }
}

/// A response's field block: mostly what a server would say.
fn response(input: &mut Input<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    let mut put = |name: &[u8], value: &[u8]| {
        encode_field(&mut block, name, value, Indexing::Without);
    };
    let choice = input.byte();
    let statuses = ["200", "200", "206", "304", "100", "103", "101", ""];
    let status = statuses[usize::from(choice % 8)];
    if !status.is_empty() {
        put(b":status", status.as_bytes());
    }
    if choice & 0x10 != 0 {
        put(b"content-length", input.byte().to_string().as_bytes());
    }
    if choice & 0x20 != 0 {
        put(input.string(), input.string());
    }
    block
}

/// Bytes of the server's next step, or `None` when it is the application's turn, or the transport's.
fn server_says(input: &mut Input<'_>, choice: u8) -> Option<Vec<u8>> {
    let stream = u32::from(input.byte() % 24);
    Some(match choice % 20 {
        0..4 => {
            let flags = input.byte() & flags::END_STREAM;
            let block = response(input);
            let cut = input.below(2 * block.len() + 1).min(block.len());
            let (first, second) = block.split_at(cut);
            if second.is_empty() {
                frame(Kind::HEADERS, flags | flags::END_HEADERS, stream, first)
            } else {
                let first = frame(Kind::HEADERS, flags, stream, first);
                let rest = frame(Kind::CONTINUATION, flags::END_HEADERS, stream, second);
                [first, rest].concat()
            }
        }
        4..7 => frame(Kind::DATA, input.byte() & 0x9, stream, input.string()),
        7 => frame(Kind::RST_STREAM, 0, stream, input.take(4)),
        8 => {
            let len = 6 * input.below(4);
            frame(Kind::SETTINGS, 0, 0, input.take(len))
        }
        9 => frame(Kind::SETTINGS, flags::ACK, 0, &[]),
        10 => {
            let payload = [&b"rl:reset"[..], &[0; 8]][input.below(2)];
            frame(Kind::PING, input.byte() & flags::ACK, 0, payload)
        }
        11 => frame(Kind::WINDOW_UPDATE, 0, stream, input.take(4)),
        12 => frame(Kind::GOAWAY, 0, 0, input.string()),
        13 => frame(Kind(input.byte()), input.byte(), stream, input.string()),
        14 => input.string().to_vec(),
        _ => return None,
    })
}

/// Talks to two connections.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let piece = 1 + usize::from(input.byte() % 40);
    let config = ClientConfig {
        initial_window_size: [1 << 20, 300][usize::from(choice & 1)],
        connection_window: [1 << 20, 65_535][usize::from(choice >> 1 & 1)],
        header_table_size: [4_096, 0, 60, 10_000][usize::from(choice >> 2 & 3)],
        max_header_list_size: [65_536, 200][usize::from(choice >> 4 & 1)],
        credit: [Credit::AtHalf, Credit::AtOnce][usize::from(choice >> 5 & 1)],
        ..ClientConfig::default()
    };
    let (mut whole, mut pieces) = (Side::new(config.clone()), Side::new(config));
    let tell = |whole: &mut Side, pieces: &mut Side, bytes: &[u8]| {
        whole.feed(bytes);
        bytes.chunks(piece).for_each(|part| pieces.feed(part));
    };
    if choice & 0x80 == 0 {
        let settings = frame(Kind::SETTINGS, 0, 0, &[]);
        tell(&mut whole, &mut pieces, &settings);
        for side in [&mut whole, &mut pieces] {
            (0..4).for_each(|_| side.request(0));
            side.transmit();
        }
    }
    let mut steps = 0;
    while !input.is_empty() && steps < 300 {
        steps += 1;
        let choice = input.byte();
        match server_says(&mut input, choice) {
            Some(bytes) => tell(&mut whole, &mut pieces, &bytes),
            None => {
                let value = input.byte();
                for side in [&mut whole, &mut pieces] {
                    match choice % 20 {
                        15 => side.request(value),
                        16 => side.core.cancel(u32::from(value)),
                        17 => side.core.set_max_frame_size(u32::from(value) << 12),
                        18 if value > 200 => side.core.shutdown(),
                        _ => side.transmit(),
                    }
                }
            }
        }
        assert_eq!(whole.core.error(), pieces.core.error());
        assert_eq!(whole.core.open_streams(), pieces.core.open_streams());
    }
    for _ in 0..100 {
        if !whole.core.wants_transmit() {
            break;
        }
        whole.transmit();
        pieces.transmit();
    }
    assert!(!whole.core.wants_transmit(), "it comes to an end");
    assert!(whole.core.error().is_none() || whole.core.is_done());
    assert_eq!(whole.events, pieces.events);
    assert!(whole.wire == pieces.wire, "they say the same");
    check(&whole.wire);
}

/// What was said is the preface and frames that a server accepts.
fn check(wire: &[u8]) {
    let mut rest = wire.strip_prefix(PREFACE).unwrap_or(wire);
    assert!(rest.len() < wire.len() || wire.is_empty());
    let (mut block, mut last) = (None, 0);
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        let header = FrameHeader::parse(head);
        assert_eq!(header.check(MAX_MAX_FRAME_SIZE), Ok(()));
        if let Some(stream) = block {
            assert_eq!(
                (header.kind, header.stream_id),
                (Kind::CONTINUATION, stream)
            );
        }
        match header.kind {
            Kind::HEADERS => {
                assert!(header.stream_id % 2 == 1 && header.stream_id > last);
                last = header.stream_id;
            }
            Kind::SETTINGS | Kind::PING | Kind::GOAWAY => {}
            _ => assert!(header.stream_id <= last, "nothing on an idle stream"),
        }
        if matches!(header.kind, Kind::HEADERS | Kind::CONTINUATION) {
            block = (!header.has(flags::END_HEADERS)).then_some(header.stream_id);
        }
        let payload = after.split_at_checked(header.length as usize);
        rest = payload.expect("frames are whole").1;
    }
    assert!(rest.is_empty() && block.is_none());
}
