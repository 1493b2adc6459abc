//! The HTTP/2 core: frames, whole requests, large bodies and the scheduler. `cargo bench --bench h2`
//!
//! Every figure is the time per unit named in it: per frame, per request, per MiB of wire.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod client;

use std::hint::black_box;
use std::time::{Duration, Instant};

use client::{Agent, BATCH, Chunk, Core, Files, LARGE, SEALED, SMALL};
use criterion::{Bencher, BenchmarkId, Criterion, criterion_group, criterion_main};
use ringlane::h2::frame::{FrameHeader, Kind, flags};
use ringlane::slot::Layout;

const MIB: usize = 1 << 20;
const LAYOUTS: [(&str, Layout); 3] = [
    ("gathered", Layout::Gathered),
    ("placed", Layout::Placed),
    ("sealed", SEALED),
];

/// Measures `run`, which does some units of work and says how many; the figure is the time of one.
fn per_unit(b: &mut Bencher<'_>, mut run: impl FnMut() -> usize) {
    b.iter_custom(|units| {
        let (mut done, start) = (0, Instant::now());
        while done < units {
            done += run() as u64;
        }
        let nanos = start.elapsed().as_nanos() * u128::from(units) / u128::from(done);
        Duration::from_nanos(nanos as u64)
    });
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame header");
    let headers: [FrameHeader; 64] = std::array::from_fn(|n| {
        let (kind, length) = [
            (Kind::HEADERS, 40),
            (Kind::WINDOW_UPDATE, 4),
            (Kind::DATA, 16_384),
            (Kind::PRIORITY_UPDATE, 12),
        ][n % 4];
        let stream_id = if kind == Kind::PRIORITY_UPDATE {
            0
        } else {
            n as u32 * 2 + 1
        };
        FrameHeader {
            length,
            kind,
            flags: flags::END_HEADERS,
            stream_id,
        }
    });
    let wire = headers.map(FrameHeader::to_bytes);
    group.bench_function("parse and check", |b| {
        per_unit(b, || {
            for bytes in black_box(&wire) {
                let header = FrameHeader::parse(bytes);
                black_box(header.check(16_384)).ok().unwrap();
                black_box(header);
            }
            wire.len()
        });
    });
    group.bench_function("serialize", |b| {
        per_unit(b, || {
            for header in black_box(&headers) {
                black_box(header.to_bytes());
            }
            headers.len()
        });
    });
    group.finish();
}

/// A warm connection receives 20 requests in one chunk, answers each from the cache and fills one slot.
fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("request, 1 KiB from the cache");
    for agent in [Agent::H2load, Agent::Curl, Agent::Chromium] {
        let mut files = Files::new(0);
        let opening = agent.opening(SMALL, 16_384);
        let mut core = Core::new(Layout::Gathered, 64 << 10, &opening, |head| {
            files.answer(head)
        });
        let mut chunk = Chunk::small(agent, BATCH);
        group.bench_function(BenchmarkId::new("20 at once", format!("{agent:?}")), |b| {
            per_unit(b, || {
                let requests = core.receive(chunk.next(), |head| files.answer(head));
                assert_eq!(core.fill().ended.len(), BATCH);
                requests
            });
        });
    }
    let mut files = Files::new(0);
    let opening = Agent::H2load.opening(SMALL, 16_384);
    let mut core = Core::new(Layout::Gathered, 64 << 10, &opening, |head| {
        files.answer(head)
    });
    let mut chunk = Chunk::small(Agent::H2load, 1);
    group.bench_function(BenchmarkId::new("1 at once", "H2load"), |b| {
        per_unit(b, || {
            let requests = core.receive(chunk.next(), |head| files.answer(head));
            assert_eq!(core.fill().ended.len(), 1);
            requests
        });
    });
    group.finish();
}

/// Slots of 1 MiB from one large file: what framing a MiB of body costs. No byte of the body is touched.
fn bodies(c: &mut Criterion) {
    let mut group = c.benchmark_group("MiB of a large body");
    for (name, layout) in LAYOUTS {
        for max_frame_size in [16_384, 65_536] {
            const BODY_MIB: usize = 64;
            let mut files = Files::new((BODY_MIB * MIB) as u64);
            let opening = Agent::Curl.opening(LARGE, max_frame_size);
            let mut core = Core::new(layout, MIB, &opening, |head| files.answer(head));
            let mut chunk = Chunk::large(Agent::Curl, BODY_MIB * MIB, 1, |_| None);
            group.bench_function(BenchmarkId::new(name, max_frame_size), |b| {
                per_unit(b, || {
                    core.receive(chunk.next(), |head| files.answer(head));
                    while core.wants_transmit() {
                        black_box(core.fill());
                    }
                    BODY_MIB
                });
            });
        }
    }
    group.finish();
}

/// Streams of a MiB each, opened together and drained: the time of a DATA frame must not grow with their number.
fn scheduler(c: &mut Criterion) {
    let mut group = c.benchmark_group("scheduler, DATA frame");
    type Priorities = fn(usize) -> Option<String>;
    let orders: [(&str, Priorities); 3] = [
        ("in order", |_| None),
        ("taking turns", |_| Some("i".to_owned())),
        ("mixed", |n| {
            let turns = if n.is_multiple_of(3) { ", i" } else { "" };
            Some(format!("u={}{turns}", n * 5 % 8))
        }),
    ];
    for (name, priority) in orders {
        for streams in [1, 16, 100, 256] {
            let mut files = Files::new(MIB as u64);
            let opening = Agent::H2load.opening(LARGE, 16_384);
            let mut core = Core::new(Layout::Gathered, MIB, &opening, |head| files.answer(head));
            let mut chunk = Chunk::large(Agent::H2load, MIB, streams, priority);
            group.bench_function(BenchmarkId::new(name, streams), |b| {
                per_unit(b, || {
                    core.receive(chunk.next(), |head| files.answer(head));
                    let mut frames = 0;
                    while core.wants_transmit() {
                        frames += core.fill().holes.len();
                    }
                    frames
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, frames, requests, bodies, scheduler);
criterion_main!(benches);
