//! The HTTP/2 core (RFC 9113), sans-IO.
#![forbid(unsafe_code)]

pub mod hpack;
