//! Directory listings on a real file system: what is listed and what is not, hostile names, a hundred thousand entries,
//! and the pages that `scripts/listing-pages` looks at.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod folder;
mod hostile;
mod pages;
mod reading;
