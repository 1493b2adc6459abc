//! Pure HTTP semantics (RFC 9110).
