//! What all connections of a shard use, one at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use lru::LruCache;

use super::Serving;
use super::answer::{Clock, Context, Request, Version};
use super::buffers::Buffers;
use super::coalescing::Coalescing;
use super::counters::Counters;
use super::descriptors::Descriptors;
use super::dirty::Dirty;
use super::kernel_tls::KernelTls;
use super::listings::{Held, Listed};
use super::long;
use super::offload::Offload;
use super::open::{Jobs, Waiter};
use super::output::Pool;
use super::protocol::{Configs, Scratch};
use super::repeat::Repeat;
use super::represent::{Digested, ToDigest};
use super::roots::OwnRoots;
use super::seek::{Asker, site_key};
use super::timers::Timers;
use super::turns::Turns;
use super::zero_copy;
use crate::files::coding::CodedCache;
use crate::files::{Cache, DigestCache, Identity, OpenFile, PageCache};
use crate::h2;
use crate::http::Coding;
use crate::listing::{Format, Query};
use crate::site::{MountId, SiteId, Sites, Symlinks, Treatment};
use crate::uring::{Owner, Resolve, Ring};

/// What a completion is about stands in the top bits of its owner's slot; connections have none set.
pub(super) const LISTENER: u32 = 1 << 30;
pub(super) const JOB: u32 = 2 << 30;
pub(super) const WAKE: u32 = 3 << 30;
pub(super) const KIND: u32 = 3 << 30;

/// Bytes up to which a file is read into the slot when it is asked for first.
const MAPPED_AT_ONCE_BYTES: u64 = 64 << 10;

/// Paths of which it is remembered what the rules say.
const MAX_TREATMENTS: usize = 1_024;

/// What work off the loop is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// The listing of a directory of a site, by its path, in this order and format.
    Listed(SiteId, Box<[u8]>, Query, Format),
    /// A file that is to be coded.
    Coded(Identity, Coding),
    /// Digests of a file, or of it as it was coded here.
    Digested(Identity, Option<Coding>, ToDigest),
}

/// What comes of work that is done off the loop.
#[derive(Clone)]
pub(super) enum Product {
    /// A directory was read.
    Listed(Listed),
    /// A file was coded, which may have been worth nothing; or could not be read.
    Coded(Option<Option<Vec<u8>>>),
    /// Digests were made.
    Digested(Digested),
}

/// See the module's documentation.
pub(super) struct Shared {
    pub(super) ring: Ring,
    pub(super) descriptors: Descriptors,
    pub(super) files: Cache,
    pub(super) page_cache: PageCache,
    pub(super) coded: CodedCache,
    pub(super) digests: DigestCache,
    pub(super) listings: Held,
    pub(super) jobs: Jobs,
    /// Of small files that are read at once.
    pub(super) buffers: Buffers,
    pub(super) offload: Offload<Subject, Waiter, Product>,
    /// Of the mounts, in their order.
    pub(super) roots: OwnRoots,
    pub(super) sites: Sites,
    /// What is said of paths that no rule is about.
    usual: Rc<Treatment>,
    /// What the rules say of others, kept since it is asked for again and again.
    treatments: LruCache<Box<[u8]>, Rc<Treatment>>,
    treatment_key: Vec<u8>,
    pub(super) configs: Configs,
    pub(super) repeat: Repeat,
    pub(super) scratch: Rc<RefCell<Scratch>>,
    /// The resolved path of the request at hand.
    pub(super) path: Vec<u8>,
    /// The cache's key of what is looked for.
    pub(super) key: Vec<u8>,
    /// The lines of its fields that came more than once.
    pub(super) joined: Vec<u8>,
    /// Requests of the call at hand that have to wait.
    pub(super) begun_opening: u32,
    /// Whether any request was reset in the call at hand, before its answer was whole.
    pub(super) any_reset: bool,
    /// Connections that have something to say.
    pub(super) dirty: Dirty,
    /// Connections that wait for an arena slot, the longest first.
    pub(super) starved: VecDeque<Owner>,
    pub(super) pool: Pool,
    pub(super) zero_copy: zero_copy::Policy,
    pub(super) long: long::Policy,
    pub(super) reader: long::Reader,
    pub(super) gathered: long::Gathered,
    pub(super) kernel_tls: KernelTls,
    /// The connection that was last sent little, as it has been all along, and when.
    pub(super) answered_briefly: Option<(Owner, u64)>,
    pub(super) turns: Turns,
    pub(super) coalescing: Coalescing,
    pub(super) timers: Timers,
    pub(super) counters: Counters,
    pub(super) clock: Clock,
    /// Nanoseconds since the shard began.
    pub(super) now_ns: u64,
    /// When the clock's second is over, in the same.
    second_ends_ns: u64,
}

impl Shared {
    /// For a shard that has not taken a turn: it has no time of day yet.
    ///
    /// # Errors
    /// When there are no descriptors for the served directories.
    pub(super) fn new(
        ring: Ring,
        serving: Serving,
        timeouts: h2::Timeouts,
        offload: Offload<Subject, Waiter, Product>,
    ) -> io::Result<Self> {
        let treatments = NonZeroUsize::new(MAX_TREATMENTS).unwrap_or(NonZeroUsize::MIN);
        let configs = Configs::new(timeouts);
        let clock = Clock::new(0);
        configs.set_date(clock.date(Version::Http1, false));
        Ok(Self {
            ring,
            descriptors: Descriptors::of_process(),
            files: Cache::new(serving.files.revalidate),
            page_cache: serving.files.page_cache,
            coded: CodedCache::new(),
            digests: DigestCache::new(),
            listings: Held::default(),
            jobs: Jobs::default(),
            buffers: Buffers::default(),
            offload,
            roots: OwnRoots::new(serving.roots)?,
            usual: Rc::new(serving.sites.usual()),
            sites: serving.sites,
            treatments: LruCache::new(treatments),
            treatment_key: Vec::new(),
            configs,
            repeat: Repeat::default(),
            scratch: Rc::default(),
            path: Vec::new(),
            key: Vec::new(),
            joined: Vec::new(),
            begun_opening: 0,
            any_reset: false,
            dirty: Dirty::default(),
            starved: VecDeque::new(),
            pool: Pool::default(),
            zero_copy: zero_copy::Policy::default(),
            long: long::Policy::default(),
            reader: long::Reader::default(),
            gathered: long::Gathered::default(),
            kernel_tls: KernelTls::No,
            answered_briefly: None,
            turns: Turns::default(),
            coalescing: Coalescing::default(),
            timers: Timers::default(),
            counters: Counters::new(),
            clock,
            now_ns: 0,
            second_ends_ns: 0,
        })
    }

    /// The directory of a mount, and how paths beneath it are resolved.
    pub(super) fn mount(&mut self, mount: MountId) -> (Rc<OwnedFd>, Resolve) {
        let resolve = match self.sites.mounts()[mount.index()].symlinks {
            Symlinks::Beneath => Resolve::Beneath,
            Symlinks::None => Resolve::BeneathNoSymlinks,
            Symlinks::All => Resolve::Anywhere,
        };
        (self.roots.get(mount), resolve)
    }

    /// What the rules say of a path of a site.
    pub(super) fn treatment(&mut self, site: SiteId, path: &[u8]) -> Rc<Treatment> {
        let route = self.sites.locate(site, path);
        if !self.sites.is_special(&route) {
            return Rc::clone(&self.usual);
        }
        let mut key = std::mem::take(&mut self.treatment_key);
        key.clear();
        key.extend_from_slice(&site_key(site));
        key.extend_from_slice(path);
        let treatment = match self.treatments.get(&key[..]) {
            Some(known) => Rc::clone(known),
            None => {
                let treatment = Rc::new(self.sites.treatment(&route, path));
                self.treatments.put(key[..].into(), Rc::clone(&treatment));
                treatment
            }
        };
        self.treatment_key = key;
        treatment
    }

    /// To answer a request with that no site is for.
    pub(super) fn plain<'a>(&'a self, request: &'a Request<'a>) -> Context<'a> {
        Context {
            request,
            treatment: &self.usual,
            clock: &self.clock,
            varies: false,
        }
    }

    /// Has a file that an answer is of mapped, if it is to be gathered. To map and unmap a file costs as much as to copy
    /// so many bytes of it once more: one that is no larger is mapped when it is asked for again.
    pub(super) fn map(&self, file: &OpenFile, asker: Asker) {
        let sealed = asker.secured.is_some() && self.kernel_tls == KernelTls::No;
        if sealed || file.mapping.get().is_some() {
            return;
        }
        if file.asked.replace(true) || file.identity.len > MAPPED_AT_ONCE_BYTES {
            let mapping = self.ring.map(file.descriptor.as_fd(), file.identity.len);
            // A file system that cannot map has its files read into place.
            let _ = file.mapping.set(mapping.ok().map(Rc::new));
        }
    }

    /// Takes the time over: nanoseconds since the shard began, and the time of day, asked for once in each of its seconds.
    pub(super) fn set_time(&mut self, now_ns: u64, since_epoch: impl FnOnce() -> Duration) {
        const SECOND_NS: u64 = 1_000_000_000;
        self.now_ns = now_ns;
        if now_ns < self.second_ends_ns {
            return;
        }
        let since_epoch = since_epoch();
        self.second_ends_ns = now_ns + SECOND_NS - u64::from(since_epoch.subsec_nanos());
        if since_epoch.as_secs() != self.clock.now_secs {
            self.clock = Clock::new(since_epoch.as_secs());
            self.configs
                .set_date(self.clock.date(Version::Http1, false));
        }
    }
}
