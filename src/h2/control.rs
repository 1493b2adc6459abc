//! Control frames that wait to be sent, and what is known about streams that we reset.

use std::collections::VecDeque;

use super::error::ErrorCode;
use super::frame::StreamId;

/// A control frame that is to be sent. What it carries is looked up when it is, where that can still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Settings,
    SettingsAck,
    PingAck([u8; 8]),
    DrainPing,
    /// The PING that times the path of what we receive.
    BdpPing,
    /// The PING that asks a silent peer whether it is there.
    KeepalivePing,
    /// GOAWAY with the last identifier there is: new streams are still served (section 6.8).
    GoawayNotice,
    /// The GOAWAY after which no more streams are served.
    Goaway,
    ConnectionUpdate,
    StreamUpdate(StreamId),
    RstStream(StreamId, ErrorCode),
}

/// The queue: in order, bounded by its user.
pub(super) type ControlQueue = VecDeque<Control>;

/// Payload of the PING that asks whether the peer has seen our RST_STREAM frames.
pub(super) const RESET_PING: [u8; 8] = *b"rl:reset";

/// Payload of the PING between the two GOAWAY frames of a shutdown.
pub(super) const DRAIN_PING: [u8; 8] = *b"rl:drain";

/// Payload of the PING that times the path of what we receive.
pub(super) const BDP_PING: [u8; 8] = *b"rl:bytes";

/// Payload of the PING that asks a silent peer whether it is there.
pub(super) const KEEPALIVE_PING: [u8; 8] = *b"rl:alive";

/// Streams that we reset and of which the peer may not know yet.
///
/// After RST_STREAM frames goes a PING. Until it is acknowledged, frames of any closed stream up to the highest
/// that we reset are absorbed (RFC 9113, section 5.1 allows this for all closed streams), and the streams count as
/// open. So no history of single streams is kept.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Streams whose RST_STREAM went out before the PING in flight.
    before_ping: u32,
    /// Streams reset since.
    since_ping: u32,
    /// Whether there is anything to ask for: also streams that do not count, since they were never admitted.
    ping_due: bool,
    ping_in_flight: bool,
    /// The highest stream that we reset and whose frames are absorbed; 0 when there is none.
    up_to: StreamId,
}

impl Resets {
    /// A stream was reset by us; `counts` when it was open before.
    pub(super) fn add(&mut self, id: StreamId, counts: bool) {
        self.since_ping += u32::from(counts);
        self.up_to = self.up_to.max(id);
        self.ping_due = true;
    }

    /// Streams that count as open.
    pub(super) fn open(&self) -> usize {
        (self.before_ping + self.since_ping) as usize
    }

    /// Whether frames of this closed stream may have been sent before the peer knew.
    pub(super) fn absorbs(&self, id: StreamId) -> bool {
        id <= self.up_to
    }

    /// Whether a PING is to be sent now, after all RST_STREAM frames.
    pub(super) fn wants_ping(&self) -> bool {
        self.ping_due && !self.ping_in_flight
    }

    /// The PING was put on the wire.
    pub(super) fn ping_sent(&mut self) {
        self.ping_due = false;
        self.ping_in_flight = true;
        self.before_ping = std::mem::take(&mut self.since_ping);
    }

    /// A PING with [`RESET_PING`] was acknowledged; whether one was in flight.
    pub(super) fn acknowledged(&mut self) -> bool {
        let in_flight = std::mem::take(&mut self.ping_in_flight);
        if in_flight {
            self.before_ping = 0;
            if !self.ping_due {
                self.up_to = 0;
            }
        }
        in_flight
    }
}
