//! The same request again and again: clients repeat themselves, and load generators do nothing else.
//!
//! Within a turn of the loop nothing changes that an answer is made from. So what answered a request answers the same
//! head from the same peer, if that comes next in the same turn; the second time it is kept, from the third on it is
//! given.

use std::rc::Rc;

use crate::files::FileRef;
use crate::response::{Body, Response};

/// The request that came last.
#[derive(Default)]
pub(super) struct Repeat {
    /// Its head's ([`RequestHead::serial`](crate::h2::RequestHead::serial)).
    serial: u64,
    /// The time of its turn.
    turn_ns: u64,
    /// The answer to it, when it is `given` again; else one whose memory is used for the next.
    kept: Option<Rc<Response<FileRef>>>,
    /// Whether the next of the same head gets what is kept.
    given: bool,
    /// Whether the answer at hand depends on nothing but the head and the time: set by who makes it.
    pub(super) pure: bool,
}

impl Repeat {
    /// The answer to a head that came before in this turn.
    pub(super) fn answer(&self, serial: u64, turn_ns: u64) -> Option<&Rc<Response<FileRef>>> {
        let same = self.serial == serial && self.turn_ns == turn_ns;
        self.kept.as_ref().filter(|_| same && self.given)
    }

    /// Takes note of the answer that was made to a head.
    pub(super) fn note(&mut self, serial: u64, turn_ns: u64, made: Option<&Response<FileRef>>) {
        let again = self.serial == serial && self.turn_ns == turn_ns;
        let kept = made.filter(|_| again && self.pure).cloned();
        self.given = kept.is_some();
        match (kept, self.kept.as_mut().and_then(Rc::get_mut)) {
            (Some(made), Some(kept)) => *kept = made,
            (Some(made), None) => self.kept = Some(Rc::new(made)),
            // No file is kept open for this.
            (None, _) => {
                self.kept
                    .take_if(|kept| !matches!(kept.body, Body::Bytes(_)));
            }
        }
        (self.serial, self.turn_ns) = (serial, turn_ns);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn only_the_same_head_in_the_same_turn_gets_the_answer() {
        let response = |head: &'static str| Response {
            head: [Bytes::from(head), Bytes::new()],
            body: Body::Empty,
        };
        let mut repeat = Repeat::default();
        let mut make = |serial, turn_ns, text, pure| {
            if let Some(kept) = repeat.answer(serial, turn_ns) {
                return (kept.head[0].clone(), true);
            }
            repeat.pure = pure;
            let made = response(text);
            repeat.note(serial, turn_ns, Some(&made));
            (made.head[0].clone(), false)
        };
        for (serial, turn_ns, pure, expected) in [
            (1, 10, true, ("a", false)),
            (1, 10, true, ("b", false)),
            (1, 10, true, ("b", true)),
            (1, 10, true, ("b", true)),
            // Another turn, another head, and back.
            (1, 11, true, ("e", false)),
            (2, 11, true, ("f", false)),
            (1, 11, true, ("g", false)),
            // What is not only of the head is never kept.
            (3, 11, false, ("h", false)),
            (3, 11, false, ("i", false)),
            (3, 11, true, ("j", false)),
            (3, 11, true, ("j", true)),
        ] {
            let text = match expected.0 {
                text if !expected.1 => text,
                _ => "never",
            };
            let (found, kept) = make(serial, turn_ns, text, pure);
            assert_eq!((&*found, kept), (expected.0.as_bytes(), expected.1));
        }
    }
}
