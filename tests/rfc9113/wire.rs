//! A client of the real server that writes raw frames, in the clear or over TLS.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringlane::h2::hpack::{self, Decoder, Indexing, encode_field};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned, SupportedProtocolVersion};

use crate::client::*;
use crate::server::Server;
use crate::trust::tls_config;

pub(crate) const SMALL: Field<'_> = (":path", "/small.txt");
pub(crate) const LARGE: Field<'_> = (":path", "/large.bin");
pub(crate) const LARGE_BYTES: usize = 300_000;

trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

/// A connection to the server.
pub(crate) struct Wire {
    socket: Box<dyn Socket>,
    received: Vec<u8>,
    frames: VecDeque<Frame>,
    decoder: Decoder,
}

/// Where to connect, and how.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) tls: Option<&'static SupportedProtocolVersion>,
}

impl Site {
    /// A connection on which the client has said nothing.
    pub(crate) fn raw(&self) -> Wire {
        let address = match self.tls {
            Some(_) => self.server.https,
            None => self.server.http,
        };
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let socket: Box<dyn Socket> = match self.tls {
            Some(version) => {
                let name = ServerName::try_from("localhost").unwrap();
                let config = tls_config(&self.server.certificate(), &[version]);
                let connection = ClientConnection::new(config, name).unwrap();
                Box::new(StreamOwned::new(connection, socket))
            }
            None => Box::new(socket),
        };
        Wire {
            socket,
            received: Vec::new(),
            frames: Default::default(),
            decoder: Decoder::new(4_096),
        }
    }

    /// A connection whose prefaces are exchanged.
    pub(crate) fn connect(&self, parameters: &[(u16, u32)]) -> Wire {
        let mut wire = self.raw();
        wire.send(&[PREFACE, &settings(parameters)[..]].concat());
        let frames =
            wire.until(|frame| frame.is(Kind::SETTINGS, 0) && frame.header.has(flags::ACK));
        assert!(frames[0].is(Kind::SETTINGS, 0) && frames[0].header.flags == 0);
        wire.send(&settings_ack());
        wire
    }

    /// A connection whose answers wait for windows: [`OPEN`] and [`HALF_CLOSED`] stay what they are called.
    pub(crate) fn blocked(&self) -> Wire {
        let mut wire = self.connect(&[(id::INITIAL_WINDOW_SIZE, 0)]);
        let large = [METHOD, SCHEME, LARGE, AUTHORITY];
        wire.send(&[post(OPEN), headers(HALF_CLOSED, &large, true)].concat());
        wire.until(|frame| frame.is(Kind::HEADERS, HALF_CLOSED));
        wire
    }

    /// What becomes of `input` on a connection as of [`Site::blocked`].
    pub(crate) fn expect(&self, input: &[u8], expected: Outcome) {
        let mut wire = self.blocked();
        wire.send(input);
        wire.expect(expected);
    }
}

impl Wire {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // A server that has seen enough may be gone already; what it said is still to be read.
        let sent = self
            .socket
            .write_all(bytes)
            .and_then(|()| self.socket.flush());
        if let Err(error) = sent {
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ),
                "{error}"
            );
        }
    }

    /// The next frame; `None` when the server has closed the connection cleanly. PING frames are answered.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                if frame.header.kind == Kind::PING && frame.header.flags == 0 {
                    self.send(&super::frames::frame(
                        Kind::PING,
                        flags::ACK,
                        0,
                        &frame.payload,
                    ));
                }
                return Some(frame);
            }
            let mut buffer = [0; 16_384];
            // Over TLS an end without close_notify is an error, and so is a reset.
            let len = self.socket.read(&mut buffer).unwrap();
            if len == 0 {
                assert_eq!(self.received, [] as [u8; 0], "the last frame is whole");
                return None;
            }
            self.received.extend_from_slice(&buffer[..len]);
            for mut frame in take_frames(&mut self.received) {
                if frame.header.kind == Kind::HEADERS {
                    frame.payload = self.stand_alone(&frame);
                }
                self.frames.push_back(frame);
            }
        }
    }

    /// The field block of a frame without references to earlier ones.
    fn stand_alone(&mut self, frame: &Frame) -> Vec<u8> {
        assert!(frame.header.has(flags::END_HEADERS), "{frame:?}");
        let mut block = Vec::new();
        let put = |field: hpack::Field<'_>| {
            encode_field(&mut block, field.name, field.value, Indexing::Without);
        };
        self.decoder
            .decode(&frame.payload, usize::MAX, &mut Vec::new(), put)
            .unwrap();
        block
    }

    /// All frames up to one that is `wanted`.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let Some(frame) = self.next() else {
                panic!("closed after {frames:?}");
            };
            let last = wanted(&frame);
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// The frames of a stream up to its end.
    pub(crate) fn answer(&mut self, stream: StreamId) -> Vec<Frame> {
        let mut frames = self.until(|frame| {
            assert_ne!(frame.header.kind, Kind::GOAWAY, "{frame:?}");
            frame.header.stream_id == stream
                && matches!(
                    frame.header.kind,
                    Kind::HEADERS | Kind::DATA | Kind::RST_STREAM
                )
                && (frame.header.kind == Kind::RST_STREAM || frame.header.has(flags::END_STREAM))
        });
        frames.retain(|frame| frame.header.stream_id == stream);
        frames
    }

    /// Asserts that the connection serves requests.
    pub(crate) fn works(&mut self, stream: StreamId) {
        let request = headers(stream, &[METHOD, SCHEME, SMALL, AUTHORITY], true);
        let credit = [window_update(0, 100), window_update(stream, 100)].concat();
        self.send(&[request, credit].concat());
        let frames = self.answer(stream);
        assert_eq!(fields_of(&frames, stream)[0].1, "200");
    }

    pub(crate) fn expect(mut self, expected: Outcome) {
        match expected {
            Outcome::Connection(code) => {
                let mut last = None;
                while let Some(frame) = self.next() {
                    assert!(last.is_none(), "after GOAWAY: {frame:?}");
                    last = Some(frame).filter(|frame| frame.header.kind == Kind::GOAWAY);
                }
                assert_eq!(ErrorCode(last.expect("a GOAWAY").number(4)), code);
            }
            Outcome::Stream(stream, code) => {
                let frames =
                    self.until(|f| matches!(f.header.kind, Kind::RST_STREAM | Kind::GOAWAY));
                let reset = frames.last().unwrap();
                assert!(reset.is(Kind::RST_STREAM, stream), "{reset:?}");
                assert_eq!(ErrorCode(reset.number(0)), code);
                self.works(1_001);
            }
            Outcome::Fine => {
                self.send(&ping(*b"the last"));
                let frames =
                    self.until(|f| f.header.kind == Kind::PING && f.payload == b"the last");
                assert!(
                    !frames
                        .iter()
                        .any(|f| matches!(f.header.kind, Kind::RST_STREAM | Kind::GOAWAY))
                );
                self.works(1_001);
            }
        }
    }
}
