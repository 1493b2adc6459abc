//! Work that would hold the loop up and that no ring operation does: a thread beside the shard does it, and what comes of
//! it is fetched when the shard is woken by its pipe. What takes long has a thread of its own: nothing else waits for it.
//! Who asks for what is being done shares it, and what nobody waits for any more is not done.
//!
//! The threads are our own and not the executor's: those are reached through a turn of the executor, and a driver
//! that gives it one may not get its own back (see `PREEMPT_TIMER`).

use std::collections::HashMap;
use std::hash::Hash;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Says to work that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwanted(Arc<AtomicBool>);

impl Unwanted {
    /// Whether the rest need not be done.
    pub(super) fn is_said(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A piece of work that waits or runs.
struct Piece<K, W> {
    lane: Lane,
    subject: K,
    waiters: Vec<W>,
    unwanted: Unwanted,
}

/// The work of one shard: each piece makes a `P`, and is begun for a `W` that waits for it; those that are of the same `K`
/// are one.
pub(super) struct Offload<K, W, P> {
    pieces: Slab<Piece<K, W>>,
    /// Those that are wanted.
    by_subject: HashMap<K, Owner>,
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

impl<K: Clone + Eq + Hash, W, P: Send + 'static> Offload<K, W, P> {
    /// `wake` is the writing end of the shard's pipe, non-blocking; `affinity` are the cores to work on.
    pub(super) fn new(wake: OwnedFd, affinity: CpuSet) -> Self {
        let (sender, products) = channel();
        Self {
            pieces: Slab::default(),
            by_subject: HashMap::new(),
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

    /// Those who wait for this already, if it is being done: who joins them goes on when they do.
    pub(super) fn waiters(&mut self, subject: &K) -> Option<&mut Vec<W>> {
        let key = *self.by_subject.get(subject)?;
        self.pieces.get_mut(key).map(|piece| &mut piece.waiters)
    }

    /// Has `work` done, which is not being done; or says `false`: there is too much of it already.
    pub(super) fn begin(
        &mut self,
        lane: Lane,
        subject: K,
        waiter: W,
        work: impl FnOnce(&Unwanted) -> P + Send + 'static,
    ) -> bool {
        if self.begun[lane as usize] >= lane.most() {
            return false;
        }
        let Some(worker) = self.worker(lane) else {
            return false;
        };
        self.begun[lane as usize] += 1;
        let unwanted = Unwanted::default();
        let key = self.pieces.insert_with(|_| Piece {
            lane,
            subject: subject.clone(),
            waiters: vec![waiter],
            unwanted: unwanted.clone(),
        });
        self.by_subject.insert(subject, key);
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let work: Work = Box::new(move || {
            let product = if unwanted.is_said() {
                None
            } else {
                let done = catch_unwind(AssertUnwindSafe(|| work(&unwanted)));
                if done.is_err() {
                    tracing::error!("work for a request panicked; this is a bug");
                }
                done.ok()
            };
            // The shard is gone only when the server is ending. A full pipe wakes it anyway.
            let _ = sender.send((key, product));
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

    /// Somebody who waited is gone: what nobody else waits for is not done any more. Only the last who wait are asked, so
    /// that each is once: those before them are when these are gone.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&W) -> bool) {
        for piece in self.pieces.values_mut() {
            while piece.waiters.pop_if(|waiter| is_gone(waiter)).is_some() {}
            if piece.waiters.is_empty() && !piece.unwanted.is_said() {
                piece.unwanted.0.store(true, Ordering::Relaxed);
                // Who asks for it now has it done anew.
                self.by_subject.remove(&piece.subject);
            }
        }
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
        !self.pieces.is_empty()
    }

    /// What has come of a piece of work, and who waits for it: nothing, if it panicked or nobody does.
    pub(super) fn next_product(&mut self) -> Option<(Vec<W>, Option<P>)> {
        loop {
            let (key, product) = self.products.try_recv().ok()?;
            if let Some(piece) = self.pieces.remove(key) {
                self.begun[piece.lane as usize] -= 1;
                if !piece.unwanted.is_said() {
                    self.by_subject.remove(&piece.subject);
                }
                return Some((piece.waiters, product));
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
        assert!(
            offload.begin(Lane::Short, 1, "first", move |_| thread::current().id()
                != here)
        );
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some((vec!["first"], Some(true))));
        assert!(offload.begin(Lane::Short, 2, "panics", |_| panic!("on purpose")));
        assert!(offload.begin(Lane::Short, 3, "second", |_| false));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some((vec!["panics"], None)));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some((vec!["second"], Some(false))));
        assert_eq!(offload.next_product(), None);
    }

    #[test]
    fn there_is_only_so_much_of_it() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        for lane in [Lane::Short, Lane::Long] {
            for n in 0..lane.most() {
                assert!(offload.begin(lane, n, n, |_| ()));
            }
            assert!(!offload.begin(lane, 1_000, 7, |_| ()));
            for n in 0..lane.most() {
                rustix::io::read(&woken, &mut [0; 1]).unwrap();
                assert_eq!(offload.next_product(), Some((vec![n], Some(()))));
            }
            assert!(offload.begin(lane, 1_000, 8, |_| ()));
            rustix::io::read(&woken, &mut [0; 1]).unwrap();
            assert_eq!(offload.next_product(), Some((vec![8], Some(()))));
        }
    }

    #[test]
    fn nothing_waits_for_what_takes_long() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        let (go_on, waits) = channel::<()>();
        assert!(offload.begin(Lane::Long, 1, "long", move |_| waits.recv().unwrap()));
        assert!(offload.begin(Lane::Short, 2, "short", |_| ()));
        for name in ["short", "long"] {
            rustix::io::read(&woken, &mut [0; 1]).unwrap();
            assert_eq!(offload.next_product(), Some((vec![name], Some(()))));
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
        assert!(offload.begin(Lane::Short, 1, "waits", |_| true));
        rustix::io::read(&woken, &mut [0; 1]).unwrap();
        assert_eq!(offload.next_product(), Some((vec!["waits"], Some(true))));
    }

    #[test]
    fn what_is_being_done_is_shared_until_nobody_waits_for_it() {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut offload = Offload::new(wake, sched_getaffinity(None).unwrap());
        let ((begun, begins), (go_on, waits)) = (channel::<()>(), channel::<()>());
        let running = move |unwanted: &Unwanted| {
            begun.send(()).unwrap();
            waits.recv().unwrap();
            unwanted.is_said()
        };
        assert!(offload.begin(Lane::Long, "running", 1, running));
        assert!(offload.begin(Lane::Long, "waiting", 2, |_| panic!("it is done")));
        begins.recv().unwrap();
        offload.waiters(&"running").unwrap().push(3);
        offload.forget(|&waiter| waiter != 1);
        assert_eq!(offload.waiters(&"running"), Some(&mut vec![1]));
        assert_eq!(offload.waiters(&"waiting"), None);
        offload.forget(|_| true);
        assert_eq!(offload.waiters(&"running"), None);
        // Another piece of the same, which is not the one that is given up.
        assert!(offload.begin(Lane::Long, "running", 4, |_| false));
        go_on.send(()).unwrap();
        for (waiters, product) in [(vec![], Some(true)), (vec![], None), (vec![4], Some(false))] {
            if waiters == [4] {
                assert_eq!(offload.waiters(&"running"), Some(&mut vec![4]));
            }
            rustix::io::read(&woken, &mut [0; 1]).unwrap();
            assert_eq!(offload.next_product(), Some((waiters, product)));
        }
        assert_eq!(offload.waiters(&"running"), None);
    }
}
