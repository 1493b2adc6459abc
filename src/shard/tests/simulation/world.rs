//! Time, the wire, and everything that can happen.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use bytes::Bytes;
use rustix::thread::sched_getaffinity;

use super::asked::End;
use super::folder::Folder;
use super::link::Link;
use super::secured;
use crate::files::{FilesConfig, PageCache};
use crate::h2::{Config, Timeouts};
use crate::shard::driver::{Shard, Turn};
use crate::shard::kernel_tls::KernelTls;
use crate::shard::turns::AHEAD;
use crate::shard::{Command, Control, Listener, Options, Roots, Serving, WakePipe};
use crate::shard::{long, zero_copy};
use crate::site::Sites;
use crate::uring::simulated::files::File;
use crate::uring::simulated::{Kernel, Odds, Random};
use crate::uring::{Lease, Ring, RingOptions};

/// A run that takes more steps than this does not end.
const MOST_STEPS: u64 = 2_000_000;
const MS: u64 = 1_000_000;
/// With a request in flight and nothing under way for so long, something was forgotten.
const HUNG_NS: u64 = 1_500 * MS;
/// How long the server waits for the last word to be read.
const LINGERING_NS: u64 = 2_000 * MS;
/// After so long the server has given up who takes nothing.
const STUCK_NS: u64 = 130_000 * MS;
/// The time of day, which does not matter.
const NOW_SECS: u64 = 1_700_000_000;

/// What a run comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// In the order of [`End::ALL`].
    pub(super) ends: [u64; End::ALL.len()],
    pub(super) bytes: u64,
    /// Sends without a copy.
    pub(super) uncopied: u64,
    /// Connections of which the socket seals.
    pub(super) sealing: u64,
    pub(super) steps: u64,
    pub(super) now_ns: u64,
}

/// One thing that can happen next.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// The shard has its turn.
    Turn,
    /// The kernel completes an operation.
    Completion,
    /// Work that is done beside the shard is done.
    Work,
    /// A peer connects.
    Connect,
    /// A client does something of its own accord.
    Act(usize),
    /// Bytes arrive at the server.
    Up(usize),
    /// Bytes arrive at a client, or the end.
    Down(usize),
}

pub(super) struct World<'a> {
    pub(super) random: Random,
    pub(super) loud: bool,
    pub(super) now_ns: u64,
    steps: u64,
    pub(super) kernel: Rc<RefCell<Kernel>>,
    pub(super) shard: Shard<'a>,
    control: &'a Control,
    /// Of the one directory.
    listing: Bytes,
    /// The shard has more to do.
    more: bool,
    over: bool,
    pub(super) links: Vec<Link>,
    /// Connections that are still to be made.
    connects: usize,
    /// Slots of the arena that others have.
    pub(super) taken: Vec<Lease>,
    pub(super) draining: bool,
    /// It ends at once, whatever is in flight.
    stops: bool,
    /// Idle connections are ended.
    idles: bool,
    /// A file shrinks once in so many steps; never if it is 0.
    shrinks: usize,
    /// Time passed since something moved.
    quiet_ns: u64,
}

fn files(random: &mut Random) -> Vec<File> {
    let lens = [
        0,
        1 + random.below(300),
        1 + random.below(16_384),
        16_385 + random.below(60_000),
        16_385 + random.below(300_000),
        16_384 + random.below(3),
    ];
    let file = |(number, len): (usize, usize)| File {
        path: format!("file{number}.bin"),
        number,
        len: len as u64,
        changed: false,
        exists: true,
        failed: false,
    };
    lens.into_iter().enumerate().map(file).collect()
}

fn odds(random: &mut Random) -> Odds {
    Odds {
        late: random.pick(&[0, 3, 10]),
        short: random.pick(&[0, 2, 10]),
        again: random.pick(&[0, 10, 50]),
        absent: random.pick(&[0, 2, 5]),
        unmapped: random.pick(&[0, 0, 2]),
        refused: random.pick(&[0, 0, 10]),
        socket: random.pick(&[0, 0, 0, 1_000]),
        medium: random.pick(&[0, 0, 20]),
        copied: random.pick(&[0, 0, 10, 1]),
        refused_zero_copy: random.pick(&[0, 0, 0, 20, 1]),
        kernel_tls: !random.one_in(4),
    }
}

impl<'a> World<'a> {
    pub(super) fn new(
        seed: u64,
        loud: bool,
        folder: &Folder,
        control: &'a Control,
        reports: &'a Sender<crate::shard::Report>,
    ) -> Self {
        let mut random = Random::new(seed);
        let files = files(&mut random);
        let odds = odds(&mut random);
        let stops = random.one_in(10);
        let shrinks = random.pick(&[0, 0, 0, 100, 500]);
        let mut kernel = Kernel::new(Random::new(random.number()), odds, files);
        kernel.loud = loud;
        let kernel = Rc::new(RefCell::new(kernel));
        let ring = Ring::with_kernel(
            &RingOptions {
                entries: random.pick(&[1, 8, 64]),
                completions: 64,
                recv_buffers: random.pick(&[1, 2, 8]),
                recv_buffer_bytes: random.pick(&[50, 1_000, 16_384]),
                arena_bytes: 1 << 20,
            },
            &kernel,
        );
        let listeners = [false, true].map(|tls| Listener {
            socket: kernel.borrow_mut().listen(),
            tls,
        });
        let listeners = listeners.into_iter().collect();
        let timeouts = Timeouts {
            idle_ns: random.pick(&[None, None, None, Some(20 * MS), Some(1_000 * MS)]),
            keepalive: None,
        };
        let placeholder = || kernel.borrow().placeholder();
        let options = Options {
            index: 0,
            core: 0,
            listeners,
            serving: Serving {
                roots: Arc::new(Roots::from_pointee(vec![folder.root()])),
                sites: Sites::single(Path::new("/")),
                files: FilesConfig {
                    page_cache: random.pick(&[
                        PageCache::Keep,
                        PageCache::Keep,
                        PageCache::Keep,
                        PageCache::Drop,
                        PageCache::Direct,
                    ]),
                    ..FilesConfig::default()
                },
            },
            tls: Some(secured::server()),
            kernel_tls: false,
            busy_poll: None,
            timeouts,
        };
        let pipe = WakePipe {
            woken: placeholder(),
            wake: placeholder(),
            affinity: sched_getaffinity(None).unwrap(),
        };
        let mut shard = Shard::new(options, ring, control, pipe, reports).unwrap();
        shard.shared.configs.h2 = Rc::new(Config {
            max_concurrent_streams: random.pick(&[2, 256]),
            initial_window_size: random.pick(&[100, 3_000, 65_535]),
            connection_window: random.pick(&[65_535, 262_144]),
            timeouts,
            ..Config::default()
        });
        shard.shared.zero_copy = zero_copy::Policy {
            after: random.pick(&[0, 0, 10_000, 1 << 20]),
            least: random.pick(&[1, 1_000, 20_000]),
        };
        shard.shared.long = long::Policy {
            after: random.pick(&[0, 10_000, 100_000, 1 << 20]),
            least: random.pick(&[1, 1_000, 20_000]),
        };
        shard.shared.turns.ahead = random.pick(&[1, 5_000, 50_000, AHEAD]);
        if random.one_in(2) {
            shard.shared.kernel_tls = KernelTls::From(random.pick(&[1, 1_000, 20_000]));
        }
        shard.shared.offload.held = Some(VecDeque::new());
        shard.begin();
        Self {
            connects: 1 + random.below(3),
            random,
            loud,
            now_ns: 0,
            steps: 0,
            kernel,
            shard,
            control,
            listing: folder.listing.clone(),
            more: true,
            over: false,
            links: Vec::new(),
            taken: Vec::new(),
            draining: false,
            stops,
            idles: timeouts.idle_ns.is_some(),
            shrinks,
            quiet_ns: 0,
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> Summary {
        while !self.over {
            self.steps += 1;
            assert!(self.steps < MOST_STEPS, "it never ends");
            let possible = self.possible();
            if possible.is_empty() {
                self.wait();
                continue;
            }
            let happening = self.random.pick(&possible);
            if self.loud {
                println!("{} {} {happening:?}", self.steps, self.now_ns);
            }
            self.happen(happening);
            self.befall();
            match happening {
                Happening::Turn => self.check_shard(),
                Happening::Act(at) | Happening::Up(at) | Happening::Down(at) => self.check_link(at),
                Happening::Completion | Happening::Connect | Happening::Work => {}
            }
        }
        self.finish()
    }

    fn possible(&self) -> Vec<Happening> {
        let mut possible = Vec::new();
        let due = self.shard.next_deadline();
        let due = due.is_some_and(|due| due <= self.now_ns);
        let kernel = self.kernel.borrow();
        if self.more || due || kernel.has_completion() {
            possible.push(Happening::Turn);
        }
        if kernel.has_ready() {
            possible.push(Happening::Completion);
        }
        let held = &self.shard.shared.offload.held;
        if held.as_ref().is_some_and(|held| !held.is_empty()) {
            possible.push(Happening::Work);
        }
        if self.connects > 0 {
            possible.push(Happening::Connect);
        }
        for (at, link) in self.links.iter().enumerate() {
            let socket = &kernel.sockets[link.socket];
            if link.over {
                continue;
            }
            let ends = !link.ended && link.out.is_empty();
            if link.requests > 0 || (ends && self.wants_to_end(link)) {
                possible.push(Happening::Act(at));
            }
            if !link.out.is_empty() && socket.arrivable() > 0 {
                possible.push(Happening::Up(at));
            }
            let reads = link.paused_until_ns <= self.now_ns;
            if reads && (socket.takeable() > 0 || socket.has_ended()) {
                possible.push(Happening::Down(at));
            }
        }
        possible
    }

    /// Whether a client ends its side now that it has everything.
    fn wants_to_end(&self, link: &Link) -> bool {
        link.requests == 0 && !link.waits() && link.socket.is_multiple_of(2)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Turn => self.turn(),
            Happening::Completion => {
                self.kernel.borrow_mut().step(false);
            }
            Happening::Work => {
                let held = self.shard.shared.offload.held.as_mut();
                let work = held.and_then(VecDeque::pop_front).unwrap();
                work();
                self.kernel.borrow_mut().wake();
                self.quiet_ns = 0;
            }
            Happening::Connect => {
                self.connects -= 1;
                let recv = self.random.pick(&[1, 100, 4_096, 65_536]);
                let send = self.random.pick(&[1, 300, 2_000, 20_000, 300_000]);
                let tls = self.random.one_in(8);
                let mut kernel = self.kernel.borrow_mut();
                let socket = kernel.connect(usize::from(tls), recv, send);
                let link = Link::new(socket, tls, (recv, send), &mut self.random);
                self.links.push(link);
            }
            Happening::Act(at) => self.act(at),
            Happening::Up(at) => {
                let link = &mut self.links[at];
                let mut kernel = self.kernel.borrow_mut();
                let socket = &mut kernel.sockets[link.socket];
                let most = link.out.len().min(link.piece).min(socket.arrivable());
                let n = 1 + self.random.below(most);
                socket.arrive(&link.out[..n]);
                link.out.drain(..n);
                link.transmit();
                self.quiet_ns = 0;
            }
            Happening::Down(at) => self.down(at),
        }
        if matches!(happening, Happening::Completion | Happening::Turn) {
            self.quiet_ns = 0;
        }
    }

    fn turn(&mut self) {
        self.now_ns += self.random.below(20_000) as u64;
        match self
            .shard
            .turn(self.now_ns, || Duration::from_secs(NOW_SECS))
        {
            Turn::More => self.more = true,
            Turn::Idle => {
                self.more = false;
                self.shard.shared.ring.submit();
            }
            Turn::Over => self.over = true,
        }
    }

    fn act(&mut self, at: usize) {
        let link = &mut self.links[at];
        let kernel = self.kernel.borrow();
        if link.requests > 0 {
            link.ask(&mut self.random, &kernel.files, &self.listing);
        } else if !(self.random.one_in(2) && link.close()) {
            link.end();
        }
        drop(kernel);
        if let super::link::Peer::Http2(peer) = &mut link.peer {
            peer.change_mind(&mut self.random);
        }
        link.transmit();
        if link.ended {
            self.kernel.borrow_mut().sockets[link.socket].end();
        }
    }

    fn down(&mut self, at: usize) {
        let link = &mut self.links[at];
        let mut kernel = self.kernel.borrow_mut();
        let Kernel {
            sockets,
            files,
            odds,
            ..
        } = &mut *kernel;
        let socket = &mut sockets[link.socket];
        let most = socket.takeable().min(link.piece);
        if most == 0 {
            // Who comes when the server ends is not heard.
            let ending = self.draining || self.idles;
            let unheard = ending && !link.heard;
            // Who takes too long over the last word may not get it.
            let lingered_ns = self.now_ns - link.shut_ns.unwrap_or(self.now_ns);
            let slow = lingered_ns >= LINGERING_NS;
            let excused = unheard || slow || link.stuck || socket.was_hurt();
            let keeps = odds.absent == 0 && odds.short == 0;
            link.server_ended(excused, ending, keeps, files);
            // The client closes too.
            if !std::mem::replace(&mut link.ended, true) {
                socket.end();
            }
            return;
        }
        let bytes = socket.take(1 + self.random.below(most));
        link.take(bytes, files);
        link.transmit();
        self.quiet_ns = 0;
    }

    /// Now and then something comes between.
    fn befall(&mut self) {
        self.now_ns += self.random.below(2_000) as u64;
        if self.shrinks > 0 && self.random.one_in(self.shrinks) {
            self.shrink();
        }
        if !self.random.one_in(64) {
            return;
        }
        let at = self.random.below(self.links.len().max(1));
        let within_ns = self.random.pick(&[1, 30, 400]) as usize * MS as usize;
        let until_ns = self.now_ns + self.random.below(within_ns) as u64;
        let kind = self.random.below(24);
        let mut kernel = self.kernel.borrow_mut();
        match kind {
            0..5 => {
                if let Some(link) = self.links.get_mut(at) {
                    link.paused_until_ns = until_ns;
                    if self.random.one_in(30) {
                        link.stick();
                        link.paused_until_ns += STUCK_NS;
                    }
                }
            }
            5 if self.random.one_in(12) => {
                if let Some(link) = self.links.get_mut(at) {
                    kernel.sockets[link.socket].cut();
                    link.out.clear();
                }
            }
            7 if self.random.one_in(12) => {
                if let Some(link) = self.links.get_mut(at)
                    && link.out.is_empty()
                    && !link.ended
                {
                    (link.ended, link.ended_early) = (true, true);
                    link.requests = 0;
                    kernel.sockets[link.socket].end();
                }
            }
            8..12 => {
                let arena = self.shard.shared.ring.arena();
                let bytes = self.random.pick(&[16 << 10, 256 << 10, 1 << 20]);
                self.taken.extend(arena.lease(bytes));
                if self.random.one_in(3) {
                    while let Some(lease) = arena.lease(0) {
                        self.taken.push(lease);
                    }
                }
            }
            12..16 => {
                self.taken.clear();
                self.more = true;
            }
            16 if self.random.one_in(8) => {
                drop(kernel);
                self.drain();
            }
            _ => self.now_ns = until_ns,
        }
    }

    /// A file is cut short, or is gone.
    fn shrink(&mut self) {
        let mut kernel = self.kernel.borrow_mut();
        // Not between the look at its size, the send that comes at once, and the reading ahead of what that left.
        if self.shard.shared.ring.queued() > 0 || kernel.has_sent() {
            return;
        }
        let at = self.random.below(kernel.files.len());
        let file = &mut kernel.files[at];
        file.changed = true;
        if self.random.one_in(4) {
            file.exists = false;
        } else {
            file.len = self.random.below(file.len as usize + 1) as u64;
        }
    }

    fn drain(&mut self) {
        if !std::mem::replace(&mut self.draining, true) {
            let command = match self.stops {
                true => Command::Stop,
                false => Command::Drain,
            };
            let command = command as u8;
            self.control.command.store(command, Ordering::Release);
            self.kernel.borrow_mut().wake();
        }
    }

    /// Nothing can happen now: time passes until something can.
    fn wait(&mut self) {
        if self.kernel.borrow().has_late() {
            self.kernel.borrow_mut().step(true);
            return;
        }
        // Others do not keep their slots for ever.
        if !self.taken.is_empty() {
            self.taken.clear();
            self.more = true;
            return;
        }
        let paused = self.links.iter().filter(|link| !link.over);
        let paused = paused
            .map(|link| link.paused_until_ns)
            .filter(|until| *until > self.now_ns);
        let is_paused = paused.clone().next().is_some();
        let next = paused.chain(self.shard.next_deadline()).min();
        self.check_settled();
        let waits = self.links.iter().any(|link| !link.over && link.waits());
        if !waits && self.connects == 0 && !self.draining {
            return self.drain();
        }
        let next = next.expect("nothing is left that could happen");
        assert!(next > self.now_ns);
        self.quiet_ns += next - self.now_ns;
        assert!(
            is_paused || !waits || self.quiet_ns < HUNG_NS,
            "a request is forgotten"
        );
        self.now_ns = next;
    }

    fn finish(mut self) -> Summary {
        let gone = self.shard.connections.is_empty();
        assert!(gone || self.stops, "every connection is gone");
        assert!(self.shard.shared.turns.is_idle() || self.stops);
        self.taken.clear();
        let arena = self.shard.shared.ring.arena().clone();
        let mut summary = Summary {
            steps: self.steps,
            now_ns: self.now_ns,
            ..Summary::default()
        };
        // What the server has said before it ended is still read.
        for at in 0..self.links.len() {
            while !self.links[at].over && !self.stops {
                self.down(at);
            }
        }
        // What peers have taken is released.
        self.kernel.borrow_mut().release_all();
        while self.shard.shared.ring.next().is_some() {}
        drop(self.shard);
        for link in self.links.iter_mut().filter(|link| !link.over) {
            link.server_ended(true, true, true, &self.kernel.borrow().files);
        }
        // What is sent when it is told to stop may have to be left to the kernel.
        assert!(arena.leased() == 0 || self.stops, "every slot is back");
        self.kernel.borrow_mut().release_all();
        let kernel = self.kernel.borrow();
        summary.uncopied = kernel.uncopied;
        summary.sealing = kernel.sealing;
        assert_eq!(kernel.in_flight(), 0, "every operation has ended");
        for link in &self.links {
            summary.bytes += kernel.sockets[link.socket].sent;
            for asked in link.asked() {
                let end = asked.end.unwrap_or_else(|| panic!("it ends: {asked:?}"));
                let kind = End::ALL.iter().position(|other| *other == end).unwrap();
                summary.ends[kind] += 1;
            }
        }
        summary
    }
}
