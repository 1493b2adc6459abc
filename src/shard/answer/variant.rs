//! What a file is answered as: as it is, or coded.

use std::cell::OnceCell;
use std::rc::Rc;

use bytes::Bytes;

use super::request::VERSIONS;
use crate::files::coding::ENCODER;
use crate::files::{FileRef, OpenFile};
use crate::http::{Coding, EntityTag, Representation};
use crate::response::{Body, Segment};

/// Where the bytes come from.
#[derive(Clone, Debug)]
enum Source {
    /// The file itself.
    Plain,
    /// A file beside it, which was coded beforehand.
    Precoded(Coding, Rc<OpenFile>),
    /// The file as it was coded here, in memory.
    Coded(Coding, Bytes),
}

/// A representation of a file (RFC 9110, section 3.2).
#[derive(Clone, Debug)]
pub(in crate::shard) struct Variant {
    /// What was asked for: its type, its times and the rules for its path count, whatever is sent.
    pub(in crate::shard) base: Rc<OpenFile>,
    source: Source,
    /// Whether another request may get another representation, by its Accept-Encoding.
    pub(in crate::shard) varies: bool,
}

impl Variant {
    /// The file as it is.
    pub(in crate::shard) fn plain(base: Rc<OpenFile>, varies: bool) -> Self {
        Self {
            base,
            source: Source::Plain,
            varies,
        }
    }

    /// A file that was coded beforehand in place of `base`.
    pub(in crate::shard) fn precoded(
        base: Rc<OpenFile>,
        coding: Coding,
        file: Rc<OpenFile>,
    ) -> Self {
        Self {
            base,
            source: Source::Precoded(coding, file),
            varies: true,
        }
    }

    /// The whole of `base` as it was coded here.
    pub(in crate::shard) fn coded(base: Rc<OpenFile>, coding: Coding, bytes: Bytes) -> Self {
        Self {
            base,
            source: Source::Coded(coding, bytes),
            varies: true,
        }
    }

    /// The file that bytes are read from.
    pub(in crate::shard) fn file(&self) -> &Rc<OpenFile> {
        match &self.source {
            Source::Plain | Source::Coded(..) => &self.base,
            Source::Precoded(_, file) => file,
        }
    }

    /// The coding that was applied, if any.
    pub(in crate::shard) fn coding(&self) -> Option<Coding> {
        match self.source {
            Source::Plain => None,
            Source::Precoded(coding, _) | Source::Coded(coding, _) => Some(coding),
        }
    }

    /// The coding that was applied here, and not beforehand.
    pub(in crate::shard) fn coded_here(&self) -> Option<Coding> {
        match self.source {
            Source::Coded(coding, _) => Some(coding),
            Source::Plain | Source::Precoded(..) => None,
        }
    }

    pub(in crate::shard) fn etag(&self) -> EntityTag {
        match &self.source {
            Source::Plain => self.base.etag,
            Source::Precoded(coding, file) => file.etag.precoded(*coding),
            Source::Coded(coding, _) => self.base.etag.coded(*coding, ENCODER),
        }
    }

    /// Bytes.
    pub(in crate::shard) fn len(&self) -> u64 {
        match &self.source {
            Source::Coded(_, bytes) => bytes.len() as u64,
            _ => self.file().identity.len,
        }
    }

    /// All of it, when it is in memory.
    pub(in crate::shard) fn bytes(&self) -> Option<&Bytes> {
        match &self.source {
            Source::Coded(_, bytes) => Some(bytes),
            _ => self.file().contents.as_ref(),
        }
    }

    /// Where the head of the plain 200 answer is kept.
    pub(super) fn heads(&self) -> Option<&[OnceCell<Bytes>; VERSIONS]> {
        match &self.source {
            Source::Plain => Some(&self.base.heads),
            Source::Precoded(_, file) => Some(&file.coded_heads),
            Source::Coded(..) => None,
        }
    }

    pub(super) fn representation<'a>(&self, etag: &'a EntityTag) -> Representation<'a> {
        Representation {
            etag,
            last_modified: self.file().last_modified(),
            len: self.len(),
        }
    }

    /// `len` bytes from `offset` on, both within it.
    pub(super) fn segment(&self, offset: u64, len: u64) -> Segment<FileRef> {
        match self.bytes() {
            Some(bytes) => Segment::Bytes(bytes.slice(offset as usize..(offset + len) as usize)),
            None => Segment::File {
                file: FileRef(Rc::clone(self.file())),
                offset,
                len,
            },
        }
    }

    pub(super) fn body(&self, offset: u64, len: u64) -> Body<FileRef> {
        match self.segment(offset, len) {
            _ if len == 0 => Body::Empty,
            Segment::Bytes(bytes) => Body::Bytes(bytes),
            Segment::File { file, offset, len } => Body::File { file, offset, len },
        }
    }
}
