//! The list of attacks.

use super::{Attack, connections, floods, hpack, malformed, resets, stalls, tls};

/// Every attack, in the order in which they run.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack::new(
        "rapid-reset",
        "CVE-2023-44487: HEADERS and RST_STREAM",
        resets::rapid_reset,
    ),
    Attack::new(
        "rapid-reset-paid",
        "CVE-2023-44487 beside a download in one-byte frames",
        resets::rapid_reset_paid,
    ),
    Attack::new(
        "rapid-reset-reconnect",
        "CVE-2023-44487 on one connection after the other",
        resets::rapid_reset_reconnect,
    ),
    Attack::new(
        "rapid-reset-paths",
        "CVE-2023-44487 for ever new paths, then gone",
        resets::rapid_reset_paths,
    ),
    Attack::new(
        "made-zero-update",
        "CVE-2025-8671: WINDOW_UPDATE of 0",
        resets::made_by_zero_update,
    ),
    Attack::new(
        "made-window-overflow",
        "CVE-2025-8671: a stream's window over 2^31-1",
        resets::made_by_window_overflow,
    ),
    Attack::new(
        "made-late-headers",
        "CVE-2025-8671: HEADERS on a half-closed stream",
        resets::made_by_late_headers,
    ),
    Attack::new(
        "made-late-data",
        "CVE-2025-8671: DATA on a half-closed stream",
        resets::made_by_late_data,
    ),
    Attack::new(
        "made-self-dependency",
        "CVE-2025-8671: PRIORITY on itself",
        resets::made_by_self_dependency,
    ),
    Attack::new(
        "made-dependent-headers",
        "CVE-2025-8671: HEADERS that depend on themselves",
        resets::made_by_dependent_headers,
    ),
    Attack::new(
        "made-short-priority",
        "CVE-2025-8671: PRIORITY of four bytes",
        resets::made_by_short_priority,
    ),
    Attack::new(
        "made-content-length",
        "CVE-2025-8671: content-length without content",
        resets::made_by_content_length,
    ),
    Attack::new(
        "made-content-overrun",
        "CVE-2025-8671: more content than content-length",
        resets::made_by_content_overrun,
    ),
    Attack::new(
        "made-missing-path",
        "CVE-2025-8671: no :path",
        resets::made_by_missing_path,
    ),
    Attack::new(
        "made-connection-field",
        "CVE-2025-8671: a connection-specific field",
        resets::made_by_connection_field,
    ),
    Attack::new(
        "made-upper-case",
        "CVE-2025-8671: a name in upper case",
        resets::made_by_upper_case,
    ),
    Attack::new(
        "made-open-trailers",
        "CVE-2025-8671: trailers without END_STREAM",
        resets::made_by_open_trailers,
    ),
    Attack::new(
        "made-refusal",
        "CVE-2025-8671: more streams than allowed",
        resets::made_by_refusal,
    ),
    Attack::new(
        "made-without-pong",
        "CVE-2025-8671, PING never acknowledged",
        resets::made_without_pong,
    ),
    Attack::new(
        "unfinished-requests",
        "requests answered before their content, and reset",
        resets::unfinished_requests,
    ),
    Attack::new(
        "continuation-large",
        "CVE-2024-27316: full frames",
        floods::continuation_large,
    ),
    Attack::new(
        "continuation-small",
        "CVE-2024-27316: one byte each",
        floods::continuation_small,
    ),
    Attack::new(
        "continuation-empty",
        "CVE-2024-27316: empty frames",
        floods::continuation_empty,
    ),
    Attack::new("ping", "CVE-2019-9512", floods::ping),
    Attack::new("ping-ack", "acknowledgements of no PING", floods::ping_ack),
    Attack::new("settings", "CVE-2019-9515", floods::settings_empty),
    Attack::new(
        "settings-ack",
        "acknowledgements of no SETTINGS",
        floods::settings_ack,
    ),
    Attack::new(
        "settings-full",
        "CVE-2019-9515: 2,700 settings in a frame",
        floods::settings_full,
    ),
    Attack::new(
        "priority",
        "CVE-2019-9513: PRIORITY of idle streams",
        floods::priority_idle,
    ),
    Attack::new(
        "priority-update",
        "CVE-2019-9513: PRIORITY_UPDATE of an open stream",
        floods::priority_update,
    ),
    Attack::new(
        "priority-update-idle",
        "PRIORITY_UPDATE of streams to come",
        floods::priority_update_idle,
    ),
    Attack::new(
        "rst-closed",
        "CVE-2019-9514: RST_STREAM on a closed stream",
        floods::reset_closed,
    ),
    Attack::new(
        "rst-idle",
        "RST_STREAM on an idle stream",
        floods::reset_idle,
    ),
    Attack::new(
        "window-connection",
        "WINDOW_UPDATE of the connection",
        floods::window_connection,
    ),
    Attack::new(
        "window-stream",
        "WINDOW_UPDATE of a stream",
        floods::window_stream,
    ),
    Attack::new(
        "window-closed",
        "WINDOW_UPDATE of a closed stream",
        floods::window_closed,
    ),
    Attack::new(
        "data-empty",
        "CVE-2019-9518: empty DATA",
        floods::data_empty,
    ),
    Attack::new(
        "data-padding",
        "CVE-2019-9518: DATA of padding",
        floods::data_padding,
    ),
    Attack::new(
        "data-end",
        "CVE-2019-9518: empty DATA with END_STREAM",
        floods::data_end,
    ),
    Attack::new(
        "data-tiny",
        "DATA of one byte for a closed stream",
        floods::data_tiny,
    ),
    Attack::new(
        "trailers",
        "CVE-2019-9518: trailers for a closed stream",
        floods::trailers,
    ),
    Attack::new(
        "headers-empty",
        "CVE-2019-9518: HEADERS without fields",
        floods::headers_empty,
    ),
    Attack::new("unknown", "frames of an unknown type", floods::unknown),
    Attack::new("goaway", "GOAWAY", floods::goaway),
    Attack::new(
        "ping-unread",
        "CVE-2019-9512, nothing read, socket full",
        floods::ping_unread,
    ),
    Attack::new(
        "settings-unread",
        "CVE-2019-9515, nothing read, socket full",
        floods::settings_unread,
    ),
    Attack::new(
        "hpack-bomb",
        "a large entry referenced 16,000 times in a block",
        hpack::bomb,
    ),
    Attack::new(
        "hpack-list",
        "field sections over the limit",
        hpack::list_over_the_limit,
    ),
    Attack::new(
        "hpack-tiny-strings",
        "blocks of one-letter Huffman strings",
        hpack::tiny_strings,
    ),
    Attack::new(
        "hpack-insert",
        "names of 4,000 bytes inserted again and again",
        hpack::insert_churn,
    ),
    Attack::new(
        "hpack-evict",
        "5,000 insertions in a block",
        hpack::evict_churn,
    ),
    Attack::new(
        "hpack-size-churn",
        "table-size updates, thousands in a block",
        hpack::size_churn,
    ),
    Attack::new(
        "hpack-setting-churn",
        "SETTINGS_HEADER_TABLE_SIZE up and down",
        hpack::setting_churn,
    ),
    Attack::new(
        "hpack-block",
        "a field block of 128 KiB",
        hpack::block_over_the_limit,
    ),
    Attack::new(
        "hpack-undecodable",
        "field blocks that cannot be decoded",
        hpack::undecodable,
    ),
    Attack::new(
        "window-churn",
        "SETTINGS_INITIAL_WINDOW_SIZE with 250 streams open",
        stalls::window_churn,
    ),
    Attack::new(
        "zero-window",
        "CVE-2019-9517: 1,000 streams without window",
        stalls::zero_window,
    ),
    Attack::new(
        "zero-connection-window",
        "CVE-2019-9517: 1,000 streams, connections without window",
        stalls::zero_connection_window,
    ),
    Attack::new(
        "tiny-window",
        "CVE-2019-9511: a window opened byte by byte",
        stalls::tiny_window,
    ),
    Attack::new(
        "slow-reading",
        "200 peers that read 100 bytes a second",
        stalls::slow_reading,
    ),
    Attack::new(
        "slow-reading-small",
        "200 peers with 100 requests each that read nothing",
        stalls::slow_reading_small,
    ),
    Attack::new(
        "starvation",
        "900 connections that want a slot at once",
        stalls::starvation,
    ),
    Attack::new(
        "slow-preface",
        "a preface byte every 200 ms",
        stalls::slow_preface,
    ),
    Attack::new(
        "slow-headers",
        "a byte of HEADERS every 200 ms",
        stalls::slow_headers,
    ),
    Attack::new(
        "idle-silent",
        "2,000 connections that say nothing",
        connections::idle_silent,
    ),
    Attack::new(
        "idle-greeted",
        "2,000 connections that say the preface",
        connections::idle_greeted,
    ),
    Attack::new(
        "idle-served",
        "2,000 connections that were served once",
        connections::idle_served,
    ),
    Attack::new(
        "connect-abort",
        "connections reset at once",
        connections::connect_abort,
    ),
    Attack::new(
        "connect-abort-tls",
        "the same where TLS is spoken",
        connections::connect_abort_tls,
    ),
    Attack::new(
        "request-abort",
        "64 MiB asked for, then reset",
        connections::request_abort,
    ),
    Attack::new(
        "half-closed",
        "the client ends its side after the request",
        connections::half_closed,
    ),
    Attack::new(
        "half-closed-stuck",
        "the same with a window too small for the answer",
        connections::half_closed_stuck,
    ),
    Attack::new(
        "half-closed-unread",
        "the same with nothing read",
        connections::half_closed_unread,
    ),
    Attack::new(
        "crowd",
        "64 MiB beside 64 downloads that stall",
        connections::crowd,
    ),
    Attack::new("tls-garbage", "bytes that are no TLS", tls::garbage),
    Attack::new(
        "tls-slow-hello",
        "a byte of ClientHello every 20 ms",
        tls::slow_hello,
    ),
    Attack::new("tls-half", "500 handshakes half done", tls::half_handshakes),
    Attack::new(
        "tls-half-abort",
        "500 handshakes half done and reset",
        tls::half_handshakes_aborted,
    ),
    Attack::new(
        "oversized",
        "frames over SETTINGS_MAX_FRAME_SIZE",
        malformed::oversized,
    ),
    Attack::new(
        "wrong-lengths",
        "frames whose length is not theirs",
        malformed::wrong_lengths,
    ),
    Attack::new(
        "wrong-streams",
        "frames on stream 0, even and idle streams",
        malformed::wrong_streams,
    ),
    Attack::new(
        "push-promise",
        "PUSH_PROMISE from a client",
        malformed::push_promise,
    ),
    Attack::new(
        "padding",
        "padding longer than the payload",
        malformed::padding,
    ),
    Attack::new(
        "interrupted",
        "a field block interrupted",
        malformed::interrupted,
    ),
    Attack::new(
        "window-overrun",
        "DATA beyond the windows",
        malformed::window_overrun,
    ),
    Attack::new(
        "window-updates",
        "WINDOW_UPDATE by 0 and over 2^31-1",
        malformed::window_updates,
    ),
    Attack::new(
        "no-preface",
        "bytes that are no HTTP/2",
        malformed::no_preface,
    ),
    Attack::new(
        "deadlines",
        "slow peers of every kind until their deadlines",
        stalls::deadlines,
    ),
];
