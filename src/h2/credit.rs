//! What a connection may receive beyond what every connection may: taken from a budget that the connections of a
//! shard share, and given back.

use std::cell::Cell;
use std::rc::Rc;

use super::limits::{HELD_BASE, HELD_MAX};

/// A connection's part of the shared budget. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Rc<Cell<usize>>,
    taken: usize,
}

impl Share {
    /// Nothing yet, of the budget in bytes.
    pub(super) fn new(budget: Rc<Cell<usize>>) -> Self {
        Self { budget, taken: 0 }
    }

    /// Takes up to `want` bytes; what there was.
    pub(super) fn take(&mut self, want: u32) -> u32 {
        let left = self.budget.get();
        // The cast keeps the value: it is at most `want`.
        let got = left.min(want as usize) as u32;
        self.budget.set(left - got as usize);
        self.taken += got as usize;
        got
    }

    /// Gives bytes back that were taken.
    pub(super) fn give(&mut self, back: u32) {
        let back = (back as usize).min(self.taken);
        self.taken -= back;
        self.budget.set(self.budget.get() + back);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.set(self.budget.get() + self.taken);
    }
}

/// Bytes of request bodies that were handed to readers who have not released them yet.
///
/// The connection's window is for all streams: were it given back only when a reader releases, one that is slow would
/// stop the others. So it is given back at once, up to [`HELD_BASE`] bytes, then from the shared budget up to
/// [`HELD_MAX`]; beyond, bytes are withheld from the window until the readers have released as much.
#[derive(Debug, Default)]
pub(super) struct Held {
    base: u32,
    charged: u32,
    withheld: u32,
}

impl Held {
    /// `len` bytes were handed to a reader; those to be given back to the connection's window now.
    pub(super) fn add(&mut self, len: u32, share: &mut Share) -> u32 {
        let base = len.min(HELD_BASE - self.base);
        self.base += base;
        let charged = share.take((len - base).min(HELD_MAX - self.charged));
        self.charged += charged;
        self.withheld += len - base - charged;
        base + charged
    }

    /// `len` bytes of those were released; those to be given back to the connection's window now.
    pub(super) fn remove(&mut self, len: u32, share: &mut Share) -> u32 {
        let withheld = len.min(self.withheld);
        self.withheld -= withheld;
        let charged = (len - withheld).min(self.charged);
        self.charged -= charged;
        share.give(charged);
        self.base = self.base.saturating_sub(len - withheld - charged);
        withheld
    }

    /// Bytes that no reader has released.
    pub(super) fn total(&self) -> u32 {
        self.base + self.charged + self.withheld
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_goes_back() {
        let budget = Rc::new(Cell::new(100));
        let mut share = Share::new(Rc::clone(&budget));
        assert_eq!((share.take(70), share.take(70)), (70, 30));
        share.give(20);
        assert_eq!(budget.get(), 20);
        drop(share);
        assert_eq!(budget.get(), 100);
    }

    proptest! {
        /// What was received is given back exactly once, at once or when it is released.
        #[test]
        fn credit_adds_up(steps in prop::collection::vec((any::<bool>(), 0u32..2_000_000), 1..200), budget in 0usize..4_000_000) {
            let shared = Rc::new(Cell::new(budget));
            let mut share = Share::new(Rc::clone(&shared));
            let (mut held, mut out) = (Held::default(), 0_u32);
            let (mut received, mut given) = (0_u64, 0_u64);
            for (add, len) in steps {
                if add {
                    given += u64::from(held.add(len, &mut share));
                    received += u64::from(len);
                    out += len;
                } else {
                    let len = len.min(out);
                    given += u64::from(held.remove(len, &mut share));
                    out -= len;
                }
                prop_assert_eq!(held.total(), out);
                prop_assert!(given <= received && held.base <= HELD_BASE && held.charged <= HELD_MAX);
                prop_assert_eq!(received - given, u64::from(held.withheld));
                prop_assert_eq!(shared.get() + held.charged as usize, budget);
            }
            given += u64::from(held.remove(out, &mut share));
            prop_assert_eq!(given, received);
            prop_assert_eq!(shared.get(), budget);
        }
    }
}
