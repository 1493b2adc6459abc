//! The well-behaved client that must not notice anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::target::{MEDIUM, contents};
use crate::wire::get;

/// Within this time the file must be there.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);
/// How long it is waited for all the same, so that the table can say how long it took.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two downloads.
const PAUSE: Duration = Duration::from_millis(40);

/// Downloads `path` on a stream of its own and compares it with `wanted`.
pub(crate) fn download(
    peer: &mut Peer,
    stream: u32,
    path: &str,
    wanted: &[u8],
) -> Result<Duration, String> {
    let began = Instant::now();
    peer.body = Some(Vec::with_capacity(wanted.len()));
    peer.send(&get(stream, path));
    let done = peer.pump_until(PATIENCE, |peer| peer.heard.done == stream);
    let body = peer.body.take().unwrap_or_default();
    if !done {
        let got = body.len();
        let end = peer.heard.end;
        return Err(format!("{got} bytes of {path} in 5 s, then {end:?}"));
    }
    if body != wanted {
        return Err(format!("{path} came wrong"));
    }
    Ok(began.elapsed())
}

/// A client that downloads again and again on a connection from before the attack, and on a new one each time.
pub(crate) struct Good {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Duration, String>>,
}

impl Good {
    /// Opens the first connection and downloads once.
    pub(crate) fn begin(address: SocketAddr, bytes: usize) -> Result<Self, String> {
        let wanted = contents(bytes);
        let mut old = Peer::open_wide(address).map_err(|error| error.to_string())?;
        download(&mut old, 1, MEDIUM, &wanted)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut slowest = Duration::ZERO;
            let mut stream = 1;
            // Also after a short attack there is one round.
            loop {
                let last = stopped.load(Ordering::Acquire);
                stream += 2;
                let took = download(&mut old, stream, MEDIUM, &wanted)
                    .map_err(|error| format!("old connection: {error}"))?;
                slowest = slowest.max(took);
                let began = Instant::now();
                let mut new = Peer::open_wide(address).map_err(|error| error.to_string())?;
                download(&mut new, 1, MEDIUM, &wanted)
                    .map_err(|error| format!("new connection: {error}"))?;
                slowest = slowest.max(began.elapsed());
                if last {
                    return Ok(slowest);
                }
                thread::sleep(PAUSE);
            }
        });
        Ok(Self { stop, thread })
    }

    /// The longest that a download took, from connecting on where that was new.
    pub(crate) fn end(self) -> Result<Duration, String> {
        self.stop.store(true, Ordering::Release);
        self.thread
            .join()
            .unwrap_or_else(|_| Err("the good client panicked".to_owned()))
    }
}
