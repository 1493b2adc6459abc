//! The command line, as typed. What it means is decided in [`config`](crate::config).

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::bench;
use crate::config::{CoreList, File, FilesTable, Listen, ListenList, LogLevel};

/// A thread-per-core io_uring HTTP/2 file server for Linux.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringlane", version, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve a folder over HTTP/2, in the clear and over TLS
    Serve(Box<ServeArgs>),
    /// Make load for any HTTP/1.1 or HTTP/2 server, and measure it
    Bench(Box<bench::Args>),
}

const EXAMPLES: &str = "\
Examples:
  ringlane serve
      Serve the current folder on http://127.0.0.1:8080 and https://127.0.0.1:8443
  ringlane serve /srv/files --http 0.0.0.0:80 --https none
      Serve /srv/files in the clear only, to everybody
  ringlane serve /srv/files --https '[::]:443' --cert chain.pem --key key.pem --http none
      Serve over TLS only, with a certificate of your own
  ringlane serve --cores 2-5 --report 5
      Four shards on cores 2 to 5, and a line with rates and latencies every 5 seconds
  ringlane serve --config /etc/ringlane.toml --check
      Only check the configuration

Signals:
  SIGTERM, SIGINT  finish what is in flight (a second one ends at once), exit 0
  SIGHUP           read the certificate files again";

/// The arguments of `ringlane serve`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// The folder to serve [default: the current one; with --config what that names]
    pub root: Option<PathBuf>,

    /// Serve HTTP/2 and HTTP/1.1 in the clear here; repeatable; `none` switches it off [default: 127.0.0.1:8080]
    ///
    /// For HTTP/2 clients must know beforehand that the server speaks it (`curl --http2-prior-knowledge`). Port 0 takes
    /// any free port. An IPv6 address never covers IPv4: give both.
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Vec<Listen>,

    /// Serve HTTP/2 and HTTP/1.1 over TLS here; repeatable; `none` switches it off [default: 127.0.0.1:8443]
    ///
    /// Port 0 takes any free port. An IPv6 address never covers IPv4: give both.
    #[arg(long, value_name = "ADDR:PORT")]
    pub https: Vec<Listen>,

    /// The certificate chain (PEM, the server's own first) [default: a self-signed one]
    ///
    /// Without it a self-signed certificate is made at the first start and kept in $XDG_STATE_HOME/ringlane
    /// (~/.local/state/ringlane), or in $STATE_DIRECTORY under systemd.
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,

    /// The certificate's private key (PEM, not encrypted)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Do not list folders that have no index.html, unless a rule in the file says to
    #[arg(long)]
    pub no_listing: bool,

    /// The cores to pin shards to, such as 0,2-5 [default: all that this process may use]
    #[arg(long, value_name = "LIST")]
    pub cores: Option<CoreList>,

    /// How many shards to run, on the first of the cores [default: one for each core]
    #[arg(long, value_name = "N")]
    pub shards: Option<NonZeroUsize>,

    /// Print a line with rate, connections and latencies every so many seconds, and at the end
    #[arg(long, value_name = "SECONDS")]
    pub report: Option<NonZeroU32>,

    /// How long what is in flight may take after SIGTERM or SIGINT [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub drain_timeout: Option<u32>,

    /// End a connection that has had no request for so long; 0 for never [default: 180]
    #[arg(long, value_name = "SECONDS")]
    pub idle_timeout: Option<u32>,

    /// Ask a peer that has been silent for so long whether it is there [default: never]
    #[arg(long, value_name = "SECONDS")]
    pub keepalive_interval: Option<NonZeroU32>,

    /// How long such a peer has to answer before its connection is closed [default: 20]
    #[arg(long, value_name = "SECONDS")]
    pub keepalive_timeout: Option<NonZeroU32>,

    /// The congestion control of connections [default: the system's; reno on loopback addresses]
    ///
    /// `system` is the system's on loopback addresses too. `sysctl net.ipv4.tcp_available_congestion_control` lists
    /// what there is.
    #[arg(long, value_name = "NAME")]
    pub congestion_control: Option<String>,

    /// Let the kernel seal TLS 1.3 records of large downloads, where it can
    ///
    /// Worth it where the network card does that (`ethtool -k` says tls-hw-tx-offload: on); in software it costs as much as
    /// what ringlane does by itself. Needs the kernel's module tls (`modprobe tls`).
    #[arg(long)]
    pub kernel_tls: bool,

    /// Before a shard sleeps, poll the network card for so long: lower latency for a busy core
    ///
    /// Needs Linux 6.9. Has no effect over loopback.
    #[arg(long, value_name = "MICROSECONDS")]
    pub busy_poll: Option<NonZeroU32>,

    /// How much to log, to stderr [default: info]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,

    /// Read settings from a TOML file; its keys have the flags' names, and flags win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Check the configuration, say so, and exit: 0 when it is good, 2 when not
    #[arg(long)]
    pub check: bool,
}

impl ServeArgs {
    /// The settings among the arguments, in the shape that the configuration file has.
    pub fn settings(&self) -> File {
        let list = |given: &[Listen]| (!given.is_empty()).then(|| ListenList(given.to_vec()));
        File {
            root: None,
            root_argument: self.root.clone(),
            http: list(&self.http),
            https: list(&self.https),
            cert: self.cert.clone(),
            key: self.key.clone(),
            cores: self.cores.clone(),
            shards: self.shards,
            report: self.report,
            drain_timeout: self.drain_timeout,
            idle_timeout: self.idle_timeout,
            keepalive_interval: self.keepalive_interval,
            keepalive_timeout: self.keepalive_timeout,
            congestion_control: self.congestion_control.clone(),
            kernel_tls: self.kernel_tls.then_some(true),
            busy_poll: self.busy_poll,
            log_level: self.log_level,
            files: FilesTable {
                listing: self.no_listing.then_some(false),
                ..FilesTable::default()
            },
            ..File::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }
}
