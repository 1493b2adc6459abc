//! Time, the wire, and everything that can happen.

use std::collections::{BTreeMap, VecDeque};

use ringlane::h2::limits::{DEFAULT_WINDOW, MAX_WINDOW};
use ringlane::h2::{Config, ErrorCode, StreamId};

use crate::client::{Ask, Client, End, Wishes};
use crate::driver::{Disk, RECORD, Server, Work};
use crate::random::Random;

/// Files; the last one never shrinks.
const FILES: u32 = 4;
const WHOLE_FILE: u32 = FILES - 1;
const FILE_BYTES: u64 = 1 << 40;
/// A run that takes more steps than this does not end.
const MOST_STEPS: u64 = 400_000;
/// More than any request's body.
const WIDE: u32 = 1 << 22;

/// Something that happens to one connection, or to a file.
#[derive(Debug)]
enum Happening {
    /// The client asks, cancels or changes its mind.
    Act,
    ToServer(Vec<u8>),
    ToClient(Vec<u8>),
    /// An operation on the server's slot came back.
    Completed,
    /// A send came back: so many bytes.
    Sent(usize),
    Writable,
    /// The application answers.
    Answer,
    Shutdown,
    Cut,
    Shrink(u32, u64),
}

/// One connection: both sides and the wire between them.
struct Link {
    client: Client,
    server: Server,
    /// Records that the client has not the whole of.
    record: Vec<u8>,
    /// When what was sent last arrives, in either direction.
    up_ns: u64,
    down_ns: u64,
    /// Bytes that the socket holds at most, and those that it holds.
    capacity: usize,
    queued: usize,
    /// An operation of the server's is in flight.
    busy: bool,
    /// The server waits for the socket.
    stalled: bool,
    starved: bool,
    cut: bool,
    requests: usize,
    largest: u64,
    /// The server's, and whether it lets it grow.
    connection_window: u32,
    grows: bool,
    probe: Option<StreamId>,
}

/// What a run comes to.
pub(crate) struct Summary {
    /// In the order of [`End::ALL`].
    pub(crate) ends: [u64; End::ALL.len()],
    pub(crate) bytes: u64,
    pub(crate) steps: u64,
}

pub(crate) struct World {
    random: Random,
    loud: bool,
    now_ns: u64,
    steps: u64,
    order: u64,
    ahead: BTreeMap<(u64, u64), (usize, Happening)>,
    links: Vec<Link>,
    disk: Disk,
    /// Slots that are free, and all there are.
    free: usize,
    slots: usize,
    starved: VecDeque<usize>,
}

impl World {
    pub(crate) fn new(seed: u64, loud: bool) -> Self {
        let mut random = Random::new(seed);
        let links: Vec<_> = (0..1 + random.below(3))
            .map(|_| link(&mut random))
            .collect();
        let slots = 1 + random.below(links.len());
        let mut world = Self {
            random,
            loud,
            now_ns: 0,
            steps: 0,
            order: 0,
            ahead: BTreeMap::new(),
            links,
            disk: Disk {
                readable: vec![FILE_BYTES; FILES as usize],
            },
            free: slots,
            slots,
            starved: VecDeque::new(),
        };
        for at in 0..world.links.len() {
            world.later(at, 1_000_000, Happening::Act);
            if world.random.one_in(8) {
                world.later(at, 60_000_000, Happening::Cut);
            }
            if world.random.one_in(6) {
                world.later(at, 20_000_000, Happening::Shutdown);
            }
            // The second one does not wait for the PING.
            if world.random.one_in(6) {
                world.later(at, 20_000_000, Happening::Shutdown);
                world.later(at, 20_000_000, Happening::Shutdown);
            }
        }
        if world.random.one_in(3) {
            let file = world.random.below(FILES as usize - 1) as u32;
            let len = world.random.below(100_000) as u64;
            world.later(0, 30_000_000, Happening::Shrink(file, len));
        }
        world
    }

    pub(crate) fn run(mut self) -> Summary {
        for at in 0..self.links.len() {
            self.flush(at);
        }
        self.settle();
        self.probe();
        let mut summary = Summary {
            ends: [0; _],
            bytes: 0,
            steps: self.steps,
        };
        for link in &self.links {
            summary.bytes += link.client.bytes;
            for (stream, asked) in &link.client.asked {
                let end = asked
                    .end
                    .unwrap_or_else(|| panic!("{stream} ends: {asked:?}"));
                let kind = End::ALL.iter().position(|other| *other == end).unwrap();
                summary.ends[kind] += 1;
                if end == End::Reset {
                    self.check_reset(asked.ask, asked.code);
                }
            }
        }
        assert_eq!(self.free, self.slots, "every slot is back");
        summary
    }

    /// A reset has a reason.
    fn check_reset(&self, ask: Ask, code: Option<ErrorCode>) {
        let right = match (code, ask) {
            (Some(ErrorCode::REFUSED_STREAM), _) => true,
            (Some(ErrorCode::CANCEL), ask) => ask == Ask::Refusal,
            (
                Some(ErrorCode::INTERNAL_ERROR),
                Ask::File { file, .. } | Ask::Pieces { file, .. },
            ) => self.disk.readable[file as usize] < FILE_BYTES,
            _ => false,
        };
        assert!(right, "{code:?} for {ask:?}");
    }

    fn later(&mut self, at: usize, within_ns: usize, happening: Happening) {
        let time = self.now_ns + 1 + self.random.below(within_ns) as u64;
        self.schedule(at, time, happening);
    }

    fn schedule(&mut self, at: usize, time: u64, happening: Happening) {
        self.order += 1;
        self.ahead.insert((time, self.order), (at, happening));
    }

    /// Goes on until nothing is left to happen, and checks what then holds.
    fn settle(&mut self) {
        while let Some(((time, _), (at, happening))) = self.ahead.pop_first() {
            assert!(time >= self.now_ns);
            self.now_ns = time;
            self.steps += 1;
            assert!(self.steps < MOST_STEPS, "it never ends");
            if self.loud {
                let text = format!("{happening:?}");
                println!("{time} {at}: {}", &text[..text.len().min(100)]);
            }
            self.happen(at, happening);
            self.check();
        }
        for at in 0..self.links.len() {
            let link = &self.links[at];
            if link.cut {
                continue;
            }
            assert!(!link.busy && !link.stalled && !link.starved, "{at} goes on");
            assert!(!link.server.holds_slot() && link.queued == 0);
            assert!(!link.client.is_within_frame() && link.record.is_empty());
            assert!(link.client.asked.values().all(|asked| asked.end.is_some()));
            assert_eq!(link.server.core.open_streams(), 0);
            assert!(!link.server.core.wants_transmit());
            let done = link.server.core.is_done();
            assert_eq!(done, link.client.goaway.is_some(), "GOAWAY ends it");
        }
    }

    /// Both sides' accounts of the connection's windows are the same to the byte: the server can send just what the
    /// client thinks that it can, and gives back all that it took when half of its window is owed.
    fn probe(&mut self) {
        for at in 0..self.links.len() {
            let link = &mut self.links[at];
            if link.cut || link.client.goaway.is_some() {
                continue;
            }
            let len = link.client.recv_window as u64 + 1 + self.random.below(5_000) as u64;
            let ask = Ask::File {
                file: WHOLE_FILE,
                offset: 0,
                len,
            };
            // It takes long enough as it is.
            link.capacity = 1 << 20;
            link.client.crediting = false;
            let owed = i64::from(link.connection_window) - link.client.send_window;
            let half = i64::from(link.connection_window.max(DEFAULT_WINDOW) / 2);
            if !link.grows {
                assert!((0..half).contains(&owed), "less than half is owed: {owed}");
            }
            // The answer cannot end before the window is more, so that all of the content is taken.
            let stream = link.client.ask(ask, (half - owed).max(0) as u64, "u=0");
            link.client.widen(stream, WIDE);
            link.probe = Some(stream);
            self.client_sends(at);
        }
        while let Some(((time, _), (at, happening))) = self.ahead.pop_first() {
            self.now_ns = time;
            self.happen(at, happening);
            self.check();
        }
        for at in 0..self.links.len() {
            let link = &mut self.links[at];
            if link.probe.is_some() {
                assert_eq!(link.client.recv_window, 0, "the windows add up");
                let window = i64::from(link.connection_window);
                let given = link.client.send_window;
                assert!(given == window || link.grows, "all is given back: {given}");
                link.client.crediting = true;
                self.client_sends(at);
            }
        }
        self.settle();
    }

    /// What holds after every step.
    fn check(&self) {
        let held = self.links.iter().filter(|link| link.server.holds_slot());
        assert_eq!(self.free + held.count(), self.slots, "no slot is lost");
        for link in &self.links {
            assert!(link.queued <= link.capacity);
            // One that is cut keeps its slot until the operation on it is back, and no longer.
            assert!(!link.cut || link.busy || !link.server.holds_slot());
            let waits = link.busy || link.stalled;
            assert_eq!(link.server.holds_slot(), waits, "a slot is worked on");
        }
        assert!(
            self.free == 0 || self.links.iter().all(|link| !link.starved),
            "nobody waits while a slot is free"
        );
    }

    fn happen(&mut self, at: usize, happening: Happening) {
        if let Happening::Shrink(file, len) = happening {
            self.disk.readable[file as usize] = len;
            return;
        }
        let link = &mut self.links[at];
        if link.cut {
            if matches!(happening, Happening::Completed | Happening::Sent(_)) {
                link.busy = false;
                link.server.release();
                self.free += 1;
                self.feed_starved();
            }
            return;
        }
        match happening {
            Happening::Act => self.act(at),
            Happening::ToServer(bytes) => {
                link.server.receive(self.now_ns, &bytes, &mut self.random);
                if link.server.owes() {
                    self.later(at, 3_000_000, Happening::Answer);
                }
                self.flush(at);
            }
            Happening::ToClient(bytes) => {
                link.queued -= bytes.len();
                if link.server.is_sealed() {
                    link.record.extend_from_slice(&bytes);
                    open_records(&mut link.record, &mut link.client);
                } else {
                    link.client.receive(&bytes);
                }
                if link.stalled {
                    self.later(at, 100_000, Happening::Writable);
                }
                self.client_sends(at);
            }
            Happening::Completed => {
                link.busy = false;
                self.work(at, false);
            }
            Happening::Sent(n) => {
                link.busy = false;
                if link
                    .server
                    .sent(self.now_ns, n, &self.disk, &mut self.random)
                {
                    self.free += 1;
                    self.flush(at);
                    self.feed_starved();
                } else if link.queued < link.capacity {
                    self.work(at, true);
                } else {
                    link.stalled = true;
                }
            }
            Happening::Writable => {
                if std::mem::take(&mut link.stalled) {
                    self.work(at, true);
                }
            }
            Happening::Answer => {
                link.server.answer_late(&mut self.random);
                if link.server.owes() {
                    self.later(at, 3_000_000, Happening::Answer);
                }
                self.flush(at);
            }
            Happening::Shutdown => {
                link.server.core.shutdown();
                self.flush(at);
            }
            Happening::Cut => self.cut(at),
            Happening::Shrink(..) => {}
        }
    }

    /// The client does one thing, and may do more later.
    fn act(&mut self, at: usize) {
        let link = &mut self.links[at];
        let random = &mut self.random;
        if link.client.goaway.is_some_and(|last| last < MAX_WINDOW) {
            link.requests = 0;
        }
        if link.requests > 0 {
            link.requests -= 1;
            let len = random.below(link.largest as usize + 1) as u64;
            let ask = match random.below(8) {
                0 => Ask::Empty,
                1 => Ask::Bytes { len },
                2 if random.one_in(3) => Ask::Refusal,
                3 | 4 => Ask::Pieces {
                    file: random.below(FILES as usize) as u32,
                    offset: random.below(100_000) as u64,
                    len,
                },
                _ => Ask::File {
                    file: random.below(FILES as usize) as u32,
                    offset: random.below(100_000) as u64,
                    len,
                },
            };
            let upload = match random.below(4) {
                0 => 1 + random.below(20_000) as u64,
                _ => 0,
            };
            let priority = format!("u={}{}", random.below(8), random.pick(&["", ", i"]));
            link.client.ask(ask, upload, &priority);
        }
        match random.below(12) {
            0 => {
                let streams: Vec<_> = link.client.asked.keys().copied().collect();
                if let Some(last) = streams.len().checked_sub(1) {
                    link.client.cancel(streams[random.below(last + 1)]);
                }
            }
            // Never below what the largest body was chosen for.
            1 => link
                .client
                .settings(link.largest as u32 / 20 + 1 + random.below(50_000) as u32),
            _ => {}
        }
        let more = link.requests > 0 || random.one_in(2);
        if more {
            self.later(at, 4_000_000, Happening::Act);
        }
        self.client_sends(at);
    }

    /// What the client has to say goes on the wire, in pieces.
    fn client_sends(&mut self, at: usize) {
        loop {
            let most = 1 + self.random.below(16_384);
            self.links[at].client.pump(most);
            let bytes = std::mem::take(&mut self.links[at].client.out);
            if bytes.is_empty() {
                return;
            }
            for piece in self.pieces(&bytes) {
                let link = &mut self.links[at];
                link.up_ns = link.up_ns.max(self.now_ns) + self.random.below(200_000) as u64;
                let time = link.up_ns;
                self.schedule(at, time, Happening::ToServer(piece));
            }
            if !self.links[at].client.uploads() {
                return;
            }
        }
    }

    /// Cuts bytes anywhere, now and then everywhere.
    fn pieces(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = match self.random.below(8) {
                0 if rest.len() < 60 => 1,
                1 => 20,
                2 => 1_500,
                _ => 40_000,
            };
            let len = (1 + self.random.below(most)).min(rest.len());
            pieces.push(rest[..len].to_vec());
            rest = &rest[len..];
        }
        pieces
    }

    /// Leases and fills a slot, when there is something to say.
    fn flush(&mut self, at: usize) {
        let link = &mut self.links[at];
        if link.cut || link.server.holds_slot() || !link.server.core.wants_transmit() {
            return;
        }
        if self.free == 0 {
            if !std::mem::replace(&mut link.starved, true) {
                self.starved.push_back(at);
            }
            return;
        }
        if link.server.fill(self.now_ns) {
            self.free -= 1;
            self.work(at, true);
        }
    }

    /// Those who wait for a slot get it in their order.
    fn feed_starved(&mut self) {
        while self.free > 0
            && let Some(at) = self.starved.pop_front()
        {
            self.links[at].starved = false;
            self.flush(at);
        }
    }

    /// Goes on with a slot until it is sent or waits.
    fn work(&mut self, at: usize, may_wait: bool) {
        let link = &mut self.links[at];
        match link.server.work(&self.disk, may_wait, &mut self.random) {
            Work::Broken => return self.cut(at),
            Work::Waiting => {
                link.busy = true;
                return self.later(at, 2_000_000, Happening::Completed);
            }
            Work::Ready => {}
        }
        let left = link.server.left();
        let room = link.capacity - link.queued;
        let mut n = left.len().min(room);
        if n > 0 && self.random.one_in(4) {
            n = 1 + self.random.below(n);
        }
        if n == 0 && !left.is_empty() {
            link.stalled = true;
            return;
        }
        link.busy = true;
        link.queued += n;
        for piece in self.pieces(&left[..n]) {
            let link = &mut self.links[at];
            link.down_ns = link.down_ns.max(self.now_ns) + self.random.below(200_000) as u64;
            let time = link.down_ns;
            self.schedule(at, time, Happening::ToClient(piece));
        }
        self.later(at, 300_000, Happening::Sent(n));
    }

    /// The connection ends, whatever is on its wire.
    fn cut(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.cut = true;
        link.stalled = false;
        link.client.lost();
        if std::mem::take(&mut link.starved) {
            self.starved.retain(|other| *other != at);
        }
        if link.server.holds_slot() && !link.busy {
            link.server.release();
            self.free += 1;
        }
        self.feed_starved();
    }
}

fn link(random: &mut Random) -> Link {
    let initial_window = random.pick(&[1, 100, 5_000, 65_535, 1 << 20]);
    let connection_credit = random.pick(&[0, 0, 10_000, 200_000]);
    let wishes = Wishes {
        initial_window,
        connection_credit,
        max_frame_size: random.pick(&[16_384, 20_000, 1 << 20]),
        header_table_size: random.pick(&[4_096, 0, 100, 65_536]),
        credit_at: random.pick(&[1, 2_000, 30_000]),
        answers_pings: true,
    };
    let config = Config {
        max_concurrent_streams: random.pick(&[2, 256, 256]),
        initial_window_size: random.pick(&[100, 3_000, 65_535]),
        connection_window: random.pick(&[65_535, 100_000]),
        ..Config::default()
    };
    // Windows that grow are not known to the byte from outside.
    let grows = random.one_in(3);
    let config = if grows {
        config
    } else {
        Config {
            max_stream_window: config.initial_window_size,
            max_connection_window: config.connection_window,
            ..config
        }
    };
    let capacity = random.pick(&[1, 100, 3_000, 50_000, 300_000]);
    Link {
        client: Client::new(wishes),
        server: Server::new(config.clone(), random),
        record: Vec::new(),
        up_ns: 0,
        down_ns: 0,
        capacity,
        queued: 0,
        busy: false,
        stalled: false,
        starved: false,
        cut: false,
        requests: 1 + random.below(8),
        largest: (u64::from(initial_window).min(5_000) * 20).min(capacity as u64 * 200),
        connection_window: config.connection_window,
        grows,
        probe: None,
    }
}

/// Takes the records that are whole, and gives the client what is in them.
fn open_records(input: &mut Vec<u8>, client: &mut Client) {
    while let Some((head, rest)) = input.split_first_chunk::<5>() {
        assert_eq!(head[..3], [23, 3, 3]);
        let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if rest.len() < len {
            return;
        }
        client.receive(&rest[..len - RECORD.suffix]);
        input.drain(..RECORD.prefix + len);
    }
}
