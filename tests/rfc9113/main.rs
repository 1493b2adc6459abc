//! RFC 9113 against the HTTP/2 core, bytes in and bytes out: one function for each requirement, in files named by
//! section, the requirement quoted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allocations;
mod peer;
