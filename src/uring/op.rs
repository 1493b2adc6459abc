//! Operations in flight: who is told of each, and what the kernel may still touch for it.
//!
//! `user_data` is an index into the table and the generation of the entry there, so a completion can never be taken
//! for that of a later operation. An entry is freed by the last completion of its operation and not before.

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use io_uring::cqueue;
use rustix::io::Errno;

use super::buf_ring::{BufRing, RecvBuffer};
use super::gather::{Gather, Held};
use super::mapping::Mapping;

/// Who is told of a completion: a slot of the caller's slab and the generation of what lives there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Index of the slot.
    pub slot: u32,
    /// Generation of the slot's content.
    pub generation: u32,
}

/// Something that the kernel did.
#[derive(Debug)]
pub struct Completion {
    /// Who asked for it.
    pub owner: Owner,
    /// What came of it.
    pub event: Event,
}

/// What came of an operation. Errors are the kernel's, as they are; a cancelled operation ends with `ECANCELED`.
#[derive(Debug)]
pub enum Event {
    /// A connection was accepted, or accepting failed (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`, `ECONNABORTED`, ...).
    Accepted {
        /// The new socket, close-on-exec.
        socket: Result<OwnedFd, Errno>,
        /// Whether accepting goes on; when not, it has to be asked for again.
        more: bool,
    },
    /// Bytes were received; none is the end of the stream. `ENOBUFS`: no provided buffer was free.
    Received {
        /// The bytes, in a buffer that goes back when dropped.
        data: Result<RecvBuffer, Errno>,
        /// Whether receiving goes on; when not, it has to be asked for again.
        more: bool,
    },
    /// Bytes were received and thrown away.
    Discarded {
        /// How many; none at the end of the stream.
        result: Result<usize, Errno>,
    },
    /// A send ended.
    Sent {
        /// What was sent, not advanced yet.
        gather: Box<Gather>,
        /// Bytes taken by the socket; `EAGAIN` when it was full.
        result: Result<usize, Errno>,
    },
    /// The kernel has let go of what a send without a copy referred to.
    Released {
        /// Whether it had to copy all the same.
        copied: bool,
    },
    /// The socket can be written to, or something has happened to it.
    Writable {
        /// Whether a send would do something: take bytes or tell an error. If not, the peer has only ended its side
        /// (`POLLRDHUP`, which every poll reports), and polling again would return at once.
        result: Result<bool, Errno>,
    },
    /// A read ended.
    Read {
        /// Whose buffer was read into.
        gather: Box<Gather>,
        /// Bytes read; fewer than asked for at the end of the file.
        result: Result<usize, Errno>,
    },
    /// A file was opened.
    Opened {
        /// The file.
        file: Result<OwnedFd, Errno>,
    },
    /// The pages are in memory.
    Populated {
        /// `EFAULT` when the file no longer reaches that far, or cannot be read there.
        result: Result<(), Errno>,
    },
    /// Somebody has written to the pipe.
    Woken {
        /// Bytes taken out; 0 when its writing end is closed.
        result: Result<usize, Errno>,
    },
}

/// An operation and what it keeps alive.
pub(super) enum Op {
    Accept,
    Recv,
    RecvOnce,
    Discard,
    Send(Box<Gather>),
    /// Sent without a copy, when the second is there; told of in two completions, of which this waits for the first.
    SendZeroCopy(Box<Gather>, Box<Held>),
    /// The second completion is waited for.
    Release {
        held: Box<Held>,
        /// Whether anything was sent: else the kernel says that it copied.
        sent: bool,
    },
    Writable,
    Read {
        file: Rc<OwnedFd>,
        gather: Box<Gather>,
    },
    Open {
        root: Rc<OwnedFd>,
        path: CString,
    },
    Populate(Rc<Mapping>),
    DropPages(Rc<OwnedFd>),
    Wake {
        pipe: Rc<OwnedFd>,
        /// Where the kernel writes: on the heap, so that moving the table does not touch it.
        bytes: Vec<u8>,
    },
    /// The descriptor belongs to the kernel from here on, unless it answers that it did nothing.
    Close(RawFd),
}

impl Op {
    /// Whether it waits for somebody to come or to say something, for as long as that takes.
    fn is_standing(&self) -> bool {
        matches!(self, Self::Accept | Self::Recv | Self::Wake { .. })
    }
}

/// One completion queue entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cqe {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

impl From<cqueue::Entry> for Cqe {
    fn from(entry: cqueue::Entry) -> Self {
        Self {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        }
    }
}

/// Names an operation, so that it can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserData(pub(super) u64);

/// `user_data` of operations of which nobody is told (cancellations). No entry has this index.
pub(super) const UNTOLD: u64 = u64::MAX;

/// `IORING_NOTIF_USAGE_ZC_COPIED` (linux/io_uring.h).
const NOTIF_USAGE_ZC_COPIED: u32 = 1 << 31;

/// The operations in flight.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Operations of which only the release is waited for.
    releases: usize,
    /// Those that [`Op::is_standing`] is true of.
    standing: usize,
}

struct Entry {
    generation: u32,
    owner: Owner,
    op: Option<Op>,
}

impl Table {
    /// Enters an operation and returns its `user_data`.
    pub(super) fn insert(&mut self, owner: Owner, op: Op) -> u64 {
        self.standing += usize::from(op.is_standing());
        let op = Some(op);
        let (index, generation) = match self.free.pop() {
            Some(index) => {
                let entry = &mut self.entries[index as usize];
                entry.owner = owner;
                entry.op = op;
                (index, entry.generation)
            }
            None => {
                let index = self.entries.len() as u32;
                assert!(index < u32::MAX, "fewer operations than that are in flight");
                self.entries.push(Entry {
                    generation: 0,
                    owner,
                    op,
                });
                (index, 0)
            }
        };
        u64::from(generation) << 32 | u64::from(index)
    }

    /// Operations in flight. Not those that are done but for the kernel's letting go of memory: that may take as long as
    /// the peer's acknowledgement does.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len() - self.releases
    }

    /// Those that end by themselves, and not only when somebody comes or says something.
    pub(super) fn working(&self) -> usize {
        self.len() - self.standing
    }

    /// Whether the kernel still refers to memory of operations that are done.
    pub(super) fn has_releases(&self) -> bool {
        self.releases > 0
    }

    /// The operations in flight, each with its owner.
    #[cfg(test)]
    pub(super) fn operations(&self) -> impl Iterator<Item = (Owner, &Op)> {
        self.entries
            .iter()
            .filter_map(|entry| entry.op.as_ref().map(|op| (entry.owner, op)))
    }

    /// What a completion means, and to whom. `None` when nobody is to be told.
    pub(super) fn complete(&mut self, cqe: Cqe, buffers: &Rc<BufRing>) -> Option<Completion> {
        let more = cqueue::more(cqe.flags);
        let (owner, op) = match self.find(cqe.user_data)? {
            (owner, Op::Accept) if more => (owner, Op::Accept),
            (owner, Op::Recv) if more => (owner, Op::Recv),
            (_, Op::SendZeroCopy(..)) if more => return self.await_release(cqe),
            // Not the last completion of a one-shot operation: its memory stays where it is.
            _ if more => return None,
            _ => self.remove(cqe.user_data)?,
        };
        // Not of a release, where it is neither a count nor an error number.
        let result = || result_of(cqe.result);
        let event = match op {
            Op::Release { held, sent } => {
                drop(held);
                if !sent {
                    return None;
                }
                let copied = cqe.result as u32 & NOTIF_USAGE_ZC_COPIED != 0;
                Event::Released { copied }
            }
            Op::Accept => Event::Accepted {
                socket: result().map(owned),
                more,
            },
            Op::Recv | Op::RecvOnce => {
                let data = match (result(), cqueue::buffer_select(cqe.flags)) {
                    (Ok(len), Some(bid)) => {
                        // SAFETY: this completion of a receive says that the kernel took this buffer and wrote `len`
                        // bytes to it; it is looked at once.
                        Ok(unsafe { buffers.take(bid, len as usize) })
                    }
                    (Err(errno), Some(bid)) => {
                        // SAFETY: as above; nothing was written, and the buffer goes straight back.
                        drop(unsafe { buffers.take(bid, 0) });
                        Err(errno)
                    }
                    // Only the end of the stream comes without a buffer.
                    (Ok(_), None) => Ok(buffers.nothing()),
                    (Err(errno), None) => Err(errno),
                };
                Event::Received { data, more }
            }
            Op::Discard => Event::Discarded {
                result: result().map(|len| len as usize),
            },
            Op::Send(gather) | Op::SendZeroCopy(gather, _) => Event::Sent {
                gather,
                result: result().map(|sent| sent as usize),
            },
            Op::Writable => Event::Writable {
                result: result()
                    .map(|mask| mask & (libc::POLLOUT | libc::POLLERR | libc::POLLHUP) as u32 != 0),
            },
            Op::Read { file, gather } => {
                drop(file);
                Event::Read {
                    gather,
                    result: result().map(|read| read as usize),
                }
            }
            Op::Open { root, path } => {
                drop((root, path));
                Event::Opened {
                    file: result().map(owned),
                }
            }
            Op::Populate(mapping) => {
                drop(mapping);
                Event::Populated {
                    result: result().map(drop),
                }
            }
            Op::Wake { pipe, bytes } => {
                drop((pipe, bytes));
                Event::Woken {
                    result: result().map(|read| read as usize),
                }
            }
            Op::DropPages(file) => {
                // Advice: that it was not taken changes nothing.
                drop(file);
                return None;
            }
            Op::Close(fd) => {
                if result() == Err(Errno::CANCELED) {
                    drop(owned(fd as u32));
                }
                return None;
            }
        };
        Some(Completion { owner, event })
    }

    /// The first completion of a send without a copy: its gather goes back, what it refers to is kept for the second.
    fn await_release(&mut self, cqe: Cqe) -> Option<Completion> {
        let result = result_of(cqe.result).map(|sent| sent as usize);
        let entry = &mut self.entries[cqe.user_data as u32 as usize];
        let Some(Op::SendZeroCopy(gather, held)) = entry.op.take() else {
            return None;
        };
        let sent = result.is_ok_and(|sent| sent > 0);
        entry.op = Some(Op::Release { held, sent });
        self.releases += 1;
        Some(Completion {
            owner: entry.owner,
            event: Event::Sent { gather, result },
        })
    }

    fn find(&self, user_data: u64) -> Option<(Owner, &Op)> {
        let entry = self.entries.get(user_data as u32 as usize)?;
        let op = entry.op.as_ref()?;
        (entry.generation == (user_data >> 32) as u32).then_some((entry.owner, op))
    }

    fn remove(&mut self, user_data: u64) -> Option<(Owner, Op)> {
        let index = user_data as u32;
        let entry = self.entries.get_mut(index as usize)?;
        let op = entry.op.take()?;
        let owner = entry.owner;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        self.standing -= usize::from(op.is_standing());
        if matches!(op, Op::Release { .. }) {
            self.releases -= 1;
        }
        Some((owner, op))
    }
}

/// A completion's result: a count or descriptor, or a negated error number.
fn result_of(result: i32) -> Result<u32, Errno> {
    u32::try_from(result).map_err(|_| Errno::from_raw_os_error(result.wrapping_neg()))
}

/// The descriptor that a completion handed over.
fn owned(fd: u32) -> OwnedFd {
    // SAFETY: callers pass the result of an accept or open that just succeeded, so the descriptor is new and ours
    // alone, or that of a close that the kernel did not carry out, which is ours again.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// `IORING_CQE_F_MORE` (linux/io_uring.h).
    const MORE: u32 = 1 << 1;

    fn owner(slot: u32) -> Owner {
        Owner {
            slot,
            generation: 0,
        }
    }

    #[test]
    fn errors_of_accepting_are_passed_on_as_they_are() {
        let mut table = Table::default();
        let buffers = BufRing::new(1, 1).unwrap();
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::CONNABORTED,
        ] {
            for flags in [MORE, 0] {
                let user_data = table.insert(owner(7), Op::Accept);
                let cqe = Cqe {
                    user_data,
                    result: -errno.raw_os_error(),
                    flags,
                };
                let completion = table.complete(cqe, &buffers).unwrap();
                assert_eq!(completion.owner, owner(7));
                let Event::Accepted { socket, more } = completion.event else {
                    panic!("not accepted");
                };
                assert_eq!(socket.unwrap_err(), errno);
                assert_eq!(more, flags == MORE);
                let cqe = Cqe { flags: 0, ..cqe };
                assert_eq!(table.complete(cqe, &buffers).is_some(), more);
                assert_eq!(table.len(), 0);
            }
        }
    }

    #[test]
    fn what_only_waits_for_others_is_no_work() {
        let mut table = Table::default();
        let buffers = BufRing::new(1, 1).unwrap();
        let end = |user_data, flags| Cqe {
            user_data,
            result: -Errno::CANCELED.raw_os_error(),
            flags,
        };
        let standing = [Op::Accept, Op::Recv].map(|op| table.insert(owner(1), op));
        assert_eq!(table.working(), 0);
        let work = [Op::Writable, Op::RecvOnce].map(|op| table.insert(owner(1), op));
        assert_eq!(table.working(), 2);
        table.complete(end(work[0], 0), &buffers);
        table.complete(end(standing[0], MORE), &buffers);
        assert_eq!(table.working(), 1);
        table.complete(end(work[1], 0), &buffers);
        assert_eq!(table.working(), 0);
        for user_data in standing {
            table.complete(end(user_data, 0), &buffers);
            assert_eq!(table.working(), 0);
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_completion_never_reaches_a_later_operation() {
        let mut table = Table::default();
        let buffers = BufRing::new(1, 1).unwrap();
        let done = |user_data| Cqe {
            user_data,
            result: 0,
            flags: 0,
        };
        let first = table.insert(owner(1), Op::Writable);
        assert_eq!(
            table.complete(done(first), &buffers).unwrap().owner,
            owner(1)
        );
        let second = table.insert(owner(2), Op::Writable);
        assert_eq!(first as u32, second as u32, "the entry is reused");
        assert!(table.complete(done(first), &buffers).is_none());
        assert!(table.complete(done(UNTOLD), &buffers).is_none());
        assert_eq!(
            table.complete(done(second), &buffers).unwrap().owner,
            owner(2)
        );
    }
}
