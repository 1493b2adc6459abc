//! What carries the bytes of a connection.

pub mod tls;
