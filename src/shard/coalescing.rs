//! How many completions a shard sleeps for: more than one while it is busy with large answers, so that it is woken once and
//! not for each.
//!
//! A shard that is faster than its peers ask has done everything again and again, sleeps, and is woken by the next request:
//! thousands of times a second. To put a core to sleep and to wake it costs the shard, and a peer on the same machine, as
//! much as some answers do. So where answers are large a few requests come together first, as packets do in network cards,
//! for [`WITHIN_US`] at most. Small answers would not be worth it: that is longer than all else that they wait for.
//!
//! Not for more than half of those who ask: the others keep them busy who wait for an answer. And not while anything is under
//! way that ends by itself, such as a read or a socket that is full: whoever that is for waits for nobody else. But when
//! that is all, and it is the socket of one long answer that goes to this machine, it is left to itself for as long: it
//! has room again for half of what it may hold while the peer still has the other half to take.

use crate::uring::Batch;

/// Completions at most.
const MOST: u32 = 16;

/// How much later than without it a request may be seen.
const WITHIN_US: u32 = 100;

/// How long is looked at what the shard does, and with how many.
const PERIOD_NS: u64 = 5_000_000;

/// Percent of the time that a shard works from which on it is busy, and below which it no longer is: coalescing itself
/// saves some of it.
const BUSY: u64 = 50;
const STILL_BUSY: u64 = 40;

/// Bytes of a large answer: some ten microseconds of a core, and as long on the fastest of networks.
const LARGE: u64 = 32 << 10;

/// The number of the period in which something last came from a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard(u32);

/// What a shard has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    /// The processor time of its thread.
    pub(super) thread_ns: u64,
    /// Requests that were answered, and bytes that were sent.
    pub(super) requests: u64,
    pub(super) bytes: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Coalescing {
    period: u32,
    began_ns: u64,
    /// What was done before.
    before: Done,
    /// Connections from which something came since.
    heard: u32,
    /// What is slept for, going by the period before.
    completions: u32,
    /// The socket that was last found full can be left to itself.
    pub(super) lone_stall: bool,
}

impl Default for Coalescing {
    fn default() -> Self {
        Self {
            period: 1,
            began_ns: 0,
            before: Done::default(),
            heard: 0,
            completions: 1,
            lone_stall: false,
        }
    }
}

impl Coalescing {
    /// Something came from a connection.
    pub(super) fn note_heard(&mut self, heard: &mut Heard) {
        self.heard += u32::from(heard.0 != self.period);
        heard.0 = self.period;
    }

    /// What is slept for from `now_ns` on, when that is more than one completion, with so many operations under way that
    /// end by themselves. What was `done` is asked for once in a period.
    pub(super) fn batch(
        &mut self,
        working: usize,
        now_ns: u64,
        done: impl FnOnce() -> Done,
    ) -> Option<Batch> {
        if now_ns.saturating_sub(self.began_ns) >= PERIOD_NS {
            let done = done();
            let coalesces = self.is_busy(now_ns, &done) && self.answers_are_large(&done);
            self.completions = match coalesces {
                true => (self.heard / 2).clamp(1, MOST),
                false => 1,
            };
            self.period = self.period.wrapping_add(1);
            (self.began_ns, self.before, self.heard) = (now_ns, done, 0);
        }
        let completions = match working {
            0 => self.completions,
            1 if self.lone_stall => 2,
            _ => 1,
        };
        (completions > 1).then_some(Batch {
            completions,
            within_us: WITHIN_US,
        })
    }

    fn is_busy(&self, now_ns: u64, done: &Done) -> bool {
        let worked_ns = done.thread_ns.saturating_sub(self.before.thread_ns);
        let percent = if self.completions > 1 {
            STILL_BUSY
        } else {
            BUSY
        };
        worked_ns.saturating_mul(100) >= (now_ns - self.began_ns).saturating_mul(percent)
    }

    fn answers_are_large(&self, done: &Done) -> bool {
        let requests = done.requests - self.before.requests;
        requests > 0 && done.bytes - self.before.bytes >= requests.saturating_mul(LARGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard with so many connections, all of which ask in each period for as many bytes.
    struct Asked {
        coalescing: Coalescing,
        connections: Vec<Heard>,
        bytes: u64,
        now_ns: u64,
        done: Done,
    }

    impl Asked {
        fn by(connections: usize, bytes: u64) -> Self {
            Self {
                coalescing: Coalescing::default(),
                connections: vec![Heard::default(); connections],
                bytes,
                now_ns: 0,
                done: Done::default(),
            }
        }

        /// What is slept for after a period in which the shard worked for so much of the time.
        fn after(&mut self, percent: u64) -> u32 {
            for _ in 0..3 {
                for heard in &mut self.connections {
                    self.coalescing.note_heard(heard);
                    self.done.requests += 1;
                    self.done.bytes += self.bytes;
                }
            }
            self.now_ns += PERIOD_NS;
            self.done.thread_ns += PERIOD_NS / 100 * percent;
            let batch = self.coalescing.batch(0, self.now_ns, || self.done);
            assert!(batch.is_none_or(|batch| batch.completions > 1));
            batch.map_or(1, |batch| batch.completions)
        }
    }

    #[test]
    fn a_busy_shard_sleeps_for_half_of_those_who_ask() {
        for (connections, completions) in [
            (0, 1),
            (1, 1),
            (3, 1),
            (4, 2),
            (16, 8),
            (33, 16),
            (9_000, 16),
        ] {
            let mut asked = Asked::by(connections, 100_000);
            assert_eq!(asked.after(90), completions, "{connections}");
        }
    }

    #[test]
    fn one_that_is_not_busy_is_woken_at_once() {
        let mut asked = Asked::by(16, 100_000);
        let after = [10, 49, 50, 41, 40, 39, 49, 100, 0].map(|percent| asked.after(percent));
        assert_eq!(after, [1, 1, 8, 8, 8, 1, 1, 8, 1]);
    }

    #[test]
    fn who_asks_for_little_does_not_wait() {
        let mut asked = Asked::by(16, LARGE - 1);
        assert_eq!(asked.after(100), 1);
        asked.bytes = LARGE;
        assert_eq!(asked.after(100), 8);
        asked.bytes = 1_000;
        assert_eq!(asked.after(100), 1);
    }

    #[test]
    fn what_is_under_way_is_waited_for_alone() {
        let mut asked = Asked::by(16, 100_000);
        assert_eq!(asked.after(100), 8);
        for (lone_stall, wanted) in [
            (false, [Some(8), None, None]),
            (true, [Some(8), Some(2), None]),
        ] {
            asked.coalescing.lone_stall = lone_stall;
            let slept_for = [0, 1, 2].map(|working| {
                let batch = (asked.coalescing).batch(working, asked.now_ns, || unreachable!());
                batch.map(|batch| batch.completions)
            });
            assert_eq!(slept_for, wanted);
        }
    }

    #[test]
    fn within_a_period_nothing_changes_and_nothing_is_asked() {
        let mut asked = Asked::by(16, 100_000);
        assert_eq!(asked.after(100), 8);
        for later_ns in [0, 1, PERIOD_NS - 1] {
            let batch = (asked.coalescing).batch(0, asked.now_ns + later_ns, || unreachable!());
            assert_eq!(batch.map(|batch| batch.completions), Some(8));
        }
        asked.connections.truncate(6);
        assert_eq!(asked.after(100), 3, "the others say nothing any more");
    }
}
