//! The loop of a shard: turns ([`Shard::turn`]: reap, dispatch, open, flush, expire) until nothing is left to do, then sleep.
//!
//! 1. Every completion that is there goes directly to the connection that it names; no task, waker or channel stands
//!    between.
//! 2. Files that could not be opened in the turn that they were asked for in are, a few in a turn, when the answers to the
//!    others are on their way: their clients have those to work on meanwhile.
//! 3. Then one connection that has something to say fills a slot and queues one send, one that was sent little lately before
//!    one that was sent a lot; completions that this brought come first again, so that a slot is read, sent and reused
//!    while it is in the cache.
//! 4. With nothing left to do, everything queued is submitted and the shard waits in its ring, for several completions at
//!    once where that saves wakeups ([`coalescing`](super::coalescing)); if nothing came and no deadline is near, it parks
//!    through the executor on the ring's eventfd. The executor has no other task, so the driver gives it no turn but then.

mod accepting;

use std::io;
use std::iter::repeat_n;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;

use super::coalescing::Done;
use super::connection::Connection;
use super::counters::Snapshot;
use super::kernel_tls::KernelTls;
use super::offload::Offload;
use super::open::{Due, Finished, Waiter};
use super::seek::Stage;
use super::shared::{JOB, KIND, LISTENER, Product, Shared, WAKE};
use super::unsent::MIN_UNSENT;
use super::{Command, Control, Options, Report, WakePipe};
use crate::uring::{Completion, Event, Owner, Ring, RingOptions, SetupError, Slab};
use accepting::Listening;

/// How long the shard waits in its ring before it parks through the executor: the wait costs two system calls, the
/// park fourteen.
const WAIT: Duration = Duration::from_millis(10);
/// With deadlines running the shard stays in its ring, and looks up at least this often.
const WAIT_MAX_NS: u64 = 1_000_000_000;
/// Connections that are flushed while files wait to be opened, before some are: about as much work.
const FLUSHED_BETWEEN: u32 = 16;
/// How often deadlines are looked at while there is always somebody who has something to send.
const EXPIRE_EVERY_NS: u64 = 10_000_000;

const RING: RingOptions = RingOptions {
    entries: 1_024,
    completions: 8_192,
    recv_buffers: 256,
    recv_buffer_bytes: 16_384,
    arena_bytes: 16 << 20,
};

/// Why a shard could not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Ring(#[from] SetupError),
    #[error("the shard could not wait for its ring: {0}")]
    Wake(#[from] Errno),
    #[error(
        "the shard could not have the served directories: {0}; is the limit on open files too low (`ulimit -n`, LimitNOFILE=)?"
    )]
    Roots(#[from] io::Error),
}

/// What comes of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more to do: the next turn comes at once.
    More,
    /// Nothing is left to do before something completes or a deadline comes.
    Idle,
    /// The shard was told to end, and nothing stands in the way.
    Over,
}

/// A shard without its sleep: everything that it does, it does in a turn, at the time that it is told.
pub(super) struct Shard<'a> {
    /// Goes first: what is queued in its ring is submitted then, while the sockets below are open.
    pub(super) shared: Shared,
    index: usize,
    pub(super) connections: Slab<Box<Connection>>,
    /// Closed ones are gone.
    listeners: Vec<Option<Listening>>,
    /// No warning about accepting before this.
    warn_from_ns: u64,
    /// Nothing is accepted before this.
    pub(super) accept_from_ns: u64,
    /// Listeners to be armed again then.
    paused: Vec<usize>,
    tls: Option<Arc<rustls::ServerConfig>>,
    control: &'a Control,
    wake: Rc<OwnedFd>,
    reports: &'a Sender<Report>,
    command: Command,
    /// Nothing was flushed since the kernel was last asked what has come.
    looked: bool,
    /// Connections that were flushed since files were last opened that had to wait.
    flushed: u32,
    /// Deadlines are looked at then, whatever else there is to do.
    expire_ns: u64,
}

/// Runs a shard on the executor of this thread until it is told to end.
///
/// # Errors
/// When the ring could not be set up, or there are no descriptors.
pub(super) async fn run(
    options: Options,
    control: &Control,
    pipe: WakePipe,
    reports: &Sender<Report>,
) -> Result<(), StartError> {
    // The ring is made here, on the thread that will be its single issuer.
    let ring = Ring::new(&RING)?;
    if let Some(most) = options.busy_poll {
        ring.busy_poll(most.get())?;
    }
    let began = Instant::now();
    let mut shard = Shard::new(options, ring, control, pipe, reports)?;
    shard.begin();
    // The receiver is gone only when the server is ending anyway.
    let _ = reports.send(Report::Ready { shard: shard.index });
    loop {
        match shard.turn(began.elapsed().as_nanos() as u64, since_epoch) {
            Turn::More => continue,
            Turn::Idle => {}
            Turn::Over => break,
        }
        shard.sleep().await?;
    }
    let last = shard.snapshot();
    let _ = reports.send(Report::Final(Box::new(last)));
    Ok(())
}

impl<'a> Shard<'a> {
    /// A shard that is to begin.
    ///
    /// # Errors
    /// When there are no descriptors for the served directories.
    pub(super) fn new(
        options: Options,
        ring: Ring,
        control: &'a Control,
        pipe: WakePipe,
        reports: &'a Sender<Report>,
    ) -> io::Result<Self> {
        let mut shared = Shared::new(
            ring,
            options.serving,
            options.timeouts,
            Offload::new(pipe.wake, pipe.affinity),
        )?;
        shared.kernel_tls = KernelTls::new(options.kernel_tls);
        let listening = |listener| Some(Listening::new(listener));
        Ok(Self {
            shared,
            index: options.index,
            connections: Slab::default(),
            listeners: options.listeners.into_iter().map(listening).collect(),
            paused: Vec::new(),
            warn_from_ns: 0,
            accept_from_ns: 0,
            tls: options.tls,
            control,
            wake: Rc::new(pipe.woken),
            reports,
            command: Command::Serve,
            looked: false,
            flushed: 0,
            expire_ns: 0,
        })
    }

    /// Begins to accept, and to listen to orders.
    pub(super) fn begin(&mut self) {
        for Listening { listener, .. } in self.listeners.iter().flatten() {
            // Inherited by every socket that is accepted. A listener that is no TCP socket does without.
            let _ = rustix::net::sockopt::set_tcp_nodelay(&listener.socket, true);
            let _ = self
                .shared
                .ring
                .limit_unsent(listener.socket.as_fd(), MIN_UNSENT);
        }
        for index in 0..self.listeners.len() {
            self.accept(index);
        }
        self.await_orders();
    }

    fn await_orders(&mut self) {
        let owner = Owner {
            slot: WAKE,
            generation: 0,
        };
        self.shared.ring.read_wake(Rc::clone(&self.wake), owner);
    }

    /// Takes what has completed, opens a few files that had to wait, then lets one connection send. Deadlines expire when
    /// none wants to, and every 10 ms.
    ///
    /// `now_ns` is the time since the shard began, and `since_epoch` tells the time of day.
    pub(super) fn turn(&mut self, now_ns: u64, since_epoch: impl FnOnce() -> Duration) -> Turn {
        self.shared.set_time(now_ns, since_epoch);
        self.shared.jobs.begin_turn();
        while let Some(completion) = self.shared.ring.next() {
            self.dispatch(completion);
        }
        if self.flushed >= FLUSHED_BETWEEN || self.shared.dirty.len() <= 1 {
            self.open_later();
        }
        if self.command == Command::Stop {
            self.say_last_words();
            return Turn::Over;
        }
        if now_ns >= self.expire_ns {
            self.expire();
        }
        if let Some(key) = self.shared.turns.next_released() {
            self.with(key, Connection::prepare);
            return Turn::More;
        }
        if self.shared.dirty.is_bulk_next() && !self.looked {
            // What came meanwhile does not wait for a large slot, nor do the small ones that are queued.
            self.looked = true;
            if self.shared.ring.submit_deferred() {
                return Turn::More;
            }
        }
        if let Some(key) = self.next_to_flush() {
            self.looked = false;
            self.flushed += 1;
            self.with(key, Connection::flush);
            return Turn::More;
        }
        if self.shared.jobs.have_later() || self.expire() {
            return Turn::More;
        }
        if self.command == Command::Drain && self.connections.is_empty() {
            return Turn::Over;
        }
        Turn::Idle
    }

    /// Everybody who can be told that it ends is told so, and nothing is waited for.
    fn say_last_words(&mut self) {
        while let Some(key) = self.next_to_flush() {
            self.with(key, Connection::flush);
        }
    }

    /// The connection whose turn it is: who waits for an arena slot goes first, as soon as there is one.
    fn next_to_flush(&mut self) -> Option<Owner> {
        let arena = self.shared.ring.arena();
        while !self.shared.starved.is_empty() && arena.leased() < arena.capacity() {
            let key = self.shared.starved.pop_front()?;
            if let Some(connection) = self.connections.get_mut(key) {
                connection.starved = false;
                return Some(key);
            }
        }
        self.shared.dirty.pop()
    }

    /// Submits what is queued and waits for something to come.
    async fn sleep(&mut self) -> Result<(), StartError> {
        let deadline = self.next_deadline();
        let wait = match deadline {
            None => WAIT,
            Some(deadline) => {
                Duration::from_nanos(deadline.saturating_sub(self.shared.now_ns).min(WAIT_MAX_NS))
            }
        };
        let shared = &mut self.shared;
        let (ring, counters) = (&mut shared.ring, &shared.counters);
        let batch = shared
            .coalescing
            .batch(ring.working(), shared.now_ns, || Done {
                thread_ns: ring.thread_time_ns(),
                requests: counters.requests,
                bytes: counters.bytes,
            });
        if ring.wait_for(batch, wait) || deadline.is_some() || !ring.arm() {
            return Ok(());
        }
        let woken = crate::uring::read_eventfd(ring.eventfd()).await;
        ring.disarm();
        Ok(woken?)
    }

    /// When something is to be done even if nothing completes, in nanoseconds since the shard began.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let paused = (!self.paused.is_empty()).then_some(self.accept_from_ns);
        let timers = self.shared.timers.next_ns();
        let unused = self.shared.files.next_unused_ns();
        paused.into_iter().chain(timers).chain(unused).min()
    }

    pub(super) fn dispatch(&mut self, completion: Completion) {
        let Completion { owner, event } = completion;
        let kind = owner.slot & KIND;
        self.shared.counters.dispatches += u64::from(kind != LISTENER && kind != WAKE);
        match kind {
            LISTENER => self.accepted((owner.slot & !KIND) as usize, event),
            JOB => self.job(owner, |shared| shared.job_event(owner, event)),
            WAKE => self.woken(event),
            _ => self.with(owner, |connection, shared| connection.handle(event, shared)),
        }
    }

    /// Runs a step of a connection. A panic in it ends that connection and nothing else.
    pub(super) fn with(&mut self, key: Owner, step: impl FnOnce(&mut Connection, &mut Shared)) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let shared = &mut self.shared;
        if catch_unwind(AssertUnwindSafe(|| step(connection, shared))).is_err() {
            tracing::error!("a connection panicked and was ended; this is a bug");
            shared.counters.panics += 1;
            connection.note_answers(shared);
            connection.close(shared);
        }
        if connection.is_over()
            && let Some(connection) = self.connections.remove(key)
        {
            let waits = connection.opening > 0;
            self.shared.ring.close(connection.socket);
            if waits {
                self.shared.jobs.give_up(key, |_| true);
                let connections = &self.connections;
                let is_there = |waiter: &Waiter| connections.contains(waiter.asker.connection);
                let offload = &mut self.shared.offload;
                offload.forget(|waiter| !waiter.stage.is_for_others() && !is_there(waiter));
            }
        }
    }

    /// A step of opening a file. A panic in it fails those who wait for that file and nobody else.
    fn job(&mut self, owner: Owner, step: impl FnOnce(&mut Shared) -> Option<Finished>) {
        let shared = &mut self.shared;
        let step = catch_unwind(AssertUnwindSafe(|| step(shared)));
        let finished = step.unwrap_or_else(|_| {
            tracing::error!("opening a file panicked and was given up; this is a bug");
            shared.counters.panics += 1;
            shared.give_up_job(owner)
        });
        if let Some(finished) = finished {
            self.answer(finished);
        }
    }

    /// Opens some of the files that had to wait, when what is queued is on its way.
    fn open_later(&mut self) {
        self.flushed = 0;
        if !self.shared.jobs.have_later() {
            return;
        }
        self.shared.ring.submit();
        loop {
            let connections = &self.connections;
            let awaited = |waiter: &Waiter| {
                let connection = connections.get(waiter.asker.connection);
                connection.is_some_and(|connection| connection.awaits(waiter))
            };
            match self.shared.jobs.next_later(awaited) {
                None => return,
                Some(Due::Begin(owner)) => self.job(owner, |shared| shared.open_late(owner)),
                Some(Due::Forgotten(waiters)) => {
                    for waiter in waiters {
                        self.with(waiter.asker.connection, Connection::give_up_request);
                    }
                }
            }
        }
    }

    /// Everybody who waited for a file goes on.
    fn answer(&mut self, finished: Finished) {
        let Finished { waiters, outcome } = finished;
        for waiter in waiters {
            self.with(waiter.asker.connection, |connection, shared| {
                connection.resume(&waiter, &outcome, shared);
            });
        }
    }

    /// Whether any deadline was over: what came of it may be that somebody can go on.
    fn expire(&mut self) -> bool {
        self.expire_ns = self.shared.now_ns + EXPIRE_EVERY_NS;
        self.shared.files.forget_unused(self.shared.now_ns);
        let connections = &self.connections;
        self.shared
            .timers
            .sweep(|owner| connections.contains(owner));
        let mut any = false;
        while let Some((timer, key)) = self.shared.timers.expired(self.shared.now_ns) {
            any = true;
            self.with(key, |connection, shared| connection.expired(timer, shared));
        }
        any |= self.resume_accepting();
        any
    }

    /// An order has come, or the product of work, or other folders.
    fn woken(&mut self, _event: Event) {
        self.await_orders();
        self.shared.roots.renew();
        while let Some((waiters, product)) = self.shared.offload.next_product() {
            let products = repeat_n(product, waiters.len());
            for (waiter, product) in waiters.iter().zip(products) {
                self.hand_over(waiter, product);
            }
        }
        if self.control.snapshot.swap(false, Ordering::AcqRel) {
            let snapshot = self.snapshot();
            let _ = self.reports.send(Report::Interval(Box::new(snapshot)));
        }
        let command = self.control.command();
        if command > self.command {
            self.command = command;
            for index in std::mem::take(&mut self.paused) {
                self.close_listener(index);
            }
            // Another is closed when its accept has come back.
            self.stop_accepting();
            for key in self.connections.keys() {
                self.with(key, Connection::drain);
            }
        }
    }

    /// Who waited for work goes on.
    fn hand_over(&mut self, waiter: &Waiter, product: Option<Product>) {
        if let Stage::Aside(digesting) = &waiter.stage {
            // Kept for others: who asked for it may be gone.
            if let Some(Product::Digested(digested)) = product {
                digesting.finish(digested, &mut self.shared);
            }
            return;
        }
        self.with(waiter.asker.connection, |connection, shared| {
            connection.take(waiter, product, shared);
        });
    }

    /// What it has done so far.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        let mut snapshot = self.shared.counters.snapshot(self.index);
        snapshot.connections = self.connections.len() as u64;
        snapshot.leased = self.shared.ring.arena().leased();
        snapshot.in_flight = self.shared.ring.in_flight();
        snapshot
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
