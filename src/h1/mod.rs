//! The HTTP/1.1 core (RFC 9112), server's role, sans-IO.
//!
//! Bytes go in ([`Connection::handle_bytes`]), events come out; responses go in ([`Connection::respond`]), slots are
//! filled ([`Connection::poll_transmit`]), as with the HTTP/2 core beside it. The core reads no clock, no socket and no
//! file: the time is an argument, and the body of a file is a hole in the slot. [`Connection`] says in which order to
//! call what.
//!
//! What is read is read strictly: a request of which two recipients could think differently is refused, with a status
//! and a text that say why ([`ConnectionError`]), and the connection ends. The one leniency is an empty line in front
//! of a request (RFC 9112, section 2.2); a lone LF ends no line.
//!
//! - [`error`]: every violation. [`limits`]: every limit, with the attack it stops.
//! - `head`: a request from its bytes, and what makes it malformed.
//! - `content`: the content of requests, which nobody wants: where it ends.
//! - `recv`, `exchange`, `send`: the connection's two directions, and what is between them.
//! - `timeouts`: what happens when nothing happens.
#![forbid(unsafe_code)]

mod connection;
mod content;
pub mod error;
mod exchange;
mod head;
pub mod limits;
mod recv;

mod send;
mod timeouts;

#[cfg(test)]
mod tests;

pub use connection::{Config, Connection};
pub use error::ConnectionError;
pub use head::{RequestHead, Scheme, Scratch};
pub use recv::Event;
pub use timeouts::Timeouts;

pub use crate::response::{Body, Response};
