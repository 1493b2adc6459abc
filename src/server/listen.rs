//! Listening sockets: one of our own per shard and address (SO_REUSEPORT), or those that systemd passed.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::config::CongestionControl;
use crate::shard::Listener;

/// How many connections may wait to be accepted, per socket. The kernel lowers it to net.core.somaxconn, which is
/// 4096 by default.
const BACKLOG: i32 = 4096;

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody has the address already.
    #[error("{address} is in use already, by ringlane or another program: `ss -ltnp 'sport = :{port}'` shows by which; stop it or choose another port", port = address.port())]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// A port below the first that everybody may take.
    #[error(
        "not allowed to listen on {address}: ports below net.ipv4.ip_unprivileged_port_start (1024) need CAP_NET_BIND_SERVICE; choose a higher one, or let systemd pass the socket"
    )]
    Forbidden {
        /// The address.
        address: SocketAddr,
    },
    /// Not one of this machine's addresses.
    #[error("{address} is not an address of this machine: `ip address` lists those that are")]
    NotHere {
        /// The address.
        address: SocketAddr,
    },
    /// An IPv6 address where there is no IPv6.
    #[error(
        "cannot listen on {address}: there is no IPv6 on this machine, or not for this process (RestrictAddressFamilies=); leave the IPv6 addresses out"
    )]
    NoIpv6 {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// A passed socket is not what it must be.
    #[error(
        "socket {fd} passed by systemd cannot be used: {reason}; the .socket unit must have ListenStream= with a port"
    )]
    Passed {
        /// The descriptor's number.
        fd: i32,
        /// What is wrong with it.
        reason: String,
    },
    /// A socket cannot be duplicated for a shard.
    #[error(
        "cannot duplicate a listening socket: {0}; is the limit on open files too low (`ulimit -n`, LimitNOFILE=)?"
    )]
    Duplicate(io::Error),
}

/// An address that is listened on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The address, with its real port.
    pub address: SocketAddr,
    /// Whether it is for TLS.
    pub tls: bool,
}

/// All listening sockets of the server.
#[derive(Debug)]
pub struct Listeners {
    /// What is listened on.
    pub bound: Vec<Bound>,
    /// For each shard, one socket for each of `bound`.
    pub per_shard: Vec<Vec<Listener>>,
}

impl Listeners {
    /// Binds each address once for each of `shards` shards.
    ///
    /// # Errors
    /// See [`ListenError`]. That includes an address that another process listens on with SO_REUSEPORT, which the
    /// kernel would let a second process of the same user share.
    pub fn bind(
        http: &[SocketAddr],
        https: &[SocketAddr],
        shards: usize,
    ) -> Result<Self, ListenError> {
        let mut listeners = Self::empty(shards);
        let clear = http.iter().map(|&address| (address, false));
        for (address, tls) in clear.chain(https.iter().map(|&address| (address, true))) {
            let place = |source: io::Error| explain(address, source);
            if address.port() != 0 {
                // Without SO_REUSEPORT, so that it fails where anybody listens already; closed at once.
                drop(bound_socket(address, false).map_err(place)?);
            }
            let mut real = address;
            for shard in &mut listeners.per_shard {
                let socket = bound_socket(real, true).map_err(place)?;
                rustix::net::listen(&socket, BACKLOG).map_err(|e| place(e.into()))?;
                real = local_address(&socket).map_err(place)?;
                shard.push(Listener { socket, tls });
            }
            listeners.bound.push(Bound { address: real, tls });
        }
        Ok(listeners)
    }

    /// Gives every shard a duplicate of each of the sockets that systemd passed.
    ///
    /// # Errors
    /// [`ListenError::Passed`] for what is not a listening TCP socket.
    pub fn share(passed: Vec<Passed>, shards: usize) -> Result<Self, ListenError> {
        let mut listeners = Self::empty(shards);
        for Passed { fd, socket, name } in passed {
            let address =
                listening_address(&socket).map_err(|reason| ListenError::Passed { fd, reason })?;
            let tls = is_tls(&name, address.port());
            listeners.bound.push(Bound { address, tls });
            for shard in &mut listeners.per_shard {
                let socket = socket.try_clone().map_err(ListenError::Duplicate)?;
                shard.push(Listener { socket, tls });
            }
        }
        Ok(listeners)
    }

    /// Has the connections of each address use what is chosen.
    pub fn set_congestion_control(&self, choice: &CongestionControl) {
        for shard in &self.per_shard {
            for (listener, bound) in shard.iter().zip(&self.bound) {
                choice.apply(&listener.socket, bound.address);
            }
        }
    }

    /// Whether any of them is for TLS.
    pub fn any_tls(&self) -> bool {
        self.bound.iter().any(|bound| bound.tls)
    }

    fn empty(shards: usize) -> Self {
        Self {
            bound: Vec::new(),
            per_shard: (0..shards).map(|_| Vec::new()).collect(),
        }
    }
}

/// A socket passed by systemd.
#[derive(Debug)]
pub struct Passed {
    /// The number that it was passed as.
    pub fd: i32,
    /// The socket.
    pub socket: OwnedFd,
    /// Its FileDescriptorName=, empty when there is none.
    pub name: String,
}

/// A passed socket is for TLS when it is named `https`; for clear text when it is named `http`; under any other name
/// its port decides: those that end in 443 (443, 8443) are for TLS.
fn is_tls(name: &str, port: u16) -> bool {
    match name {
        "https" => true,
        "http" => false,
        _ => port % 1000 == 443,
    }
}

fn bound_socket(address: SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of a server that has just ended may still be in TIME_WAIT.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, reuse_port)?;
    if address.is_ipv6() {
        // Else `[::]` and `0.0.0.0` could not both be asked for.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

fn local_address(socket: impl AsFd) -> io::Result<SocketAddr> {
    let address = rustix::net::getsockname(socket)?;
    SocketAddr::try_from(address).map_err(io::Error::from)
}

fn listening_address(socket: &OwnedFd) -> Result<SocketAddr, String> {
    let kind = sockopt::socket_type(socket).map_err(|_| "it is not a socket".to_owned())?;
    if kind != SocketType::STREAM {
        return Err("it is not a stream socket".to_owned());
    }
    if !sockopt::socket_acceptconn(socket).unwrap_or(false) {
        return Err("it is not listening".to_owned());
    }
    local_address(socket).map_err(|_| "it is not an IPv4 or IPv6 socket".to_owned())
}

fn explain(address: SocketAddr, source: io::Error) -> ListenError {
    match Errno::from_io_error(&source) {
        Some(Errno::ADDRINUSE) => ListenError::InUse { address },
        Some(Errno::ACCESS) => ListenError::Forbidden { address },
        Some(Errno::ADDRNOTAVAIL) => ListenError::NotHere { address },
        Some(Errno::AFNOSUPPORT) if address.is_ipv6() => ListenError::NoIpv6 { address },
        _ => ListenError::Other { address, source },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn port_0_is_the_same_port_for_every_shard() {
        let listeners = Listeners::bind(&[any_port()], &[any_port()], 3).unwrap();
        assert_eq!(listeners.bound.len(), 2);
        assert!(listeners.any_tls());
        for shard in &listeners.per_shard {
            for (listener, bound) in shard.iter().zip(&listeners.bound) {
                assert_eq!(local_address(&listener.socket).unwrap(), bound.address);
                assert_eq!(listener.tls, bound.tls);
            }
        }
        TcpStream::connect(listeners.bound[0].address).unwrap();
    }

    #[test]
    fn a_second_server_is_refused_though_the_kernel_would_share() {
        let first = Listeners::bind(&[any_port()], &[], 2).unwrap();
        let address = first.bound[0].address;
        let error = Listeners::bind(&[address], &[], 1).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }));
        assert!(error.to_string().contains("ss -ltnp"), "{error}");
        drop(first);
        Listeners::bind(&[address], &[], 1).unwrap();
    }

    #[test]
    fn a_foreign_address_is_explained() {
        let error = Listeners::bind(&["192.0.2.1:8080".parse().unwrap()], &[], 1).unwrap_err();
        assert!(matches!(error, ListenError::NotHere { .. }), "{error}");
    }

    #[test]
    fn a_machine_without_ipv6_is_explained() {
        let address = "[::]:80".parse().unwrap();
        let error = explain(address, Errno::AFNOSUPPORT.into()).to_string();
        assert!(error.contains("leave the IPv6 addresses out"), "{error}");
    }

    #[test]
    fn passed_sockets_are_shared_and_named() {
        let passed = |name: &str| Passed {
            fd: 3,
            socket: TcpListener::bind(any_port()).unwrap().into(),
            name: name.to_owned(),
        };
        let listeners = Listeners::share(vec![passed("http"), passed("https")], 2).unwrap();
        assert_eq!(listeners.per_shard.len(), 2);
        let tls: Vec<bool> = listeners.per_shard[1].iter().map(|l| l.tls).collect();
        assert_eq!(tls, [false, true]);
        assert!(is_tls("ringlane.socket", 8443) && is_tls("", 443) && !is_tls("", 80));
    }

    #[test]
    fn passed_descriptors_that_are_not_listeners_are_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let passed = Passed {
            fd: 3,
            socket: file.into(),
            name: String::new(),
        };
        let error = Listeners::share(vec![passed], 1).unwrap_err();
        assert!(error.to_string().contains("not a socket"), "{error}");
    }
}
