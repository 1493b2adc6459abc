//! Peers that take their time: what they hold must be small, and nobody else may wait for them.

use std::io;
use std::time::{Duration, Instant};

use super::{ENHANCE_YOUR_CALM, MOST, Outcome, ending, expect_goaway};
use crate::peer::Peer;
use crate::target::{LARGE, MEDIUM, SMALL, Target};
use crate::wire::{
    CONTINUATION, HEADERS, INITIAL_WINDOW_SIZE, MAX_WINDOW, PREFACE, block, frame, get, settings,
    window_update,
};

/// SETTINGS_INITIAL_WINDOW_SIZE up and down with 250 streams open, each of which it touches (CVE-2019-9515).
pub(super) fn window_churn(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, 0)])?;
    for id in super::streams(1, 250) {
        peer.send(&get(id, LARGE));
    }
    for at in 0..MOST as u32 {
        if !peer.send(&settings(&[(INITIAL_WINDOW_SIZE, at % 2)])) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// CVE-2019-9517: 1,000 streams that ask for 64 MiB and give no window, on four connections.
pub(super) fn zero_window(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, 0)])?;
        for id in super::streams(1, 250) {
            peer.send(&get(id, LARGE));
        }
        peers.push(peer);
    }
    hold(&mut peers, Duration::from_secs(3));
    let heads: u64 = peers.iter().map(|peer| peer.heard.heads).sum();
    let wrong = (heads != 1_000).then(|| "not every request was answered".to_owned());
    Outcome::judged(1_000, format!("{heads} answers wait"), wrong)
}

/// CVE-2019-9517 with the windows of the streams wide open and the connection's shut.
pub(super) fn zero_connection_window(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, MAX_WINDOW)])?;
        for id in super::streams(1, 250) {
            peer.send(&get(id, LARGE));
        }
        peers.push(peer);
    }
    hold(&mut peers, Duration::from_secs(3));
    let data: u64 = peers.iter().map(|peer| peer.heard.data).sum();
    Outcome::quiet(1_000, format!("{data} bytes came"))
}

/// CVE-2019-9511, "data dribble": a window opened byte by byte, so that every byte costs the server a frame and a
/// send. A window of one byte is legal, and every update is answered by a frame, so nobody is told off; frames that
/// small pay for no other budget, and the others must not notice.
pub(super) fn tiny_window(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::with_settings(target.http, &[(INITIAL_WINDOW_SIZE, 0)])?;
    peer.send(&get(1, LARGE));
    peer.flush();
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until && peer.is_welcome() {
        peer.send(&window_update(1, 1));
        peer.flush();
        let asked = peer.frames;
        // The next credit when the byte is there, so that bytes never go out together.
        peer.pump_until(Duration::from_millis(50), |peer| {
            peer.heard.data + 3 >= asked || !peer.is_welcome()
        });
    }
    let (frames, data) = (peer.frames, peer.heard.data);
    Outcome::quiet(frames, format!("{data} bytes came"))
}

/// Two hundred peers that ask for 64 MiB and read 100 bytes a second: their sockets are full, and none may keep a slot
/// of the arena while it waits.
pub(super) fn slow_reading(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..200 {
        let mut peer = Peer::narrow(target.http)?;
        peer.reads = false;
        peer.greet(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]);
        peer.send(&window_update(0, MAX_WINDOW - 65_535));
        peer.send(&get(1, LARGE));
        peer.flush();
        peers.push(peer);
    }
    let mut sipped = 0;
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(500));
        sipped += peers.iter_mut().map(|peer| peer.sip(50)).sum::<usize>();
    }
    Outcome::quiet(200, format!("{sipped} bytes read"))
}

/// As [`slow_reading`] over requests for small files, a hundred on each connection.
pub(super) fn slow_reading_small(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..200 {
        let mut peer = Peer::narrow(target.http)?;
        peer.reads = false;
        peer.greet(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]);
        peer.send(&window_update(0, MAX_WINDOW - 65_535));
        for id in super::streams(1, 100) {
            peer.send(&get(id, if id % 4 == 1 { SMALL } else { MEDIUM }));
        }
        peer.flush();
        peers.push(peer);
    }
    std::thread::sleep(Duration::from_secs(3));
    Outcome::quiet(20_000, "nothing read")
}

/// More connections than the arena has slots want one at the same moment, again and again, and a third of them leave
/// while they wait: whoever stays must be served, as a slot that comes back must find the next that waits.
pub(super) fn starvation(target: &Target) -> io::Result<Outcome> {
    const PEERS: usize = 900;
    const ROUNDS: u32 = 4;
    let mut frames = 0;
    let mut unserved = 0;
    for _ in 0..ROUNDS {
        let mut peers = Vec::new();
        for _ in 0..PEERS {
            let mut peer = Peer::silent(target.http)?;
            peer.greet(&[]);
            peer.send(&get(1, SMALL));
            peer.flush();
            // What comes while it waits for a slot makes it ask again.
            peer.send(&get(3, SMALL));
            peer.flush();
            peers.push(peer);
        }
        for at in (0..PEERS / 3).rev() {
            peers.swap_remove(at * 2).abort();
        }
        frames += 2 * PEERS as u64;
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            hold(&mut peers, Duration::from_millis(20));
            let waiting = peers.iter().filter(|peer| peer.heard.heads < 2).count();
            if waiting == 0 || Instant::now() > until {
                unserved += waiting;
                break;
            }
        }
    }
    let wrong = (unserved > 0).then(|| format!("{unserved} peers were not served in 2 s"));
    Outcome::judged(frames, format!("{unserved} not served"), wrong)
}

/// The preface, a byte every 200 ms, on fifty connections.
pub(super) fn slow_preface(target: &Target) -> io::Result<Outcome> {
    let mut peers = silent(target, 50)?;
    for at in 0..15 {
        for peer in &mut peers {
            peer.raw(&PREFACE[at..=at]);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Outcome::quiet(50, "15 bytes each")
}

/// "Slowloris": field blocks, a byte every 200 ms, on fifty connections.
pub(super) fn slow_headers(target: &Target) -> io::Result<Outcome> {
    let request = get(1, SMALL);
    let mut peers = silent(target, 50)?;
    for peer in &mut peers {
        peer.greet(&[]);
    }
    for byte in request.iter().take(15) {
        for peer in &mut peers {
            peer.raw(&[*byte]);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Outcome::quiet(50, "15 bytes each")
}

/// Slow peers of every kind at once, for as long as the server gives them: 10 s for preface and handshake, 20 s for a
/// frame or a field block, and two more in which the deadline is looked for. All of them must be ended.
pub(super) fn deadlines(target: &Target) -> io::Result<Outcome> {
    let began = Instant::now();
    let mut silent = Peer::silent(target.http)?;
    let mut preface = Peer::silent(target.http)?;
    let mut hello = Peer::silent(target.https.unwrap_or(target.http))?;
    let mut headers = Peer::connect(target.http)?;
    let mut block_in_pieces = Peer::connect(target.http)?;
    let request = frame(
        HEADERS,
        0,
        1,
        &block("GET", SMALL, &[("x", "y".repeat(400).as_str())]),
    );
    block_in_pieces.raw(&frame(HEADERS, 0, 1, &block("GET", SMALL, &[])));
    // `x` as a name and a value, in CONTINUATION frames that are cut in the middle.
    let piece = frame(CONTINUATION, 0, 1, &[0x90]);
    let client_hello = super::tls::client_hello();
    while began.elapsed() < Duration::from_secs(23) {
        let tick = began.elapsed().as_millis() as usize / 200;
        preface.raw(&PREFACE[tick.min(22)..][..usize::from(tick < 22)]);
        hello.raw(client_hello.get(tick..=tick).unwrap_or_default());
        headers.raw(&request[tick..=tick]);
        if tick.is_multiple_of(5) {
            block_in_pieces.raw(&piece[..5]);
        } else if tick % 5 == 2 {
            block_in_pieces.raw(&piece[5..]);
        }
        silent.flush();
        let next = Duration::from_millis(200 * (tick as u64 + 1));
        std::thread::sleep(next.saturating_sub(began.elapsed()));
    }
    let mut wrong = Vec::new();
    for (name, peer) in [
        ("nothing said", silent),
        ("preface", preface),
        ("ClientHello", hello),
        ("HEADERS", headers),
        ("CONTINUATION in pieces", block_in_pieces),
    ] {
        if peer.heard.end.is_none() {
            wrong.push(format!("{name}: {}", ending(&peer)));
        }
    }
    let wrong = (!wrong.is_empty()).then(|| format!("not ended in 23 s: {}", wrong.join(", ")));
    Outcome::judged(5, "5 kinds", wrong)
}

fn silent(target: &Target, count: usize) -> io::Result<Vec<Peer>> {
    (0..count).map(|_| Peer::silent(target.http)).collect()
}

/// Reads and answers for all of them.
pub(super) fn hold(peers: &mut [Peer], time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        for peer in &mut *peers {
            peer.flush();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
