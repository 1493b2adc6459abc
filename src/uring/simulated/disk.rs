//! Operations on files.

use std::os::fd::{IntoRawFd, OwnedFd};

use rustix::io::Errno;

use super::entry::Sqe;
use super::files::{File, fill};
use super::kernel::{Kernel, Object};
use super::memory::{self, Segment};

/// What direct reads are multiples of.
pub(super) const DIRECT_BLOCK: usize = 512;

impl Kernel {
    pub(super) fn readv(
        &mut self,
        file: usize,
        direct: bool,
        sqe: &Sqe,
        memory: &[Segment],
    ) -> i32 {
        if self.befalls(self.odds.again) {
            let errno = self.random.pick(&[Errno::AGAIN, Errno::INTR]);
            return -errno.raw_os_error();
        }
        if direct {
            let aligned = |value: usize| value.is_multiple_of(DIRECT_BLOCK);
            let all = |segment: &Segment| aligned(segment.addr) && aligned(segment.len);
            assert!(
                aligned(sqe.off as usize) && memory.iter().all(all),
                "whole blocks"
            );
            if self.befalls(self.odds.unmapped) {
                return -Errno::INVAL.raw_os_error();
            }
        }
        if sqe.op_flags != 0 && self.random.one_in(4) {
            return -Errno::OPNOTSUPP.raw_os_error();
        }
        if self.befalls(self.odds.medium) {
            self.files[file].failed = true;
            return -Errno::IO.raw_os_error();
        }
        let file = &self.files[file];
        let (number, left) = (file.number, file.len.saturating_sub(sqe.off) as usize);
        let total: usize = memory.iter().map(|segment| segment.len).sum();
        let whole = total.min(left);
        let mut n = self.shorten(whole);
        if direct && n < whole {
            n = n.next_multiple_of(DIRECT_BLOCK).min(whole);
        }
        let mut read = 0;
        for segment in memory {
            let segment = segment.first(n - read);
            // SAFETY: the ring has the kernel write there, and keeps it.
            fill(number, sqe.off + read as u64, unsafe {
                segment.bytes_mut()
            });
            read += segment.len;
        }
        n as i32
    }

    pub(super) fn open(&mut self, sqe: &Sqe) -> i32 {
        // SAFETY: the ring keeps the path.
        let path = unsafe { memory::path(sqe.addr) };
        match self.open_path(&path) {
            Ok(descriptor) => descriptor.into_raw_fd(),
            Err(errno) => -errno.raw_os_error(),
        }
    }

    pub(super) fn open_path(&mut self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let named = |file: &File| file.exists && file.path.as_bytes() == path;
        let Some(file) = self.files.iter().position(named) else {
            return Err(Errno::NOENT);
        };
        if self.befalls(self.odds.refused) {
            self.files[file].failed = true;
            return Err(self.random.pick(&[Errno::MFILE, Errno::IO, Errno::NOMEM]));
        }
        Ok(self.descriptor(Object::File(file)))
    }

    pub(super) fn populate(&mut self, sqe: &Sqe) -> i32 {
        let (file, offset) = file_at(&self.mappings, sqe.addr as usize).expect("a mapping");
        let page = rustix::param::page_size() as u64;
        let end = self.files[file].len.next_multiple_of(page);
        if offset + u64::from(sqe.len) > end {
            return -Errno::FAULT.raw_os_error();
        }
        if self.befalls(self.odds.medium) {
            self.files[file].failed = true;
            return -Errno::FAULT.raw_os_error();
        }
        match self.befalls(self.odds.again) {
            true => -Errno::AGAIN.raw_os_error(),
            false => 0,
        }
    }
}

/// The file that an address stands for, and the offset there.
pub(super) fn file_at(mappings: &[(usize, usize, usize)], addr: usize) -> Option<(usize, u64)> {
    // The latest, should an address have been used before.
    let found = mappings
        .iter()
        .rev()
        .find(|(start, end, _)| (*start..*end).contains(&addr));
    found.map(|(start, _, file)| (*file, (addr - start) as u64))
}
