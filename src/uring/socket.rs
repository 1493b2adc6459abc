//! Socket options that rustix does not have.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::last_errno;

/// See [`Ring::limit_unsent`](super::Ring::limit_unsent).
pub(super) fn set_tcp_notsent_lowat(socket: BorrowedFd<'_>, bytes: u32) -> Result<(), Errno> {
    // SAFETY: the value is a u32 that lives until the call returns, and its size is given.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if failed == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn only_tcp_has_it() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(set_tcp_notsent_lowat(tcp.as_fd(), 1 << 17), Ok(()));
        let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(set_tcp_notsent_lowat(unix.as_fd(), 1 << 17).is_err());
    }
}
