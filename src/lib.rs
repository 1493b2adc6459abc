//! ringlane: a thread-per-core io_uring HTTP/2 file server for Linux.
//!
//! One pinned shard per core accepts, parses, schedules and sends for itself. Arrows between the modules
//! point down only:
//!
//! ```text
//! main ── cli, config                 what was asked for, validated once
//!  │
//! server                              starts shards, signals, drain, systemd
//!  │
//! shard                               one pinned core: the loop, the connections, the counters
//!  ├── transport                      TLS: handshake by rustls, records sealed in the slot
//!  ├── h2                             sans-IO HTTP/2: bytes in, events out, slots filled
//!  ├── files                          root, open-file cache: says what to do
//!  ├── http                           pure RFC 9110: targets, preconditions, ranges, types
//!  ├── slot                           an append-only piece of wire with holes for bodies
//!  └── uring                          the only unsafe: ring, arena, buffers, mappings
//! bench                               load for any server, on the same parts, beside the shard
//! ```

pub mod bench;
pub mod cli;
pub mod config;
pub mod files;
pub mod h2;
pub mod http;
pub mod server;
pub mod shard;
pub mod slot;
pub mod transport;
pub mod uring;
