//! Validated configuration: what was typed or written in a file ([`File`]) becomes a [`Config`] that cannot be
//! wrong, once, before anything is started.
//!
//! Nothing here binds a socket, starts a thread or writes a file.

pub mod certificate;
mod congestion;
mod cores;
mod error;
mod file;
mod rules;
mod shapes;
mod sites;
#[cfg(test)]
mod sites_tests;
mod tables;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;

use crate::files::FilesConfig;
use crate::h2::{Keepalive, Timeouts};
use crate::site::Sites;

pub use congestion::CongestionControl;
pub use cores::available as available_cores;
pub use error::ConfigError;
pub use file::{File, Source};
pub use rules::RuleTable;
pub use shapes::{List, Parsed};
pub use sites::open_root;
pub use tables::{FilesTable, MountTable, Seconds, SiteTable};
pub use values::{CoreList, Listen, ListenList, LogLevel, display_cores};

/// Where HTTP/2 in the clear is served unless something else is asked for.
pub const DEFAULT_HTTP: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where HTTP/2 over TLS is served unless something else is asked for.
pub const DEFAULT_HTTPS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
/// Seconds that streams in flight get at the end unless something else is asked for.
pub const DEFAULT_DRAIN_TIMEOUT_SECONDS: u32 = 30;
/// Seconds without a request after which a connection is ended unless something else is asked for: about when Firefox
/// gives its own up (170), between what nginx (75) and Caddy (300) take.
pub const DEFAULT_IDLE_TIMEOUT_SECONDS: u32 = 180;
/// Seconds that a silent peer has to answer a PING unless something else is asked for: as in gRPC.
pub const DEFAULT_KEEPALIVE_TIMEOUT_SECONDS: u32 = 20;

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// Made by ringlane and kept in the user's state folder.
    SelfSigned,
    /// Given by the user.
    Files(CertificateFiles),
}

impl CertificateSource {
    fn files(&self) -> Option<&CertificateFiles> {
        match self {
            Self::SelfSigned => None,
            Self::Files(files) => Some(files),
        }
    }
}

/// A certificate given by the user; loaded, and known to match its key.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain's file, read again on reload.
    pub cert: PathBuf,
    /// The key's file, read again on reload.
    pub key: PathBuf,
    /// What was in them.
    pub loaded: Arc<CertifiedKey>,
}

impl CertificateFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// See [`CertificateError`](certificate::CertificateError).
    pub fn load(cert: &Path, key: &Path) -> Result<Self, certificate::CertificateError> {
        Ok(Self {
            loaded: certificate::load(cert, key)?,
            cert: cert.to_owned(),
            key: key.to_owned(),
        })
    }

    /// That clients refuse it at this time for its dates, if they do. It is served all the same: some do not look.
    pub fn out_of_date(&self, now: SystemTime) -> Option<String> {
        certificate::out_of_date(self.cert.display(), &self.loaded, now)
    }
}

/// Everything that the server needs to know. A value of this type has been checked.
#[derive(Debug)]
pub struct Config {
    roots: Vec<OwnedFd>,
    sites: Sites,
    example_host: Option<String>,
    files: FilesConfig,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    certificate: CertificateSource,
    site_certificates: Vec<CertificateFiles>,
    cores: Vec<usize>,
    report: Option<Duration>,
    drain_timeout: Duration,
    timeouts: Timeouts,
    congestion_control: CongestionControl,
    kernel_tls: bool,
    busy_poll: Option<NonZeroU32>,
    log_level: LogLevel,
}

impl Config {
    /// Checks the settings and fills in what is absent.
    ///
    /// To be called before any thread is pinned: the cores come from the caller's own affinity mask.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn new(settings: File) -> Result<Self, ConfigError> {
        let certificate = match (&settings.cert, &settings.key) {
            (None, None) => CertificateSource::SelfSigned,
            (Some(_), None) => return Err(ConfigError::CertWithoutKey),
            (None, Some(_)) => return Err(ConfigError::KeyWithoutCert),
            (Some(cert), Some(key)) => CertificateSource::Files(CertificateFiles::load(cert, key)?),
        };
        let served = sites::served(&settings, certificate.files())?;
        let http = addresses("http", settings.http, DEFAULT_HTTP)?;
        let https = addresses("https", settings.https, DEFAULT_HTTPS)?;
        if http.is_empty() && https.is_empty() {
            return Err(ConfigError::NothingToListenOn);
        }
        all_apart(&http, &https)?;
        let cores = cores::choose(
            &cores::available()?,
            settings.cores.as_ref(),
            settings.shards,
        )?;
        let drain_timeout = settings
            .drain_timeout
            .unwrap_or(DEFAULT_DRAIN_TIMEOUT_SECONDS);
        Ok(Self {
            roots: served.roots,
            sites: served.sites,
            example_host: served.example_host,
            files: sites::files(&settings.files),
            http,
            https,
            certificate,
            site_certificates: served.certificates,
            cores,
            report: settings
                .report
                .map(|seconds| Duration::from_secs(u64::from(seconds.get()))),
            drain_timeout: Duration::from_secs(u64::from(drain_timeout)),
            timeouts: timeouts(
                settings.idle_timeout,
                settings.keepalive_interval,
                settings.keepalive_timeout,
            )?,
            congestion_control: CongestionControl::new(settings.congestion_control)?,
            kernel_tls: settings.kernel_tls.unwrap_or(false),
            busy_poll: settings.busy_poll,
            log_level: settings.log_level.unwrap_or_default(),
        })
    }

    /// The folders served, opened with `O_PATH | O_DIRECTORY`: those of [`Sites::mounts`], in their order. Once taken they
    /// are the caller's to close.
    pub fn take_roots(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.roots)
    }

    /// Which of them a request is for, and how what lies there is treated.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// A host to try the server by, where it does not answer for every host: as in a URL, without a port.
    pub fn example_host(&self) -> Option<&str> {
        self.example_host.as_deref()
    }

    /// Settings that hold for every file.
    pub fn files(&self) -> FilesConfig {
        self.files
    }

    /// Where to listen for HTTP/2 in the clear; port 0 lets the kernel pick.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where to listen for HTTP/2 over TLS; port 0 lets the kernel pick.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Where the certificate comes from that is for every host without another.
    pub fn certificate(&self) -> &CertificateSource {
        &self.certificate
    }

    /// The certificates that sites have of their own, in the order of [`CertificateId`](crate::site::CertificateId), from
    /// 1 on.
    pub fn site_certificates(&self) -> &[CertificateFiles] {
        &self.site_certificates
    }

    /// All certificates that the user gave.
    pub fn given_certificates(&self) -> impl Iterator<Item = &CertificateFiles> {
        let default = self.certificate.files();
        default.into_iter().chain(&self.site_certificates)
    }

    /// The cores, one shard on each; never empty.
    pub fn cores(&self) -> &[usize] {
        &self.cores
    }

    /// The time between report lines, when they are wanted.
    pub fn report(&self) -> Option<Duration> {
        self.report
    }

    /// How long streams in flight may take at the end.
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// When an idle or silent peer is given up.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The congestion control of connections.
    pub fn congestion_control(&self) -> &CongestionControl {
        &self.congestion_control
    }

    /// Whether sockets seal what is sent over TLS, where the kernel can.
    pub fn kernel_tls(&self) -> bool {
        self.kernel_tls
    }

    /// Microseconds for which network cards are polled before a shard sleeps.
    pub fn busy_poll(&self) -> Option<NonZeroU32> {
        self.busy_poll
    }

    /// How much is logged.
    pub fn log_level(&self) -> LogLevel {
        self.log_level
    }
}

fn timeouts(
    idle: Option<u32>,
    interval: Option<NonZeroU32>,
    timeout: Option<NonZeroU32>,
) -> Result<Timeouts, ConfigError> {
    let ns = |seconds: u32| u64::from(seconds) * 1_000_000_000;
    let idle = idle.unwrap_or(DEFAULT_IDLE_TIMEOUT_SECONDS);
    if interval.is_none() && timeout.is_some() {
        return Err(ConfigError::KeepaliveWithoutInterval);
    }
    Ok(Timeouts {
        idle_ns: (idle > 0).then(|| ns(idle)),
        keepalive: interval.map(|interval| Keepalive {
            interval_ns: ns(interval.get()),
            timeout_ns: ns(timeout.map_or(DEFAULT_KEEPALIVE_TIMEOUT_SECONDS, NonZeroU32::get)),
        }),
    })
}

fn addresses(
    kind: &'static str,
    given: Option<ListenList>,
    default: SocketAddr,
) -> Result<Vec<SocketAddr>, ConfigError> {
    let Some(ListenList(given)) = given else {
        return Ok(vec![default]);
    };
    let list: Vec<_> = given
        .iter()
        .filter_map(|listen| match *listen {
            Listen::Off => None,
            Listen::At(address) => Some(address),
        })
        .collect();
    if !list.is_empty() && list.len() < given.len() {
        return Err(ConfigError::NoneAmongAddresses { kind });
    }
    Ok(list)
}

/// Whether every address can be listened on beside the others; whether it can be at all is the kernel's to say.
fn all_apart(http: &[SocketAddr], https: &[SocketAddr]) -> Result<(), ConfigError> {
    let http = http.iter().map(|&address| ("http", address));
    let all: Vec<_> = http
        .chain(https.iter().map(|&address| ("https", address)))
        .filter(|(_, address)| address.port() != 0)
        .collect();
    for (index, &(first_kind, first)) in all.iter().enumerate() {
        for &(kind, address) in &all[index + 1..] {
            if first == address {
                return Err(if first_kind == kind {
                    ConfigError::AddressTwice { kind, address }
                } else {
                    ConfigError::BothKinds { address }
                });
            }
            let [(wide_kind, wide), (narrow_kind, narrow)] = if first.ip().is_unspecified() {
                [(first_kind, first), (kind, address)]
            } else {
                [(kind, address), (first_kind, first)]
            };
            if wide.ip().is_unspecified()
                && wide.port() == narrow.port()
                && wide.is_ipv4() == narrow.is_ipv4()
            {
                return Err(ConfigError::Covered {
                    wide_kind,
                    wide,
                    narrow_kind,
                    narrow,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_defaults_and_zero_is_never() {
        const SECOND: u64 = 1_000_000_000;
        let default = timeouts(None, None, None).unwrap();
        assert_eq!(default.idle_ns, Some(180 * SECOND));
        assert_eq!(default.keepalive, None);
        assert_eq!(timeouts(Some(0), None, None).unwrap().idle_ns, None);
        let keepalive = timeouts(None, NonZeroU32::new(30), None).unwrap().keepalive;
        let expected = Keepalive {
            interval_ns: 30 * SECOND,
            timeout_ns: 20 * SECOND,
        };
        assert_eq!(keepalive, Some(expected));
        let error = timeouts(None, None, NonZeroU32::new(1)).unwrap_err();
        assert!(error.to_string().contains("keepalive-interval"));
    }
}
