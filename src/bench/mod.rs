//! `ringlane bench`: load for any HTTP/1.1 or HTTP/2 server, and honest figures about it.
//!
//! It stands beside the shard, on the same parts: threads pinned to cores, a ring for each, the client's role of the
//! HTTP/2 core.
//!
//! 1. [`Args`] are what is typed; [`Options`] what is to be done, checked.
//! 2. [`run()`] starts a worker on each core, tells whoever watches how it goes ([`progress`]), and adds up a
//!    [`RunResult`](result::RunResult).
//! 3. A worker makes its share of the requests ([`load`] and `feed` say when) on its connections, and records what
//!    becomes of them (`measure`).
//!
//! What is measured, in which units, is written at [`result`].

pub mod args;
mod command;
pub mod compare;
mod connection;
mod costs;
mod dialling;
mod ending;
mod exchange;
mod feed;
mod figures;
mod h1;
mod input;
mod latency;
mod live;
pub mod load;
mod measure;
pub mod options;
mod output;
pub mod progress;
mod range;
pub mod report;
mod requests;
pub mod result;
mod run;
mod setup;
pub mod summary;
pub mod target;
#[cfg(test)]
mod testing;
mod units;
pub mod verify;
mod worker;

pub use args::Args;
pub use command::{CommandError, Ending, command};
pub use latency::{DIGITS, Latency, PERCENTILES, Percentile};
pub use options::{Options, OptionsError};
pub use range::Asked;
pub use run::{RunError, Stop, run};
