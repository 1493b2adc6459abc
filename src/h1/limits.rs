//! Every limit of the HTTP/1.1 core, each with the attack it stops.

/// Bytes of a request's head as it arrives, with the request line and the empty line: 431 over it. As much as the
/// HTTP/2 core takes. Stops: heads without end, which are kept until they are complete.
pub const MAX_HEAD_BYTES: usize = 32_768;

/// Bytes of a request line: 414 over it. The longest path that Linux takes (`PATH_MAX`), each byte percent-encoded,
/// and a query; RFC 9112, section 3, wants 8,000 at least. Stops: targets that are worth nothing and cost a resolution.
pub const MAX_REQUEST_LINE: usize = 16_384;

/// Field lines of a request's head: 431 over it. Stops: heads of countless tiny fields, which cost more to look at
/// than they cost to send.
pub const MAX_FIELDS: usize = 128;

/// Requests that wait for their answer or for its end. More are not read: the connection ends after the answers to
/// these, and the client asks again for the rest (RFC 9112, section 9.3.2). As many as streams that the HTTP/2 core
/// allows. Stops: a peer that asks and never reads, each request of which holds an open file.
pub const MAX_PIPELINED: usize = 256;

/// Bytes of a request's content, as it arrives with chunk sizes and trailers, that are read and thrown away so that
/// the connection can be kept. More end it after the answer. As in Go's `net/http`. Stops: uploads that nobody wants.
pub const MAX_DRAINED_CONTENT: u64 = 262_144;

/// Bytes of a line that announces a chunk. Stops: chunk extensions as a way to send without end.
pub const MAX_CHUNK_LINE: u32 = 256;

/// Bytes of a trailer section. Stops: trailers as a way to send without end.
pub const MAX_TRAILER_BYTES: u32 = 4_096;

/// Nanoseconds in which the first byte of the first request must arrive. Stops: connections that are opened and say
/// nothing.
pub const FIRST_REQUEST_TIMEOUT_NS: u64 = 10_000_000_000;

/// Nanoseconds in which a head that was begun must be complete, and likewise the content that is drained. Stops: slow
/// headers ("Slowloris") and slow bodies, which hold a connection and up to a head of memory each.
pub const INCOMPLETE_TIMEOUT_NS: u64 = 20_000_000_000;

/// Nanoseconds in which the transport must take [`MIN_PROGRESS`] bytes of what it has, or all of it. Stops: peers that ask for files and never
/// read, each of which holds a file and its share of memory open for ever.
pub const STALL_TIMEOUT_NS: u64 = 300_000_000_000;

/// Bytes that count as moving on. Stops: the same with a peer that reads byte by byte.
pub const MIN_PROGRESS: usize = 1_024;

/// Nanoseconds without requests after which an idle connection gives its memory back.
pub const IDLE_TRIM_NS: u64 = 1_000_000_000;

/// No part of a body smaller than this many bytes is put at the end of a slot that holds something already: a sliver
/// costs as much as a large part.
pub const MIN_PART_AT_END: usize = 1_024;
