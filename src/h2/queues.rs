//! The scheduler's queues (RFC 9218, section 10): for each urgency, the responses of which something goes out next that
//! needs no window (a field block, or the end of the message alone), and the bodies. Linked through the slab of streams, so that every step is O(1).

use super::priority::URGENCIES;
use super::streams::{Index, NONE, Phase, Streams};

/// First and last stream of a queue.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: Index,
    last: Index,
}

const EMPTY: Queue = Queue {
    first: NONE,
    last: NONE,
};

/// One kind of queue: one for each urgency.
#[derive(Debug)]
struct Queues {
    queues: [Queue; URGENCIES],
    /// Bit n is set when the queue of urgency n has a stream.
    mask: u8,
}

/// What is ready to be sent, but for windows.
#[derive(Debug)]
pub(super) struct Ready {
    fresh: Queues,
    bodies: Queues,
}

impl Default for Ready {
    fn default() -> Self {
        let queues = || Queues {
            queues: [EMPTY; URGENCIES],
            mask: 0,
        };
        Self {
            fresh: queues(),
            bodies: queues(),
        }
    }
}

impl Ready {
    /// Urgencies that have a field block to send, as a bit mask.
    pub(super) fn fresh_mask(&self) -> u8 {
        self.fresh.mask
    }

    /// Urgencies that have a body to send, as a bit mask.
    pub(super) fn body_mask(&self) -> u8 {
        self.bodies.mask
    }

    /// The first response of this urgency whose field block is to be sent.
    pub(super) fn first_fresh(&self, urgency: usize) -> Index {
        self.fresh.queues[urgency].first
    }

    /// The first body of this urgency.
    pub(super) fn first_body(&self, urgency: usize) -> Index {
        self.bodies.queues[urgency].first
    }

    /// Puts a stream that is in no queue at the end of the one that `phase` names, if it names one.
    pub(super) fn push_back<F>(&mut self, streams: &mut Streams<F>, index: Index, phase: Phase) {
        self.push(streams, index, phase, false);
    }

    /// As [`Ready::push_back`], at the front.
    pub(super) fn push_front<F>(&mut self, streams: &mut Streams<F>, index: Index, phase: Phase) {
        self.push(streams, index, phase, true);
    }

    fn push<F>(&mut self, streams: &mut Streams<F>, index: Index, phase: Phase, front: bool) {
        let stream = streams.get_mut(index);
        debug_assert!(!stream.phase.is_queued());
        stream.phase = phase;
        let urgency = usize::from(stream.priority.urgency);
        let Some(queues) = self.of(phase) else { return };
        queues.mask |= 1 << urgency;
        let queue = &mut queues.queues[urgency];
        let neighbour;
        if front {
            neighbour = queue.first;
            (stream.prev, stream.next) = (NONE, neighbour);
            queue.first = index;
            if neighbour == NONE {
                queue.last = index;
            } else {
                streams.get_mut(neighbour).prev = index;
            }
        } else {
            neighbour = queue.last;
            (stream.prev, stream.next) = (neighbour, NONE);
            queue.last = index;
            if neighbour == NONE {
                queue.first = index;
            } else {
                streams.get_mut(neighbour).next = index;
            }
        }
    }

    /// Takes a stream out of the queue that it is in, if any; it is in `phase` afterwards.
    pub(super) fn unlink<F>(&mut self, streams: &mut Streams<F>, index: Index, phase: Phase) {
        let stream = streams.get_mut(index);
        let was = std::mem::replace(&mut stream.phase, phase);
        let (prev, next, urgency) = (
            stream.prev,
            stream.next,
            usize::from(stream.priority.urgency),
        );
        let Some(queues) = self.of(was) else { return };
        let queue = &mut queues.queues[urgency];
        if prev == NONE {
            queue.first = next;
        } else {
            streams.get_mut(prev).next = next;
        }
        if next == NONE {
            queue.last = prev;
        } else {
            streams.get_mut(next).prev = prev;
        }
        if queue.first == NONE {
            queues.mask &= !(1 << urgency);
        }
    }

    fn of(&mut self, phase: Phase) -> Option<&mut Queues> {
        match phase {
            Phase::Fresh | Phase::Ending => Some(&mut self.fresh),
            Phase::Body => Some(&mut self.bodies),
            Phase::Waiting | Phase::Heading | Phase::Blocked | Phase::Dry => None,
        }
    }

    /// Every stream that is said to be in a queue is in it, once, and nothing else is.
    pub(super) fn invariants<F>(&self, streams: &Streams<F>) {
        for (queues, phases) in [
            (&self.fresh, [Phase::Fresh, Phase::Ending]),
            (&self.bodies, [Phase::Body; 2]),
        ] {
            let mut linked = 0;
            for (urgency, queue) in queues.queues.iter().enumerate() {
                assert_eq!(queue.first != NONE, queues.mask & (1 << urgency) != 0);
                let (mut prev, mut at) = (NONE, queue.first);
                while at != NONE {
                    let stream = streams.get(at);
                    assert!(
                        stream.id != 0 && phases.contains(&stream.phase) && stream.prev == prev
                    );
                    assert_eq!(usize::from(stream.priority.urgency), urgency);
                    linked += 1;
                    (prev, at) = (at, stream.next);
                }
                assert_eq!(queue.last, prev);
            }
            assert_eq!(
                linked,
                streams
                    .iter()
                    .filter(|stream| phases.contains(&stream.phase))
                    .count()
            );
        }
    }
}
