//! How many completions a shard sleeps for: more than one while it is busy with large answers or with bundles of requests, so
//! that it is woken once and not for each.
//!
//! A shard that is faster than its peers ask has done everything again and again, sleeps, and is woken by the next request:
//! thousands of times a second. To put a core to sleep and to wake it costs the shard, and a peer on the same machine, as
//! much as some answers do. So a few requests come together first, as packets do in network cards, where it is not much
//! longer than what they wait for anyway: a large answer, or the others of a bundle that a peer made of several requests
//! before it sent them. A shard that is asked for little, one request at a time, would only answer later; it never waits.
//!
//! Not for more than half of those who ask, nor for a few of them: the others keep them busy who wait for an answer. Not for
//! longer than they are kept busy. And not while anything is under way that ends by itself, such as a read or a socket that
//! is full: whoever that is for waits for nobody else. But when that is all, and it is the socket of one long answer that
//! goes to this machine, it is left to itself for a while: it has room again for half of what it may hold while the peer
//! still has the other half to take.

use crate::uring::Batch;

/// Completions at least, where it is more than one, and at most.
const FEWEST: u32 = 4;
const MOST: u32 = 16;

/// How long is waited for each of them: what the others' peers take at the least, all on one core, for what they were sent.
const EACH_US: u32 = 12;

/// How long is looked at what the shard does, and with how many.
const PERIOD_NS: u64 = 5_000_000;

/// Bytes of a large answer: some ten microseconds of a core, and as long on the fastest of networks.
const LARGE: u64 = 32 << 10;

/// Requests of a bundle: what a peer receives and sends at once, as a client does that is busy itself.
const BUNDLE: u64 = 4;

/// What requests are waited for.
#[derive(Clone, Copy, Debug)]
struct Gain {
    /// Percent of the time that the shard works from which on it is busy, and below which it no longer is: coalescing
    /// itself saves some of it.
    busy: u64,
    still_busy: u64,
}

const OF_LARGE_ANSWERS: Gain = Gain {
    busy: 50,
    still_busy: 40,
};

/// A client that is busy all the time, on one core, keeps a shard busy for a third of the time and more.
const OF_BUNDLES: Gain = Gain {
    busy: 25,
    still_busy: 20,
};

/// The full socket has room again, or something else comes.
const LONE_STALL: Batch = Batch {
    completions: 2,
    within_us: 100,
};

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
    /// Connections from which something came since, and how often something came.
    heard: u32,
    receives: u64,
    /// What is slept for, going by the period before, when that is more than one completion.
    slept_for: Option<Batch>,
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
            receives: 0,
            slept_for: None,
            lone_stall: false,
        }
    }
}

impl Coalescing {
    /// Something came from a connection.
    pub(super) fn note_heard(&mut self, heard: &mut Heard) {
        self.receives += 1;
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
            let completions = (self.heard / 2).min(MOST);
            let gains = completions >= FEWEST && self.gains(now_ns, &done);
            self.slept_for = gains.then_some(Batch {
                completions,
                within_us: completions * EACH_US,
            });
            self.period = self.period.wrapping_add(1);
            (self.began_ns, self.before) = (now_ns, done);
            (self.heard, self.receives) = (0, 0);
        }
        match working {
            0 => self.slept_for,
            1 if self.lone_stall => Some(LONE_STALL),
            _ => None,
        }
    }

    /// Whether there is anything to gain, going by what was done in the period that ends now.
    fn gains(&self, now_ns: u64, done: &Done) -> bool {
        let requests = done.requests - self.before.requests;
        if requests == 0 {
            return false;
        }
        let bytes = done.bytes - self.before.bytes;
        let gain = if bytes >= requests.saturating_mul(LARGE) {
            OF_LARGE_ANSWERS
        } else if requests >= self.receives.saturating_mul(BUNDLE) {
            OF_BUNDLES
        } else {
            return false;
        };
        let worked_ns = done.thread_ns.saturating_sub(self.before.thread_ns);
        let percent = if self.slept_for.is_some() {
            gain.still_busy
        } else {
            gain.busy
        };
        worked_ns.saturating_mul(100) >= (now_ns - self.began_ns).saturating_mul(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard with so many connections, all of which ask in each period three times for as many bundles of requests, each
    /// of them for as many bytes.
    struct Asked {
        coalescing: Coalescing,
        connections: Vec<Heard>,
        bundle: u64,
        bytes: u64,
        now_ns: u64,
        done: Done,
    }

    impl Asked {
        fn by(connections: usize, bytes: u64) -> Self {
            Self {
                coalescing: Coalescing::default(),
                connections: vec![Heard::default(); connections],
                bundle: 1,
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
                    self.done.requests += self.bundle;
                    self.done.bytes += self.bundle * self.bytes;
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
            (7, 1),
            (8, 4),
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
    fn who_asks_for_little_in_bundles_waits() {
        let mut asked = Asked::by(50, 1_000);
        asked.bundle = BUNDLE;
        let after = [24, 25, 20, 19, 24, 100].map(|percent| asked.after(percent));
        assert_eq!(after, [1, 16, 16, 1, 1, 16]);
        asked.bundle = BUNDLE - 1;
        assert_eq!(asked.after(100), 1);
        asked.bytes = LARGE;
        assert_eq!(asked.after(49), 1, "what counts for large answers");
    }

    #[test]
    fn how_long_is_waited_goes_by_for_how_many() {
        for (connections, wanted) in [(8, (4, 48)), (16, (8, 96)), (1_000, (16, 192))] {
            let mut asked = Asked::by(connections, 100_000);
            asked.after(100);
            let batch = (asked.coalescing).batch(0, asked.now_ns, || unreachable!());
            let batch = batch.map(|batch| (batch.completions, batch.within_us));
            assert_eq!(batch, Some(wanted));
        }
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
        asked.connections.truncate(10);
        assert_eq!(asked.after(100), 5, "the others say nothing any more");
    }
}
