//! A root of its own for each test.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ringlane::listing::{self, Directory, Entries, Kind, Policy, Symlinks};
use ringlane::uring::Opener;
use rustix::fs::{CWD, Mode, OFlags, openat};

pub(crate) const EVERYTHING: Policy = Policy {
    hidden: true,
    symlinks: Symlinks::All,
};

/// Reads a directory as the server does.
pub(crate) fn read(directory: Directory<'_>, policy: Policy) -> io::Result<Entries> {
    let mut opener = Opener::default();
    let mut open = |base: BorrowedFd<'_>, path: &[u8], resolve| opener.open(base, path, resolve);
    listing::read(directory, policy, &mut open)
}

pub(crate) struct Folder {
    held: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let held = tempfile::tempdir().unwrap();
        Self { held }
    }

    /// The path below the root; the root itself for an empty one.
    pub(crate) fn path(&self, path: &[u8]) -> PathBuf {
        self.held.path().join(OsStr::from_bytes(path))
    }

    pub(crate) fn file(&self, path: &[u8], len: usize) {
        fs::write(self.path(path), vec![b'x'; len]).unwrap();
    }

    pub(crate) fn directory(&self, path: &[u8]) {
        fs::create_dir(self.path(path)).unwrap();
    }

    pub(crate) fn link(&self, path: &[u8], target: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    pub(crate) fn open(&self, path: &[u8]) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, self.path(path), flags, Mode::empty()).unwrap()
    }

    pub(crate) fn read(&self, path: &[u8], policy: Policy) -> io::Result<Entries> {
        let (root, descriptor) = (self.open(b""), self.open(path));
        let directory = Directory {
            descriptor: descriptor.as_fd(),
            root: root.as_fd(),
            path,
        };
        read(directory, policy)
    }

    /// The names that are listed, sorted, directories with a slash; joined by spaces.
    pub(crate) fn listed(&self, path: &[u8], policy: Policy) -> String {
        let mut entries = self.read(path, policy).unwrap();
        entries.sort(Default::default());
        let names: Vec<_> = entries
            .iter()
            .map(|entry| {
                let slash = match entry.kind {
                    Kind::Directory => "/",
                    Kind::File => "",
                };
                format!("{}{slash}", entry.name.escape_ascii())
            })
            .collect();
        names.join(" ")
    }
}
