//! A whole shard without its executor: turn by turn, on a ring of its own.

mod accepting;
mod at_once;
mod deadlines;
mod digests;
mod frames;
mod half_closed;
mod later;
mod leftovers;
mod listings;
mod mixed;
mod no_descriptors;
mod opening;
mod panics;
mod resets;
mod short_of_memory;
mod simulation;
mod small_files;
mod starved;
mod untold;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::sched_getaffinity;

use super::connection::{Connection, Transport};
use super::driver::Shard;
use super::{Control, Options, Report, Roots, Serving, WakePipe};
use crate::files::FilesConfig;
use crate::h2::Timeouts;
use crate::site::Sites;
use crate::uring::{Owner, Ring, RingOptions};

const TURNS: usize = 1_000;

fn shard<'a>(root: &Path, control: &'a Control, reports: &'a Sender<Report>) -> Shard<'a> {
    let ring = Ring::new(&RingOptions {
        entries: 64,
        completions: 128,
        recv_buffers: 8,
        recv_buffer_bytes: 4_096,
        arena_bytes: 1 << 20,
    })
    .unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let options = Options {
        index: 0,
        core: 0,
        listeners: Vec::new(),
        serving: Serving {
            roots: Arc::new(Roots::from_pointee(vec![
                rustix::fs::open(root, flags, Mode::empty()).unwrap(),
            ])),
            sites: Sites::single(root),
            files: FilesConfig::default(),
        },
        tls: None,
        kernel_tls: false,
        busy_poll: None,
        timeouts: Timeouts::default(),
    };
    let (woken, wake) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let pipe = WakePipe {
        woken,
        wake,
        affinity: sched_getaffinity(None).unwrap(),
    };
    Shard::new(options, ring, control, pipe, reports).unwrap()
}

fn connect(shard: &mut Shard<'_>) -> (Owner, UnixStream) {
    connect_by(shard, Transport::Cleartext)
}

fn connect_by(shard: &mut Shard<'_>, transport: Transport) -> (Owner, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let shared = &mut shard.shared;
    let key = shard
        .connections
        .insert_with(|key| Box::new(Connection::new(key, ours.into(), transport, false, shared)));
    (key, theirs)
}

/// Lets the shard run until `done` says so.
fn run(shard: &mut Shard<'_>, mut done: impl FnMut(&mut Shard<'_>) -> bool) {
    for turn in 0..TURNS {
        shard.turn(turn as u64, || Duration::ZERO);
        if done(shard) {
            return;
        }
        shard.shared.ring.wait(Duration::from_millis(1));
    }
    panic!("it did not come to that in {TURNS} turns");
}

/// Does the work beside the shard that is held.
fn do_held(shard: &mut Shard<'_>) {
    for work in shard.shared.offload.held.as_mut().unwrap().drain(..) {
        work();
    }
}

fn control() -> Control {
    Control {
        command: AtomicU8::new(0),
        snapshot: AtomicBool::new(false),
    }
}
