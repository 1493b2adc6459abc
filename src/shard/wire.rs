//! How far a filled slot has been sent, and what is left of it.
//!
//! A send may be cut anywhere. The cursor keeps the place, and gathers what is left anew for the next send: what lies
//! before it is gone, what lies behind it may still be changed (a frame whose file shrank is emptied).

use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::files::FileRef;
use crate::slot::Plan;
use crate::uring::Gather;

/// The part of a connection's output that is not sent yet: `prefix`, then `carry`, then the plan from `at` and `hole`.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Bytes in front of the slot: handshake flights, control records.
    pub(super) prefix: Bytes,
    /// The rest of a frame that was begun, read into the buffer behind the plan's bytes.
    carry: Range<usize>,
    /// Buffer position.
    at: usize,
    /// The next hole that is gathered.
    hole: usize,
    /// Bytes of that hole that are sent.
    within: usize,
    /// Whether holes are gathered; else they are part of the buffer.
    gathered: bool,
}

/// A frame that was cut by a short send.
#[derive(Debug)]
pub(super) struct Begun {
    /// Index of its hole.
    pub(super) hole: usize,
    /// Bytes of the hole that are sent.
    pub(super) within: usize,
    /// Buffer range of what is left of its frame header.
    pub(super) header: Range<usize>,
}

impl Cursor {
    /// At the beginning of a plan.
    pub(super) fn new(prefix: Bytes, plan: &Plan<FileRef>, gathered: bool) -> Self {
        Self {
            prefix,
            carry: 0..0,
            at: plan.used.start,
            hole: 0,
            within: 0,
            gathered,
        }
    }

    /// Whether everything is sent.
    pub(super) fn is_done(&self, plan: &Plan<FileRef>) -> bool {
        self.prefix.is_empty()
            && self.carry.is_empty()
            && self.at == plan.used.end
            && (!self.gathered || self.hole == plan.holes.len())
    }

    /// Moves on by `n` bytes that were sent.
    pub(super) fn advance(&mut self, mut n: usize, plan: &Plan<FileRef>) {
        let prefix = n.min(self.prefix.len());
        self.prefix.advance(prefix);
        n -= prefix;
        let carry = n.min(self.carry.len());
        self.carry.start += carry;
        n -= carry;
        loop {
            let hole = if self.gathered {
                plan.holes.get(self.hole)
            } else {
                None
            };
            let run = n.min(hole.map_or(plan.used.end, |hole| hole.at) - self.at);
            self.at += run;
            n -= run;
            let Some(hole) = hole else { break };
            if self.at < hole.at {
                break;
            }
            let payload = n.min(hole.len - self.within);
            self.within += payload;
            n -= payload;
            if self.within < hole.len {
                break;
            }
            self.hole += 1;
            self.within = 0;
        }
        debug_assert_eq!(n, 0, "no more is sent than there was");
    }

    /// The first hole that is not wholly sent.
    pub(super) fn untouched(&self) -> usize {
        self.hole
    }

    /// The gathered frame of which a part is sent: what it announced can no longer be changed.
    pub(super) fn begun(&self, plan: &Plan<FileRef>) -> Option<Begun> {
        let hole = plan
            .holes
            .get(self.hole)
            .filter(|hole| self.gathered && hole.frame_at < self.at)?;
        Some(Begun {
            hole: self.hole,
            within: self.within,
            header: self.at..hole.at,
        })
    }

    /// The rest of the begun frame is at `range` of the buffer now; the slot goes on at `at` with the next hole.
    pub(super) fn carry(&mut self, range: Range<usize>, at: usize) {
        self.carry = range;
        self.at = at;
        self.hole += 1;
        self.within = 0;
    }

    /// The buffer range that is still needed, in a buffer of its own from now on: positions are counted from its start.
    pub(super) fn rest(&mut self, plan: &mut Plan<FileRef>) -> Range<usize> {
        let end = plan.used.end.max(self.carry.end);
        // A gathered frame that may still be changed begins before what is left of it.
        let first = plan.holes.get(self.hole).filter(|_| self.gathered);
        let start = first.map_or(self.at, |hole| hole.frame_at.min(self.at));
        for hole in &mut plan.holes {
            hole.at = hole.at.saturating_sub(start);
            hole.frame_at = hole.frame_at.saturating_sub(start);
        }
        plan.used = plan.used.start.saturating_sub(start)..plan.used.end - start;
        self.at -= start;
        self.carry = self.carry.start.saturating_sub(start)..self.carry.end.saturating_sub(start);
        start..end
    }

    /// Gathers all that is left.
    pub(super) fn gather(&self, plan: &Plan<FileRef>, gather: &mut Gather) {
        gather.clear_parts();
        if !self.prefix.is_empty() {
            gather.push_bytes(self.prefix.clone());
        }
        if !self.carry.is_empty() {
            gather.push_buffer(self.carry.clone());
        }
        let mut at = self.at;
        if self.gathered {
            let mut within = self.within as u64;
            for hole in &plan.holes[self.hole..] {
                if at < hole.at {
                    gather.push_buffer(at..hole.at);
                    at = hole.at;
                }
                if let (Some(mapping), true) = (&hole.file.0.mapping, hole.len > 0) {
                    gather
                        .push_mapped(mapping, hole.offset + within..hole.offset + hole.len as u64);
                }
                within = 0;
            }
        }
        if at < plan.used.end {
            gather.push_buffer(at..plan.used.end);
        }
    }
}
