//! Handing the sending of a connection over to a socket that seals by itself (kernel TLS), where that was asked for.
//!
//! In software the kernel seals no faster than we do in the slot: it is for network cards that seal by themselves. So a
//! connection is handed over when it sends much, and where the kernel cannot, it goes on as before.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustls::ConnectionTrafficSecrets;

use super::connection::{Connection, Transport};
use super::output::BULK;
use super::shared::Shared;
use crate::transport::tls::WriteKeys;
use crate::uring::{TlsKey, TlsKeys};

/// Whether connections are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KernelTls {
    /// It was not asked for, or this kernel has none.
    No,
    /// Those whose last slot had so many wire bytes.
    From(usize),
}

impl KernelTls {
    pub(super) fn new(wanted: bool) -> Self {
        if wanted { Self::From(BULK) } else { Self::No }
    }
}

impl Connection {
    /// Hands the sending over if it is to be: with everything sent that was sealed, and a large slot before.
    pub(super) fn hand_over(&mut self, shared: &mut Shared) {
        match shared.kernel_tls {
            KernelTls::From(least) if self.last_slot >= least && !self.sealed_here => {}
            _ => return,
        }
        let Transport::Session(session) = &mut self.transport else {
            return;
        };
        if session.is_handed_over() || !self.raw.is_empty() {
            return;
        }
        let Some(keys) = session.write_keys() else {
            // Under TLS 1.2 there never will be any; else they are asked for again.
            return;
        };
        match keys_for_kernel(&keys)
            .map(|keys| shared.ring.seal_in_kernel(self.socket.as_fd(), &keys))
        {
            Some(Ok(())) => {
                session.hand_over();
                tracing::debug!("kernel-tls: the kernel seals from here on");
                self.zero_copy.note_refused();
            }
            Some(Err(Errno::NOENT)) => {
                tracing::warn!(
                    "kernel-tls: this kernel has no TLS, or its module is not loaded (modprobe tls): records are sealed here"
                );
                shared.kernel_tls = KernelTls::No;
            }
            Some(Err(errno)) => {
                tracing::debug!(%errno, "kernel-tls: refused");
                self.sealed_here = true;
            }
            None => self.sealed_here = true,
        }
    }
}

fn keys_for_kernel<'a>(keys: &WriteKeys<'a>) -> Option<TlsKeys<'a>> {
    let key = match keys.secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, .. }
        | ConnectionTrafficSecrets::Aes256Gcm { key, .. } => TlsKey::AesGcm(key.as_ref()),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, .. } => {
            TlsKey::ChaCha20Poly1305(key.as_ref().try_into().ok()?)
        }
        _ => return None,
    };
    Some(TlsKeys {
        key,
        iv: keys.iv,
        sequence: keys.sequence,
    })
}
