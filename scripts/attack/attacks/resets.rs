//! Streams that are begun only to end: rapid reset (CVE-2023-44487), and its forms in which the server is made to
//! reset them (MadeYouReset, CVE-2025-8671).
//!
//! The attacker keeps its windows closed, so that every request that is still there costs memory and none pays for
//! others. All must end with GOAWAY(ENHANCE_YOUR_CALM).

use std::io;
use std::time::{Duration, Instant};

use super::{ENHANCE_YOUR_CALM, MOST, Outcome, expect_goaway, expect_open, streams};
use crate::peer::Peer;
use crate::target::{LARGE, SMALL, Target};
use crate::wire::{
    DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, MAX_WINDOW, PRIORITY,
    WITH_PRIORITY, block, frame, get, post, priority, reset, window_update,
};

/// Requests, each followed by what makes the server reset it.
fn made(target: &Target, window: u32, attempt: impl Fn(u32) -> Vec<u8>) -> io::Result<Outcome> {
    let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, window)])?;
    for stream in streams(1, MOST) {
        if !peer.send(&attempt(stream)) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// CVE-2023-44487: HEADERS and RST_STREAM, as fast as they can be written.
pub(super) fn rapid_reset(target: &Target) -> io::Result<Outcome> {
    made(target, 65_535, |id| join(&[get(id, LARGE), reset(id)]))
}

/// CVE-2023-44487 with a download beside it, whose DATA frames are made as many as possible by one-byte credits: work
/// of that kind must not pay for resets.
pub(super) fn rapid_reset_paid(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, 0)])?;
    peer.send(&get(1, LARGE));
    peer.flush();
    let until = Instant::now() + Duration::from_secs(3);
    for id in streams(3, MOST) {
        peer.send(&join(&[get(id, LARGE), reset(id), window_update(1, 1)]));
        // One write each, so that the server has a turn for each of them.
        peer.flush();
        std::thread::sleep(Duration::from_micros(100));
        if !peer.is_welcome() || Instant::now() > until {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2023-44487 on one connection after the other for three seconds: each is told off on its own, and nobody else
/// has to wait.
pub(super) fn rapid_reset_reconnect(target: &Target) -> io::Result<Outcome> {
    let until = Instant::now() + Duration::from_secs(3);
    let (mut frames, mut connections, mut calm) = (0, 0, 0);
    while Instant::now() < until {
        let mut peer = Peer::connect(target.http)?;
        for id in streams(1, 2_000) {
            if !peer.send(&join(&[get(id, LARGE), reset(id)])) {
                break;
            }
        }
        peer.pump_until(super::LAST_WORD, |peer| !peer.is_welcome());
        connections += 1;
        frames += peer.frames;
        calm += u64::from(matches!(peer.heard.goaway, Some((ENHANCE_YOUR_CALM, _))));
    }
    let wrong = (calm < connections).then(|| "not every connection was told off".to_owned());
    Outcome::judged(
        frames,
        format!("{calm} of {connections} connections told off"),
        wrong,
    )
}

/// CVE-2023-44487 for ever new paths, half of which the connection before asked for too, on 20 connections at a time that are
/// closed right after, for three seconds: files that are looked for are not to be waited for by others, nor kept for who is
/// gone.
pub(super) fn rapid_reset_paths(target: &Target) -> io::Result<Outcome> {
    let until = Instant::now() + Duration::from_secs(3);
    let (mut frames, mut first) = (0, 0_u64);
    while Instant::now() < until {
        let peers = (0..20).map(|_| Peer::connect(target.http));
        for mut peer in peers.collect::<Result<Vec<_>, _>>()? {
            first += 500;
            for (id, path) in streams(1, 1_000).zip(first..) {
                if !peer.send(&join(&[get(id, &format!("/none-{path}")), reset(id)])) {
                    break;
                }
            }
            peer.flush();
            frames += peer.frames;
        }
    }
    Outcome::quiet(frames, "all closed")
}

/// CVE-2025-8671 by WINDOW_UPDATE of 0 on a stream (RFC 9113, section 6.9).
pub(super) fn made_by_zero_update(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        join(&[get(id, LARGE), window_update(id, 0)])
    })
}

/// CVE-2025-8671 by a stream's window over 2^31-1 (RFC 9113, section 6.9.1).
pub(super) fn made_by_window_overflow(target: &Target) -> io::Result<Outcome> {
    made(target, 1, |id| {
        join(&[get(id, LARGE), window_update(id, MAX_WINDOW)])
    })
}

/// CVE-2025-8671 by HEADERS on a stream that the client has ended (RFC 9113, section 5.1).
pub(super) fn made_by_late_headers(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| join(&[get(id, LARGE), get(id, LARGE)]))
}

/// CVE-2025-8671 by DATA on a stream that the client has ended (RFC 9113, section 5.1).
pub(super) fn made_by_late_data(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        join(&[get(id, LARGE), frame(DATA, 0, id, b"x")])
    })
}

/// CVE-2025-8671 by PRIORITY of a stream on itself (RFC 7540, section 5.3.1).
pub(super) fn made_by_self_dependency(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| join(&[get(id, LARGE), priority(id, id)]))
}

/// CVE-2025-8671 by HEADERS that depend on themselves (RFC 7540, section 5.3.1).
pub(super) fn made_by_dependent_headers(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        let mut payload = id.to_be_bytes().to_vec();
        payload.push(15);
        payload.extend(block("GET", LARGE, &[]));
        frame(
            HEADERS,
            END_STREAM | END_HEADERS | WITH_PRIORITY,
            id,
            &payload,
        )
    })
}

/// CVE-2025-8671 by PRIORITY that is not 5 bytes long (RFC 9113, section 6.3).
pub(super) fn made_by_short_priority(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        join(&[get(id, LARGE), frame(PRIORITY, 0, id, b"four")])
    })
}

/// CVE-2025-8671 by a request that ends before its content-length (RFC 9113, section 8.1.1).
pub(super) fn made_by_content_length(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        let block = block("GET", LARGE, &[("content-length", "5")]);
        frame(HEADERS, END_STREAM | END_HEADERS, id, &block)
    })
}

/// CVE-2025-8671 by content that is longer than its content-length (RFC 9113, section 8.1.1).
pub(super) fn made_by_content_overrun(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        let block = block("GET", LARGE, &[("content-length", "5")]);
        join(&[
            frame(HEADERS, END_HEADERS, id, &block),
            frame(DATA, END_STREAM, id, b"sixsix"),
        ])
    })
}

/// CVE-2025-8671 by requests without `:path` (RFC 9113, section 8.3.1).
pub(super) fn made_by_missing_path(target: &Target) -> io::Result<Outcome> {
    // Method GET and scheme http, from the static table.
    made(target, 0, |id| {
        frame(HEADERS, END_STREAM | END_HEADERS, id, &[0x82, 0x86])
    })
}

/// CVE-2025-8671 by connection-specific fields (RFC 9113, section 8.2.2).
pub(super) fn made_by_connection_field(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        let block = block("GET", LARGE, &[("connection", "close")]);
        frame(HEADERS, END_STREAM | END_HEADERS, id, &block)
    })
}

/// CVE-2025-8671 by names in upper case (RFC 9113, section 8.2.1).
pub(super) fn made_by_upper_case(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        let block = block("GET", LARGE, &[("Range", "bytes=0-")]);
        frame(HEADERS, END_STREAM | END_HEADERS, id, &block)
    })
}

/// CVE-2025-8671 by trailers that do not end their stream (RFC 9113, section 8.1).
pub(super) fn made_by_open_trailers(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| {
        join(&[
            frame(HEADERS, END_HEADERS, id, &block("GET", LARGE, &[])),
            frame(HEADERS, END_HEADERS, id, &[]),
        ])
    })
}

/// CVE-2025-8671 by more streams than SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, section 5.1.2): refusing costs as
/// much as resetting.
pub(super) fn made_by_refusal(target: &Target) -> io::Result<Outcome> {
    made(target, 0, |id| get(id, LARGE))
}

/// CVE-2025-8671 by any of the above while the PING behind the server's RST_STREAM is never acknowledged, so that the
/// server keeps counting what it has reset.
pub(super) fn made_without_pong(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, 0)])?;
    peer.pongs = false;
    for id in streams(1, MOST) {
        if !peer.send(&join(&[get(id, LARGE), window_update(id, 0)])) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// Requests whose content is never sent, each answered and then reset with NO_ERROR (RFC 9113, section 8.1): whole
/// answers, so that the client need not be told off; memory and the good client are what counts.
pub(super) fn unfinished_requests(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::open_wide(target.http)?;
    let until = Instant::now() + Duration::from_secs(2);
    let mut sent = 0;
    for id in streams(1, 20_000) {
        sent += 1;
        let more = peer.send(&post(id, SMALL));
        // No more at once than there may be, so that none is refused.
        if sent % 50 == 0 {
            peer.pump_until(Duration::from_secs(2), |peer| peer.heard.resets >= sent);
        }
        if !more || Instant::now() > until {
            break;
        }
    }
    expect_open(peer)
}
