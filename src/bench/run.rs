//! A run from its beginning to its end: workers are started, watched, and their results added up.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit};

use super::costs::{Costs, ServerCosts, machine};
use super::latency::histogram;
use super::measure::{Recorder, SAMPLE_NS};
use super::options::{Load, Options};
use super::progress::{Counts, Phase, Progress};
use super::result::{MAX_TARGETS_APART, Outcome, RESULT_VERSION, RunResult, Series, Step, Target};
use super::worker::{Done, Report, Tick, work};

/// How long from the last connection to the first request: for every worker to hear of it.
const BEGIN_AFTER: Duration = Duration::from_millis(15);
/// How often the server's memory is looked at, and whoever watches is told.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long an address of several is tried.
const TRY_ADDRESS: Duration = Duration::from_secs(2);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The host has no address.
    #[error("cannot find the address of `{host}`: {message}")]
    Resolve {
        /// The host.
        host: String,
        /// The system's words.
        message: String,
    },
    /// A worker could not begin, or died.
    #[error("the load cannot be made: {0}")]
    Worker(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
    /// The server's costs cannot be read.
    #[error("the server's costs cannot be read: {0}")]
    Costs(String),
}

/// Ends a run from outside.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the run soon: what there is by then is its result.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What all workers know from the start.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) options: Options,
    pub(super) address: SocketAddr,
    epoch: Instant,
}

impl Plan {
    /// The run's clock, in nanoseconds.
    pub(super) fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// What workers are told.
#[derive(Debug)]
pub(super) struct Control {
    /// When load begins; `u64::MAX` as long as that is not known.
    begin_ns: AtomicU64,
    /// Workers that have a connection on which a response came.
    serving: AtomicUsize,
    stop: Stop,
}

impl Control {
    pub(super) fn begin_ns(&self) -> Option<u64> {
        let begin_ns = self.begin_ns.load(Ordering::Acquire);
        (begin_ns != u64::MAX).then_some(begin_ns)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// Whether any worker has a connection on which a response came: the server is there then.
    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed) > 0
    }

    /// A worker has such a connection from now on, or has none any more.
    pub(super) fn set_serving(&self, serving: bool) {
        match serving {
            true => self.serving.fetch_add(1, Ordering::Relaxed),
            false => self.serving.fetch_sub(1, Ordering::Relaxed),
        };
    }
}

/// Makes a run. `watch` is told how it goes, some five times a second; `stop` ends it early.
///
/// # Errors
/// When it could not be made at all: see [`RunError`]. What a server does wrong is in the result.
pub fn run(
    options: &Options,
    stop: &Stop,
    watch: &mut dyn FnMut(&Progress<'_>),
) -> Result<RunResult, RunError> {
    raise_descriptor_limit();
    let plan = Arc::new(Plan {
        address: resolve(&options.origin.host, options.origin.port)?,
        options: options.clone(),
        epoch: Instant::now(),
    });
    let control = Arc::new(Control {
        begin_ns: AtomicU64::new(u64::MAX),
        serving: AtomicUsize::new(0),
        stop: stop.clone(),
    });
    let server = match &options.server {
        Some(source) => Some(ServerCosts::new(source).map_err(RunError::Costs)?),
        None => None,
    };
    let (reports, inbox) = channel();
    let mut threads = Vec::new();
    for index in 0..options.cores.len() {
        let (plan, control) = (Arc::clone(&plan), Arc::clone(&control));
        let reports = reports.clone();
        let thread = std::thread::Builder::new()
            .name(format!("bench {index}"))
            .spawn(move || work(index, &plan, &control, &reports));
        match thread {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                stop.stop();
                return Err(RunError::Thread(error));
            }
        }
    }
    drop(reports);
    let mut watcher = Watcher::new(&plan, &control, server);
    let outcome = watcher.watch(&inbox, watch);
    if outcome.is_err() {
        stop.stop();
    }
    for thread in threads {
        // Its panic was reported.
        let _ = thread.join();
    }
    outcome?;
    watcher.result()
}

/// What the main thread knows of a run that is on.
struct Watcher<'a> {
    plan: &'a Plan,
    control: &'a Control,
    server: Option<ServerCosts>,
    connected: usize,
    dones: Vec<Done>,
    begin: Option<Begun>,
    /// Where each worker stands.
    stands: Vec<(u64, u64, u64)>,
    since_start: Counts,
    since_last: Counts,
    last: Instant,
    latency: Histogram<u64>,
}

/// A load that is on.
struct Begun {
    unix_ms: u64,
    begin_ns: u64,
    /// The costs when measuring began.
    client: Option<Costs>,
    server: Option<Costs>,
    /// The costs when it ended.
    ended: Option<(Costs, Option<Costs>)>,
}

impl<'a> Watcher<'a> {
    fn new(plan: &'a Plan, control: &'a Control, server: Option<ServerCosts>) -> Self {
        Self {
            plan,
            control,
            server,
            connected: 0,
            dones: Vec::new(),
            begin: None,
            stands: vec![(0, 0, 0); plan.options.cores.len()],
            since_start: Counts::default(),
            since_last: Counts::default(),
            last: Instant::now(),
            latency: histogram(),
        }
    }

    fn workers(&self) -> usize {
        self.plan.options.cores.len()
    }

    /// Until all workers have ended.
    fn watch(
        &mut self,
        inbox: &Receiver<Report>,
        watch: &mut dyn FnMut(&Progress<'_>),
    ) -> Result<(), RunError> {
        while self.dones.len() < self.workers() {
            let wait = self.next_look().saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(Report::Connected) => self.connected += 1,
                Ok(Report::Tick(tick)) => self.take(*tick),
                Ok(Report::Done(done)) => {
                    self.dones.push(*done);
                    if self.dones.len() == self.workers() {
                        self.note_end();
                    }
                }
                Ok(Report::Failed(error)) => return Err(RunError::Worker(error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(RunError::Worker("a worker ended without a word".to_owned()));
                }
            }
            if self.begin.is_none() && self.connected + self.dones.len() >= self.workers() {
                self.begin();
            }
            self.note_beginning();
            if self.last.elapsed() >= LOOK_EVERY {
                self.look(watch);
            }
        }
        self.look(watch);
        Ok(())
    }

    /// Tells the workers when to begin.
    fn begin(&mut self) {
        let after = BEGIN_AFTER.as_nanos() as u64;
        let begin_ns = self.plan.now_ns() + after;
        self.control.begin_ns.store(begin_ns, Ordering::Release);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        self.begin = Some(Begun {
            unix_ms: since.map_or(0, |since| since.as_millis() as u64),
            begin_ns,
            client: None,
            server: None,
            ended: None,
        });
        self.since_start = Counts::default();
    }

    fn measure_ns(&self) -> Option<u64> {
        let begun = self.begin.as_ref()?;
        Some(begun.begin_ns + self.plan.options.warmup.as_nanos() as u64)
    }

    /// When something is to be done.
    fn next_look(&self) -> Instant {
        let look = self.last + LOOK_EVERY;
        let costs_due = self
            .begin
            .as_ref()
            .is_some_and(|begun| begun.client.is_none());
        match self.measure_ns() {
            Some(measure_ns) if costs_due => {
                look.min(self.plan.epoch + Duration::from_nanos(measure_ns))
            }
            _ => look,
        }
    }

    /// Reads the costs when measuring begins.
    fn note_beginning(&mut self) {
        if let (Some(measure_ns), Some(begun)) = (self.measure_ns(), &mut self.begin)
            && begun.client.is_none()
            && self.plan.now_ns() >= measure_ns
        {
            begun.client = Some(Costs::own());
            begun.server = self.server.as_mut().map(ServerCosts::read);
            self.since_start = Counts::default();
        }
    }

    /// Reads the costs when the load has ended.
    fn note_end(&mut self) {
        let ended = (Costs::own(), self.server.as_mut().map(ServerCosts::read));
        if let Some(begun) = &mut self.begin {
            begun.ended = Some(ended);
        }
    }

    fn take(&mut self, tick: Tick) {
        self.stands[tick.worker] = (tick.connections, tick.in_flight, tick.waiting);
        let counts = tick.live.counts;
        for sum in [&mut self.since_start, &mut self.since_last] {
            sum.succeeded += counts.succeeded;
            sum.failed += counts.failed;
            sum.body_bytes += counts.body_bytes;
            sum.received_bytes += counts.received_bytes;
        }
        // It grows as needed.
        let _ = self.latency.add(&tick.live.latency);
    }

    /// Looks around and tells.
    fn look(&mut self, watch: &mut dyn FnMut(&Progress<'_>)) {
        if let Some(server) = &mut self.server {
            server.look_at_memory();
        }
        let (phase, elapsed, done) = self.phase();
        let sum = |part: fn(&(u64, u64, u64)) -> u64| self.stands.iter().map(part).sum();
        watch(&Progress {
            phase,
            elapsed,
            done,
            connections: sum(|stand| stand.0),
            in_flight: sum(|stand| stand.1),
            waiting: sum(|stand| stand.2),
            since_start: self.since_start,
            since_last: self.since_last,
            interval: self.last.elapsed(),
            latency: &self.latency,
        });
        self.last = Instant::now();
        self.since_last = Counts::default();
        self.latency.reset();
    }

    fn phase(&self) -> (Phase, Duration, Option<f64>) {
        let now_ns = self.plan.now_ns();
        let options = &self.plan.options;
        let (Some(begun), Some(measure_ns)) = (&self.begin, self.measure_ns()) else {
            return (Phase::Connecting, Duration::from_nanos(now_ns), None);
        };
        if now_ns < measure_ns {
            let since = Duration::from_nanos(now_ns.saturating_sub(begun.begin_ns));
            let done = since.as_secs_f64() / options.warmup.as_secs_f64();
            return (Phase::Warmup, since, Some(done.min(1.0)));
        }
        let since = Duration::from_nanos(now_ns - measure_ns);
        let steps = options.load.steps();
        let (step, done) = match &options.load {
            Load::Requests(requests) => {
                let ended = self.since_start.succeeded + self.since_start.failed;
                (0, ended as f64 / *requests as f64)
            }
            Load::Closed { duration, .. } | Load::Open { duration, .. } => {
                let through = since.as_secs_f64() / duration.as_secs_f64();
                ((through as usize).min(steps - 1), through / steps as f64)
            }
        };
        (Phase::Measuring { step, steps }, since, Some(done.min(1.0)))
    }

    fn result(mut self) -> Result<RunResult, RunError> {
        let options = &self.plan.options;
        let Some(begun) = self.begin.take() else {
            return Err(RunError::Worker("it never began".to_owned()));
        };
        let measure_ns = begun.begin_ns + options.warmup.as_nanos() as u64;
        let ended_ns = self.dones.iter().map(|done| done.ended_ns).max();
        let elapsed_ns = ended_ns.unwrap_or(0).saturating_sub(measure_ns);
        let elapsed_s = elapsed_ns as f64 / 1e9;
        let open = matches!(options.load, Load::Open { .. });
        let apart = options.targets.len() <= MAX_TARGETS_APART;
        let mut sum = Recorder::new(options.load.steps(), options.targets.len(), apart, open);
        let mut outcome = Outcome::Complete;
        for done in &self.dones {
            sum.add(&done.recorder);
            if outcome == Outcome::Complete {
                outcome = done.outcome;
            }
        }
        let total = sum.total(elapsed_s);
        let targets = options.targets.iter().enumerate().map(|(index, target)| {
            let (measures, expected_interval_ns) = sum.target(index, elapsed_s);
            Target {
                url: target.url.clone(),
                measures,
                expected_interval_ns,
            }
        });
        let (client_end, server_end) = begun.ended.unwrap_or_default();
        let client_begin = begun.client.unwrap_or(client_end);
        let server = match (self.server, server_end) {
            (Some(costs), Some(end)) => {
                let begin = begun.server.unwrap_or(end);
                let ended = total.requests.succeeded + total.requests.failed;
                Some(costs.usage(begin, end, total.bytes.body, ended))
            }
            _ => None,
        };
        Ok(RunResult {
            version: RESULT_VERSION,
            ringlane: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_ms: begun.unix_ms,
            machine: machine(),
            options: options.setup(),
            outcome,
            steps: steps(options, &sum, elapsed_s),
            targets: if apart { targets.collect() } else { Vec::new() },
            connections: sum.connections.clone(),
            series: Series {
                interval_s: SAMPLE_NS as f64 / 1e9,
                samples: sum.samples().to_vec(),
            },
            client: client_end.since(&client_begin),
            server,
            mismatches: std::mem::take(&mut sum.mismatches),
            total,
        })
    }
}

/// The steps of a ramp.
fn steps(options: &Options, sum: &Recorder, elapsed_s: f64) -> Vec<Step> {
    let (duration, loads): (f64, Vec<(u32, Option<f64>)>) = match &options.load {
        Load::Requests(_) => return Vec::new(),
        Load::Closed {
            duration,
            connections,
        } => (
            duration.as_secs_f64(),
            connections.iter().map(|&n| (n, None)).collect(),
        ),
        Load::Open { duration, rates } => {
            let each = rates.iter().map(|&rate| (options.connections, Some(rate)));
            (duration.as_secs_f64(), each.collect())
        }
    };
    if loads.len() == 1 {
        return Vec::new();
    }
    let step = |(index, (connections, rate)): (usize, (u32, Option<f64>))| {
        let left = elapsed_s - duration * index as f64;
        Step {
            connections,
            rate,
            measures: sum.step(index, left.clamp(0.0, duration)),
        }
    };
    loads.into_iter().enumerate().map(step).collect()
}

/// The first address of `host` that takes a connection; if there is but one, that, untried.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, RunError> {
    let failed = |message: String| RunError::Resolve {
        host: host.to_owned(),
        message,
    };
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let answers = |address: &SocketAddr| TcpStream::connect_timeout(address, TRY_ADDRESS).is_ok();
    let address = match &addresses[..] {
        [_] => None,
        several => several.iter().find(|address| answers(address)),
    };
    address
        .or(addresses.first())
        .copied()
        .ok_or_else(|| failed("it has none".to_owned()))
}

/// Each connection takes a descriptor, and the soft limit is often 1,024.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Connections that find no descriptor say so.
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}
