//! The settings as written: in a TOML file, or (through [`cli`](crate::cli)) as flags.

use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::ConfigError;
use super::rules::RuleTable;
use super::tables::{FilesTable, MountTable, SiteTable};
use super::values::{CoreList, ListenList, LogLevel};

/// The settings that were given; what is absent gets its default later, in [`Config`](super::Config).
///
/// Keys have the names of the flags. Unknown keys are refused.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The folder to serve.
    pub root: Option<Spanned<PathBuf>>,
    /// The one that was given as an argument, which goes before it and stands in no line.
    #[serde(skip)]
    pub root_argument: Option<PathBuf>,
    /// Addresses for HTTP/2 in the clear.
    pub http: Option<ListenList>,
    /// Addresses for HTTP/2 over TLS.
    pub https: Option<ListenList>,
    /// The certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// The private key, PEM.
    pub key: Option<PathBuf>,
    /// The cores that shards may be pinned to.
    pub cores: Option<CoreList>,
    /// How many shards.
    pub shards: Option<NonZeroUsize>,
    /// Seconds between report lines.
    pub report: Option<NonZeroU32>,
    /// Seconds that streams in flight get at the end.
    pub drain_timeout: Option<u32>,
    /// Seconds without a request after which a connection is ended; 0 for never.
    pub idle_timeout: Option<u32>,
    /// Seconds of silence after which a peer is asked whether it is there.
    pub keepalive_interval: Option<NonZeroU32>,
    /// Seconds that it has to answer.
    pub keepalive_timeout: Option<NonZeroU32>,
    /// The congestion control of connections, or `system`.
    pub congestion_control: Option<String>,
    /// Whether sockets seal what is sent over TLS, where the kernel can.
    pub kernel_tls: Option<bool>,
    /// Microseconds for which network cards are polled before a shard sleeps.
    pub busy_poll: Option<NonZeroU32>,
    /// How much is logged.
    pub log_level: Option<LogLevel>,
    /// Settings for every file.
    #[serde(default)]
    pub files: FilesTable,
    /// Further folders of the hosts that no site has.
    #[serde(default)]
    pub mounts: Vec<MountTable>,
    /// Rules for every site.
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleTable>,
    /// Sites with hosts of their own.
    #[serde(default, rename = "site")]
    pub sites: Vec<SiteTable>,
    /// The file, for errors that are found later.
    #[serde(skip)]
    pub source: Option<Source>,
}

/// What was read, to say where in it something is wrong.
#[derive(Clone, Debug, Default)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about what stands at byte `at`.
    pub fn error(&self, at: usize, message: impl Display) -> ConfigError {
        let start = at.min(self.text.len());
        let before = &self.text.as_bytes()[..start];
        ConfigError::File {
            path: self.path.clone(),
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            key: key_at(&self.text, start),
            message: message.to_string().trim().replace('\n', ", "),
        }
    }
}

impl File {
    /// Reads a file. Relative paths in it are taken from the folder that it is in.
    ///
    /// # Errors
    /// [`ConfigError::FileUnreadable`], or [`ConfigError::File`] with the line and key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::FileUnreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut file = Self::parse(&text, path)?;
        if let Some(folder) = path.parent() {
            for relative in file.paths() {
                // Joining an absolute path replaces the folder. An empty one, such as a template leaves, names nothing: not
                // the folder of the file, which is no place to be served.
                if !relative.as_os_str().is_empty() {
                    *relative = folder.join(&relative);
                }
            }
        }
        Ok(file)
    }

    /// Every path that is named, to a folder or a certificate.
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let top = [&mut self.cert, &mut self.key];
        let mut named: Vec<&mut Spanned<PathBuf>> = self.root.iter_mut().collect();
        for site in &mut self.sites {
            named.push(&mut site.root);
            named.extend(&mut site.cert);
            named.extend(&mut site.key);
            named.extend(site.mounts.iter_mut().map(|mount| &mut mount.root));
        }
        named.extend(self.mounts.iter_mut().map(|mount| &mut mount.root));
        let named = named.into_iter().map(Spanned::get_mut);
        top.into_iter().flatten().chain(named)
    }

    /// Parses the text of a file; `path` is only for the error.
    ///
    /// # Errors
    /// [`ConfigError::File`] with the line and key.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        match toml::from_str(text) {
            Ok(file) => Ok(Self {
                source: Some(source),
                ..file
            }),
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                Err(source.error(start, error.message()))
            }
        }
    }

    /// These settings, and for what is absent those of `other`.
    ///
    /// A certificate and its key belong together, so they come from the same side.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let (cert, key) = if self.cert.is_some() || self.key.is_some() {
            (self.cert, self.key)
        } else {
            (other.cert, other.key)
        };
        Self {
            root: self.root.or(other.root),
            root_argument: self.root_argument.or(other.root_argument),
            http: self.http.or(other.http),
            https: self.https.or(other.https),
            cert,
            key,
            cores: self.cores.or(other.cores),
            shards: self.shards.or(other.shards),
            report: self.report.or(other.report),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            idle_timeout: self.idle_timeout.or(other.idle_timeout),
            keepalive_interval: self.keepalive_interval.or(other.keepalive_interval),
            keepalive_timeout: self.keepalive_timeout.or(other.keepalive_timeout),
            congestion_control: self.congestion_control.or(other.congestion_control),
            kernel_tls: self.kernel_tls.or(other.kernel_tls),
            busy_poll: self.busy_poll.or(other.busy_poll),
            log_level: self.log_level.or(other.log_level),
            files: self.files.or(other.files),
            mounts: either(self.mounts, other.mounts),
            rules: either(self.rules, other.rules),
            sites: either(self.sites, other.sites),
            source: self.source.or(other.source),
        }
    }
}

/// The first list unless it is empty.
fn either<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

/// The key whose value or name is at byte `start`: that of the last line up to there that assigns one or begins a table.
fn key_at(text: &str, start: usize) -> Option<String> {
    let end = text.as_bytes()[start..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(text.len(), |rest| start + rest);
    let upto = text.get(..end)?;
    upto.lines().rev().find_map(|line| {
        let line = line.trim();
        let header = line.strip_prefix('[').and_then(|line| {
            let (name, _) = line.trim_start_matches('[').split_once(']')?;
            Some(name)
        });
        let key = header.or_else(|| Some(line.split_once('=')?.0))?.trim();
        let key = key.trim_matches(['"', '\'']);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!key.is_empty() && key.chars().all(plain)).then(|| key.to_owned())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        File::parse(text, Path::new("r.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            root = "/srv"
            http = "none"
            https = ["127.0.0.1:0", "[::1]:8443"]
            cert = "c.pem"
            key = "k.pem"
            cores = "0,2-3"
            shards = 2
            report = 5
            drain-timeout = 0
            idle-timeout = 0
            keepalive-interval = 30
            keepalive-timeout = 10
            congestion-control = "reno"
            kernel-tls = true
            busy-poll = 50
            log-level = "debug"
        "#;
        let file = File::parse(text, Path::new("r.toml")).unwrap();
        assert_eq!(file.https.unwrap().0.len(), 2);
        assert_eq!(file.cores.unwrap().cores(), [0, 2, 3]);
        assert_eq!(file.drain_timeout, Some(0));
        assert_eq!(file.idle_timeout, Some(0));
        assert_eq!(file.keepalive_interval, NonZeroU32::new(30));
        assert_eq!(file.keepalive_timeout, NonZeroU32::new(10));
        assert_eq!(file.congestion_control.as_deref(), Some("reno"));
        assert_eq!(file.kernel_tls, Some(true));
        assert_eq!(file.busy_poll, NonZeroU32::new(50));
        assert_eq!(file.log_level, Some(LogLevel::Debug));
        let empty = File::parse("", Path::new("r.toml")).unwrap();
        assert!(empty.root.is_none() && empty.sites.is_empty());
    }

    #[test]
    fn errors_name_line_and_key() {
        for (text, start, word) in [
            ("# hi\nhtpp = 1\n", "r.toml:2: htpp: ", "unknown"),
            ("shards = \"two\"", "r.toml:1: shards: ", "string"),
            ("\n\nshards = 0", "r.toml:3: shards: ", "nonzero"),
            ("report = -1", "r.toml:1: report: ", "-1"),
            ("cores = \"0-x\"", "r.toml:1: cores: ", "0-x"),
            ("http = \"8080\"", "r.toml:1: http: ", "8080"),
            (
                "root = \".\"\nroot = \"x\"",
                "r.toml:2: root: ",
                "duplicate",
            ),
            ("root = ", "r.toml:1: root: ", ""),
            ("log-level = \"loud\"", "r.toml:1: log-level: ", "loud"),
        ] {
            let error = error(text);
            assert!(error.starts_with(start), "{text}: {error}");
            assert!(error.contains(word), "{text}: {error}");
        }
        let error = error("root = \".\"\nhttps = [\n  \"127.0.0.1:1\",\n  7,\n]");
        assert!(error.contains(": https: "), "{error}");
    }

    #[test]
    fn flags_win_and_a_certificate_stays_with_its_key() {
        let flags = File {
            cert: Some("a".into()),
            shards: NonZeroUsize::new(1),
            ..File::default()
        };
        let file = File {
            key: Some("b".into()),
            shards: NonZeroUsize::new(2),
            report: NonZeroU32::new(3),
            ..File::default()
        };
        let both = flags.or(file);
        assert_eq!(both.shards, NonZeroUsize::new(1));
        assert_eq!(both.report, NonZeroU32::new(3));
        assert_eq!(both.key, None);
    }
}
