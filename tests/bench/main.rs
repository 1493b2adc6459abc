//! `ringlane bench` as its users meet it: the binary, against `ringlane serve` and against servers that do wrong on
//! purpose. Everything listens on 127.0.0.1, on ports of the kernel's choice, and ends with its test.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agreement;
mod beginnings;
mod bodies;
mod client;
mod compare;
mod ends;
mod omission;
mod output;
mod raw;
mod refusals;
#[path = "../serve/server.rs"]
#[allow(
    dead_code,
    reason = "the tests of the server use more of it than those of the client"
)]
mod server;
