//! The attacks.

mod connections;
mod floods;
mod hpack;
mod list;
mod malformed;
mod resets;
mod stalls;
mod tls;

use std::io;
use std::time::Duration;

pub(crate) use self::list::ATTACKS;
use crate::peer::{End, Peer};
use crate::target::Target;

pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
pub(crate) const STREAM_CLOSED: u32 = 0x5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Frames that no flood goes beyond.
const MOST: usize = 100_000;
/// What a server may take to say its last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// One attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What it tries, in a line.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Target) -> io::Result<Outcome>,
}

impl Attack {
    const fn new(
        name: &'static str,
        about: &'static str,
        run: fn(&Target) -> io::Result<Outcome>,
    ) -> Self {
        Self { name, about, run }
    }
}

/// What came of it, as the attacker sees it.
pub(crate) struct Outcome {
    /// Frames sent, or connections made where there are none.
    pub(crate) frames: u64,
    pub(crate) ended: String,
    /// What should have been otherwise.
    pub(crate) wrong: Option<String>,
}

impl Outcome {
    /// Of attacks on many connections that nobody is told off for.
    fn quiet(frames: u64, ended: impl Into<String>) -> io::Result<Self> {
        Ok(Self {
            frames,
            ended: ended.into(),
            wrong: None,
        })
    }

    fn judged(frames: u64, ended: impl Into<String>, wrong: Option<String>) -> io::Result<Self> {
        Ok(Self {
            frames,
            ended: ended.into(),
            wrong,
        })
    }
}

/// Listens for the last word, which must be GOAWAY with `code`, and the end of the connection behind it.
fn expect_goaway(peer: Peer, code: u32) -> io::Result<Outcome> {
    expect_goaway_of(peer, &[code])
}

/// As [`expect_goaway`], where it is a matter of time which of some codes comes first.
fn expect_goaway_of(mut peer: Peer, codes: &[u32]) -> io::Result<Outcome> {
    peer.pump(LAST_WORD);
    let wanted = || {
        codes
            .iter()
            .map(|&code| name_of(code))
            .collect::<Vec<_>>()
            .join(" or ")
    };
    let wrong = match &peer.heard.goaway {
        None => Some(format!("no GOAWAY, {} wanted", wanted())),
        Some((other, _)) if !codes.contains(other) => Some(format!("not {}", wanted())),
        Some(_) if peer.heard.end.is_none() => Some("GOAWAY, but the connection stays".to_owned()),
        Some(_) => None,
    };
    Outcome::judged(peer.frames, ending(&peer), wrong)
}

/// The connection must have come through, and still answer.
fn expect_open(mut peer: Peer) -> io::Result<Outcome> {
    use crate::wire::{PING, frame};
    let frames = peer.frames;
    peer.send(&frame(PING, 0, 0, b"there?  "));
    peer.pump(Duration::from_millis(200));
    let wrong = (!peer.is_welcome()).then(|| "the connection should have been kept".to_owned());
    Outcome::judged(frames, ending(&peer), wrong)
}

fn ending(peer: &Peer) -> String {
    let end = match peer.heard.end {
        None => "open",
        Some(End::Closed) => "closed",
        Some(End::Reset) => "reset",
        Some(End::Stuck) => "stuck: the server does not read",
    };
    match &peer.heard.goaway {
        None => end.to_owned(),
        Some((code, text)) => format!("{} ({text}), {end}", name_of(*code)),
    }
}

fn name_of(code: u32) -> &'static str {
    ringlane::h2::ErrorCode(code).name()
}

/// Odd stream identifiers from `first` on.
fn streams(first: u32, count: usize) -> impl Iterator<Item = u32> {
    (0..count as u32).map(move |at| first + 2 * at)
}
