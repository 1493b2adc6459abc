//! What connections leave of the process's descriptors, so that those who are connected get their files.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::process::{Resource, getrlimit};

/// One part in so many of the limit is kept for files,
const PART: u64 = 64;
/// at least so many, or one part in so many of a low limit,
const LEAST: u64 = 64;
const PART_OF_FEW: u64 = 8;
/// and at most so many.
const MOST: u64 = 1_024;

/// See the module's documentation. The kernel hands out the lowest number that is free (open(2)): so that of a new
/// descriptor tells how many the whole process has taken, and shards need not count together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptors {
    /// From this number on they are few.
    few: u64,
    /// From this number on they are for files alone.
    last: u64,
}

impl Descriptors {
    /// By the limit as it is now (`RLIMIT_NOFILE`, setrlimit(2)).
    pub(super) fn of_process() -> Self {
        Self::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    fn of(limit: u64) -> Self {
        let least = (limit / PART_OF_FEW).min(LEAST);
        let kept = (limit / PART).clamp(least, MOST);
        Self {
            few: limit - kept,
            last: limit - kept / 2,
        }
    }

    /// Whether it is to be the last connection for now, or a file that is closed after it was used: as this one is `new`, few
    /// are left.
    pub(super) fn are_few(&self, new: BorrowedFd<'_>) -> bool {
        number(new) >= self.few
    }

    /// Whether this `new` one is for no connection: many came at once.
    pub(super) fn are_last(&self, new: BorrowedFd<'_>) -> bool {
        number(new) >= self.last
    }

    /// Whether another connection may be accepted: `any` descriptor is duplicated to see what number comes.
    pub(super) fn have_room(&self, any: impl AsFd) -> bool {
        rustix::io::fcntl_dupfd_cloexec(any, 0).is_ok_and(|next| !self.are_few(next.as_fd()))
    }
}

fn number(descriptor: BorrowedFd<'_>) -> u64 {
    u64::try_from(descriptor.as_raw_fd()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_for_files() {
        for (limit, few, last) in [
            (64, 56, 60),
            (1_024, 960, 992),
            (10_240, 10_080, 10_160),
            (65_536, 64_512, 65_024),
            (u64::MAX, u64::MAX - 1_024, u64::MAX - 512),
        ] {
            let descriptors = Descriptors::of(limit);
            assert_eq!((descriptors.few, descriptors.last), (few, last));
        }
    }

    #[test]
    fn a_number_tells_how_many_are_taken() {
        let any = std::io::stderr();
        let full = Descriptors { few: 0, last: 0 };
        assert!(full.are_few(any.as_fd()) && full.are_last(any.as_fd()));
        assert!(!full.have_room(&any));
        let free = Descriptors::of(u64::MAX);
        assert!(!free.are_few(any.as_fd()) && !free.are_last(any.as_fd()));
        assert!(free.have_room(&any));
    }
}
