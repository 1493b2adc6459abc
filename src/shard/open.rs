//! Opening files: one job per path, however many requests wait for it.
//!
//! 1. `openat2` beneath the root, through the ring, in one step: no path is ever checked and then opened.
//! 2. What was opened is asked what it is. An unchanged file keeps what is remembered of it.
//! 3. A small file's contents are read through the ring.
//! 4. Everybody who waits is answered, and the cache remembers.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::slice;

use bytes::Bytes;
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use super::answer::WaitingRequest;
use super::page_cache;
use super::seek::{Asker, Outcome, SITE_KEY_BYTES, Stage};
use super::shared::{JOB, Shared};
use crate::files::coding::is_compressible;
use crate::files::{Found, Identity, OpenFile, PageCache, Reading, SMALL_FILE_BYTES};
use crate::http::{EntityTag, content_type};
use crate::site::{SiteId, Treatment};
use crate::uring::{Event, Gather, Lease, Mapping, Owner, Ring, Slab};

/// Small files that are read at once with memory that is kept.
const MAX_BUFFERS: usize = 32;

/// A request that waits for a file.
pub(super) struct Waiter {
    pub(super) asker: Asker,
    pub(super) stage: Stage,
    pub(super) request: WaitingRequest,
}

impl Waiter {
    fn is_beside(&self) -> bool {
        matches!(self.stage, Stage::Beside(_))
    }
}

/// A path being opened.
pub(super) struct Job {
    site: SiteId,
    /// Of the cache.
    key: Box<[u8]>,
    treatment: Rc<Treatment>,
    waiters: Vec<Waiter>,
    /// Opened, and its contents being read.
    opened: Option<Opened>,
}

/// A small file whose contents are being read.
struct Opened {
    descriptor: Rc<OwnedFd>,
    identity: Identity,
    /// When that was asked, in seconds since the epoch.
    at_secs: u64,
    /// Bytes that are there.
    len: usize,
}

/// The jobs of one shard.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: Slab<Job>,
    by_key: HashMap<Box<[u8]>, Owner>,
    /// Memory that small files were read into, for the next: much at once is dear to ask for.
    buffers: Vec<Lease>,
}

#[cfg(test)]
impl Jobs {
    /// Those that are under way, as their completions name them.
    pub(super) fn owners(&self) -> Vec<Owner> {
        let owners = self.jobs.keys().into_iter().map(job_owner);
        owners.collect()
    }
}

/// A job that came to its end.
pub(super) struct Finished {
    pub(super) waiters: Vec<Waiter>,
    pub(super) outcome: Outcome,
}

impl Shared {
    /// Has the path of `key` opened, which is one of `site`; `waiter` goes on when it is.
    pub(super) fn open(&mut self, site: SiteId, key: &[u8], waiter: Waiter) {
        self.begun_opening += 1;
        if let Some(job) = self.jobs.by_key.get(key).copied()
            && let Some(job) = self.jobs.jobs.get_mut(job)
        {
            job.waiters.push(waiter);
            return;
        }
        let treatment = self.treatment(site, &key[SITE_KEY_BYTES..]);
        let job = self.jobs.jobs.insert_with(|_| Job {
            site,
            key: key.into(),
            treatment,
            waiters: vec![waiter],
            opened: None,
        });
        self.submit_open(job);
        // Only now: one that panicked before is waited for by nobody else.
        self.jobs.by_key.insert(key.into(), job);
    }

    fn submit_open(&mut self, key: Owner) {
        let Some(job) = self.jobs.jobs.get_mut(key) else {
            return;
        };
        let route = self.sites.locate(job.site, &job.key[SITE_KEY_BYTES..]);
        let mount = route.mount;
        // openat2 wants a path; the mount's directory itself has none.
        let rest = if route.rest.is_empty() {
            b"."
        } else {
            route.rest
        };
        // A resolved path has no NUL: were there one, the root itself would be opened, which is no file.
        let rest = CString::new(rest).unwrap_or_default();
        let (root, resolve) = self.mount(mount);
        self.ring.open(root, rest, resolve, job_owner(key));
    }

    /// A completion of a job; when it was its last, what came of it.
    pub(super) fn job_event(&mut self, owner: Owner, event: Event) -> Option<Finished> {
        let key = job_key(owner);
        let step = match event {
            Event::Opened {
                file: Ok(descriptor),
            } => self.opened(key, Rc::new(descriptor)),
            Event::Opened { file: Err(errno) } => self.refused(key, errno),
            Event::Read { gather, result } => self.contents_read(key, gather, result),
            _ => None,
        };
        let outcome = step?;
        let job = self.jobs.jobs.get_mut(key)?;
        match &outcome {
            // It is used and closed, or it would soon take the last that are kept for files.
            Ok(Found::File(file)) if self.descriptors.are_few(file.descriptor.as_fd()) => {
                self.files.remove(&job.key);
            }
            Ok(found) => self.files.insert(&job.key, found.clone(), self.now_ns),
            // That there is no coded file beside another is asked with every request for that.
            Err(404) if job.waiters.iter().any(Waiter::is_beside) => {
                self.files.insert(&job.key, Found::Nothing, self.now_ns);
            }
            Err(_) => self.files.remove(&job.key),
        }
        self.finish(key, outcome)
    }

    /// A job whose event panicked: nothing else may ever come of it.
    pub(super) fn give_up_job(&mut self, owner: Owner) -> Option<Finished> {
        self.finish(job_key(owner), Err(500))
    }

    fn finish(&mut self, key: Owner, outcome: Outcome) -> Option<Finished> {
        let job = self.jobs.jobs.remove(key)?;
        self.jobs.by_key.remove(&job.key);
        Some(Finished {
            waiters: job.waiters,
            outcome,
        })
    }

    fn opened(&mut self, key: Owner, descriptor: Rc<OwnedFd>) -> Option<Result<Found, u16>> {
        let job = self.jobs.jobs.get_mut(key)?;
        let at_secs = self.clock.now_secs;
        let Ok(stat) = self.ring.stat(descriptor.as_fd()) else {
            return Some(Err(500));
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Some(Ok(Found::Directory)),
            // Devices, sockets and pipes are no files to be served.
            _ => return Some(Err(404)),
        }
        let identity = identity(&stat);
        if let Some(previous) = self.files.previous(&job.key)
            && previous.still_is(&identity)
        {
            return Some(Ok(Found::File(Rc::clone(previous))));
        }
        let opened = Opened {
            descriptor,
            identity,
            at_secs,
            len: 0,
        };
        if identity.len > SMALL_FILE_BYTES {
            read_blocking(&opened.descriptor);
            // One whose pages are not to stay is read into place: a mapping would hold them.
            let mapping = match self.page_cache {
                PageCache::Keep => OnceCell::new(),
                PageCache::Drop | PageCache::Direct => OnceCell::from(None),
            };
            let reading =
                page_cache::reading(self.page_cache, opened.descriptor.as_fd(), &self.ring);
            let reading = match reading {
                Ok(reading) => reading,
                Err(errno) => return self.refused(key, errno),
            };
            let contents = Contents::Large(mapping, reading);
            return Some(Ok(open_file(job, opened, contents)));
        }
        if identity.len == 0 {
            let contents = Contents::Small(Bytes::new());
            return Some(Ok(open_file(job, opened, contents)));
        }
        // Not a slot: those are for what is being sent, and this must not wait for one.
        let lease = self.jobs.buffers.pop();
        let lease = lease.unwrap_or_else(|| Lease::on_heap(SMALL_FILE_BYTES as usize));
        let mut gather = Gather::new();
        gather.set_buffer(lease);
        let opened = job.opened.insert(opened);
        read_on(opened, gather, key, &mut self.ring);
        None
    }

    fn contents_read(
        &mut self,
        key: Owner,
        mut gather: Box<Gather>,
        result: Result<usize, Errno>,
    ) -> Option<Result<Found, u16>> {
        let job = self.jobs.jobs.get_mut(key)?;
        let opened = job.opened.as_mut()?;
        let again = match result {
            Ok(n) => {
                opened.len += n;
                // Less than all of it was read, and its end was not met.
                n > 0 && (opened.len as u64) < opened.identity.len
            }
            Err(Errno::INTR) => true,
            Err(Errno::AGAIN) => {
                read_blocking(&opened.descriptor);
                true
            }
            Err(_) => return Some(Err(500)),
        };
        if again {
            read_on(opened, gather, key, &mut self.ring);
            return None;
        }
        let mut opened = job.opened.take()?;
        let grew = |len| len > SMALL_FILE_BYTES;
        if opened.len as u64 == SMALL_FILE_BYTES
            && opened.identity.len < SMALL_FILE_BYTES
            && self.ring.size(opened.descriptor.as_fd()).is_ok_and(grew)
        {
            // Between the two looks, to more than is read here. One that only holds more than it says, as a file
            // system in user space may have it, would be read for ever.
            return self.opened(key, opened.descriptor);
        }
        let Some(buffer) = gather.take_buffer() else {
            return Some(Err(500));
        };
        let Some(read) = buffer.get(..opened.len) else {
            return Some(Err(500));
        };
        let contents = Bytes::copy_from_slice(read);
        if self.jobs.buffers.len() < MAX_BUFFERS {
            self.jobs.buffers.push(buffer);
        }
        // Where it changed between the two looks, what was read is one version of it, said to be that long.
        opened.identity.len = opened.len as u64;
        Some(Ok(open_file(job, opened, Contents::Small(contents))))
    }

    /// A path could not be opened: it is tried again for as long as files that nobody is reading can make room for it.
    fn refused(&mut self, key: Owner, errno: Errno) -> Option<Result<Found, u16>> {
        if matches!(errno, Errno::MFILE | Errno::NFILE) && self.files.evict_file() {
            self.submit_open(key);
            return None;
        }
        Some(Err(status(errno)))
    }
}

/// It was opened non-blocking, so that a pipe could not hold the ring's worker up: what is on disk alone would be `EAGAIN`.
fn read_blocking(file: &OwnedFd) {
    let _ = rustix::fs::fcntl_setfl(file, OFlags::empty());
}

/// Reads what is not there yet of a small file, also what it has grown by.
fn read_on(opened: &Opened, gather: Box<Gather>, job: Owner, ring: &mut Ring) {
    ring.read(
        Rc::clone(&opened.descriptor),
        gather,
        slice::from_ref(&(opened.len..SMALL_FILE_BYTES as usize)),
        opened.len as u64,
        job_owner(job),
    );
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

/// Where a file's bytes are.
enum Contents {
    /// Here.
    Small(Bytes),
    /// On disk: to be mapped, or to be read.
    Large(OnceCell<Option<Rc<Mapping>>>, Reading),
}

fn open_file(job: &Job, opened: Opened, contents: Contents) -> Found {
    let (mapping, reading, contents) = match contents {
        Contents::Small(bytes) => (None.into(), Reading::default(), Some(bytes)),
        Contents::Large(mapping, reading) => (mapping, reading, None),
    };
    let identity = opened.identity;
    let content_type = own_type(job);
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
        treatment: Rc::clone(&job.treatment),
        key: job.key.clone(),
        heads: Default::default(),
        coded_heads: Default::default(),
    }))
}

/// The value of Content-Type: by a rule, else by the name. A rule's value was text in the configuration.
fn own_type(job: &Job) -> Cow<'static, str> {
    let set = job.treatment.fields.get("content-type");
    match set.and_then(|value| std::str::from_utf8(value).ok()) {
        Some(value) => value.to_owned().into(),
        None => content_type(&job.key[SITE_KEY_BYTES..]).into(),
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

fn job_key(owner: Owner) -> Owner {
    Owner {
        slot: owner.slot & !JOB,
        ..owner
    }
}

fn job_owner(key: Owner) -> Owner {
    Owner {
        slot: key.slot | JOB,
        ..key
    }
}
