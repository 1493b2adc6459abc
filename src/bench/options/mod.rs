//! What a run is to do: checked once, before anything is started.

mod compared;
mod error;
mod load;
mod protocol;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::args::{self, Args, Switch};
use super::figures::FIGURES;
use super::range::Asked;
use super::result::{LoadSetup, Setup, TargetSetup};
use super::target::{Origin, Target, parse_url, targets};
use super::verify::{Check, Expected, parse_sha256};
use crate::config::{available_cores, display_cores};
use crate::h2::client::{ClientConfig, FramePolicy};
use crate::transport::tls::Trust;

pub use compared::{Compared, compared};
pub use error::OptionsError;
use error::{conflict, out_of_range};

/// How long nothing may come when nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest content of a request: it is kept in memory.
const MAX_UPLOAD: u64 = 1 << 32;

/// How requests come. Every list has at least one entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// So many, each when one before it has ended.
    Requests(u64),
    /// For so long, each when one before it has ended.
    Closed {
        /// How long each step is.
        duration: Duration,
        /// Connections in each step.
        connections: Vec<u32>,
    },
    /// At fixed times.
    Open {
        /// How long each step is.
        duration: Duration,
        /// Requests per second in each step.
        rates: Vec<f64>,
    },
}

impl Load {
    /// How many steps there are.
    #[must_use]
    pub fn steps(&self) -> usize {
        match self {
            Self::Requests(_) => 1,
            Self::Closed { connections, .. } => connections.len(),
            Self::Open { rates, .. } => rates.len(),
        }
    }
}

/// Which part of a target is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// This range.
    Fixed(Asked),
    /// So many bytes from somewhere.
    Random(u64),
}

/// A protocol that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http1,
}

impl Protocol {
    /// Its name in ALPN (RFC 7301).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http1 => "http/1.1",
        }
    }
}

/// Where the server's costs are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerSource {
    /// These processes and their children.
    Pids(Vec<u32>),
    /// This control group.
    Cgroup(PathBuf),
}

/// Everything about a run. A value of this type has been checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where connections go.
    pub origin: Origin,
    /// What is asked for, at least one.
    pub targets: Vec<Target>,
    /// How requests come.
    pub load: Load,
    /// Connections, all cores together; of a ramp the most.
    pub connections: u32,
    /// Requests in flight on one connection at most.
    pub streams: u32,
    /// Time before measuring.
    pub warmup: Duration,
    /// Time without a byte after which something is given up.
    pub timeout: Duration,
    /// Cores to make load from, at most one for each connection.
    pub cores: Vec<usize>,
    /// Fields of each request, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Which part of a target is asked for.
    pub part: Part,
    /// Content of each request.
    pub upload: Option<Bytes>,
    /// Protocols that are offered, the preferred one first. In the clear only the first is spoken.
    pub protocols: Vec<Protocol>,
    /// What HTTP/2 servers are allowed.
    pub h2: ClientConfig,
    /// When they may send larger frames.
    pub frame_policy: FramePolicy,
    /// Which servers are trusted.
    pub trust: Trust,
    /// Whether TLS sessions are resumed.
    pub tls_resumption: bool,
    /// Where the server's costs are read.
    pub server: Option<ServerSource>,
}

impl Options {
    /// Checks what was typed.
    ///
    /// # Errors
    /// See [`OptionsError`]; each says what to write instead.
    pub fn new(args: &Args) -> Result<Self, OptionsError> {
        let unknown = |figure: &&String| !FIGURES.iter().any(|known| known.name == **figure);
        let mut limited = args
            .max_loss
            .iter()
            .filter_map(|limit| limit.figure.as_ref());
        if let Some(figure) = limited.find(unknown) {
            return Err(OptionsError::NoSuchFigure(figure.clone()));
        }
        let check = check(args)?;
        let (mut origin, targets) = targets(&args.urls, args.urls_from.as_deref(), &check)?;
        let (load, connections) = load::load(&args.load)?;
        let protocols = protocol::protocols(&args.load, origin.tls)?;
        let streams = protocol::streams(&args.load, &protocols)?;
        let fields = protocol::fields(&args.load.headers, &mut origin)?;
        let (h2, frame_policy) = protocol::h2(&args.load)?;
        let timeout = args.load.timeout.map_or(DEFAULT_TIMEOUT, |time| time.0);
        if timeout.is_zero() {
            return Err(out_of_range("--timeout", "longer than 0", "0"));
        }
        Ok(Self {
            trust: protocol::trust(&args.load, origin.tls)?,
            origin,
            targets,
            load,
            connections,
            streams,
            warmup: args.load.warmup.map_or(Duration::ZERO, |time| time.0),
            timeout,
            cores: cores(args, connections)?,
            fields,
            part: part(args)?,
            upload: upload(args)?,
            protocols,
            h2,
            frame_policy,
            tls_resumption: args.load.tls_resumption != Some(Switch::Off),
            server: server(args)?,
        })
    }

    /// The fields of each request, with `Host` where it is not the URL's.
    fn added_fields(&self) -> Vec<(String, String)> {
        let authority = &self.origin.authority;
        let typed = self.targets.first().map(|target| parse_url(&target.url));
        let is_other = matches!(typed, Some(Ok((origin, _))) if origin.authority != *authority);
        let host = is_other.then(|| ("host".to_owned(), authority.clone()));
        self.fields.iter().cloned().chain(host).collect()
    }

    /// The options as they stand in a result.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let names: Vec<_> = self.protocols.iter().map(|p| p.name()).collect();
        let target = |target: &Target| TargetSetup {
            url: target.url.clone(),
            weight: target.weight,
        };
        let mut checks = self.targets.iter().map(|target| target.check.name());
        let ramp = |steps: &Vec<u32>| match steps[..] {
            [_] => Vec::new(),
            _ => steps.clone(),
        };
        Setup {
            targets: self.targets.iter().map(target).collect(),
            load: match &self.load {
                Load::Requests(requests) => LoadSetup::ClosedRequests {
                    requests: *requests,
                },
                Load::Closed {
                    duration,
                    connections,
                } => LoadSetup::ClosedDuration {
                    duration_s: duration.as_secs_f64(),
                    steps: ramp(connections),
                },
                Load::Open { duration, rates } => LoadSetup::Open {
                    rates: rates.clone(),
                    duration_s: duration.as_secs_f64(),
                },
            },
            connections: self.connections,
            streams: self.streams,
            cores: self.cores.clone(),
            warmup_s: self.warmup.as_secs_f64(),
            timeout_s: self.timeout.as_secs_f64(),
            protocol: names.join(","),
            window_bytes: self.h2.initial_window_size,
            connection_window_bytes: self.h2.connection_window,
            max_frame_size_bytes: self.h2.max_frame_size,
            frame_policy: match self.frame_policy {
                FramePolicy::None => "none",
                FramePolicy::Medium => "medium",
                FramePolicy::Large => "large",
                FramePolicy::Sufficient => "sufficient",
            }
            .to_owned(),
            tls_resumption: self.tls_resumption,
            fields: protocol::marks(&self.added_fields()),
            upload_bytes: self.upload.as_ref().map_or(0, |body| body.len() as u64),
            range: match &self.part {
                Part::Whole => None,
                Part::Fixed(range) => Some(format!("bytes={range}")),
                Part::Random(bytes) => Some(format!("random:{bytes}")),
            },
            verify: checks
                .find(|&name| name != "none")
                .unwrap_or("none")
                .to_owned(),
        }
    }
}

fn check(args: &Args) -> Result<Check, OptionsError> {
    match (&args.load.verify, &args.load.expect) {
        (Some(_), Some(_)) => Err(conflict("--verify", "--expect", "one check is enough")),
        (Some(hash), None) => parse_sha256(hash).map(Check::Sha256),
        (None, Some(file)) => Expected::open(file).map(|expected| Check::File(Arc::new(expected))),
        (None, None) => Ok(Check::None),
    }
}

fn part(args: &Args) -> Result<Part, OptionsError> {
    match (&args.load.range, args.load.random_range) {
        (Some(_), Some(_)) => Err(conflict(
            "--range",
            "--random-range",
            "a request has one range",
        )),
        (None, None) => Ok(Part::Whole),
        (None, Some(args::Bytes(0))) => Err(out_of_range("--random-range", "at least 1", 0)),
        (None, Some(bytes)) => Ok(Part::Random(bytes.0)),
        (Some(range), None) => match Asked::parse(range) {
            Some(range) => Ok(Part::Fixed(range)),
            None => Err(OptionsError::ByteRange(range.clone())),
        },
    }
}

/// Zeros by number, or a file's contents.
fn upload(args: &Args) -> Result<Option<Bytes>, OptionsError> {
    let Some(text) = &args.load.upload else {
        return Ok(None);
    };
    let too_much = |bytes: u64| out_of_range("--upload", "at most 4g", bytes);
    if let Ok(args::Bytes(bytes)) = text.parse() {
        if bytes > MAX_UPLOAD {
            return Err(too_much(bytes));
        }
        return Ok(Some(vec![0; bytes as usize].into()));
    }
    let path = Path::new(text);
    let failed = |error| OptionsError::file(path, &error);
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(OptionsError::NoFile(path.to_owned()));
    }
    if metadata.len() > MAX_UPLOAD {
        return Err(too_much(metadata.len()));
    }
    Ok(Some(fs::read(path).map_err(failed)?.into()))
}

fn cores(args: &Args, connections: u32) -> Result<Vec<usize>, OptionsError> {
    let available = available_cores().map_err(|_| OptionsError::NoCores)?;
    let mut cores = match &args.load.cores {
        None => available.clone(),
        Some(list) => list.cores().to_vec(),
    };
    let missing: Vec<usize> = cores
        .iter()
        .copied()
        .filter(|core| !available.contains(core))
        .collect();
    if !missing.is_empty() {
        return Err(OptionsError::Cores {
            asked: display_cores(&missing),
            available: display_cores(&available),
        });
    }
    cores.truncate(connections as usize);
    Ok(cores)
}

fn server(args: &Args) -> Result<Option<ServerSource>, OptionsError> {
    match (&args.pid[..], &args.server_cgroup) {
        ([], None) => Ok(None),
        ([], Some(path)) => Ok(Some(ServerSource::Cgroup(path.clone()))),
        (pids, None) => Ok(Some(ServerSource::Pids(pids.to_vec()))),
        (_, Some(_)) => Err(conflict(
            "--pid",
            "--server-cgroup",
            "the server's costs are read in one place",
        )),
    }
}
