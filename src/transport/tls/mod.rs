//! TLS 1.2 and 1.3, as the server or as the client: rustls shakes hands, then records are sealed and opened in place,
//! here.
//!
//! 1. [`server_config`] or [`client_config`] makes what all connections share.
//! 2. A [`Handshake`] takes the peer's bytes and yields flights until [`Progress::Done`].
//! 3. The [`Session`] that comes out owns the traffic keys and nothing else of the handshake. It opens what was
//!    received in the receive buffer and seals the records of a slot ([`crate::slot`]) in the slot.
//!
//! Order of calls on a session, which is the order on the wire: for every slot [`Session::take_control`], then
//! [`Session::seal`], and the bytes of the first go out in front of the bytes of the second. A record's sequence
//! number is taken when it is sealed, so nothing may be sealed out of turn.
//!
//! The sending direction may be handed over to a socket that seals by itself ([`Session::write_keys`],
//! [`Session::hand_over`]).
//!
//! This module does no I/O and reads no clock (session tickets have a lifetime, which rustls looks after). No record
//! is copied but one whose bytes came in several pieces.
//!
//! Implements the record layer of RFC 8446 (sections 4.6.3, 5, 6) and RFC 5246 (section 6.2) with the AEADs of
//! RFC 5288 and RFC 7905. Early data (0-RTT), client certificates, renegotiation and compression are not offered.

mod config;
mod error;
mod hand_over;
mod handshake;
mod keys;
mod limits;
mod open;
mod seal;
mod session;
mod verifier;

pub use config::{Trust, client_config, server_config};
pub use error::TlsError;
pub use hand_over::WriteKeys;
pub use handshake::{Agreed, Handshake, Progress};
pub use limits::{MAX_BUFFERED_RECORD_BYTES, MAX_HANDSHAKE_BYTES, MAX_SKIPPED_EARLY_DATA};
pub use session::Session;

#[cfg(test)]
mod tests;
