//! How large the server's frames are to be: the four choices of Greg Wilkins's proposal of large frames, in the terms of
//! SETTINGS_MAX_FRAME_SIZE (RFC 9113, section 6.5.2).
//!
//! The setting is a limit, not a wish: what a server makes of it is its own affair. And SETTINGS_MAX_FRAME_SIZE holds
//! for all streams, so that a large frame of one delays the others; who downloads one thing at a time does not mind.

use super::{ClientConnection, ResponseHead};
use crate::h2::limits::{MAX_MAX_FRAME_SIZE, MIN_MAX_FRAME_SIZE};

/// When the server may send larger frames than the 16,384 bytes that hold by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FramePolicy {
    /// Never.
    #[default]
    None,
    /// From the start, up to [`FramePolicy::MEDIUM`]: four times the default. Costs of a frame are spread over four
    /// times as many bytes, and what waits behind one waits but for 65,536.
    Medium,
    /// From the start, up to 2^24-1 bytes, the most that there is.
    Large,
    /// When it is worth it: once a response says by `content-length` that it does not fit the frames allowed so far, up
    /// to what it would fit into, the next power of two (at most 2^24-1). SETTINGS go out in mid-connection; the size
    /// never falls. Responses that do not say how long they are change nothing.
    Sufficient,
}

impl FramePolicy {
    /// The frames that [`FramePolicy::Medium`] allows, in bytes.
    pub const MEDIUM: u32 = 65_536;

    /// What [`ClientConfig::max_frame_size`](super::ClientConfig::max_frame_size) is to be at the start, in bytes.
    #[must_use]
    pub const fn at_start(self) -> u32 {
        match self {
            Self::None | Self::Sufficient => MIN_MAX_FRAME_SIZE,
            Self::Medium => Self::MEDIUM,
            Self::Large => MAX_MAX_FRAME_SIZE,
        }
    }

    /// The size to announce when a response of `content_length` bytes begins on a connection that allows frames of
    /// `announced` bytes; `None` when nothing is to be changed.
    #[must_use]
    pub fn raised(self, announced: u32, content_length: u64) -> Option<u32> {
        if self != Self::Sufficient {
            return None;
        }
        let sufficient = content_length
            .min(u64::from(MAX_MAX_FRAME_SIZE))
            .next_power_of_two()
            .min(u64::from(MAX_MAX_FRAME_SIZE)) as u32;
        (sufficient > announced).then_some(sufficient)
    }

    /// Acts on the head of a response on `connection`, by [`ClientConnection::set_max_frame_size`].
    pub fn observe(self, connection: &mut ClientConnection, head: &ResponseHead<'_>) {
        let raised = head
            .content_length()
            .and_then(|length| self.raised(connection.max_frame_size(), length));
        if let Some(bytes) = raised {
            connection.set_max_frame_size(bytes);
        }
    }
}
