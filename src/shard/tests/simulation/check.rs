//! What holds after every step. What a step cannot have changed is not looked at again.

use super::link::{Link, Peer};
use super::world::World;
use crate::files::FileRef;
use crate::h2;
use crate::h2::client::ClientConnection;
use crate::shard::connection::{Connection, Phase};
use crate::shard::protocol::Protocol;
use crate::shard::shared::KIND;
use crate::shard::timers::Timer;
use crate::uring::simulated::Kernel;
use crate::uring::{Lease, Slab};

/// How long the slot of one who is slow is held at most.
const STALLED_NS: u64 = 2 * Timer::Stalled.after_ns();

/// What one side may send, and what it allows the other to send.
type Windows = (i32, i32);

impl World<'_> {
    /// The shard had its turn.
    pub(super) fn check_shard(&mut self) {
        let shard = &mut self.shard;
        assert_eq!(shard.shared.counters.panics, 0, "no panic");
        let begun = shard.shared.begun_opening;
        assert_eq!(begun, 0, "each request is its own connection's");
        let (in_flight, mut leased) = shard.shared.ring.held();
        leased.extend(self.taken.iter().filter_map(Lease::arena_slot));
        for key in shard.connections.keys() {
            let connection = shard.connections.get_mut(key).unwrap();
            let its = in_flight.iter().filter(|owner| **owner == key);
            connection.invariants(its.count() as u32);
            let Connection { outgoing, .. } = connection.as_ref();
            let gather = outgoing.as_ref().and_then(|out| out.gather.as_ref());
            leased.extend(gather.and_then(|gather| gather.arena_slot()));
            if self.loud {
                let error = match &connection.protocol {
                    Protocol::Http1(core) => format!("{:?}", core.error()),
                    Protocol::Http2(core) => format!("{:?}", core.error()),
                };
                let slot = outgoing
                    .as_ref()
                    .map(|out| (out.plan.wire_len, out.plan.holes.len()));
                println!("    {key:?}: {:?}, {slot:?}, {error}", connection.phase);
            }
        }
        for owner in in_flight.iter().filter(|owner| owner.slot & KIND == 0) {
            let live = shard.connections.get_mut(*owner).is_some();
            assert!(live, "completions find their connection");
        }
        let there = shard.shared.ring.arena().leased();
        assert_eq!(there, leased.values().sum::<usize>(), "no slot is lost");
        let kernel = self.kernel.borrow();
        for link in &mut self.links {
            if kernel.sockets[link.socket].shut {
                link.shut_ns.get_or_insert(self.now_ns);
            }
            check_windows(link, &kernel, &mut shard.connections);
        }
    }

    /// One client did or got something.
    pub(super) fn check_link(&mut self, at: usize) {
        let kernel = self.kernel.borrow();
        check_windows(&self.links[at], &kernel, &mut self.shard.connections);
    }

    /// What holds when nothing is under way but what time brings.
    pub(super) fn check_settled(&mut self) {
        let arena = self.shard.shared.ring.arena();
        let starved = !self.shard.shared.starved.is_empty();
        assert!(
            !starved || arena.leased() == arena.capacity(),
            "slots are used"
        );
        for key in self.shard.connections.keys() {
            let connection = self.shard.connections.get_mut(key).unwrap();
            if let Some(outgoing) = &connection.outgoing
                && let Some(stalled_ns) = outgoing.stalled_ns
            {
                let gather = outgoing.gather.as_ref();
                let leased = gather.and_then(|gather| gather.arena_slot());
                let held = leased.is_some() && !connection.stall_watched;
                assert!(!held, "who is slow holds no slot for long");
                // A timer that was started before looks again once.
                let taken_ns = outgoing.progress_ns.max(stalled_ns);
                let until_ns = taken_ns + STALLED_NS + 2 * Timer::Stuck.after_ns();
                let stuck = until_ns < self.now_ns;
                assert!(!stuck, "who takes nothing is given up");
            }
        }
        let kernel = self.kernel.borrow();
        let closed = !self.draining || kernel.listens_nowhere();
        assert!(closed, "who drains refuses new peers");
        for link in &self.links {
            let socket = &kernel.sockets[link.socket];
            let quiet = link.out.is_empty() && socket.is_quiet();
            if let Some((client, server, sends)) = cores(link, &kernel, &mut self.shard.connections)
                && quiet
                && !sends
                && !client.wants_transmit()
                && !server.wants_transmit()
            {
                for (id, client, server) in windows(client, server) {
                    let server = (server.1, server.0);
                    assert_eq!(client, server, "stream {id}: the windows add up");
                }
            }
        }
    }
}

/// Neither side believes that it may send more than the other has allowed: what is under way only makes it less.
fn check_windows(link: &Link, kernel: &Kernel, connections: &mut Slab<Box<Connection>>) {
    if let Some((client, server, _)) = cores(link, kernel, connections) {
        for (id, client, server) in windows(client, server) {
            assert!(client.0 <= server.1, "stream {id}: the client oversteps");
            assert!(server.0 <= client.1, "stream {id}: the server oversteps");
        }
    }
}

/// What each side may send, and what each side allows the other: of the connection, as 0, and of each stream.
fn windows(
    client: &ClientConnection,
    server: &h2::Connection<FileRef>,
) -> Vec<(h2::StreamId, Windows, Windows)> {
    let server = server.windows();
    let mut both = Vec::with_capacity(server.len());
    for (id, send, recv) in client.windows() {
        if let Some(other) = server.iter().find(|other| other.0 == id) {
            let (client, server) = ((send, recv), (other.1, other.2));
            both.push((
                id,
                (client.0.get(), client.1.get()),
                (server.0.get(), server.1.get()),
            ));
        }
    }
    both
}

/// Both sides of a connection of HTTP/2, and whether the server is sending.
fn cores<'a>(
    link: &'a Link,
    kernel: &Kernel,
    connections: &'a mut Slab<Box<Connection>>,
) -> Option<(&'a ClientConnection, &'a h2::Connection<FileRef>, bool)> {
    let Peer::Http2(client) = &link.peer else {
        return None;
    };
    if link.over {
        return None;
    }
    let mut keys = connections.keys().into_iter();
    let key = keys.find(|key| {
        let connection = connections.get_mut(*key);
        connection.is_some_and(|connection| {
            connection.phase == Phase::Open
                && kernel.socket_of(&connection.socket) == Some(link.socket)
        })
    })?;
    let connection = connections.get_mut(key)?;
    match &connection.protocol {
        Protocol::Http2(server) => Some((&client.core, server, connection.outgoing.is_some())),
        Protocol::Http1(_) => None,
    }
}
