//! Long answers in the clear: whether the next slot is gathered from the file's mapping, or read first.
//!
//! Gathered, a body is copied once: from memory that is in no cache into a socket's memory that is in none of this core's.
//! Read first, it is copied twice, each time with one end in the cache. That costs less where the page cache is of large
//! folios, through which the kernel's read runs at once, and more where it has to look up page by page. Which of the two
//! a part of a file is in depends on the memory that was free when it came in, and nothing tells. So a slot is read and
//! timed beside its send: in large folios reading takes a third of that, in single pages one and a half times as long.

use std::rc::Rc;

/// What counts as long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Bytes that went out before without a pause: shorter files are in the processor's cache as often as not, and then
    /// gathering costs less.
    pub(super) after: u64,
    /// Bytes of a slot at least that is read.
    pub(super) least: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            after: 16 << 20,
            least: 256 << 10,
        }
    }
}

/// Slots that are gathered after one that was dear to read, before another is read: the rest of 2 MiB, the largest folio.
const LEAST_GATHERED: u32 = 2;
/// The same after many such in a row.
const MOST_GATHERED: u32 = 16;

/// What is known of the answers that a connection sends now.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// Bytes that the socket took since no answer was left to send.
    sent: u64,
    /// Slots to be gathered before the next one is read.
    gathered: u32,
    /// The same after the next one that is dear to read.
    next_gathered: u32,
}

impl Long {
    /// The socket took so many bytes.
    pub(super) fn note_taken(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// No answer is left to send.
    pub(super) fn note_pause(&mut self) {
        *self = Self::default();
    }

    /// Whether what goes out is long.
    pub(super) fn is_long(&self, policy: &Policy) -> bool {
        self.sent >= policy.after
    }

    /// Whether the next slot is to be read first.
    pub(super) fn reads_next(&mut self, policy: &Policy) -> bool {
        if self.gathered > 0 {
            self.gathered -= 1;
            return false;
        }
        self.is_long(policy)
    }

    /// A slot was read, which was cheap or not.
    pub(super) fn note_read(&mut self, cheap: bool) {
        if cheap {
            self.next_gathered = LEAST_GATHERED;
        } else {
            self.gathered = self.next_gathered.max(LEAST_GATHERED);
            self.next_gathered = (self.gathered * 2).min(MOST_GATHERED);
        }
    }
}

/// Who reads: one connection of a shard at a time. A peer that stops to take what was read keeps it in memory, half a
/// megabyte instead of some frame headers.
#[derive(Debug, Default)]
pub(super) struct Reader(Rc<()>);

impl Reader {
    /// Another handle, if there is none yet.
    pub(super) fn another(&self) -> Option<Self> {
        (Rc::strong_count(&self.0) == 1).then(|| Self(Rc::clone(&self.0)))
    }
}

/// The processor time of the thread when a slot was begun, read and first sent, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) begun_ns: u64,
    pub(super) read_ns: u64,
    pub(super) sent_ns: u64,
}

impl Times {
    /// Whether reading a slot of `len` bytes cost less than sending `taken` of them did, byte for byte.
    pub(super) fn are_cheap(&self, len: usize, taken: usize) -> bool {
        let read = self.read_ns.saturating_sub(self.begun_ns) * taken as u64;
        let sent = self.sent_ns.saturating_sub(self.read_ns) * len as u64;
        read < sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn long() -> (Long, Policy) {
        let mut long = Long::default();
        long.note_taken(16 * MIB);
        (long, Policy::default())
    }

    #[test]
    fn an_answer_is_long_after_16_mib_without_a_pause() {
        let (mut long, policy) = (Long::default(), Policy::default());
        long.note_taken(16 * MIB - 1);
        assert!(!long.is_long(&policy) && !long.reads_next(&policy));
        long.note_taken(1);
        assert!(long.is_long(&policy) && long.reads_next(&policy));
        long.note_pause();
        long.note_taken(MIB);
        assert!(!long.is_long(&policy) && !long.reads_next(&policy));
    }

    #[test]
    fn it_is_read_as_long_as_that_is_cheap() {
        let (mut long, policy) = long();
        for _ in 0..100 {
            assert!(long.reads_next(&policy));
            long.note_read(true);
        }
        long.note_read(false);
        assert_eq!(
            [(); 3].map(|()| long.reads_next(&policy)),
            [false, false, true]
        );
        long.note_read(true);
        assert!(long.reads_next(&policy));
    }

    #[test]
    fn what_is_dear_to_read_is_tried_less_and_less_often() {
        let (mut long, policy) = long();
        let mut reads = Vec::new();
        for slot in 0..100 {
            if long.reads_next(&policy) {
                long.note_read(false);
                reads.push(slot);
            }
        }
        assert_eq!(reads, [0, 3, 8, 17, 34, 51, 68, 85]);
    }

    #[test]
    fn one_reads_at_a_time() {
        let all = Reader::default();
        let one = all.another();
        assert!(one.is_some() && all.another().is_none());
        drop(one);
        assert!(all.another().is_some());
    }

    #[test]
    fn cheap_is_what_takes_less_than_its_send() {
        let times = |read: u64, sent: u64| Times {
            begun_ns: 1_000,
            read_ns: 1_000 + read,
            sent_ns: 1_000 + read + sent,
        };
        assert!(times(20_000, 50_000).are_cheap(MIB, MIB));
        assert!(!times(80_000, 50_000).are_cheap(MIB, MIB));
        // Half of it was taken.
        assert!(times(20_000, 25_000).are_cheap(MIB, MIB / 2));
        assert!(!times(20_000, 10_000).are_cheap(MIB, MIB / 2));
    }
}
