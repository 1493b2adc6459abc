//! The targets: each a function of bytes that panics when something is wrong.

pub(crate) mod client;
pub(crate) mod conditions;
pub(crate) mod connection;
pub(crate) mod frames;
pub(crate) mod hpack;
pub(crate) mod http1;
mod input;
pub(crate) mod path;
#[allow(dead_code, unused_imports, reason = "one user of several")]
#[path = "../../support/frames.rs"]
mod raw;
pub(crate) mod slot;

use ringlane::h2;
