//! A client that believes nothing: it keeps its own account of windows, streams and content, and checks every frame.

use std::collections::{BTreeMap, VecDeque};

use ringlane::h2::frame::{self, FRAME_HEADER_LEN, FrameHeader, Goaway, Kind, flags};
use ringlane::h2::hpack::{Decoder, Indexing, encode_field};
use ringlane::h2::limits::{DEFAULT_WINDOW, MAX_WINDOW, PREFACE};
use ringlane::h2::settings::{PeerSettings, SettingsFrame, id};
use ringlane::h2::{ErrorCode, StreamId};

/// The type of frames that were cut off.
const IGNORED_FRAME_TYPE: u8 = 0xf0;

/// The byte of a file, or of the content of a request on that stream.
pub(crate) fn content(file: u32, offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9).wrapping_add(offset >> 9) >> 7) as u8 ^ file as u8
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole response is there.
    Complete,
    /// The server reset the stream.
    Reset,
    /// We reset it.
    Cancelled,
    /// A GOAWAY said that it was not processed.
    Unprocessed,
    /// The connection ended before.
    Lost,
}

impl End {
    pub(crate) const ALL: [Self; 5] = [
        Self::Complete,
        Self::Reset,
        Self::Cancelled,
        Self::Unprocessed,
        Self::Lost,
    ];
}

/// What is asked for, and so what has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    File {
        file: u32,
        offset: u64,
        len: u64,
    },
    /// As a file, in pieces of which some are in memory and some come late; trailers may follow.
    Pieces {
        file: u32,
        offset: u64,
        len: u64,
    },
    Bytes {
        len: u64,
    },
    Empty,
    /// The server is to reset it.
    Refusal,
}

impl Ask {
    pub(crate) fn len(self) -> u64 {
        match self {
            Self::File { len, .. } | Self::Pieces { len, .. } | Self::Bytes { len } => len,
            Self::Empty | Self::Refusal => 0,
        }
    }

    pub(crate) fn byte(self, at: u64) -> u8 {
        match self {
            Self::File { file, offset, .. } | Self::Pieces { file, offset, .. } => {
                content(file, offset + at)
            }
            _ => content(0, at),
        }
    }

    pub(crate) fn path(self) -> String {
        match self {
            Self::File { file, offset, len } => format!("/f/{file}/{offset}/{len}"),
            Self::Pieces { file, offset, len } => format!("/p/{file}/{offset}/{len}"),
            Self::Bytes { len } => format!("/b/0/0/{len}"),
            Self::Empty => "/e/0/0/0".to_owned(),
            Self::Refusal => "/r/0/0/0".to_owned(),
        }
    }

    /// What a path asks for.
    pub(crate) fn parse(path: &[u8]) -> Self {
        let path = std::str::from_utf8(path).unwrap();
        let mut parts = path.split('/').skip(1);
        let kind = parts.next().unwrap();
        let mut number = || parts.next().unwrap().parse().unwrap();
        let (file, offset, len) = (number() as u32, number(), number());
        match kind {
            "f" => Self::File { file, offset, len },
            "p" => Self::Pieces { file, offset, len },
            "b" => Self::Bytes { len },
            "e" => Self::Empty,
            _ => Self::Refusal,
        }
    }
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    pub(crate) end: Option<End>,
    /// The code of the server's RST_STREAM.
    pub(crate) code: Option<ErrorCode>,
    got: u64,
    headed: bool,
    /// The server has sent END_STREAM.
    ended: bool,
    /// What the server may still send.
    recv_window: i64,
    owed: u32,
    /// What we may still send.
    send_window: i64,
    upload_left: u64,
    uploaded: u64,
}

/// What a client wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) initial_window: u32,
    /// Added to the connection's window at the beginning.
    pub(crate) connection_credit: u32,
    pub(crate) max_frame_size: u32,
    pub(crate) header_table_size: u32,
    /// Credit is given when this much is owed.
    pub(crate) credit_at: u32,
    pub(crate) answers_pings: bool,
}

/// The client.
pub(crate) struct Client {
    wishes: Wishes,
    /// To be sent.
    pub(crate) out: Vec<u8>,
    pub(crate) asked: BTreeMap<StreamId, Asked>,
    next: StreamId,
    input: Vec<u8>,
    decoder: Decoder,
    /// A field block that is not complete: its stream, whether it ends it, its bytes.
    block: Option<(StreamId, bool, Vec<u8>)>,
    pub(crate) recv_window: i64,
    owed: u32,
    /// Whether credit is given.
    pub(crate) crediting: bool,
    /// What the server believes streams begin with, as far as it has told.
    initial: u32,
    /// SETTINGS not acknowledged yet: the initial window of each.
    unacknowledged: VecDeque<u32>,
    pub(crate) server: PeerSettings,
    pub(crate) send_window: i64,
    /// The server's last GOAWAY.
    pub(crate) goaway: Option<StreamId>,
    settings_received: bool,
    pub(crate) bytes: u64,
}

impl Client {
    pub(crate) fn new(wishes: Wishes) -> Self {
        let mut client = Self {
            wishes,
            out: PREFACE.to_vec(),
            asked: BTreeMap::new(),
            next: 1,
            input: Vec::new(),
            decoder: Decoder::new(wishes.header_table_size as usize),
            block: None,
            recv_window: i64::from(DEFAULT_WINDOW + wishes.connection_credit),
            owed: 0,
            crediting: true,
            initial: DEFAULT_WINDOW,
            unacknowledged: VecDeque::new(),
            server: PeerSettings::default(),
            send_window: i64::from(DEFAULT_WINDOW),
            goaway: None,
            settings_received: false,
            bytes: 0,
        };
        client.settings(wishes.initial_window);
        if wishes.connection_credit > 0 {
            let update = frame::window_update(0, wishes.connection_credit);
            client.out.extend(update);
        }
        client
    }

    /// Announces another initial window, with all else as it was.
    pub(crate) fn settings(&mut self, initial_window: u32) {
        let frame = SettingsFrame::new(&[
            (id::ENABLE_PUSH, 0),
            (id::INITIAL_WINDOW_SIZE, initial_window),
            (id::MAX_FRAME_SIZE, self.wishes.max_frame_size),
            (id::HEADER_TABLE_SIZE, self.wishes.header_table_size),
        ]);
        self.out.extend_from_slice(frame.as_bytes());
        self.unacknowledged.push_back(initial_window);
    }

    /// Asks, with `upload` bytes of content.
    pub(crate) fn ask(&mut self, ask: Ask, upload: u64, priority: &str) -> StreamId {
        let stream = self.next;
        self.next += 2;
        let mut block = Vec::new();
        let method = if upload > 0 { &b"POST"[..] } else { b"GET" };
        for (name, value) in [
            (&b":method"[..], method),
            (b":scheme", b"https"),
            (b":path", ask.path().as_bytes()),
            (b":authority", b"a.example"),
            (b"priority", priority.as_bytes()),
        ] {
            encode_field(&mut block, name, value, Indexing::Without);
        }
        let end = if upload > 0 { 0 } else { flags::END_STREAM };
        self.frame(Kind::HEADERS, flags::END_HEADERS | end, stream, &block);
        let asked = Asked {
            ask,
            end: None,
            code: None,
            got: 0,
            headed: false,
            ended: false,
            recv_window: i64::from(self.initial),
            owed: 0,
            send_window: i64::from(self.server.initial_window_size),
            upload_left: upload,
            uploaded: 0,
        };
        self.asked.insert(stream, asked);
        stream
    }

    /// Gives a stream up, unless it has ended.
    pub(crate) fn cancel(&mut self, stream: StreamId) {
        let Some(asked) = self.asked.get_mut(&stream) else {
            return;
        };
        if asked.end.is_none() {
            asked.end = Some(End::Cancelled);
            asked.upload_left = 0;
            let reset = frame::rst_stream(stream, ErrorCode::CANCEL);
            self.out.extend(reset);
        }
    }

    /// Adds to the window of a stream.
    pub(crate) fn widen(&mut self, stream: StreamId, increment: u32) {
        if let Some(asked) = self.asked.get_mut(&stream) {
            asked.recv_window += i64::from(increment);
            let update = frame::window_update(stream, increment);
            self.out.extend(update);
        }
    }

    /// Sends what the windows allow of the contents, and the credit that is due.
    pub(crate) fn pump(&mut self, most: usize) {
        let streams: Vec<_> = self.asked.keys().copied().collect();
        for stream in streams {
            self.upload(stream, most);
        }
        if !self.crediting {
            return;
        }
        let due = self.wishes.credit_at;
        if self.owed >= due.min(self.wishes.connection_credit + DEFAULT_WINDOW / 2) {
            let owed = std::mem::take(&mut self.owed);
            self.recv_window += i64::from(owed);
            self.out.extend(frame::window_update(0, owed));
        }
        for (&stream, asked) in &mut self.asked {
            if asked.end.is_none() && asked.owed >= due.min((self.initial / 2).max(1)) {
                let owed = std::mem::take(&mut asked.owed);
                asked.recv_window += i64::from(owed);
                self.out.extend(frame::window_update(stream, owed));
            }
        }
    }

    fn upload(&mut self, stream: StreamId, most: usize) {
        let asked = &self.asked[&stream];
        let window = asked.send_window.min(self.send_window).max(0) as u64;
        let len = asked.upload_left.min(window).min(most as u64);
        if len == 0 {
            return;
        }
        let from = asked.uploaded;
        let data: Vec<u8> = (from..from + len).map(|at| content(stream, at)).collect();
        let asked = self.asked.get_mut(&stream).unwrap();
        asked.upload_left -= len;
        asked.uploaded += len;
        asked.send_window -= len as i64;
        self.send_window -= len as i64;
        let end = asked.upload_left == 0;
        let flags = if end { flags::END_STREAM } else { 0 };
        self.frame(Kind::DATA, flags, stream, &data);
    }

    /// Whether something that was begun goes on without further input.
    pub(crate) fn uploads(&self) -> bool {
        let ready = |asked: &Asked| asked.upload_left > 0 && asked.send_window > 0;
        self.send_window > 0 && self.asked.values().any(ready)
    }

    fn frame(&mut self, kind: Kind, flags: u8, stream_id: StreamId, payload: &[u8]) {
        let header = FrameHeader {
            length: payload.len() as u32,
            kind,
            flags,
            stream_id,
        };
        self.out.extend(header.to_bytes());
        self.out.extend_from_slice(payload);
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        for asked in self.asked.values_mut() {
            asked.end.get_or_insert(End::Lost);
        }
    }

    /// Takes bytes that arrived.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
            let header = FrameHeader::parse(head);
            assert!(header.length <= self.wishes.max_frame_size, "too large");
            let Some((payload, after)) = after.split_at_checked(header.length as usize) else {
                break;
            };
            self.take(header, payload);
            rest = after;
        }
        self.input = rest.to_vec();
    }

    /// Whether a part of a frame is there.
    pub(crate) fn is_within_frame(&self) -> bool {
        !self.input.is_empty() || self.block.is_some()
    }

    fn take(&mut self, header: FrameHeader, payload: &[u8]) {
        let stream = header.stream_id;
        assert_eq!(header.check(self.wishes.max_frame_size), Ok(()));
        if let Some((open, _, _)) = self.block {
            assert_eq!((header.kind, stream), (Kind::CONTINUATION, open));
        }
        if !self.settings_received {
            let first = header.kind == Kind::SETTINGS && !header.has(flags::ACK);
            assert!(first, "SETTINGS are first");
        }
        match header.kind {
            Kind::SETTINGS if header.has(flags::ACK) => {
                let new = self.unacknowledged.pop_front().expect("SETTINGS of ours");
                let change = i64::from(new) - i64::from(self.initial);
                self.initial = new;
                let open = |asked: &&mut Asked| !asked.ended && asked.code.is_none();
                for asked in self.asked.values_mut().filter(open) {
                    asked.recv_window += change;
                }
            }
            Kind::SETTINGS => {
                assert!(!self.settings_received, "it has no reason to change them");
                self.settings_received = true;
                let before = self.server.initial_window_size;
                self.server.apply(payload).unwrap();
                let change = i64::from(self.server.initial_window_size) - i64::from(before);
                for asked in self.asked.values_mut() {
                    asked.send_window += change;
                }
                self.out.extend(frame::settings_ack());
            }
            Kind::PING if !header.has(flags::ACK) => {
                let ping = frame::parse_ping(payload).unwrap();
                if self.wishes.answers_pings {
                    self.out.extend(frame::ping(ping, true));
                }
            }
            Kind::HEADERS => {
                let asked = self.asked.get_mut(&stream).expect("a stream of ours");
                assert!(
                    !asked.ended && asked.code.is_none(),
                    "nothing after the end"
                );
                let trailers = matches!(asked.ask, Ask::Pieces { .. });
                let ends = header.has(flags::END_STREAM);
                assert!(!asked.headed || trailers && ends, "one head");
                let end = header.has(flags::END_STREAM);
                self.block = Some((stream, end, payload.to_vec()));
                self.end_block(header);
            }
            Kind::CONTINUATION => {
                let block = self.block.as_mut().expect("a field block was begun");
                block.2.extend_from_slice(payload);
                self.end_block(header);
            }
            Kind::DATA => self.data(header, payload),
            Kind::RST_STREAM => {
                let code = frame::parse_rst_stream(payload).unwrap();
                let asked = self.asked.get_mut(&stream).expect("a stream of ours");
                asked.upload_left = 0;
                assert!(asked.code.is_none(), "reset once: {asked:?}");
                let whole = asked.ended && code == ErrorCode::NO_ERROR;
                assert!(!asked.ended || whole, "whole and reset: {asked:?}");
                asked.code = Some(code);
                if asked.end.is_none() {
                    asked.end = Some(End::Reset);
                }
            }
            Kind::WINDOW_UPDATE => {
                let increment = i64::from(frame::parse_window_update(payload).unwrap());
                assert!(increment > 0);
                let window = match stream {
                    0 => &mut self.send_window,
                    _ => &mut self.asked.get_mut(&stream).expect("ours").send_window,
                };
                *window += increment;
                assert!(*window <= i64::from(MAX_WINDOW));
            }
            Kind::GOAWAY => {
                let goaway = Goaway::parse(payload).unwrap();
                assert_eq!(goaway.code, ErrorCode::NO_ERROR, "we did nothing wrong");
                let last = goaway.last_stream_id;
                assert!(self.goaway.is_none_or(|before| last <= before), "it rises");
                self.goaway = Some(last);
                for (_, asked) in self.asked.range_mut(last.saturating_add(1)..) {
                    assert!(!asked.headed, "it was processed");
                    asked.upload_left = 0;
                    asked.end.get_or_insert(End::Unprocessed);
                }
            }
            Kind::PING | Kind(IGNORED_FRAME_TYPE) => {}
            other => panic!("{other:?} from a server"),
        }
    }

    fn end_block(&mut self, header: FrameHeader) {
        if !header.has(flags::END_HEADERS) {
            return;
        }
        let (stream, end, block) = self.block.take().unwrap();
        let asked = self.asked.get_mut(&stream).unwrap();
        let head = !std::mem::replace(&mut asked.headed, true);
        let (mut status, mut length) = (Vec::new(), Vec::new());
        self.decoder
            .decode(&block, usize::MAX, &mut Vec::new(), |field| {
                match field.name {
                    b":status" => status = field.value.to_vec(),
                    b"content-length" => length = field.value.to_vec(),
                    _ => {}
                }
            })
            .unwrap();
        if head {
            assert_eq!(status, b"200");
            assert_eq!(length, asked.ask.len().to_string().as_bytes());
        }
        if end {
            self.ended(stream);
        }
    }

    fn data(&mut self, header: FrameHeader, payload: &[u8]) {
        let asked = self.asked.get_mut(&header.stream_id).expect("ours");
        assert!(asked.headed && !asked.ended, "DATA has its place");
        assert!(asked.code.is_none(), "nothing after RST_STREAM");
        let len = i64::from(header.length);
        assert!(
            len == 0 || len <= asked.recv_window.min(self.recv_window),
            "it oversteps"
        );
        asked.recv_window -= len;
        self.recv_window -= len;
        self.owed += header.length;
        asked.owed += header.length;
        self.bytes += header.length as u64;
        for (at, byte) in (asked.got..).zip(payload) {
            assert!(*byte == asked.ask.byte(at), "byte {at} of {:?}", asked.ask);
        }
        asked.got += header.length as u64;
        assert!(asked.got <= asked.ask.len());
        if header.has(flags::END_STREAM) {
            self.ended(header.stream_id);
        }
    }

    fn ended(&mut self, stream: StreamId) {
        let asked = self.asked.get_mut(&stream).unwrap();
        asked.ended = true;
        assert_eq!(asked.got, asked.ask.len(), "all of it");
        asked.end.get_or_insert(End::Complete);
    }
}
