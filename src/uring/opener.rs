//! Opening paths on a thread that may wait.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use io_uring::types::{Fd, OpenHow};
use io_uring::{IoUring, opcode};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::errno_of;

/// Opens paths as openat2(2) does, where that is refused as well: systemd has it answered with `ENOSYS` for
/// `RestrictSUIDSGID=`, which `DynamicUser=` implies, since a filter of system calls cannot look into its arguments. The
/// operations of a ring pass no filter.
#[derive(Default)]
pub struct Opener {
    /// Once the call was refused.
    ring: Option<IoUring>,
}

impl Opener {
    /// Opens `path`, relative to `base`, to be looked at (`O_PATH`). Blocks.
    ///
    /// # Errors
    /// What openat2(2) says; `EINVAL` for a path with a NUL; and where the call is refused, what io_uring_setup(2) and
    /// io_uring_enter(2) say.
    pub fn open(
        &mut self,
        base: BorrowedFd<'_>,
        path: &[u8],
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let path = CString::new(path).map_err(|_| Errno::INVAL)?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        if self.ring.is_none() {
            match rustix::fs::openat2(base, &path, flags, Mode::empty(), resolve) {
                Err(Errno::NOSYS) => {}
                opened => return opened,
            }
        }
        let ring = match self.ring.take() {
            Some(ring) => ring,
            None => IoUring::new(1).map_err(|error| errno_of(&error))?,
        };
        let how = OpenHow::new()
            .flags(flags.bits().into())
            .resolve(resolve.bits());
        let sqe = opcode::OpenAt2::new(Fd(base.as_raw_fd()), path.as_ptr(), &raw const how).build();
        let result = complete(self.ring.insert(ring), &sqe);
        if result.is_err() {
            // What is in it may never have been submitted.
            self.ring = None;
        }
        match result? {
            // SAFETY: the operation has just opened it, for nobody else.
            descriptor @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
            failed => Err(Errno::from_raw_os_error(-failed)),
        }
    }
}

/// Submits the operation to an empty ring and waits for its result.
fn complete(ring: &mut IoUring, sqe: &io_uring::squeue::Entry) -> Result<i32, Errno> {
    // SAFETY: the kernel copies the path and how it is to be opened when it takes the entry. It takes none but in the
    // calls below, while both are there: after one that failed the ring is dropped.
    let pushed = unsafe { ring.submission().push(sqe) };
    pushed.map_err(|_| Errno::BUSY)?;
    loop {
        match ring.submit_and_wait(1).map_err(|error| errno_of(&error)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if let Some(completion) = ring.completion().next() {
            return Ok(completion.result());
        }
    }
}
