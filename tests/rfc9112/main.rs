//! RFC 9112 against the HTTP/1.1 core, bytes in and bytes out: one function for each requirement, in files named by
//! section, the requirement quoted. RFC 9110 where it concerns how messages are framed and connections end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allocations;
mod answers;
mod client;
mod properties;
#[path = "../support/random.rs"]
mod random;

mod s11_2_request_smuggling;
mod s2_2_message_parsing;
mod s2_3_version;
mod s3_2_request_target;
mod s3_request_line;
mod s5_field_syntax;
mod s6_1_transfer_encoding;
mod s6_3_body_length;
mod s7_1_chunked;
mod s8_incomplete_messages;
mod s9_3_2_pipelining;
mod s9_3_persistence;
mod s9_5_failures_and_timeouts;
mod s9_6_tear_down;

mod rfc9110_semantics;
