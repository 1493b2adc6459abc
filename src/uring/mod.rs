//! The io_uring layer.

pub mod inherit;
