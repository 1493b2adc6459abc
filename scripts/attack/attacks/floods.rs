//! Frames that cost the server work and bring nothing (RFC 9113, section 10.5).
//!
//! Each kind is paid from a budget; all must end with GOAWAY(ENHANCE_YOUR_CALM) unless said otherwise.

use std::io;
use std::time::{Duration, Instant};

use super::{
    ENHANCE_YOUR_CALM, MOST, Outcome, PROTOCOL_ERROR, STREAM_CLOSED, ending, expect_goaway,
    expect_goaway_of,
};
use crate::peer::Peer;
use crate::target::{LARGE, SMALL, Target};
use crate::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PADDED,
    PING, PRIORITY_UPDATE, SETTINGS, UNKNOWN, block, frame, get, post, priority, reset, settings,
    window_update,
};

/// Sends one frame again and again.
fn flood(mut peer: Peer, frame: &[u8]) -> Peer {
    for _ in 0..MOST {
        if !peer.send(frame) {
            break;
        }
    }
    peer
}

/// A connection on which stream 1 was served and is closed.
fn after_a_request(target: &Target) -> io::Result<Peer> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&get(1, SMALL));
    peer.pump_until(Duration::from_secs(2), |peer| peer.heard.done == 1);
    Ok(peer)
}

/// A connection on which stream 1 was answered and reset by the server, which does not know that we know: frames on it
/// are absorbed.
fn after_a_server_reset(target: &Target) -> io::Result<Peer> {
    let mut peer = Peer::connect(target.http)?;
    peer.pongs = false;
    peer.send(&post(1, SMALL));
    peer.pump_until(Duration::from_secs(2), |peer| peer.heard.resets == 1);
    Ok(peer)
}

/// A connection with a request whose answer waits for its window.
fn with_an_open_stream(target: &Target) -> io::Result<Peer> {
    let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, 0)])?;
    peer.send(&get(1, LARGE));
    Ok(peer)
}

/// CVE-2024-27316 and its kin: a field block that never ends, in full frames of valid fields.
pub(super) fn continuation_large(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&frame(HEADERS, 0, 1, &block("GET", SMALL, &[])));
    let mut fields = Vec::new();
    while fields.len() < 16_000 {
        // `accept-encoding: gzip, deflate`, from the static table.
        fields.push(0x90);
    }
    let peer = flood(peer, &frame(CONTINUATION, 0, 1, &fields));
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2024-27316: a field block that never ends, one byte at a time.
pub(super) fn continuation_small(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&frame(HEADERS, 0, 1, &block("GET", SMALL, &[])));
    let peer = flood(peer, &frame(CONTINUATION, 0, 1, &[0x90]));
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2024-27316 with frames that carry nothing, which no limit in bytes ever stops.
pub(super) fn continuation_empty(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&frame(HEADERS, 0, 1, &[]));
    let peer = flood(peer, &frame(CONTINUATION, 0, 1, &[]));
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2019-9512.
pub(super) fn ping(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(
        flood(peer, &frame(PING, 0, 0, b"pingping")),
        ENHANCE_YOUR_CALM,
    )
}

/// Acknowledgements of PINGs that were never sent.
pub(super) fn ping_ack(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(
        flood(peer, &frame(PING, ACK, 0, b"rl:reset")),
        ENHANCE_YOUR_CALM,
    )
}

/// CVE-2019-9515.
pub(super) fn settings_empty(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(flood(peer, &settings(&[])), ENHANCE_YOUR_CALM)
}

/// Acknowledgements of SETTINGS that were never sent.
pub(super) fn settings_ack(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(
        flood(peer, &frame(SETTINGS, ACK, 0, &[])),
        ENHANCE_YOUR_CALM,
    )
}

/// CVE-2019-9515 in one frame: as many settings as fit, each of which changes every stream's window.
pub(super) fn settings_full(target: &Target) -> io::Result<Outcome> {
    let mut peer = with_an_open_stream(target)?;
    let values: Vec<_> = (0..2_700).map(|i| (INITIAL_WINDOW_SIZE, i % 2)).collect();
    peer.send(&settings(&values));
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2019-9513: priorities of RFC 7540, of streams that are idle.
pub(super) fn priority_idle(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    for at in 0..MOST as u32 {
        if !peer.send(&priority(2 * at + 1, 2 * at + 3)) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2019-9513 in terms of RFC 9218: one open stream moves between the urgencies.
pub(super) fn priority_update(target: &Target) -> io::Result<Outcome> {
    let mut peer = with_an_open_stream(target)?;
    for at in 0..MOST {
        let payload = [
            &1u32.to_be_bytes()[..],
            format!("u={}, i", at % 8).as_bytes(),
        ]
        .concat();
        if !peer.send(&frame(PRIORITY_UPDATE, 0, 0, &payload)) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// RFC 9218, section 7.1: priorities of streams that may come one day, each to be remembered; more of them than may be
/// open at once are a PROTOCOL_ERROR.
pub(super) fn priority_update_idle(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    for at in 0..MOST as u32 {
        let payload = [&(2 * at + 1).to_be_bytes()[..], b"u=0"].concat();
        if !peer.send(&frame(PRIORITY_UPDATE, 0, 0, &payload)) {
            break;
        }
    }
    expect_goaway(peer, PROTOCOL_ERROR)
}

/// CVE-2019-9514 on a stream that is closed: ignored (RFC 9113, section 5.1), but not without end.
pub(super) fn reset_closed(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_request(target)?;
    expect_goaway(flood(peer, &reset(1)), ENHANCE_YOUR_CALM)
}

/// RST_STREAM on an idle stream is a connection error PROTOCOL_ERROR (RFC 9113, section 6.4).
pub(super) fn reset_idle(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(flood(peer, &reset(7)), PROTOCOL_ERROR)
}

/// WINDOW_UPDATE of the connection, which has nothing to send.
pub(super) fn window_connection(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(flood(peer, &window_update(0, 1)), ENHANCE_YOUR_CALM)
}

/// WINDOW_UPDATE of a stream that waits for the connection's window.
pub(super) fn window_stream(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&get(1, LARGE));
    // The connection's window is used up now.
    peer.pump_until(Duration::from_secs(2), |peer| peer.heard.data >= 65_535);
    expect_goaway(flood(peer, &window_update(1, 1)), ENHANCE_YOUR_CALM)
}

/// WINDOW_UPDATE of a closed stream: ignored (RFC 9113, section 6.9), but not without end.
pub(super) fn window_closed(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_request(target)?;
    expect_goaway(flood(peer, &window_update(1, 1)), ENHANCE_YOUR_CALM)
}

/// CVE-2019-9518: DATA without data.
pub(super) fn data_empty(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_server_reset(target)?;
    expect_goaway(flood(peer, &frame(DATA, 0, 1, &[])), ENHANCE_YOUR_CALM)
}

/// CVE-2019-9518 with padding: DATA that has a length and no data.
pub(super) fn data_padding(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_server_reset(target)?;
    expect_goaway(
        flood(peer, &frame(DATA, PADDED, 1, &[3, 0, 0, 0])),
        ENHANCE_YOUR_CALM,
    )
}

/// CVE-2019-9518 with END_STREAM each time, on a stream that the server has closed: the flag must not make it free.
pub(super) fn data_end(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_server_reset(target)?;
    expect_goaway(
        flood(peer, &frame(DATA, END_STREAM, 1, &[])),
        ENHANCE_YOUR_CALM,
    )
}

/// DATA of one byte each, on a stream that the server has closed: work for nobody. What is not told off must cost next
/// to nothing.
pub(super) fn data_tiny(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_server_reset(target)?;
    let mut peer = flood(peer, &frame(DATA, 0, 1, b"x"));
    peer.pump(Duration::from_millis(300));
    Outcome::quiet(peer.frames, ending(&peer))
}

/// CVE-2019-9518: trailers for a stream that the server has closed, each decoded for nobody. They are absorbed until
/// the reset is known to have arrived, which the answer to a PING tells; from then on the stream is closed.
pub(super) fn trailers(target: &Target) -> io::Result<Outcome> {
    let peer = after_a_server_reset(target)?;
    let trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x90]);
    expect_goaway_of(flood(peer, &trailers), &[ENHANCE_YOUR_CALM, STREAM_CLOSED])
}

/// CVE-2019-9518: HEADERS without fields, each a new stream and malformed (RFC 9113, section 8.3.1).
pub(super) fn headers_empty(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    for id in super::streams(1, MOST) {
        if !peer.send(&frame(HEADERS, END_STREAM | END_HEADERS, id, &[])) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// Frames of a type that nobody knows, which are ignored (RFC 9113, section 5.5), but not without end.
pub(super) fn unknown(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(
        flood(peer, &frame(UNKNOWN, 0xff, 5, b"anything")),
        ENHANCE_YOUR_CALM,
    )
}

/// GOAWAY again and again.
pub(super) fn goaway(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    expect_goaway(
        flood(peer, &frame(GOAWAY, 0, 0, &[0; 8])),
        ENHANCE_YOUR_CALM,
    )
}

/// Fills the socket with a body that is never read, then floods. The server cannot say its last word and must end the
/// connection all the same.
fn unread(target: &Target, frame: &[u8]) -> io::Result<Outcome> {
    let mut peer = Peer::narrow(target.http)?;
    peer.reads = false;
    peer.greet(&[(INITIAL_WINDOW_SIZE, crate::wire::MAX_WINDOW)]);
    peer.send(&window_update(0, crate::wire::MAX_WINDOW - 65_535));
    peer.send(&get(1, LARGE));
    peer.pump(Duration::from_millis(300));
    for _ in 0..20_000 {
        if !peer.send(frame) {
            break;
        }
    }
    peer.flush();
    let until = Instant::now() + Duration::from_secs(5);
    while target.holds(peer.port()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let held = target.holds(peer.port());
    let wrong = held.then(|| "still open 5 s after the flood, since nothing is read".to_owned());
    let ended = if held { "open" } else { "gone" };
    Outcome::judged(peer.frames, ended, wrong)
}

/// CVE-2019-9512 with the answers left unread and the socket full.
pub(super) fn ping_unread(target: &Target) -> io::Result<Outcome> {
    unread(target, &frame(PING, 0, 0, b"pingping"))
}

/// CVE-2019-9515 with the answers left unread and the socket full.
pub(super) fn settings_unread(target: &Target) -> io::Result<Outcome> {
    unread(target, &settings(&[]))
}
