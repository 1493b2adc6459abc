//! Starts the shards, stands between them and the outside (signals, systemd, the terminal), and ends them.
//!
//! Nothing here is on the path of a request. The main thread sleeps until a shard or a signal has something to say,
//! or a report is due.

mod activation;
mod banner;
pub mod cert;
mod error;
mod lifecycle;
pub mod listen;
mod meter;
mod signals;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

use rustix::process::{Resource, Rlimit};
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use sd_notify::NotifyState;

use crate::config::{CertificateSource, Config, certificate};
use crate::shard;
use banner::Identity;
use cert::CurrentCertificate;
pub use error::ServerError;
use lifecycle::{Event, Lifecycle};
use listen::Listeners;
use signals::Signals;

/// Serves until SIGTERM or SIGINT.
///
/// To be called on the main thread before there is any other, since signals are blocked for all that follow.
///
/// # Errors
/// See [`ServerError`].
pub fn run(config: &Config) -> Result<(), ServerError> {
    let signals = Signals::block().map_err(ServerError::Signals)?;
    raise_descriptor_limit();
    let shards = config.cores().len();
    let passed = activation::passed_sockets()?;
    let listeners = if passed.is_empty() {
        Listeners::bind(config.http(), config.https(), shards)?
    } else {
        tracing::info!(
            "{} sockets passed by systemd are used instead of the configured addresses",
            passed.len()
        );
        Listeners::share(passed, shards)?
    };
    let tls = if listeners.any_tls() {
        Some(Tls::new(config.certificate())?)
    } else {
        None
    };

    let (events, inbox) = mpsc::channel();
    let to_main = events.clone();
    signals
        .forward(move |request| to_main.send(Event::Signal(request)).is_ok())
        .map_err(ServerError::Thread)?;
    shard::probe()?;
    let reports = forward_reports(events).map_err(ServerError::Thread)?;
    let mut lifecycle = Lifecycle::new(config, inbox, tls.as_ref());
    let bound = listeners.bound;
    for (index, (listeners, &core)) in listeners
        .per_shard
        .into_iter()
        .zip(config.cores())
        .enumerate()
    {
        let started = config
            .roots()
            .iter()
            .map(OwnedFd::try_clone)
            .collect::<Result<_, _>>()
            .map_err(ServerError::Root)
            .and_then(|roots| {
                let options = shard::Options {
                    index,
                    core,
                    listeners,
                    serving: shard::Serving {
                        roots,
                        sites: config.sites().clone(),
                        files: config.files(),
                    },
                    tls: tls.as_ref().map(|tls| Arc::clone(&tls.settings)),
                    timeouts: config.timeouts(),
                };
                shard::start(options, reports.clone()).map_err(ServerError::Start)
            });
        match started {
            Ok(handle) => lifecycle.add(handle),
            Err(error) => {
                lifecycle.abandon();
                return Err(error);
            }
        }
    }
    // What is left of the channel's senders belongs to the shards: it closes when the last of them is gone.
    drop(reports);

    if lifecycle.wait_until_ready()? {
        let identity = tls.as_ref().map(Tls::identity);
        say(&banner::banner(
            config.root_path(),
            &bound,
            config.cores(),
            identity,
        ));
        let status = format!(
            "serving {} on {shards} shards",
            config.root_path().display()
        );
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }
    lifecycle.run()
}

/// The TLS side of the server.
struct Tls {
    source: CertificateSource,
    current: Arc<CurrentCertificate>,
    settings: Arc<ServerConfig>,
    fingerprint: String,
    trust: Option<PathBuf>,
}

impl Tls {
    fn new(source: &CertificateSource) -> Result<Self, ServerError> {
        let (key, trust) = match source {
            CertificateSource::Files { loaded, .. } => (Arc::clone(loaded), None),
            CertificateSource::SelfSigned => {
                let made = cert::self_signed(cert::state_folder().as_deref())?;
                (made.key, made.path)
            }
        };
        let fingerprint = cert::fingerprint(&key);
        let current = CurrentCertificate::new(key);
        let settings = cert::tls_settings(Arc::clone(&current))?;
        Ok(Self {
            source: source.clone(),
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

    /// Reads the certificate again. On any error the one in use stays.
    fn reload(&self) {
        let key: Result<Arc<CertifiedKey>, String> = match &self.source {
            CertificateSource::Files { cert, key, .. } => {
                certificate::load(cert, key).map_err(|error| error.to_string())
            }
            CertificateSource::SelfSigned => cert::self_signed(cert::state_folder().as_deref())
                .map(|made| made.key)
                .map_err(|error| error.to_string()),
        };
        match key {
            Ok(key) => {
                tracing::info!(
                    "new connections get the certificate with SHA-256 {}",
                    cert::fingerprint(&key)
                );
                self.current.replace(key);
            }
            Err(error) => tracing::error!("the certificate in use stays: {error}"),
        }
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
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Tells systemd, if it asked to be told.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}
