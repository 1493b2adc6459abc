//! Accepting: on every listener as long as there is room, and again after a pause when there was none.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

use super::Shard;
use crate::shard::connection::{Connection, Transport};
use crate::shard::shared::LISTENER;
use crate::shard::{Command, Listener};
use crate::transport::tls::{Handshake, TlsError};
use crate::uring::{Event, Owner, UserData};

/// How long accepting pauses when descriptors or memory have run out.
const ACCEPT_PAUSE_NS: u64 = 50_000_000;
/// How often it is said that accepting pauses.
const WARN_EVERY_NS: u64 = 10_000_000_000;

/// A listener, and what was asked about it once.
pub(super) struct Listening {
    pub(super) listener: Listener,
    /// Whether those who come to it are.
    near: bool,
    /// The operation that accepts, as long as it does.
    accepting: Option<UserData>,
}

impl Listening {
    pub(super) fn new(listener: Listener) -> Self {
        Self {
            near: listener.is_near(),
            listener,
            accepting: None,
        }
    }
}

impl Shard<'_> {
    pub(super) fn accept(&mut self, index: usize) {
        let owner = Owner {
            slot: LISTENER | index as u32,
            generation: 0,
        };
        if let Some(listening) = &mut self.listeners[index] {
            let socket = listening.listener.socket.as_fd();
            listening.accepting = Some(self.shared.ring.accept(socket, owner));
        }
    }

    pub(super) fn accepted(&mut self, index: usize, event: Event) {
        let Event::Accepted { socket, more } = event else {
            return;
        };
        let draining = self.command != Command::Serve;
        match socket {
            Ok(socket) if draining => self.shared.ring.close(socket),
            Ok(socket) => {
                if self.shared.descriptors.are_few(socket.as_fd()) {
                    self.pause_accepting(Errno::MFILE);
                }
                if self.shared.descriptors.are_last(socket.as_fd()) {
                    self.shared.ring.close(socket);
                } else {
                    self.begin_connection(index, socket);
                }
            }
            Err(errno) if is_passing(errno) => {}
            Err(errno) => self.pause_accepting(errno),
        }
        if more {
            return;
        }
        if let Some(listening) = &mut self.listeners[index] {
            listening.accepting = None;
        }
        if draining {
            self.close_listener(index);
        } else if self.shared.now_ns < self.accept_from_ns {
            self.paused.push(index);
        } else {
            self.accept(index);
        }
    }

    /// Descriptors or memory have run out, or a listener is broken: who else comes waits until that may be over.
    fn pause_accepting(&mut self, errno: Errno) {
        if self.shared.now_ns < self.accept_from_ns {
            return;
        }
        self.accept_from_ns = self.shared.now_ns + ACCEPT_PAUSE_NS;
        self.shared.files.make_room(self.shared.now_ns);
        if self.shared.now_ns >= self.warn_from_ns {
            self.warn_from_ns = self.shared.now_ns + WARN_EVERY_NS;
            match errno {
                Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => {
                    tracing::warn!(%errno, "accepting pauses: out of descriptors or memory; raise LimitNOFILE");
                }
                _ => tracing::warn!(%errno, "accepting pauses: it failed"),
            }
        }
        self.stop_accepting();
    }

    /// Each listener is heard of once more when that is done.
    pub(super) fn stop_accepting(&mut self) {
        for listening in self.listeners.iter().flatten() {
            if let Some(accepting) = listening.accepting {
                self.shared.ring.cancel_one(accepting);
            }
        }
    }

    /// Accepts again where that paused, when its time is over and there is room; whether it does.
    pub(super) fn resume_accepting(&mut self) -> bool {
        if self.paused.is_empty() || self.shared.now_ns < self.accept_from_ns {
            return false;
        }
        if !self.shared.descriptors.have_room(&*self.wake) {
            self.pause_accepting(Errno::MFILE);
            return false;
        }
        for index in std::mem::take(&mut self.paused) {
            self.accept(index);
        }
        true
    }

    /// Nothing is in flight on it. Closed now, not with the shard: new peers are to be refused.
    pub(super) fn close_listener(&mut self, index: usize) {
        if let Some(Listening { listener, .. }) = self.listeners[index].take() {
            self.shared.ring.close(listener.socket);
        }
    }

    fn begin_connection(&mut self, index: usize, socket: OwnedFd) {
        let Some(Listening { listener, near, .. }) = &self.listeners[index] else {
            return self.shared.ring.close(socket);
        };
        let near = *near;
        let transport = match (listener.tls, &self.tls) {
            (false, _) => Transport::Cleartext,
            (true, Some(config)) => match Handshake::new(Arc::clone(config)) {
                Ok(mut handshake) => {
                    if self.shared.sites.has_certificates() {
                        handshake.note_server_name();
                    }
                    Transport::Handshake(Box::new(handshake))
                }
                Err(error) => return self.refuse(socket, &error),
            },
            // A TLS listener is never made without a configuration.
            (true, None) => return self.shared.ring.close(socket),
        };
        self.shared.counters.accepted += 1;
        let shared = &mut self.shared;
        self.connections
            .insert_with(|key| Box::new(Connection::new(key, socket, transport, near, shared)));
    }

    fn refuse(&mut self, socket: OwnedFd, error: &TlsError) {
        tracing::error!(%error, "a TLS connection could not be begun");
        self.shared.ring.close(socket);
    }
}

/// Whether the next connection may be accepted at once: what failed is the one that was to be, by its network or a
/// firewall (accept(2) lists these), or a signal came.
fn is_passing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::CONNABORTED
            | Errno::INTR
            | Errno::CANCELED
            | Errno::AGAIN
            | Errno::PERM
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::NONET
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::TIMEDOUT
    )
}
