//! Full queues, parking, waking, dropping.

use std::io::{ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use io_uring::types::Napi;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::super::backend::Backend;
use super::*;

const TINY: RingOptions = RingOptions {
    entries: 8,
    completions: 16,
    ..OPTIONS
};

/// A pair whose first end is full.
fn full_pair() -> (UnixStream, UnixStream) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    while ours.write(&[0; 65_536]).is_ok() {}
    (ours, theirs)
}

fn drain(stream: &mut UnixStream) {
    let end = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::WouldBlock);
}

/// Takes `count` completions of polls and checks that each owner is told once.
fn all_writable(ring: &mut Ring, count: u32) {
    let mut told = vec![0; count as usize];
    for _ in 0..count {
        let completion = next(ring);
        assert!(matches!(
            completion.event,
            Event::Writable { result: Ok(true) }
        ));
        told[completion.owner.slot as usize] += 1;
    }
    assert!(told.iter().all(|&times| times == 1));
    assert!(ring.next().is_none());
    assert_eq!((ring.queued(), ring.in_flight()), (0, 0));
}

fn owner(slot: u32) -> Owner {
    Owner {
        slot,
        generation: 0,
    }
}

#[test]
fn more_operations_than_entries_are_all_done() {
    let mut ring = Ring::new(&TINY).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    for slot in 0..100 {
        ring.poll_writable(ours.as_fd(), owner(slot));
    }
    assert_eq!(ring.in_flight(), 100);
    assert!(ring.counters().full_submission_queue > 0);
    all_writable(&mut ring, 100);
}

#[test]
fn more_completions_than_entries_all_arrive() {
    let mut ring = Ring::new(&TINY).unwrap();
    let (ours, mut theirs) = full_pair();
    for slot in 0..200 {
        ring.poll_writable(ours.as_fd(), owner(slot));
    }
    ring.submit();
    assert!(ring.next().is_none());
    drain(&mut theirs);
    all_writable(&mut ring, 200);
    assert!(ring.counters().overflows > 0);
}

#[test]
fn waiting_ends_at_the_timeout_and_not_before() {
    let mut ring = ring();
    let before = Instant::now();
    ring.wait(Duration::from_millis(20));
    assert!(before.elapsed() >= Duration::from_millis(20));
    assert!(ring.next().is_none());
}

#[test]
fn waiting_does_not_block_when_a_completion_is_there() {
    let mut ring = ring();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ring.poll_writable(ours.as_fd(), owner(0));
    ring.submit();
    let before = Instant::now();
    ring.wait(Duration::from_secs(60));
    assert!(before.elapsed() < Duration::from_secs(30));
    all_writable(&mut ring, 1);
}

/// What has come when a wait for two completions within `within_us` ends, while 'a' is written to one of two sockets as soon
/// as the thread sleeps, and then `rest` to the other.
fn batch_of_two(within_us: u32, rest: &'static [u8]) -> usize {
    let mut ring = ring();
    let pairs = [UnixStream::pair().unwrap(), UnixStream::pair().unwrap()];
    for (ours, _) in &pairs {
        ring.recv(ours.as_fd(), OWNER);
    }
    let theirs = pairs
        .each_ref()
        .map(|(_, theirs)| theirs.try_clone().unwrap());
    let stat = format!("/proc/self/task/{}/stat", rustix::thread::gettid());
    let writer = std::thread::spawn(move || {
        let sleeps = || std::fs::read_to_string(&stat).unwrap().contains(") S ");
        while !sleeps() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let [mut one, mut other] = theirs;
        one.write_all(b"a").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        other.write_all(rest).unwrap();
    });
    let batch = Batch {
        completions: 2,
        within_us,
    };
    assert!(ring.wait_for(Some(batch), Duration::from_secs(60)));
    let came = std::iter::from_fn(|| ring.next()).count();
    writer.join().unwrap();
    came
}

#[test]
fn a_batch_is_waited_for_where_the_kernel_can() {
    let Backend::Kernel(queues) = &ring().queues else {
        panic!("the kernel's");
    };
    let at_once = if queues.batches { 2 } else { 1 };
    assert_eq!(batch_of_two(30_000_000, b"b"), at_once);
}

#[test]
fn a_batch_that_does_not_come_is_not_waited_for_longer_than_said() {
    let before = Instant::now();
    assert_eq!(batch_of_two(1_000, b""), 1);
    assert!(before.elapsed() < Duration::from_secs(30));
}

#[test]
fn submitting_nothing_makes_no_system_call() {
    let mut ring = ring();
    let before = ring.counters();
    ring.submit();
    assert!(ring.next().is_none());
    assert_eq!(ring.counters(), before);
}

fn readable(ring: &Ring, timeout: Duration) -> bool {
    let eventfd = ring.eventfd();
    let mut fds = [PollFd::new(&eventfd, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).unwrap();
    rustix::event::poll(&mut fds, Some(&timeout)).unwrap() > 0
}

#[test]
fn the_eventfd_tells_of_what_happens_while_armed() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ring.recv(ours.as_fd(), OWNER);
    ring.submit();
    assert!(ring.arm());
    assert!(!readable(&ring, Duration::ZERO));
    theirs.write_all(b"x").unwrap();
    assert!(readable(&ring, Duration::from_secs(10)));
    rustix::io::read(ring.eventfd(), &mut [0; 8]).unwrap();
    ring.disarm();
    assert!(matches!(
        event(&mut ring),
        Event::Received { data: Ok(_), .. }
    ));
    if readable(&ring, Duration::ZERO) {
        // Linux 6.1: from disarming.
        rustix::io::read(ring.eventfd(), &mut [0; 8]).unwrap();
    }
    theirs.write_all(b"y").unwrap();
    ring.submit();
    assert!(!readable(&ring, Duration::ZERO));
}

#[test]
fn a_ring_with_something_to_do_is_not_armed() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ring.recv(ours.as_fd(), OWNER);
    assert!(!ring.arm(), "an entry is queued");
    ring.submit();
    theirs.write_all(b"x").unwrap();
    assert!(!ring.arm(), "work is deferred");
    ring.submit();
    assert!(!ring.arm(), "a completion is there");
    while ring.next().is_some() {}
    assert!(ring.arm());
}

#[test]
fn another_thread_wakes_a_parked_ring_again_and_again() {
    let mut ring = ring();
    let (pipe, writer) = std::io::pipe().unwrap();
    let pipe = Rc::new(OwnedFd::from(pipe));
    let (go, gone) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        for () in gone {
            rustix::io::write(&writer, b"!").unwrap();
        }
    });
    for _ in 0..5 {
        ring.read_wake(Rc::clone(&pipe), OWNER);
        ring.submit();
        assert!(ring.arm());
        go.send(()).unwrap();
        let mut polled = [PollFd::from_borrowed_fd(ring.eventfd(), PollFlags::IN)];
        let limit = Timespec {
            tv_sec: 30,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut polled, Some(&limit)), Ok(1));
        rustix::io::read(ring.eventfd(), &mut [0; 8]).unwrap();
        ring.disarm();
        assert!(matches!(event(&mut ring), Event::Woken { result: Ok(1) }));
    }
    drop(go);
    thread.join().unwrap();
    assert_eq!(Rc::strong_count(&pipe), 1);
}

#[test]
fn dropping_a_ring_gives_back_what_is_in_flight() {
    let mut ring = ring();
    let arena = ring.arena().clone();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let pipe = Rc::new(OwnedFd::from(pipe));
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ring.recv(ours.as_fd(), OWNER);
    // More than the submission queue holds, so that some are submitted and some are not.
    for _ in 0..100 {
        let gather = gather(&ring, 1);
        ring.read(Rc::clone(&pipe), gather, &[0..50, 50..100], 0, OWNER);
    }
    assert_eq!((arena.leased(), ring.in_flight()), (100 * (16 << 10), 101));
    let before = Instant::now();
    drop(ring);
    assert_eq!((arena.leased(), Rc::strong_count(&pipe)), (0, 1));
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn what_was_to_be_closed_is_closed_when_the_ring_is_dropped() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ring.close(ours.into());
    drop(ring);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn contradictory_options_are_refused() {
    for options in [
        RingOptions {
            recv_buffers: 3,
            ..OPTIONS
        },
        RingOptions {
            recv_buffer_bytes: 0,
            ..OPTIONS
        },
    ] {
        assert!(matches!(Ring::new(&options), Err(SetupError::Options(_))));
    }
}

#[test]
fn a_ring_works_without_locked_memory() {
    if !in_a_process_of_its_own("uring::tests::queues::a_ring_works_without_locked_memory") {
        return;
    }
    let limit = Rlimit {
        current: Some(64 << 10),
        maximum: Some(64 << 10),
    };
    setrlimit(Resource::Memlock, limit).unwrap();
    let mut log = tempfile::tempfile().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Arc::new(log.try_clone().unwrap()))
        .finish();
    if rustix::process::geteuid().is_root() {
        // The limit does not bind who has CAP_IPC_LOCK, and counts what all processes of a user have locked: a user of
        // our own.
        let user = rustix::process::Uid::from_raw(1 << 30 | std::process::id());
        rustix::thread::set_thread_uid(user).unwrap();
    }
    let mut ring = tracing::subscriber::with_default(subscriber, ring);
    let mut said = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut said).unwrap();
    assert!(said.contains("LimitMEMLOCK"), "{said}");
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut gather = gather(&ring, 100);
    gather.buffer_mut().unwrap()[..4].copy_from_slice(b"sent");
    gather.push_buffer(0..4);
    ring.send(ours.as_fd(), gather, OWNER);
    assert!(matches!(
        event(&mut ring),
        Event::Sent { result: Ok(4), .. }
    ));
    let mut got = [0; 4];
    theirs.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"sent");
}

#[test]
fn waits_poll_network_cards_when_they_are_to() {
    let ring = ring();
    match ring.busy_poll(50) {
        Ok(()) => {}
        // Linux before 6.9.
        Err(error) => return assert!(error.to_string().contains("Linux 6.9"), "{error}"),
    }
    let Backend::Kernel(queues) = &ring.queues else {
        panic!("it is a real one");
    };
    // What was set is said when it is taken back.
    let mut napi = Napi::new();
    queues.io.submitter().unregister_napi(&mut napi).unwrap();
    assert_eq!(napi.busy_poll_timeout(), 50);
}
