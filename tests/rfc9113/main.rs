//! RFC 9113 against the HTTP/2 core, bytes in and bytes out: one function for each requirement, in files named by
//! section, the requirement quoted. RFC 7541 and RFC 9218 where they concern a server.
//!
//! `over_the_wire` asks the most telling of them of the real server, in the clear and over TLS.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allocations;
mod client;
mod client_role;
#[path = "../support/frames.rs"]
mod frames;
mod over_the_wire;
mod peer;
#[allow(dead_code)]
#[path = "../serve/server.rs"]
mod server;
#[path = "../serve/trust.rs"]
mod trust;
mod wire;

use ringlane::h2;

mod s3_4_preface;
mod s4_1_frame_format;
mod s4_2_frame_size;
mod s4_3_field_blocks;
mod s5_1_1_stream_identifiers;
mod s5_1_2_concurrency;
mod s5_1_stream_states;
mod s5_2_flow_control;
mod s5_3_priority;
mod s5_4_errors;
mod s5_5_extensions;
mod s6_10_continuation;
mod s6_1_data;
mod s6_2_headers;
mod s6_3_priority;
mod s6_4_rst_stream;
mod s6_5_settings;
mod s6_6_push_promise;
mod s6_7_ping;
mod s6_8_goaway;
mod s6_9_window_update;
mod s7_error_codes;
mod s8_1_framing;
mod s8_2_fields;
mod s8_3_pseudo_fields;
mod s8_4_push;
mod s8_5_connect;

mod rfc7541_hpack;
mod rfc9218_priorities;
