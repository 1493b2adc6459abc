//! Socket options that rustix does not have.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::last_errno;

/// See [`Ring::limit_unsent`](super::Ring::limit_unsent).
pub(super) fn set_tcp_notsent_lowat(socket: BorrowedFd<'_>, bytes: u32) -> Result<(), Errno> {
    let value = bytes.to_ne_bytes();
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, &value)
}

/// Sets an option of a socket (setsockopt(2)); `value` is laid out as the option wants it.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &[u8],
) -> Result<(), Errno> {
    // SAFETY: the value is as long as is said, and lives until the call returns; the kernel only reads it.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
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
