//! The arguments of `ringlane bench`, as typed. What they mean is decided in [`options`](super::options).

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use crate::config::CoreList;

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
  ringlane bench http://127.0.0.1:8080/1k -c 10 -m 10 --pid $(pidof nginx)
      And what it costs the server, its children included

Exit codes:
  0  requests were answered as they should be
  1  not one was, a body was wrong, or the server went away
  2  the arguments cannot be used";

/// The arguments of `ringlane bench`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to ask for, all of one scheme, host and port; `=WEIGHT` behind a URL without a query gives its share
    #[arg(value_name = "URL[=WEIGHT]")]
    pub urls: Vec<String>,

    /// Read more URLs from a file: a line for each, `URL [WEIGHT] [sha256=HEX] [expect=FILE]`; `#` begins a comment
    #[arg(long, value_name = "FILE", help_heading = "What to ask for")]
    pub urls_from: Option<PathBuf>,

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
    #[arg(long, value_name = "FIRST-LAST", help_heading = "What to ask for")]
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

    /// Measure what the load costs this process of the server and its children; repeatable
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pub pid: Vec<u32>,

    /// Measure what the load costs this control group (cgroup v2), such as
    /// /sys/fs/cgroup/system.slice/nginx.service
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    pub server_cgroup: Option<PathBuf>,
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

/// A length of time, such as `10s`, `1.5m` or `250ms`; a number alone is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a length of time: write for example 10s, 500ms or 5m");
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let scale = match unit {
            "ms" => 1e-3,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        Duration::try_from_secs_f64(number * scale)
            .map(Self)
            .map_err(|_| wrong())
    }
}

/// A number of bytes, such as `1024`, `64k` or `1g`: the letters are powers of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a number of bytes: write for example 4096, 64k, 16m or 1g");
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number
            .checked_mul(1 << shift)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is too much"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bytes_are_read() {
        let time = |text: &str| text.parse::<Time>().map(|time| time.0.as_millis());
        assert_eq!(time("10s"), Ok(10_000));
        assert_eq!(time("1.5m"), Ok(90_000));
        assert_eq!(time("250ms"), Ok(250));
        assert_eq!(time("2"), Ok(2_000));
        for text in ["", "s", "-1s", "1d", "1.2.3s", "1e99h"] {
            assert!(time(text).unwrap_err().contains(text));
        }
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(bytes("1024"), Ok(1_024));
        assert_eq!(bytes("64K"), Ok(65_536));
        assert_eq!(bytes("1g"), Ok(1 << 30));
        for text in ["", "k", "1.5k", "-1", "1t", "99999999999999999g"] {
            assert!(bytes(text).unwrap_err().contains(text));
        }
    }
}
