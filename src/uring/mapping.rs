//! Memory mappings: files for the kernel to send from, and anonymous memory of our own.

use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

use rustix::io::Errno;

use super::last_errno;

/// Pages asked about in one `mincore(2)`: 4 MiB of 4 KiB pages, so one call for nearly every send.
const PAGES_PER_CALL: usize = 1_024;

/// A whole regular file, mapped shared and readable, for the kernel to read.
///
/// Nothing here gives access to the bytes: if the file is truncated, only the kernel meets the missing pages, and it
/// answers `EFAULT` or a short count where a read of ours would raise `SIGBUS`.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
    knows_residency: bool,
}

impl Mapping {
    /// Maps the first `len` bytes of `file`, which must be open for reading.
    ///
    /// # Errors
    /// What mmap(2) says; `EINVAL` when `len` is 0, `EFBIG` when it does not fit the address space.
    pub fn new(file: BorrowedFd<'_>, len: u64) -> Result<Self, Errno> {
        let len = usize::try_from(len)
            .ok()
            .filter(|&len| isize::try_from(len).is_ok())
            .ok_or(Errno::FBIG)?;
        let knows_residency = writable(file);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in use.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        Ok(Self {
            base: mapped(base)?,
            len,
            knows_residency,
        })
    }

    /// `len` bytes of address space that nobody can read, to stand for a file that a simulation has.
    #[cfg(test)]
    pub(super) fn reserved(len: u64) -> Result<Self, Errno> {
        let len = usize::try_from(len).map_err(|_| Errno::FBIG)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in use.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        Ok(Self {
            base: mapped(base)?,
            len,
            knows_residency: true,
        })
    }

    /// Bytes mapped.
    pub fn len(&self) -> u64 {
        self.len as u64
    }

    /// Whether nothing is mapped; never so.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether [`Mapping::resident`] can tell: the kernel only tells those who may write the file
    /// (mincore(2)). When it cannot, [`super::resident_now`] asks the open file instead.
    pub fn knows_residency(&self) -> bool {
        self.knows_residency
    }

    /// Whether all pages of `range` are in memory now. `false` when that cannot be told, or when the range does not
    /// lie in the mapping.
    pub fn resident(&self, range: Range<u64>) -> bool {
        if !self.knows_residency || range.start > range.end || range.end > self.len() {
            return false;
        }
        let page = page_size();
        // Both fit: the range lies in the mapping, whose length is a usize.
        let (mut at, end) = (range.start as usize / page * page, range.end as usize);
        let mut pages = [0u8; PAGES_PER_CALL];
        while at < end {
            let len = (end - at).min(PAGES_PER_CALL * page);
            let count = len.div_ceil(page);
            // SAFETY: `at..at + len` lies in the mapping and `at` is page-aligned; the vector has a byte for each of
            // the `count` pages. The kernel only looks, it reads none of the mapped bytes.
            let failed = unsafe {
                libc::mincore(self.base.as_ptr().add(at).cast(), len, pages.as_mut_ptr())
            };
            if failed != 0 || pages[..count].iter().any(|page| page & 1 == 0) {
                return false;
            }
            at += len;
        }
        true
    }

    /// Address of the first byte of `range` and its length, for the kernel alone to read.
    ///
    /// # Panics
    /// When the range does not lie in the mapping.
    pub(super) fn stretch(&self, range: &Range<u64>) -> (*mut u8, usize) {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "the range lies in the mapping"
        );
        // SAFETY: `range.start` is at most the length of the mapping, which is one allocation of at most
        // `isize::MAX` bytes.
        let start = unsafe { self.base.as_ptr().add(range.start as usize) };
        (start, (range.end - range.start) as usize)
    }

    /// As [`Mapping::stretch`], from the page that `range` begins in and of at most `max_bytes`.
    pub(super) fn pages(&self, range: &Range<u64>, max_bytes: usize) -> (*mut u8, usize) {
        let page = page_size() as u64;
        let (start, len) = self.stretch(&(range.start / page * page..range.end));
        (start, len.next_multiple_of(page as usize).min(max_bytes))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this length; every operation in flight on it holds its own reference count, so
        // none is left, and no Rust reference into it was ever made.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Anonymous private memory, zeroed, page-aligned, at a fixed address until dropped.
#[derive(Debug)]
pub(super) struct Anonymous {
    base: NonNull<u8>,
    len: usize,
}

impl Anonymous {
    /// Maps `len` bytes.
    pub(super) fn new(len: usize) -> Result<Self, Errno> {
        if isize::try_from(len).is_err() {
            return Err(Errno::NOMEM);
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in use.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        let base = mapped(base)?;
        Ok(Self { base, len })
    }

    /// Address of the first byte. Valid for reads and writes of [`Anonymous::len`] bytes while `self` lives; whoever
    /// dereferences it sees to it that accesses do not conflict.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Anonymous {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this length; its owners hand out nothing that outlives it.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Whether this thread may write `file`, however it was opened: to such a caller mincore(2) tells the truth, to others
/// it calls every page resident.
fn writable(file: BorrowedFd<'_>) -> bool {
    // SAFETY: the path is a static string, empty, so that the descriptor itself is asked about; nothing is written.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::W_OK,
            libc::AT_EMPTY_PATH | libc::AT_EACCESS,
        )
    };
    answer == 0
}

fn mapped(base: *mut libc::c_void) -> Result<NonNull<u8>, Errno> {
    if base == libc::MAP_FAILED {
        return Err(last_errno());
    }
    NonNull::new(base.cast()).ok_or(Errno::NOMEM)
}

/// Bytes in a page of this system.
pub(super) fn page_size() -> usize {
    rustix::param::page_size()
}
