//! The submission and completion queues, and the one system call that moves them.
//!
//! Nothing that is pushed is lost: what finds the submission queue full and cannot be submitted either waits here.
//! Nothing that completes is lost: completions are copied out as they are seen, and the kernel keeps those that found
//! the completion queue full (`IORING_FEAT_NODROP`) until it is entered for them.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use io_uring::{EnterFlags, IoUring, squeue};
use rustix::io::Errno;

use super::last_errno;
use super::op::Cqe;

/// `IORING_REGISTER_RING_FDS` and its opposite (linux/io_uring.h).
const REGISTER_RING_FDS: libc::c_uint = 20;
const UNREGISTER_RING_FDS: libc::c_uint = 21;

/// What a ring has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Calls of `io_uring_enter(2)`.
    pub enters: u64,
    /// Times that completions had to be fetched because the completion queue had overflowed.
    pub overflows: u64,
    /// Times that an operation found the submission queue full.
    pub full_submission_queue: u64,
    /// Receives that ended because no provided buffer was free.
    pub no_buffers: u64,
    /// Times that the kernel could not take what was queued (`EAGAIN`, `EBUSY`); it is offered again.
    pub refused: u64,
}

/// `struct io_uring_rsrc_update` (linux/io_uring.h).
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    resv: u32,
    data: u64,
}

/// `struct io_uring_getevents_arg` (linux/io_uring.h).
#[repr(C)]
struct GetEventsArg {
    sigmask: u64,
    sigmask_size: u32,
    min_wait_us: u32,
    timespec: u64,
}

/// `struct __kernel_timespec` (linux/time_types.h).
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanoseconds: i64,
}

/// What a wait goes on for when there is a completion already, and no longer than so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Completions that are waited for.
    pub completions: u32,
    /// Microseconds from the beginning of the wait: after that, one completion is enough.
    pub within_us: u32,
}

/// How the kernel is to wait.
#[derive(Clone, Copy)]
struct Wait {
    completions: u32,
    /// After that, one completion is enough; 0 when only one is waited for.
    batch_us: u32,
    timeout: Duration,
}

pub(super) struct Queues {
    pub(super) io: IoUring,
    /// Index of the ring's descriptor in the thread's table of registered ones, when it could be registered.
    registered: Option<u32>,
    /// Entries that found no room, in order.
    waiting: VecDeque<squeue::Entry>,
    /// Completions copied out and not handed out.
    ready: VecDeque<Cqe>,
    /// Whether the kernel can wait for several completions, but no longer than so long (`IORING_FEAT_MIN_TIMEOUT`).
    pub(super) batches: bool,
    pub(super) counters: RingCounters,
}

impl Queues {
    pub(super) fn new(io: IoUring) -> Self {
        let registered = register_ring_fd(&io);
        Self {
            ready: VecDeque::with_capacity(io.params().cq_entries() as usize),
            batches: io.params().is_feature_min_timeout(),
            io,
            registered,
            waiting: VecDeque::new(),
            counters: RingCounters::default(),
        }
    }

    /// Operations queued and not submitted.
    pub(super) fn queued(&self) -> usize {
        // SAFETY: every other view of the submission queue is made and dropped within one `&mut self` method.
        let submission = unsafe { self.io.submission_shared() };
        submission.len() + self.waiting.len()
    }

    /// Queues an entry; submits to make room for it when there is none.
    ///
    /// # Safety
    /// What the entry points to is valid until its last completion, and may be read and written by the kernel until
    /// then.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: promised by the caller.
        if self.waiting.is_empty() && unsafe { self.io.submission().push(&entry) }.is_ok() {
            return;
        }
        self.counters.full_submission_queue += 1;
        self.waiting.push_back(entry);
        self.flush();
        self.fill();
    }

    /// Submits what is queued and runs what the kernel has deferred. Does not wait.
    pub(super) fn submit(&mut self) {
        while self.flush() {}
    }

    /// One step of [`Queues::submit`]: whether there was progress and more is to be done.
    fn flush(&mut self) -> bool {
        self.fill();
        let (queued, events) = self.look();
        if queued == 0 && !events {
            return false;
        }
        // Make room for what the kernel may have to flush.
        self.reap();
        match self.enter(queued, events, None) {
            Ok(taken) => taken > 0 && self.queued() > 0,
            Err(errno) => errno == Errno::INTR,
        }
    }

    /// Submits what is queued and waits for a completion, at most for `timeout`; not at all when one is there. With a
    /// `batch` it waits on for that, if the kernel can.
    pub(super) fn wait(&mut self, timeout: Duration, batch: Option<Batch>) {
        let batch = batch.filter(|_| self.batches);
        // What completes as it is submitted is not to be counted for a batch.
        if !self.waiting.is_empty() || batch.is_some() {
            self.submit();
        }
        self.reap();
        if !self.ready.is_empty() {
            return self.submit();
        }
        let (queued, _) = self.look();
        let wait = Wait {
            completions: batch.map_or(1, |batch| batch.completions),
            batch_us: batch.map_or(0, |batch| batch.within_us),
            timeout,
        };
        if let Err(Errno::AGAIN | Errno::BUSY) = self.enter(queued, true, Some(wait)) {
            // The kernel took nothing and did not wait. Wait for what is in flight: that frees what it lacks.
            self.reap();
            if self.ready.is_empty() {
                let _ = self.enter(0, true, Some(wait));
            }
        }
    }

    /// The next completion, if there is one now.
    pub(super) fn next(&mut self) -> Option<Cqe> {
        if self.ready.is_empty() {
            self.reap();
            // Completions that found no room have to be fetched.
            if self.ready.is_empty() && self.io.submission().cq_overflow() {
                self.counters.overflows += 1;
                let _ = self.enter(0, true, None);
                self.reap();
            }
        }
        self.ready.pop_front()
    }

    /// Whether a completion is there now.
    pub(super) fn has_completion(&mut self) -> bool {
        !self.ready.is_empty() || !self.io.completion().is_empty()
    }

    /// Whether there is something to do without waiting: entries to submit, deferred work, completions.
    pub(super) fn pending(&mut self) -> bool {
        let sq = self.io.submission();
        let pending = !sq.is_empty() || sq.taskrun() || sq.cq_overflow();
        drop(sq);
        pending
            || !self.waiting.is_empty()
            || !self.ready.is_empty()
            || !self.io.completion().is_empty()
    }

    /// Entries in the submission queue, and whether the kernel has deferred work or overflowed completions for us.
    fn look(&mut self) -> (usize, bool) {
        let sq = self.io.submission();
        let overflow = sq.cq_overflow();
        self.counters.overflows += u64::from(overflow);
        (sq.len(), overflow || sq.taskrun())
    }

    /// Copies completions out of the queue.
    fn reap(&mut self) {
        self.ready.extend(self.io.completion().map(Cqe::from));
    }

    /// Moves waiting entries into the submission queue as far as there is room.
    fn fill(&mut self) {
        while let Some(entry) = self.waiting.front() {
            // SAFETY: promised by the caller of `push`.
            if unsafe { self.io.submission().push(entry) }.is_err() {
                return;
            }
            self.waiting.pop_front();
        }
    }

    /// Enters the kernel: submits `submit` entries, waits, runs deferred work and flushes overflowed completions when
    /// `events`. Returns how many entries were taken.
    fn enter(&mut self, submit: usize, events: bool, wait: Option<Wait>) -> Result<usize, Errno> {
        self.counters.enters += 1;
        let mut flags = EnterFlags::empty();
        flags.set(EnterFlags::GETEVENTS, events);
        let fd = match self.registered {
            Some(index) => {
                flags.insert(EnterFlags::REGISTERED_RING);
                index as libc::c_int
            }
            None => self.io.as_raw_fd(),
        };
        let wait = wait.map(|wait| {
            let timespec = KernelTimespec {
                seconds: wait.timeout.as_secs().try_into().unwrap_or(i64::MAX),
                nanoseconds: wait.timeout.subsec_nanos().into(),
            };
            (wait, timespec)
        });
        let want = wait.as_ref().map_or(0, |(wait, _)| wait.completions);
        let arg = wait.as_ref().map(|(wait, timespec)| GetEventsArg {
            sigmask: 0,
            sigmask_size: 0,
            min_wait_us: wait.batch_us,
            timespec: ptr::from_ref(timespec) as u64,
        });
        let (arg, arg_size) = match &arg {
            Some(arg) => {
                flags.insert(EnterFlags::EXT_ARG);
                (ptr::from_ref(arg), size_of::<GetEventsArg>())
            }
            None => (ptr::null(), 0),
        };
        // SAFETY: the descriptor is this ring's, or the registered index of it; the argument is null or of the size
        // given, and it and the time it points to live until the call returns. The entries submitted are good by the
        // contract of `push`.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                submit as libc::c_uint,
                want,
                flags.bits(),
                arg,
                arg_size,
            )
        };
        usize::try_from(taken).map_err(|_| {
            let errno = last_errno();
            match errno {
                Errno::AGAIN | Errno::BUSY => self.counters.refused += 1,
                Errno::BADR => {
                    tracing::error!("the kernel had no memory for completions and dropped some");
                }
                _ => {}
            }
            errno
        })
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        // A registered descriptor would keep the ring until the thread ends.
        if let Some(index) = self.registered {
            ring_fd(&self.io, UNREGISTER_RING_FDS, index, 0);
        }
    }
}

/// Registers the ring's descriptor with the thread, so that entering need not look it up. `None` when the thread's
/// table is full: that costs speed only.
fn register_ring_fd(io: &IoUring) -> Option<u32> {
    ring_fd(io, REGISTER_RING_FDS, u32::MAX, io.as_raw_fd() as u64)
}

fn ring_fd(io: &IoUring, opcode: libc::c_uint, offset: u32, data: u64) -> Option<u32> {
    let mut update = RsrcUpdate {
        offset,
        resv: 0,
        data,
    };
    // SAFETY: both opcodes take one such structure, which lives until the call returns.
    let done = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            io.as_raw_fd(),
            opcode,
            ptr::from_mut(&mut update),
            1,
        )
    };
    (done == 1).then_some(update.offset)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_table_of_rings_does_not_fill_up() {
        // It has 16 places.
        for _ in 0..40 {
            let queues = Queues::new(IoUring::new(2).unwrap());
            assert!(queues.registered.is_some());
        }
    }
}
