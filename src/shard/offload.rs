//! Work that would hold the loop up and that no ring operation does: a thread beside the shard does it, and what comes of
//! it is fetched when the shard is woken by its pipe. What takes long has a thread of its own: nothing else waits for it.
//!
//! The threads are our own and not the executor's: those are reached through a turn of the executor, and a driver
//! that gives it one may not get its own back (see `PREEMPT_TIMER`).

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::uring::{Owner, Slab};

/// Which of the threads does a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// What takes a tenth of a second at most, with its bytes in memory.
    Short,
    /// What may take minutes: the bytes of a large file.
    Long,
}

const LANES: usize = 2;

impl Lane {
    /// Pieces of work that may wait or run at once; more are refused, since each is worth far more than its request costs.
    const fn most(self) -> usize {
        match self {
            Self::Short => 256,
            Self::Long => 8,
        }
    }
}

/// What the threads run.
type Work = Box<dyn FnOnce() + Send>;

/// The work of one shard: each piece makes a `P`, and is begun for a `W` that waits for it.
pub(super) struct Offload<W, P> {
    waiting: Slab<(Lane, W)>,
    /// Of each lane, what waits or runs.
    begun: [usize; LANES],
    /// To the threads; each is started when there is something to do, and ends with the shard.
    workers: [Option<Sender<Work>>; LANES],
    sender: Sender<(Owner, Option<P>)>,
    products: Receiver<(Owner, Option<P>)>,
    /// The pipe that wakes the shard.
    pub(super) wake: Arc<OwnedFd>,
    affinity: CpuSet,
    /// Work that is done when a simulation says so, and not by the thread.
    #[cfg(test)]
    pub(super) held: Option<std::collections::VecDeque<Work>>,
}

impl<W, P: Send + 'static> Offload<W, P> {
    /// `wake` is the writing end of the shard's pipe, non-blocking; `affinity` are the cores to work on.
    pub(super) fn new(wake: OwnedFd, affinity: CpuSet) -> Self {
        let (sender, products) = channel();
        Self {
            waiting: Slab::default(),
            begun: [0; LANES],
            workers: [None, None],
            sender,
            products,
            wake: Arc::new(wake),
            affinity,
            #[cfg(test)]
            held: None,
        }
    }

    /// Has `work` done; or says `false`: there is too much of it already.
    pub(super) fn begin(
        &mut self,
        lane: Lane,
        waiter: W,
        work: impl FnOnce() -> P + Send + 'static,
    ) -> bool {
        if self.begun[lane as usize] >= lane.most() {
            return false;
        }
        let Some(worker) = self.worker(lane) else {
            return false;
        };
        self.begun[lane as usize] += 1;
        let key = self.waiting.insert_with(|_| (lane, waiter));
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let work: Work = Box::new(move || {
            let product = catch_unwind(AssertUnwindSafe(work));
            if product.is_err() {
                tracing::error!("work for a request panicked; this is a bug");
            }
            // The shard is gone only when the server is ending. A full pipe wakes it anyway.
            let _ = sender.send((key, product.ok()));
            let _ = rustix::io::write(&wake, b"!");
        });
        #[cfg(test)]
        if let Some(held) = &mut self.held {
            held.push_back(work);
            return true;
        }
        // The thread ends only with its sender.
        let _ = worker.send(work);
        true
    }

    fn worker(&mut self, lane: Lane) -> Option<Sender<Work>> {
        #[cfg(test)]
        if self.held.is_some() {
            return Some(channel().0);
        }
        let started = &mut self.workers[lane as usize];
        if started.is_none() {
            let (worker, queue) = channel::<Work>();
            let affinity = self.affinity;
            thread::Builder::new()
                .name("ringlane-work".to_owned())
                .spawn(move || {
                    // It begins on its shard's core. Where this is refused it stays there.
                    let _ = sched_setaffinity(None, &affinity);
                    queue.into_iter().for_each(|work| work());
                })
                .ok()?;
            *started = Some(worker);
        }
        started.clone()
    }

    /// Whether there is work of which nothing was fetched yet.
    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What has come of a piece of work, and who waits for it: nothing, if it panicked.
    pub(super) fn next_product(&mut self) -> Option<(W, Option<P>)> {
        loop {
            let (key, product) = self.products.try_recv().ok()?;
            if let Some((lane, waiter)) = self.waiting.remove(key) {
                self.begun[lane as usize] -= 1;
                return Some((waiter, product));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::thread::sched_getaffinity;

    use super::*;
    use crate::uring::tests::in_a_process_of_its_own;

    #[test]
    fn work_is_done_elsewhere_and_fetched_here() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        let here = thread::current().id();
        assert!(offload.begin(Lane::Short, "first", move || thread::current().id() != here));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some(("first", Some(true))));
        assert!(offload.begin(Lane::Short, "panics", || panic!("on purpose")));
        assert!(offload.begin(Lane::Short, "second", || false));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some(("panics", None)));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some(("second", Some(false))));
        assert_eq!(offload.next_product(), None);
    }

    #[test]
    fn there_is_only_so_much_of_it() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        for lane in [Lane::Short, Lane::Long] {
            for n in 0..lane.most() {
                assert!(offload.begin(lane, n, || ()));
            }
            assert!(!offload.begin(lane, 7, || ()));
            for n in 0..lane.most() {
                rustix::io::read(&woken, &mut [0; 1]).unwrap();
                assert_eq!(offload.next_product(), Some((n, Some(()))));
            }
            assert!(offload.begin(lane, 8, || ()));
            rustix::io::read(&woken, &mut [0; 1]).unwrap();
            assert_eq!(offload.next_product(), Some((8, Some(()))));
        }
    }

    #[test]
    fn nothing_waits_for_what_takes_long() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        let (go_on, waits) = channel::<()>();
        assert!(offload.begin(Lane::Long, "long", move || waits.recv().unwrap()));
        assert!(offload.begin(Lane::Short, "short", || ()));
        for name in ["short", "long"] {
            rustix::io::read(&woken, &mut [0; 1]).unwrap();
            assert_eq!(offload.next_product(), Some((name, Some(()))));
            let _ = go_on.send(());
        }
    }

    #[test]
    fn work_takes_no_descriptors() {
        if !in_a_process_of_its_own("shard::offload::tests::work_takes_no_descriptors") {
            return;
        }
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        let none = Rlimit {
            current: Some(0),
            ..getrlimit(Resource::Nofile)
        };
        setrlimit(Resource::Nofile, none).unwrap();
        assert!(offload.begin(Lane::Short, "waits", || true));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some(("waits", Some(true))));
    }
}
