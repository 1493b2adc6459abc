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
//!  ├── h1                             sans-IO HTTP/1.1: the same
//!  ├── h2                             sans-IO HTTP/2: bytes in, events out, slots filled
//!  ├── files                          root, open-file cache: says what to do
//!  ├── site                           pure: hosts, mounts and rules, to what a path gets
//!  ├── listing                        directories read and written as pages, off the loop
//!  ├── http                           pure RFC 9110: targets, preconditions, ranges, types
//!  ├── response                       what a core is given to send
//!  ├── slot                           an append-only piece of wire with holes for bodies
//!  └── uring                          the only unsafe: ring, arena, buffers, mappings
//! bench                               load for any server, on the same parts, beside the shard
//! ```

pub mod bench;
pub mod cli;
pub mod config;
pub mod files;
pub mod h1;
pub mod h2;
pub mod http;
pub mod listing;
pub mod response;
pub mod server;
pub mod shard;
pub mod site;
pub mod slot;
pub mod transport;
pub mod uring;
