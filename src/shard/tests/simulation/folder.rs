//! A directory on disk, to be listed: what reads directories is no part of the ring.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use crate::listing::{self, Directory, Format, Listing, Policy, Query, Symlinks};
use crate::uring::Opener;

/// The name of the directory in the root.
pub(super) const DIRECTORY: &str = "list";
/// Enough for several pieces.
const ENTRIES: usize = 250;
const NAME_BYTES: usize = 200;
/// When the entries were modified, in seconds since the epoch.
const MODIFIED_S: u64 = 1_000_000_000;

pub(super) struct Folder {
    root: TempDir,
    /// What is to be said of the directory.
    pub(super) listing: Bytes,
}

impl Folder {
    pub(super) fn new() -> Self {
        let root = TempDir::new().unwrap();
        let path = root.path().join(DIRECTORY);
        fs::create_dir(&path).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
        for number in 0..ENTRIES {
            let file = File::create(path.join(format!("{number:0NAME_BYTES$}"))).unwrap();
            file.set_modified(modified).unwrap();
        }
        let mut folder = Self {
            root,
            listing: Bytes::new(),
        };
        folder.listing = folder.list();
        folder
    }

    pub(super) fn root(&self) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(self.root.path(), flags, Mode::empty()).unwrap()
    }

    fn list(&self) -> Bytes {
        let directory = File::open(self.root.path().join(DIRECTORY)).unwrap();
        let (root, path) = (self.root(), DIRECTORY.as_bytes());
        let directory = Directory {
            descriptor: directory.as_fd(),
            root: root.as_fd(),
            path,
        };
        let policy = Policy {
            hidden: false,
            symlinks: Symlinks::Beneath,
        };
        let mut opener = Opener::default();
        let mut open = |base: BorrowedFd<'_>, path: &[u8], how| opener.open(base, path, how);
        let entries = listing::read(directory, policy, &mut open).unwrap();
        let pieces = Listing::new(path, entries, Query::parse(b""), Format::Html);
        pieces.into_iter().collect::<Vec<_>>().concat().into()
    }
}
