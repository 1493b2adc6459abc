//! Whether a connection sends without a copy (`IORING_OP_SENDMSG_ZC`).
//!
//! A network card that reads memory by itself spares the copy into the socket; where there is none on the way, as on
//! loopback, the kernel copies all the same, later and at more cost. It says which of the two it did. So a connection that
//! has sent much tries it with one send, and goes on as that turned out.
//!
//! As with sendfile(2), what is changed in a file while it is on its way may be sent as it is then.

use rustix::io::Errno;

use crate::uring::Arena;

/// When a send is tried without a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Bytes that a connection has sent in large sends before: what was tried in vain is paid for by a long download.
    pub(super) after: u64,
    /// Bytes of such a send at least: pinning pages and the second completion cost as much as copying some 10 KB does
    /// (Documentation/networking/msg_zerocopy.rst).
    pub(super) least: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            after: 1 << 20,
            least: 32 << 10,
        }
    }
}

/// So many in a row that were copied end it. Fewer mean nothing: of sends that go out in one packet the kernel (since Linux
/// 6.10) says so of all but the first.
const MOST_COPIED: u32 = 16;

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZeroCopy {
    /// Nothing yet; bytes sent in large sends.
    Untried(u64),
    /// One such send is out, and the kernel has not said yet how it was done.
    Tried,
    /// Nothing is copied; so many of the last ones were said to be.
    Works(u32),
    /// Not here: the kernel copies, or refuses.
    Copies,
}

impl Default for ZeroCopy {
    fn default() -> Self {
        Self::Untried(0)
    }
}

impl ZeroCopy {
    /// Whether the next send, of so many bytes, is to go without a copy. What is sent so stays in the arena until it is
    /// acknowledged: no more than half of that waits for peers far away.
    pub(super) fn wants(self, bytes: usize, policy: &Policy, arena: &Arena) -> bool {
        let wants = match self {
            Self::Untried(sent) => sent >= policy.after,
            Self::Works(_) => true,
            Self::Tried | Self::Copies => false,
        };
        wants && bytes >= policy.least && arena.leased() <= arena.capacity() / 2
    }

    /// Whether nothing is copied.
    pub(super) fn works(self) -> bool {
        matches!(self, Self::Works(_))
    }

    /// A send of `bytes` in all was made, of which the socket took `taken`.
    pub(super) fn note_sent(&mut self, bytes: usize, taken: usize, policy: &Policy) {
        if let Self::Untried(sent) = self
            && bytes >= policy.least
        {
            *sent += taken as u64;
        }
    }

    /// A send without a copy was begun.
    pub(super) fn note_begun(&mut self) {
        if let Self::Untried(_) = self {
            *self = Self::Tried;
        }
    }

    /// It took nothing: the kernel will not say anything about it.
    pub(super) fn note_untold(&mut self, policy: &Policy) {
        if *self == Self::Tried {
            *self = Self::Untried(policy.after);
        }
    }

    /// The kernel refused it.
    pub(super) fn note_refused(&mut self) {
        *self = Self::Copies;
    }

    /// The kernel has said how one was done; whether that was not known before.
    pub(super) fn note_released(&mut self, copied: bool) -> bool {
        let (next, news) = match *self {
            // Those that were under way when it was given up.
            Self::Copies => (Self::Copies, false),
            Self::Works(_) if !copied => (Self::Works(0), false),
            Self::Works(count) if count + 1 < MOST_COPIED => (Self::Works(count + 1), false),
            _ if copied => (Self::Copies, true),
            _ => (Self::Works(0), true),
        };
        *self = next;
        news
    }
}

/// Whether an error of such a send means that it has to be made with a copy: by an old kernel, on this socket, or with so
/// much locked memory already.
pub(super) fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INVAL | Errno::OPNOTSUPP | Errno::NOMEM | Errno::NOBUFS
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn wants(zero_copy: ZeroCopy, bytes: usize) -> bool {
        zero_copy.wants(bytes, &Policy::default(), &Arena::new(4 * MIB).unwrap())
    }

    #[test]
    fn one_large_send_is_tried_after_a_mebibyte_of_them() {
        let policy = Policy::default();
        let mut zero_copy = ZeroCopy::default();
        for _ in 0..1_000 {
            zero_copy.note_sent(20_000, 20_000, &policy);
        }
        assert!(!wants(zero_copy, MIB), "small ones do not count");
        zero_copy.note_sent(MIB, MIB / 2, &policy);
        assert!(!wants(zero_copy, MIB));
        zero_copy.note_sent(MIB, MIB / 2, &policy);
        assert!(wants(zero_copy, MIB));
        assert!(!wants(zero_copy, 20_000));
        zero_copy.note_begun();
        assert!(!wants(zero_copy, MIB), "one at first");
        zero_copy.note_untold(&policy);
        assert!(wants(zero_copy, MIB));
    }

    #[test]
    fn it_goes_on_as_the_first_turned_out() {
        let mut works = ZeroCopy::Tried;
        assert!(works.note_released(false));
        assert!(!works.note_released(false));
        assert!(wants(works, MIB));
        works.note_begun();
        works.note_untold(&Policy::default());
        assert!(wants(works, MIB));
        for _ in 1..MOST_COPIED {
            assert!(!works.note_released(true), "a few mean nothing");
        }
        assert!(!works.note_released(false));
        for _ in 1..MOST_COPIED {
            assert!(!works.note_released(true));
        }
        assert!(works.note_released(true));
        assert!(!works.note_released(false), "and never again");
        assert!(!wants(works, MIB));
        let mut refused = ZeroCopy::Tried;
        refused.note_refused();
        assert!(!refused.note_released(true));
        assert!(!wants(refused, MIB));
    }

    #[test]
    fn half_of_the_arena_is_left_to_others() {
        let arena = Arena::new(4 * MIB).unwrap();
        let leases: Vec<_> = (0..2).map(|_| arena.lease(MIB).unwrap()).collect();
        assert!(ZeroCopy::Works(0).wants(MIB, &Policy::default(), &arena));
        let more = arena.lease(1).unwrap();
        assert!(!ZeroCopy::Works(0).wants(MIB, &Policy::default(), &arena));
        drop((leases, more));
    }
}
