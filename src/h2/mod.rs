//! The HTTP/2 core (RFC 9113), sans-IO.
//!
//! Bytes go in ([`Connection::handle_bytes`]), events come out; responses go in ([`Connection::respond`]), slots are
//! filled ([`Connection::poll_transmit`]). The core reads no clock, no socket and no file: the time is an argument,
//! and the body of a file is a hole in the slot. [`Connection`] says in which order to call what.
//!
//! - [`frame`], [`settings`], [`error`], [`hpack`], [`priority`]: what is on the wire.
//! - [`stream`], [`window`]: the two state machines, pure.
//! - [`limits`]: every limit, with the attack it stops.
//! - `pace`: how much is committed to the transport at a time.
//! - `bdp`, `credit`: how much may be received at a time.
//! - `timeouts`: what happens when nothing happens.
//! - [`client`]: the client's role, on the same parts.
//! - `head`: a request from a field block, and what makes it malformed.
//! - `recv`, `send`, `streams`: the connection's two directions and its streams.
#![forbid(unsafe_code)]

mod bdp;
pub mod client;
mod connection;
mod control;
mod credit;
pub mod error;
pub mod frame;
mod head;
pub mod hpack;
pub mod limits;
mod pace;
pub mod priority;
mod queues;
mod recv;
mod remembered;
mod send;
pub mod settings;
pub mod stream;
mod streams;
mod timeouts;
pub mod window;

#[cfg(test)]
mod tests;

pub use connection::{Config, Connection};
pub use error::{ConnectionError, ErrorCode, StreamError};
pub use frame::StreamId;
pub use head::{RequestHead, Scratch, Trailers};
pub use priority::Priority;
pub use recv::Event;
pub use send::{Cut, cut};
pub use timeouts::{Keepalive, Timeouts};

pub use crate::response::{Body, End, Response, Segment};
