//! Who has something to say, and whose turn it is: who was sent little lately goes before who was sent a lot, for a
//! small answer costs a large one microseconds, and the other way round it is hundreds of them.

use std::collections::VecDeque;

use crate::uring::Owner;

/// So many small slots in a row, then a large one that waits gets its turn.
const MAX_PASSED: u32 = 32;

/// Connections that have something to say, each once.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    brief: VecDeque<Owner>,
    bulk: VecDeque<Owner>,
    /// Brief ones that went while a bulk one waited.
    passed: u32,
}

impl Dirty {
    /// Queues a connection, which takes a lot at a time or not.
    pub(super) fn push(&mut self, key: Owner, bulk: bool) {
        if bulk {
            self.bulk.push_back(key);
        } else {
            self.brief.push_back(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.brief.len() + self.bulk.len()
    }

    /// Whether the next one takes a lot.
    pub(super) fn is_bulk_next(&self) -> bool {
        !self.bulk.is_empty() && (self.brief.is_empty() || self.passed >= MAX_PASSED)
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<Owner> {
        if self.is_bulk_next() {
            self.passed = 0;
            return self.bulk.pop_front();
        }
        self.passed += u32::from(!self.bulk.is_empty());
        self.brief.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Owner {
        Owner {
            slot,
            generation: 0,
        }
    }

    #[test]
    fn brief_ones_go_first_and_nobody_waits_for_ever() {
        let mut dirty = Dirty::default();
        dirty.push(key(100), true);
        dirty.push(key(101), true);
        let mut order = Vec::new();
        for n in 0..80 {
            // As one goes, the next comes.
            dirty.push(key(n), false);
            order.extend(dirty.pop().map(|owner| owner.slot));
        }
        let at = |slot| order.iter().position(|one| *one == slot);
        assert_eq!(at(100), Some(MAX_PASSED as usize));
        assert_eq!(at(101), Some(2 * MAX_PASSED as usize + 1));
        let brief: Vec<_> = order.iter().copied().filter(|slot| *slot < 100).collect();
        assert!(brief.iter().copied().eq(0..78), "in order: {brief:?}");
        assert_eq!(dirty.pop(), Some(key(78)));
        assert!(!dirty.is_bulk_next() && dirty.len() > 0);
        assert_eq!((dirty.pop(), dirty.pop()), (Some(key(79)), None));
        assert!(dirty.len() == 0);
    }

    #[test]
    fn without_brief_ones_the_others_wait_for_nothing() {
        let mut dirty = Dirty::default();
        for n in 0..3 {
            dirty.push(key(n), true);
        }
        assert!(dirty.is_bulk_next());
        let order: Vec<_> = std::iter::from_fn(|| dirty.pop())
            .map(|key| key.slot)
            .collect();
        assert_eq!(order, [0, 1, 2]);
    }
}
