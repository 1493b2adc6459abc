//! Opening files: at once where the kernel has all of it in memory, else by one job per path, however many requests wait
//! for it. A turn opens a few at once, and the jobs of the others begin in later turns in the same way.
//!
//! 1. `openat2` beneath the root, in one step: no path is ever checked and then opened.
//! 2. What was opened is asked what it is.
//! 3. A small file's contents are read.
//! 4. The cache remembers, and everybody who waits is answered.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::slice;

use bytes::Bytes;
use rustix::io::Errno;

use super::answer::WaitingRequest;
use super::later::Later;
use super::opened::{Contents, Looked, Opened, describe, read_blocking, status};
use super::seek::{Asker, Outcome, SITE_KEY_BYTES, Stage};
use super::shared::{JOB, Shared};
use crate::files::{Found, SMALL_FILE_BYTES};
use crate::site::{SiteId, Treatment};
use crate::uring::{Event, Gather, Lease, Owner, Pages, Resolve, Ring, Slab};

/// Files that a turn begins to open, at most: at once they take some 100 us, for which everybody else waits.
const AT_ONCE: u32 = 12;

/// Files that wait for later turns, some half a kilobyte each with who asked: what is asked for beyond that is opened at once.
pub(super) const MAX_LATER: usize = 1 << 16;

/// Small files that the ring reads at once with memory that is kept.
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
    key: Rc<[u8]>,
    treatment: Rc<Treatment>,
    waiters: Vec<Waiter>,
    /// It has had its turn.
    begun: bool,
    /// Opened, its contents being read, and how many bytes of them are there.
    opened: Option<(Opened, usize)>,
}

/// The jobs of one shard.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: Slab<Job>,
    by_key: HashMap<Rc<[u8]>, Owner>,
    /// Those that begin in a later turn.
    pub(super) later: Later,
    /// Files that this turn may begin to open yet.
    at_once: u32,
    /// Memory that the ring has read small files into, for the next: much at once is dear to ask for.
    buffers: Vec<Lease>,
    /// Nothing is opened at once: openat2(2) is refused, as it is under the unit of systemd ([`Opener`](crate::uring::Opener)).
    pub(super) only: bool,
}

impl Jobs {
    pub(super) fn begin_turn(&mut self) {
        self.at_once = AT_ONCE;
    }

    /// Whether any job waits for its turn.
    pub(super) fn have_later(&self) -> bool {
        self.later.len() > 0
    }

    /// The next of them, if this turn may begin one. It is begun when any of its requests is still `awaited`, else forgotten.
    pub(super) fn next_later(&mut self, awaited: impl Fn(&Waiter) -> bool) -> Option<Due> {
        if self.at_once == 0 {
            return None;
        }
        loop {
            let owner = self.later.pop()?;
            let Some(job) = self.jobs.get_mut(owner).filter(|job| !job.begun) else {
                // Another who waits for it had an earlier turn.
                continue;
            };
            if job.waiters.iter().any(&awaited) {
                job.begun = true;
                return Some(Due::Begin(owner));
            }
            return self.remove(owner).map(|job| Due::Forgotten(job.waiters));
        }
    }

    /// Gives up those requests of a connection which wait for a file's turn and are `given_up`, and files that nobody else waits
    /// for with them. Returns how many requests.
    pub(super) fn give_up(&mut self, connection: Owner, given_up: impl Fn(&Waiter) -> bool) -> u32 {
        let mut count = 0;
        // A file that the connection asked for often is looked at once.
        let mut still_waits = HashMap::new();
        let (jobs, by_key) = (&mut self.jobs, &mut self.by_key);
        self.later.retain(connection, |owner| {
            *still_waits.entry(owner).or_insert_with(|| {
                let Some(job) = jobs.get_mut(owner).filter(|job| !job.begun) else {
                    return false;
                };
                let is_ours = |waiter: &Waiter| waiter.asker.connection == connection;
                let before = job.waiters.len();
                job.waiters
                    .retain(|waiter| !is_ours(waiter) || !given_up(waiter));
                count += (before - job.waiters.len()) as u32;
                if job.waiters.is_empty() {
                    by_key.remove(&job.key);
                    jobs.remove(owner);
                    return false;
                }
                job.waiters.iter().any(is_ours)
            })
        });
        count
    }

    fn remove(&mut self, owner: Owner) -> Option<Job> {
        let job = self.jobs.remove(owner)?;
        self.by_key.remove(&job.key);
        Some(job)
    }

    /// Whether a file has to wait for a later turn: those that wait go first.
    fn must_wait(&self) -> bool {
        (self.at_once == 0 || self.have_later()) && self.later.len() < MAX_LATER
    }

    fn take_buffer(&mut self) -> Lease {
        let kept = self.buffers.pop();
        // Not a slot: those are for what is being sent, and this must not wait for one.
        kept.unwrap_or_else(|| Lease::on_heap(SMALL_FILE_BYTES as usize))
    }

    fn keep_buffer(&mut self, buffer: Lease) {
        if self.buffers.len() < MAX_BUFFERS {
            self.buffers.push(buffer);
        }
    }

    /// Those that are under way, as their completions name them.
    #[cfg(test)]
    pub(super) fn owners(&self) -> Vec<Owner> {
        let owners = self.jobs.keys().into_iter().map(job_owner);
        owners.collect()
    }
}

/// What a job has to do for a path of which it could not be told at once what it leads to.
pub(super) enum Rest {
    /// All of it, when its turn has come.
    Later,
    /// To open it.
    Open,
    /// To read what was opened.
    Read(Opened),
}

/// A job whose turn has come.
pub(super) enum Due {
    Begin(Owner),
    /// Of which nobody awaits the answer any more: those who did.
    Forgotten(Vec<Waiter>),
}

/// A job that came to its end.
pub(super) struct Finished {
    pub(super) waiters: Vec<Waiter>,
    pub(super) outcome: Outcome,
}

/// A path beneath a served directory, as openat2(2) wants it.
struct Beneath {
    root: Rc<OwnedFd>,
    path: CString,
    resolve: Resolve,
}

impl Shared {
    /// What the path of `key` leads to, which is one of `site`, where that can be told without waiting for a disk. `beside`
    /// another file none is expected.
    ///
    /// # Errors
    /// When a job has to tell ([`Shared::open`]).
    pub(super) fn open_now(
        &mut self,
        site: SiteId,
        key: &[u8],
        beside: bool,
    ) -> Result<Outcome, Rest> {
        // Where there is a job, another answer would be kept, and then an older one of the job in its place.
        if self.jobs.must_wait() || self.jobs.by_key.contains_key(key) {
            return Err(Rest::Later);
        }
        self.try_now(site, key, beside)
    }

    fn try_now(&mut self, site: SiteId, key: &[u8], beside: bool) -> Result<Outcome, Rest> {
        self.jobs.at_once = self.jobs.at_once.saturating_sub(1);
        if self.jobs.only {
            return Err(Rest::Open);
        }
        let Beneath {
            root,
            path,
            resolve,
        } = self.beneath(site, key);
        let outcome = match self.ring.open_now(root.as_fd(), &path, resolve) {
            Ok(descriptor) => match self.look_at(key, Rc::new(descriptor)) {
                Looked::Known(outcome) => outcome,
                Looked::File(opened, contents) => {
                    let treatment = self.treatment(site, &key[SITE_KEY_BYTES..]);
                    Ok(describe(key.into(), treatment, opened, contents))
                }
                Looked::Unread(opened) => {
                    let Some(contents) = self.read_now(key, &opened) else {
                        return Err(Rest::Read(opened));
                    };
                    let contents = Contents::Small(contents);
                    let treatment = self.treatment(site, &key[SITE_KEY_BYTES..]);
                    Ok(describe(key.into(), treatment, opened, contents))
                }
                Looked::Refused(_) => return Err(Rest::Open),
            },
            Err(errno) if status(errno) == 404 => Err(404),
            // A filter of system calls may refuse this one, and not the ring's.
            Err(errno) => {
                self.jobs.only = errno == Errno::NOSYS;
                return Err(Rest::Open);
            }
        };
        self.note_outcome(key, &outcome, beside);
        Ok(outcome)
    }

    /// All of the small file of `key`, if it is in memory and as long as it said.
    fn read_now(&mut self, key: &[u8], opened: &Opened) -> Option<Bytes> {
        let buffer = self.buffers.buffer();
        let all = 0..buffer.len();
        let read = self.ring.read_now(
            opened.descriptor.as_fd(),
            buffer,
            slice::from_ref(&all),
            0,
            Pages::Keep,
        );
        let len = read.ok().filter(|&n| n as u64 == opened.identity.len)?;
        Some(self.buffers.take(len, self.files.keeps(key)))
    }

    /// Has done what [`Shared::open_now`] left for the path of `key`, which is one of `site`; `waiter` goes on then.
    pub(super) fn open(&mut self, site: SiteId, key: &[u8], rest: Rest, waiter: Waiter) {
        self.begun_opening += 1;
        if let Some(owner) = self.jobs.by_key.get(key).copied()
            && let Some(job) = self.jobs.jobs.get_mut(owner)
        {
            if !job.begun {
                // It begins with the first turn that comes: of this one, or of who asked before.
                self.jobs.later.push(waiter.asker.connection, owner);
            }
            job.waiters.push(waiter);
            return;
        }
        let treatment = self.treatment(site, &key[SITE_KEY_BYTES..]);
        let key: Rc<[u8]> = key.into();
        let connection = waiter.asker.connection;
        let job = self.jobs.jobs.insert_with(|_| Job {
            site,
            key: Rc::clone(&key),
            treatment,
            waiters: vec![waiter],
            begun: !matches!(rest, Rest::Later),
            opened: None,
        });
        match rest {
            Rest::Later => self.jobs.later.push(connection, job),
            Rest::Open => self.submit_open(job),
            Rest::Read(opened) => self.read(job, opened),
        }
        // Only now: one that panicked before is waited for by nobody else.
        self.jobs.by_key.insert(key, job);
    }

    /// Begins a job that had to wait for its turn; when that was all, what came of it.
    pub(super) fn open_late(&mut self, owner: Owner) -> Option<Finished> {
        let job = self.jobs.jobs.get_mut(owner)?;
        let (site, key) = (job.site, Rc::clone(&job.key));
        let beside = job.waiters.iter().any(Waiter::is_beside);
        match self.try_now(site, &key, beside) {
            Ok(outcome) => return self.finish(owner, outcome),
            Err(Rest::Read(opened)) => self.read(owner, opened),
            Err(Rest::Later | Rest::Open) => self.submit_open(owner),
        }
        None
    }

    fn submit_open(&mut self, owner: Owner) {
        let Some(job) = self.jobs.jobs.get_mut(owner) else {
            return;
        };
        let (site, key) = (job.site, Rc::clone(&job.key));
        let Beneath {
            root,
            path,
            resolve,
        } = self.beneath(site, &key);
        self.ring.open(root, path, resolve, job_owner(owner));
    }

    fn beneath(&mut self, site: SiteId, key: &[u8]) -> Beneath {
        let route = self.sites.locate(site, &key[SITE_KEY_BYTES..]);
        // The mount's directory itself has no path.
        let rest = match route.rest {
            b"" => b".",
            rest => rest,
        };
        // A resolved path has no NUL: were there one, the root itself would be opened, which is no file.
        let path = CString::new(rest).unwrap_or_default();
        let mount = route.mount;
        let (root, resolve) = self.mount(mount);
        Beneath {
            root,
            path,
            resolve,
        }
    }

    /// A completion of a job; when it was its last, what came of it.
    pub(super) fn job_event(&mut self, owner: Owner, event: Event) -> Option<Finished> {
        let owner = job_key(owner);
        let step = match event {
            Event::Opened {
                file: Ok(descriptor),
            } => self.opened(owner, Rc::new(descriptor)),
            Event::Opened { file: Err(errno) } => self.refused(owner, errno),
            Event::Read { gather, result } => self.contents_read(owner, gather, result),
            _ => None,
        };
        let outcome = step?;
        let job = self.jobs.jobs.get_mut(owner)?;
        let (key, beside) = (
            Rc::clone(&job.key),
            job.waiters.iter().any(Waiter::is_beside),
        );
        self.note_outcome(&key, &outcome, beside);
        self.finish(owner, outcome)
    }

    /// The cache remembers what a path leads to.
    fn note_outcome(&mut self, key: &[u8], outcome: &Outcome, beside: bool) {
        match outcome {
            // It is used and closed, or it would soon take the last that are kept for files.
            Ok(Found::File(file)) if self.descriptors.are_few(file.descriptor.as_fd()) => {
                self.files.remove(key);
            }
            Ok(found) => self.files.insert(key, found.clone(), self.now_ns),
            // That there is no coded file beside another is asked with every request for that.
            Err(404) if beside => self.files.insert(key, Found::Nothing, self.now_ns),
            Err(_) => self.files.remove(key),
        }
    }

    /// A job whose event panicked: nothing else may ever come of it.
    pub(super) fn give_up_job(&mut self, owner: Owner) -> Option<Finished> {
        self.finish(job_key(owner), Err(500))
    }

    fn finish(&mut self, owner: Owner, outcome: Outcome) -> Option<Finished> {
        let job = self.jobs.remove(owner)?;
        Some(Finished {
            waiters: job.waiters,
            outcome,
        })
    }

    fn opened(&mut self, owner: Owner, descriptor: Rc<OwnedFd>) -> Option<Outcome> {
        let key = Rc::clone(&self.jobs.jobs.get_mut(owner)?.key);
        match self.look_at(&key, descriptor) {
            Looked::Known(outcome) => Some(outcome),
            Looked::File(opened, contents) => self.described(owner, opened, contents),
            Looked::Unread(opened) => {
                self.read(owner, opened);
                None
            }
            Looked::Refused(errno) => self.refused(owner, errno),
        }
    }

    fn read(&mut self, owner: Owner, opened: Opened) {
        let mut gather = Gather::new();
        gather.set_buffer(self.jobs.take_buffer());
        if let Some(job) = self.jobs.jobs.get_mut(owner) {
            let reading = job.opened.insert((opened, 0));
            read_on(reading, gather, owner, &mut self.ring);
        }
    }

    fn described(&mut self, owner: Owner, opened: Opened, contents: Contents) -> Option<Outcome> {
        let job = self.jobs.jobs.get_mut(owner)?;
        let (key, treatment) = (Rc::clone(&job.key), Rc::clone(&job.treatment));
        Some(Ok(describe(key, treatment, opened, contents)))
    }

    fn contents_read(
        &mut self,
        owner: Owner,
        mut gather: Box<Gather>,
        result: Result<usize, Errno>,
    ) -> Option<Outcome> {
        let job = self.jobs.jobs.get_mut(owner)?;
        let reading = job.opened.as_mut()?;
        let (opened, len) = reading;
        let again = match result {
            Ok(n) => {
                *len += n;
                // Less than all of it was read, and its end was not met.
                n > 0 && (*len as u64) < opened.identity.len
            }
            Err(Errno::INTR) => true,
            Err(Errno::AGAIN) => {
                read_blocking(&opened.descriptor);
                true
            }
            Err(_) => return Some(Err(500)),
        };
        if again {
            read_on(reading, gather, owner, &mut self.ring);
            return None;
        }
        let (mut opened, len) = job.opened.take()?;
        let grew = |len| len > SMALL_FILE_BYTES;
        if len as u64 == SMALL_FILE_BYTES
            && opened.identity.len < SMALL_FILE_BYTES
            && self.ring.size(opened.descriptor.as_fd()).is_ok_and(grew)
        {
            // Between the two looks, to more than is read here. One that only holds more than it says, as a file
            // system in user space may have it, would be read for ever.
            return self.opened(owner, opened.descriptor);
        }
        let Some(buffer) = gather.take_buffer() else {
            return Some(Err(500));
        };
        let Some(read) = buffer.get(..len) else {
            return Some(Err(500));
        };
        let contents = Bytes::copy_from_slice(read);
        self.jobs.keep_buffer(buffer);
        // Where it changed between the two looks, what was read is one version of it, said to be that long.
        opened.identity.len = len as u64;
        self.described(owner, opened, Contents::Small(contents))
    }

    /// A path could not be opened: it is tried again for as long as files that nobody is reading can make room for it, and
    /// where a signal came between, as file systems in user space tell of.
    fn refused(&mut self, owner: Owner, errno: Errno) -> Option<Outcome> {
        let full = matches!(errno, Errno::MFILE | Errno::NFILE);
        if errno == Errno::INTR || full && self.files.evict_file() {
            self.submit_open(owner);
            return None;
        }
        Some(Err(status(errno)))
    }
}

/// Reads what is not there yet of a small file, also what it has grown by.
fn read_on((opened, len): &(Opened, usize), gather: Box<Gather>, job: Owner, ring: &mut Ring) {
    ring.read(
        Rc::clone(&opened.descriptor),
        gather,
        slice::from_ref(&(*len..SMALL_FILE_BYTES as usize)),
        *len as u64,
        job_owner(job),
    );
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
