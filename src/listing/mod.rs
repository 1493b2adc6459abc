//! Directory listings: reading a directory beneath the root, and writing it as a page or as JSON.
//!
//! What a listing goes through:
//!
//! 1. [`Query::parse`]: how the client wants it sorted.
//! 2. [`read`]: the entries and what they are. It blocks, so it is called on a thread that may.
//! 3. [`Listing::new`]: sorted (still on that thread: a large directory takes its time), and
//!    [`Listing::etag`], should the client have it already.
//! 4. [`Pieces`]: the representation in pieces of [`CHUNK_BYTES`], each made when it is asked for, so
//!    that a listing of any length is streamed and is never in memory as a whole.
//!
//! There is no script in the page and nothing that it loads: [`CONTENT_SECURITY_POLICY`] forbids both, so not even a
//! name that escaped its escaping could do harm. Names keep their bytes in links; see `name.rs`.
//!
//! Nothing here knows of connections, of the loop, or of any HTTP version.

mod entries;
mod human;
mod json;
mod name;
mod order;
mod page;
mod query;
mod read;
mod render;

pub use entries::{Entries, Entry, Kind};
pub use page::CONTENT_SECURITY_POLICY;
pub use query::{Order, Query, Sort};
pub use read::{Directory, MAX_ENTRIES, Open, Policy, Symlinks, read};
pub use render::{CHUNK_BYTES, Format, Listing, Pieces};
