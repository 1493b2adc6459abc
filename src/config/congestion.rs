//! Which congestion control the connections have: set at the listening socket, from which they inherit it.
//!
//! An algorithm such as BBR paces: it spreads the packets of a connection in time, each at the expiry of a timer, for
//! the sake of the queues between two machines. Within a machine there is none, and the timers are cost and nothing
//! else (`benches/PERFORMANCE.md`). So a listener on a loopback address takes Reno, which every Linux has and everybody
//! may use, and which never paces; all others have the system's own.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_congestion;
use rustix::net::{AddressFamily, SocketType};

use super::ConfigError;

/// What loopback addresses have when nothing was asked for.
const UNPACED: &str = "reno";

/// The choice of an algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CongestionControl {
    /// The one that suits the address.
    #[default]
    Suitable,
    /// The system's own, on loopback addresses too.
    System,
    /// The one of that name, which this process may use.
    Named(String),
}

impl CongestionControl {
    /// Checks a name with this kernel.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub(super) fn new(name: Option<String>) -> Result<Self, ConfigError> {
        let name = match name {
            None => return Ok(Self::Suitable),
            Some(name) if name == "system" => return Ok(Self::System),
            Some(name) => name,
        };
        let tried = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)
            .and_then(|socket| set_tcp_congestion(socket, &name));
        match tried {
            Ok(()) => Ok(Self::Named(name)),
            Err(Errno::PERM) => Err(ConfigError::CongestionControlForbidden { name }),
            Err(errno) => Err(ConfigError::CongestionControl { name, errno }),
        }
    }

    /// Has the connections of a listener on `address` use it. Where that fails, which a checked name does not, they have
    /// the system's own.
    pub fn apply(&self, listener: impl AsFd, address: SocketAddr) {
        let name = match self {
            Self::Named(name) => name,
            Self::Suitable if address.ip().to_canonical().is_loopback() => UNPACED,
            Self::Suitable | Self::System => return,
        };
        if let Err(errno) = set_tcp_congestion(listener, name) {
            tracing::warn!(%address, %errno, "the system's congestion control is used instead of {name}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::sockopt::tcp_congestion;

    use super::*;

    fn of_an_accepted_connection(address: &str, name: Option<&str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let choice = CongestionControl::new(name.map(str::to_owned)).unwrap();
        choice.apply(&listener, address.parse().unwrap());
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        tcp_congestion(listener.accept().unwrap().0).unwrap()
    }

    #[test]
    fn connections_within_a_machine_are_not_paced() {
        let system = tcp_congestion(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        for (address, name, expected) in [
            ("127.0.0.1:80", None, UNPACED),
            ("[::1]:80", None, UNPACED),
            ("[::ffff:127.0.0.1]:80", None, UNPACED),
            ("0.0.0.0:80", None, &*system),
            ("192.0.2.1:80", None, &system),
            ("127.0.0.1:80", Some("system"), &system),
            ("192.0.2.1:80", Some(UNPACED), UNPACED),
        ] {
            let found = of_an_accepted_connection(address, name);
            assert_eq!(found, expected, "{address} {name:?}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_have_is_explained() {
        for name in ["nosuch", "", "a-name-longer-than-the-kernel-has-room-for"] {
            let error = CongestionControl::new(Some(name.to_owned())).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("net.ipv4.tcp_available_congestion_control"),
                "{text}"
            );
        }
    }
}
