//! Section 9.5: failures and timeouts.

use ringlane::h1::Timeouts;

use crate::client::*;

fn with_idle(seconds: u64) -> Config {
    Config {
        timeouts: Timeouts {
            idle_ns: Some(seconds * SECOND),
        },
        ..Config::default()
    }
}

/// "A client or server that wishes to time out SHOULD issue a graceful close on the connection."
#[test]
fn an_idle_connection_ends_in_order() {
    let mut client = Client::new(with_idle(60), Answering::AtOnce);
    for _ in 0..3 {
        client.send(GET);
        assert_eq!(client.status(), 200);
        client.wait(59);
        assert!(!client.core.is_done());
    }
    client.wait(1);
    assert!(client.core.is_done() && !client.core.is_dead());
    assert_eq!((client.core.error(), client.text()), (None, String::new()));
}

/// "A server SHOULD sustain persistent connections, when possible": what has a request to be answered, or an answer to be
/// taken, is not idle.
#[test]
fn a_busy_connection_is_not_idle() {
    let mut client = Client::new(with_idle(5), Answering::Later);
    client.send(GET);
    client.wait(100);
    client.core.respond(1, ok(file(1, 1_000_000)));
    client.slots.bytes = 20_000;
    client.slots.layout = Layout::Placed;
    let len = client.fill();
    client.core.note_drained(5_000, false, client.now_ns);
    client.wait(100);
    assert!(!client.core.is_done());
    client.core.note_drained(len - 5_000, true, client.now_ns);
    client.receive();
    // All is said, and the transport has some of it left to take.
    client.core.note_drained(100_000, false, client.now_ns);
    client.wait(100);
    assert!(!client.core.is_done());
    client.core.note_drained(900_000, true, client.now_ns);
    client.wait(4);
    assert!(!client.core.is_done());
    client.wait(1);
    assert!(client.core.is_done());
}

/// Without a limit it stays; a stray empty line does not change that.
#[test]
fn an_idle_connection_stays_when_nobody_says_otherwise() {
    let mut client = Client::echo();
    client.send(GET);
    client.receive();
    client.send("\r");
    client.send("\n");
    client.wait(100);
    assert_eq!(client.core.poll_timeout(), None);
    assert!(!client.core.is_done());
}

/// A connection that was opened and says nothing ends without a word: what was said could be taken for the answer to a
/// request that is on its way.
#[test]
fn a_silent_connection_ends() {
    let mut client = Client::echo();
    client.wait(9);
    assert!(!client.core.is_done());
    client.wait(1);
    assert!(client.core.is_done() && !client.core.is_dead());
    assert_eq!(
        (client.core.error(), client.text()),
        (Some(E::NoRequest), String::new())
    );
    client.send(GET);
    assert_eq!(client.requests, [""; 0]);
}

/// A peer that takes nothing is given up.
#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    for (len, dead) in [(0, true), (1, true), (1_024, false)] {
        let mut client = Client::manual();
        client.send(GET.repeat(2));
        client.core.respond(1, ok(file(1, 1_000_000)));
        client.slots.bytes = 20_000;
        client.slots.layout = Layout::Placed;
        client.fill();
        client.core.note_drained(len, false, client.now_ns);
        client.wait(299);
        assert!(!client.core.is_dead());
        client.core.note_drained(len, false, client.now_ns);
        client.wait(1);
        assert_eq!(client.core.is_dead(), dead);
        if dead {
            assert_eq!(client.core.error(), Some(E::Stalled));
            assert!(!client.core.wants_transmit() && client.core.is_done());
            assert_eq!(client.core.poll_timeout(), None);
        }
    }
}

/// A driver that does not say what is taken is not misunderstood.
#[test]
fn a_driver_that_says_nothing_is_waited_for() {
    let mut client = Client::manual();
    client.send(GET);
    client.core.respond(1, ok(file(1, 1_000_000)));
    client.fill();
    client.wait(1_000);
    assert!(!client.core.is_dead() && !client.core.is_done());
}
