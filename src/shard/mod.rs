//! One pinned core.
//!
//! The interface between the server and a shard. The body here only keeps a thread alive until it is told to
//! end: the loop that serves comes with the data ring.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use hdrhistogram::Histogram;

/// A listening socket handed to a shard.
#[derive(Debug)]
pub struct Listener {
    /// The socket, bound and listening.
    pub socket: OwnedFd,
    /// Whether connections accepted from it begin with a TLS handshake.
    pub tls: bool,
}

/// What a shard is started with.
#[derive(Debug)]
pub struct Options {
    /// The shard's number, from 0.
    pub index: usize,
    /// The core it is pinned to.
    pub core: usize,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// The folder served, opened with `O_PATH | O_DIRECTORY`.
    pub root: OwnedFd,
    /// The TLS settings; present when any listener is a TLS one.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// What a shard can be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Stop accepting, finish the streams in flight, then end.
    Drain,
    /// End at once.
    Stop,
}

/// What a shard says.
#[derive(Debug)]
pub enum Report {
    /// The shard accepts connections.
    Ready {
        /// The shard's number.
        shard: usize,
    },
    /// The shard could not start or cannot go on; it has ended.
    Failed {
        /// The shard's number.
        shard: usize,
        /// The reason, in words for the user.
        error: String,
    },
    /// The answer to [`Handle::snapshot`].
    Interval(Box<Snapshot>),
    /// The last counters of a shard that ends.
    Final(Box<Snapshot>),
}

/// A shard's counters at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The shard's number.
    pub shard: usize,
    /// Requests answered since the start.
    pub requests: u64,
    /// Bytes sent since the start.
    pub bytes: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Latencies in nanoseconds since the last snapshot.
    pub latency: Histogram<u64>,
    /// Arena slots leased now.
    pub leased: usize,
}

/// Why a shard could not be started.
#[derive(Debug, thiserror::Error)]
#[error("could not start shard {shard}: {source}")]
pub struct StartError {
    shard: usize,
    source: std::io::Error,
}

const SNAPSHOT: u8 = 1;
const DRAIN: u8 = 2;
const STOP: u8 = 4;

/// A running shard.
#[derive(Debug)]
pub struct Handle {
    commands: Arc<AtomicU8>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Stop accepting, finish what is in flight, then end.
    pub fn drain(&self) {
        self.tell(DRAIN);
    }

    /// End at once.
    pub fn stop(&self) {
        self.tell(STOP);
    }

    /// Ask for a [`Report::Interval`].
    pub fn snapshot(&self) {
        self.tell(SNAPSHOT);
    }

    /// Wait for the shard's thread to end.
    ///
    /// # Errors
    /// The payload of the panic that ended the thread.
    pub fn join(self) -> std::thread::Result<()> {
        self.thread.join()
    }

    fn tell(&self, command: u8) {
        self.commands.fetch_or(command, Ordering::AcqRel);
        self.thread.thread().unpark();
    }
}

/// Start a shard on a thread of its own.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(options: Options, reports: Sender<Report>) -> Result<Handle, StartError> {
    let commands = Arc::new(AtomicU8::new(0));
    let inbox = Arc::clone(&commands);
    let shard = options.index;
    let thread = std::thread::Builder::new()
        .name(format!("shard-{shard}"))
        .spawn(move || idle(&options, &inbox, &reports))
        .map_err(|source| StartError { shard, source })?;
    Ok(Handle { commands, thread })
}

fn idle(options: &Options, inbox: &AtomicU8, reports: &Sender<Report>) {
    let shard = options.index;
    let snapshot = || {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).ok()?;
        Some(Box::new(Snapshot {
            shard,
            requests: 0,
            bytes: 0,
            connections: 0,
            accepted: 0,
            latency,
            leased: 0,
        }))
    };
    let _ = reports.send(Report::Ready { shard });
    loop {
        let commands = inbox.swap(0, Ordering::AcqRel);
        if commands & SNAPSHOT != 0
            && let Some(snapshot) = snapshot()
        {
            let _ = reports.send(Report::Interval(snapshot));
        }
        if commands & (DRAIN | STOP) != 0 {
            break;
        }
        std::thread::park();
    }
    if let Some(snapshot) = snapshot() {
        let _ = reports.send(Report::Final(snapshot));
    }
}
