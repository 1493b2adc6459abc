//! System calls past the queues (see `uring::calls`).

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::Stat;
use rustix::io::Errno;

use super::disk::DIRECT_BLOCK;
use super::files::fill;
use super::kernel::{Kernel, Object};
use super::sealing::Sealing;
use crate::uring::kernel_tls::TlsKeys;
use crate::uring::mapping::Mapping;
use crate::uring::read_now::Pages;

/// When all files were modified, in seconds since the epoch.
const MODIFIED_S: u64 = 1_000_000_000;

impl Kernel {
    pub(in crate::uring) fn thread_time_ns(&mut self) -> u64 {
        self.thread_time_ns += self.random.below(1_000) as u64;
        self.thread_time_ns
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields' types differ between architectures"
    )]
    pub(in crate::uring) fn stat(&self, file: BorrowedFd<'_>) -> Result<Stat, Errno> {
        let number = self.file_of(file.as_raw_fd())?;
        let file = &self.files[number];
        let mut stat = rustix::fs::fstat(self.placeholder())?;
        stat.st_mode = (libc::S_IFREG | 0o644) as _;
        (stat.st_dev, stat.st_ino) = (1, number as _);
        stat.st_size = file.len as _;
        (stat.st_mtime, stat.st_mtime_nsec) = (MODIFIED_S as _, 0);
        // What was cut short is another version.
        (stat.st_ctime, stat.st_ctime_nsec) = (MODIFIED_S as _, file.changed as _);
        Ok(stat)
    }

    pub(in crate::uring) fn open_now(&mut self, path: &CStr) -> Result<OwnedFd, Errno> {
        match self.befalls(self.odds.absent) {
            true => Err(Errno::AGAIN),
            false => self.open_path(path.to_bytes()),
        }
    }

    pub(in crate::uring) fn size(&self, file: BorrowedFd<'_>) -> Result<u64, Errno> {
        let number = self.file_of(file.as_raw_fd())?;
        Ok(self.files[number].len)
    }

    pub(in crate::uring) fn open_direct(
        &mut self,
        file: BorrowedFd<'_>,
    ) -> Result<(OwnedFd, usize), Errno> {
        let file = self.file_of(file.as_raw_fd())?;
        if self.befalls(self.odds.refused) {
            self.files[file].failed = true;
            return Err(Errno::MFILE);
        }
        if self.befalls(self.odds.unmapped) {
            return Err(Errno::INVAL);
        }
        Ok((self.descriptor(Object::Direct(file)), DIRECT_BLOCK))
    }

    pub(in crate::uring) fn map(
        &mut self,
        file: BorrowedFd<'_>,
        len: u64,
    ) -> Result<Mapping, Errno> {
        let file = self.file_of(file.as_raw_fd())?;
        if self.befalls(self.odds.unmapped) {
            return Err(Errno::NODEV);
        }
        let mapping = Mapping::reserved(len)?;
        let (start, len) = mapping.stretch(&(0..len));
        let start = start as usize;
        self.mappings.push((start, start + len, file));
        Ok(mapping)
    }

    pub(in crate::uring) fn resident(&mut self) -> bool {
        !self.befalls(self.odds.absent)
    }

    pub(in crate::uring) fn read_now(
        &mut self,
        file: BorrowedFd<'_>,
        buffer: &mut [u8],
        segments: &[Range<usize>],
        offset: u64,
        pages: Pages,
    ) -> Result<usize, Errno> {
        let file = &self.files[self.file_of(file.as_raw_fd())?];
        let (number, left) = (file.number, file.len.saturating_sub(offset));
        if self.befalls(self.odds.absent)
            || pages == Pages::DontCache && self.befalls(self.odds.absent)
        {
            return Err(Errno::AGAIN);
        }
        let total: usize = segments.iter().map(ExactSizeIterator::len).sum();
        let n = self.shorten(total.min(left as usize));
        let mut read = 0;
        for segment in segments {
            let now = segment.len().min(n - read);
            let into = &mut buffer[segment.start..segment.start + now];
            fill(number, offset + read as u64, into);
            read += now;
        }
        Ok(n)
    }

    pub(in crate::uring) fn limit_unsent(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    pub(in crate::uring) fn seal_in_kernel(
        &mut self,
        socket: BorrowedFd<'_>,
        keys: &TlsKeys<'_>,
    ) -> Result<(), Errno> {
        if !self.odds.kernel_tls {
            return Err(Errno::NOENT);
        }
        if self.befalls(self.odds.again) {
            return Err(Errno::INVAL);
        }
        let Some(Object::Socket(id)) = self.object(socket) else {
            return Err(Errno::OPNOTSUPP);
        };
        let socket = &mut self.sockets[id];
        if socket.sealing.is_some() {
            return Err(Errno::BUSY);
        }
        socket.sealing = Some(Sealing::new(keys));
        self.sealing += 1;
        Ok(())
    }

    pub(in crate::uring) fn shutdown_write(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        let Some(Object::Socket(id)) = self.object(socket) else {
            return Err(Errno::NOTSOCK);
        };
        self.sockets[id].shut = true;
        Ok(())
    }
}
