//! The same request again and again: clients repeat themselves, and load generators do nothing else.
//!
//! Within a turn of the loop nothing changes that an answer is made from. So what answered a request answers the same
//! head from the same peer, if that comes next in the same turn: then it is one answer that both have.

use std::rc::Rc;

use super::protocol::StreamId;
use crate::files::FileRef;
use crate::response::{Body, Response};

/// The request that came last.
#[derive(Default)]
pub(super) struct Repeat {
    /// Its head's ([`RequestHead::serial`](crate::h2::RequestHead::serial)).
    serial: u64,
    /// The time of its turn.
    turn_ns: u64,
    /// Who was answered first, as long as nobody else was.
    first: Option<StreamId>,
    /// The answer, when it is `given` again; else one whose memory is used for the next.
    kept: Option<Rc<Response<FileRef>>>,
    given: bool,
    /// Whether the answer at hand depends on nothing but the head and the time: set by who makes it.
    pub(super) pure: bool,
}

impl Repeat {
    /// The answer to a head that came before in this turn. `share` puts that of a stream there.
    pub(super) fn answer(
        &mut self,
        serial: u64,
        turn_ns: u64,
        share: impl FnOnce(StreamId, &mut Option<Rc<Response<FileRef>>>) -> bool,
    ) -> Option<&Rc<Response<FileRef>>> {
        if (self.serial, self.turn_ns) != (serial, turn_ns) {
            return None;
        }
        if let Some(first) = self.first.take() {
            self.given = share(first, &mut self.kept);
        }
        self.kept.as_ref().filter(|_| self.given)
    }

    /// Takes note of a head whose answer was made, and of who was `answered` by it at once.
    pub(super) fn note(&mut self, serial: u64, turn_ns: u64, answered: Option<StreamId>) {
        self.first = answered.filter(|_| self.pure);
        self.given = false;
        // No file is kept open for this.
        self.kept
            .take_if(|kept| !matches!(kept.body, Body::Bytes(_)));
        (self.serial, self.turn_ns) = (serial, turn_ns);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn only_the_same_head_in_the_same_turn_gets_the_answer() {
        let mut repeat = Repeat::default();
        let mut stream = 0;
        // Who was first to get the answer that the next stream gets.
        let mut answer = |serial, turn_ns, pure, shares| {
            stream += 1;
            let share = |first: StreamId, kept: &mut Option<_>| {
                let head = [Bytes::from(vec![first as u8]), Bytes::new()];
                let body = Body::Empty;
                *kept = Some(Rc::new(Response { head, body }));
                shares
            };
            if let Some(kept) = repeat.answer(serial, turn_ns, share) {
                return StreamId::from(kept.head[0][0]);
            }
            repeat.pure = pure;
            repeat.note(serial, turn_ns, Some(stream));
            stream
        };
        for (serial, turn_ns, pure, shares, first) in [
            (1, 10, true, true, 1),
            (1, 10, true, true, 1),
            (1, 10, true, true, 1),
            // Another turn, another head, and back.
            (1, 11, true, true, 4),
            (2, 11, true, true, 5),
            (1, 11, true, true, 6),
            // What is not only of the head is never kept.
            (3, 11, false, true, 7),
            (3, 11, false, true, 8),
            (3, 11, true, true, 9),
            (3, 11, true, true, 9),
            // What is out, or gone.
            (4, 11, true, true, 11),
            (4, 11, true, false, 12),
            (4, 11, true, true, 12),
        ] {
            assert_eq!(answer(serial, turn_ns, pure, shares), first);
        }
    }
}
