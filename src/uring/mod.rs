//! The io_uring layer.
