//! What of a mapped file was lately found in memory. To ask is a system call, the dearest that a slot of a large file
//! takes besides its send; so a small file is asked about as a whole, and one that is sent from front to back about
//! what comes next too, further each time.

use std::cell::Cell;
use std::ops::Range;

/// Bytes of a file that is asked about as a whole, and the most that is asked about at once of a larger one.
const MAX_AT_ONCE: u64 = 1 << 20;

/// How long what was found in memory is taken to be there: far shorter than pages in use stay.
const BELIEVED_FOR_NS: u64 = 20_000_000;

/// The part of a file that was found in memory last.
#[derive(Debug, Default)]
pub struct Resident(Cell<Found>);

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    start: u64,
    end: u64,
    until_ns: u64,
    /// Bytes to ask about when the next range goes on where this ends.
    ahead: u64,
}

impl Resident {
    /// Whether `range` of a file that is mapped with `len` bytes is in memory, by what `ask` says or said lately.
    /// `now_ns` is the time since the shard began.
    pub fn covers(
        &self,
        range: &Range<u64>,
        len: u64,
        now_ns: u64,
        ask: impl Fn(Range<u64>) -> bool,
    ) -> bool {
        let found = self.0.get();
        let believed = now_ns < found.until_ns;
        if believed && found.start <= range.start && range.end <= found.end {
            return true;
        }
        // Where several are sent in turn none goes on where another ends: each asks for its own.
        let goes_on = believed && (range.start..=range.end).contains(&found.end);
        let more = if len <= MAX_AT_ONCE {
            0..len
        } else if goes_on {
            range.start
                ..len
                    .min(range.start.saturating_add(found.ahead))
                    .max(range.end)
        } else {
            range.clone()
        };
        let (asked, further) = if ask(more.clone()) {
            (more, goes_on)
        } else if more != *range && ask(range.clone()) {
            (range.clone(), false)
        } else {
            // What follows comes from the disk as well, most likely: nothing is asked about it before its turn.
            self.0.set(Found::default());
            return false;
        };
        let bytes = asked.end - asked.start;
        self.0.set(Found {
            start: asked.start,
            end: asked.end,
            until_ns: now_ns + BELIEVED_FOR_NS,
            ahead: if further {
                (2 * bytes).min(MAX_AT_ONCE)
            } else {
                bytes
            },
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const KIB: u64 = 1 << 10;
    const SLOT: u64 = 60 * KIB;
    const GIB: u64 = 1 << 30;

    /// A file of which the first `in_memory` bytes are in memory, and what was asked about it.
    struct File {
        resident: Resident,
        len: u64,
        in_memory: u64,
        asked: RefCell<Vec<Range<u64>>>,
    }

    impl File {
        fn new(len: u64, in_memory: u64) -> Self {
            Self {
                resident: Resident::default(),
                len,
                in_memory,
                asked: RefCell::default(),
            }
        }

        fn covers(&self, start: u64, end: u64, now_ns: u64) -> bool {
            self.resident
                .covers(&(start..end), self.len, now_ns, |range| {
                    self.asked.borrow_mut().push(range.clone());
                    range.end <= self.in_memory
                })
        }

        fn asked(&self) -> Vec<Range<u64>> {
            self.asked.take()
        }
    }

    #[test]
    fn a_small_file_is_asked_about_as_a_whole_and_believed_for_a_while() {
        let file = File::new(100 * KIB, GIB);
        assert!(file.covers(60 * KIB, 100 * KIB, 5));
        assert!(file.covers(0, 60 * KIB, 5 + BELIEVED_FOR_NS - 1));
        assert_eq!(file.asked(), vec![0..100 * KIB; 1]);
        assert!(file.covers(0, 60 * KIB, 5 + BELIEVED_FOR_NS));
        assert_eq!(file.asked(), vec![0..100 * KIB; 1]);
    }

    #[test]
    fn what_is_sent_from_front_to_back_is_asked_about_further_each_time() {
        let file = File::new(GIB, GIB);
        for slot in 0..100 {
            assert!(file.covers(slot * SLOT, (slot + 1) * SLOT, 0));
        }
        let asked = file.asked();
        assert_eq!(asked[..3], [0..SLOT, SLOT..2 * SLOT, 2 * SLOT..4 * SLOT]);
        let lengths: Vec<_> = asked.iter().map(|range| range.end - range.start).collect();
        assert!(lengths.iter().all(|&len| len <= MAX_AT_ONCE));
        assert!(lengths.len() <= 11, "{lengths:?}");
    }

    #[test]
    fn nothing_past_the_end_is_asked_about() {
        let len = 2 * MAX_AT_ONCE + 1;
        let file = File::new(len, len);
        let mut start = 0;
        while start < len {
            let end = len.min(start + SLOT);
            assert!(file.covers(start, end, 0));
            start = end;
        }
        assert!(file.asked().iter().all(|range| range.end <= len));
    }

    #[test]
    fn several_that_are_sent_in_turn_each_ask_for_their_own() {
        let file = File::new(GIB, GIB);
        for slot in 0..10 {
            for reader in 0..3 {
                let start = reader * (GIB / 4) + slot * SLOT;
                assert!(file.covers(start, start + SLOT, 0));
            }
        }
        let asked = file.asked();
        assert_eq!(asked.len(), 30);
        assert!(asked.iter().all(|range| range.end - range.start == SLOT));
    }

    #[test]
    fn where_what_comes_next_is_missing_only_the_range_itself_counts() {
        let file = File::new(GIB, 3 * SLOT);
        for slot in 0..3 {
            assert!(file.covers(slot * SLOT, (slot + 1) * SLOT, 0));
        }
        let asked = [
            0..SLOT,
            SLOT..2 * SLOT,
            2 * SLOT..4 * SLOT,
            2 * SLOT..3 * SLOT,
        ];
        assert_eq!(file.asked(), asked);
    }

    #[test]
    fn nothing_is_asked_twice_of_what_comes_from_a_disk() {
        let mut file = File::new(GIB, 0);
        for slot in 0..10 {
            let range = slot * SLOT..(slot + 1) * SLOT;
            assert!(!file.covers(range.start, range.end, 0));
            file.in_memory = range.end;
            assert!(file.covers(range.start, range.end, 0));
            assert_eq!(file.asked(), vec![range; 2]);
        }
    }

    #[test]
    fn what_was_found_long_ago_says_nothing_of_what_comes_next() {
        let file = File::new(GIB, GIB);
        assert!(file.covers(0, SLOT, 0));
        assert!(file.covers(SLOT, 2 * SLOT, BELIEVED_FOR_NS));
        assert_eq!(file.asked(), [0..SLOT, SLOT..2 * SLOT]);
    }
}
