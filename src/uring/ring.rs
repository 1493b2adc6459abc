//! The ring: operations in, completions out.

use std::ffi::CString;
use std::mem;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Fd, OpenHow};
use io_uring::{IoUring, opcode, squeue};
use rustix::event::EventfdFlags;
use rustix::io::Errno;

use super::arena::Arena;
use super::backend::Backend;
use super::buf_ring::BufRing;
use super::errno_of;
use super::gather::{Gather, Prepared};
use super::mapping::{Mapping, page_size};
use super::op::{Completion, Event, Op, Owner, Table, UNTOLD, UserData};
use super::probe::{self, SetupError};
use super::queues::{Batch, Queues, RingCounters};
use super::read_now::{Pages, RWF_DONTCACHE};

/// The group id of the one group of provided buffers.
const BGID: u16 = 0;

/// `MADV_POPULATE_READ` (linux/mman.h, Linux 5.14): fault the pages in for reading, and say so if that fails.
const MADV_POPULATE_READ: i32 = 22;

/// Most that is populated at once: before Linux 6.12 the length is read from 32 bits.
const MAX_POPULATE_BYTES: usize = 1 << 30;

/// Without waiting for room, and without a signal when the peer is gone (send(2)).
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

/// `IORING_SEND_ZC_REPORT_USAGE` (linux/io_uring.h, Linux 6.2): the notification says whether the kernel copied.
const SEND_ZC_REPORT_USAGE: u16 = 1 << 3;

/// Who owns an operation of which nobody is told.
const NOBODY: Owner = Owner {
    slot: u32::MAX,
    generation: u32::MAX,
};

/// How long dropping a ring waits for the operations that it has cancelled.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// Which symbolic links are followed on the way from a root (openat2(2)); magic links never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// Those that stay beneath the root.
    Beneath,
    /// None.
    BeneathNoSymlinks,
    /// All, wherever they lead.
    Anywhere,
}

impl Resolve {
    /// Of openat2(2).
    pub(super) const fn flags(self) -> u64 {
        let links = match self {
            Self::Beneath => libc::RESOLVE_BENEATH,
            Self::BeneathNoSymlinks => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS,
            Self::Anywhere => 0,
        };
        links | libc::RESOLVE_NO_MAGICLINKS
    }
}

/// How paths are opened: without waiting for what is not a regular file.
pub(super) const OPEN_FLAGS: i32 =
    libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;

/// The same, by [`Resolve`].
static OPEN_HOW: [OpenHow; 3] = [
    open_how(Resolve::Beneath),
    open_how(Resolve::BeneathNoSymlinks),
    open_how(Resolve::Anywhere),
];

const fn open_how(resolve: Resolve) -> OpenHow {
    OpenHow::new()
        .flags(OPEN_FLAGS as u64)
        .resolve(resolve.flags())
}

/// How large a ring and its memory are.
#[derive(Clone, Copy, Debug)]
pub struct RingOptions {
    /// Entries of the submission queue; rounded up to a power of two.
    pub entries: u32,
    /// Entries of the completion queue; rounded up to a power of two, and at least `entries`.
    pub completions: u32,
    /// Provided buffers for receiving: a power of two, at most 32,768.
    pub recv_buffers: u16,
    /// Bytes of each of them.
    pub recv_buffer_bytes: u32,
    /// Bytes of the arena; rounded up to whole MiB.
    pub arena_bytes: usize,
}

/// An io_uring instance of one thread, its memory, and the operations in flight.
///
/// Descriptors are borrowed only while an operation is queued: until it is submitted, the caller keeps the descriptor
/// open, or closes it by [`Ring::close`], which keeps the order.
///
/// A ring stays on its thread (it is not `Send`): the kernel accepts work from the thread that made it only.
///
/// Dropping a ring cancels what is in flight and waits for it, for two seconds at most; memory that the kernel has not
/// let go of by then is leaked.
pub struct Ring {
    // In this order: the kernel's side goes before the memory that it works on.
    pub(super) queues: Backend,
    pub(super) ops: Table,
    pub(super) buffers: Rc<BufRing>,
    pub(super) arena: Arena,
    pub(super) eventfd: OwnedFd,
}

impl Ring {
    /// Sets a ring up for the calling thread, which must be the one that uses it.
    ///
    /// # Errors
    /// Why this system does not have one for us, see [`SetupError`]. When only the arena cannot be registered for lack
    /// of locked memory, that is logged and the ring works without.
    pub fn new(options: &RingOptions) -> Result<Self, SetupError> {
        if !options.recv_buffers.is_power_of_two() || options.recv_buffers > BufRing::MAX_COUNT {
            return Err(SetupError::Options(
                "the number of receive buffers is not a power of two up to 32,768",
            ));
        }
        if options.recv_buffer_bytes == 0 {
            return Err(SetupError::Options("receive buffers have no bytes"));
        }
        let io = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_clamp()
            .setup_cqsize(options.completions.max(options.entries))
            .build(options.entries)
            .map_err(|error| SetupError::of_setup(errno_of(&error)))?;
        probe::check(&io)?;
        let memory = |errno| SetupError::Other {
            doing: "mapping memory",
            errno,
        };
        let arena = Arena::new(options.arena_bytes).map_err(memory)?;
        let buffers =
            BufRing::new(options.recv_buffers, options.recv_buffer_bytes).map_err(memory)?;
        register_arena(&io, &arena)?;
        // SAFETY: the entries are page-aligned, as many as said, and stay mapped until after the ring is gone, or are
        // leaked with it.
        unsafe {
            io.submitter()
                .register_buf_ring_with_flags(buffers.address(), buffers.count(), BGID, 0)
        }
        .map_err(|error| match errno_of(&error) {
            Errno::INVAL => SetupError::KernelTooOld {
                missing: "IORING_REGISTER_PBUF_RING",
            },
            errno => SetupError::of(errno, "registering receive buffers"),
        })?;
        let eventfd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)
            .map_err(|errno| SetupError::of(errno, "making an eventfd"))?;
        Ok(Self {
            queues: Backend::Kernel(Queues::new(io)),
            ops: Table::default(),
            buffers,
            arena,
            eventfd,
        })
    }

    /// Has every wait poll the network cards from which the ring's sockets receive, for `microseconds` at most, before it
    /// sleeps (`IORING_REGISTER_NAPI`): latency is bought with the core's time.
    ///
    /// # Errors
    /// [`SetupError::BusyPoll`] when the kernel cannot.
    pub fn busy_poll(&self, microseconds: u32) -> Result<(), SetupError> {
        self.queues
            .busy_poll(microseconds)
            .map_err(SetupError::BusyPoll)
    }

    /// The ring's arena.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Accepts connections until cancelled: [`Event::Accepted`] for each.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, owner: Owner) -> UserData {
        let sqe = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        // SAFETY: the entry points to no memory.
        unsafe { self.queue(owner, Op::Accept, sqe) }
    }

    /// Receives until the stream ends, is cancelled, or buffers run out: [`Event::Received`] for each buffer.
    pub fn recv(&mut self, fd: BorrowedFd<'_>, owner: Owner) -> UserData {
        let sqe = opcode::RecvMulti::new(Fd(fd.as_raw_fd()), BGID).build();
        // SAFETY: the entry points to no memory; the buffers it picks from are the registered ones.
        unsafe { self.queue(owner, Op::Recv, sqe) }
    }

    /// Receives once, at most `most` bytes and a provided buffer full: [`Event::Received`], which does not go on.
    pub fn recv_once(&mut self, fd: BorrowedFd<'_>, most: u32, owner: Owner) {
        let sqe = opcode::Recv::new(Fd(fd.as_raw_fd()), std::ptr::null_mut(), most)
            .buf_group(BGID)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        // SAFETY: the entry points to no memory; the buffer it picks is one of the registered ones.
        unsafe { self.queue(owner, Op::RecvOnce, sqe) };
    }

    /// Throws away what comes next on a TCP socket, at most `len` bytes: they are never copied out of the kernel
    /// (`MSG_TRUNC`, tcp(7)). [`Event::Discarded`].
    ///
    /// Not with `MSG_WAITALL`: the ring (seen on Linux 6.18) does not count bytes against `len` that were not copied, and
    /// waits for too many.
    pub fn discard(&mut self, fd: BorrowedFd<'_>, len: u32, owner: Owner) {
        let len = len.min(i32::MAX as u32);
        let sqe = opcode::Recv::new(Fd(fd.as_raw_fd()), std::ptr::null_mut(), len)
            .flags(libc::MSG_TRUNC)
            .build();
        // SAFETY: TCP writes nothing anywhere with this flag; for another kind of socket, which would, the address is
        // one that this process cannot have mapped, and the kernel answers `EFAULT`.
        unsafe { self.queue(owner, Op::Discard, sqe) };
    }

    /// Sends what is gathered, without waiting for room in the socket: [`Event::Sent`], with `EAGAIN` when there was
    /// none. Of more than 1,024 parts the first 1,024 are sent.
    ///
    /// # Panics
    /// When a part does not lie in the gather's buffer.
    pub fn send(&mut self, fd: BorrowedFd<'_>, mut gather: Box<Gather>, owner: Owner) {
        let fd = Fd(fd.as_raw_fd());
        let sqe = match gather.prepare_send() {
            Prepared::One(base, len) => {
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                opcode::Send::new(fd, base, len).flags(SEND_FLAGS).build()
            }
            Prepared::Many(header) => opcode::SendMsg::new(fd, header)
                .flags(SEND_FLAGS as u32)
                .build(),
        };
        // SAFETY: the entry points to what the gather owns on the heap, which the table keeps and leaves alone.
        unsafe { self.queue(owner, Op::Send(gather), sqe) };
    }

    /// As [`Ring::send`], without copying where the network card can read memory by itself: [`Event::Sent`] when the socket
    /// has taken it, and [`Event::Released`] when the kernel has let go of what was sent, which stays as it is until then
    /// whatever becomes of the gather (`IORING_OP_SENDMSG_ZC`).
    ///
    /// What was sent must not be overwritten before the release: [`Lease::is_held`](super::Lease::is_held).
    ///
    /// [`Event::Sent`] may carry what a send with a copy does not end with: `EINVAL` (Linux before 6.2), `EOPNOTSUPP` (not on
    /// this socket), `ENOMEM` (more than may be locked).
    ///
    /// # Errors
    /// The gather, and nothing is sent, when its buffer is not of the arena.
    ///
    /// # Panics
    /// As [`Ring::send`].
    pub fn send_zero_copy(
        &mut self,
        fd: BorrowedFd<'_>,
        mut gather: Box<Gather>,
        owner: Owner,
    ) -> Result<(), Box<Gather>> {
        let Some(held) = gather.hold() else {
            return Err(gather);
        };
        let sqe = opcode::SendMsgZc::new(Fd(fd.as_raw_fd()), gather.prepare_message())
            .flags(SEND_FLAGS as u32)
            .ioprio(SEND_ZC_REPORT_USAGE)
            .build();
        // SAFETY: the entry points to what the gather owns on the heap, which the table keeps and leaves alone until the
        // first completion; what that in turn points to is also held until the second.
        unsafe { self.queue(owner, Op::SendZeroCopy(gather, held), sqe) };
        Ok(())
    }

    /// Waits until the socket takes more, or fails: [`Event::Writable`].
    pub fn poll_writable(&mut self, fd: BorrowedFd<'_>, owner: Owner) -> UserData {
        let sqe = opcode::PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLOUT as u32).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.queue(owner, Op::Writable, sqe) }
    }

    /// Reads from `offset` of `file` into the `segments` of the gather's buffer, in order: [`Event::Read`]. Of more
    /// than 1,024 segments the first 1,024 are read.
    ///
    /// # Panics
    /// When there is no buffer, or a segment does not lie in it.
    pub fn read(
        &mut self,
        file: Rc<OwnedFd>,
        gather: Box<Gather>,
        segments: &[Range<usize>],
        offset: u64,
        owner: Owner,
    ) {
        self.read_pages(file, gather, segments, offset, Pages::Keep, owner);
    }

    /// As [`Ring::read`], with a say in what becomes of the pages. Ends with `EOPNOTSUPP` where the kernel or the file
    /// system cannot do that.
    ///
    /// # Panics
    /// As [`Ring::read`].
    pub fn read_pages(
        &mut self,
        file: Rc<OwnedFd>,
        mut gather: Box<Gather>,
        segments: &[Range<usize>],
        offset: u64,
        pages: Pages,
        owner: Owner,
    ) {
        let flags = match pages {
            Pages::Keep => 0,
            Pages::DontCache => RWF_DONTCACHE as i32,
        };
        let (iovecs, count) = gather.prepare_read(segments);
        let sqe = opcode::Readv::new(Fd(file.as_raw_fd()), iovecs, count)
            .offset(offset)
            .rw_flags(flags)
            .build();
        // SAFETY: the entry points to what the gather owns on the heap, which the table keeps and leaves alone.
        unsafe { self.queue(owner, Op::Read { file, gather }, sqe) };
    }

    /// Opens `path`, relative to `root`, for reading (openat2(2)): [`Event::Opened`].
    pub fn open(&mut self, root: Rc<OwnedFd>, path: CString, resolve: Resolve, owner: Owner) {
        let how = &raw const OPEN_HOW[resolve as usize];
        let sqe = opcode::OpenAt2::new(Fd(root.as_raw_fd()), path.as_ptr(), how).build();
        // SAFETY: the entry points to a static and to the path's bytes on the heap, which the table keeps.
        unsafe { self.queue(owner, Op::Open { root, path }, sqe) };
    }

    /// Brings the pages of `range`, and of at most 1 GiB from its start, into memory: [`Event::Populated`].
    ///
    /// # Panics
    /// When the range does not lie in the mapping.
    pub fn populate(&mut self, mapping: Rc<Mapping>, range: Range<u64>, owner: Owner) {
        let (base, len) = mapping.pages(&range, MAX_POPULATE_BYTES);
        let sqe = opcode::Madvise::new(
            base.cast_const().cast(),
            len as libc::off_t,
            MADV_POPULATE_READ,
        )
        .build();
        // SAFETY: the entry names pages of the mapping, which the table keeps mapped; populating changes no byte.
        unsafe { self.queue(owner, Op::Populate(mapping), sqe) };
    }

    /// Has the clean pages of `range`, and of at most 1 GiB from its start, dropped from memory (posix_fadvise(2)).
    /// Nobody is told.
    pub fn drop_pages(&mut self, file: Rc<OwnedFd>, range: Range<u64>) {
        let page = page_size() as u64;
        let start = range.start / page * page;
        let len = range
            .end
            .saturating_sub(start)
            .min(MAX_POPULATE_BYTES as u64);
        let sqe = opcode::Fadvise::new(
            Fd(file.as_raw_fd()),
            len as libc::off_t,
            libc::POSIX_FADV_DONTNEED,
        )
        .offset(start)
        .build();
        // SAFETY: the entry points to no memory.
        unsafe { self.queue(NOBODY, Op::DropPages(file), sqe) };
    }

    /// Waits until somebody has written to the pipe, and takes up to eight bytes out: [`Event::Woken`].
    ///
    /// A pipe and not an eventfd: the write to an eventfd, completing this, would signal the ring's own eventfd from
    /// within; the kernel puts such a nested signal off, and on some versions only ever once.
    pub fn read_wake(&mut self, pipe: Rc<OwnedFd>, owner: Owner) {
        let mut bytes = vec![0; 8];
        let sqe =
            opcode::Read::new(Fd(pipe.as_raw_fd()), bytes.as_mut_ptr(), bytes.len() as u32).build();
        // SAFETY: the entry points to the bytes on the heap, which the table keeps and leaves alone.
        unsafe { self.queue(owner, Op::Wake { pipe, bytes }, sqe) };
    }

    /// Cancels every operation on `fd`. They end with `ECANCELED`, unless they were faster. The kernel looks for them
    /// among all that wait in this ring: not for what is done often.
    pub fn cancel(&mut self, fd: BorrowedFd<'_>) {
        self.queue_cancel(CancelBuilder::fd(Fd(fd.as_raw_fd())).all());
    }

    /// Cancels one operation. It ends with `ECANCELED`, unless it was faster.
    pub fn cancel_one(&mut self, operation: UserData) {
        self.queue_cancel(CancelBuilder::user_data(operation.0));
    }

    /// Closes a descriptor, after what was queued before. Nobody is told. Operations in flight on it keep the file
    /// open: cancel them first.
    pub fn close(&mut self, fd: OwnedFd) {
        let fd = fd.into_raw_fd();
        let sqe = opcode::Close::new(Fd(fd)).build();
        // SAFETY: the entry points to no memory, and the descriptor was ours to close.
        unsafe { self.queue(NOBODY, Op::Close(fd), sqe) };
    }

    /// Submits what is queued and runs what the kernel has deferred. Makes no system call when there is neither, and
    /// never waits. What the kernel cannot take now stays queued.
    pub fn submit(&mut self) {
        self.queues.submit();
    }

    /// The same as [`Ring::submit`]; whether there was either.
    pub fn submit_deferred(&mut self) -> bool {
        let pending = self.queues.pending();
        if pending {
            self.queues.submit();
        }
        pending
    }

    /// Submits what is queued and waits until there is a completion, for `timeout` at most; `true` when there is one.
    /// May return early.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        self.wait_for(None, timeout)
    }

    /// As [`Ring::wait`], but with a completion there it waits on for a `batch` of them, so that the thread is woken once
    /// and not for each. On Linux before 6.12 it does not wait on.
    pub fn wait_for(&mut self, batch: Option<Batch>, timeout: Duration) -> bool {
        self.queues.wait(timeout, batch);
        self.queues.has_completion()
    }

    /// The next completion, if one is there now. Makes no system call, unless completions overflowed.
    #[expect(
        clippy::should_implement_trait,
        reason = "a ring is not an iterator: it may have more later"
    )]
    pub fn next(&mut self) -> Option<Completion> {
        loop {
            let cqe = self.queues.next()?;
            let Some(completion) = self.ops.complete(cqe, &self.buffers) else {
                continue;
            };
            if let Event::Received {
                data: Err(Errno::NOBUFS),
                ..
            } = completion.event
            {
                self.queues.counters_mut().no_buffers += 1;
            }
            return Some(completion);
        }
    }

    /// Operations queued and not submitted.
    pub fn queued(&self) -> usize {
        self.queues.queued()
    }

    /// Operations that have not had their last completion, queued ones included.
    pub fn in_flight(&self) -> usize {
        self.ops.len()
    }

    /// Operations under way that end by themselves: not accepting, receiving on and waiting to be woken, which wait for
    /// somebody to come or to say something.
    pub fn working(&self) -> usize {
        self.ops.working()
    }

    /// Provided buffers that are out in [`super::RecvBuffer`]s.
    pub fn recv_buffers_held(&self) -> usize {
        self.buffers.held()
    }

    /// What was counted since the ring was made.
    pub fn counters(&self) -> RingCounters {
        self.queues.counters()
    }

    /// Enters an operation into the table and queues it.
    ///
    /// # Safety
    /// What the entry points to is owned by `op`, at an address that does not change when `op` is moved, or is static.
    unsafe fn queue(&mut self, owner: Owner, op: Op, sqe: squeue::Entry) -> UserData {
        let user_data = self.ops.insert(owner, op);
        // SAFETY: the table keeps `op` until its last completion.
        unsafe { self.queues.push(sqe.user_data(user_data)) };
        UserData(user_data)
    }

    fn queue_cancel(&mut self, which: CancelBuilder) {
        let sqe = opcode::AsyncCancel2::new(which).build().user_data(UNTOLD);
        // SAFETY: the entry points to no memory.
        unsafe { self.queues.push(sqe) };
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let deadline = Instant::now() + DROP_TIMEOUT;
        while self.ops.len() > 0 {
            self.queue_cancel(CancelBuilder::any());
            self.wait(Duration::from_millis(10));
            while self.next().is_some() {}
            if Instant::now() >= deadline {
                tracing::error!(
                    in_flight = self.ops.len(),
                    "a ring's operations do not end: their memory is leaked"
                );
                mem::forget(mem::take(&mut self.ops));
                mem::forget(Rc::clone(&self.buffers));
                mem::forget(self.arena.clone());
            }
        }
        if self.ops.has_releases() {
            // The kernel reads on until peers have acknowledged, and keeps the pages by itself: they must only not be used
            // again.
            mem::forget(mem::take(&mut self.ops));
        }
    }
}

/// Registers the arena as the ring's one fixed buffer. Without enough locked memory the ring works all the same.
fn register_arena(io: &IoUring, arena: &Arena) -> Result<(), SetupError> {
    let (base, len) = arena.extent();
    let extent = libc::iovec {
        iov_base: base.as_ptr().cast(),
        iov_len: len,
    };
    // SAFETY: the arena stays mapped until after the ring is gone, or is leaked with it.
    match unsafe { io.submitter().register_buffers(&[extent]) } {
        Ok(()) => Ok(()),
        Err(error) => match errno_of(&error) {
            errno @ (Errno::NOMEM | Errno::PERM | Errno::AGAIN) => {
                tracing::info!(
                    bytes = len,
                    "going on with an arena that is not registered ({errno}): to have it registered, raise the limit of locked memory \
                     (LimitMEMLOCK=infinity in a systemd unit, ulimit -l in a shell)"
                );
                Ok(())
            }
            errno => Err(SetupError::of(errno, "registering the arena")),
        },
    }
}
