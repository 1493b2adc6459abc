//! Who carries operations out: the kernel, or in tests a simulation of it.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::squeue;
use io_uring::types::Napi;
use rustix::io::Errno;

use super::errno_of;
use super::op::Cqe;
use super::queues::{Batch, Queues, RingCounters};
#[cfg(test)]
use super::simulated;

/// The two queues of a ring, whoever is at their other end.
#[cfg_attr(
    test,
    expect(
        clippy::large_enum_variant,
        reason = "there is one variant but in tests"
    )
)]
pub(super) enum Backend {
    Kernel(Queues),
    #[cfg(test)]
    Simulated(simulated::Queues),
}

/// The same call on either.
macro_rules! either {
    ($self:ident, $queues:ident => $call:expr) => {
        match $self {
            Self::Kernel($queues) => $call,
            #[cfg(test)]
            Self::Simulated($queues) => $call,
        }
    };
}

impl Backend {
    /// As [`Queues::push`].
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: promised by the caller.
        either!(self, queues => unsafe { queues.push(entry) });
    }

    pub(super) fn queued(&self) -> usize {
        either!(self, queues => queues.queued())
    }

    pub(super) fn submit(&mut self) {
        either!(self, queues => queues.submit());
    }

    pub(super) fn wait(&mut self, timeout: Duration, batch: Option<Batch>) {
        match self {
            Self::Kernel(queues) => queues.wait(timeout, batch),
            // Time is not its own: nothing happens in it by waiting.
            #[cfg(test)]
            Self::Simulated(queues) => queues.submit(),
        }
    }

    pub(super) fn next(&mut self) -> Option<Cqe> {
        either!(self, queues => queues.next())
    }

    pub(super) fn has_completion(&mut self) -> bool {
        either!(self, queues => queues.has_completion())
    }

    /// Whether there is something to do without waiting.
    pub(super) fn pending(&mut self) -> bool {
        match self {
            Self::Kernel(queues) => queues.pending(),
            #[cfg(test)]
            Self::Simulated(queues) => queues.queued() > 0 || queues.has_completion(),
        }
    }

    /// See [`Ring::busy_poll`](super::Ring::busy_poll).
    pub(super) fn busy_poll(&self, microseconds: u32) -> Result<(), Errno> {
        match self {
            Self::Kernel(queues) => {
                let mut napi = Napi::new().set_busy_poll_timeout(microseconds);
                let registered = queues.io.submitter().register_napi(&mut napi);
                registered.map_err(|error| errno_of(&error))
            }
            #[cfg(test)]
            Self::Simulated(_) => Err(Errno::OPNOTSUPP),
        }
    }

    pub(super) fn counters(&self) -> RingCounters {
        either!(self, queues => queues.counters)
    }

    pub(super) fn counters_mut(&mut self) -> &mut RingCounters {
        either!(self, queues => &mut queues.counters)
    }

    /// Has an eventfd signalled when there is something to do; whether it will be.
    pub(super) fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> bool {
        match self {
            Self::Kernel(queues) => {
                let submitter = queues.io.submitter();
                submitter.register_eventfd(eventfd.as_raw_fd()).is_ok()
            }
            #[cfg(test)]
            Self::Simulated(_) => false,
        }
    }

    /// Has it left alone again.
    pub(super) fn unregister_eventfd(&self) {
        match self {
            // It fails when there is none.
            Self::Kernel(queues) => drop(queues.io.submitter().unregister_eventfd()),
            #[cfg(test)]
            Self::Simulated(_) => {}
        }
    }
}
