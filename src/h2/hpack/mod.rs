//! HPACK, field compression for HTTP/2 (RFC 7541).
//!
//! A [`Decoder`] keeps the dynamic table that the peer's encoder steers; it hands fields out as slices and allocates
//! nothing once warm. Blocks are encoded without it ([`encode_block`], [`encode_field`], [`encode_status`]), so that they hold on
//! every connection and may be cached; a connection's [`Encoder`] says by index what of them it has said before.
//!
//! This module does no I/O and reads no clock. It never interprets a field: whether names and values are allowed
//! (RFC 9113, section 8.2) is for the caller to say.
//!
//! | file | what | RFC 7541 |
//! |---|---|---|
//! | `static_table` | the 61 fixed fields, and finding one by name | Appendix A |
//! | `huffman` | the string code, both ways | 5.2, Appendix B |
//! | `integer` | prefixed integers, both ways | 5.1 |
//! | `table` | the dynamic table: insertion, eviction, lookup | 2.3.2, 4 |
//! | `decoder` | field blocks to fields | 3, 6 |
//! | `encoder` | fields to field blocks | 6 |
//! | `context` | what the peer's table has, and blocks that refer to it | 2.2, 4 |

mod context;
mod decoder;
mod encoder;
pub mod huffman;
mod integer;
mod static_table;
mod table;
#[cfg(test)]
mod tests;

pub use context::{Encoder, MAX_PREFIX};
pub use decoder::{DecodeError, Decoder, Field, Outcome};
pub use encoder::{
    Encoded, FieldToEncode, Indexing, encode_block, encode_field, encode_fields, encode_status,
};
pub use table::{DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD};
