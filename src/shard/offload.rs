//! Work that would hold the loop up and that no ring operation does: it is handed to the executor's blocking threads,
//! and what comes of it is fetched when the shard is woken by its pipe.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::thread::{CpuSet, sched_setaffinity};

use super::slab::Slab;
use crate::uring::Owner;

/// Pieces of work that may wait or run at once; more are refused, since each is worth far more than its request costs.
const MAX_BEGUN: usize = 256;

/// What a blocking thread runs.
type Work = Box<dyn FnOnce() + Send>;

/// The work of one shard: each piece makes a `P`, and is begun for a `W` that waits for it.
pub(super) struct Offload<W, P> {
    waiting: Slab<W>,
    queued: VecDeque<Work>,
    sender: Sender<(Owner, P)>,
    products: Receiver<(Owner, P)>,
    /// The pipe that wakes the shard.
    wake: OwnedFd,
    affinity: CpuSet,
}

impl<W, P: Send + 'static> Offload<W, P> {
    /// `wake` is the writing end of the shard's pipe, non-blocking; `affinity` are the cores to work on.
    pub(super) fn new(wake: OwnedFd, affinity: CpuSet) -> Self {
        let (sender, products) = channel();
        Self {
            waiting: Slab::default(),
            queued: VecDeque::new(),
            sender,
            products,
            wake,
            affinity,
        }
    }

    /// Has `work` done; or says `false`: there is too much of it already, or descriptors have run out.
    pub(super) fn begin(&mut self, waiter: W, work: impl FnOnce() -> P + Send + 'static) -> bool {
        if self.waiting.len() >= MAX_BEGUN {
            return false;
        }
        let Ok(wake) = self.wake.try_clone() else {
            return false;
        };
        let key = self.waiting.insert_with(|_| waiter);
        let (sender, affinity) = (self.sender.clone(), self.affinity);
        self.queued.push_back(Box::new(move || {
            // The executor's threads begin on its core. Where this is refused they stay there.
            let _ = sched_setaffinity(None, &affinity);
            let product = work();
            // The shard is gone only when the server is ending. A full pipe wakes it anyway.
            let _ = sender.send((key, product));
            let _ = rustix::io::write(&wake, b"!");
        }));
        true
    }

    /// A piece of work that is to be handed to a blocking thread.
    pub(super) fn next_work(&mut self) -> Option<Work> {
        self.queued.pop_front()
    }

    /// What has come of a piece of work, and who waits for it.
    pub(super) fn next_product(&mut self) -> Option<(W, P)> {
        loop {
            let (key, product) = self.products.try_recv().ok()?;
            if let Some(waiter) = self.waiting.remove(key) {
                return Some((waiter, product));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn work_is_done_elsewhere_and_fetched_here() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        assert!(offload.begin("first", || 1));
        assert!(offload.begin("second", || 2));
        assert_eq!(offload.next_product(), None);
        for work in [offload.next_work().unwrap(), offload.next_work().unwrap()] {
            std::thread::spawn(work).join().unwrap();
        }
        assert!(offload.next_work().is_none());
        assert_eq!(rustix::io::read(&woken, &mut [0; 8]).unwrap(), 2);
        assert_eq!(offload.next_product(), Some(("first", 1)));
        assert_eq!(offload.next_product(), Some(("second", 2)));
        assert_eq!(offload.next_product(), None);
    }

    #[test]
    fn there_is_only_so_much_of_it() {
        let (_woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        for n in 0..MAX_BEGUN {
            assert!(offload.begin(n, || ()));
        }
        assert!(!offload.begin(7, || ()));
        offload.next_work().unwrap()();
        assert_eq!(offload.next_product(), Some((0, ())));
        assert!(offload.begin(8, || ()));
    }
}
