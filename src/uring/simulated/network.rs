//! Operations on sockets.

use std::os::fd::IntoRawFd;
use std::rc::Rc;

use rustix::io::Errno;

use super::disk::file_at;
use super::files::fill;
use super::kernel::{CQE_BUFFER, CQE_MORE, Kernel, Object};
use super::memory::Segment;
use super::socket::SocketId;

/// The type of a record (RFC 8446, section 5.1).
const APPLICATION_DATA: u8 = 23;

impl Kernel {
    pub(super) fn accept(&mut self, listener: usize) -> (i32, u32) {
        let more = if self.befalls(self.odds.again) {
            0
        } else {
            CQE_MORE
        };
        if self.befalls(self.odds.refused) {
            let errno = self
                .random
                .pick(&[Errno::MFILE, Errno::NFILE, Errno::NOBUFS]);
            return (-errno.raw_os_error(), more);
        }
        if self.befalls(self.odds.again) {
            return (-Errno::INTR.raw_os_error(), more);
        }
        let backlog = self.backlogs[listener].as_mut();
        let id = backlog.and_then(|backlog| backlog.pop_front()).unwrap();
        let socket = self.descriptor(Object::Socket(id));
        (socket.into_raw_fd(), more)
    }

    pub(super) fn recv(&mut self, id: SocketId) -> (i32, u32) {
        if self.befalls(self.odds.again) {
            return (-Errno::INTR.raw_os_error(), 0);
        }
        let fails = self.befalls(self.odds.socket);
        let socket = &mut self.sockets[id];
        socket.failed |= fails;
        if socket.reset || fails {
            return (-Errno::CONNRESET.raw_os_error(), 0);
        }
        if socket.recv.is_empty() {
            return (0, 0);
        }
        let buffers = Rc::clone(self.buffers.as_ref().unwrap());
        let Some((bid, buffer)) = buffers.front(self.taken) else {
            return (-Errno::NOBUFS.raw_os_error(), 0);
        };
        self.taken = self.taken.wrapping_add(1);
        let there = self.sockets[id].recv.len();
        let n = self.shorten(there.min(buffer.1));
        let buffer = Segment {
            addr: buffer.0,
            len: buffer.1,
        };
        // SAFETY: a buffer in the ring of buffers is the kernel's to write to.
        let into = unsafe {
            buffer.poison();
            buffer.first(n).bytes_mut()
        };
        for (byte, arrived) in into.iter_mut().zip(self.sockets[id].recv.drain(..n)) {
            *byte = arrived;
        }
        let more = if self.befalls(self.odds.again) {
            0
        } else {
            CQE_MORE
        };
        (n as i32, CQE_BUFFER | more | u32::from(bid) << 16)
    }

    pub(super) fn poll(&mut self, id: SocketId) -> i32 {
        if self.befalls(self.odds.again) {
            return -Errno::INTR.raw_os_error();
        }
        let socket = &self.sockets[id];
        let mut events = 0;
        if socket.room() > 0 {
            events |= libc::POLLOUT;
        }
        if socket.peer_ended {
            events |= libc::POLLRDHUP;
        }
        if socket.reset {
            events |= libc::POLLERR | libc::POLLHUP;
        }
        i32::from(events)
    }

    /// Takes what fits into the socket, without waiting: bytes, or a negated error number.
    pub(super) fn send(
        &mut self,
        object: Option<Object>,
        memory: &[Segment],
        kind: Option<u8>,
    ) -> i32 {
        let Some(Object::Socket(id)) = object else {
            return -Errno::BADF.raw_os_error();
        };
        if self.befalls(self.odds.again) {
            let errno = [Errno::AGAIN, Errno::INTR, Errno::NOBUFS, Errno::NOMEM];
            let errno = self.random.pick(&errno);
            self.sockets[id].short = matches!(errno, Errno::NOBUFS | Errno::NOMEM);
            return -errno.raw_os_error();
        }
        let fails = self.befalls(self.odds.socket);
        let socket = &mut self.sockets[id];
        socket.short = false;
        socket.failed |= fails;
        assert!(!socket.shut, "nothing is sent after the end");
        if socket.reset || fails {
            let errno = self.random.pick(&[Errno::CONNRESET, Errno::PIPE]);
            return -errno.raw_os_error();
        }
        let total: usize = memory.iter().map(|segment| segment.len).sum();
        if socket.room() == 0 {
            return -Errno::AGAIN.raw_os_error();
        }
        let most = total.min(self.sockets[id].room());
        // A record of another type is taken as a whole.
        let most = if kind.is_some() {
            total
        } else {
            self.shorten(most)
        };
        let mut taken = Vec::new();
        for segment in memory {
            let segment = segment.first(most - taken.len());
            let mut copy;
            let bytes = match file_at(&self.mappings, segment.addr) {
                Some((file, offset)) => {
                    let left = self.files[file].len.saturating_sub(offset);
                    copy = vec![0; segment.len.min(usize::try_from(left).unwrap())];
                    fill(self.files[file].number, offset, &mut copy);
                    &copy[..]
                }
                // SAFETY: the ring keeps what the entry points to.
                None => unsafe { segment.bytes() },
            };
            taken.extend(bytes);
            if bytes.len() < segment.len {
                break;
            }
        }
        let sent = taken.len();
        let socket = &mut self.sockets[id];
        socket.sent += sent as u64;
        match &mut socket.sealing {
            Some(sealing) => {
                let kind = kind.unwrap_or(APPLICATION_DATA);
                socket.send.extend(sealing.seal(&taken, kind));
            }
            None => {
                assert_eq!(kind, None, "only a socket that seals knows records");
                socket.send.extend(taken);
            }
        }
        match sent {
            0 if total > 0 => -Errno::FAULT.raw_os_error(),
            sent => sent as i32,
        }
    }
}
