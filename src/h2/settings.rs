//! SETTINGS (RFC 9113, section 6.5; RFC 9218, section 2.1).

use super::error::ConnectionError;
use super::frame::{FRAME_HEADER_LEN, FrameHeader, Kind};
use super::limits::{
    DEFAULT_WINDOW, MAX_MAX_FRAME_SIZE, MAX_SETTINGS_PER_FRAME, MAX_WINDOW, MIN_MAX_FRAME_SIZE,
};

/// Identifiers of settings.
pub mod id {
    /// The table that the peer's encoder may use, in bytes.
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    /// Whether push is allowed.
    pub const ENABLE_PUSH: u16 = 0x2;
    /// Streams that the peer may have open.
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    /// Window of new streams in bytes.
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    /// Largest payload of a frame in bytes.
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    /// Largest field section in bytes, uncompressed, with 32 for each field.
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    /// RFC 7540's priorities are not used (RFC 9218, section 2.1).
    pub const NO_RFC7540_PRIORITIES: u16 = 0x9;
}

/// Length of a parameter in bytes.
const PARAMETER_LEN: usize = 6;

/// Parameters that a server announces at most.
pub const MAX_SENT: usize = 6;

/// What the peer allows us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Table of its decoder in bytes.
    pub header_table_size: u32,
    /// Window of new streams in bytes, at most 2^31-1.
    pub initial_window_size: u32,
    /// Largest payload of a frame in bytes, 2^14 to 2^24-1.
    pub max_frame_size: u32,
}

impl Default for PeerSettings {
    /// What holds before any SETTINGS (section 6.5.2).
    fn default() -> Self {
        Self {
            header_table_size: 4_096,
            initial_window_size: DEFAULT_WINDOW,
            max_frame_size: MIN_MAX_FRAME_SIZE,
        }
    }
}

/// Values that a SETTINGS frame said on the way to those that hold after it: they are processed in order (section
/// 6.5.3), so that what they do must not be missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnTheWay {
    /// The lowest table size, which the encoder has to tell (RFC 7541, section 4.2).
    pub lowest_table: u32,
    /// The highest initial window, which every stream's window has to bear (section 6.9.2).
    pub highest_window: u32,
}

impl PeerSettings {
    /// Applies the payload of a SETTINGS frame, in order; unknown settings are ignored (section 6.5.2).
    ///
    /// # Errors
    /// A value out of its range, a payload that is not whole, or too many parameters. What came before it has been
    /// applied: the connection ends.
    pub fn apply(&mut self, payload: &[u8]) -> Result<OnTheWay, ConnectionError> {
        let mut on_the_way = OnTheWay {
            lowest_table: self.header_table_size,
            highest_window: self.initial_window_size,
        };
        let (parameters, rest) = payload.as_chunks::<PARAMETER_LEN>();
        if !rest.is_empty() {
            return Err(ConnectionError::SettingsLength);
        }
        if parameters.len() > MAX_SETTINGS_PER_FRAME {
            return Err(ConnectionError::TooManySettingsInFrame);
        }
        for &[i, j, a, b, c, d] in parameters {
            let value = u32::from_be_bytes([a, b, c, d]);
            match u16::from_be_bytes([i, j]) {
                id::HEADER_TABLE_SIZE => {
                    self.header_table_size = value;
                    on_the_way.lowest_table = on_the_way.lowest_table.min(value);
                }
                id::ENABLE_PUSH if value > 1 => return Err(ConnectionError::EnablePush),
                id::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    return Err(ConnectionError::InitialWindowSize);
                }
                id::INITIAL_WINDOW_SIZE => {
                    self.initial_window_size = value;
                    on_the_way.highest_window = on_the_way.highest_window.max(value);
                }
                id::MAX_FRAME_SIZE
                    if !(MIN_MAX_FRAME_SIZE..=MAX_MAX_FRAME_SIZE).contains(&value) =>
                {
                    return Err(ConnectionError::MaxFrameSize);
                }
                id::MAX_FRAME_SIZE => self.max_frame_size = value,
                id::NO_RFC7540_PRIORITIES if value > 1 => {
                    return Err(ConnectionError::NoRfc7540Priorities);
                }
                _ => {}
            }
        }
        Ok(on_the_way)
    }
}

/// A SETTINGS frame, built without allocating.
#[derive(Clone, Copy, Debug)]
pub struct SettingsFrame {
    bytes: [u8; FRAME_HEADER_LEN + MAX_SENT * PARAMETER_LEN],
    len: usize,
}

impl SettingsFrame {
    /// The frame that announces `parameters`, of which there are at most [`MAX_SENT`]; more are left out.
    #[must_use]
    pub fn new(parameters: &[(u16, u32)]) -> Self {
        let mut frame = Self {
            bytes: [0; _],
            len: FRAME_HEADER_LEN,
        };
        for &(id, value) in parameters.iter().take(MAX_SENT) {
            let [i, j] = id.to_be_bytes();
            let [a, b, c, d] = value.to_be_bytes();
            frame.bytes[frame.len..][..PARAMETER_LEN].copy_from_slice(&[i, j, a, b, c, d]);
            frame.len += PARAMETER_LEN;
        }
        let length = (frame.len - FRAME_HEADER_LEN) as u32;
        let header = FrameHeader {
            length,
            kind: Kind::SETTINGS,
            flags: 0,
            stream_id: 0,
        };
        frame.bytes[..FRAME_HEADER_LEN].copy_from_slice(&header.to_bytes());
        frame
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn applied(parameters: &[(u16, u32)]) -> Result<PeerSettings, ConnectionError> {
        let mut settings = PeerSettings::default();
        settings
            .apply(&SettingsFrame::new(parameters).as_bytes()[FRAME_HEADER_LEN..])
            .map(|_| settings)
    }

    #[test]
    fn a_frame_round_trips() {
        let frame =
            SettingsFrame::new(&[(id::MAX_FRAME_SIZE, 20_000), (id::INITIAL_WINDOW_SIZE, 7)]);
        let header = FrameHeader::parse(frame.as_bytes().first_chunk().unwrap());
        assert_eq!(
            header,
            FrameHeader {
                length: 12,
                kind: Kind::SETTINGS,
                flags: 0,
                stream_id: 0
            }
        );
        let settings =
            applied(&[(id::MAX_FRAME_SIZE, 20_000), (id::INITIAL_WINDOW_SIZE, 7)]).unwrap();
        assert_eq!(
            settings,
            PeerSettings {
                max_frame_size: 20_000,
                initial_window_size: 7,
                header_table_size: 4_096
            }
        );
    }

    #[test]
    fn the_last_value_holds_and_unknown_settings_are_ignored() {
        let settings = applied(&[
            (0xabcd, 7),
            (id::HEADER_TABLE_SIZE, 1),
            (0, 0),
            (id::HEADER_TABLE_SIZE, 2),
        ])
        .unwrap();
        assert_eq!(
            settings,
            PeerSettings {
                header_table_size: 2,
                ..PeerSettings::default()
            }
        );
    }

    #[test]
    fn values_out_of_range() {
        use ConnectionError as E;
        let cases: &[(u16, u32, Option<E>)] = &[
            (id::ENABLE_PUSH, 0, None),
            (id::ENABLE_PUSH, 1, None),
            (id::ENABLE_PUSH, 2, Some(E::EnablePush)),
            (id::INITIAL_WINDOW_SIZE, MAX_WINDOW, None),
            (
                id::INITIAL_WINDOW_SIZE,
                MAX_WINDOW + 1,
                Some(E::InitialWindowSize),
            ),
            (id::MAX_FRAME_SIZE, 16_383, Some(E::MaxFrameSize)),
            (id::MAX_FRAME_SIZE, 16_384, None),
            (id::MAX_FRAME_SIZE, (1 << 24) - 1, None),
            (id::MAX_FRAME_SIZE, 1 << 24, Some(E::MaxFrameSize)),
            (id::NO_RFC7540_PRIORITIES, 2, Some(E::NoRfc7540Priorities)),
            (id::MAX_CONCURRENT_STREAMS, u32::MAX, None),
        ];
        for &(id, value, error) in cases {
            assert_eq!(applied(&[(id, value)]).err(), error, "{id} = {value}");
        }
        let mut settings = PeerSettings::default();
        let frame = SettingsFrame::new(&[
            (id::HEADER_TABLE_SIZE, 10),
            (id::INITIAL_WINDOW_SIZE, 70_000),
            (id::HEADER_TABLE_SIZE, 9_000),
            (id::INITIAL_WINDOW_SIZE, 5),
        ]);
        assert_eq!(
            settings.apply(&frame.as_bytes()[FRAME_HEADER_LEN..]),
            Ok(OnTheWay {
                lowest_table: 10,
                highest_window: 70_000
            })
        );
        assert_eq!(
            (settings.header_table_size, settings.initial_window_size),
            (9_000, 5)
        );
        assert_eq!(settings.apply(&[0; 5]), Err(E::SettingsLength));
        assert_eq!(
            settings.apply(&vec![0xff; 6 * 65]),
            Err(E::TooManySettingsInFrame)
        );
    }
}
