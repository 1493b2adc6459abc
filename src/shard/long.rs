//! Long answers in the clear: whether the next slot is gathered from the file's mapping, or read first.
//!
//! Gathered, a body is copied once: from memory that is in no cache into a socket's memory that is in none of this core's.
//! Read first, it is copied twice, each time with one end in the cache. That costs less where the page cache is of large
//! folios, through which the kernel's read runs at once, and more where it has to look up page by page: which of the two
//! a part of a file is in depends on the memory that was free when it came in, and nothing tells. And it costs less on an
//! idle machine, and more on one whose cache and memory others use too. So both are timed, each slot with its send: one
//! is read after another for as long as that costs less than gathered ones did lately.

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
/// Slots that are read before one is gathered, so that it is known what that costs.
const MOST_READ: u32 = 16;
/// Gathered slots by which it is known: in some of them the thread is interrupted, for many times as long as they take.
const REMEMBERED: usize = 15;

/// What is known of the answers that a connection sends now.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// Bytes that the socket took since no answer was left to send.
    sent: u64,
    /// Slots to be gathered before the next one is read.
    gathered: u32,
    /// The same after the next one that is dear to read.
    next_gathered: u32,
    /// Slots that were read since one was gathered.
    read: u32,
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

    /// Whether the next slot is to be read first, of what is long.
    pub(super) fn reads_next(&mut self, gathered: &Gathered) -> bool {
        if self.gathered > 0 {
            self.gathered -= 1;
            return false;
        }
        let reads = gathered.is_known() && self.read < MOST_READ;
        self.read = if reads { self.read + 1 } else { 0 };
        reads
    }

    /// A slot was read, which was cheap or not.
    pub(super) fn note_read(&mut self, cheap: bool) {
        if cheap {
            self.next_gathered = LEAST_GATHERED;
        } else {
            self.read = 0;
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

/// The processor time of the thread when a slot was begun, ready and first sent, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) begun_ns: u64,
    pub(super) ready_ns: u64,
    pub(super) sent_ns: u64,
}

impl Times {
    /// What a MiB of a slot cost of `len` bytes, of which the send took `taken`, in nanoseconds.
    pub(super) fn ns_per_mib(&self, len: usize, taken: usize) -> u64 {
        let per_mib = |ns: u64, bytes: usize| (ns << 20) / bytes.max(1) as u64;
        per_mib(self.ready_ns.saturating_sub(self.begun_ns), len)
            + per_mib(self.sent_ns.saturating_sub(self.ready_ns), taken)
    }
}

/// What gathered slots of long answers cost a shard lately, in nanoseconds per MiB.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    costs: [u64; REMEMBERED],
    /// How many were noted, ever.
    noted: usize,
}

impl Gathered {
    pub(super) fn note(&mut self, ns_per_mib: u64) {
        self.costs[self.noted % REMEMBERED] = ns_per_mib;
        self.noted = self.noted.wrapping_add(1);
    }

    fn is_known(&self) -> bool {
        self.noted > 0
    }

    /// Whether most of them cost more.
    pub(super) fn cost_more(&self, ns_per_mib: u64) -> bool {
        let known = &self.costs[..self.noted.min(REMEMBERED)];
        let more = known.iter().filter(|&&cost| cost > ns_per_mib).count();
        2 * more > known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn known() -> Gathered {
        let mut gathered = Gathered::default();
        gathered.note(100_000);
        gathered
    }

    #[test]
    fn an_answer_is_long_after_16_mib_without_a_pause() {
        let (mut long, policy) = (Long::default(), Policy::default());
        long.note_taken(16 * MIB - 1);
        assert!(!long.is_long(&policy));
        long.note_taken(1);
        assert!(long.is_long(&policy));
        long.note_pause();
        long.note_taken(MIB);
        assert!(!long.is_long(&policy));
    }

    #[test]
    fn nothing_is_read_before_it_is_known_what_gathering_costs() {
        let mut long = Long::default();
        assert!(!long.reads_next(&Gathered::default()));
        assert!(long.reads_next(&known()));
    }

    #[test]
    fn it_is_read_as_long_as_that_is_cheap_but_for_one_slot_in_17() {
        let (mut long, gathered) = (Long::default(), known());
        let reads = |long: &mut Long| long.reads_next(&gathered);
        for slot in 0..100 {
            let read = reads(&mut long);
            assert_eq!(read, slot % 17 < 16, "{slot}");
            if read {
                long.note_read(true);
            }
        }
        long.note_read(false);
        assert_eq!([(); 3].map(|()| reads(&mut long)), [false, false, true]);
        long.note_read(true);
        assert!(reads(&mut long));
    }

    #[test]
    fn what_is_dear_to_read_is_tried_less_and_less_often() {
        let (mut long, gathered) = (Long::default(), known());
        let mut reads = Vec::new();
        for slot in 0..100 {
            if long.reads_next(&gathered) {
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
    fn a_slot_costs_what_it_takes_to_make_it_ready_and_to_send_it() {
        let times = Times {
            begun_ns: 1_000,
            ready_ns: 21_000,
            sent_ns: 71_000,
        };
        assert_eq!(times.ns_per_mib(MIB, MIB), 70_000);
        assert_eq!(times.ns_per_mib(MIB / 2, MIB / 2), 140_000);
        // Half of it was taken.
        assert_eq!(times.ns_per_mib(MIB, MIB / 2), 120_000);
    }

    #[test]
    fn gathering_costs_what_most_slots_lately_did() {
        let mut gathered = Gathered::default();
        assert!(!gathered.cost_more(0));
        gathered.note(100);
        assert!(gathered.cost_more(99) && !gathered.cost_more(100));
        for _ in 0..7 {
            // One that was interrupted, and one that was not.
            gathered.note(10_000);
            gathered.note(100);
        }
        assert!(gathered.cost_more(99) && !gathered.cost_more(100));
        for _ in 0..8 {
            gathered.note(50);
        }
        assert!(gathered.cost_more(49) && !gathered.cost_more(50));
    }
}
