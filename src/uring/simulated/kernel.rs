//! Operations: taken, kept, and completed one by one.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use io_uring::opcode;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::disk::file_at;
use super::entry::Sqe;
use super::files::File;
use super::memory::{self, Segment};
use super::random::Random;
use super::socket::{Socket, SocketId};
use crate::uring::buf_ring::BufRing;
use crate::uring::op::Cqe;

const ACCEPT: u8 = opcode::AcceptMulti::CODE;
const RECV: u8 = opcode::RecvMulti::CODE;
const SEND: u8 = opcode::Send::CODE;
const SENDMSG: u8 = opcode::SendMsg::CODE;
const SENDMSG_ZC: u8 = opcode::SendMsgZc::CODE;
const POLL: u8 = opcode::PollAdd::CODE;
const READV: u8 = opcode::Readv::CODE;
const OPEN: u8 = opcode::OpenAt2::CODE;
const MADVISE: u8 = opcode::Madvise::CODE;
const FADVISE: u8 = opcode::Fadvise::CODE;
const READ: u8 = opcode::Read::CODE;
const CANCEL: u8 = opcode::AsyncCancel2::CODE;
const CLOSE: u8 = opcode::Close::CODE;

/// `IORING_CQE_F_BUFFER`, `IORING_CQE_F_MORE`, `IORING_CQE_F_NOTIF`, `IORING_NOTIF_USAGE_ZC_COPIED`,
/// `IORING_RECV_MULTISHOT`, `IORING_ASYNC_CANCEL_FD` and `_ANY` (linux/io_uring.h).
pub(super) const CQE_BUFFER: u32 = 1;
pub(super) const CQE_MORE: u32 = 2;
const CQE_NOTIF: u32 = 8;
const ZC_COPIED: i32 = i32::MIN;
const RECV_MULTISHOT: u16 = 2;
const CANCEL_FD: u32 = 2;
const CANCEL_ANY: u32 = 4;

/// What goes otherwise than hoped for, and how often: once in so many times; never where it is 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Odds {
    /// An operation is held back.
    pub(crate) late: usize,
    /// Less is sent, received or read than could be.
    pub(crate) short: usize,
    /// An operation has to be tried again (`EINTR`, `EAGAIN`, `ENOBUFS`), or a multishot one ends.
    pub(crate) again: usize,
    /// Pages are not in memory.
    pub(crate) absent: usize,
    /// A file cannot be mapped.
    pub(crate) unmapped: usize,
    /// Accepting or opening fails (`EMFILE`, `EIO`).
    pub(crate) refused: usize,
    /// An operation of a connection fails for good.
    pub(crate) socket: usize,
    /// A read fails (`EIO`), or pages cannot be brought in (`EFAULT`).
    pub(crate) medium: usize,
    /// A send without a copy is copied all the same.
    pub(crate) copied: usize,
    /// There is no sending without a copy (`EINVAL`, `EOPNOTSUPP`, `ENOMEM`).
    pub(crate) refused_zero_copy: usize,
    /// Sockets can be had to seal what they send.
    pub(crate) kernel_tls: bool,
}

/// What a descriptor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Listener(usize),
    Socket(SocketId),
    File(usize),
    /// The same, past the page cache.
    Direct(usize),
}

/// An operation that is not completed.
#[derive(Debug)]
struct Pending {
    sqe: Sqe,
    /// It was closed or cancelled by this descriptor, whatever that is of by now.
    object: Option<Object>,
    /// Not completed before this step, unless nothing else can happen.
    from: u64,
    /// What it came to, when that is known already.
    result: Option<i32>,
    /// Memory that is the kernel's until it is completed.
    memory: Vec<Segment>,
    /// Of memory that the kernel reads.
    sample: Option<u64>,
    /// What of it is referred to after the operation is done.
    referred: Vec<Segment>,
    /// That is all that is left of the operation: whether it was copied.
    release: Option<bool>,
}

/// See the module's documentation.
pub(crate) struct Kernel {
    /// Prints what it does.
    pub(crate) loud: bool,
    pub(crate) random: Random,
    pub(in crate::uring) thread_time_ns: u64,
    pub(crate) odds: Odds,
    /// Sockets that are not accepted yet, of each listener; closed ones are gone.
    pub(super) backlogs: Vec<Option<VecDeque<SocketId>>>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) files: Vec<File>,
    pub(super) objects: HashMap<RawFd, Object>,
    /// Addresses that stand for files: start, end, file.
    pub(super) mappings: Vec<(usize, usize, usize)>,
    pub(super) buffers: Option<Rc<BufRing>>,
    /// Of the receive buffers: how many were taken since the beginning.
    pub(super) taken: u16,
    pending: Vec<Pending>,
    pub(super) completed: VecDeque<Cqe>,
    steps: u64,
    /// Sends without a copy.
    pub(crate) uncopied: u64,
    /// Sockets that were had to seal.
    pub(crate) sealing: u64,
    /// Somebody has written to the pipe.
    wakes: bool,
    nothing: OwnedFd,
}

impl Kernel {
    pub(crate) fn new(random: Random, odds: Odds, files: Vec<File>) -> Self {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Self {
            loud: false,
            random,
            thread_time_ns: 0,
            odds,
            backlogs: Vec::new(),
            sockets: Vec::new(),
            files,
            objects: HashMap::new(),
            mappings: Vec::new(),
            buffers: None,
            taken: 0,
            pending: Vec::new(),
            completed: VecDeque::new(),
            steps: 0,
            uncopied: 0,
            sealing: 0,
            wakes: false,
            nothing: rustix::fs::open("/", flags, Mode::empty()).unwrap(),
        }
    }

    /// A descriptor with which nothing can be done.
    pub(crate) fn placeholder(&self) -> OwnedFd {
        rustix::io::fcntl_dupfd_cloexec(&self.nothing, 3).unwrap()
    }

    pub(super) fn descriptor(&mut self, object: Object) -> OwnedFd {
        let descriptor = self.placeholder();
        // One of this number that is there already was closed past the ring, as that of a file is.
        self.objects.insert(descriptor.as_raw_fd(), object);
        descriptor
    }

    /// Another listening socket.
    pub(crate) fn listen(&mut self) -> OwnedFd {
        self.backlogs.push(Some(VecDeque::new()));
        self.descriptor(Object::Listener(self.backlogs.len() - 1))
    }

    /// A peer connects to a listener; how much the server's socket holds in each direction.
    pub(crate) fn connect(
        &mut self,
        listener: usize,
        recv_capacity: usize,
        send_capacity: usize,
    ) -> SocketId {
        self.sockets.push(Socket::new(recv_capacity, send_capacity));
        let id = self.sockets.len() - 1;
        match &mut self.backlogs[listener] {
            Some(backlog) => backlog.push_back(id),
            None => self.sockets[id].close(),
        }
        id
    }

    /// Whether all listeners are closed.
    pub(crate) fn listens_nowhere(&self) -> bool {
        self.backlogs.iter().all(Option::is_none)
    }

    /// Somebody writes to the pipe that wakes the ring.
    pub(crate) fn wake(&mut self) {
        self.wakes = true;
    }

    /// The file of an open descriptor.
    pub(super) fn file_of(&self, fd: RawFd) -> Result<usize, Errno> {
        match self.objects.get(&fd) {
            Some(&(Object::File(file) | Object::Direct(file))) => Ok(file),
            _ => Err(Errno::BADF),
        }
    }

    /// True once in `odds` times.
    pub(super) fn befalls(&mut self, odds: usize) -> bool {
        odds > 0 && self.random.one_in(odds)
    }

    /// `n`, or less than that, but something.
    pub(super) fn shorten(&mut self, n: usize) -> usize {
        if n > 1 && self.befalls(self.odds.short) {
            match self.random.below(3) {
                0 => 1 + self.random.below(n.min(10)),
                _ => 1 + self.random.below(n),
            }
        } else {
            n
        }
    }

    fn complete(&mut self, sqe: &Sqe, result: i32, flags: u32) {
        if self.loud {
            let object = self.objects.get(&sqe.fd);
            println!(
                "    opcode {} of {object:?}: {result}, flags {flags:#x}",
                sqe.opcode
            );
        }
        self.completed.push_back(Cqe {
            user_data: sqe.user_data,
            result,
            flags,
        });
    }

    /// Takes an entry. What the kernel does at once is done now.
    pub(super) fn submit(&mut self, sqe: Sqe) {
        assert!(sqe.names_no_closed_descriptor(), "{sqe:?}");
        let object = self.objects.get(&sqe.fd).copied();
        let mut pending = Pending {
            sqe,
            object,
            from: self.steps,
            result: None,
            memory: Vec::new(),
            sample: None,
            referred: Vec::new(),
            release: None,
        };
        if self.befalls(self.odds.late) {
            pending.from += 1 + self.random.below(200) as u64;
        }
        match sqe.opcode {
            CANCEL => return self.cancel(&sqe),
            CLOSE => return self.close(&sqe),
            POLL => {
                let short = |id: SocketId| self.sockets[id].short;
                let told = matches!(object, Some(Object::Socket(id)) if short(id));
                assert!(!told, "of memory a poll tells nothing");
            }
            ACCEPT | OPEN | MADVISE | FADVISE | READ => {}
            RECV => {
                assert!(sqe.ioprio & RECV_MULTISHOT != 0, "receives go on");
                self.check_alone(object, &[RECV]);
            }
            SENDMSG_ZC if self.befalls(self.odds.refused_zero_copy) || self.seals(object) => {
                let errno = [Errno::INVAL, Errno::OPNOTSUPP, Errno::NOMEM];
                pending.result = Some(-self.random.pick(&errno).raw_os_error());
            }
            SEND | SENDMSG | SENDMSG_ZC => {
                self.check_alone(object, &[SEND, SENDMSG, SENDMSG_ZC, POLL]);
                let kind;
                (pending.memory, kind) = if sqe.opcode == SEND {
                    let segment = Segment {
                        addr: sqe.addr as usize,
                        len: sqe.len as usize,
                    };
                    (vec![segment], None)
                } else {
                    // SAFETY: the ring keeps what the entry points to.
                    unsafe { memory::message(sqe.addr) }
                };
                pending.result = Some(self.send(object, &pending.memory, kind));
                let mappings = &self.mappings;
                let ours = |segment: &Segment| file_at(mappings, segment.addr).is_none();
                let mut left = pending.result.map_or(0, |sent| sent.max(0) as usize);
                for segment in &pending.memory {
                    let sent = segment.first(left);
                    left -= sent.len;
                    pending.referred.push(sent);
                }
                pending.referred.retain(ours);
                pending.memory.retain(ours);
                pending.sample = Some(sample(&pending.memory));
            }
            READV => {
                // SAFETY: the ring keeps what the entry points to.
                pending.memory = unsafe { memory::segments(sqe.addr, sqe.len as usize) };
                for segment in &pending.memory {
                    // SAFETY: and has us write there.
                    unsafe { segment.poison() };
                }
                self.check_apart(&pending.memory);
            }
            _ => return self.complete(&sqe, -Errno::INVAL.raw_os_error(), 0),
        }
        self.pending.push(pending);
        // Some are done before the call is over.
        if self.random.one_in(4) {
            self.complete_at(self.pending.len() - 1);
        }
    }

    fn seals(&self, object: Option<Object>) -> bool {
        matches!(object, Some(Object::Socket(id)) if self.sockets[id].sealing.is_some())
    }

    /// A socket has one operation of a direction.
    fn check_alone(&self, object: Option<Object>, opcodes: &[u8]) {
        assert!(matches!(object, Some(Object::Socket(_))), "it is open");
        let same = |other: &Pending| {
            let matches = other.object == object && opcodes.contains(&other.sqe.opcode);
            matches && other.release.is_none()
        };
        assert!(!self.pending.iter().any(same), "one at a time");
    }

    /// Nobody else works on memory that is read into.
    fn check_apart(&self, memory: &[Segment]) {
        let overlaps = |a: &Segment, b: &Segment| a.addr < b.end() && b.addr < a.end();
        for other in self.pending.iter().flat_map(|pending| &pending.memory) {
            let apart = !memory.iter().any(|segment| overlaps(segment, other));
            assert!(apart, "memory is used twice");
        }
    }

    /// Completes one operation that can be completed, at random; whether there was one. Those that are held back come
    /// only when they are `due` all the same.
    pub(crate) fn step(&mut self, due: bool) -> bool {
        self.steps += 1;
        let ready: Vec<usize> = (0..self.pending.len())
            .filter(|&at| (due || self.pending[at].from <= self.steps) && self.is_ready(at))
            .collect();
        if ready.is_empty() {
            return false;
        }
        let at = self.random.pick(&ready);
        self.complete_at(at);
        true
    }

    /// Lets go of all memory of sends that are done.
    pub(crate) fn release_all(&mut self) {
        while let Some(at) = (self.pending.iter()).position(|pending| pending.release.is_some()) {
            self.complete_at(at);
        }
    }

    /// Whether a completion waits to be seen.
    pub(crate) fn has_completion(&self) -> bool {
        !self.completed.is_empty()
    }

    /// The socket of a descriptor.
    pub(crate) fn socket_of(&self, descriptor: impl AsFd) -> Option<SocketId> {
        match self.object(descriptor) {
            Some(Object::Socket(id)) => Some(id),
            _ => None,
        }
    }

    /// Whether an operation can be completed that is not held back.
    pub(crate) fn has_ready(&self) -> bool {
        let now = |at: &usize| self.pending[*at].from <= self.steps + 1;
        (0..self.pending.len()).any(|at| now(&at) && self.is_ready(at))
    }

    /// Whether an operation can be completed at all.
    pub(crate) fn has_late(&self) -> bool {
        (0..self.pending.len()).any(|at| self.is_ready(at))
    }

    /// Whether a send is done of which the ring has not heard.
    pub(crate) fn has_sent(&self) -> bool {
        let sends = |pending: &Pending| {
            let sends = matches!(pending.sqe.opcode, SEND | SENDMSG | SENDMSG_ZC);
            sends && pending.release.is_none()
        };
        self.has_completion() || self.pending.iter().any(sends)
    }

    /// Operations that are not completed.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    fn is_ready(&self, at: usize) -> bool {
        let pending = &self.pending[at];
        match (pending.sqe.opcode, pending.object) {
            (ACCEPT, Some(Object::Listener(listener))) => self.backlogs[listener]
                .as_ref()
                .is_some_and(|backlog| !backlog.is_empty()),
            (RECV, Some(Object::Socket(id))) => {
                let socket = &self.sockets[id];
                !socket.recv.is_empty() || socket.peer_ended || socket.reset
            }
            (POLL, Some(Object::Socket(id))) => {
                let socket = &self.sockets[id];
                socket.room() > 0 || socket.peer_ended || socket.reset
            }
            (READ, _) => self.wakes,
            _ => true,
        }
    }

    /// Completes an operation, if it can be; one that goes on stays.
    fn complete_at(&mut self, at: usize) {
        if !self.is_ready(at) {
            return;
        }
        let Pending { sqe, object, .. } = self.pending[at];
        self.check_memory(at);
        if let Some(copied) = self.pending[at].release {
            self.pending.remove(at);
            self.uncopied += u64::from(!copied);
            return self.complete(&sqe, if copied { ZC_COPIED } else { 0 }, CQE_NOTIF);
        }
        let (result, flags) = match (sqe.opcode, object) {
            (SENDMSG_ZC, _) => {
                let result = self.pending[at].result.unwrap();
                let copied = result <= 0 || self.befalls(self.odds.copied);
                let pending = &mut self.pending[at];
                // Some errors come before there is anything to be released.
                let refused = pending.sample.is_none();
                pending.memory = std::mem::take(&mut pending.referred);
                pending.sample = Some(sample(&pending.memory));
                pending.release = Some(copied);
                (result, if refused { 0 } else { CQE_MORE })
            }
            (ACCEPT, Some(Object::Listener(listener))) => self.accept(listener),
            (RECV, Some(Object::Socket(id))) => self.recv(id),
            (POLL, Some(Object::Socket(id))) => (self.poll(id), 0),
            (SEND | SENDMSG, _) => (self.pending[at].result.unwrap(), 0),
            (READV, Some(Object::File(file) | Object::Direct(file))) => {
                let memory = std::mem::take(&mut self.pending[at].memory);
                let direct = matches!(object, Some(Object::Direct(_)));
                (self.readv(file, direct, &sqe, &memory), 0)
            }
            (OPEN, _) => (self.open(&sqe), 0),
            (MADVISE, _) => (self.populate(&sqe), 0),
            (FADVISE, Some(Object::File(_))) => (0, 0),
            (READ, _) => {
                self.wakes = false;
                // SAFETY: the ring has the kernel write there, and keeps it.
                let into = unsafe {
                    Segment {
                        addr: sqe.addr as usize,
                        len: 1,
                    }
                    .bytes_mut()
                };
                into.fill(b'!');
                (1, 0)
            }
            other => panic!("it is open: {other:?}"),
        };
        if flags & CQE_MORE == 0 {
            // The order of the others stays: which of them is next follows from the seed.
            self.pending.remove(at);
        }
        self.complete(&sqe, result, flags);
    }

    /// What the kernel has been given was left alone.
    fn check_memory(&self, at: usize) {
        let Pending {
            memory,
            sample: before,
            ..
        } = &self.pending[at];
        let kept = match before {
            Some(before) => *before == sample(memory),
            // SAFETY: of an operation in flight.
            None => memory
                .iter()
                .all(|segment| unsafe { segment.is_poisoned() }),
        };
        assert!(kept, "memory of an operation in flight was changed");
    }

    fn cancel(&mut self, which: &Sqe) {
        let by_fd = which.op_flags & CANCEL_FD != 0;
        assert!(!by_fd, "it would be looked for among all that wait");
        let any = which.op_flags & CANCEL_ANY != 0;
        let mut at = 0;
        let mut found = 0;
        while let Some(pending) = self.pending.get(at) {
            let matches = any || pending.sqe.user_data == which.addr;
            // What is done already, or being read from a disk, is not stopped.
            let stops = match pending.sqe.opcode {
                SEND | SENDMSG | SENDMSG_ZC | FADVISE => false,
                READV | OPEN | MADVISE => any || self.random.one_in(2),
                _ => true,
            };
            if matches && (stops || any) && pending.release.is_none() {
                found += 1;
                let pending = self.pending.remove(at);
                self.complete(&pending.sqe, -Errno::CANCELED.raw_os_error(), 0);
            } else {
                at += 1;
            }
        }
        let result = match found {
            0 => -Errno::NOENT.raw_os_error(),
            found => found,
        };
        self.complete(which, result, 0);
    }

    fn close(&mut self, sqe: &Sqe) {
        let object = self.objects.remove(&sqe.fd);
        let busy = |pending: &Pending| pending.sqe.fd == sqe.fd && pending.release.is_none();
        let busy = self.pending.iter().any(busy);
        assert!(!busy, "{object:?} is closed with operations in flight");
        match object {
            Some(Object::Socket(id)) => self.sockets[id].close(),
            // Who was not accepted never will be.
            Some(Object::Listener(listener)) => {
                for id in self.backlogs[listener].take().unwrap_or_default() {
                    self.sockets[id].close();
                }
            }
            _ => {}
        }
        // SAFETY: the ring gave the descriptor away with this entry.
        drop(unsafe { OwnedFd::from_raw_fd(sqe.fd) });
        self.complete(sqe, 0, 0);
    }

    /// The object of a borrowed descriptor.
    pub(super) fn object(&self, descriptor: impl AsFd) -> Option<Object> {
        let fd = descriptor.as_fd().as_raw_fd();
        self.objects.get(&fd).copied()
    }
}

fn sample(memory: &[Segment]) -> u64 {
    // SAFETY: of an operation in flight.
    let of = |segment: &Segment| unsafe { segment.sample() };
    memory
        .iter()
        .map(of)
        .fold(0, |all, one| all.rotate_left(1) ^ one)
}
