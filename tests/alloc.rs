//! What a request allocates once a connection is warm: nothing. Counted in the HTTP/2 core with the file cache, and
//! in a whole shard on its own thread, which is asked over a socket.
//!
//! `cargo test --test alloc -- --nocapture` prints the counts; an allocation that should not be is printed with where
//! it was made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../benches/client/mod.rs"]
mod client;

use std::alloc::{GlobalAlloc, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use client::{Agent, BATCH, Chunk, Core, Files, LARGE, SEALED, SMALL, SMALL_BYTES};
use ringlane::files::FilesConfig;
use ringlane::h2::frame::{FRAME_HEADER_LEN, FrameHeader, Kind, flags};
use ringlane::shard::{self, Handle, Listener, Report, Roots, Serving};
use ringlane::site::Sites;
use ringlane::slot::Layout;
use ringlane::transport::tls::server_config;
use rustix::fs::{Mode, OFlags};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

const MIB: usize = 1 << 20;
const LARGE_BYTES: usize = 16 * MIB;

// --- Counting ---------------------------------------------------------------------------------------------------

/// The thread whose allocations are counted; 0: none.
static WATCHED: AtomicI32 = AtomicI32::new(0);
/// Where it allocated. What is watched changes only while this is locked.
static WHERE: Mutex<Vec<Backtrace>> = Mutex::new(Vec::new());
/// Held while a thread is watched.
static WATCHING: Mutex<()> = Mutex::new(());

thread_local! {
    static THREAD: Cell<i32> = const { Cell::new(0) };
    /// Noting where an allocation was made allocates itself.
    static NOTING: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

fn this_thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

fn note() {
    let watched = WATCHED.load(Ordering::Relaxed);
    if watched == 0 {
        return;
    }
    // A thread that is ending has no such variables any more, and is not watched.
    let _ = THREAD.try_with(|thread| {
        if thread.get() == 0 {
            thread.set(this_thread());
        }
        if thread.get() != watched || NOTING.replace(true) {
            return;
        }
        let place = Backtrace::force_capture();
        let mut places = WHERE.lock().unwrap_or_else(PoisonError::into_inner);
        if WATCHED.load(Ordering::Relaxed) == watched {
            places.push(place);
        }
        drop(places);
        NOTING.set(false);
    });
}

// SAFETY: every call goes on to `System` unchanged; counting does not unwind, and what it allocates it does not count.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: std::alloc::Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: `ptr` came from `System` by one of these.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: std::alloc::Layout, new_size: usize) -> *mut u8 {
        note();
        // SAFETY: `ptr` came from `System` by one of these.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Where `thread` allocates and reallocates during `run`.
fn allocations(thread: i32, run: impl FnOnce()) -> Vec<Backtrace> {
    let watch = |thread| {
        let mut places = WHERE.lock().unwrap_or_else(PoisonError::into_inner);
        WATCHED.store(thread, Ordering::Relaxed);
        std::mem::take(&mut *places)
    };
    let _alone = WATCHING.lock().unwrap_or_else(PoisonError::into_inner);
    watch(thread);
    run();
    watch(0)
}

fn show(places: &[Backtrace]) {
    for place in places.iter().take(5) {
        eprintln!("allocated at:\n{place}");
    }
}

#[test]
fn what_is_allocated_is_counted() {
    let places = allocations(this_thread(), || {
        for n in 1..=10 {
            std::hint::black_box(vec![0u8; n]);
        }
    });
    assert_eq!(places.len(), 10);
    let other = std::thread::spawn(|| {
        std::hint::black_box(vec![0u8; 10]);
    });
    let places = allocations(this_thread(), || other.join().unwrap());
    assert_eq!(places.len(), 0);
}

/// Rounds until a connection is warm: what comes a third time is still entered into the encoder's table.
const WARM: usize = 4;

// --- The core ---------------------------------------------------------------------------------------------------

#[test]
fn a_cached_small_file_allocates_nothing_in_the_core() {
    for agent in [Agent::H2load, Agent::Curl, Agent::Chromium] {
        for layout in [Layout::Gathered, Layout::Placed, SEALED] {
            let mut files = Files::new(0);
            let opening = agent.opening(SMALL, 16_384);
            let mut core = Core::new(layout, 64 << 10, &opening, |head| files.answer(head));
            let mut chunk = Chunk::small(agent, BATCH);
            let mut round = || {
                assert_eq!(core.receive(chunk.next(), |head| files.answer(head)), BATCH);
                assert_eq!(core.fill().ended.len(), BATCH);
            };
            round();
            let places = allocations(this_thread(), || {
                for _ in 0..50 {
                    round();
                }
            });
            show(&places);
            assert_eq!(
                places.len(),
                0,
                "in 1,000 requests of {agent:?}, {layout:?}"
            );
        }
    }
}

#[test]
fn a_large_body_allocates_nothing_in_the_core() {
    for layout in [Layout::Gathered, Layout::Placed, SEALED] {
        let mut files = Files::new(16 * MIB as u64);
        let opening = Agent::Curl.opening(LARGE, 16_384);
        let mut core = Core::new(layout, MIB, &opening, |head| files.answer(head));
        let mut chunk = Chunk::large(Agent::Curl, 16 * MIB, 1, |_| None);
        let mut round = || {
            core.receive(chunk.next(), |head| files.answer(head));
            while core.wants_transmit() {
                core.fill();
            }
        };
        (0..WARM).for_each(|_| round());
        let places = allocations(this_thread(), || {
            for _ in 0..8 {
                round();
            }
        });
        show(&places);
        assert_eq!(places.len(), 0, "in 128 MiB, {layout:?}");
    }
}

#[test]
fn requests_cut_anywhere_allocate_nothing_in_the_core() {
    let mut files = Files::new(0);
    let opening = Agent::Chromium.opening(SMALL, 16_384);
    let mut core = Core::new(Layout::Gathered, 64 << 10, &opening, |head| {
        files.answer(head)
    });
    let mut chunk = Chunk::small(Agent::Chromium, 1);
    let mut round = || {
        let wire = chunk.next();
        for at in 0..wire.len() {
            core.receive(&wire[at..=at], |head| files.answer(head));
        }
        assert_eq!(core.fill().ended.len(), 1);
    };
    (0..WARM).for_each(|_| round());
    let places = allocations(this_thread(), || {
        for _ in 0..20 {
            round();
        }
    });
    show(&places);
    assert_eq!(places.len(), 0, "in 20 requests that came byte by byte");
}

// --- A whole shard ----------------------------------------------------------------------------------------------

struct Server {
    handle: Handle,
    thread: i32,
    reports: mpsc::Receiver<Report>,
    address: SocketAddr,
}

impl Server {
    fn start(root: &Path, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let options = shard::Options {
            index: 0,
            core: core_affinity::get_core_ids().unwrap()[0].id,
            listeners: vec![Listener {
                socket: listener.into(),
                tls: tls.is_some(),
            }],
            serving: Serving {
                roots: Arc::new(Roots::from_pointee(vec![
                    rustix::fs::open(root, flags, Mode::empty()).unwrap(),
                ])),
                sites: Sites::single(root),
                files: FilesConfig::default(),
            },
            tls,
            kernel_tls: false,
            busy_poll: None,
            timeouts: ringlane::h2::Timeouts::default(),
        };
        let (sender, reports) = mpsc::channel();
        let handle = shard::start(options, sender).unwrap();
        let report = reports.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(report, Report::Ready { shard: 0 }), "{report:?}");
        // The executor names its thread.
        let thread = fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|task| task.unwrap().path())
            .find(|task| {
                fs::read_to_string(task.join("comm"))
                    .is_ok_and(|name| name.starts_with("ringlane-"))
            })
            .and_then(|task| task.file_name()?.to_str()?.parse().ok())
            .expect("the shard's thread is there");
        Self {
            handle,
            thread,
            reports,
            address,
        }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        let timeout = Some(Duration::from_secs(20));
        socket.set_read_timeout(timeout).unwrap();
        socket
    }

    /// Requests answered, and completions dispatched for connections, so far.
    fn counts(&self) -> (u64, u64) {
        self.handle.snapshot();
        match self.reports.recv_timeout(Duration::from_secs(20)).unwrap() {
            Report::Interval(snapshot) => (snapshot.requests, snapshot.dispatches),
            report => panic!("{report:?}"),
        }
    }

    fn stop(self) {
        self.handle.stop();
        self.handle.join().unwrap();
        let last = self.reports.recv().unwrap();
        assert!(matches!(&last, Report::Final(last) if last.panics == 0));
    }
}

/// A client that reads frames only as far as to know when its streams have ended.
struct Client<S> {
    socket: S,
    received: Vec<u8>,
    buffer: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    fn new(mut socket: S, path: &str) -> Self {
        let opening = Agent::H2load.opening(path, 16_384);
        socket.write_all(&opening).unwrap();
        let mut client = Self {
            socket,
            received: Vec::new(),
            buffer: vec![0; 256 << 10],
        };
        client.answers(1);
        client
    }

    /// Reads until `streams` have ended; the bytes of their bodies.
    fn answers(&mut self, streams: usize) -> usize {
        let (mut ended, mut body) = (0, 0);
        loop {
            let mut at = 0;
            while let Some(head) = self.received[at..].first_chunk::<FRAME_HEADER_LEN>() {
                let header = FrameHeader::parse(head);
                let payload = at + FRAME_HEADER_LEN;
                let end = payload + header.length as usize;
                if end > self.received.len() {
                    break;
                }
                match header.kind {
                    // :status 200 has index 8.
                    Kind::HEADERS => assert_eq!(self.received[payload], 0x88),
                    Kind::DATA => body += header.length as usize,
                    Kind::RST_STREAM | Kind::GOAWAY => panic!("{header:?}"),
                    _ => {}
                }
                let may_end = [Kind::DATA, Kind::HEADERS].contains(&header.kind);
                ended += usize::from(may_end && header.has(flags::END_STREAM));
                at = end;
            }
            self.received.drain(..at);
            if ended == streams {
                return body;
            }
            let n = self.socket.read(&mut self.buffer).unwrap();
            assert!(n > 0, "the server closed the connection");
            self.received.extend_from_slice(&self.buffer[..n]);
        }
    }
}

/// Those places that lie in or below our own code, which an executor's work on its own timers does not.
fn of_shard(places: Vec<Backtrace>) -> Vec<Backtrace> {
    let ours = |place: &Backtrace| place.to_string().contains("ringlane::");
    places.into_iter().filter(ours).collect()
}

/// Runs `work` ten times and counts what the shard allocates: nothing, but once a second for looking at its file
/// again and for the new date, in the first two rounds that have it. What the executor allocates for its own timers, each
/// time that it is given its turn, is left out.
fn steady(server: &Server, what: &str, mut work: impl FnMut()) {
    (0..WARM).for_each(|_| work());
    let began = Instant::now();
    let rounds: Vec<_> = (0..10)
        .map(|_| allocations(server.thread, &mut work))
        .collect();
    let took = began.elapsed();
    let (mut ours, mut executors) = (Vec::new(), 0);
    for places in rounds {
        let before = places.len();
        ours.push(of_shard(places));
        executors += before - ours.last().map_or(0, Vec::len);
    }
    let counts: Vec<_> = ours.iter().map(Vec::len).collect();
    println!(
        "{what}: {counts:?} allocations of the shard, {executors} of its executor, in {took:.2?}"
    );
    let seconds = took.as_secs() as usize + 1;
    if counts.iter().filter(|count| **count > 0).count() > 3 * seconds {
        ours.iter().for_each(|places| show(places));
        panic!("{what}: {counts:?} in {took:.2?}");
    }
}

/// Runs `work`, which asks `batches` times for 100 requests together: what is received is dispatched, and what was sent.
/// Nothing stands between, so that the answers were queued by the call that read the requests. Once a second the file is
/// looked at again.
fn few_dispatches(server: &Server, what: &str, batches: u64, mut work: impl FnMut()) {
    const LOOKING_AGAIN: u64 = 10;
    let began = Instant::now();
    let before = server.counts();
    work();
    let after = server.counts();
    let (requests, dispatches) = (after.0 - before.0, after.1 - before.1);
    println!("{what}: {dispatches} dispatches");
    assert_eq!(requests, 100);
    let seconds = began.elapsed().as_secs() + 1;
    let needed = 2 * batches;
    // The last answer may be read before the shard hears that it was sent.
    assert!(
        dispatches + 1 >= needed,
        "{dispatches} for {batches} batches"
    );
    assert!(
        dispatches <= needed + LOOKING_AGAIN * seconds,
        "{dispatches} for {batches} batches in {seconds} s"
    );
}

/// A small file, 20 requests at once and one by one, then a large one.
fn serve<S: Read + Write>(server: &Server, how: &str, connect: impl Fn() -> S) {
    for requests in [BATCH, 1] {
        let mut client = Client::new(connect(), SMALL);
        let credit = requests * SMALL_BYTES;
        let mut chunk = Chunk::small(Agent::H2load, requests);
        let mut ask = || {
            for _ in 0..100 / requests {
                client.socket.write_all(chunk.next()).unwrap();
                assert_eq!(client.answers(requests), credit);
            }
        };
        let what = format!("{how}, 100 requests for a KiB, {requests} at once");
        steady(server, &what, &mut ask);
        few_dispatches(server, &what, 100 / requests as u64, &mut ask);
    }
    let mut client = Client::new(connect(), SMALL);
    let mut chunk = Chunk::small(Agent::H2load, 1);
    std::thread::sleep(FilesConfig::default().revalidate);
    let places = of_shard(allocations(server.thread, || {
        client.socket.write_all(chunk.next()).unwrap();
        assert_eq!(client.answers(1), SMALL_BYTES);
    }));
    println!(
        "{how}, looking at a file again: {} allocations of the shard",
        places.len()
    );
    assert!((1..50).contains(&places.len()), "they are told from others");

    let mut client = Client::new(connect(), LARGE);
    let mut chunk = Chunk::large(Agent::H2load, LARGE_BYTES, 1, |_| None);
    steady(server, &format!("{how}, 16 MiB of a large file"), || {
        client.socket.write_all(chunk.next()).unwrap();
        assert_eq!(client.answers(1), LARGE_BYTES);
    });
}

fn served_folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, bytes) in [(SMALL, SMALL_BYTES), (LARGE, LARGE_BYTES)] {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; bytes]).unwrap();
    }
    root
}

// One test: one shard has a name at a time.
#[test]
fn a_shard_allocates_nothing_for_a_request() {
    let root = served_folder();
    let server = Server::start(root.path(), None);
    serve(&server, "in the clear", || server.connect());
    server.stop();

    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = identity.signing_key.serialize_der().try_into().unwrap();
    let certificate = identity.cert.der().clone();
    let settings = server_config(vec![certificate.clone()], key, &[b"h2"]).unwrap();
    let server = Server::start(root.path(), Some(settings));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    serve(&server, "over TLS", || {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        StreamOwned::new(session, server.connect())
    });
    server.stop();
}
