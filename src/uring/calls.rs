//! System calls that are made at once, past the queues: those that never wait.

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, StatxFlags};
use rustix::io::Errno;
use rustix::net::Shutdown;
use rustix::time::ClockId;

use super::kernel_tls::{self, TlsKeys};
use super::mapping::Mapping;
use super::read_now::{self, Pages};
use super::ring::{OPEN_FLAGS, Resolve, Ring};
use super::socket;

/// The block of direct reads where the file system does not say: a page, which is a multiple of what nearly every device
/// wants.
const DEFAULT_BLOCK: usize = 4_096;
/// The largest block of direct reads.
const MAX_BLOCK: usize = 64 << 10;

/// The answer of the simulated kernel, where there is one.
macro_rules! simulated {
    ($self:ident, $kernel:ident => $call:expr) => {
        #[cfg(test)]
        if let Some($kernel) = $self.simulated() {
            let $kernel = &mut *$kernel.borrow_mut();
            return $call;
        }
    };
}

impl Ring {
    /// Processor time of this thread, in nanoseconds (clock_gettime(2)).
    pub fn thread_time_ns(&self) -> u64 {
        simulated!(self, kernel => kernel.thread_time_ns());
        let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
        // Neither is ever negative.
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    /// What is known of an open file (fstat(2)).
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        simulated!(self, kernel => kernel.stat(file));
        rustix::fs::fstat(file)
    }

    /// Opens `path`, relative to `root`, as [`Ring::open`] does, if all of the way is in the kernel's memory
    /// (`RESOLVE_CACHED`, openat2(2)).
    ///
    /// # Errors
    /// `EAGAIN` when it is not, or when that cannot be told; else what openat2(2) says.
    pub fn open_now(
        &self,
        root: BorrowedFd<'_>,
        path: &CStr,
        resolve: Resolve,
    ) -> Result<OwnedFd, Errno> {
        simulated!(self, kernel => kernel.open_now(path));
        let flags = OFlags::from_bits_retain(OPEN_FLAGS as u32);
        let resolve = ResolveFlags::from_bits_retain(resolve.flags() | libc::RESOLVE_CACHED);
        rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
    }

    /// Bytes of an open file as far as this machine knows (`AT_STATX_DONT_SYNC`, statx(2)): no file system is waited for, and
    /// it is what a fault in its pages is judged by.
    ///
    /// # Errors
    /// What statx(2) says.
    pub fn size(&self, file: BorrowedFd<'_>) -> Result<u64, Errno> {
        simulated!(self, kernel => kernel.size(file));
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        rustix::fs::statx(file, c"", flags, StatxFlags::SIZE).map(|stat| stat.stx_size)
    }

    /// Opens the same file once more, past the page cache (`O_DIRECT`): by its descriptor, so that it is the same whatever
    /// has become of its path. With it comes what offsets, lengths and addresses of reads are multiples of, in bytes: a
    /// power of two, at most 64 KiB (`STATX_DIOALIGN`, statx(2), Linux 6.1).
    ///
    /// # Errors
    /// `EINVAL` when the file cannot be read so; else what open(2) says.
    pub fn open_direct(&self, file: BorrowedFd<'_>) -> Result<(OwnedFd, usize), Errno> {
        simulated!(self, kernel => kernel.open_direct(file));
        let block = direct_block(file)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECT;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())?;
        Ok((descriptor, block))
    }

    /// [`Mapping::new`].
    ///
    /// # Errors
    /// As there.
    pub fn map(&self, file: BorrowedFd<'_>, len: u64) -> Result<Mapping, Errno> {
        simulated!(self, kernel => kernel.map(file, len));
        Mapping::new(file, len)
    }

    /// Whether the pages of `range` of `file`, which is mapped there, are in memory now, as far as that can be told.
    pub fn resident(&self, mapping: &Mapping, file: BorrowedFd<'_>, range: Range<u64>) -> bool {
        simulated!(self, kernel => kernel.resident());
        if mapping.knows_residency() {
            mapping.resident(range)
        } else {
            read_now::resident_now(file, range)
        }
    }

    /// [`super::read_now()`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn read_now(
        &self,
        file: BorrowedFd<'_>,
        buffer: &mut [u8],
        segments: &[Range<usize>],
        offset: u64,
        pages: Pages,
    ) -> Result<usize, Errno> {
        simulated!(self, kernel => kernel.read_now(file, buffer, segments, offset, pages));
        read_now::read_now(file, buffer, segments, offset, pages)
    }

    /// Has a TCP socket, or the sockets that a listener accepts, take no more than about `bytes` that are not yet sent
    /// (`TCP_NOTSENT_LOWAT`, tcp(7)): what is decided later can still overtake what is not handed over yet.
    ///
    /// # Errors
    /// `EOPNOTSUPP` or `ENOPROTOOPT` when it is no TCP socket.
    pub fn limit_unsent(&self, socket: BorrowedFd<'_>, bytes: u32) -> Result<(), Errno> {
        simulated!(self, kernel => kernel.limit_unsent());
        socket::set_tcp_notsent_lowat(socket, bytes)
    }

    /// Has a connected TCP socket seal all that is sent on it from now on as application data of TLS 1.3 (`TLS_TX`,
    /// Documentation/networking/tls.rst). What it has been given before goes out as it is. Records of another type:
    /// [`Gather::set_record_type`](super::Gather::set_record_type).
    ///
    /// # Errors
    /// `ENOENT` where the kernel has no TLS, or its module is not loaded and may not be by this process; `EBUSY` when it seals
    /// already; `EINVAL` or `EOPNOTSUPP` when it lacks the cipher. The socket is then as before.
    pub fn seal_in_kernel(&self, socket: BorrowedFd<'_>, keys: &TlsKeys<'_>) -> Result<(), Errno> {
        simulated!(self, kernel => kernel.seal_in_kernel(socket, keys));
        kernel_tls::seal_in_kernel(socket, keys)
    }

    /// Ends our side of a connected socket (shutdown(2)).
    ///
    /// # Errors
    /// What shutdown(2) says; `ENOTCONN` when the peer is gone.
    pub fn shutdown_write(&self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        simulated!(self, kernel => kernel.shutdown_write(socket));
        rustix::net::shutdown(socket, Shutdown::Write)
    }
}

fn direct_block(file: BorrowedFd<'_>) -> Result<usize, Errno> {
    let said = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)
        .ok()
        .filter(|stat| stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0);
    let Some(stat) = said else {
        return Ok(DEFAULT_BLOCK);
    };
    let block = stat.stx_dio_mem_align.max(stat.stx_dio_offset_align) as usize;
    // 0: this file cannot be read so.
    if stat.stx_dio_offset_align == 0 || !block.is_power_of_two() || block > MAX_BLOCK {
        return Err(Errno::INVAL);
    }
    Ok(block)
}
