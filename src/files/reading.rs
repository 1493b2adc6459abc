//! How a large file's bytes are read, and what of them the kernel is asked to drop.

use std::cell::Cell;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Pages are dropped once this many bytes of them were sent: dropping costs a call each time.
const BATCH_BYTES: u64 = 1 << 20;

/// One way of reading. Each that can be refused has the next to fall back on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Past the page cache (`O_DIRECT`).
    Direct,
    /// Pages that the read brings in go with it (`RWF_DONTCACHE`).
    DontCache,
    /// Pages are dropped after they were sent (`POSIX_FADV_DONTNEED`).
    DropBehind,
    /// As any other reader.
    #[default]
    Keep,
}

/// A descriptor for reading past the page cache.
#[derive(Clone, Debug)]
pub struct Direct {
    /// Opened with `O_DIRECT`: another one than for everything else, which reads from any offset.
    pub descriptor: Rc<OwnedFd>,
    /// Bytes, a power of two: offsets, lengths and addresses are multiples of it.
    pub block: usize,
}

/// What is known of how a file can be read.
#[derive(Debug, Default)]
pub struct Reading {
    way: Cell<Way>,
    direct: Option<Direct>,
    /// Start and end of what was sent and is not dropped yet.
    behind: Cell<(u64, u64)>,
}

impl Reading {
    /// Dropping what was read, by the best way that turns out to work.
    #[must_use]
    pub fn dropping() -> Self {
        Self {
            way: Cell::new(Way::DontCache),
            ..Self::default()
        }
    }

    /// Past the page cache, unless that turns out to be refused.
    #[must_use]
    pub fn direct(direct: Direct) -> Self {
        Self {
            way: Cell::new(Way::Direct),
            direct: Some(direct),
            ..Self::default()
        }
    }

    /// The way to read now.
    pub fn way(&self) -> Way {
        self.way.get()
    }

    /// What to read from when the way is [`Way::Direct`].
    pub fn by_direct(&self) -> Option<&Direct> {
        self.direct.as_ref().filter(|_| self.way() == Way::Direct)
    }

    /// A read of that `way` was refused: the next takes another. Whether that is news.
    pub fn refused(&self, way: Way) -> bool {
        let news = self.way() == way;
        if news {
            self.way.set(match way {
                Way::Direct => Way::DontCache,
                Way::DontCache => Way::DropBehind,
                Way::DropBehind | Way::Keep => Way::Keep,
            });
        }
        news
    }

    /// Notes that `range` was sent; a range to drop, when there is enough of one.
    pub fn sent(&self, range: Range<u64>) -> Option<Range<u64>> {
        if self.way() != Way::DropBehind {
            return None;
        }
        let (start, end) = self.behind.get();
        if range.start > end || range.end < start {
            // Another reader, elsewhere in the file.
            let other = self.rest();
            self.behind.set((range.start, range.end));
            return other;
        }
        let (start, end) = (start.min(range.start), end.max(range.end));
        self.behind.set((start, end));
        if end - start < BATCH_BYTES {
            return None;
        }
        self.rest()
    }

    /// The range that was sent and not dropped yet, to be dropped now.
    pub fn rest(&self) -> Option<Range<u64>> {
        let (start, end) = self.behind.take();
        // A large folio that lay across the end of the range before is only dropped with a range that has all of it.
        (start < end).then(|| start.saturating_sub(BATCH_BYTES)..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_leads_to_the_next_way_once() {
        let reading = Reading::dropping();
        assert_eq!(reading.way(), Way::DontCache);
        assert!(!reading.refused(Way::Direct));
        assert!(reading.refused(Way::DontCache));
        // A read that was under way meanwhile.
        assert!(!reading.refused(Way::DontCache));
        assert_eq!(reading.way(), Way::DropBehind);
    }

    #[test]
    fn pages_are_dropped_in_batches_and_at_the_end() {
        let reading = Reading::dropping();
        assert_eq!(reading.sent(0..BATCH_BYTES), None, "the kernel does it");
        reading.refused(Way::DontCache);
        let half = BATCH_BYTES / 2;
        assert_eq!(reading.sent(0..half), None);
        assert_eq!(reading.sent(half..2 * half), Some(0..2 * half));
        assert_eq!(reading.rest(), None);
        assert_eq!(reading.sent(2 * half..3 * half), None);
        assert_eq!(reading.rest(), Some(0..3 * half));
        assert_eq!(Reading::default().sent(0..BATCH_BYTES), None);
    }

    #[test]
    fn two_readers_far_apart_have_both_parts_dropped_and_nothing_between() {
        let reading = Reading::dropping();
        reading.refused(Way::DontCache);
        let far = 100 * BATCH_BYTES;
        assert_eq!(reading.sent(far..far + 10), None);
        assert_eq!(reading.sent(5..10), Some(far - BATCH_BYTES..far + 10));
        assert_eq!(reading.rest(), Some(0..10));
    }
}
