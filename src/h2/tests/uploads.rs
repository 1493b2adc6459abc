//! Request bodies: windows that grow with the path, and readers that are slow.

use std::cell::Cell;
use std::collections::VecDeque;

use super::*;
use crate::h2::frame::parse_window_update;
use crate::h2::limits::{HELD_BASE, HELD_MAX};

/// One way of the path, in steps.
const DELAY: usize = 10;
/// Nanoseconds of a step.
const STEP_NS: u64 = 1_000_000;

/// A client that uploads on some streams over a path with a delay, as fast as `rate` bytes per step and the windows
/// allow.
struct Uploader {
    client: Client,
    rate: usize,
    connection: i64,
    /// Stream, window, bytes sent.
    streams: Vec<(StreamId, i64, usize)>,
    /// What is on its way to the server, and the frames on their way back, by the step in which they arrive.
    there: VecDeque<(usize, Vec<u8>)>,
    back: VecDeque<(usize, Frame)>,
    step: usize,
    pings: usize,
}

impl Uploader {
    fn new(config: Config, streams: &[StreamId], rate: usize) -> Self {
        let mut client = Client::raw(config);
        client.answers_pings = false;
        client.feed(super::super::limits::PREFACE);
        client.feed(&settings(&[]));
        client.feed(&frame(Kind::SETTINGS, flags::ACK, 0, &[]));
        for &stream in streams {
            client.feed(&headers(stream, &POST, false));
        }
        Self {
            client,
            rate,
            connection: 65_535,
            streams: streams.iter().map(|&id| (id, 65_535, 0)).collect(),
            there: VecDeque::new(),
            back: VecDeque::new(),
            step: 0,
            pings: 0,
        }
    }

    /// One step: what arrives on either side is acted on, and as much is sent as may be. Gives what was received of
    /// each stream.
    fn step(&mut self) -> Vec<(StreamId, usize)> {
        self.step += 1;
        self.client.now_ns += STEP_NS;
        while self.there.front().is_some_and(|(at, _)| *at <= self.step) {
            let (_, bytes) = self.there.pop_front().unwrap();
            self.client.feed(&bytes);
        }
        for frame in self.client.frames() {
            self.back.push_back((self.step + DELAY, frame));
        }
        let mut out = Vec::new();
        while self.back.front().is_some_and(|(at, _)| *at <= self.step) {
            let (_, frame) = self.back.pop_front().unwrap();
            let id = frame.header.stream_id;
            match frame.header.kind {
                Kind::PING => {
                    self.pings += 1;
                    let payload = frame.payload[..].try_into().unwrap();
                    out.extend(super::super::frame::ping(payload, true));
                }
                Kind::WINDOW_UPDATE => {
                    let increment = i64::from(parse_window_update(&frame.payload).unwrap());
                    if id == 0 {
                        self.connection += increment;
                    }
                    for (stream, window, _) in &mut self.streams {
                        *window += if *stream == id { increment } else { 0 };
                    }
                }
                _ => {}
            }
        }
        let mut left = self.rate as i64;
        let turns = self.streams.len();
        // Fair shares first, then what others could not use.
        for turn in 0..2 * turns {
            let share = left / (turns.saturating_sub(turn)).max(1) as i64;
            let turn = turn % turns;
            let (stream, window, sent) = &mut self.streams[turn];
            let mut len = share.min(*window).min(self.connection).max(0);
            left -= len;
            *window -= len;
            self.connection -= len;
            *sent += len as usize;
            while len > 0 {
                let now = len.min(16_384);
                out.extend(data(*stream, &vec![0; now as usize], false));
                len -= now;
            }
        }
        self.there.push_back((self.step + DELAY, out));
        assert_eq!(self.client.core.error(), None);
        let received = |seen| match seen {
            Seen::Data { stream, data, .. } => Some((stream, data.len())),
            _ => None,
        };
        self.client
            .events()
            .into_iter()
            .filter_map(received)
            .collect()
    }

    fn sent(&self, stream: StreamId) -> usize {
        self.streams
            .iter()
            .find(|(id, ..)| *id == stream)
            .unwrap()
            .2
    }
}

#[test]
fn windows_grow_to_what_the_path_holds_and_no_further() {
    let budget = Rc::new(Cell::new(64 << 20));
    let config = Config {
        recv_budget: Rc::clone(&budget),
        ..Config::default()
    };
    // 100 MB/s over 20 ms: 2 MB.
    let rate = 100_000;
    let mut uploader = Uploader::new(config, &[1], rate);
    (0..1_000).for_each(|_| drop(uploader.step()));
    let before = uploader.sent(1);
    (0..100).for_each(|_| drop(uploader.step()));
    assert_eq!(
        uploader.sent(1) - before,
        100 * rate,
        "it is not window-bound"
    );
    let size = uploader.client.core.recv_size as usize;
    assert!((2_000_000..8_000_000).contains(&size), "{size}");
    assert!(budget.get() + size < (64 << 20) + 300_000);
    // A PING now and then, once it is steady.
    let pings = uploader.pings;
    (0..10_000).for_each(|_| drop(uploader.step()));
    assert!(uploader.pings - pings < 20, "{}", uploader.pings - pings);
    drop(uploader);
    assert_eq!(budget.get(), 64 << 20, "it is given back");
}

#[test]
fn windows_are_bounded_by_limit_and_by_budget() {
    for (budget, most) in [(1_usize << 30, 1_500_000), (100_000, 362_144), (0, 262_144)] {
        let config = Config {
            max_stream_window: 1_000_000,
            max_connection_window: 1_500_000,
            recv_budget: Rc::new(Cell::new(budget)),
            ..Config::default()
        };
        let mut uploader = Uploader::new(config, &[1], 500_000);
        (0..600).for_each(|_| drop(uploader.step()));
        let core = &uploader.client.core;
        assert_eq!(core.recv_size, most);
        assert_eq!(core.recv_target, most.min(1_000_000));
        assert_eq!(
            core.config.recv_budget.get(),
            budget + 262_144 - most as usize
        );
        assert!(uploader.connection <= i64::from(most));
    }
}

#[test]
fn a_slow_reader_stops_its_stream_only() {
    let rate = 50_000;
    let mut uploader = Uploader::new(Config::default(), &[1, 3], rate);
    uploader.client.core.read_body(1);
    uploader.client.core.read_body(3);
    let mut unread = 0;
    let mut read = 0;
    for step in 0..2_000 {
        for (stream, len) in uploader.step() {
            match stream {
                // The fast one reads at once.
                1 => uploader.client.core.release(1, len),
                _ => unread += len,
            }
        }
        // The slow one reads 1,000 bytes every 10 steps.
        if step % 10 == 0 {
            let len = unread.min(1_000);
            uploader.client.core.release(3, len);
            unread -= len;
            read += len;
        }
        assert_eq!(uploader.client.core.held_bytes(), unread);
        assert!(unread <= 131_072, "{unread} bytes wait for the slow reader");
    }
    let (fast, slow) = (uploader.sent(1), uploader.sent(3));
    assert!(slow <= read + 131_072, "{slow} sent, {read} read");
    let before = fast;
    for _ in 0..100 {
        for (stream, len) in uploader.step() {
            uploader.client.core.release(stream, len);
        }
    }
    let sent = uploader.sent(1) - before + uploader.sent(3) - slow;
    assert!(sent >= 95 * rate, "the fast one has the path: {sent}");
    assert_eq!(uploader.client.core.held_bytes(), unread);
}

#[test]
fn readers_that_never_read_hold_a_bounded_amount() {
    let budget = Rc::new(Cell::new(1_000_000));
    let config = Config {
        recv_budget: Rc::clone(&budget),
        ..Config::default()
    };
    let streams: Vec<_> = (0..100).map(|n| n * 2 + 1).collect();
    let mut uploader = Uploader::new(config, &streams, 1_000_000);
    for &stream in &streams {
        uploader.client.core.read_body(stream);
    }
    (0..500).for_each(|_| drop(uploader.step()));
    let held = uploader.client.core.held_bytes();
    let bound = HELD_BASE as usize + 262_144 + 1_000_000;
    assert!(held <= bound && held > 500_000, "{held}");
    assert!(bound < HELD_MAX as usize);
    // What is reset releases what was held for it; so does the end of the connection.
    for &stream in &streams {
        uploader.client.core.reset(stream, ErrorCode::CANCEL);
    }
    uploader.streams.clear();
    assert_eq!(uploader.client.core.held_bytes(), 0);
    let mut last = 0;
    for _ in 0..100 {
        uploader.step();
        last = uploader.connection;
    }
    assert_eq!(uploader.client.core.open_streams(), 0);
    assert!(last > 130_000, "the window is there again: {last}");
    drop(uploader);
    assert_eq!(budget.get(), 1_000_000);
}

#[test]
fn more_than_was_given_is_not_released() {
    let mut client = Client::new();
    client.feed(&headers(1, &POST, false));
    client.core.read_body(1);
    client.core.read_body(3);
    client.feed(&data(1, &[0; 10_000], false));
    assert_eq!(client.core.held_bytes(), 10_000);
    client.core.release(1, usize::MAX);
    client.core.release(1, 5);
    client.core.release(7, 5);
    assert_eq!((client.core.held_bytes(), client.frames()), (0, vec![]));
    // Nothing goes to a stream that the peer has ended.
    client.feed(&data(1, &[0; 16_000], false));
    client.feed(&data(1, &[0; 16_000], true));
    client.core.release(1, 32_000);
    let update =
        |frame: &Frame| frame.header.kind == Kind::WINDOW_UPDATE && frame.header.stream_id == 1;
    assert!(!client.frames().iter().any(update));
}
