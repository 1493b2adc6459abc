//! Reading a directory: getdents64(2), statx(2), and for symbolic links openat2(2), or what stands in for it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, openat, statx,
};
use rustix::io::Errno;

use super::entries::{Entries, Entry, Kind};
use crate::http::target::PATH_BYTES_MAX;

/// Most entries that are listed of one directory. Beyond it the page serves nobody, and what it takes to make it (some
/// 40 MB and seconds of a core) is what a client could ask for again and again.
pub const MAX_ENTRIES: usize = 1_000_000;

/// Room for names in one getdents64(2): some hundreds of them.
const NAMES_BYTES: usize = 32 << 10;

/// How often a link is resolved anew where a rename elsewhere disturbed it (openat2(2), `EAGAIN`).
const RESOLVE_ATTEMPTS: usize = 4;

/// Which symbolic links are followed. It has to be what files are opened by, so that what is listed can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Those that lead to something beneath the root (`RESOLVE_BENEATH`).
    #[default]
    Beneath,
    /// None; they are not listed.
    None,
    /// All, wherever they lead.
    All,
}

/// What is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether names that begin with a dot are.
    pub hidden: bool,
    /// Which symbolic links are.
    pub symlinks: Symlinks,
}

/// A directory and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    /// The directory itself, open in any way (`O_PATH` suffices; the position of the descriptor stays as it is).
    pub descriptor: BorrowedFd<'a>,
    /// The root, open in any way.
    pub root: BorrowedFd<'a>,
    /// The path from the root to the directory, without a leading or trailing slash: empty for the root itself.
    pub path: &'a [u8],
}

/// Opens a path, relative to a directory, to be looked at (`O_PATH`), as openat2(2) does.
pub type Open<'a> = dyn FnMut(BorrowedFd<'_>, &[u8], ResolveFlags) -> Result<OwnedFd, Errno> + 'a;

/// Reads a directory's entries, in no particular order; `open` opens what links lead to.
///
/// Regular files and directories are taken, symbolic links to them as `policy` says, and nothing else. An entry that
/// vanishes meanwhile, that may not be looked at, that leads nowhere or whose name holds a control byte is left out: it
/// could not be had either.
///
/// # Errors
/// Those of opening the directory and of getdents64(2): `ENOENT` where it was removed, `ENOTDIR` where it is none,
/// `EACCES` where it may not be read; of the entries' errors only those that are the process's own: `EMFILE`,
/// `ENFILE`, `ENOMEM`.
pub fn read(directory: Directory<'_>, policy: Policy, open: &mut Open<'_>) -> io::Result<Entries> {
    Ok(read_up_to(MAX_ENTRIES, directory, policy, open)?)
}

fn read_up_to(
    max_entries: usize,
    directory: Directory<'_>,
    policy: Policy,
    open: &mut Open<'_>,
) -> Result<Entries, Errno> {
    // Opened anew: another request may be reading through the same descriptor, which has but one position.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = openat(directory.descriptor, c".", flags, Mode::empty())?;
    let mut links = Links::new(directory, policy.symlinks);
    let mut buffer = Vec::<u8>::with_capacity(NAMES_BYTES);
    let mut found = RawDir::new(own.as_fd(), buffer.spare_capacity_mut());
    let mut entries = Entries::default();
    while let Some(next) = found.next() {
        let next = next?;
        let name = next.file_name();
        if !is_listed(name.to_bytes(), policy) {
            continue;
        }
        let facts = match next.file_type() {
            FileType::Symlink => links.follow(own.as_fd(), name, open),
            FileType::RegularFile | FileType::Directory => look(own.as_fd(), name),
            // The file system does not say; or another was put in its place since.
            FileType::Unknown => match look(own.as_fd(), name) {
                Ok(facts) if file_type(&facts) == FileType::Symlink => {
                    links.follow(own.as_fd(), name, open)
                }
                looked => looked,
            },
            _ => continue,
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(error),
            Err(_) => continue,
        };
        let kind = match file_type(&facts) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            _ => continue,
        };
        if entries.len() == max_entries {
            entries.set_truncated();
            break;
        }
        // A name that is too long for the protocol's paths (FUSE allows 1,024 bytes) could not be asked for.
        let _ = entries.push(Entry {
            name: name.to_bytes(),
            kind,
            size: facts.stx_size,
            modified_s: facts.stx_mtime.tv_sec,
        });
    }
    Ok(entries)
}

fn is_listed(name: &[u8], policy: Policy) -> bool {
    match name {
        b"." | b".." => false,
        [b'.', ..] if !policy.hidden => false,
        // No request could name it (`TargetError::EncodedControl`).
        _ => !name.iter().any(u8::is_ascii_control),
    }
}

/// What is looked at.
const FACTS: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME);

/// What an entry is, a symbolic link not followed and nothing mounted for it.
fn look(directory: BorrowedFd<'_>, name: &CStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statx(directory, name, flags, FACTS)
}

fn file_type(facts: &Statx) -> FileType {
    FileType::from_raw_mode(facts.stx_mode.into())
}

/// Follows symbolic links as the files' own opening would.
struct Links<'a> {
    symlinks: Symlinks,
    root: BorrowedFd<'a>,
    /// The directory's path with its slash; the name is put behind it.
    path: Vec<u8>,
    directory_len: usize,
}

impl<'a> Links<'a> {
    fn new(directory: Directory<'a>, symlinks: Symlinks) -> Self {
        let mut path = directory.path.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        Self {
            symlinks,
            root: directory.root,
            directory_len: path.len(),
            path,
        }
    }

    /// What a link leads to. `directory` is the one that holds it.
    fn follow(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        open: &mut Open<'_>,
    ) -> Result<Statx, Errno> {
        let mut open = |base: BorrowedFd<'_>, path: &[u8], resolve| {
            open(base, path, resolve | ResolveFlags::NO_MAGICLINKS)
        };
        let mut attempts = RESOLVE_ATTEMPTS;
        let target = loop {
            attempts -= 1;
            let opened = match self.symlinks {
                Symlinks::None => Err(Errno::LOOP),
                Symlinks::All => open(directory, name.to_bytes(), ResolveFlags::empty()),
                // From the root, because a link may lead up and down again beneath it.
                Symlinks::Beneath => {
                    self.path.truncate(self.directory_len);
                    self.path.extend_from_slice(name.to_bytes());
                    if self.path.len() > PATH_BYTES_MAX {
                        return Err(Errno::NAMETOOLONG);
                    }
                    open(self.root, &self.path, ResolveFlags::BENEATH)
                }
            };
            match opened {
                Err(Errno::AGAIN) if attempts > 0 => {}
                opened => break opened?,
            }
        };
        statx(&target, c"", AtFlags::EMPTY_PATH, FACTS)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn what_is_beyond_the_limit_is_said_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", ".hidden"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        let descriptor = File::open(folder.path()).unwrap();
        let directory = Directory {
            descriptor: descriptor.as_fd(),
            root: descriptor.as_fd(),
            path: b"",
        };
        // What is not listed does not count.
        for (limit, len, truncated) in [(0, 0, true), (2, 2, true), (3, 3, false), (4, 3, false)] {
            let mut open = |_: BorrowedFd<'_>, _: &[u8], _| Err(Errno::NOENT);
            let entries = read_up_to(limit, directory, Policy::default(), &mut open).unwrap();
            assert_eq!((entries.len(), entries.is_truncated()), (len, truncated));
        }
    }
}
