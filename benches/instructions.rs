//! A fixed amount of work for `scripts/count-instructions`, which runs it under callgrind with two amounts and takes
//! the difference: `instructions WORKLOAD AMOUNT`. Without these arguments it does nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod client;

use std::hint::black_box;

use client::http1::{self, chunk};
use client::{Agent, BATCH, Chunk, Core, Files, LARGE, SEALED, SMALL};
use ringlane::slot::Layout;

const MIB: usize = 1 << 20;

fn main() {
    // Cargo itself adds `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [workload, amount] = &arguments[..] else {
        return;
    };
    let amount = amount.parse().expect("the amount is a number");
    match workload.as_str() {
        "request/h2load" => requests(Agent::H2load, amount),
        "request/curl" => requests(Agent::Curl, amount),
        "request/chromium" => requests(Agent::Chromium, amount),
        "mib/gathered" => bodies(Layout::Gathered, amount),
        "mib/placed" => bodies(Layout::Placed, amount),
        "mib/sealed" => bodies(SEALED, amount),
        "connection" => connections(amount),
        "http1/h2load" => http1_requests(Agent::H2load, amount),
        "http1/curl" => http1_requests(Agent::Curl, amount),
        "http1/chromium" => http1_requests(Agent::Chromium, amount),
        "http1-mib/gathered" => http1_bodies(Layout::Gathered, amount),
        "http1-mib/sealed" => http1_bodies(SEALED, amount),
        _ => panic!("no such workload: {workload}"),
    }
}

/// Requests for a cached file of 1 KiB, 20 in a chunk, on one warm connection.
fn requests(agent: Agent, amount: usize) {
    let mut files = Files::new(0);
    let opening = agent.opening(SMALL, 16_384);
    let mut core = Core::new(Layout::Gathered, 64 << 10, &opening, |head| {
        files.answer(head)
    });
    let mut chunk = Chunk::small(agent, BATCH);
    for _ in 0..amount / BATCH {
        core.receive(chunk.next(), |head| files.answer(head));
        assert_eq!(black_box(core.fill()).ended.len(), BATCH);
    }
}

/// One large body in slots of 1 MiB, with frames of the default limit.
fn bodies(layout: Layout, mib: usize) {
    let mut files = Files::new((mib * MIB) as u64);
    let opening = Agent::Curl.opening(LARGE, 16_384);
    black_box(Core::new(layout, MIB, &opening, |head| files.answer(head)));
}

/// The same requests in HTTP/1.1.
fn http1_requests(agent: Agent, amount: usize) {
    let mut files = Files::new(0);
    let mut core = http1::Core::new(Layout::Gathered, 64 << 10);
    let chunk = chunk(agent, BATCH);
    for _ in 0..amount / BATCH {
        core.receive(&chunk, |head| files.answer_http1(head));
        assert_eq!(black_box(core.fill()).ended.len(), BATCH);
    }
}

/// One large body in HTTP/1.1.
fn http1_bodies(layout: Layout, mib: usize) {
    let mut files = Files::new((mib * MIB) as u64);
    let mut core = http1::Core::new(layout, MIB);
    core.receive(&http1::large(), |head| files.answer_http1(head));
    while core.wants_transmit() {
        black_box(core.fill());
    }
}

/// New connections of a browser with one request each.
fn connections(amount: usize) {
    let mut files = Files::new(0);
    let opening = Agent::Chromium.opening(SMALL, 16_384);
    for _ in 0..amount {
        // The least buffer that takes the answer: clearing it is counted.
        black_box(Core::new(Layout::Placed, 2 << 10, &opening, |head| {
            files.answer(head)
        }));
    }
}
