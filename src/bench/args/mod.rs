//! The arguments of `ringlane bench`, as typed. What they mean is decided in [`options`](super::options).

mod values;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use crate::config::CoreList;

pub use values::{Bytes, MaxLoss, Named, Time};

const EXAMPLES: &str = "\
Examples:
  ringlane bench http://127.0.0.1:8080/large.bin
      One connection, one request at a time, for 10 seconds; HTTP/2 with prior knowledge
  ringlane bench https://localhost:8443/1k --insecure -c 50 -m 20 -n 1000000
      A million requests, 20 at a time on each of 50 connections; HTTP/2 or HTTP/1.1 as the server chooses
  ringlane bench https://a.example/ -c 100 --rate 5000 --duration 60s --warmup 5s
      5,000 requests per second whatever the server does; latencies count from when each was due
  ringlane bench http://127.0.0.1:8080/1k -m 100 --steps rate:1000,2000,4000 --duration 10s
      The same at rising rates, ten seconds each
  ringlane bench http://h/index.html=9 http://h/video.mp4=1 --connections 200
      A mix of nine to one
  ringlane bench https://h/disk.iso -c 4 --expect disk.iso --frame-policy sufficient
      Downloads, each byte compared with a local file, in frames as large as the server likes
  ringlane bench http://h/disk.iso -c 64 --random-range 64k --http1
      Random pieces over HTTP/1.1
  ringlane bench http://127.0.0.1:8080/1k -c 10 -m 10 --pid $(pgrep -o nginx)
      And what it costs the server: its oldest process, whose children are included

Compared, kept, shown:
  ringlane bench http://h/1k -c 10 --json kept.json --html page.html
      Keep the result, and look at it in a browser
  ringlane bench http://h/1k -c 10 --vs kept.json --max-loss 10
      The same again: exit code 3 when it is more than 10 % worse
  ringlane bench compare A=http://h:8080/1k B=http://h:8081/1k -c 10 --duration 5s
      Two servers in turn; see `ringlane bench compare --help`

Exit codes:
  0  requests were answered as they should be
  1  not one was, a body was wrong, the server went away, or a result could not be written
  2  the arguments cannot be used
  3  --max-loss was exceeded, or a figure that it names was not measured in both runs
  130  interrupted again half a second later: the first SIGINT or SIGTERM ends the load, and shows what was measured until then";

const COMPARE_EXAMPLES: &str = "\
Examples:
  ringlane bench compare A=http://127.0.0.1:8080/1k B=http://127.0.0.1:8081/1k -c 50 -m 20 -d 5s --warmup 1s
      Ten rounds of each, A B A B ...
  ringlane bench compare new=https://a/big old=https://b/big -n 4 --pid new=4711 --pid old=4712 --html page.html
      And what it costs each server; the second is compared with the first
  ringlane bench compare A=http://h/a=9 A=http://h/b=1 B=http://i/a=9 B=http://i/b=1 --rounds 20
      A mix of URLs each: all that have one name

What is printed:
  Each figure's median with the lowest and the highest, and the ratio to the first target with a 95 % interval:
  the geometric mean of the ratios in each round, and a bootstrap of it. `no difference` stands where the ratio could
  be chance, or is less than 1 %; a difference is one that chance makes in any of the figures in less than one of a
  hundred comparisons. That takes 8 rounds at least for two targets, 9 for three.

Exit codes:
  0  every round was made, or all until an interrupt, whatever the outcome
  1  a server answered nothing in a round or went away, a body was wrong, a result could not be written, or an interrupt
     came in the first round
  2  the arguments cannot be used
  130  interrupted again half a second later: the first SIGINT or SIGTERM ends the load, and shows what the whole rounds
     until then say";

/// The arguments of `ringlane bench`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Args {
    /// Instead of one run.
    #[command(subcommand)]
    pub command: Option<BenchCommand>,

    /// What to ask for, all of one scheme, host and port; `=WEIGHT` behind a URL without a query gives its share
    #[arg(value_name = "URL[=WEIGHT]")]
    pub urls: Vec<String>,

    /// Read more URLs from a file: a line for each, `URL [WEIGHT] [sha256=HEX] [expect=FILE]`; `#` begins a comment
    #[arg(long, value_name = "FILE", help_heading = "What to ask for")]
    pub urls_from: Option<PathBuf>,

    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,

    /// Measure what the load costs this process of the server and its children; repeatable
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pub pid: Vec<u32>,

    /// Measure what the load costs this control group (cgroup v2), such as
    /// /sys/fs/cgroup/system.slice/nginx.service
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    pub server_cgroup: Option<PathBuf>,

    /// Compare with a result that an earlier run has kept with --json, of the same load
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub vs: Option<PathBuf>,

    /// End with exit code 3 when the run is more than so many percent worse than that of --vs; repeatable
    ///
    /// A number alone is for requests_per_s, body_bytes_per_s, succeeded_share, corrected_p50_ns, server_cpu_s_per_gb and
    /// server_cpu_us_per_request. FIGURE=PERCENT is for one figure, and wins: such as corrected_p99_ns=50.
    #[arg(
        long,
        value_name = "[FIGURE=]PERCENT",
        requires = "vs",
        help_heading = "Output"
    )]
    pub max_loss: Vec<MaxLoss>,

    /// What is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What else there is than one run.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure several servers in turn, and tell whether they differ
    Compare(Box<CompareArgs>),
}

/// The arguments of `ringlane bench compare`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_help = COMPARE_EXAMPLES)]
pub struct CompareArgs {
    /// What to compare: a name for each server, and its URL; URLs of one name are a mix, with `=WEIGHT` behind them
    #[arg(value_name = "NAME=URL", required = true)]
    pub targets: Vec<Named>,

    /// How often each is measured [default: 10]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub rounds: Option<usize>,

    /// The load that each gets in each round.
    #[command(flatten)]
    pub load: LoadArgs,

    /// Measure what the load costs this process of a server and its children; repeatable
    #[arg(long, value_name = "NAME=PID", help_heading = "Server")]
    pub pid: Vec<Named>,

    /// Measure what the load costs the control group (cgroup v2) of a server; repeatable
    #[arg(long, value_name = "NAME=PATH", help_heading = "Server")]
    pub server_cgroup: Vec<Named>,

    /// What is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where results are written, besides the summary.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write the result as JSON, everything that was measured, for programs; `-` is the standard output
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,

    /// Write the result as CSV: a line for each figure, for spreadsheets; `-` is the standard output
    #[arg(long, value_name = "FILE|-")]
    pub csv: Option<PathBuf>,

    /// Write the result as a page with charts, which needs nothing else; `-` is the standard output
    #[arg(long, value_name = "FILE|-")]
    pub html: Option<PathBuf>,
}

/// What load is made, of whatever server.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct LoadArgs {
    /// Connections, all cores together [default: 1]
    #[arg(short = 'c', long, value_name = "N", help_heading = "Load")]
    pub connections: Option<u32>,

    /// Requests in flight on each connection at most; HTTP/1.1 has one [default: 1]
    #[arg(short = 'm', long, value_name = "N", help_heading = "Load")]
    pub streams: Option<u32>,

    /// Make so many requests, each when one before it has ended
    #[arg(short = 'n', long, value_name = "N", help_heading = "Load")]
    pub requests: Option<u64>,

    /// Make requests for so long, such as 30s, 500ms or 5m; of a ramp each step [default: 10s]
    #[arg(short = 'd', long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<Time>,

    /// Make so many requests per second at fixed times, whatever the server does (an open model)
    ///
    /// Latencies then count from when a request was due, also when no stream was free for it.
    #[arg(short = 'r', long, value_name = "N", help_heading = "Load")]
    pub rate: Option<f64>,

    /// Change the load in steps: `rate:1000,2000,4000` or `connections:1,10,100`
    #[arg(long, value_name = "KIND:N,N,...", help_heading = "Load")]
    pub steps: Option<String>,

    /// Do not measure what begins in the first so much time
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub warmup: Option<Time>,

    /// Give a request, a connection or a handshake up when nothing of it has come for so long [default: 30s]
    #[arg(short = 't', long, value_name = "TIME", help_heading = "Load")]
    pub timeout: Option<Time>,

    /// The cores to make load from, such as 0,2-5 [default: all that this process may use]
    #[arg(long, value_name = "LIST", help_heading = "Load")]
    pub cores: Option<CoreList>,

    /// Add a field to each request; repeatable
    #[arg(
        short = 'H',
        long = "header",
        value_name = "NAME: VALUE",
        help_heading = "What to ask for"
    )]
    pub headers: Vec<String>,

    /// Ask for a range of bytes: `0-499`, `500-` or `-500`
    #[arg(
        long,
        value_name = "FIRST-LAST",
        allow_hyphen_values = true,
        help_heading = "What to ask for"
    )]
    pub range: Option<String>,

    /// Ask for so many bytes from a random place, another for each request
    #[arg(long, value_name = "BYTES", help_heading = "What to ask for")]
    pub random_range: Option<Bytes>,

    /// POST so many zeros, or the contents of a file
    #[arg(long, value_name = "BYTES|FILE", help_heading = "What to ask for")]
    pub upload: Option<String>,

    /// Check each body against this SHA-256
    #[arg(long, value_name = "SHA256", help_heading = "What to ask for")]
    pub verify: Option<String>,

    /// Compare each body with this file, byte for byte; of a range only that part
    #[arg(long, value_name = "FILE", help_heading = "What to ask for")]
    pub expect: Option<PathBuf>,

    /// Speak HTTP/1.1 only
    #[arg(long, help_heading = "Protocol")]
    pub http1: bool,

    /// The protocols to offer over TLS, in order [default: h2,http/1.1]
    #[arg(long, value_name = "LIST", help_heading = "Protocol")]
    pub alpn: Option<String>,

    /// Window of each stream: what the server may send before it must hear from us [default: 64m]
    #[arg(long, value_name = "BYTES", help_heading = "Protocol")]
    pub window: Option<Bytes>,

    /// Window of each connection [default: 1g]
    #[arg(long, value_name = "BYTES", help_heading = "Protocol")]
    pub conn_window: Option<Bytes>,

    /// Largest frame that the server may send, 16k to 16777215 [default: 16k]
    #[arg(long, value_name = "BYTES", help_heading = "Protocol")]
    pub max_frame_size: Option<Bytes>,

    /// When the server may send larger frames [default: none]
    #[arg(long, value_name = "POLICY", value_enum, help_heading = "Protocol")]
    pub frame_policy: Option<FramePolicy>,

    /// Trust any certificate
    #[arg(short = 'k', long, help_heading = "TLS")]
    pub insecure: bool,

    /// Trust the certificates in this file (PEM) instead of the system's
    ///
    /// A server whose own certificate is in it is trusted under any name.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub cacert: Option<PathBuf>,

    /// Whether a new connection resumes an earlier session, where the server lets it [default: on]
    #[arg(long, value_name = "on|off", value_enum, help_heading = "TLS")]
    pub tls_resumption: Option<Switch>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// [`h2::client::FramePolicy`](crate::h2::client::FramePolicy), as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FramePolicy {
    /// Never: 16,384 bytes, or what --max-frame-size says
    None,
    /// From the start, up to 65,536 bytes
    Medium,
    /// From the start, up to 16,777,215 bytes, the most that there is
    Large,
    /// Once a response says that it is larger than a frame, up to what it fits into
    Sufficient,
}
