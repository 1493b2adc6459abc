//! Every limit of this module, with what it stops.

/// Bytes of a record header: type, version, length (RFC 8446, section 5.1).
pub(super) const HEADER_LEN: usize = 5;

/// Bytes of the authentication tag of every AEAD that is offered.
pub(super) const TAG_LEN: usize = 16;

/// Bytes of the explicit nonce of AES-GCM under TLS 1.2 (RFC 5288, section 3).
pub(super) const EXPLICIT_NONCE_LEN: usize = 8;

/// What a TLS 1.3 record may add to its plaintext: inner type, padding, tag (RFC 8446, section 5.2).
pub(super) const MAX_EXPANSION_TLS13: usize = 256;

/// What a TLS 1.2 record may add to its plaintext (RFC 5246, section 6.2.3).
pub(super) const MAX_EXPANSION_TLS12: usize = 2_048;

/// Bytes that a session keeps at most: one record, short of its last byte. Without it a peer could have us buffer
/// what it likes.
pub const MAX_BUFFERED_RECORD_BYTES: usize =
    HEADER_LEN + crate::slot::MAX_RECORD_PLAINTEXT + MAX_EXPANSION_TLS12;

/// Bytes that a peer may send before the handshake is over. A ClientHello with post-quantum key shares and several
/// tickets stays below 8 KiB, and a server's chain of certificates below 16; early data, which is skipped, is mostly
/// allowed up to 16. Stops a peer that never finishes from filling memory.
pub const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;

/// Early data that is skipped of a client whose ticket another server gave it (RFC 8446, section 4.2.10), in bytes as
/// encrypted: the handshake's own limit is the one that counts. rustls takes it for what may be accepted, and accepts none
/// with stateless tickets.
pub const MAX_SKIPPED_EARLY_DATA: u32 = MAX_HANDSHAKE_BYTES as u32;

/// Records in which a peer may begin, and begin again when we ask for another hello (RFC 8446, section 4.1.4): a hello may
/// come byte by byte (section 5.1), as it does from conformance tests. Stops a peer that never finishes from filling the
/// processor: a record of one byte, or of none, costs as much as one of hundreds.
pub(super) const MAX_HELLO_RECORDS: u32 = 2_048;

/// Records that a peer may send from our last words in the handshake on, once keys are agreed on. While early data is
/// skipped, rustls looks at those that say they are of the handshake again with each one that follows.
pub(super) const MAX_FLIGHT_RECORDS: u32 = 128;

/// Records that carry nothing (empty application data, ignored warnings) before one that does. A record of 22 bytes
/// costs us an authentication and the layers above see nothing to count; RFC 8446, section 5.1, allows empty records
/// for traffic analysis, so some are taken. Refilled by every record with data.
pub(super) const MAX_FRUITLESS_RECORDS: u32 = 32;

/// Key updates that a peer may have in hand. Each derives secrets and expands keys, about a hundred times the cost of
/// the 27 bytes that ask for it, and may ask for an answer.
pub(super) const MAX_KEY_UPDATES: u32 = 16;

/// Application data, in either direction, that earns one more key update.
pub(super) const KEY_UPDATE_REFILL_BYTES: usize = 64 * 1024;

/// Renegotiations refused with a warning before the connection is given up: a ClientHello is cheap to send, and only
/// a peer that does not take no for an answer sends more than a few. Never refilled.
pub(super) const MAX_RENEGOTIATIONS: u32 = 4;

/// Length of a NewSessionTicket that a client keeps: a ticket is below 2^16 bytes (RFC 8446, section 4.6.1), and few are
/// above 2 KiB.
pub(super) const MAX_TICKET_BYTES: u32 = 64 * 1024;

/// Length of a ClientHello that is skipped while renegotiation is being refused: the same bound as in the handshake.
pub(super) const MAX_SKIPPED_HELLO_BYTES: u32 = 64 * 1024;

/// Our keys are updated when all but one part in so many of the AEAD's limit is used (RFC 8446, section 5.5). For
/// AES-GCM, 2^24 records, that leaves 262,144 records for slots already begun.
pub(super) const KEY_UPDATE_MARGIN_DIVISOR: u64 = 64;
