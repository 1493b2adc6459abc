//! Frames as a peer writes and reads them, for the tests of the core, of the RFCs and the fuzzer. Who includes this file
//! has the crate's `h2` in scope.

pub(crate) use super::h2::frame::{FRAME_HEADER_LEN, FrameHeader, Goaway, Kind, flags};
use super::h2::hpack::{self, Indexing};
pub(crate) use super::h2::limits::PREFACE;
pub(crate) use super::h2::settings::id;
pub(crate) use super::h2::{ErrorCode, StreamId};

/// Both flags of a HEADERS frame that is a request as a whole.
pub(crate) const WHOLE: u8 = flags::END_HEADERS | flags::END_STREAM;

/// The largest window, and the largest increment.
pub(crate) const MOST: u32 = (1 << 31) - 1;

/// A field: name and value.
pub(crate) type Field<'a> = (&'a str, &'a str);

pub(crate) const METHOD: Field<'_> = (":method", "GET");
pub(crate) const SCHEME: Field<'_> = (":scheme", "https");
pub(crate) const PATH: Field<'_> = (":path", "/");
pub(crate) const AUTHORITY: Field<'_> = (":authority", "a.example");
pub(crate) const GET: [Field<'_>; 4] = [METHOD, SCHEME, PATH, AUTHORITY];
pub(crate) const POST: [Field<'_>; 4] = [(":method", "POST"), SCHEME, PATH, AUTHORITY];

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn is(&self, kind: Kind, stream: StreamId) -> bool {
        self.header.kind == kind && self.header.stream_id == stream
    }

    /// The payload's 32-bit number at `at`, without a reserved bit.
    pub(crate) fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap()) & MOST
    }

    /// What SETTINGS says of `id`; the last value counts.
    pub(crate) fn setting(&self, id: u16) -> Option<u32> {
        assert_eq!(self.header.kind, Kind::SETTINGS);
        let parameters = self.payload.chunks(6).rev();
        parameters
            .filter(|p| p[..2] == id.to_be_bytes())
            .map(|p| u32::from_be_bytes(p[2..].try_into().unwrap()))
            .next()
    }
}

/// Takes the whole frames off the front of `wire`.
pub(crate) fn take_frames(wire: &mut Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = &wire[..];
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        let header = FrameHeader::parse(head);
        let Some((payload, after)) = after.split_at_checked(header.length as usize) else {
            break;
        };
        frames.push(Frame {
            header,
            payload: payload.to_vec(),
        });
        rest = after;
    }
    let taken = wire.len() - rest.len();
    wire.drain(..taken);
    frames
}

pub(crate) fn frame(kind: Kind, flags: u8, stream_id: StreamId, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        length: payload.len() as u32,
        kind,
        flags,
        stream_id,
    };
    [&header.to_bytes()[..], payload].concat()
}

/// A field block without references to the dynamic table.
pub(crate) fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        hpack::encode_field(
            &mut out,
            name.as_bytes(),
            value.as_bytes(),
            Indexing::Without,
        );
    }
    out
}

/// The fields of GET, and others after them.
pub(crate) fn get_with<'a>(fields: &[Field<'a>]) -> Vec<Field<'a>> {
    [&GET[..], fields].concat()
}

/// The fields of POST, and others after them.
pub(crate) fn post_with<'a>(fields: &[Field<'a>]) -> Vec<Field<'a>> {
    [&POST[..], fields].concat()
}

/// HEADERS with the whole field block.
pub(crate) fn headers(stream: StreamId, fields: &[Field<'_>], end: bool) -> Vec<u8> {
    raw_headers(stream, &block(fields), end)
}

/// HEADERS with a field block as it is.
pub(crate) fn raw_headers(stream: StreamId, block: &[u8], end: bool) -> Vec<u8> {
    let end = if end { flags::END_STREAM } else { 0 };
    frame(Kind::HEADERS, flags::END_HEADERS | end, stream, block)
}

/// A request without content.
pub(crate) fn get(stream: StreamId) -> Vec<u8> {
    headers(stream, &GET, true)
}

/// A request whose content is to come.
pub(crate) fn post(stream: StreamId) -> Vec<u8> {
    headers(stream, &POST, false)
}

pub(crate) fn data(stream: StreamId, payload: &[u8], end: bool) -> Vec<u8> {
    let end = if end { flags::END_STREAM } else { 0 };
    frame(Kind::DATA, end, stream, payload)
}

pub(crate) fn continuation(stream: StreamId, fragment: &[u8], end: bool) -> Vec<u8> {
    let end = if end { flags::END_HEADERS } else { 0 };
    frame(Kind::CONTINUATION, end, stream, fragment)
}

/// PRIORITY: not exclusive, of weight 16.
pub(crate) fn priority(stream: StreamId, dependency: StreamId) -> Vec<u8> {
    let payload = [&dependency.to_be_bytes()[..], &[15]].concat();
    frame(Kind::PRIORITY, 0, stream, &payload)
}

pub(crate) fn rst_stream(stream: StreamId, code: ErrorCode) -> Vec<u8> {
    frame(Kind::RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

/// SETTINGS with any number of parameters.
pub(crate) fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = parameters
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(Kind::SETTINGS, 0, 0, &payload)
}

pub(crate) fn settings_ack() -> Vec<u8> {
    frame(Kind::SETTINGS, flags::ACK, 0, &[])
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    frame(Kind::PING, 0, 0, &payload)
}

pub(crate) fn goaway(last: StreamId, code: ErrorCode) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.0.to_be_bytes()].concat();
    frame(Kind::GOAWAY, 0, 0, &payload)
}

pub(crate) fn window_update(stream: StreamId, increment: u32) -> Vec<u8> {
    frame(Kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// RFC 9218's PRIORITY_UPDATE.
pub(crate) fn priority_update(stream: StreamId, value: &str) -> Vec<u8> {
    let payload = [&stream.to_be_bytes()[..], value.as_bytes()].concat();
    frame(Kind::PRIORITY_UPDATE, 0, 0, &payload)
}
