//! TLS at the client's end.

use std::sync::{Arc, LazyLock};

use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};

use crate::slot::{Layout, Plan, Slot};
use crate::transport::tls::{Handshake, Progress, Session, Trust, client_config, server_config};

/// A private key of Ed25519 (RFC 8410, section 7). Always the same, and its signatures are all of one length, so that
/// equal seeds have equally long flights.
const KEY: [u8; 48] = {
    let mut key = [7; 48];
    let head = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    let mut at = 0;
    while at < head.len() {
        key[at] = head[at];
        at += 1;
    }
    key
};
/// Bytes that are sealed at once.
const SLOT_BYTES: usize = 20_000;

/// The server's settings.
pub(in crate::shard::tests) fn server() -> Arc<ServerConfig> {
    static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
        let key = rcgen::KeyPair::try_from(&KEY[..]).unwrap();
        let cert = rcgen::CertificateParams::new(vec!["a.example".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let key = PrivatePkcs8KeyDer::from(KEY.to_vec());
        server_config(vec![cert.der().clone()], key.into(), &[b"h2", b"http/1.1"]).unwrap()
    });
    Arc::clone(&SERVER)
}

fn client(http1: bool) -> Arc<ClientConfig> {
    static CLIENTS: LazyLock<[Arc<ClientConfig>; 2]> = LazyLock::new(|| {
        [&b"h2"[..], b"http/1.1"]
            .map(|alpn| client_config(Trust::Anything, &[alpn], false).unwrap())
    });
    Arc::clone(&CLIENTS[usize::from(http1)])
}

/// What carries a client's bytes.
pub(in crate::shard::tests) enum Transport {
    Cleartext,
    Handshake(Box<Handshake>),
    Session(Box<Session>),
}

impl Transport {
    /// Over TLS; its first flight goes to `out`.
    pub(in crate::shard::tests) fn secured(http1: bool, out: &mut Vec<u8>) -> Self {
        let name = ServerName::try_from("a.example").unwrap();
        let mut handshake = Handshake::connect(client(http1), name).unwrap();
        handshake.handle_bytes(&[], out).unwrap();
        Self::Handshake(Box::new(handshake))
    }

    /// Whether something can be said.
    pub(in crate::shard::tests) fn is_open(&self) -> bool {
        !matches!(self, Self::Handshake(_))
    }

    /// Puts what is to be said on the wire.
    pub(in crate::shard::tests) fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let session = match self {
            Self::Cleartext => return out.extend_from_slice(plain),
            Self::Handshake(_) => return assert!(plain.is_empty()),
            Self::Session(session) => session,
        };
        session.take_control(out);
        for piece in plain.chunks(SLOT_BYTES / 2) {
            let (mut buffer, mut plan) = (vec![0; SLOT_BYTES], Plan::<()>::default());
            let layout = Layout::Sealed(session.layout());
            let mut slot = Slot::new(&mut buffer, &mut plan, layout, usize::MAX);
            slot.put(piece);
            slot.finish();
            session.seal(&mut buffer, &plan.records).unwrap();
            out.extend_from_slice(&buffer[plan.used]);
        }
    }

    /// Ends this side, as far as TLS goes; whether there was something to say.
    pub(in crate::shard::tests) fn close(&mut self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        if let Self::Session(session) = self {
            session.close_notify();
            session.take_control(out);
        }
        out.len() > before
    }

    /// What has come, and what has to be said to that at once.
    pub(in crate::shard::tests) fn take(
        &mut self,
        mut bytes: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Vec<u8> {
        if let Self::Handshake(handshake) = self {
            match handshake.handle_bytes(&bytes, out).unwrap() {
                Progress::More => return Vec::new(),
                Progress::Done { session, rest, .. } => {
                    *self = Self::Session(session);
                    bytes = rest;
                }
            }
        }
        let Self::Session(session) = self else {
            return bytes;
        };
        let mut plain = Vec::new();
        session
            .handle_bytes(&mut bytes, |piece| plain.extend_from_slice(piece))
            .unwrap();
        plain
    }

    /// Whether the server has said that it ends its side; in the clear it says nothing.
    pub(in crate::shard::tests) fn was_closed(&self) -> bool {
        match self {
            Self::Cleartext => true,
            Self::Handshake(_) => false,
            Self::Session(session) => session.peer_closed(),
        }
    }
}
