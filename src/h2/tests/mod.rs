//! The core as a whole, driven by a client that writes frames.
