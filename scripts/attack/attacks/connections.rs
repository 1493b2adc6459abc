//! Connections, many and short, or many and idle.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Outcome, ending};
use crate::good::download;
use crate::peer::Peer;
use crate::target::{FILES, LARGE, MEDIUM, Target, contents};
use crate::wire::{INITIAL_WINDOW_SIZE, MAX_WINDOW, get, window_update};

const MANY: usize = 2_000;

/// 2,000 connections on which nothing is said.
pub(super) fn idle_silent(target: &Target) -> io::Result<Outcome> {
    let peers: Vec<_> = (0..MANY)
        .map(|_| Peer::silent(target.http))
        .collect::<Result<_, _>>()?;
    std::thread::sleep(Duration::from_secs(2));
    Outcome::quiet(peers.len() as u64, "all connected")
}

/// 2,000 connections on which the preface is said, and no more.
pub(super) fn idle_greeted(target: &Target) -> io::Result<Outcome> {
    let mut peers: Vec<_> = (0..MANY)
        .map(|_| Peer::connect(target.http))
        .collect::<Result<_, _>>()?;
    super::stalls::hold(&mut peers, Duration::from_secs(2));
    let open = peers.iter().filter(|peer| peer.is_welcome()).count();
    Outcome::quiet(peers.len() as u64, format!("{open} open"))
}

/// 2,000 connections that each asked for something once, got it, and are idle: what they used is given back.
pub(super) fn idle_served(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..MANY {
        let mut peer = Peer::connect(target.http)?;
        peer.send(&get(1, crate::target::SMALL));
        peer.flush();
        peers.push(peer);
    }
    super::stalls::hold(&mut peers, Duration::from_secs(3));
    let served = peers.iter().filter(|peer| peer.heard.done == 1).count();
    let wrong = (served != MANY).then(|| format!("{} were not served", MANY - served));
    Outcome::judged(peers.len() as u64, format!("{served} served"), wrong)
}

/// Connections that are reset as soon as they are there.
pub(super) fn connect_abort(target: &Target) -> io::Result<Outcome> {
    abort(target.http)
}

/// The same where TLS is spoken.
pub(super) fn connect_abort_tls(target: &Target) -> io::Result<Outcome> {
    match target.https {
        Some(address) => abort(address),
        None => Outcome::quiet(0, "no TLS here"),
    }
}

fn abort(address: SocketAddr) -> io::Result<Outcome> {
    for _ in 0..MANY {
        Peer::silent(address)?.abort();
    }
    Outcome::quiet(MANY as u64, "all reset")
}

/// 64 MiB are asked for and the connection is reset when the first of it is there.
pub(super) fn request_abort(target: &Target) -> io::Result<Outcome> {
    const COUNT: u64 = 300;
    for at in 0..COUNT {
        let mut peer = Peer::open_wide(target.http)?;
        peer.send(&get(1, LARGE));
        peer.pump_until(Duration::from_secs(1), |peer| peer.heard.data > 0);
        if at % 2 == 0 {
            peer.abort();
        }
        // Else closed with data unread, which resets it as well.
    }
    Outcome::quiet(COUNT, "all reset")
}

/// The client ends its side right after its request, which is no reason not to answer it.
pub(super) fn half_closed(target: &Target) -> io::Result<Outcome> {
    let wanted = contents(FILES[1].1);
    let mut wrong = None;
    for _ in 0..50 {
        let mut peer = Peer::open_wide(target.http)?;
        peer.body = Some(Vec::new());
        peer.send(&get(1, MEDIUM));
        peer.shut_write();
        peer.pump(Duration::from_secs(3));
        if peer.body.as_ref() != Some(&wanted) || peer.heard.end.is_none() {
            wrong = Some(format!(
                "served {} bytes, {}",
                peer.heard.data,
                ending(&peer)
            ));
        }
    }
    Outcome::judged(50, "all served and closed", wrong)
}

/// The client ends its side with a window that is too small for the answer. No WINDOW_UPDATE can come any more, so that
/// the connection is at its end and must not be kept.
pub(super) fn half_closed_stuck(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = Peer::connect(target.http)?;
        peer.send(&get(1, LARGE));
        peer.shut_write();
        peers.push(peer);
    }
    super::stalls::hold(&mut peers, Duration::from_secs(3));
    let kept = peers.iter().filter(|peer| peer.heard.end.is_none()).count();
    let wrong = (kept > 0).then(|| format!("{kept} connections are kept that can never go on"));
    Outcome::judged(100, format!("{kept} open"), wrong)
}

/// The client ends its side and reads nothing, with 64 MiB on the way. A poll of the socket reports the end of the
/// client's side at once and for ever, which must not be taken for room to send.
pub(super) fn half_closed_unread(target: &Target) -> io::Result<Outcome> {
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = Peer::narrow(target.http)?;
        peer.reads = false;
        peer.greet(&[(INITIAL_WINDOW_SIZE, MAX_WINDOW)]);
        peer.send(&window_update(0, MAX_WINDOW - 65_535));
        peer.send(&get(1, LARGE));
        peer.shut_write();
        peers.push(peer);
    }
    // The sockets are full by then; from there on waiting must cost next to nothing.
    std::thread::sleep(Duration::from_millis(1_000));
    let before = target.cpu();
    std::thread::sleep(Duration::from_secs(1));
    let busy = target.cpu().saturating_sub(before);
    let wrong = (busy > Duration::from_millis(250))
        .then(|| format!("{busy:?} of processor time in a second of waiting"));
    Outcome::judged(100, "nothing read", wrong)
}

/// A good client downloads the largest file while 64 others do the same and leave: nobody's bytes are mixed up.
pub(super) fn crowd(target: &Target) -> io::Result<Outcome> {
    let wanted = contents(FILES[2].1);
    let mut others = Vec::new();
    for _ in 0..64 {
        let mut peer = Peer::open_wide(target.http)?;
        peer.reads = false;
        peer.send(&get(1, LARGE));
        peer.flush();
        others.push(peer);
    }
    let mut good = Peer::open_wide(target.http)?;
    let came = download(&mut good, 1, LARGE, &wanted);
    for peer in others {
        peer.abort();
    }
    Outcome::judged(65, "64 MiB beside 64 that stall", came.err())
}
