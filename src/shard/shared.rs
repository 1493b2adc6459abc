//! What all connections of a shard use, one at a time.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::answer::Clock;
use super::counters::Counters;
use super::open::Jobs;
use super::output::Pool;
use super::timers::Timers;
use crate::files::Cache;
use crate::h2;
use crate::uring::{Owner, Ring};

/// What a completion is about stands in the top bits of its owner's slot; connections have none set.
pub(super) const LISTENER: u32 = 1 << 30;
pub(super) const JOB: u32 = 2 << 30;
pub(super) const WAKE: u32 = 3 << 30;
pub(super) const KIND: u32 = 3 << 30;

/// See the module's documentation.
pub(super) struct Shared {
    pub(super) ring: Ring,
    pub(super) files: Cache,
    pub(super) jobs: Jobs,
    pub(super) root: Rc<OwnedFd>,
    pub(super) h2_config: Rc<h2::Config>,
    pub(super) scratch: h2::Scratch,
    /// The resolved path of the request at hand.
    pub(super) path: Vec<u8>,
    /// The lines of its fields that came more than once.
    pub(super) joined: Vec<u8>,
    /// An answer was given whose body cannot be gathered.
    pub(super) answered_unmapped: bool,
    /// Requests of the call at hand that have to wait for their file.
    pub(super) begun_opening: u32,
    /// Connections that have something to say.
    pub(super) dirty: VecDeque<Owner>,
    /// Connections that wait for an arena slot, the longest first.
    pub(super) starved: VecDeque<Owner>,
    pub(super) pool: Pool,
    pub(super) timers: Timers,
    pub(super) counters: Counters,
    pub(super) clock: Clock,
    /// Nanoseconds since the shard began.
    pub(super) now_ns: u64,
}

impl Shared {
    /// For a shard that begins at `now_secs` seconds since the epoch.
    pub(super) fn new(ring: Ring, root: OwnedFd, timeouts: h2::Timeouts, now_secs: u64) -> Self {
        Self {
            ring,
            files: Cache::new(),
            jobs: Jobs::default(),
            root: Rc::new(root),
            h2_config: Rc::new(h2::Config {
                timeouts,
                ..h2::Config::default()
            }),
            scratch: h2::Scratch::default(),
            path: Vec::new(),
            joined: Vec::new(),
            answered_unmapped: false,
            begun_opening: 0,
            dirty: VecDeque::new(),
            starved: VecDeque::new(),
            pool: Pool::default(),
            timers: Timers::default(),
            counters: Counters::new(),
            clock: Clock::new(now_secs),
            now_ns: 0,
        }
    }

    /// Takes the time over: nanoseconds since the shard began, and the time of day, asked for once in a second.
    pub(super) fn set_time(&mut self, now_ns: u64, now_secs: impl FnOnce() -> u64) {
        const SECOND_NS: u64 = 1_000_000_000;
        let another = now_ns / SECOND_NS != self.now_ns / SECOND_NS;
        self.now_ns = now_ns;
        if another {
            let now_secs = now_secs();
            if now_secs != self.clock.now_secs {
                self.clock = Clock::new(now_secs);
            }
        }
    }
}
