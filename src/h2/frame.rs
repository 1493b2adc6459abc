//! Frames (RFC 9113, sections 4 and 6; RFC 9218, section 7): the header, and the payload of each type, both ways.
//!
//! Parsing borrows; serializing writes into arrays of the caller or appends to a vector. Nothing here knows of
//! connection state: what a frame means there is decided by the connection.

use super::error::{ConnectionError, ErrorCode, StreamError, Violation};
use super::limits::MAX_WINDOW;

/// A stream identifier: 31 bits (RFC 9113, section 5.1.1).
pub type StreamId = u32;

/// Length of a frame header in bytes.
pub const FRAME_HEADER_LEN: usize = 9;

/// Masks the reserved bit off.
const LOW_31: u32 = MAX_WINDOW;

/// A frame type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// Section 6.1.
    pub const DATA: Self = Self(0x0);
    /// Section 6.2.
    pub const HEADERS: Self = Self(0x1);
    /// Section 6.3.
    pub const PRIORITY: Self = Self(0x2);
    /// Section 6.4.
    pub const RST_STREAM: Self = Self(0x3);
    /// Section 6.5.
    pub const SETTINGS: Self = Self(0x4);
    /// Section 6.6.
    pub const PUSH_PROMISE: Self = Self(0x5);
    /// Section 6.7.
    pub const PING: Self = Self(0x6);
    /// Section 6.8.
    pub const GOAWAY: Self = Self(0x7);
    /// Section 6.9.
    pub const WINDOW_UPDATE: Self = Self(0x8);
    /// Section 6.10.
    pub const CONTINUATION: Self = Self(0x9);
    /// RFC 9218, section 7.1.
    pub const PRIORITY_UPDATE: Self = Self(0x10);
}

/// Frame flags; which mean what depends on the type.
pub mod flags {
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// DATA, HEADERS: the last frame of this side of the stream, but for CONTINUATION.
    pub const END_STREAM: u8 = 0x1;
    /// HEADERS, PUSH_PROMISE, CONTINUATION: the field block is complete.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS, PUSH_PROMISE: a pad length comes first, and padding last.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: the five bytes of RFC 7540's priority come first.
    pub const PRIORITY: u8 = 0x20;
}

/// A frame header (RFC 9113, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of payload, below 2^24.
    pub length: u32,
    /// Type.
    pub kind: Kind,
    /// Flags.
    pub flags: u8,
    /// Stream, without the reserved bit.
    pub stream_id: StreamId,
}

impl FrameHeader {
    /// Parses the nine bytes; the reserved bit is ignored.
    #[must_use]
    pub const fn parse(bytes: &[u8; FRAME_HEADER_LEN]) -> Self {
        let [a, b, c, kind, flags, e, f, g, h] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: Kind(kind),
            flags,
            stream_id: u32::from_be_bytes([e, f, g, h]) & LOW_31,
        }
    }

    /// The nine bytes on the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; FRAME_HEADER_LEN] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [e, f, g, h] = self.stream_id.to_be_bytes();
        [a, b, c, self.kind.0, self.flags, e, f, g, h]
    }

    /// Whether `flag` is set.
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Checks what the header alone tells, before any payload has arrived: the length against `max_frame_size` and
    /// the type's own length, and whether the type belongs on a stream or on the connection.
    ///
    /// # Errors
    /// The violation, which for PRIORITY of a wrong length ends only the stream (section 6.3).
    pub fn check(self, max_frame_size: u32) -> Result<(), Violation> {
        use ConnectionError as E;
        if self.length > max_frame_size {
            return Err(E::FrameTooLarge.into());
        }
        let on_connection = self.stream_id == 0;
        let error = match self.kind {
            Kind::DATA if on_connection => E::DataOnConnection,
            Kind::DATA if self.has(flags::PADDED) && self.length == 0 => E::DataTooShort,
            Kind::HEADERS if on_connection => E::HeadersOnConnection,
            Kind::HEADERS if self.length < self.headers_prefix() => E::HeadersTooShort,
            Kind::PRIORITY if on_connection => E::PriorityOnConnection,
            Kind::PRIORITY if self.length != 5 => return Err(StreamError::PriorityLength.into()),
            Kind::RST_STREAM if on_connection => E::RstStreamOnConnection,
            Kind::RST_STREAM if self.length != 4 => E::RstStreamLength,
            Kind::SETTINGS if !on_connection => E::SettingsOnStream,
            Kind::SETTINGS if self.has(flags::ACK) && self.length != 0 => E::SettingsAckLength,
            Kind::SETTINGS if !self.length.is_multiple_of(6) => E::SettingsLength,
            Kind::PUSH_PROMISE => E::PushPromise,
            Kind::PING if !on_connection => E::PingOnStream,
            Kind::PING if self.length != 8 => E::PingLength,
            Kind::GOAWAY if !on_connection => E::GoawayOnStream,
            Kind::GOAWAY if self.length < 8 => E::GoawayLength,
            Kind::WINDOW_UPDATE if self.length != 4 => E::WindowUpdateLength,
            Kind::CONTINUATION if on_connection => E::ContinuationOnConnection,
            Kind::PRIORITY_UPDATE if !on_connection => E::PriorityUpdateOnStream,
            Kind::PRIORITY_UPDATE if self.length < 4 => E::PriorityUpdateLength,
            _ => return Ok(()),
        };
        Err(error.into())
    }

    /// Bytes of HEADERS before the field block.
    const fn headers_prefix(self) -> u32 {
        let padded = if self.has(flags::PADDED) { 1 } else { 0 };
        padded + if self.has(flags::PRIORITY) { 5 } else { 0 }
    }
}

/// The stream that a stream depends on, of RFC 7540's priorities; the rest of them is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency(pub StreamId);

/// The payload of HEADERS (RFC 9113, section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// RFC 7540's priority, when its flag is set.
    pub dependency: Option<Dependency>,
    /// The field block, or its first part.
    pub fragment: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Parses the payload of a header that passed [`FrameHeader::check`].
    ///
    /// # Errors
    /// When padding or priority leave no room.
    pub fn parse(header: FrameHeader, payload: &'a [u8]) -> Result<Self, ConnectionError> {
        let mut rest = payload;
        let mut padding = 0;
        if header.has(flags::PADDED) {
            let (pad_length, after) = rest.split_first().ok_or(ConnectionError::HeadersTooShort)?;
            padding = usize::from(*pad_length);
            rest = after;
        }
        let mut dependency = None;
        if header.has(flags::PRIORITY) {
            let (priority, after) = rest
                .split_first_chunk::<5>()
                .ok_or(ConnectionError::HeadersTooShort)?;
            dependency = Some(parse_dependency(priority));
            rest = after;
        }
        let len = rest
            .len()
            .checked_sub(padding)
            .ok_or(ConnectionError::Padding)?;
        Ok(Self {
            dependency,
            fragment: &rest[..len],
        })
    }
}

/// Parses the payload of PRIORITY (RFC 9113, section 6.3): exclusive bit and weight are ignored.
#[must_use]
pub const fn parse_dependency(payload: &[u8; 5]) -> Dependency {
    let [a, b, c, d, _] = *payload;
    Dependency(u32::from_be_bytes([a, b, c, d]) & LOW_31)
}

/// Parses the payload of RST_STREAM (RFC 9113, section 6.4).
///
/// # Errors
/// When it is not four bytes long.
pub fn parse_rst_stream(payload: &[u8]) -> Result<ErrorCode, ConnectionError> {
    let code = payload
        .try_into()
        .map_err(|_| ConnectionError::RstStreamLength)?;
    Ok(ErrorCode(u32::from_be_bytes(code)))
}

/// Parses the payload of PING (RFC 9113, section 6.7).
///
/// # Errors
/// When it is not eight bytes long.
pub fn parse_ping(payload: &[u8]) -> Result<[u8; 8], ConnectionError> {
    payload.try_into().map_err(|_| ConnectionError::PingLength)
}

/// The payload of GOAWAY (RFC 9113, section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goaway<'a> {
    /// The last stream that the sender may act upon.
    pub last_stream_id: StreamId,
    /// Why.
    pub code: ErrorCode,
    /// Opaque text.
    pub debug: &'a [u8],
}

impl<'a> Goaway<'a> {
    /// Parses the payload.
    ///
    /// # Errors
    /// When it is shorter than eight bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ConnectionError> {
        let (fixed, debug) = payload
            .split_first_chunk::<8>()
            .ok_or(ConnectionError::GoawayLength)?;
        let [a, b, c, d, e, f, g, h] = *fixed;
        Ok(Self {
            last_stream_id: u32::from_be_bytes([a, b, c, d]) & LOW_31,
            code: ErrorCode(u32::from_be_bytes([e, f, g, h])),
            debug,
        })
    }
}

/// Parses the payload of WINDOW_UPDATE (RFC 9113, section 6.9): the window size increment, which may be zero.
///
/// # Errors
/// When it is not four bytes long.
pub fn parse_window_update(payload: &[u8]) -> Result<u32, ConnectionError> {
    let increment = payload
        .try_into()
        .map_err(|_| ConnectionError::WindowUpdateLength)?;
    Ok(u32::from_be_bytes(increment) & LOW_31)
}

/// Parses the payload of PRIORITY_UPDATE (RFC 9218, section 7.1): the prioritized stream and the field value.
///
/// # Errors
/// When it is shorter than four bytes.
pub fn parse_priority_update(payload: &[u8]) -> Result<(StreamId, &[u8]), ConnectionError> {
    let (stream, value) = payload
        .split_first_chunk::<4>()
        .ok_or(ConnectionError::PriorityUpdateLength)?;
    Ok((u32::from_be_bytes(*stream) & LOW_31, value))
}

/// PING, to be put on the wire.
#[must_use]
pub fn ping(payload: [u8; 8], ack: bool) -> [u8; 17] {
    let flags = if ack { flags::ACK } else { 0 };
    whole(
        FrameHeader {
            length: 8,
            kind: Kind::PING,
            flags,
            stream_id: 0,
        },
        &payload,
    )
}

/// RST_STREAM, to be put on the wire.
#[must_use]
pub fn rst_stream(stream_id: StreamId, code: ErrorCode) -> [u8; 13] {
    whole(
        FrameHeader {
            length: 4,
            kind: Kind::RST_STREAM,
            flags: 0,
            stream_id,
        },
        &code.0.to_be_bytes(),
    )
}

/// WINDOW_UPDATE, to be put on the wire.
#[must_use]
pub fn window_update(stream_id: StreamId, increment: u32) -> [u8; 13] {
    whole(
        FrameHeader {
            length: 4,
            kind: Kind::WINDOW_UPDATE,
            flags: 0,
            stream_id,
        },
        &increment.to_be_bytes(),
    )
}

/// An acknowledgement of SETTINGS, to be put on the wire.
#[must_use]
pub const fn settings_ack() -> [u8; FRAME_HEADER_LEN] {
    FrameHeader {
        length: 0,
        kind: Kind::SETTINGS,
        flags: flags::ACK,
        stream_id: 0,
    }
    .to_bytes()
}

/// The header and fixed part of GOAWAY, to be put on the wire before `debug_len` bytes of debug text.
#[must_use]
pub fn goaway(last_stream_id: StreamId, code: ErrorCode, debug_len: u8) -> [u8; 17] {
    let header = FrameHeader {
        length: 8 + u32::from(debug_len),
        kind: Kind::GOAWAY,
        flags: 0,
        stream_id: 0,
    };
    let [a, b, c, d] = last_stream_id.to_be_bytes();
    let [e, f, g, h] = code.0.to_be_bytes();
    whole(header, &[a, b, c, d, e, f, g, h])
}

/// Header and payload in one array.
fn whole<const N: usize>(header: FrameHeader, payload: &[u8]) -> [u8; N] {
    let mut frame = [0; N];
    let (head, rest) = frame.split_at_mut(FRAME_HEADER_LEN);
    head.copy_from_slice(&header.to_bytes());
    rest.copy_from_slice(payload);
    frame
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(kind: Kind, flags: u8, stream_id: StreamId, length: usize) -> FrameHeader {
        FrameHeader {
            length: length as u32,
            kind,
            flags,
            stream_id,
        }
    }

    /// Splits a whole frame.
    fn split(frame: &[u8]) -> (FrameHeader, &[u8]) {
        let (head, payload) = frame.split_first_chunk().unwrap();
        let header = FrameHeader::parse(head);
        assert_eq!(header.length as usize, payload.len());
        (header, payload)
    }

    proptest! {
        #[test]
        fn headers_round_trip(length in 0u32..1 << 24, kind: u8, flags: u8, stream_id in 0u32..1 << 31) {
            let header = FrameHeader { length, kind: Kind(kind), flags, stream_id };
            let mut bytes = header.to_bytes();
            prop_assert_eq!(FrameHeader::parse(&bytes), header);
            bytes[5] |= 0x80;
            prop_assert_eq!(FrameHeader::parse(&bytes), header, "the reserved bit is ignored");
        }

        #[test]
        fn control_frames_round_trip(stream in 1u32..1 << 31, value in 0u32..1 << 31, payload: [u8; 8], ack: bool) {
            let frame = ping(payload, ack);
            let (head, body) = split(&frame);
            prop_assert_eq!((head.kind, head.stream_id, head.has(flags::ACK)), (Kind::PING, 0, ack));
            prop_assert_eq!(parse_ping(body).unwrap(), payload);

            let frame = rst_stream(stream, ErrorCode(value));
            let (head, body) = split(&frame);
            prop_assert_eq!((head.kind, head.stream_id), (Kind::RST_STREAM, stream));
            prop_assert_eq!(parse_rst_stream(body).unwrap(), ErrorCode(value));

            let frame = window_update(stream, value);
            let (head, body) = split(&frame);
            prop_assert_eq!((head.kind, head.stream_id), (Kind::WINDOW_UPDATE, stream));
            prop_assert_eq!(parse_window_update(body).unwrap(), value);

            let mut frame = goaway(stream, ErrorCode(value), 3).to_vec();
            frame.extend_from_slice(b"why");
            let (head, body) = split(&frame);
            prop_assert_eq!((head.kind, head.stream_id), (Kind::GOAWAY, 0));
            let goaway = Goaway { last_stream_id: stream, code: ErrorCode(value), debug: b"why" };
            prop_assert_eq!(Goaway::parse(body).unwrap(), goaway);
        }

        #[test]
        fn headers_payloads_of_any_bytes_do_not_panic(flags: u8, payload: Vec<u8>) {
            let _ = Headers::parse(header(Kind::HEADERS, flags, 1, payload.len()), &payload);
        }
    }

    #[test]
    fn headers_with_padding_and_priority() {
        let both = flags::PADDED | flags::PRIORITY;
        let payload = [2, 0x80, 0, 0, 7, 200, b'x', b'y', 0, 0];
        let parsed = Headers::parse(header(Kind::HEADERS, both, 1, 10), &payload).unwrap();
        assert_eq!(
            parsed,
            Headers {
                dependency: Some(Dependency(7)),
                fragment: b"xy"
            }
        );
        let plain = Headers::parse(header(Kind::HEADERS, 0, 1, 10), &payload).unwrap();
        assert_eq!(
            plain,
            Headers {
                dependency: None,
                fragment: &payload
            }
        );
        let all_padding =
            Headers::parse(header(Kind::HEADERS, flags::PADDED, 1, 3), &[2, 0, 0]).unwrap();
        assert_eq!(all_padding.fragment, b"");
        let too_much = Headers::parse(header(Kind::HEADERS, flags::PADDED, 1, 3), &[3, 0, 0]);
        assert_eq!(too_much, Err(ConnectionError::Padding));
    }

    #[test]
    fn what_a_header_alone_violates() {
        use ConnectionError as E;
        type Case = (Kind, u8, StreamId, usize, Result<(), Violation>);
        let cases: &[Case] = &[
            (Kind::DATA, 0, 1, 16_384, Ok(())),
            (Kind::DATA, 0, 1, 16_385, Err(E::FrameTooLarge.into())),
            (Kind(0xee), 0, 1, 16_385, Err(E::FrameTooLarge.into())),
            (Kind(0xee), 0xff, 0, 0, Ok(())),
            (Kind::DATA, 0, 0, 1, Err(E::DataOnConnection.into())),
            (Kind::DATA, flags::PADDED, 1, 0, Err(E::DataTooShort.into())),
            (Kind::HEADERS, 0, 0, 1, Err(E::HeadersOnConnection.into())),
            (
                Kind::HEADERS,
                flags::PADDED,
                1,
                0,
                Err(E::HeadersTooShort.into()),
            ),
            (
                Kind::HEADERS,
                flags::PADDED | flags::PRIORITY,
                1,
                5,
                Err(E::HeadersTooShort.into()),
            ),
            (Kind::HEADERS, flags::PADDED | flags::PRIORITY, 1, 6, Ok(())),
            (Kind::PRIORITY, 0, 0, 5, Err(E::PriorityOnConnection.into())),
            (
                Kind::PRIORITY,
                0,
                1,
                4,
                Err(StreamError::PriorityLength.into()),
            ),
            (
                Kind::RST_STREAM,
                0,
                0,
                4,
                Err(E::RstStreamOnConnection.into()),
            ),
            (Kind::RST_STREAM, 0, 1, 5, Err(E::RstStreamLength.into())),
            (Kind::SETTINGS, 0, 1, 0, Err(E::SettingsOnStream.into())),
            (
                Kind::SETTINGS,
                flags::ACK,
                0,
                6,
                Err(E::SettingsAckLength.into()),
            ),
            (Kind::SETTINGS, 0, 0, 7, Err(E::SettingsLength.into())),
            (Kind::PUSH_PROMISE, 0, 1, 8, Err(E::PushPromise.into())),
            (Kind::PING, 0, 1, 8, Err(E::PingOnStream.into())),
            (Kind::PING, 0, 0, 7, Err(E::PingLength.into())),
            (Kind::GOAWAY, 0, 1, 8, Err(E::GoawayOnStream.into())),
            (Kind::GOAWAY, 0, 0, 7, Err(E::GoawayLength.into())),
            (
                Kind::WINDOW_UPDATE,
                0,
                0,
                3,
                Err(E::WindowUpdateLength.into()),
            ),
            (Kind::WINDOW_UPDATE, 0, 9, 4, Ok(())),
            (
                Kind::CONTINUATION,
                0,
                0,
                1,
                Err(E::ContinuationOnConnection.into()),
            ),
            (
                Kind::PRIORITY_UPDATE,
                0,
                1,
                4,
                Err(E::PriorityUpdateOnStream.into()),
            ),
            (
                Kind::PRIORITY_UPDATE,
                0,
                0,
                3,
                Err(E::PriorityUpdateLength.into()),
            ),
        ];
        for &(kind, flags, stream, length, expected) in cases {
            assert_eq!(
                header(kind, flags, stream, length).check(16_384),
                expected,
                "{kind:?} {flags:#x} {stream} {length}"
            );
        }
    }
}
