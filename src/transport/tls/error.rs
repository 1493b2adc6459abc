//! What can go wrong on a TLS connection: one variant per violation.

use rustls::AlertDescription;

/// Why a TLS connection must end. There is no error from which it goes on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The handshake failed. The alert for it, if any, was already handed out.
    #[error("handshake failed: {0}")]
    Handshake(rustls::Error),
    /// The peer sent more than [`MAX_HANDSHAKE_BYTES`](super::MAX_HANDSHAKE_BYTES), or too many records, before the
    /// handshake's end.
    #[error("handshake is too long")]
    HandshakeTooLong,
    /// The peer closed in mid-handshake (RFC 8446, section 6.1).
    #[error("closed by the peer during the handshake")]
    ClosedInHandshake,
    /// Application data came before the handshake's end (RFC 8446, section 4.6; early data is not offered).
    #[error("application data during the handshake")]
    DataInHandshake,
    /// A call on a handshake that is over, or on a session that has failed.
    #[error("the connection has already ended")]
    Ended,
    /// A record's length field exceeds the protocol's limit (RFC 8446, section 5.2; RFC 5246, section 6.2.3).
    #[error("record too long")]
    RecordOverflow,
    /// A record's plaintext exceeds 2^14 bytes (RFC 8446, section 5.2; RFC 5246, section 6.2.1).
    #[error("record plaintext too long")]
    PlaintextOverflow,
    /// A record of a type that has no place after the handshake, ChangeCipherSpec among them (RFC 8446, section 5).
    #[error("unexpected record of type {0}")]
    RecordKind(u8),
    /// A record of another version than the one agreed on (RFC 5246, section 6.2.1).
    #[error("record of version {0:#06x}")]
    RecordVersion(u16),
    /// A record that cannot be authenticated (RFC 8446, section 5.2; RFC 5246, section 7.2.2).
    #[error("record authentication failed")]
    BadRecordMac,
    /// A plaintext of zeros only, without a content type (RFC 8446, section 5.4).
    #[error("record without content type")]
    NoContentType,
    /// A handshake or alert record without content (RFC 8446, section 5.1).
    #[error("empty record of type {0}")]
    EmptyRecord(u8),
    /// Another record amid the fragments of a handshake message (RFC 8446, section 5.1).
    #[error("record amid a fragmented handshake message")]
    InterleavedHandshake,
    /// A handshake message that has no place after the handshake (RFC 8446, section 4.6).
    #[error("unexpected handshake message of type {0}")]
    HandshakeKind(u8),
    /// A handshake message that shares a record with a key change (RFC 8446, section 5.1).
    #[error("handshake message spans a key change")]
    HandshakeSpansKeys,
    /// A KeyUpdate whose length is not 1 (RFC 8446, section 4.6.3).
    #[error("malformed KeyUpdate")]
    KeyUpdateLength,
    /// A KeyUpdate with an unknown request (RFC 8446, section 4.6.3).
    #[error("KeyUpdate with request {0}")]
    KeyUpdateRequest(u8),
    /// An alert that is not two bytes long (RFC 8446, sections 5.1 and 6).
    #[error("malformed alert")]
    AlertLength,
    /// The peer ended the connection with this fatal alert (RFC 8446, section 6.2).
    #[error("peer sent fatal alert {0}")]
    PeerAlert(u8),
    /// Too many records without content.
    #[error("too many records without content")]
    TooManyFruitlessRecords,
    /// Too many key updates for the data exchanged.
    #[error("too many key updates")]
    TooManyKeyUpdates,
    /// The peer insists on renegotiation (RFC 5246, section 7.2.2, no_renegotiation).
    #[error("too many renegotiations")]
    TooManyRenegotiations,
    /// A renegotiating ClientHello or a session ticket is too long.
    #[error("handshake message too long")]
    HandshakeMessageTooLong,
    /// Our key has sealed all the records it may (RFC 8446, section 5.5).
    #[error("the write key is worn out")]
    KeyExhausted,
    /// The peer asks for new keys, and the kernel, which seals, cannot change its own (RFC 8446, section 4.6.3).
    #[error("KeyUpdate requested of kernel TLS, which has none before Linux 6.14")]
    KeyUpdateInKernel,
    /// A record was to be sealed after our closing alert (RFC 8446, section 6.1), or where the socket seals.
    #[error("write after closing")]
    WriteClosed,
    /// The AEAD refused a key or a plaintext of a length that it takes; never seen.
    #[error("sealing failed")]
    Crypto,
    /// A NewSessionTicket that cannot be read (RFC 8446, section 4.6.1).
    #[error("malformed session ticket: {0}")]
    Ticket(rustls::Error),
    /// New traffic keys could not be derived.
    #[error("key update failed: {0}")]
    KeyDerivation(rustls::Error),
}

impl TlsError {
    /// The fatal alert that tells the peer (RFC 8446, section 6.2), `None` when there is nothing to tell: the peer
    /// itself ended the connection, we closed already, or the handshake was still on and rustls wrote the alert.
    #[must_use]
    pub fn alert(&self) -> Option<AlertDescription> {
        Some(match self {
            Self::Handshake(_)
            | Self::HandshakeTooLong
            | Self::DataInHandshake
            | Self::ClosedInHandshake
            | Self::Ended
            | Self::PeerAlert(_)
            | Self::WriteClosed => return None,
            Self::RecordKind(_)
            | Self::NoContentType
            | Self::EmptyRecord(_)
            | Self::InterleavedHandshake
            | Self::HandshakeKind(_)
            | Self::HandshakeSpansKeys
            | Self::TooManyFruitlessRecords
            | Self::TooManyKeyUpdates
            | Self::TooManyRenegotiations
            | Self::HandshakeMessageTooLong => AlertDescription::UnexpectedMessage,
            Self::RecordOverflow | Self::PlaintextOverflow => AlertDescription::RecordOverflow,
            Self::RecordVersion(_) => AlertDescription::ProtocolVersion,
            Self::BadRecordMac => AlertDescription::BadRecordMac,
            Self::KeyUpdateLength | Self::AlertLength | Self::Ticket(_) => {
                AlertDescription::DecodeError
            }
            Self::KeyUpdateRequest(_) => AlertDescription::IllegalParameter,
            Self::KeyExhausted
            | Self::KeyUpdateInKernel
            | Self::Crypto
            | Self::KeyDerivation(_) => AlertDescription::InternalError,
        })
    }
}
