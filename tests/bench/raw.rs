//! A small HTTP/1.1 server that does what a test wants: a thread for each connection, nothing checked.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs until it is dropped; its connections until clients close them.
pub(crate) struct Raw {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Raw {
    /// Answers each request by calling `answer`, on the connection's thread.
    pub(crate) fn start(
        answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (answer, ends) = (Arc::new(answer), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Self { address, over }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&mut TcpStream) -> io::Result<()>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        // The empty line ends a head; requests here have no content.
        if line?.is_empty() {
            answer(&mut writer)?;
        }
    }
    Ok(())
}

/// Sends a whole response.
pub(crate) fn respond(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let mut wire =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    wire.extend_from_slice(body);
    stream.write_all(&wire)
}

/// Times at which a server answers nothing: the last `stall` of each `every`.
#[derive(Clone, Copy)]
pub(crate) struct Stalls {
    pub(crate) began: Instant,
    pub(crate) every: Duration,
    pub(crate) stall: Duration,
}

impl Stalls {
    /// How much longer it stalls now, if it does.
    pub(crate) fn left(&self) -> Option<Duration> {
        let every = self.every.as_nanos();
        let into = self.began.elapsed().as_nanos() % every;
        let stalls = into >= every - self.stall.as_nanos();
        stalls.then(|| Duration::from_nanos((every - into) as u64))
    }

    /// Waits until it does not.
    pub(crate) fn wait(&self) {
        if let Some(left) = self.left() {
            thread::sleep(left);
        }
    }
}
