//! The message that came last, so that the same one need not be decoded again: clients repeat themselves, load generators
//! do nothing else, and so neither do those who answer them.

use std::num::NonZeroU64;

use super::head::Meta;

/// The longest block that is remembered, in bytes.
const REMEMBERED_BYTES: usize = 256;

/// Who sends the blocks that are decoded: tells the connections apart that share a [`Scratch`](super::Scratch), which is
/// always the same for a connection. A new one is due whenever the decoder is changed other than by decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer(Option<NonZeroU64>);

/// The message that was decoded last, when nothing but its block and the decoder's state decide what it says, and it
/// left that state as it was. Its fields are kept beside this, so that the same block from the same peer, next in turn,
/// is not decoded again.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    peer: Peer,
    block: Vec<u8>,
    meta: Meta,
    /// Peers that were ever remembered.
    peers: u64,
}

impl Remembered {
    /// What `block` from `peer` says, if it is the one that is remembered.
    pub(super) fn recall(&self, peer: Peer, block: &[u8]) -> Option<Meta> {
        let same = self.peer.0.is_some() && self.peer == peer && self.block == block;
        same.then_some(self.meta)
    }

    /// Remembers what a valid `block` from `peer` says, if it left the decoder as it was.
    pub(super) fn remember(&mut self, peer: &mut Peer, block: &[u8], meta: Meta) {
        if !is_fit(block) {
            return;
        }
        if peer.0.is_none() {
            self.peers += 1;
            *peer = Peer(NonZeroU64::new(self.peers));
        }
        self.block.clear();
        self.block.extend_from_slice(block);
        (self.peer, self.meta) = (*peer, meta);
    }

    /// The fields are another message's now.
    pub(super) fn forget(&mut self) {
        self.peer = Peer::default();
    }
}

/// Whether `block`, which is a valid one, leaves the dynamic table as it was: it has indexed fields and literals that are
/// not added to the table (RFC 7541, sections 6.1, 6.2.2, 6.2.3), with indices and lengths of one byte.
fn is_fit(block: &[u8]) -> bool {
    fn string(block: &[u8]) -> Option<&[u8]> {
        let (&first, rest) = block.split_first()?;
        let len = usize::from(first & 0x7f);
        if len < 0x7f { rest.get(len..) } else { None }
    }
    let mut left = Some(block).filter(|block| block.len() <= REMEMBERED_BYTES);
    while let Some((&first, rest)) = left.and_then(<[u8]>::split_first) {
        left = match first {
            0x80..=0xfe => Some(rest),
            0x00 | 0x10 => string(rest).and_then(string),
            0x01..=0x0e | 0x11..=0x1e => string(rest),
            _ => None,
        };
    }
    left.is_some()
}
