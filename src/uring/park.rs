//! Waiting for the ring from elsewhere: an eventfd that the kernel signals when there is something to do.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::sync::atomic::{Ordering, fence};

use glommio::io::BufferedFile;
use rustix::io::Errno;

use super::ring::Ring;

/// Parks the executor of this thread until `eventfd` is signalled, and takes the signal.
///
/// The future must be driven to its end: dropped before, the signal that it was about to take is lost.
///
/// # Errors
/// `EIO` when the executor could not read the eventfd.
pub async fn read_eventfd(eventfd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: borrowed, the descriptor stays open until the read is done; `ManuallyDrop` leaves closing it to its
    // owner.
    let file = ManuallyDrop::new(unsafe { BufferedFile::from_raw_fd(eventfd.as_raw_fd()) });
    file.read_at(0, 8).await.map(drop).map_err(|_| Errno::IO)
}

impl Ring {
    /// The eventfd that is signalled when this ring has something to do while it is armed. It blocks when read.
    pub fn eventfd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Has the eventfd signalled from now on, and returns `true`; or returns `false`, disarmed, when there is something
    /// to do already. Between arming and waiting for the eventfd nothing may be queued here.
    ///
    /// A signal may come although nothing is left to do: one from between arming and looking stays in the eventfd, and on
    /// Linux 6.1 one from disarming, which first does there what there is to do.
    ///
    /// The eventfd is registered each time anew. To leave it registered and tell the kernel by a flag of the completion queue
    /// (`IORING_CQ_EVENTFD_DISABLED`) would spare two system calls, but Linux 6.12.115 to 6.12.118 signal one that is
    /// registered once, and never again.
    pub fn arm(&mut self) -> bool {
        if !self.queues.register_eventfd(self.eventfd.as_fd()) {
            return false;
        }
        // The kernel posts, then looks for an eventfd; we register it, then look. One of the two sees the other.
        fence(Ordering::SeqCst);
        let idle = !self.queues.pending();
        if !idle {
            self.disarm();
        }
        idle
    }

    /// Has the eventfd left alone again.
    pub fn disarm(&mut self) {
        self.queues.unregister_eventfd();
    }
}
