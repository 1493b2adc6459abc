//! Handing the sending direction over to a socket that seals by itself.
//!
//! A record's nonce follows from its number, and no nonce may come twice under one key: so from then on nothing is sealed
//! here, and there is no way back.

use rustls::ConnectionTrafficSecrets;

use super::keys::{Shape, content};
use super::session::{Closing, Session};
use crate::slot::MAX_RECORD_PLAINTEXT;

/// What the next records that are sent are sealed with.
pub struct WriteKeys<'a> {
    /// The AEAD and its key.
    pub secrets: &'a ConnectionTrafficSecrets,
    /// Combined with a record's number to its nonce (RFC 8446, section 5.3).
    pub iv: [u8; 12],
    /// Number of the next record.
    pub sequence: u64,
}

impl Session {
    /// What somebody else needs to seal all records from the next one on: everything that was sealed before has to be on its
    /// way. `None` under TLS 1.2, whose nonces are counted in a way of our own, and when something is to be said first.
    #[must_use]
    pub fn write_keys(&self) -> Option<WriteKeys<'_>> {
        let keys = self.sealer.keys();
        let open = self.closing == Closing::No && !self.failed && !self.handed_over;
        let open = open && !self.has_control();
        (open && self.sealer.shape() == Shape::Tls13).then(|| WriteKeys {
            secrets: keys.secrets(),
            iv: keys.iv,
            sequence: keys.sequence,
        })
    }

    /// From here on the socket seals: nothing more is sealed here, and [`take_alert`](Self::take_alert) takes the place of
    /// [`take_control`](Self::take_control). A peer that asks for new keys is refused.
    pub fn hand_over(&mut self) {
        self.handed_over = true;
        self.sealer.release_keys();
    }

    /// Whether the socket seals.
    #[must_use]
    pub fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// The socket has sealed so much plaintext, given to it at once.
    pub fn note_sealed(&mut self, bytes: usize) {
        self.sealer
            .note_sealed(bytes.div_ceil(MAX_RECORD_PLAINTEXT) as u64);
        self.earn(bytes);
    }

    /// The record that must go out next, if any, which is an alert: its type, and its content.
    pub fn take_alert(&mut self) -> Option<(u8, [u8; 2])> {
        let Closing::Queued { level, alert } = self.closing else {
            return None;
        };
        self.closing = Closing::Sent;
        Some((content::ALERT, [level, alert.into()]))
    }

    /// Whether the socket may seal nothing more with the write key. Here [`seal`](Self::seal) would refuse.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.handed_over && self.sealer.is_exhausted()
    }
}
