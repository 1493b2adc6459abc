//! Descriptors that the process was started with.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// A close-on-exec duplicate of descriptor `fd`, which whoever started the process left open for it (systemd's
/// `LISTEN_FDS`, see `sd_listen_fds(3)`).
///
/// The inherited descriptor itself stays open and nobody's, so asking twice is harmless.
///
/// # Errors
/// `EBADF` when no such descriptor is open; `EMFILE` when there is no room for the duplicate.
pub fn inherited_fd(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: `fd` is not -1, and it is only borrowed for one fcntl(F_DUPFD_CLOEXEC), which checks that it is
    // open and neither closes nor changes it; ownership is never taken of a descriptor that may be another's.
    let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
    inherited.try_clone_to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn duplicates_and_leaves_the_original_alone() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let copy = inherited_fd(file.as_raw_fd()).unwrap();
        assert_ne!(copy.as_raw_fd(), file.as_raw_fd());
        drop(copy);
        assert!(file.metadata().is_ok());
    }

    #[test]
    fn refuses_what_is_not_open() {
        assert_eq!(
            inherited_fd(-1).unwrap_err().raw_os_error(),
            Some(libc::EBADF)
        );
        assert_eq!(
            inherited_fd(i32::MAX).unwrap_err().raw_os_error(),
            Some(libc::EBADF)
        );
    }
}
