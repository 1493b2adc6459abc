//! Waiting for the ring from elsewhere: an eventfd that the kernel signals when there is something to do.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};

use super::ring::Ring;

impl Ring {
    /// The eventfd that is signalled when this ring has something to do while it is armed. It blocks when read.
    pub fn eventfd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Has the eventfd signalled from now on, and returns `true`; or returns `false`, disarmed, when there is something
    /// to do already. Between arming and waiting for the eventfd nothing may be queued here.
    ///
    /// A signal may come although nothing is left to do: one from between arming and looking stays in the eventfd.
    pub fn arm(&mut self) -> bool {
        self.queues.io.completion().enable_eventfd();
        // The kernel posts, then reads the flag; we set the flag, then look. One of the two sees the other.
        fence(Ordering::SeqCst);
        let idle = !self.queues.pending();
        if !idle {
            self.disarm();
        }
        idle
    }

    /// Has the eventfd left alone again.
    pub fn disarm(&mut self) {
        self.queues.io.completion().disable_eventfd();
    }
}
