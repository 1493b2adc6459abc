//! System calls that are made at once, past the queues: those that never wait.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::mapping::Mapping;
use super::read_now::{self, Pages};
use super::ring::Ring;

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
    /// What is known of an open file (fstat(2)).
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        simulated!(self, kernel => kernel.stat(file));
        rustix::fs::fstat(file)
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

    /// [`super::read_now`].
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

    /// Ends our side of a connected socket (shutdown(2)).
    ///
    /// # Errors
    /// What shutdown(2) says; `ENOTCONN` when the peer is gone.
    pub fn shutdown_write(&self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        simulated!(self, kernel => kernel.shutdown_write(socket));
        rustix::net::shutdown(socket, Shutdown::Write)
    }
}
