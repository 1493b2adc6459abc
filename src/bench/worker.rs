//! One core's load: its ring, its connections, its share of the requests.
//!
//! A turn: everything that has happened goes to the connection that it happened to; requests that are due or can be made
//! are given to connections that have room; each connection that has something to say sends all of it at once; then one
//! system call submits it all and waits.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustix::io::Errno;
use rustls::pki_types::ServerName;

use super::connection::{self, Connection, Stage};
use super::dialling::Dialling;
use super::feed::Feed;
use super::load::{Draws, share};
use super::measure::{Live, Recorder};
use super::options::{Load, Protocol};
use super::requests::Requests;
use super::result::{MAX_TARGETS_APART, Outcome};
use super::run::{Control, Plan};
use super::setup::{feed, ring_options, tls_client};
use super::verify::Check;
use crate::h2;
use crate::slot::Plan as SlotPlan;
use crate::transport::tls::Agreed;
use crate::uring::{Gather, Owner, Ring, Slab};

/// Connections asked for in one turn: those before wait for the last of them, and that is no time of the server's.
const DIALS_IN_A_TURN: usize = 4;
/// How often it is looked whether load begins, a step does, or connections are missing; and at least how often, and in
/// how many parts of the timeout, whether something has had nothing for too long.
const CHORES_NS: u64 = 10_000_000;
const TIMEOUTS_NS: u64 = 250_000_000;
const TIMEOUT_PARTS: u64 = 16;
/// How often it is told how things stand.
const REPORT_NS: u64 = 200_000_000;
/// So long before a request is due the worker stops sleeping: it would wake too late.
const SPIN_NS: u64 = 60_000;

/// What a worker says.
#[derive(Debug)]
pub(super) enum Report {
    /// Its connections are there, or were tried.
    Connected,
    /// How things stand.
    Tick(Box<Tick>),
    /// It has ended.
    Done(Box<Done>),
    /// It could not begin, or died.
    Failed(String),
}

/// How things stand.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) live: Live,
    pub(super) worker: usize,
    pub(super) connections: u64,
    pub(super) in_flight: u64,
    pub(super) waiting: u64,
}

/// What came of it all.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) recorder: Recorder,
    pub(super) outcome: Outcome,
    /// When the last request ended, or time was up.
    pub(super) ended_ns: u64,
}

/// The TLS side of a worker.
pub(super) struct TlsClient {
    pub(super) config: Arc<rustls::ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// What all connections of a worker use, one at a time.
pub(super) struct Shared {
    pub(super) ring: Ring,
    pub(super) plan: Arc<Plan>,
    pub(super) h2_config: Rc<h2::client::ClientConfig>,
    pub(super) tls: Option<TlsClient>,
    pub(super) scratch: h2::Scratch,
    pub(super) requests: Requests,
    pub(super) feed: Feed,
    pub(super) recorder: Recorder,
    /// Connections that have something to say.
    pub(super) dirty: VecDeque<Owner>,
    /// Connections that take requests.
    pub(super) available: VecDeque<Owner>,
    #[expect(clippy::vec_box, reason = "the ring takes and gives boxes")]
    pub(super) pool: Vec<Box<Gather>>,
    pub(super) slot: SlotPlan<()>,
    /// Nanoseconds since the run's clock began.
    pub(super) now_ns: u64,
    pub(super) timeout_ns: u64,
    /// Requests in flight.
    pub(super) in_flight: u64,
    /// Whether content can be thrown away unseen.
    pub(super) discards: bool,
}

struct Worker {
    index: usize,
    connections: Slab<Box<Connection>>,
    shared: Shared,
    control: Arc<Control>,
    /// How many connections there are to be in each step.
    shares: Vec<u32>,
    dialling: Dialling,
    dialled: u64,
    told_connected: bool,
    /// Whether it has told others that the server answers.
    told_serving: bool,
    chores_ns: u64,
    timeouts_ns: u64,
    report_ns: u64,
}

/// Makes one worker's share of the load, on this thread, and says how it goes.
pub(super) fn work(
    index: usize,
    plan: &Arc<Plan>,
    control: &Arc<Control>,
    reports: &Sender<Report>,
) {
    let worked = catch_unwind(AssertUnwindSafe(|| {
        let core = core_affinity::CoreId {
            id: plan.options.cores[index],
        };
        if !core_affinity::set_for_current(core) {
            return Err(format!("cannot run on core {}", core.id));
        }
        Worker::new(index, plan, control).map(|worker| worker.run(reports))
    }));
    let last = match worked {
        Ok(Ok(done)) => Report::Done(Box::new(done)),
        Ok(Err(error)) => Report::Failed(error),
        Err(_) => Report::Failed("it panicked; this is a bug".to_owned()),
    };
    // Nobody listens only when the run was given up.
    let _ = reports.send(last);
}

impl Worker {
    fn new(index: usize, plan: &Arc<Plan>, control: &Arc<Control>) -> Result<Self, String> {
        let options = &plan.options;
        let workers = options.cores.len();
        let shares: Vec<u32> = match &options.load {
            Load::Closed { connections, .. } => connections.clone(),
            Load::Requests(_) | Load::Open { .. } => vec![options.connections],
        }
        .into_iter()
        .map(|all| share(u64::from(all), &vec![1; workers], index) as u32)
        .collect();
        let most = shares.iter().copied().max().unwrap_or(1);
        let ring = Ring::new(&ring_options(most)).map_err(|error| error.to_string())?;
        let tls = match options.origin.tls {
            true => Some(tls_client(options)?),
            false => None,
        };
        let apart = options.targets.len() <= MAX_TARGETS_APART;
        let feed = feed(options, index, workers);
        let recorder = Recorder::new(
            options.load.steps(),
            options.targets.len(),
            apart,
            feed.is_open(),
        );
        let unchecked = |check: &Check| matches!(check, Check::None);
        Ok(Self {
            index,
            connections: Slab::default(),
            shared: Shared {
                ring,
                h2_config: Rc::new(options.h2.clone()),
                discards: tls.is_none() && options.targets.iter().all(|t| unchecked(&t.check)),
                tls,
                scratch: h2::Scratch::default(),
                requests: Requests::new(options, Draws::Ranges.seed(index)),
                feed,
                recorder,
                dirty: VecDeque::new(),
                available: VecDeque::new(),
                pool: Vec::new(),
                slot: SlotPlan::default(),
                now_ns: 0,
                timeout_ns: options.timeout.as_nanos().try_into().unwrap_or(u64::MAX),
                in_flight: 0,
                plan: Arc::clone(plan),
            },
            control: Arc::clone(control),
            shares,
            dialling: Dialling::new(plan.now_ns()),
            dialled: 0,
            told_connected: false,
            told_serving: false,
            chores_ns: 0,
            timeouts_ns: 0,
            report_ns: 0,
        })
    }

    fn run(mut self, reports: &Sender<Report>) -> Done {
        let outcome = loop {
            self.turn(reports);
            if let Some(outcome) = self.outcome() {
                break outcome;
            }
            let wait = self.wait();
            if wait.is_zero() {
                self.shared.ring.submit();
            } else {
                self.shared.ring.wait(wait);
            }
        };
        let end_ns = self.shared.feed.end_ns();
        let ended_ns = self.shared.now_ns.min(end_ns);
        if ended_ns < end_ns {
            // Those that go on have to see for themselves; when time is up they are about to look.
            self.tell_serving(false);
        }
        for key in self.connections.keys() {
            self.with(key, Connection::cut);
        }
        let (due, uncounted) = self.shared.feed.undone();
        for job in due {
            let age_ns = self.shared.now_ns.saturating_sub(job.due_ns);
            self.shared.recorder.unfinished(&job, age_ns);
        }
        self.shared.recorder.never_made(uncounted);
        self.tick(reports);
        Done {
            recorder: self.shared.recorder,
            outcome,
            ended_ns,
        }
    }

    fn turn(&mut self, reports: &Sender<Report>) {
        self.read_clock();
        while let Some(completion) = self.shared.ring.next() {
            self.read_clock();
            self.with(completion.owner, |connection, shared| {
                connection.handle(completion.event, shared);
            });
        }
        self.shared.feed.advance(self.shared.now_ns);
        self.give_out();
        if self.shared.now_ns >= self.chores_ns {
            self.chores_ns = self.shared.now_ns + CHORES_NS;
            self.chores(reports);
        }
        while let Some(key) = self.shared.dirty.pop_front() {
            self.with(key, Connection::flush);
        }
    }

    /// Gives requests to connections that have room for them.
    fn give_out(&mut self) {
        // Before, connections would leave the queue without a request, and nothing would bring them back.
        if self.shared.now_ns < self.shared.feed.begin_ns() {
            return;
        }
        let open = self.shared.feed.is_open();
        let mut left = self.shared.available.len();
        while (!open && left > 0) || (open && self.shared.feed.waiting() > 0) {
            let Some(key) = self.shared.available.pop_front() else {
                return;
            };
            left = left.saturating_sub(1);
            self.with(key, Connection::feed);
        }
    }

    /// What need not be done in every turn.
    fn chores(&mut self, reports: &Sender<Report>) {
        if !self.shared.feed.has_begun()
            && let Some(begin_ns) = self.control.begin_ns()
        {
            self.shared.feed.begin(begin_ns);
        }
        if self.shared.now_ns >= self.timeouts_ns {
            self.check_timeouts();
        }
        self.adjust();
        self.dial();
        self.tell_serving(self.dialling.is_serving());
        self.dialling
            .look(self.control.is_serving(), self.shared.now_ns);
        if !self.told_connected && self.is_settled() {
            self.told_connected = true;
            // Nobody listens only when the run was given up.
            let _ = reports.send(Report::Connected);
        }
        if self.shared.now_ns >= self.report_ns {
            self.report_ns = self.shared.now_ns + REPORT_NS;
            self.tick(reports);
        }
    }

    /// Gives up what has had nothing for too long.
    fn check_timeouts(&mut self) {
        let (now_ns, timeout_ns) = (self.shared.now_ns, self.shared.timeout_ns);
        self.timeouts_ns = now_ns + (timeout_ns / TIMEOUT_PARTS).min(TIMEOUTS_NS);
        for key in self.connections.keys() {
            self.with(key, Connection::check_timeouts);
        }
        while let Some(job) = self.shared.feed.expired(now_ns.saturating_sub(timeout_ns)) {
            self.shared.gave_up(&job);
        }
    }

    /// Whether all connections are there, or were tried. With no request to make none is asked for.
    fn is_settled(&self) -> bool {
        let now_ns = self.shared.now_ns;
        self.shared.feed.is_over(now_ns) || self.dialling.is_settled(self.wanted(), now_ns)
    }

    /// Tells other workers whether the server answers this one: it is not gone, though it take no more connections.
    fn tell_serving(&mut self, serving: bool) {
        if serving != self.told_serving {
            self.told_serving = serving;
            self.control.set_serving(serving);
        }
    }

    fn tick(&mut self, reports: &Sender<Report>) {
        let tick = Tick {
            live: self.shared.recorder.take_live(),
            worker: self.index,
            connections: self.dialling.established() as u64,
            in_flight: self.shared.in_flight,
            waiting: self.shared.feed.waiting() as u64,
        };
        // Nobody listens only when the run was given up.
        let _ = reports.send(Report::Tick(Box::new(tick)));
    }

    /// Connections that there are to be now.
    fn wanted(&self) -> u32 {
        let step = self.shared.feed.step(self.shared.now_ns).unwrap_or(0) as usize;
        let share = self.shares.get(step).or(self.shares.last());
        share.copied().unwrap_or(0)
    }

    /// Ends connections that are too many in this step.
    fn adjust(&mut self) {
        let mut surplus = self
            .dialling
            .coming()
            .saturating_sub(self.wanted() as usize);
        if surplus == 0 || self.shares.len() == 1 {
            return;
        }
        for key in self.connections.keys().into_iter().rev() {
            if surplus == 0 {
                return;
            }
            self.with(key, |connection, shared| {
                if matches!(connection.stage(), Stage::Connecting | Stage::Open) {
                    connection.retiring = true;
                    connection.refresh(shared);
                    surplus -= 1;
                }
            });
        }
    }

    /// Asks for the connections that are missing.
    fn dial(&mut self) {
        let now_ns = self.shared.now_ns;
        if !self.dialling.may_dial(now_ns) || self.shared.feed.is_over(now_ns) {
            return;
        }
        let wanted = self.wanted() as usize;
        for _ in 0..DIALS_IN_A_TURN {
            if !self.dialling.is_short(wanted) {
                return;
            }
            // Each is timed from its own beginning.
            self.read_clock();
            match connection::connect(self.shared.plan.address) {
                Ok(socket) => {
                    let (number, shared) = (self.number(), &mut self.shared);
                    self.connections
                        .insert_with(|key| Box::new(Connection::new(key, number, socket, shared)));
                    self.dialling.asked();
                }
                Err(errno) => {
                    let error = connection::connect_error(errno);
                    self.shared.recorder.no_connection(error);
                    let scarce = matches!(errno, Errno::MFILE | Errno::NFILE);
                    return self.dialling.refused(scarce, self.shared.now_ns);
                }
            }
        }
        self.chores_ns = self.shared.now_ns;
    }

    /// The number of the next connection: no other worker has it.
    fn number(&mut self) -> u64 {
        let workers = self.shared.plan.options.cores.len() as u64;
        let number = self.dialled * workers + self.index as u64;
        self.dialled += 1;
        number
    }

    /// How it has ended, if it has.
    fn outcome(&self) -> Option<Outcome> {
        let shared = &self.shared;
        if self.control.is_stopped() {
            return Some(Outcome::Interrupted);
        }
        if shared.now_ns >= shared.feed.end_ns() {
            // Most runs are over before the timeout is.
            return Some(
                match self.dialling.is_lost() && !self.control.is_serving() {
                    true => Outcome::ServerGone,
                    false => Outcome::Complete,
                },
            );
        }
        // Requests at fixed times are a load for as long as was asked, also when nothing more is due.
        let over =
            !shared.feed.is_open() && shared.feed.is_over(shared.now_ns) && shared.in_flight == 0;
        if shared.feed.has_begun() && over {
            return Some(Outcome::Complete);
        }
        let hopeless = self.dialling.is_hopeless(shared.now_ns, shared.timeout_ns);
        (hopeless && self.wanted() > 0).then_some(Outcome::ServerGone)
    }

    /// How long nothing is to be done unless something happens.
    fn wait(&self) -> Duration {
        let shared = &self.shared;
        let mut until_ns = self.chores_ns;
        if let Some(next_ns) = shared.feed.next_ns() {
            until_ns = until_ns.min(next_ns.saturating_sub(SPIN_NS));
        }
        if !shared.feed.has_begun() {
            // It is soon.
            until_ns = until_ns.min(shared.now_ns + 1_000_000);
        } else if shared.now_ns < shared.feed.begin_ns() {
            until_ns = until_ns.min(shared.feed.begin_ns());
        }
        Duration::from_nanos(
            until_ns
                .min(shared.feed.end_ns())
                .saturating_sub(shared.now_ns),
        )
    }

    fn read_clock(&mut self) {
        let shared = &mut self.shared;
        shared.now_ns = shared.plan.now_ns();
        let since_ns = shared.now_ns.saturating_sub(shared.feed.measure_ns());
        let step = shared.feed.step(shared.now_ns);
        shared.recorder.tick(step, since_ns);
    }

    /// Runs a step of a connection, and counts what became of it.
    fn with(&mut self, key: Owner, step: impl FnOnce(&mut Connection, &mut Shared)) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let (before, had_answered) = (connection.stage(), connection.has_answered());
        step(connection, &mut self.shared);
        let (after, answered) = (connection.stage(), connection.has_answered());
        let (given_up, is_over) = (connection.retiring, connection.is_over());
        // A connection may get its first response and end in one step.
        if answered && !had_answered {
            self.dialling.answered(before, self.shared.now_ns);
        }
        if before != after {
            let now_ns = self.shared.now_ns;
            self.dialling
                .moved((before, after), answered, given_up, now_ns);
            if matches!(after, Stage::Draining | Stage::Closing) && self.dialling.may_dial(now_ns) {
                // It is replaced at once.
                self.chores_ns = now_ns;
            }
        }
        if is_over && let Some(connection) = self.connections.remove(key) {
            self.shared.ring.close(connection.socket);
        }
    }
}

impl Shared {
    /// A request waited for a connection for too long.
    fn gave_up(&mut self, job: &super::feed::Job) {
        let age_ns = self.now_ns - job.due_ns;
        let error = super::result::ErrorKind::Timeout;
        self.recorder.failed(job, error, age_ns);
    }

    /// A connection is established.
    pub(super) fn opened(&mut self, protocol: Protocol) {
        let connections = &mut self.recorder.connections;
        connections.opened += 1;
        let name = protocol.name().to_owned();
        *connections.protocols.entry(name).or_default() += 1;
    }

    /// A handshake that began at `began_ns` is done.
    pub(super) fn shook_hands(&mut self, began_ns: u64, agreed: &Agreed) {
        let _ = self.recorder.tls.record(self.now_ns - began_ns);
        let connections = &mut self.recorder.connections;
        connections.resumed += u64::from(agreed.resumed);
        let version = agreed.suite.version().version;
        let name = format!("{version:?} {:?}", agreed.suite.suite());
        *connections.ciphers.entry(name).or_default() += 1;
    }
}
