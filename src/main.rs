//! The `ringlane` program.
fn main() {}
