//! Field blocks that cost more to decode than to send (RFC 7541, section 7; RFC 9113, section 10.5.1).

use std::io;
use std::time::{Duration, Instant};

use super::{COMPRESSION_ERROR, ENHANCE_YOUR_CALM, MOST, Outcome, expect_goaway, expect_open};
use crate::peer::Peer;
use crate::target::{SMALL, Target};
use crate::wire::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADER_TABLE_SIZE, HEADERS, block, frame, insert,
    integer, settings,
};

const WHOLE: u8 = END_STREAM | END_HEADERS;
/// Field blocks of one frame stay below SETTINGS_MAX_FRAME_SIZE.
const FULL: usize = 16_000;
/// The first entry of the dynamic table.
const NEWEST: u8 = 0x80 | 62;

/// Requests with one and the same field block for three seconds, never more than so many unanswered.
fn requests(mut peer: Peer, first: u32, block: &[u8]) -> Peer {
    let until = Instant::now() + Duration::from_secs(3);
    let answered = peer.heard.heads;
    for (sent, id) in (1..).zip(super::streams(first, MOST)) {
        if !peer.send(&frame(HEADERS, WHOLE, id, block)) || Instant::now() > until {
            break;
        }
        if sent % 50 == 0 {
            let enough = |peer: &Peer| peer.heard.heads >= answered + sent || !peer.is_welcome();
            peer.pump_until(Duration::from_secs(3), enough);
        }
    }
    peer
}

/// The HPACK bomb: an entry as large as the table, referenced 16,000 times in every block: 64 MiB each. Answered 431,
/// and told off, as each costs more than it brings.
pub(super) fn bomb(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    let mut first = block("GET", SMALL, &[]);
    insert(&mut first, b"x-bomb", &[b'b'; 4_000]);
    peer.send(&frame(HEADERS, WHOLE, 1, &first));
    let mut rest = block("GET", SMALL, &[]);
    rest.resize(FULL, NEWEST);
    expect_goaway(requests(peer, 3, &rest), ENHANCE_YOUR_CALM)
}

/// Field sections just over the limit, of static fields only.
pub(super) fn list_over_the_limit(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    let mut fields = block("GET", SMALL, &[]);
    // `accept-encoding: gzip, deflate` counts for 60 bytes.
    fields.resize(fields.len() + 600, 0x90);
    expect_goaway(requests(peer, 1, &fields), ENHANCE_YOUR_CALM)
}

/// Blocks of field lines with one-letter Huffman strings: the most fields and the most code for their size.
pub(super) fn tiny_strings(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    let mut fields = block("GET", SMALL, &[]);
    while fields.len() < FULL {
        // Literal without indexing; `a` is 00011, padded with ones.
        fields.extend_from_slice(&[0x00, 0x81, 0x1f, 0x81, 0x1f]);
    }
    expect_goaway(requests(peer, 1, &fields), ENHANCE_YOUR_CALM)
}

/// Names of 4,000 bytes that push one another out of the table, below the list limit: requests that are served, so
/// that only their price counts.
pub(super) fn insert_churn(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::open_wide(target.http)?;
    let mut fields = block("GET", SMALL, &[]);
    for letter in b"abc" {
        insert(&mut fields, &[*letter; 4_000], b"");
    }
    expect_open(requests(peer, 1, &fields))
}

/// Small insertions, each of which evicts another: 5,000 in a block, over the list limit.
pub(super) fn evict_churn(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    let mut fields = block("GET", SMALL, &[]);
    while fields.len() < FULL {
        insert(&mut fields, b"a", b"");
    }
    expect_goaway(requests(peer, 1, &fields), ENHANCE_YOUR_CALM)
}

/// Table-size updates, thousands in front of a request (RFC 7541, section 4.2 has a use for two). They may be refused
/// as a compression error; served, they must cost little.
pub(super) fn size_churn(target: &Target) -> io::Result<Outcome> {
    let peer = Peer::connect(target.http)?;
    let mut fields = Vec::new();
    while fields.len() < FULL {
        integer(&mut fields, 0x20, 5, 0);
        integer(&mut fields, 0x20, 5, 4_096);
    }
    fields.extend(block("GET", SMALL, &[]));
    let mut peer = requests(peer, 1, &fields);
    peer.pump(Duration::from_millis(300));
    let refused = matches!(
        peer.heard.goaway,
        Some((COMPRESSION_ERROR | ENHANCE_YOUR_CALM, _))
    );
    let wrong = (!refused).then(|| "thousands of size updates in each block are taken".to_owned());
    Outcome::judged(peer.frames, super::ending(&peer), wrong)
}

/// SETTINGS_HEADER_TABLE_SIZE up and down, each of which owes us a size update.
pub(super) fn setting_churn(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    for at in 0..MOST as u32 {
        if !peer.send(&settings(&[(HEADER_TABLE_SIZE, (at % 2) * u32::MAX)])) {
            break;
        }
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// A field block of four times SETTINGS_MAX_HEADER_LIST_SIZE, in CONTINUATION frames.
pub(super) fn block_over_the_limit(target: &Target) -> io::Result<Outcome> {
    let mut peer = Peer::connect(target.http)?;
    peer.send(&frame(HEADERS, END_STREAM, 1, &block("GET", SMALL, &[])));
    for at in 0..8 {
        let flags = if at == 7 { END_HEADERS } else { 0 };
        peer.send(&frame(CONTINUATION, flags, 1, &[0x90; FULL]));
    }
    expect_goaway(peer, ENHANCE_YOUR_CALM)
}

/// What cannot be decoded is a connection error COMPRESSION_ERROR (RFC 9113, section 4.3).
pub(super) fn undecodable(target: &Target) -> io::Result<Outcome> {
    let cases: [(&str, &[u8]); 7] = [
        ("index 0", &[0x80]),
        ("an index beyond the tables", &[0xff, 0x7f]),
        ("an integer without end", &[0xff; 64]),
        ("a size update over the limit", &[0x3f, 0xe2, 0x1f]),
        ("a size update behind a field", &[0x82, 0x20]),
        ("Huffman padding of zeros", &[0x00, 0x81, 0x18, 0x00]),
        ("a string beyond the block", &[0x00, 0x7f, 0xff, 0xff, 0x03]),
    ];
    super::malformed::each(target, &cases, |peer, fields| {
        peer.send(&frame(HEADERS, WHOLE, 1, fields));
        COMPRESSION_ERROR
    })
}
