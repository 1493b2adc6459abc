//! An open regular file and what is remembered of it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use bytes::Bytes;

use super::reading::Reading;
use super::resident::Resident;
use crate::http::EntityTag;
use crate::site::Treatment;
use crate::slot::Source;
use crate::uring::Mapping;

/// Files up to this many bytes are kept in memory and copied into the slot; larger ones are gathered or read into
/// place. One full default HTTP/2 frame.
pub const SMALL_FILE_BYTES: u64 = 16_384;

/// Tells one version of a file from another (stat(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Bytes.
    pub len: u64,
    /// Last modification: seconds since the epoch.
    pub modified_s: i64,
    /// Last modification: nanoseconds within the second.
    pub modified_ns: u32,
    /// Last change of the inode (permissions, links): seconds and nanoseconds.
    pub changed: (i64, u32),
}

impl Identity {
    /// Coarsest step of the times that a file system keeps, in seconds: FAT's. Others have a second, or a tick of
    /// the kernel's clock.
    const TIME_STEP_SECS: i64 = 2;

    /// Whether whatever is written from `now_secs` (seconds since the epoch) on will show in the identity of a file
    /// that has this one then. It does not where the inode changed so lately that a write now may leave
    /// its times as they are: what is made from such a file's bytes is not to be kept under this identity.
    #[must_use]
    pub fn tells_versions_at(&self, now_secs: u64) -> bool {
        let (changed_s, _) = self.changed;
        i64::try_from(now_secs)
            .is_ok_and(|now_s| changed_s.saturating_add(Self::TIME_STEP_SECS) < now_s)
    }
}

/// An open regular file.
#[derive(Debug)]
pub struct OpenFile {
    /// The open descriptor: reads go through it.
    pub descriptor: Rc<OwnedFd>,
    /// The whole file mapped, for the kernel to gather from, once that was tried; `None` for small files, where mapping was
    /// refused, and where the page cache is not to keep it.
    pub mapping: OnceCell<Option<Rc<Mapping>>>,
    /// Whether an answer from it was gathered, or would have been.
    pub asked: Cell<bool>,
    /// What of the mapping was lately found in memory.
    pub resident: Resident,
    /// How the bytes of a file that is not mapped are read.
    pub reading: Reading,
    /// Which version of the file this is.
    pub identity: Identity,
    /// Strong validator made from the identity.
    pub etag: EntityTag,
    /// Value of Content-Type.
    pub content_type: Cow<'static, str>,
    /// Whether files of that type get much smaller by coding.
    pub compressible: bool,
    /// The whole contents of a small file.
    pub contents: Option<Bytes>,
    /// Whether whatever was written since it was opened shows in the identity ([`Identity::tells_versions_at`]).
    pub settled: bool,
    /// The key by which the cache knows it.
    pub key: Rc<[u8]>,
    /// What the rules say of its path.
    pub treatment: Rc<Treatment>,
    /// The encoded head of the plain 200 answer, once for each protocol: kept because it is asked for most.
    pub heads: [OnceCell<Bytes>; 2],
    /// The same for the answer that this file is as the coded form of another.
    pub coded_heads: [OnceCell<Bytes>; 2],
}

impl OpenFile {
    /// The whole file mapped, if it is.
    #[must_use]
    pub fn mapping(&self) -> Option<&Rc<Mapping>> {
        self.mapping.get()?.as_ref()
    }

    /// Last modification in whole seconds since the epoch, 0 for what is before it.
    #[must_use]
    pub fn last_modified(&self) -> u64 {
        u64::try_from(self.identity.modified_s).unwrap_or(0)
    }

    /// Whether this holds for a file that now has this identity.
    #[must_use]
    pub fn still_is(&self, identity: &Identity) -> bool {
        self.identity == *identity && !self.may_be_old()
    }

    /// Whether its contents may be older than what has the identity.
    #[must_use]
    pub fn may_be_old(&self) -> bool {
        !self.settled && self.contents.is_some()
    }
}

/// The handle that the protocol core passes around: it never looks inside.
#[derive(Clone, Debug)]
pub struct FileRef(pub Rc<OpenFile>);

impl FileRef {
    /// Whether both are the same open file.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Source for FileRef {
    fn is_mapped(&self) -> bool {
        self.0.mapping().is_some()
    }
}

/// A file of `len` bytes for tests: mapped, with nothing else known of it.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) fn test_file(descriptor: OwnedFd, len: u64) -> FileRef {
    use std::os::fd::AsFd;

    let mapping = Mapping::new(descriptor.as_fd(), len).unwrap();
    FileRef(Rc::new(OpenFile {
        descriptor: Rc::new(descriptor),
        mapping: Some(Rc::new(mapping)).into(),
        asked: Cell::default(),
        resident: Resident::default(),
        reading: Reading::default(),
        identity: Identity {
            device: 0,
            inode: 0,
            len,
            modified_s: 0,
            modified_ns: 0,
            changed: (0, 0),
        },
        etag: EntityTag::new(0, len, 0, 0),
        content_type: "text/plain".into(),
        compressible: true,
        contents: None,
        settled: true,
        treatment: Default::default(),
        key: Rc::default(),
        heads: Default::default(),
        coded_heads: Default::default(),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_kept_only_where_a_write_would_show() {
        let FileRef(file) = test_file(tempfile::tempfile().unwrap().into(), 1);
        let mut file = Rc::into_inner(file).unwrap();
        let identity = file.identity;
        file.settled = false;
        assert!(file.still_is(&identity), "what is on disk is as it is");
        file.contents = Some(Bytes::from_static(b"a"));
        assert!(!file.still_is(&identity));
        file.settled = true;
        assert!(file.still_is(&identity));
        assert!(!file.still_is(&Identity { len: 2, ..identity }));
    }

    #[test]
    fn a_write_shows_once_the_step_of_the_clock_is_over() {
        let identity = Identity {
            device: 0,
            inode: 0,
            len: 0,
            modified_s: 0,
            modified_ns: 0,
            changed: (100, 0),
        };
        assert!(!identity.tells_versions_at(100));
        assert!(!identity.tells_versions_at(102));
        assert!(identity.tells_versions_at(103));
        // A clock that was set back: nothing is known.
        assert!(!identity.tells_versions_at(50));
    }
}
