//! Peers that say nothing, and peers that read nothing.

use super::*;
use crate::h2::limits::{
    ANSWERED_TIMEOUT_NS, EXPECTATION_TIMEOUT_NS, STALL_SWEEP_NS, STALL_TIMEOUT_NS,
};
use crate::h2::settings::id;
use crate::h2::{ConnectionError, Keepalive, Timeouts};

const SECOND: u64 = 1_000_000_000;

fn with(timeouts: Timeouts, parameters: &[(u16, u32)]) -> Client {
    let config = Config {
        timeouts,
        ..Config::default()
    };
    Client::with(config, parameters)
}

fn keepalive() -> Timeouts {
    Timeouts {
        keepalive: Some(Keepalive {
            interval_ns: 30 * SECOND,
            timeout_ns: 10 * SECOND,
        }),
        ..Timeouts::default()
    }
}

fn idle() -> Timeouts {
    Timeouts {
        idle_ns: Some(180 * SECOND),
        ..Timeouts::default()
    }
}

/// Lets the time pass up to `until_ns`, with every deadline on the way; what was sent.
fn pass(client: &mut Client, until_ns: u64) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut wakes = 0;
    while let Some(due) = client.core.poll_timeout().filter(|due| *due <= until_ns) {
        client.now_ns = client.now_ns.max(due);
        client.core.handle_timeout(client.now_ns);
        frames.extend(client.frames());
        wakes += 1;
        assert!(wakes < 1_000, "a deadline that was met is over");
    }
    client.now_ns = until_ns;
    frames
}

fn pings(frames: &[Frame]) -> usize {
    let ping = |frame: &&Frame| frame.header.kind == Kind::PING;
    frames.iter().filter(ping).count()
}

#[test]
fn a_silent_peer_that_answers_is_kept() {
    let mut client = with(keepalive(), &[]);
    let frames = pass(&mut client, 301 * SECOND);
    assert_eq!(pings(&frames), 10);
    assert_eq!(client.core.error(), None);
    // One that talks is not asked.
    for second in 302..400 {
        client.feed(&frame(Kind::PING, 0, 0, b"12345678"));
        let frames = pass(&mut client, second * SECOND);
        assert!(frames.iter().all(|frame| frame.header.has(flags::ACK)));
    }
    assert!(client.works(1));
}

#[test]
fn a_silent_peer_that_does_not_answer_is_dead() {
    let mut client = with(keepalive(), &[]);
    client.answers_pings = false;
    client.feed(&get(1));
    assert_eq!(pings(&pass(&mut client, 40 * SECOND - 1)), 1);
    assert!(!client.core.is_dead());
    pass(&mut client, 40 * SECOND);
    assert_eq!(client.core.error(), Some(ConnectionError::KeepaliveTimeout));
    assert!(client.core.is_dead() && client.core.open_streams() == 0);
}

#[test]
fn what_has_not_been_read_needs_no_answer() {
    let mut client = Client::wide();
    client.core.config = with(keepalive(), &[]).core.config;
    client.answers_pings = false;
    client.feed(&get(1));
    client.core.respond(1, file(1, 1 << 20));
    client.transmit();
    // It reads slowly, and the PING waits behind what it has not read.
    let mut step = |second: u64, all, transmits| {
        client.now_ns = second * SECOND;
        client.core.handle_timeout(client.now_ns);
        client.core.note_drained(1_000, all, true, client.now_ns);
        if transmits {
            client.transmit();
        }
        client.core.error()
    };
    for second in (5..100).step_by(5) {
        assert_eq!(step(second, false, false), None);
    }
    assert_eq!(step(100, true, true), None);
    assert_eq!(step(109, false, false), None);
    // The PING is out, and more is read behind it.
    for second in 110..119 {
        assert_eq!(step(second, true, true), None);
    }
    assert_eq!(
        step(120, true, true),
        Some(ConnectionError::KeepaliveTimeout)
    );
}

#[test]
fn anything_that_it_says_is_an_answer() {
    let mut client = with(keepalive(), &[]);
    client.answers_pings = false;
    let frames = pass(&mut client, 35 * SECOND);
    assert_eq!(pings(&frames), 1);
    client.feed(&get(1));
    assert_eq!(pings(&pass(&mut client, 64 * SECOND)), 0);
    // The acknowledgements that are still due are no flood, in any order.
    assert_eq!(pings(&pass(&mut client, 66 * SECOND)), 1);
    for _ in 0..2 {
        client.feed(&super::super::frame::ping(*b"rl:alive", true));
    }
    assert!(client.works(3));
}

#[test]
fn an_idle_connection_is_ended_in_order() {
    let mut client = with(idle(), &[]);
    client.now_ns = 5 * SECOND;
    assert!(client.works(1));
    // A PING is not what a connection is for.
    client.now_ns = 100 * SECOND;
    client.feed(&frame(Kind::PING, 0, 0, b"12345678"));
    client.frames();
    assert_eq!(pass(&mut client, 185 * SECOND - 1), []);
    let frames = pass(&mut client, 185 * SECOND);
    let goaways = frames.iter().filter(|f| f.header.kind == Kind::GOAWAY);
    assert_eq!(goaways.count(), 2, "the peer has acknowledged the PING");
    assert!(client.core.is_done() && !client.core.is_dead());
}

#[test]
fn pings_that_the_transport_takes_keep_no_connection() {
    let both = Timeouts {
        keepalive: keepalive().keepalive,
        ..idle()
    };
    // The peer's, and ours to a peer that says nothing else.
    for timeouts in [idle(), both] {
        let mut client = with(timeouts, &[]);
        client.now_ns = 5 * SECOND;
        client.feed(&get(1));
        client.core.respond(1, bytes(10));
        client.frames();
        // The end of its answer is taken late.
        client.now_ns = 100 * SECOND;
        client.rate = Some(1_000_000_000);
        client.core.note_drained(0, true, false, client.now_ns);
        for second in (110..280).step_by(10) {
            pass(&mut client, second * SECOND);
            assert!(!client.core.is_done());
            if timeouts == idle() {
                client.feed(&frame(Kind::PING, 0, 0, b"12345678"));
                client.frames();
            }
        }
        pass(&mut client, 280 * SECOND);
        assert!(client.core.is_done() && client.core.error().is_none());
    }
}

#[test]
fn a_request_on_its_way_is_served_before_an_idle_end() {
    let mut client = with(idle(), &[]);
    client.answers_pings = false;
    assert_eq!(pings(&pass(&mut client, 180 * SECOND)), 1);
    client.feed(&get(1));
    assert!(!client.core.is_done());
    client.core.respond(1, bytes(10));
    assert!(body_of(&client.frames(), 1).1);
    // Without an acknowledgement it ends all the same.
    pass(&mut client, 186 * SECOND);
    assert!(client.core.is_done());
}

#[test]
fn a_connection_with_a_stream_is_not_idle() {
    let mut client = with(idle(), &[(id::INITIAL_WINDOW_SIZE, 0)]);
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, file(1, 1_000));
    // One waits for its handler, the other for its window.
    let frames = pass(&mut client, STALL_TIMEOUT_NS - 1);
    assert!(
        frames
            .iter()
            .all(|frame| frame.header.kind == Kind::HEADERS)
    );
    assert_eq!(client.core.open_streams(), 2);
    client.feed(&window_update(1, 1_000));
    client.core.respond(3, empty());
    client.frames();
    assert_eq!(client.core.open_streams(), 0);
    let after = client.now_ns;
    assert_eq!(pass(&mut client, after + 179 * SECOND), []);
    assert!(!pass(&mut client, after + 180 * SECOND).is_empty());
}

#[test]
fn a_stream_whose_window_stays_shut_is_ended() {
    let mut client = with(Timeouts::default(), &[(id::INITIAL_WINDOW_SIZE, 100)]);
    client.feed(&[get(1), get(3), get(5)].concat());
    for stream in [1, 3, 5] {
        client.core.respond(stream, file(1, 1_000_000));
    }
    client.frames();
    let mut frames = Vec::new();
    // The first gets single bytes, the second a little all the time, the third nothing.
    for second in (0..600).step_by(10) {
        frames.extend(pass(&mut client, second * SECOND));
        client.feed(&window_update(1, 1));
        client.feed(&window_update(3, 500));
        frames.extend(client.frames());
    }
    let resets = frames.iter().filter(|f| f.header.kind == Kind::RST_STREAM);
    let resets: Vec<_> = resets.map(|f| (f.header.stream_id, f.payload[3])).collect();
    assert_eq!(resets, [(1, 8), (5, 8)]);
    assert_eq!((client.core.open_streams(), client.core.error()), (1, None));
}

#[test]
fn a_connection_whose_window_stays_shut_ends_its_streams() {
    let mut client = with(Timeouts::default(), &[(id::INITIAL_WINDOW_SIZE, 1 << 20)]);
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, file(1, 1_000_000));
    client.core.respond(3, file(1, 1_000_000));
    client.frames();
    assert_eq!(pass(&mut client, STALL_TIMEOUT_NS - 1), []);
    let frames = pass(&mut client, STALL_TIMEOUT_NS + STALL_SWEEP_NS);
    let resets = frames.iter().filter(|f| f.header.kind == Kind::RST_STREAM);
    assert_eq!(resets.count(), 2);
    assert!(client.works(5));
}

#[test]
fn settings_are_no_progress() {
    const START: u64 = 1_000;
    // The streams' windows are shut and opened every so many seconds; the connection's is used up, or opened by a byte.
    for (period, increment) in [(1, 0), (40, 0), (200, 0), (1, 1), (40, 1), (200, 1)] {
        let mut client = with(Timeouts::default(), &[]);
        client.feed(&get(1));
        client.core.respond(1, bytes(65_535));
        client.frames();
        client.now_ns = START * SECOND;
        client.feed(&[get(3), get(5)].concat());
        client.core.respond(3, file(1, 1_000_000));
        client.core.respond(5, file(1, 1_000_000));
        client.frames();
        let mut window = 65_535;
        for second in (START..START + 360).step_by(period) {
            pass(&mut client, second * SECOND);
            assert!(second >= START + 300 || client.core.open_streams() == 2);
            if increment > 0 {
                client.feed(&window_update(0, increment));
            }
            window = 65_535 - window;
            client.feed(&settings(&[(id::INITIAL_WINDOW_SIZE, window)]));
            client.frames();
        }
        pass(&mut client, (START + 360) * SECOND);
        assert_eq!(client.core.open_streams(), 0, "{period}, {increment}");
        assert_eq!(client.core.error(), None);
    }
}

#[test]
fn who_waited_for_others_is_not_stalled_when_its_window_shuts() {
    let mut client = Client::wide();
    client.burst = 10_000;
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, file(1, 1 << 30));
    client.core.respond(3, file(1, 1 << 30));
    for second in 0..1_000 {
        client.now_ns = second * SECOND;
        client.core.handle_timeout(client.now_ns);
        client.transmit();
        client.wire.clear();
    }
    client.feed(&settings(&[(id::INITIAL_WINDOW_SIZE, 0)]));
    client.frames();
    pass(&mut client, 1_298 * SECOND);
    assert_eq!(client.core.open_streams(), 2);
    pass(&mut client, 1_330 * SECOND);
    assert_eq!(client.core.open_streams(), 0);
}

#[test]
fn an_answered_upload_that_falls_silent_keeps_no_stream() {
    let mut client = with(Timeouts::default(), &[]);
    client.now_ns = 1_000 * SECOND;
    client.feed(&headers(1, &POST, false));
    client.core.respond(1, bytes(10));
    let frames = client.frames();
    assert!(body_of(&frames, 1).1);
    let frames = pass(&mut client, 1_000 * SECOND + ANSWERED_TIMEOUT_NS - 1);
    assert_eq!(frames, [], "the little that is left mostly comes");
    // Neither single bytes nor what is in time keeps it for ever.
    client.feed(&data(1, b"x", false));
    let frames = pass(
        &mut client,
        1_000 * SECOND + ANSWERED_TIMEOUT_NS + STALL_SWEEP_NS,
    );
    assert_eq!(frames[0].header.kind, Kind::RST_STREAM);
    assert_eq!(frames[0].payload, ErrorCode::NO_ERROR.0.to_be_bytes());
    assert_eq!(client.core.streams.len(), 0);
    client.feed(&data(1, b"y", true));
    assert!(client.works(3));
}

/// Who gets its answer instead of 100 (Continue) may never send the content; who has sent some of it does not wait.
#[test]
fn an_answered_request_that_waits_for_100_keeps_no_stream() {
    let mut client = with(Timeouts::default(), &[]);
    let fields = [&POST[..], &[("expect", "100-Continue")]].concat();
    for (stream, at_s) in [(1, 1), (3, 2), (5, 3)] {
        client.now_ns = at_s * SECOND;
        client.feed(&headers(stream, &fields, false));
        if stream == 1 {
            client.feed(&data(stream, b"some", false));
        }
        client.core.respond(stream, bytes(10));
        assert!(body_of(&client.frames(), stream).1);
    }
    let until_ns = 2 * SECOND + EXPECTATION_TIMEOUT_NS;
    assert_eq!(pass(&mut client, until_ns - 1), [], "not with the answer");
    for (stream, until_ns) in [(3, until_ns), (5, until_ns + EXPECTATION_TIMEOUT_NS)] {
        let frames = pass(&mut client, until_ns);
        assert_eq!(frames[0].header.kind, Kind::RST_STREAM);
        assert_eq!(frames[0].header.stream_id, stream);
        assert_eq!(frames[0].payload, ErrorCode::NO_ERROR.0.to_be_bytes());
    }
    assert_eq!(client.core.streams.len(), 1);
    assert!(client.works(7));
}

#[test]
fn who_waits_for_others_is_not_stalled() {
    let mut client = Client::wide();
    client.burst = 10_000;
    client.feed(&[get(1), get(3)].concat());
    client.core.respond(1, file(1, 1 << 30));
    client.core.respond(3, file(1, 1_000));
    for second in 0..1_000 {
        client.now_ns = second * SECOND;
        client.core.handle_timeout(client.now_ns);
        client.transmit();
        client.wire.clear();
    }
    assert_eq!(
        client.core.open_streams(),
        1,
        "the small one was sent first"
    );
    client.feed(&[get(5)].concat());
    client.core.respond(5, file(1, 1 << 20));
    for second in 1_000..2_000 {
        client.now_ns = second * SECOND;
        client.core.handle_timeout(client.now_ns);
        client.transmit();
        client.wire.clear();
    }
    assert_eq!(client.core.open_streams(), 2);
}

#[test]
fn a_transport_that_takes_nothing_is_dead() {
    let mut client = Client::wide();
    client.core.note_drained(0, true, false, 0);
    client.feed(&get(1));
    client.core.respond(1, bytes(1_000));
    client.now_ns = 7 * SECOND;
    client.transmit();
    assert_eq!(client.core.open_streams(), 0);
    // The peer talks, and reads nothing.
    for second in 8..300 {
        client.now_ns = second * SECOND;
        client.core.handle_timeout(client.now_ns);
    }
    client.core.note_drained(10, false, false, client.now_ns);
    client
        .core
        .handle_timeout(client.now_ns + STALL_TIMEOUT_NS - 1);
    assert!(!client.core.is_dead());
    client.core.handle_timeout(client.now_ns + STALL_TIMEOUT_NS);
    assert_eq!(client.core.error(), Some(ConnectionError::Stalled));
    assert!(client.core.is_dead());
}
