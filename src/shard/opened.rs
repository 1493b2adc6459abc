//! From an open descriptor to what is remembered of it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use bytes::Bytes;
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use super::page_cache;
use super::seek::{Outcome, SITE_KEY_BYTES};
use super::shared::Shared;
use crate::files::coding::is_compressible;
use crate::files::{Found, Identity, OpenFile, PageCache, Reading, SMALL_FILE_BYTES};
use crate::http::{EntityTag, content_type};
use crate::site::Treatment;
use crate::uring::Mapping;

/// A regular file that was just opened.
pub(super) struct Opened {
    pub(super) descriptor: Rc<OwnedFd>,
    pub(super) identity: Identity,
    /// When that was asked, in seconds since the epoch.
    at_secs: u64,
}

/// Where a file's bytes are.
pub(super) enum Contents {
    /// Here.
    Small(Bytes),
    /// On disk: to be mapped, or to be read.
    Large(OnceCell<Option<Rc<Mapping>>>, Reading),
}

/// What a descriptor is of.
pub(super) enum Looked {
    /// No file that is to be described.
    Known(Outcome),
    /// One that is to be described.
    File(Opened, Contents),
    /// One whose contents are to be read before.
    Unread(Opened),
    /// Another descriptor was refused.
    Refused(Errno),
}

impl Shared {
    /// Asks what was opened for the path of `key`. An unchanged file keeps what is remembered of it.
    pub(super) fn look_at(&self, key: &[u8], descriptor: Rc<OwnedFd>) -> Looked {
        let at_secs = self.clock.now_secs;
        let Ok(stat) = self.ring.stat(descriptor.as_fd()) else {
            return Looked::Known(Err(500));
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Looked::Known(Ok(Found::Directory)),
            // Devices, sockets and pipes are no files to be served.
            _ => return Looked::Known(Err(404)),
        }
        let identity = identity(&stat);
        if let Some(previous) = self.files.previous(key)
            && previous.still_is(&identity)
        {
            return Looked::Known(Ok(Found::File(Rc::clone(previous))));
        }
        let opened = Opened {
            descriptor,
            identity,
            at_secs,
        };
        match identity.len {
            0 => Looked::File(opened, Contents::Small(Bytes::new())),
            1..=SMALL_FILE_BYTES => Looked::Unread(opened),
            _ => self.look_at_large(opened),
        }
    }

    fn look_at_large(&self, opened: Opened) -> Looked {
        read_blocking(&opened.descriptor);
        // One whose pages are not to stay is read into place: a mapping would hold them.
        let mapping = match self.page_cache {
            PageCache::Keep => OnceCell::new(),
            PageCache::Drop | PageCache::Direct => OnceCell::from(None),
        };
        match page_cache::reading(self.page_cache, opened.descriptor.as_fd(), &self.ring) {
            Ok(reading) => Looked::File(opened, Contents::Large(mapping, reading)),
            Err(errno) => Looked::Refused(errno),
        }
    }
}

/// What is remembered of a file.
pub(super) fn describe(
    key: Rc<[u8]>,
    treatment: Rc<Treatment>,
    opened: Opened,
    contents: Contents,
) -> Found {
    let (mapping, reading, contents) = match contents {
        Contents::Small(bytes) => (None.into(), Reading::default(), Some(bytes)),
        Contents::Large(mapping, reading) => (mapping, reading, None),
    };
    let identity = opened.identity;
    let content_type = own_type(&key[SITE_KEY_BYTES..], &treatment);
    Found::File(Rc::new(OpenFile {
        descriptor: opened.descriptor,
        mapping,
        asked: Cell::default(),
        resident: Default::default(),
        reading,
        identity,
        etag: EntityTag::new(
            identity.inode,
            identity.len,
            identity.modified_s,
            identity.modified_ns,
        ),
        compressible: is_compressible(&content_type),
        content_type,
        contents,
        settled: identity.tells_versions_at(opened.at_secs),
        treatment,
        key,
        heads: Default::default(),
        coded_heads: Default::default(),
    }))
}

/// The value of Content-Type: by a rule, else by the name. A rule's value was text in the configuration.
fn own_type(path: &[u8], treatment: &Treatment) -> Cow<'static, str> {
    let set = treatment.fields.get("content-type");
    match set.and_then(|value| std::str::from_utf8(value).ok()) {
        Some(value) => value.to_owned().into(),
        None => content_type(path).into(),
    }
}

/// It was opened non-blocking, so that a pipe could not hold the ring's worker up: what is on disk alone would be `EAGAIN`.
pub(super) fn read_blocking(file: &OwnedFd) {
    let _ = rustix::fs::fcntl_setfl(file, OFlags::empty());
}

/// The status for a path that could not be opened.
pub(super) fn status(errno: Errno) -> u16 {
    match errno {
        // EXDEV: it leads out of the root. ELOOP: a magic link, or links without end.
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::XDEV
        | Errno::NAMETOOLONG
        | Errno::NXIO => 404,
        Errno::ACCESS | Errno::PERM => 403,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => 503,
        _ => 500,
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the fields' types differ between architectures"
)]
pub(super) fn identity(stat: &Stat) -> Identity {
    Identity {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        len: u64::try_from(stat.st_size).unwrap_or(0),
        modified_s: stat.st_mtime as i64,
        modified_ns: stat.st_mtime_nsec as u32,
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
    }
}
