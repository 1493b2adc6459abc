//! The binary as its users meet it: started as a process, asked over sockets, stopped by a signal.
//!
//! Every test starts a server of its own on ports of the kernel's choice, in a state folder of its own, and ends it by
//! its process id. The client is the `h2` crate, over TCP and over TLS. Contents and choices come from a seed that is
//! printed; `RINGLANE_TEST_SEED` sets another, and `RINGLANE` names another binary to test.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bodies;
mod client;
mod content;
mod kernel;
mod life;
mod page_cache;
mod semantics;
mod server;
mod silent;
mod sites;
mod sni;
mod truncation;
mod trust;
