//! Deadlines of connections: kept by kind, since all of one kind are equally long and so expire in order.

use std::collections::VecDeque;

use crate::uring::Owner;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A stalled peer holds an arena slot: it is taken back, others want it.
    Stalled,
    /// Others were to go on first.
    Turn,
    /// No poll can tell when to try again: the peer has ended its side and its socket is full, or memory is short.
    Retry,
    /// A peer has taken nothing at all for too long: it is given up.
    Stuck,
    /// A peer that was told that the connection is over, or is to be told, has not closed its side.
    Lingering,
    /// A peer has not acknowledged that the connection is to end: it is told the final word all the same.
    Draining,
    /// A new peer has not finished its TLS handshake.
    Handshake,
    /// The core may have something to do: it is asked now and then, as its deadlines move with every frame. Three
    /// lengths, so that an idle connection is woken a few times in minutes and not every other second.
    Core,
    CoreLater,
    CoreMuchLater,
}

const TIMERS: [Timer; 10] = [
    Timer::Stalled,
    Timer::Turn,
    Timer::Retry,
    Timer::Stuck,
    Timer::Lingering,
    Timer::Draining,
    Timer::Handshake,
    Timer::Core,
    Timer::CoreLater,
    Timer::CoreMuchLater,
];

impl Timer {
    /// Nanoseconds until it expires.
    pub(super) const fn after_ns(self) -> u64 {
        match self {
            // Many times what a peer that reads needs to make room.
            Self::Stalled => 100_000_000,
            // What a peer on this machine needs to read what has come already (`tcp_rmem`, at 1 GB/s), and something else.
            Self::Turn => 40_000_000,
            Self::Retry => 50_000_000,
            // What other servers give a peer between two writes.
            Self::Stuck => 60_000_000_000,
            Self::Lingering => 2_000_000_000,
            // More than a round trip of any network.
            Self::Draining => 1_000_000_000,
            Self::Handshake => 10_000_000_000,
            Self::Core => 2_000_000_000,
            Self::CoreLater => 15_000_000_000,
            Self::CoreMuchLater => 60_000_000_000,
        }
    }
}

/// The timers that wake a connection's core, the longest first.
const CORE_TIMERS: [Timer; 3] = [Timer::CoreMuchLater, Timer::CoreLater, Timer::Core];

/// Which of the timers for its core one connection has running: when each expires, or 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch([u64; CORE_TIMERS.len()]);

impl Watch {
    /// The timer to be started so that the core is asked at `due_ns`, or at most the shortest timer later; `None` when
    /// one that runs does.
    pub(super) fn needs(&mut self, due_ns: u64, now_ns: u64) -> Option<Timer> {
        let latest_ns = due_ns.max(now_ns).saturating_add(Timer::Core.after_ns());
        if self.0.iter().any(|&at_ns| at_ns != 0 && at_ns <= latest_ns) {
            return None;
        }
        let fits = |timer: &Timer| now_ns.saturating_add(timer.after_ns()) <= due_ns;
        let index = CORE_TIMERS
            .iter()
            .position(fits)
            .unwrap_or(CORE_TIMERS.len() - 1);
        let timer = CORE_TIMERS[index];
        self.0[index] = now_ns.saturating_add(timer.after_ns());
        Some(timer)
    }

    /// One of the timers has expired.
    pub(super) fn expired(&mut self, timer: Timer) {
        for (kind, at_ns) in CORE_TIMERS.iter().zip(&mut self.0) {
            if *kind == timer {
                *at_ns = 0;
            }
        }
    }
}

/// A shard is woken at multiples of this, in nanoseconds, for all that has expired by then: thousands of connections that
/// came and went have as many timers running.
const TICK_NS: u64 = 10_000_000;

/// So many timers of a kind, and less than twice as many as are still of somebody, are kept without a look at whose they are.
const SWEPT_FROM: usize = 4_096;

/// The deadlines of one kind.
#[derive(Debug)]
struct Queue {
    timers: VecDeque<(u64, Owner)>,
    /// Grown to this many it is swept.
    sweep_at: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            timers: VecDeque::new(),
            sweep_at: SWEPT_FROM,
        }
    }
}

/// The deadlines of one shard.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queues: [Queue; TIMERS.len()],
}

impl Timers {
    /// Starts a timer. There is no stopping it: who is told asks whether it still matters.
    pub(super) fn start(&mut self, timer: Timer, owner: Owner, now_ns: u64) {
        let deadline = now_ns + timer.after_ns();
        self.queues[timer as usize]
            .timers
            .push_back((deadline, owner));
    }

    /// Forgets the timers of those who are gone, where there are many: 20,000 connections a second would leave more than a
    /// million of the longest.
    pub(super) fn sweep(&mut self, is_there: impl Fn(Owner) -> bool) {
        for Queue { timers, sweep_at } in &mut self.queues {
            if timers.len() >= *sweep_at {
                timers.retain(|&(_, owner)| is_there(owner));
                *sweep_at = SWEPT_FROM.max(2 * timers.len());
                timers.shrink_to(*sweep_at);
            }
        }
    }

    /// The next timer that has expired.
    pub(super) fn expired(&mut self, now_ns: u64) -> Option<(Timer, Owner)> {
        TIMERS.into_iter().find_map(|timer| {
            let queue = &mut self.queues[timer as usize].timers;
            let due = queue
                .front()
                .is_some_and(|&(deadline, _)| deadline <= now_ns);
            if due {
                queue.pop_front().map(|(_, owner)| (timer, owner))
            } else {
                None
            }
        })
    }

    /// When to look for timers that have expired: no earlier than at the next deadline, and not much later.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.queues
            .iter()
            .filter_map(|queue| queue.timers.front().map(|&(deadline, _)| deadline))
            .min()
            .map(|deadline| deadline.next_multiple_of(TICK_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_expire_in_order_and_once() {
        let owner = |slot| Owner {
            slot,
            generation: 0,
        };
        let mut timers = Timers::default();
        timers.start(Timer::Lingering, owner(1), 0);
        timers.start(Timer::Stalled, owner(2), 0);
        timers.start(Timer::Stalled, owner(3), 5);
        assert_eq!(timers.next_ns(), Some(100_000_000));
        assert_eq!(timers.expired(99_999_999), None);
        assert_eq!(
            timers.expired(100_000_005),
            Some((Timer::Stalled, owner(2)))
        );
        assert_eq!(
            timers.expired(100_000_005),
            Some((Timer::Stalled, owner(3)))
        );
        assert_eq!(timers.expired(100_000_005), None);
        assert_eq!(
            timers.expired(2_000_000_000),
            Some((Timer::Lingering, owner(1)))
        );
        assert_eq!(timers.next_ns(), None);
    }

    #[test]
    fn connections_that_are_gone_leave_few_timers() {
        let mut timers = Timers::default();
        for slot in 0..1_000_000 {
            let owner = Owner {
                slot,
                generation: 0,
            };
            timers.start(Timer::CoreMuchLater, owner, u64::from(slot));
            if slot % 100 == 0 {
                timers.sweep(|owner| owner.slot % 1_000 == 0);
            }
        }
        let queue = &timers.queues[Timer::CoreMuchLater as usize].timers;
        let kept = queue.iter().filter(|(_, owner)| owner.slot % 1_000 == 0);
        assert_eq!(kept.count(), 1_000, "all of those who are there");
        assert!(queue.len() <= SWEPT_FROM + 100 && queue.capacity() <= 2 * SWEPT_FROM);
        assert!(queue.iter().is_sorted_by_key(|(deadline, _)| *deadline));
    }

    #[test]
    fn many_timers_wake_a_shard_a_hundred_times_a_second() {
        let mut timers = Timers::default();
        for slot in 0..20_000 {
            let owner = Owner {
                slot,
                generation: 0,
            };
            timers.start(Timer::Lingering, owner, u64::from(slot) * 50_000);
        }
        let (mut wakes, mut expired) = (0, 0);
        while let Some(now_ns) = timers.next_ns() {
            wakes += 1;
            while timers.expired(now_ns).is_some() {
                expired += 1;
            }
        }
        assert_eq!(expired, 20_000);
        assert!(wakes <= 101, "{wakes} in a second");
    }

    #[test]
    fn a_core_is_asked_in_time_and_seldom() {
        const SECOND: u64 = 1_000_000_000;
        let owner = Owner {
            slot: 1,
            generation: 0,
        };
        let (mut timers, mut watch) = (Timers::default(), Watch::default());
        let mut wakes = 0;
        // Idle until 180 s.
        let (mut now, due) = (SECOND, 181 * SECOND);
        while now < due {
            if let Some(timer) = watch.needs(due, now) {
                timers.start(timer, owner, now);
            }
            assert_eq!(watch.needs(due, now), None, "it runs");
            now = timers.next_ns().unwrap_or(u64::MAX);
            while let Some((timer, _)) = timers.expired(now) {
                watch.expired(timer);
                wakes += 1;
            }
        }
        assert!(now <= due + 2 * SECOND && wakes <= 6, "{wakes} wakes");
        // A nearer deadline is not missed for a timer that runs longer.
        assert_eq!(
            watch.needs(now + 100 * SECOND, now),
            Some(Timer::CoreMuchLater)
        );
        assert_eq!(watch.needs(now + 20 * SECOND, now), Some(Timer::CoreLater));
        assert_eq!(watch.needs(now, now), Some(Timer::Core));
        assert_eq!(watch.needs(now + SECOND, now), None);
    }
}
