//! The client's role, told frames by hand, and against the server's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod exchange;
mod large;
mod session;
mod violations;

use std::rc::Rc;

use super::*;
use crate::h2::head::Scratch;
use crate::h2::tests::frames::{
    FRAME_HEADER_LEN, FrameHeader, Kind, PREFACE, data, flags, frame, headers, settings,
};
use crate::slot::{Layout, Plan, Slot};

/// An event that owns what it says. Data is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Stream, status, whether it is all.
    Response(StreamId, u16, bool),
    Data(StreamId, Vec<u8>, bool),
    Trailers(StreamId, usize),
    /// Stream, code, whether it can be made again.
    Reset(StreamId, ErrorCode, bool),
    Goaway(StreamId, ErrorCode),
}

/// A client whose server is the test.
struct Told {
    core: ClientConnection,
    scratch: Scratch,
    /// How many bytes it gets at once.
    piece: usize,
    slot_bytes: usize,
}

fn get(path: &str) -> Request {
    Request::new("GET", "https", "a.example", path, &[])
}

fn post(len: usize) -> Request {
    Request::new("POST", "https", "a.example", "/", &[]).with_body(vec![b'u'; len].into())
}

impl Told {
    /// A client that has heard nothing.
    fn raw(config: ClientConfig) -> Self {
        Self {
            core: ClientConnection::new(Rc::new(config)),
            scratch: Scratch::default(),
            piece: usize::MAX,
            slot_bytes: 64 << 10,
        }
    }

    /// A client whose server has sent and acknowledged SETTINGS.
    fn with(config: ClientConfig, parameters: &[(u16, u32)]) -> Self {
        let mut told = Self::raw(config);
        told.frames();
        assert_eq!(told.feed(&settings(parameters)), []);
        told.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
        told.frames();
        told
    }

    fn new() -> Self {
        Self::with(ClientConfig::default(), &[])
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        for mut input in bytes.chunks(self.piece.min(bytes.len()).max(1)) {
            while let Some(event) = self.core.handle_bytes(&mut input, &mut self.scratch) {
                let seen = match event {
                    ClientEvent::Response {
                        stream,
                        head,
                        end_stream,
                    } => Seen::Response(stream, head.status(), end_stream),
                    ClientEvent::Data {
                        stream,
                        data,
                        end_stream,
                    } => match all.last_mut() {
                        Some(Seen::Data(last, joined, end)) if *last == stream && !*end => {
                            joined.extend_from_slice(data);
                            *end = end_stream;
                            continue;
                        }
                        _ => Seen::Data(stream, data.to_vec(), end_stream),
                    },
                    ClientEvent::Trailers { stream, trailers } => {
                        Seen::Trailers(stream, trailers.iter().count())
                    }
                    ClientEvent::Reset {
                        stream,
                        code,
                        retryable,
                        ..
                    } => Seen::Reset(stream, code, retryable),
                    ClientEvent::Goaway {
                        last_stream_id,
                        code,
                    } => Seen::Goaway(last_stream_id, code),
                };
                all.push(seen);
            }
            assert!(input.is_empty(), "all input is taken");
        }
        all
    }

    /// What it has to say, in whole frames; the preface is taken off.
    fn frames(&mut self) -> Vec<(FrameHeader, Vec<u8>)> {
        let wire = self.wire();
        let mut rest = wire.strip_prefix(PREFACE).unwrap_or(&wire);
        let mut frames = Vec::new();
        while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
            let header = FrameHeader::parse(head);
            let (payload, after) = after.split_at(header.length as usize);
            frames.push((header, payload.to_vec()));
            rest = after;
        }
        frames
    }

    fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        for _ in 0..10_000 {
            if !self.core.wants_transmit() {
                return wire;
            }
            let (mut buffer, mut plan) = (vec![0; self.slot_bytes], Plan::<()>::default());
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
            self.core.poll_transmit(&mut slot);
            slot.finish();
            wire.extend_from_slice(&buffer[plan.used]);
        }
        panic!("it never ends");
    }

    /// Frames of this kind, as stream and payload.
    fn said(&mut self, kind: Kind) -> Vec<(StreamId, Vec<u8>)> {
        let frames = self.frames().into_iter();
        let of = frames.filter(|(header, _)| header.kind == kind);
        of.map(|(header, payload)| (header.stream_id, payload))
            .collect()
    }

    /// The codes of RST_STREAM that are said now.
    fn resets(&mut self) -> Vec<(StreamId, ErrorCode)> {
        let code = |payload: Vec<u8>| crate::h2::frame::parse_rst_stream(&payload).unwrap();
        let said = self.said(Kind::RST_STREAM).into_iter();
        said.map(|(stream, payload)| (stream, code(payload)))
            .collect()
    }

    /// Whether a request is still answered.
    fn works(&mut self) -> bool {
        let Ok(stream) = self.core.request(get("/")) else {
            return false;
        };
        self.frames();
        let seen = self.feed(&headers(stream, &[(":status", "200")], true));
        seen == [Seen::Response(stream, 200, true)]
    }
}
