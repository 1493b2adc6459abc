//! A kernel for tests: it takes the very entries that a [`Ring`] submits, works on the memory that they point to, and
//! answers with completions, when and how a seeded generator says.
//!
//! What it does that a kernel may do: it completes operations in any order but that of one direction of one socket,
//! late or at once; sends, receives and reads less than it was asked for; ends multishot operations; runs out of
//! receive buffers; fails what can fail ([`Odds`]). It has sockets with a capacity ([`socket`]) and files whose bytes
//! follow from their number and offset ([`files`]). An operation that it does not know ends with `EINVAL`.
//!
//! What it checks: the memory of an operation stays as it is until its last completion, a descriptor is closed with
//! nothing in flight on it, a socket has one receive and one send at a time.
//!
//! Descriptors are real ones that can do nothing (`O_PATH`), so that a system call made past the ring by mistake fails.
//! A send without a copy sends what its memory holds at once; that it is still the same at the release is checked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod disk;
mod entry;
pub(crate) mod files;
mod kernel;
mod memory;
mod network;
#[path = "../../../tests/support/random.rs"]
mod random;
mod sealing;
mod socket;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use io_uring::squeue;

pub(crate) use kernel::{Kernel, Odds};
pub(crate) use random::Random;
pub(crate) use socket::SocketId;

use super::backend::Backend;
use super::buf_ring::BufRing;
use super::op::{Cqe, Op, Owner, Table};
use super::queues::RingCounters;
use super::{Arena, Ring, RingOptions};
use entry::Sqe;

/// The queues of a ring whose kernel is simulated.
pub(super) struct Queues {
    kernel: Rc<RefCell<Kernel>>,
    submission: Vec<Sqe>,
    /// Entries that the submission queue has room for.
    entries: usize,
    pub(super) counters: RingCounters,
}

impl Queues {
    /// Queues an entry; submits when there is no room for it.
    ///
    /// # Safety
    /// As for the kernel's: what the entry points to stays valid until its last completion.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        if self.submission.len() == self.entries {
            self.counters.full_submission_queue += 1;
            self.submit();
        }
        self.submission.push(Sqe::of(&entry));
    }

    pub(super) fn queued(&self) -> usize {
        self.submission.len()
    }

    pub(super) fn submit(&mut self) {
        let mut kernel = self.kernel.borrow_mut();
        for sqe in self.submission.drain(..) {
            kernel.submit(sqe);
        }
    }

    pub(super) fn next(&mut self) -> Option<Cqe> {
        self.kernel.borrow_mut().completed.pop_front()
    }

    pub(super) fn has_completion(&self) -> bool {
        !self.kernel.borrow().completed.is_empty()
    }
}

impl Ring {
    /// A ring whose kernel is simulated.
    pub(crate) fn with_kernel(options: &RingOptions, kernel: &Rc<RefCell<Kernel>>) -> Self {
        let buffers = BufRing::new(options.recv_buffers, options.recv_buffer_bytes).unwrap();
        kernel.borrow_mut().buffers = Some(Rc::clone(&buffers));
        Self {
            queues: Backend::Simulated(Queues {
                kernel: Rc::clone(kernel),
                submission: Vec::new(),
                entries: options.entries as usize,
                counters: RingCounters::default(),
            }),
            ops: Table::default(),
            buffers,
            arena: Arena::new(options.arena_bytes).unwrap(),
            eventfd: kernel.borrow().placeholder(),
        }
    }

    /// The simulated kernel of this ring, if that is what it has.
    pub(super) fn simulated(&self) -> Option<&RefCell<Kernel>> {
        match &self.queues {
            Backend::Kernel(_) => None,
            Backend::Simulated(queues) => Some(&queues.kernel),
        }
    }

    /// The owner of each operation in flight, and the slots of the arena that they hold: number and bytes.
    pub(crate) fn held(&self) -> (Vec<Owner>, BTreeMap<u32, usize>) {
        let (mut owners, mut slots) = (Vec::new(), BTreeMap::new());
        for (owner, op) in self.ops.operations() {
            slots.extend(match op {
                Op::Send(gather) | Op::SendZeroCopy(gather, _) | Op::Read { gather, .. } => {
                    gather.arena_slot()
                }
                Op::Release { held, .. } => held.arena_slot(),
                _ => None,
            });
            if !matches!(op, Op::Release { .. }) {
                owners.push(owner);
            }
        }
        (owners, slots)
    }
}
