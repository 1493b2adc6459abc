//! The streams of a connection that are open: found by identifier in a step or two, bounded, and small when idle.
//!
//! Streams live in a slab; a table of slab indices, addressed by the low bits of the identifier (which counts up by
//! twos) and probed in line, finds them. The scheduler's queues are linked through the slab.

use std::rc::Rc;

use bytes::Bytes;

use super::frame::StreamId;
use super::priority::Priority;
use super::stream::State;
use super::window::Window;
use crate::response::{Body, Response};

/// Index of a stream in the slab.
pub(super) type Index = u16;

/// No stream.
pub(super) const NONE: Index = Index::MAX;

/// How far the response of a stream is, and which queue the stream is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no response yet.
    Waiting,
    /// In the queue of responses whose field block goes out next.
    Fresh,
    /// The field block has begun to go out and is not whole yet: the connection holds the rest of it.
    Heading,
    /// In the queue of bodies.
    Body,
    /// The body waits for the stream's window.
    Blocked,
    /// The body waits for the application: nothing of it is known at the moment, and more may come.
    Dry,
    /// In the queue of what needs no window, with the end of the message: its trailers, or END_STREAM alone.
    Ending,
}

impl Phase {
    /// Whether the stream is in a queue of the scheduler.
    pub(super) fn is_queued(self) -> bool {
        matches!(self, Self::Fresh | Self::Body | Self::Ending)
    }
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream<F> {
    /// Zero when the place is free.
    pub id: StreamId,
    pub state: State,
    pub phase: Phase,
    pub priority: Priority,
    /// Whether the request was delivered, so that its end is worth an event.
    pub delivered: bool,
    /// Whether a WINDOW_UPDATE for it is queued.
    pub update_queued: bool,
    pub prev: Index,
    pub next: Index,
    pub send_window: Window,
    pub recv_window: Window,
    /// Received bytes that were not given back to the peer yet.
    pub recv_owed: u32,
    /// The window's size: what is available, owed, held, and passing through in one.
    pub recv_size: u32,
    /// Whether its reader releases what it has read, by [`Connection::release`](super::Connection::release).
    pub reader: bool,
    /// Bytes that the reader has not released yet.
    pub recv_held: u32,
    /// Content that is still to come, when the request said how much.
    pub content_left: Option<u64>,
    /// Whether the peer waits for 100 (Continue) before it sends content: until some comes.
    pub expects_continue: bool,
    /// When its response last moved on, in nanoseconds, and bytes since.
    pub moved_ns: u64,
    pub moved: u32,
    /// When the request was complete enough to be delivered.
    pub received_ns: u64,
    /// The field block of its response, until that goes out.
    pub head: Option<[Bytes; 2]>,
    pub body: Body<F>,
    /// Both instead, until its turn comes, when others are answered with the same.
    pub repeated: Option<Rc<Response<F>>>,
}

/// The store.
#[derive(Debug)]
pub(super) struct Streams<F> {
    slab: Vec<Stream<F>>,
    /// Slab index + 1, or 0; a power of two long, at most half full. Who is further from where it is looked for first
    /// comes first, so that a run that was in place stays there when its head goes: identifiers count up, and mostly end
    /// in that order.
    table: Vec<u16>,
    /// First free place of the slab, linked by `next`.
    free: Index,
    len: u16,
}

impl<F> Stream<F> {
    /// Where a response belongs whose field block is out.
    pub(super) fn rest(&self) -> Phase {
        match (self.body.known_len(), self.body.is_open()) {
            (0, true) => Phase::Dry,
            (0, false) => Phase::Ending,
            _ if self.send_window.available() == 0 => Phase::Blocked,
            _ => Phase::Body,
        }
    }
}

impl<F> Default for Streams<F> {
    fn default() -> Self {
        Self {
            slab: Vec::new(),
            table: Vec::new(),
            free: NONE,
            len: 0,
        }
    }
}

impl<F> Streams<F> {
    /// Streams in the store.
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Places of the slab: every index is below. A place whose stream has the identifier 0 is free.
    pub(super) fn places(&self) -> Index {
        // The cast keeps the value: the slab is bounded.
        self.slab.len() as Index
    }

    /// Where `id` is looked for first.
    fn bucket(&self, id: StreamId) -> usize {
        (id >> 1) as usize & (self.table.len() - 1)
    }

    /// How far `at` is from there.
    fn distance(&self, id: StreamId, at: usize) -> usize {
        at.wrapping_sub(self.bucket(id)) & (self.table.len() - 1)
    }

    /// Finds a stream.
    pub(super) fn find(&self, id: StreamId) -> Option<Index> {
        if self.len == 0 {
            return None;
        }
        let mut at = self.bucket(id);
        loop {
            let index = self.table[at].checked_sub(1)?;
            if self.slab[usize::from(index)].id == id {
                return Some(index);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }

    /// The stream at `index`, which came from [`Streams::find`] or [`Streams::insert`] and was not removed since.
    pub(super) fn get(&self, index: Index) -> &Stream<F> {
        &self.slab[usize::from(index)]
    }

    /// As [`Streams::get`], to be changed.
    pub(super) fn get_mut(&mut self, index: Index) -> &mut Stream<F> {
        &mut self.slab[usize::from(index)]
    }

    /// Every stream.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream<F>> {
        self.slab.iter().filter(|stream| stream.id != 0)
    }

    /// Every stream, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream<F>> {
        self.slab.iter_mut().filter(|stream| stream.id != 0)
    }

    /// Adds a stream whose identifier is not in the store, or `None` when the index space is used up (which the
    /// limit of concurrent streams comes before).
    pub(super) fn insert(&mut self, stream: Stream<F>) -> Option<Index> {
        let id = stream.id;
        debug_assert!(id != 0 && self.find(id).is_none());
        if self.len() >= usize::from(NONE / 2) {
            return None;
        }
        if (self.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let index = if self.free == NONE {
            if self.slab.len() == self.slab.capacity() {
                // From one place on: most connections of thousands have one stream at a time.
                self.slab.reserve_exact(self.slab.len().max(1));
            }
            self.slab.push(stream);
            // The cast keeps the value: the slab is bounded above.
            (self.slab.len() - 1) as Index
        } else {
            let index = self.free;
            self.free = self.get(index).next;
            *self.get_mut(index) = stream;
            index
        };
        self.link(id, index);
        self.len += 1;
        Some(index)
    }

    /// Removes a stream, which is in no queue any more.
    pub(super) fn remove(&mut self, index: Index) {
        let id = self.get(index).id;
        let mask = self.table.len() - 1;
        let mut at = self.bucket(id);
        while self.table[at] != index + 1 {
            at = (at + 1) & mask;
        }
        // What follows moves up, as far as it is not where it belongs.
        let mut hole = at;
        loop {
            at = (at + 1) & mask;
            let Some(follower) = self.table[at].checked_sub(1) else {
                break;
            };
            if self.distance(self.get(follower).id, at) == 0 {
                break;
            }
            self.table[hole] = self.table[at];
            hole = at;
        }
        self.table[hole] = 0;
        let free = self.free;
        let stream = self.get_mut(index);
        stream.id = 0;
        stream.next = free;
        stream.head = None;
        stream.body = Body::Empty;
        stream.repeated = None;
        self.free = index;
        self.len -= 1;
    }

    /// Removes every stream.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives the memory back when there are no streams.
    pub(super) fn trim(&mut self) {
        if self.len == 0 {
            self.clear();
        }
    }

    /// Whether there is memory to give back.
    pub(super) fn is_trimmable(&self) -> bool {
        self.len == 0 && self.slab.capacity() > 0
    }

    fn link(&mut self, id: StreamId, mut index: Index) {
        let mask = self.table.len() - 1;
        let mut at = self.bucket(id);
        let mut distance = 0;
        while let Some(there) = self.table[at].checked_sub(1) {
            let there_distance = self.distance(self.get(there).id, at);
            if there_distance < distance {
                self.table[at] = index + 1;
                (index, distance) = (there, there_distance);
            }
            (at, distance) = ((at + 1) & mask, distance + 1);
        }
        self.table[at] = index + 1;
    }

    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(8);
        self.table.clear();
        self.table.resize(len, 0);
        for at in 0..self.slab.len() {
            let id = self.slab[at].id;
            if id != 0 {
                self.link(id, at as Index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(id: StreamId) -> Stream<()> {
        Stream {
            id,
            state: State::Open,
            phase: Phase::Waiting,
            priority: Priority::default(),
            delivered: false,
            update_queued: false,
            prev: NONE,
            next: NONE,
            send_window: Window::new(0),
            recv_window: Window::new(0),
            recv_owed: 0,
            recv_size: 0,
            reader: false,
            recv_held: 0,
            content_left: None,
            expects_continue: false,
            moved_ns: 0,
            moved: 0,
            received_ns: 0,
            head: None,
            body: Body::Empty,
            repeated: None,
        }
    }

    proptest! {
        /// Against a plain list, with identifiers that collide.
        #[test]
        fn finds_what_is_in_it(steps in prop::collection::vec((0u32..40, any::<bool>(), any::<bool>()), 1..400)) {
            let mut store = Streams::default();
            let mut model = Vec::new();
            for (n, insert, spread) in steps {
                let id = if spread { n * 64 + 1 } else { n * 2 + 1 };
                match (model.iter().position(|&other| other == id), insert) {
                    (None, true) => {
                        store.insert(stream(id));
                        model.push(id);
                    }
                    (Some(at), false) => {
                        if let Some(index) = store.find(id) {
                            store.remove(index);
                        }
                        model.swap_remove(at);
                    }
                    _ => {}
                }
                prop_assert_eq!(store.len(), model.len());
                for n in 0..40 {
                    for id in [n * 2 + 1, n * 64 + 1] {
                        let found = store.find(id).map(|index| store.get(index).id);
                        prop_assert_eq!(found, model.contains(&id).then_some(id));
                    }
                }
                prop_assert_eq!(store.iter_mut().count(), model.len());
            }
            for id in model {
                if let Some(index) = store.find(id) {
                    store.remove(index);
                }
            }
            store.trim();
            prop_assert!(!store.is_trimmable() && store.find(1).is_none());
        }
    }

    #[test]
    fn places_are_used_again() {
        let mut store = Streams::default();
        for n in 0..10_000 {
            store.insert(stream(n * 2 + 1));
            if n >= 4 {
                let index = store.find((n - 4) * 2 + 1);
                assert!(index.is_some());
                index.into_iter().for_each(|index| store.remove(index));
            }
        }
        assert!(store.slab.len() <= 5 && store.table.len() <= 16);
    }
}
