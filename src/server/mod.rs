//! Starts the shards, stands between them and the outside (signals, systemd, the terminal), and ends them.
//!
//! Nothing here is on the path of a request. The main thread sleeps until a shard or a signal has something to say,
//! or a report is due.

mod activation;
mod banner;
pub mod cert;
pub mod console;
mod error;
mod lifecycle;
pub mod listen;
mod meter;
mod roots;
mod signals;
pub mod sni;

use std::io::Write;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::SystemTime;

use rustix::process::{Resource, Rlimit};
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use sd_notify::NotifyState;

use crate::config::{CertificateFiles, CertificateSource, Config, CongestionControl, certificate};
use crate::shard;
use banner::Identity;
pub use error::ServerError;
use lifecycle::{Event, Lifecycle};
use listen::Listeners;
use signals::Signals;
use sni::Certificates;

/// Serves until SIGTERM or SIGINT.
///
/// To be called on the main thread before there is any other, since signals are blocked for all that follow.
///
/// # Errors
/// See [`ServerError`].
pub fn run(mut config: Config) -> Result<(), ServerError> {
    // Not kept: one that is replaced is to be closed.
    let roots = Arc::new(shard::Roots::from_pointee(config.take_roots()));
    let config = &config;
    let signals = Signals::block().map_err(ServerError::Signals)?;
    raise_descriptor_limit();
    let shards = config.cores().len();
    let passed = activation::passed_sockets()?;
    let listeners = if passed.is_empty() {
        let listeners = Listeners::bind(config.http(), config.https(), shards)?;
        listeners.set_congestion_control(config.congestion_control());
        listeners
    } else {
        tracing::info!(
            "{} sockets passed by systemd are used instead of the configured addresses",
            passed.len()
        );
        // A unit that passes sockets says it in theirs (TCPCongestion=).
        let listeners = Listeners::share(passed, shards)?;
        if *config.congestion_control() != CongestionControl::Suitable {
            listeners.set_congestion_control(config.congestion_control());
        }
        listeners
    };
    let tls = if listeners.any_tls() {
        Some(Tls::new(config)?)
    } else {
        None
    };

    let (events, inbox) = mpsc::channel();
    let to_main = events.clone();
    signals
        .forward(move |request| to_main.send(Event::Signal(request)).is_ok())
        .map_err(ServerError::Thread)?;
    shard::probe(config.busy_poll())?;
    let needed = shard::descriptors(shards, config.sites().mounts().len());
    shard::probe_descriptors(needed).map_err(|error| ServerError::Descriptors {
        shards,
        needed,
        error,
    })?;
    let to_main = events.clone();
    let replaced = move || {
        // Nobody listens only when the server is ending.
        let _ = to_main.send(Event::OtherRoots);
    };
    let reports = forward_reports(events).map_err(ServerError::Thread)?;
    roots::watch(config, Arc::clone(&roots), replaced).map_err(ServerError::Thread)?;
    let mut lifecycle = Lifecycle::new(config, inbox, tls.as_ref());
    let bound = listeners.bound;
    for (index, (listeners, &core)) in listeners
        .per_shard
        .into_iter()
        .zip(config.cores())
        .enumerate()
    {
        let options = shard::Options {
            index,
            core,
            listeners,
            serving: shard::Serving {
                roots: Arc::clone(&roots),
                sites: config.sites().clone(),
                files: config.files(),
            },
            tls: tls.as_ref().map(|tls| Arc::clone(&tls.settings)),
            kernel_tls: config.kernel_tls(),
            busy_poll: config.busy_poll(),
            timeouts: config.timeouts(),
        };
        match shard::start(options, reports.clone()) {
            Ok(handle) => lifecycle.add(handle),
            Err(error) => {
                lifecycle.abandon();
                return Err(ServerError::Start(error));
            }
        }
    }
    // What is left of the channel's senders belongs to the shards: it closes when the last of them is gone.
    drop(reports);

    if lifecycle.wait_until_ready()? {
        let identity = tls.as_ref().map(Tls::identity);
        let served = served(config);
        say(&banner::banner(
            &served,
            &bound,
            config.cores(),
            identity,
            config.example_host(),
        ));
        let status = format!("serving {served} on {shards} shards");
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }
    lifecycle.run()
}

/// What is served, for people to read: the first folder, and how many others there are.
fn served(config: &Config) -> String {
    let mounts = config.sites().mounts();
    let first = mounts.first().map(|mount| mount.path.display());
    let first = first.map_or_else(String::new, |path| path.to_string());
    match mounts.len() {
        0 | 1 => first,
        2 => format!("{first} and another folder"),
        count => format!("{first} and {} other folders", count - 1),
    }
}

/// The TLS side of the server.
struct Tls {
    source: CertificateSource,
    of_sites: Vec<CertificateFiles>,
    current: Arc<Certificates>,
    settings: Arc<ServerConfig>,
    fingerprint: String,
    trust: Option<PathBuf>,
}

impl Tls {
    fn new(config: &Config) -> Result<Self, ServerError> {
        let source = config.certificate();
        let (default, trust) = match source {
            CertificateSource::Files(files) => (Arc::clone(&files.loaded), None),
            CertificateSource::SelfSigned => {
                let made = cert::self_signed(cert::state_folder().as_deref(), None)?;
                (made.key, made.path)
            }
        };
        let now = SystemTime::now();
        for refused in config
            .given_certificates()
            .filter_map(|files| files.out_of_date(now))
        {
            tracing::warn!("{refused}");
        }
        let fingerprint = cert::fingerprint(&default);
        let of_sites = config.site_certificates().to_vec();
        let keys = of_sites.iter().map(|files| Arc::clone(&files.loaded));
        let keys = iter::once(default).chain(keys).collect();
        let current = Certificates::new(config.sites().clone(), keys);
        let settings = cert::tls_settings(Arc::clone(&current))?;
        Ok(Self {
            source: source.clone(),
            of_sites,
            current,
            settings: Arc::new(settings),
            fingerprint,
            trust,
        })
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            fingerprint: &self.fingerprint,
            self_signed: matches!(self.source, CertificateSource::SelfSigned),
            trust: self.trust.as_deref(),
        }
    }

    /// Reads all certificates again. On any error all those in use stay.
    fn reload(&self) {
        let now = SystemTime::now();
        match self.read_again() {
            Ok(certificates) => {
                let keys = certificates.iter().map(|(_, key)| Arc::clone(key));
                self.current.replace(keys.collect());
                for (name, key) in &certificates {
                    tracing::info!(
                        "new connections get the certificate {name} with SHA-256 {}",
                        cert::fingerprint(key)
                    );
                    if let Some(refused) = certificate::out_of_date(name, key, now) {
                        tracing::warn!("{refused}");
                    }
                }
            }
            Err(error) if self.of_sites.is_empty() => {
                tracing::error!("the certificate in use stays: {error}");
            }
            Err(error) => tracing::error!("the certificates in use all stay: {error}"),
        }
    }

    /// Each certificate by its name, in their order.
    fn read_again(&self) -> Result<Vec<(String, Arc<CertifiedKey>)>, String> {
        let read = |files: &CertificateFiles| {
            CertificateFiles::load(&files.cert, &files.key)
                .map(|files| (files.cert.display().to_string(), files.loaded))
                .map_err(|error| error.to_string())
        };
        let default = match &self.source {
            CertificateSource::Files(files) => read(files)?,
            CertificateSource::SelfSigned => {
                let in_use = self.current.default_key();
                let made = cert::self_signed(cert::state_folder().as_deref(), in_use.as_ref())
                    .map_err(|error| error.to_string())?;
                let name = made.path.map(|path| path.display().to_string());
                (name.unwrap_or_else(|| "in memory".to_owned()), made.key)
            }
        };
        iter::once(Ok(default))
            .chain(self.of_sites.iter().map(read))
            .collect()
    }
}

/// Starts the thread that hands on what shards report, and says when the last shard is gone.
fn forward_reports(events: mpsc::Sender<Event>) -> std::io::Result<mpsc::Sender<shard::Report>> {
    let (reports, from_shards) = mpsc::channel();
    std::thread::Builder::new()
        .name("reports".to_owned())
        .spawn(move || {
            for report in from_shards {
                if events.send(Event::Shard(report)).is_err() {
                    return;
                }
            }
            let _ = events.send(Event::ShardsGone);
        })?;
    Ok(reports)
}

/// Each connection and each open file takes a descriptor, and the soft limit is often 1,024 for the sake of select(2),
/// which is not used here.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!("cannot raise the limit on open files: {error}");
    }
}

/// Prints to stdout. That nobody reads it any more is no reason to stop serving.
fn say(text: &str) {
    let _ = console::output().write_all(text.as_bytes());
}

/// Tells systemd, if it asked to be told.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}
