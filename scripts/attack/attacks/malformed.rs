//! Frames that must not be: each ends its connection with the code that RFC 9113 names.

use std::io;
use std::time::Duration;

use super::{
    FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Outcome, PROTOCOL_ERROR, ending, expect_goaway, name_of,
};
use crate::peer::Peer;
use crate::target::{SMALL, Target};
use crate::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
    PRIORITY_UPDATE, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, get, lying,
    post, priority,
};

/// Commits each case on a connection of its own; `commit` says which code it must bring.
pub(super) fn each<T: Copy>(
    target: &Target,
    cases: &[(&str, T)],
    commit: impl Fn(&mut Peer, T) -> u32,
) -> io::Result<Outcome> {
    let mut frames = 0;
    let mut wrong = Vec::new();
    for (name, case) in cases {
        let mut peer = Peer::connect(target.http)?;
        let code = commit(&mut peer, *case);
        peer.pump_until(Duration::from_secs(1), |peer| !peer.is_welcome());
        frames += peer.frames;
        if peer.heard.goaway.as_ref().map(|(code, _)| *code) != Some(code) {
            wrong.push(format!("{name}: {}, not {}", ending(&peer), name_of(code)));
        }
    }
    let wrong = (!wrong.is_empty()).then(|| wrong.join("; "));
    Outcome::judged(frames, format!("{} cases", cases.len()), wrong)
}

/// Frames over SETTINGS_MAX_FRAME_SIZE: FRAME_SIZE_ERROR (RFC 9113, section 4.2), as soon as the header is there.
pub(super) fn oversized(target: &Target) -> io::Result<Outcome> {
    let cases = [
        ("DATA", (DATA, 1)),
        ("HEADERS", (HEADERS, 1)),
        ("SETTINGS", (SETTINGS, 0)),
        ("PING", (PING, 0)),
        ("an unknown type", (crate::wire::UNKNOWN, 0)),
    ];
    each(target, &cases, |peer, (kind, stream)| {
        peer.raw(&lying((1 << 24) - 1, kind, 0, stream, &[]));
        FRAME_SIZE_ERROR
    })
}

/// Frames whose length is not theirs: FRAME_SIZE_ERROR (RFC 9113, sections 6.4 to 6.9).
pub(super) fn wrong_lengths(target: &Target) -> io::Result<Outcome> {
    let cases = [
        ("PING of 7", (PING, 0, 7)),
        ("SETTINGS of 5", (SETTINGS, 0, 5)),
        ("RST_STREAM of 5", (RST_STREAM, 1, 5)),
        ("WINDOW_UPDATE of 3", (WINDOW_UPDATE, 0, 3)),
        ("GOAWAY of 7", (GOAWAY, 0, 7)),
    ];
    each(target, &cases, |peer, (kind, stream, length)| {
        peer.send(&get(1, SMALL));
        peer.send(&frame(kind, 0, stream, &[0; 8][..length]));
        FRAME_SIZE_ERROR
    })
}

/// Frames on stream 0 that belong to a stream, and the other way round: PROTOCOL_ERROR (RFC 9113, section 6).
pub(super) fn wrong_streams(target: &Target) -> io::Result<Outcome> {
    let cases = [
        ("DATA on 0", (DATA, 0, 1)),
        ("HEADERS on 0", (HEADERS, 0, 1)),
        ("PRIORITY on 0", (PRIORITY, 0, 5)),
        ("RST_STREAM on 0", (RST_STREAM, 0, 4)),
        ("CONTINUATION on 0", (CONTINUATION, 0, 1)),
        ("SETTINGS on 1", (SETTINGS, 1, 6)),
        ("PING on 1", (PING, 1, 8)),
        ("GOAWAY on 1", (GOAWAY, 1, 8)),
        ("PRIORITY_UPDATE on 1", (PRIORITY_UPDATE, 1, 8)),
        ("DATA on idle 1", (DATA, 1, 1)),
        ("WINDOW_UPDATE on idle 1", (WINDOW_UPDATE, 1, 4)),
        ("CONTINUATION of nothing", (CONTINUATION, 1, 1)),
        ("HEADERS on 2", (HEADERS, 2, 1)),
        ("DATA on 2", (DATA, 2, 1)),
        ("RST_STREAM on 2", (RST_STREAM, 2, 4)),
    ];
    each(target, &cases, |peer, (kind, stream, length)| {
        peer.send(&frame(kind, END_HEADERS, stream, &[1; 8][..length]));
        PROTOCOL_ERROR
    })
}

/// PUSH_PROMISE from a client: PROTOCOL_ERROR (RFC 9113, section 8.4).
pub(super) fn push_promise(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&get(1, SMALL));
    let mut payload = 2u32.to_be_bytes().to_vec();
    payload.extend(block("GET", SMALL, &[]));
    peer.send(&frame(PUSH_PROMISE, END_HEADERS, 1, &payload));
    expect_goaway(peer, PROTOCOL_ERROR)
}

/// Padding that is longer than what it pads: PROTOCOL_ERROR (RFC 9113, sections 6.1 and 6.2).
pub(super) fn padding(target: &Target) -> io::Result<Outcome> {
    let cases = [
        ("DATA", (DATA, 8, 8)),
        ("DATA by far", (DATA, 8, 255)),
        ("HEADERS", (HEADERS, 8, 8)),
        ("HEADERS by far", (HEADERS, 8, 255)),
    ];
    each(target, &cases, |peer, (kind, length, pad)| {
        let mut payload = vec![0; length];
        payload[0] = pad;
        let id = if kind == DATA {
            peer.send(&post(1, SMALL));
            1
        } else {
            3
        };
        peer.send(&frame(
            kind,
            PADDED | END_HEADERS | END_STREAM,
            id,
            &payload,
        ));
        PROTOCOL_ERROR
    })
}

/// Makes a frame.
type Build = fn() -> Vec<u8>;

/// A field block that another frame interrupts: PROTOCOL_ERROR (RFC 9113, section 6.10).
pub(super) fn interrupted(target: &Target) -> io::Result<Outcome> {
    let cases: [(&str, Build); 4] = [
        ("by PING", || frame(PING, 0, 0, &[0; 8])),
        ("by PRIORITY", || priority(1, 0)),
        ("by HEADERS", || get(3, SMALL)),
        ("by CONTINUATION of another", || {
            frame(CONTINUATION, END_HEADERS, 3, &[])
        }),
    ];
    each(target, &cases, |peer, interruption| {
        peer.send(&frame(HEADERS, END_STREAM, 1, &block("GET", SMALL, &[])));
        peer.send(&interruption());
        PROTOCOL_ERROR
    })
}

/// DATA beyond every window that the server gave: FLOW_CONTROL_ERROR (RFC 9113, section 6.9.1). The server gives its
/// credit back as it reads, so the windows are only overrun by what outruns its answers: SETTINGS are not even read.
pub(super) fn window_overrun(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&post(1, SMALL));
    peer.flush();
    // One stream's window is 65,535 bytes, the connection's 262,144; a burst of one write is one turn of the server.
    let data = frame(DATA, 0, 1, &[0; 16_384]);
    let burst = data.repeat(64);
    peer.frames += 64;
    peer.raw(&burst);
    peer.pump(Duration::from_secs(1));
    let code = peer.heard.goaway.as_ref().map(|(code, _)| *code);
    let wrong = match code {
        Some(FLOW_CONTROL_ERROR) => None,
        // Given back in time: the request was answered, and its content thrown away.
        None if peer.heard.resets > 0 && peer.heard.end.is_none() => None,
        _ => Some("neither absorbed nor FLOW_CONTROL_ERROR".to_owned()),
    };
    Outcome::judged(peer.frames, ending(&peer), wrong)
}

/// WINDOW_UPDATE of the connection by 0, and over 2^31-1 (RFC 9113, sections 6.9 and 6.9.1).
pub(super) fn window_updates(target: &Target) -> io::Result<Outcome> {
    let cases = [
        ("by 0", (0, PROTOCOL_ERROR)),
        (
            "over the top",
            (crate::wire::MAX_WINDOW, FLOW_CONTROL_ERROR),
        ),
    ];
    each(target, &cases, |peer, (increment, code)| {
        peer.send(&crate::wire::window_update(0, increment));
        code
    })
}

/// Bytes that are neither a preface nor a request of HTTP/1.1. The connection ends, with GOAWAY (RFC 9113, section 3.4)
/// or with 400.
pub(super) fn no_preface(target: &Target) -> io::Result<Outcome> {
    let noise = crate::target::contents(65_536);
    let cases: [(&str, &[u8]); 3] = [
        ("text", b"INVALID CONNECTION PREFACE\r\n\r\n"),
        ("zeros", &[0; 1_024]),
        ("noise", &noise),
    ];
    let mut wrong = Vec::new();
    for (name, bytes) in cases {
        let mut peer = Peer::silent(target.http)?;
        peer.raw(bytes);
        peer.pump(super::LAST_WORD);
        if peer.heard.end.is_none() {
            wrong.push(format!("{name}: kept"));
        }
    }
    let wrong = (!wrong.is_empty()).then(|| wrong.join("; "));
    Outcome::judged(cases.len() as u64, "3 cases", wrong)
}
