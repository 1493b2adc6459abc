//! A raw client: says what it is told to, and notes what it hears.
//!
//! Its socket never blocks for longer than it means to: while a write waits, what the server says is read (or, for a
//! peer that reads nothing, left to pile up).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::wire::{
    ACK, DATA, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_WINDOW, PING, PREFACE,
    RST_STREAM, SETTINGS, frame, settings, window_update,
};

/// Bytes that are gathered before a write.
const BATCH: usize = 16 << 10;
/// How long a write may wait for the server to read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN.
    Closed,
    /// RST, or a write that failed.
    Reset,
    /// The server did not read for five seconds.
    Stuck,
}

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) goaway: Option<(u32, String)>,
    pub(crate) end: Option<End>,
    pub(crate) heads: u64,
    pub(crate) resets: u64,
    /// Bytes of DATA frames.
    pub(crate) data: u64,
    /// The last stream that ended by END_STREAM.
    pub(crate) done: u32,
}

/// See the module's documentation.
pub(crate) struct Peer {
    socket: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    /// Frames sent.
    pub(crate) frames: u64,
    pub(crate) heard: Heard,
    /// Whether what the server says is read at all.
    pub(crate) reads: bool,
    /// Whether PING is acknowledged.
    pub(crate) pongs: bool,
    /// The body of DATA frames, when it is wanted.
    pub(crate) body: Option<Vec<u8>>,
}

impl Peer {
    /// Connects and says nothing.
    pub(crate) fn silent(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(
            &address,
            Duration::from_secs(5),
        )?)
    }

    /// As [`Peer::silent`], with a receive buffer as small as the kernel allows.
    pub(crate) fn narrow(address: SocketAddr) -> io::Result<Self> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_recv_buffer_size(&socket, 2_048)?;
        rustix::net::connect(&socket, &address)?;
        Self::over(socket.into())
    }

    fn over(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            out: Vec::new(),
            input: Vec::new(),
            frames: 0,
            heard: Heard::default(),
            reads: true,
            pongs: true,
            body: None,
        })
    }

    /// Connects and says the preface; `values` are its SETTINGS.
    pub(crate) fn with_settings(address: SocketAddr, values: &[(u16, u32)]) -> io::Result<Self> {
        let mut peer = Self::silent(address)?;
        peer.greet(values);
        Ok(peer)
    }

    /// Connects and says the preface.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::with_settings(address, &[])
    }

    /// Connects with windows that never close.
    pub(crate) fn open_wide(address: SocketAddr) -> io::Result<Self> {
        let mut peer = Self::with_settings(address, &[(INITIAL_WINDOW_SIZE, MAX_WINDOW)])?;
        peer.send(&window_update(0, MAX_WINDOW - 65_535));
        Ok(peer)
    }

    /// The preface and SETTINGS.
    pub(crate) fn greet(&mut self, values: &[(u16, u32)]) {
        self.out.extend_from_slice(PREFACE);
        self.send(&settings(values));
        // Ours is the only SETTINGS that the server waits for; its own is acknowledged blindly, also unread.
        self.send(&frame(SETTINGS, ACK, 0, &[]));
        self.flush();
    }

    /// Sends one frame, sooner or later; whether there is a point in sending more.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.frames += 1;
        self.out.extend_from_slice(bytes);
        if self.out.len() >= BATCH {
            self.flush();
        }
        self.is_welcome()
    }

    /// Neither ended nor told to go.
    pub(crate) fn is_welcome(&self) -> bool {
        self.heard.end.is_none() && self.heard.goaway.is_none()
    }

    /// Writes what is gathered, reading meanwhile.
    pub(crate) fn flush(&mut self) {
        let until = Instant::now() + WRITE_TIMEOUT;
        let mut out = std::mem::take(&mut self.out);
        let mut at = 0;
        while at < out.len() && self.heard.end.is_none() {
            match self.socket.write(&out[at..]) {
                Ok(n) => at += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() > until {
                        self.heard.end = Some(End::Stuck);
                    }
                    self.ready(PollFlags::OUT, Duration::from_millis(100));
                    self.read();
                }
                Err(_) => {
                    // What was said before the reset may still be there.
                    self.read();
                    self.heard.end.get_or_insert(End::Reset);
                }
            }
        }
        out.clear();
        // Answers that reading gathered meanwhile go out with the next write.
        out.append(&mut self.out);
        self.out = out;
        self.read();
    }

    /// Reads and answers for so long, or until the connection has ended.
    pub(crate) fn pump(&mut self, time: Duration) {
        self.pump_until(time, |peer| peer.heard.end.is_some());
    }

    /// Reads and answers for so long, or until `enough`; whether it was.
    pub(crate) fn pump_until(&mut self, time: Duration, enough: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + time;
        loop {
            self.flush();
            if enough(self) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.heard.end.is_some() {
                return false;
            }
            if self.reads {
                self.ready(PollFlags::empty(), left);
            } else {
                std::thread::sleep(left.min(Duration::from_millis(20)));
            }
        }
    }

    /// Waits for the socket to be readable, or what else is wanted.
    fn ready(&self, wanted: PollFlags, wait: Duration) {
        let read = if self.reads {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        let timeout = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        // Whatever comes of it, the next read or write says.
        let _ = poll(
            &mut [PollFd::new(&self.socket, read | wanted)],
            Some(&timeout),
        );
    }

    /// Reads up to `most` bytes and does not look at them.
    pub(crate) fn sip(&mut self, most: usize) -> usize {
        self.socket.read(&mut vec![0; most]).unwrap_or(0)
    }

    fn read(&mut self) {
        let mut buffer = [0; 65_536];
        while self.reads && self.heard.end.is_none_or(|end| end == End::Stuck) {
            match self.socket.read(&mut buffer) {
                Ok(0) => self.heard.end = Some(End::Closed),
                Ok(n) => {
                    self.input.extend_from_slice(&buffer[..n]);
                    self.parse();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.heard.end = Some(End::Reset),
            }
        }
    }

    fn parse(&mut self) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some((head, behind)) = rest.split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some((payload, behind)) = behind.split_at_checked(length) else {
                break;
            };
            rest = behind;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            self.hear(head[3], head[4], stream, payload);
        }
        self.input = rest.to_vec();
    }

    fn hear(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        match kind {
            HEADERS => self.heard.heads += 1,
            RST_STREAM => self.heard.resets += 1,
            DATA => {
                self.heard.data += payload.len() as u64;
                if let Some(body) = &mut self.body {
                    body.extend_from_slice(payload);
                }
            }
            PING if flags & ACK == 0 && self.pongs => {
                self.out.extend_from_slice(&frame(PING, ACK, 0, payload));
            }
            GOAWAY if payload.len() >= 8 => {
                let code = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
                let text = String::from_utf8_lossy(&payload[8..]).into_owned();
                self.heard.goaway = Some((code, text));
            }
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.heard.done = stream;
        }
    }

    /// Writes bytes that are no frame.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.flush();
    }

    /// Our port.
    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Ends our side.
    pub(crate) fn shut_write(&mut self) {
        self.flush();
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// Closes with RST.
    pub(crate) fn abort(self) {
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}
