//! A shard: one pinned core that accepts, parses, schedules and sends for itself.
//!
//! Each shard is a glommio `LocalExecutor` on its core with a ring of its own, an arena of its own and counters of its
//! own. It shares no mutable state with the others: what comes from outside is an order to drain or to stop, what goes
//! out is a [`Report`].

mod answer;
mod buffers;
mod coalescing;
mod connection;
mod counters;
mod descriptors;
mod dirty;
mod driver;
mod input;
mod kernel_tls;
mod later;
mod listings;
mod long;
mod offload;
mod open;
mod opened;
mod output;
mod page_cache;
mod prepare;
mod protocol;
mod repeat;
mod represent;
mod roots;
mod seek;
mod shared;
mod timers;
mod turns;
mod unsent;
mod wire;
mod zero_copy;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use arc_swap::ArcSwap;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use rustix::event::EventfdFlags;
use rustix::fs::OFlags;
use rustix::net::{getsockname, sockopt::tcp_congestion};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::{CpuSet, sched_getaffinity};

pub use counters::Snapshot;

use crate::files::FilesConfig;
use crate::h2;
use crate::site::Sites;
use crate::uring::{Ring, RingOptions, SetupError};

/// Memory that glommio registers for its own direct I/O, which a shard does not use: its least, not its 10 MiB.
const EXECUTOR_IO_BYTES: usize = 65_536;
/// How long the driver may run before the executor wants to look at its other tasks: it has none.
///
/// Not shorter: when this time is over between two steps of the executor itself, as happens to a thread that is not
/// given its core for so long, glommio 0.9 takes the driver for idle although it can run, and parks for good.
const PREEMPT_TIMER: Duration = Duration::from_secs(3_600);

/// The congestion control that sends by timers, at a rate that it measures.
const PACED: &str = "bbr";

/// A listening socket of one shard.
#[derive(Debug)]
pub struct Listener {
    /// Bound and listening, non-blocking.
    pub socket: OwnedFd,
    /// Whether TLS is spoken on it.
    pub tls: bool,
}

impl Listener {
    /// Whether its peers are all on this machine, and nothing paces what they are sent.
    fn is_near(&self) -> bool {
        let address = getsockname(&self.socket).and_then(SocketAddr::try_from);
        let paced = tcp_congestion(&self.socket).is_ok_and(|name| name == PACED);
        !paced && address.is_ok_and(|address| address.ip().to_canonical().is_loopback())
    }
}

/// The served directories, opened with `O_PATH | O_DIRECTORY`: those of [`Sites::mounts`], in their order. Swapped as a
/// whole when one is replaced.
pub type Roots = ArcSwap<Vec<OwnedFd>>;

/// What a shard serves.
#[derive(Debug)]
pub struct Serving {
    /// The served directories.
    pub roots: Arc<Roots>,
    /// Which of them a request is for, and how what lies there is treated; the shard's own copy.
    pub sites: Sites,
    /// Settings that hold for every file.
    pub files: FilesConfig,
}

/// What a shard is started with.
#[derive(Debug)]
pub struct Options {
    /// Number of the shard, from 0.
    pub index: usize,
    /// The core it is pinned to.
    pub core: usize,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// What it serves.
    pub serving: Serving,
    /// The TLS configuration; needed when a listener speaks TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether sockets seal what is sent over TLS, where the kernel can.
    pub kernel_tls: bool,
    /// Microseconds for which network cards are polled at most before the shard sleeps.
    pub busy_poll: Option<NonZeroU32>,
    /// When an idle or silent peer is given up.
    pub timeouts: h2::Timeouts,
}

/// What a shard says to who started it.
#[derive(Debug)]
pub enum Report {
    /// The shard serves.
    Ready {
        /// Number of the shard.
        shard: usize,
    },
    /// The shard could not start, or died.
    Failed {
        /// Number of the shard.
        shard: usize,
        /// Why, for a person.
        error: String,
    },
    /// Asked for by [`Handle::snapshot`].
    Interval(Box<Snapshot>),
    /// The last word of a shard that ended in order.
    Final(Box<Snapshot>),
}

/// The order that a shard follows, in ascending strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Command {
    Serve = 0,
    Drain = 1,
    Stop = 2,
}

/// Orders on their way into a shard: written by the server, read by the shard when its pipe wakes it.
#[derive(Debug)]
struct Control {
    command: AtomicU8,
    snapshot: AtomicBool,
}

impl Control {
    fn command(&self) -> Command {
        match self.command.load(Ordering::Acquire) {
            0 => Command::Serve,
            1 => Command::Drain,
            _ => Command::Stop,
        }
    }
}

/// A running shard.
pub struct Handle {
    control: Arc<Control>,
    wake: OwnedFd,
    thread: ExecutorJoinHandle<()>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Stop accepting, say GOAWAY, finish the streams in flight, end.
    pub fn drain(&self) {
        self.command(Command::Drain);
    }

    /// End now.
    pub fn stop(&self) {
        self.command(Command::Stop);
    }

    /// Asks for a [`Report::Interval`].
    pub fn snapshot(&self) {
        self.control.snapshot.store(true, Ordering::Release);
        self.wake();
    }

    /// Has it look at [`Roots`] again: it may be asked for nothing, and the folders before are to be closed.
    pub fn renew_roots(&self) {
        self.wake();
    }

    /// Waits until the shard's thread has ended.
    ///
    /// # Errors
    /// When the executor could not be made (its rings or locked memory were refused) or its thread panicked.
    pub fn join(self) -> io::Result<()> {
        self.thread
            .join()
            .map_err(|error| io::Error::other(error.to_string()))
    }

    fn command(&self, command: Command) {
        self.control
            .command
            .fetch_max(command as u8, Ordering::AcqRel);
        self.wake();
    }

    fn wake(&self) {
        // Full: the shard is woken anyway. Broken: the shard has ended.
        let _ = rustix::io::write(&self.wake, b"!");
    }
}

/// Descriptors that a shard has from its start beside the served directories: three of its pipe, four of its executor and
/// two of its ring.
const OWN_DESCRIPTORS: usize = 9;
/// And one that the executors share.
const SHARED_DESCRIPTORS: usize = 1;

/// Descriptors that so many shards take at their start, with so many served directories.
pub fn descriptors(shards: usize, roots: usize) -> usize {
    shards * (OWN_DESCRIPTORS + roots) + SHARED_DESCRIPTORS
}

/// Takes so many descriptors, and gives them back: an executor that is started with too few only panics.
///
/// # Errors
/// When there are not so many.
pub fn probe_descriptors(count: usize) -> io::Result<()> {
    let any = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?;
    let others = (1..count).map(|_| any.try_clone());
    others.collect::<io::Result<Vec<_>>>().map(drop)
}

/// Makes a small ring like those of the shards, and drops it: where io_uring, or polling network cards, is refused this says
/// why, and what to do, before an executor is started, which would only panic.
///
/// # Errors
/// What refuses it: a sysctl, a seccomp filter, an old kernel, a limit.
pub fn probe(busy_poll: Option<NonZeroU32>) -> Result<(), SetupError> {
    let options = RingOptions {
        entries: 8,
        completions: 16,
        recv_buffers: 2,
        recv_buffer_bytes: 4_096,
        arena_bytes: 0,
    };
    let ring = Ring::new(&options)?;
    busy_poll.map_or(Ok(()), |most| ring.busy_poll(most.get()))
}

/// What wakes a shard.
#[derive(Debug)]
struct WakePipe {
    /// The end that its ring reads.
    woken: OwnedFd,
    /// The end for those who work for it, non-blocking.
    wake: OwnedFd,
    /// The cores that they may run on.
    affinity: CpuSet,
}

/// The executor of a shard, which is made on the thread that it is to run on, could not be: joining that tells the rest.
const NO_EXECUTOR: &str = "its executor could not be made; is a limit too low on open files or locked memory (`ulimit -n`, `ulimit -l`)?";
const PANICKED: &str = "it panicked; this is a bug";

/// Says why a shard ended, however it ended: a panic drops it too, and so does a thread that never came to run it.
struct Obituary {
    shard: usize,
    reports: Sender<Report>,
    /// None when the shard ended in order and has said so.
    error: Option<String>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if let Some(error) = self.error.take() {
            let shard = self.shard;
            // The receiver is gone only when the server is ending anyway.
            let _ = self.reports.send(Report::Failed { shard, error });
        }
    }
}

/// Starts a shard on its core. It says [`Report::Ready`] or [`Report::Failed`].
///
/// # Errors
/// When the thread or its pipe could not be made.
pub fn start(options: Options, reports: Sender<Report>) -> io::Result<Handle> {
    let control = Arc::new(Control {
        command: AtomicU8::new(0),
        snapshot: AtomicBool::new(false),
    });
    let (woken, wake) = pipe_with(PipeFlags::CLOEXEC)?;
    // Only this end: the ring takes a non-blocking descriptor for one that is not to be waited for.
    rustix::fs::fcntl_setfl(&wake, OFlags::NONBLOCK)?;
    let pipe = WakePipe {
        woken,
        wake: wake.try_clone()?,
        // Asked before the shard's thread is pinned: what is done for it by others is to run elsewhere.
        affinity: sched_getaffinity(None)?,
    };
    let seen = Arc::clone(&control);
    let obituary = Obituary {
        shard: options.index,
        reports: reports.clone(),
        error: Some(NO_EXECUTOR.to_owned()),
    };
    let thread = LocalExecutorBuilder::new(Placement::Fixed(options.core))
        .name("ringlane")
        .io_memory(EXECUTOR_IO_BYTES)
        .preempt_timer(PREEMPT_TIMER)
        .spawn(move || async move {
            let mut obituary = obituary;
            obituary.error = Some(PANICKED.to_owned());
            obituary.error = driver::run(options, &seen, pipe, &reports)
                .await
                .err()
                .map(|error| error.to_string());
        })
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Handle {
        control,
        wake,
        thread,
    })
}
