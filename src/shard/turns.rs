//! Taking turns among large downloads whose peer reads one of them for as long as something comes.
//!
//! A client with several connections in one thread (h2load is one) reads a connection until it has nothing more for the
//! moment. A server that fills it up again at once is never left, while the sockets of all others stay full. So who is far
//! ahead of another that wants to send as well waits until that one has gone on: the client finds nothing more, and turns to
//! the others. Where these do not make good use of it, being slow or paused or far away, it ends after a moment, who is behind
//! is given up as one to be waited for, and the next time is put off, longer each time.

use std::collections::BTreeSet;

use super::timers::Timer;
use crate::uring::Owner;

/// Bytes by which one may be ahead: little enough to be within a tenth of what takes long enough to be compared, and many
/// times what is kept for a peer that does not read (`tcp_rmem`), all of which has left the caches when it is read at last.
pub(super) const AHEAD: u64 = 64 << 20;

/// What the others together send at the least while somebody waits for [`Timer::Turn`]: 400 MB/s, which is a client on this
/// machine, or as near.
const GOOD_USE: u64 = 16 << 20;

/// How long one waits at most, however good the use: then it begins anew, with those who are behind.
const MAX_WAIT_NS: u64 = 2_000_000_000;

/// How long nobody waits after it was in vain; doubled each time. Short at first: on a busy machine one may have been
/// judged too early.
const MIN_PAUSE_NS: u64 = 40_000_000;
const MAX_PAUSE_NS: u64 = 60_000_000_000;

/// Where a connection stands: what it has sent since it began to take part, on a scale that all share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    sent: u64,
    takes_part: bool,
}

/// Who waits, with what it has sent; from when on, and since when it was last judged, and what all had sent then.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: Owner,
    sent: u64,
    from_ns: u64,
    since_ns: u64,
    total: u64,
}

/// What becomes of one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The others make good use of it.
    Wait,
    /// It was in vain, or long enough.
    GoOn,
    /// It does not wait any more.
    Over,
}

/// Who takes part, and who waits.
#[derive(Debug)]
pub(super) struct Turns {
    /// Bytes by which one may be ahead.
    pub(super) ahead: u64,
    /// Those who have more to send than their sockets took: bytes sent, and slot and generation.
    places: BTreeSet<(u64, u32, u32)>,
    waiting: Vec<Waiting>,
    /// What all have sent.
    total: u64,
    /// Those who need not wait any more.
    released: Vec<Owner>,
    pause_ns: u64,
    /// Nobody waits before this.
    paused_until_ns: u64,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            ahead: AHEAD,
            places: BTreeSet::new(),
            waiting: Vec::new(),
            total: 0,
            released: Vec::new(),
            pause_ns: MIN_PAUSE_NS,
            paused_until_ns: 0,
        }
    }
}

impl Turns {
    /// A connection's socket is full: it takes part, beginning with those who are behind.
    pub(super) fn join(&mut self, key: Owner, place: &mut Place) {
        if !place.takes_part {
            *place = Place {
                sent: self.least(),
                takes_part: true,
            };
            self.places.insert(entry(key, place));
        }
    }

    /// It has nothing more to send, or is gone.
    pub(super) fn leave(&mut self, key: Owner, place: &mut Place) {
        if place.takes_part {
            self.places.remove(&entry(key, place));
            place.takes_part = false;
            self.waiting.retain(|waiting| waiting.key != key);
            self.release();
        }
    }

    /// It has sent so many bytes.
    pub(super) fn note_sent(&mut self, key: Owner, place: &mut Place, bytes: usize) {
        if place.takes_part {
            if !self.places.remove(&entry(key, place)) {
                // It was given up, and begins anew.
                place.sent = place.sent.max(self.least());
            }
            place.sent += bytes as u64;
            self.total += bytes as u64;
            self.places.insert(entry(key, place));
            self.release();
        }
    }

    /// Whether it waits for another before it sends more.
    pub(super) fn waits(&mut self, key: Owner, place: &Place, now_ns: u64) -> bool {
        let ahead = place.takes_part && place.sent > self.least() + self.ahead;
        let waits = ahead && now_ns >= self.paused_until_ns;
        if waits {
            self.waiting.push(Waiting {
                key,
                sent: place.sent,
                from_ns: now_ns,
                since_ns: now_ns,
                total: self.total,
            });
        }
        waits
    }

    /// Who need not wait any more.
    pub(super) fn next_released(&mut self) -> Option<Owner> {
        self.released.pop()
    }

    /// It has waited for as long as it takes to tell whether that is of use.
    pub(super) fn judge(&mut self, key: Owner, place: &mut Place, now_ns: u64) -> Verdict {
        let until = |waiting: &Waiting| waiting.since_ns + Timer::Turn.after_ns();
        let waited = |waiting: &Waiting| waiting.key == key && now_ns >= until(waiting);
        let Some(at) = self.waiting.iter().position(waited) else {
            // It was released, and may wait anew.
            return Verdict::Over;
        };
        let waiting = &mut self.waiting[at];
        if self.total - waiting.total >= GOOD_USE {
            self.pause_ns = MIN_PAUSE_NS;
            if now_ns < waiting.from_ns + MAX_WAIT_NS {
                (waiting.since_ns, waiting.total) = (now_ns, self.total);
                return Verdict::Wait;
            }
            self.waiting.swap_remove(at);
            self.places.remove(&entry(key, place));
            place.sent = self.least();
            self.places.insert(entry(key, place));
            return Verdict::GoOn;
        }
        let Waiting { sent, .. } = self.waiting.swap_remove(at);
        let behind = |(other, ..): &(u64, u32, u32)| other + self.ahead < sent;
        while self.places.first().is_some_and(behind) {
            self.places.pop_first();
        }
        if now_ns >= self.paused_until_ns {
            self.paused_until_ns = now_ns + self.pause_ns;
            self.pause_ns = (self.pause_ns * 2).min(MAX_PAUSE_NS);
        }
        Verdict::GoOn
    }

    /// Has those go on who are not too far ahead any more.
    fn release(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let most = self.least() + self.ahead;
        let released = &mut self.released;
        self.waiting.retain(|waiting| {
            let waits = waiting.sent > most;
            if !waits {
                released.push(waiting.key);
            }
            waits
        });
    }

    /// Whether nobody has another to wait for.
    pub(super) fn are_few(&self) -> bool {
        self.places.len() <= 1
    }

    /// Whether nobody takes part.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.places.is_empty() && self.waiting.is_empty()
    }

    /// What the one has sent who is behind all others.
    fn least(&self) -> u64 {
        self.places.first().map_or(0, |(sent, ..)| *sent)
    }
}

fn entry(key: Owner, place: &Place) -> (u64, u32, u32) {
    (place.sent, key.slot, key.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner {
        slot: 1,
        generation: 0,
    };
    const B: Owner = Owner { slot: 2, ..A };
    const C: Owner = Owner { slot: 3, ..A };

    const MUCH: usize = AHEAD as usize + 1;
    const TOLD_NS: u64 = Timer::Turn.after_ns();

    /// All three take part.
    fn begun() -> (Turns, [Place; 3]) {
        let mut turns = Turns::default();
        let mut places = [Place::default(); 3];
        for (key, place) in [A, B, C].into_iter().zip(&mut places) {
            turns.join(key, place);
        }
        (turns, places)
    }

    #[test]
    fn who_is_far_ahead_waits_for_the_last() {
        let (mut turns, [mut a, mut b, mut c]) = begun();
        turns.note_sent(A, &mut a, MUCH - 1);
        assert!(!turns.waits(A, &a, 0));
        turns.note_sent(A, &mut a, 1);
        assert!(turns.waits(A, &a, 0));
        turns.note_sent(B, &mut b, 10);
        assert_eq!(turns.next_released(), None, "there is another");
        turns.note_sent(C, &mut c, 10);
        assert_eq!(turns.next_released(), Some(A));
        assert_eq!(turns.next_released(), None);
        assert_eq!(turns.judge(A, &mut a, TOLD_NS), Verdict::Over);
    }

    #[test]
    fn nobody_waits_for_those_who_are_done_or_for_itself() {
        let (mut turns, [mut a, mut b, mut c]) = begun();
        turns.note_sent(A, &mut a, MUCH);
        assert!(turns.waits(A, &a, 0));
        turns.leave(B, &mut b);
        turns.leave(C, &mut c);
        assert_eq!(turns.next_released(), Some(A));
        turns.note_sent(A, &mut a, 10 * MUCH);
        assert!(!turns.waits(A, &a, 0));
        turns.leave(A, &mut a);
        assert!(turns.is_idle());
    }

    #[test]
    fn who_comes_later_begins_with_the_last() {
        let (mut turns, [mut a, mut b, mut c]) = begun();
        for (key, place) in [(A, &mut a), (B, &mut b), (C, &mut c)] {
            turns.note_sent(key, place, MUCH);
        }
        let late = Owner { slot: 4, ..A };
        let mut place = Place::default();
        turns.join(late, &mut place);
        turns.note_sent(A, &mut a, MUCH - 1);
        assert!(!turns.waits(A, &a, 0));
        assert!(!turns.waits(late, &place, 0));
    }

    #[test]
    fn who_does_not_go_on_is_not_waited_for_again() {
        let (mut turns, [mut a, mut b, mut c]) = begun();
        turns.note_sent(A, &mut a, MUCH);
        turns.note_sent(B, &mut b, MUCH);
        assert!(turns.waits(A, &a, 5) && turns.waits(B, &b, 5));
        assert_eq!(turns.judge(A, &mut a, TOLD_NS), Verdict::Over);
        assert_eq!(turns.judge(A, &mut a, 5 + TOLD_NS), Verdict::GoOn);
        assert_eq!(turns.judge(B, &mut b, 5 + TOLD_NS), Verdict::GoOn);
        turns.note_sent(A, &mut a, MUCH - 1);
        assert!(!turns.waits(A, &a, u64::MAX / 2), "C does not count");
        // When it goes on it is one of them again.
        turns.note_sent(C, &mut c, 1);
        turns.note_sent(A, &mut a, MUCH);
        turns.note_sent(B, &mut b, 2 * MUCH);
        assert!(turns.waits(A, &a, u64::MAX / 2));
        turns.leave(C, &mut c);
        assert_eq!(turns.next_released(), Some(A));
    }

    #[test]
    fn what_is_in_vain_is_tried_less_and_less_often() {
        let (mut turns, [mut a, mut b, _]) = begun();
        let (mut now_ns, mut waited) = (0, 0);
        while now_ns < 1_000_000_000 {
            turns.note_sent(B, &mut b, 1);
            turns.note_sent(A, &mut a, MUCH);
            now_ns += 10_000_000;
            if turns.waits(A, &a, now_ns) {
                now_ns += TOLD_NS;
                waited += 1;
                turns.note_sent(B, &mut b, GOOD_USE as usize - 1);
                assert_eq!(turns.judge(A, &mut a, now_ns), Verdict::GoOn);
            }
        }
        assert_eq!(waited, 5);
    }

    #[test]
    fn while_the_others_make_use_of_it_it_goes_on() {
        let (mut turns, [mut a, mut b, _]) = begun();
        turns.note_sent(A, &mut a, MUCH);
        assert!(turns.waits(A, &a, 0));
        for n in 1..4 {
            turns.note_sent(B, &mut b, GOOD_USE as usize);
            assert_eq!(turns.judge(A, &mut a, n * TOLD_NS), Verdict::Wait);
            assert_eq!(
                turns.judge(A, &mut a, n * TOLD_NS + 1),
                Verdict::Over,
                "not yet"
            );
        }
        assert_eq!(turns.judge(A, &mut a, 4 * TOLD_NS), Verdict::GoOn);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (mut turns, [mut a, mut b, _]) = begun();
        turns.note_sent(A, &mut a, MUCH);
        assert!(turns.waits(A, &a, 0));
        let mut now_ns = 0;
        loop {
            now_ns += TOLD_NS;
            turns.note_sent(B, &mut b, GOOD_USE as usize);
            if turns.judge(A, &mut a, now_ns) == Verdict::GoOn {
                break;
            }
        }
        assert_eq!(now_ns, MAX_WAIT_NS);
        turns.note_sent(A, &mut a, MUCH - 1);
        assert!(!turns.waits(A, &a, now_ns), "it begins anew");
    }
}
