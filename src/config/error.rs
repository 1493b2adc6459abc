//! Why a configuration is refused, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::io::Errno;

use super::certificate::CertificateError;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given by `--config` cannot be read.
    #[error("cannot read {}: {source}; check the path given to --config", .path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{}:{line}: {}{message}", .path.display(), .key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key, where one can be told.
        key: Option<String>,
        /// What is wrong.
        message: String,
    },
    /// The folder to serve cannot be opened.
    #[error("cannot serve {}: {source}; give a folder that this user may read, for example `ringlane serve /srv/files`", .path.display())]
    Root {
        /// The path as given.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file that names no folder: the current one of a service is `/`, or any other that nobody chose.
    #[error(
        "{}: no folder to serve is named: write `root = \"/srv/files\"` or a [[site]], or give one before --config, such as `.` for the current one", .path.display()
    )]
    NoRoot {
        /// The file.
        path: PathBuf,
    },
    /// The kernel has no such congestion control.
    #[error(
        "congestion-control: {name:?} cannot be had ({errno}): `sysctl net.ipv4.tcp_available_congestion_control` lists what can"
    )]
    CongestionControl {
        /// The algorithm.
        name: String,
        /// The reason.
        errno: Errno,
    },
    /// Not everybody may use it.
    #[error(
        "congestion-control: {name:?} needs CAP_NET_ADMIN, or to be named in `sysctl net.ipv4.tcp_allowed_congestion_control`"
    )]
    CongestionControlForbidden {
        /// The algorithm.
        name: String,
    },
    /// Both kinds are switched off.
    #[error("nothing to listen on: http and https are both `none`; give an address to one of them")]
    NothingToListenOn,
    /// `none` beside an address.
    #[error("{kind} has `none` beside an address: leave out one of the two")]
    NoneAmongAddresses {
        /// `http` or `https`.
        kind: &'static str,
    },
    /// The same address twice.
    #[error("{kind} has {address} twice: leave out one of them")]
    AddressTwice {
        /// `http` or `https`.
        kind: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The same address for both kinds.
    #[error("{address} is given to both http and https: give one of them another port")]
    BothKinds {
        /// The address.
        address: SocketAddr,
    },
    /// Every address with a port, and one of them with the same.
    #[error(
        "{wide_kind} has {wide}, which is every address with that port, {narrow_kind}'s {narrow} among them: give one of the two another port, or leave it out (`none` switches a kind off)"
    )]
    Covered {
        /// `http` or `https`.
        wide_kind: &'static str,
        /// The unspecified address.
        wide: SocketAddr,
        /// `http` or `https`.
        narrow_kind: &'static str,
        /// The other one.
        narrow: SocketAddr,
    },
    /// A certificate without its key.
    #[error("a certificate is given without its key: add --key FILE (`key` in the file)")]
    CertWithoutKey,
    /// A key without its certificate.
    #[error("a key is given without its certificate: add --cert FILE (`cert` in the file)")]
    KeyWithoutCert,
    /// A time to answer, and no question.
    #[error(
        "keepalive-timeout is given without keepalive-interval: add the seconds of silence after which a peer is asked"
    )]
    KeepaliveWithoutInterval,
    /// The certificate or key cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The system does not say on which cores this process may run.
    #[error("cannot learn on which cores this process may run: is sched_getaffinity(2) forbidden?")]
    NoCores,
    /// Cores that this process may not use.
    #[error(
        "cores {asked} are not available to this process: choose among {available} (its affinity mask; see `taskset -pc $$`)"
    )]
    CoresUnavailable {
        /// Those asked for that are missing.
        asked: String,
        /// Those that could be chosen.
        available: String,
    },
    /// More shards than cores.
    #[error(
        "{shards} shards need {shards} cores, but there are {count} ({cores}): ask for {count} shards or fewer, since each shard is pinned to a core of its own"
    )]
    TooManyShards {
        /// Shards asked for.
        shards: usize,
        /// Cores there are.
        count: usize,
        /// The cores.
        cores: String,
    },
}
