//! What a run has measured, as data: everything that a summary, a chart or a comparison may need, with units.
//!
//! Names end in their unit: `_ns` nanoseconds, `_s` seconds, `_bytes` bytes. All types are written and read by serde.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latency::Latency;

/// The form of [`RunResult`]: raised when a field changes its meaning or goes away.
pub const RESULT_VERSION: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`RESULT_VERSION`].
    pub version: u32,
    /// Version of the program that made it.
    pub ringlane: String,
    /// When the load began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// What it ran on.
    pub machine: Machine,
    /// What was asked for.
    pub options: Setup,
    /// How it ended.
    pub outcome: Outcome,
    /// Everything after the warm-up, all steps and targets together.
    pub total: Measures,
    /// The steps of a ramp, in order; empty without one.
    pub steps: Vec<Step>,
    /// Each target of a mix, in the order given. Empty when there are more than [`MAX_TARGETS_APART`].
    pub targets: Vec<Target>,
    /// Connections, from the beginning, warm-up included.
    pub connections: Connections,
    /// What came when, after the warm-up.
    pub series: Series,
    /// What the load cost this program.
    pub client: Usage,
    /// What it cost the server, when that was asked for and could be read.
    pub server: Option<ServerUsage>,
    /// The first wrong bodies, at most [`MAX_MISMATCHES`]; all of them are counted in the errors.
    pub mismatches: Vec<Mismatch>,
}

/// The machine that made the load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's name and release, as in uname(2).
    pub kernel: String,
    /// The processor's name from `/proc/cpuinfo`; empty when it says none.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// Most targets whose latencies are kept apart: each costs a histogram on every core.
pub const MAX_TARGETS_APART: usize = 64;

/// Most wrong bodies that are described.
pub const MAX_MISMATCHES: usize = 100;

/// What was asked for, defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The targets with their weights.
    pub targets: Vec<TargetSetup>,
    /// How requests come.
    pub load: LoadSetup,
    /// Connections, all cores together; of a ramp of connections the most.
    pub connections: u32,
    /// Requests in flight on one connection at most.
    pub streams: u32,
    /// Cores that the load came from.
    pub cores: Vec<usize>,
    /// Seconds before measuring began.
    pub warmup_s: f64,
    /// Seconds without a byte after which a request is given up.
    pub timeout_s: f64,
    /// Protocols offered: `h2`, `http/1.1`.
    pub protocol: String,
    /// Window of each stream in bytes.
    pub window_bytes: u32,
    /// Window of the connection in bytes.
    pub connection_window_bytes: u32,
    /// The first SETTINGS_MAX_FRAME_SIZE, in bytes.
    pub max_frame_size_bytes: u32,
    /// `none`, `medium`, `large` or `sufficient`.
    pub frame_policy: String,
    /// Whether TLS sessions were resumed where the server allowed it.
    pub tls_resumption: bool,
    /// The fields that were added to each request, and `host` where it is not the URL's, sorted: `name=` and the beginning
    /// of the SHA-256 of the value, which may be a secret.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Content of each request in bytes.
    pub upload_bytes: u64,
    /// The value of the `Range` field, or `random:BYTES`.
    pub range: Option<String>,
    /// How bodies were checked: `none`, `sha256`, `expect`.
    pub verify: String,
}

/// A target as asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetSetup {
    /// Its URL.
    pub url: String,
    /// Its share of the requests, against those of the others.
    pub weight: u32,
}

/// How requests come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum LoadSetup {
    /// A request follows when one before it ends, until so many are made.
    ClosedRequests {
        /// How many.
        requests: u64,
    },
    /// A request follows when one before it ends, for so long.
    ClosedDuration {
        /// How long, for each step.
        duration_s: f64,
        /// Connections of each step; empty without a ramp.
        steps: Vec<u32>,
    },
    /// Requests come at fixed times, whatever the server does.
    Open {
        /// Requests per second in each step; one without a ramp.
        rates: Vec<f64>,
        /// How long, for each step.
        duration_s: f64,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that was asked for was done, well or badly.
    Complete,
    /// It was interrupted: what there is was measured until then.
    Interrupted,
    /// No connection could be had any more.
    ServerGone,
}

/// What was measured over a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Seconds.
    pub elapsed_s: f64,
    /// Requests that succeeded, per second: in a step those that ended in it, whenever they were due.
    pub requests_per_s: f64,
    /// Content of responses in bytes per second.
    pub body_bytes_per_s: f64,
    /// Requests, in a step those that were due in it.
    pub requests: Requests,
    /// Bytes.
    pub bytes: Bytes,
    /// Responses by status, every response that had one.
    pub statuses: BTreeMap<u16, u64>,
    /// What failed, by kind; the counts add up to [`Requests::failed`].
    pub errors: Vec<ErrorCount>,
    /// How long things took.
    pub latency: Latencies,
}

/// Requests by their fate. `succeeded + failed + unfinished` are all that there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Whole responses below status 400 that passed all checks.
    pub succeeded: u64,
    /// All that did not: see [`Measures::errors`].
    pub failed: u64,
    /// In flight or due when time was up. In an open model requests that were due but found no free stream are
    /// among them.
    pub unfinished: u64,
    /// How often one of them was made again, since the server had refused it unprocessed (RFC 9113, section 8.7).
    #[serde(default)]
    pub retried: u64,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Content of responses, after chunked framing, of succeeded and failed requests alike.
    pub body: u64,
    /// Content of requests that was handed to sockets, whatever became of the request.
    pub uploaded: u64,
    /// All that was read from sockets, TLS and framing included.
    pub received: u64,
    /// All that sockets took, TLS and framing included.
    pub sent: u64,
}

/// How often something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// What.
    #[serde(flatten)]
    pub kind: ErrorKind,
    /// How often.
    pub count: u64,
}

/// Why a request failed, or an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ErrorKind {
    /// Nobody listens there.
    ConnectRefused,
    /// The connection was not there in time.
    ConnectTimeout,
    /// There was no connection for another reason.
    Connect {
        /// The system's words.
        reason: String,
    },
    /// The TLS handshake failed, or TLS was violated later.
    Tls {
        /// In words.
        reason: String,
    },
    /// The server does not speak the protocol that was asked for.
    Protocol {
        /// In words.
        reason: String,
    },
    /// The server said GOAWAY and did not process the request.
    Goaway {
        /// Its code, by the name that RFC 9113, section 7, gives it.
        code: String,
    },
    /// The server reset the stream.
    Reset {
        /// Its code, by the name that RFC 9113, section 7, gives it.
        code: String,
    },
    /// The connection ended before the response began.
    Closed,
    /// The connection ended, or the response did, before as much had come as was announced.
    ShortBody,
    /// Nothing came for as long as [`Setup::timeout_s`].
    Timeout,
    /// The response's status is 400 or above.
    Status {
        /// The status.
        status: u16,
    },
    /// A range was asked for and something else came: all of it, or another range.
    RangeIgnored,
    /// The body is not what it should be: see [`RunResult::mismatches`].
    Mismatch,
}

/// How long things took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From asking the system for a connection to having it. In the total only, warm-up included.
    pub connect: Latency,
    /// From the connection to the end of the TLS handshake. In the total only, warm-up included.
    pub tls: Latency,
    /// From handing a request to its connection to the response's head.
    pub first_byte: Latency,
    /// From handing a request to its connection to the last byte of the response, as measured: the raw figure.
    pub last_byte: Latency,
    /// `last_byte` corrected for coordinated omission.
    ///
    /// In an open model: from the time at which the request was due, whether or not a stream was free then. In a
    /// closed model: while a slow response is waited for, the requests that would have been made meanwhile are missing
    /// from the raw figure; for a response that took `t`, HdrHistogram's correction adds one of `t - i`, `t - 2i`, ...
    /// as long as that is at least `i`, the expected interval: the median of the target's raw latencies.
    ///
    /// Requests that were given up, cut off, or unfinished at the end are in here with the age that they had then, when
    /// that is above the expected interval: they took at least that.
    pub corrected: Latency,
}

/// A step of a ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Connections that there were to be.
    pub connections: u32,
    /// Requests per second that there were to be; in an open model only.
    pub rate: Option<f64>,
    /// What came of it.
    pub measures: Measures,
}

/// A target of a mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its URL.
    pub url: String,
    /// What came of it. Of the bytes only those of bodies are told apart by target.
    pub measures: Measures,
    /// The expected interval of [`Latencies::corrected`], in a closed model.
    pub expected_interval_ns: Option<u64>,
}

/// Connections over the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// Connections that were established, TLS included.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Those that the server ended, or that ended for its violations.
    pub lost: u64,
    /// Those over which a TLS session was resumed.
    pub resumed: u64,
    /// Established ones by protocol: `h2`, `http/1.1`.
    pub protocols: BTreeMap<String, u64>,
    /// Established ones by TLS version and cipher suite.
    pub ciphers: BTreeMap<String, u64>,
    /// Why attempts failed; the counts add up to `failed`.
    pub errors: Vec<ErrorCount>,
}

/// What came when: stretches of equal length, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Length of a stretch in seconds.
    pub interval_s: f64,
    /// The stretches; the last may be cut.
    pub samples: Vec<Sample>,
}

/// What came in one stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Content of responses in bytes.
    pub body_bytes: u64,
    /// All that was read from sockets, in bytes.
    pub received_bytes: u64,
    /// The slowest success that ended here: nanoseconds to the last byte, in an open model from when it was due.
    pub slowest_ns: u64,
}

/// Processor time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds of processor time in user mode, after the warm-up.
    pub user_s: f64,
    /// Seconds of processor time in the kernel, after the warm-up.
    pub system_s: f64,
    /// Context switches that it asked for, by waiting.
    pub voluntary_switches: u64,
    /// Context switches that were forced on it.
    pub involuntary_switches: u64,
    /// The most memory that it ever had, in bytes: resident, or charged to the control group.
    pub peak_memory_bytes: u64,
}

/// What the load cost the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerUsage {
    /// Where it was read: `pid N`, `cgroup PATH`.
    pub source: String,
    /// The figures, from after the warm-up to the end of the load.
    pub usage: Usage,
    /// The most memory seen while the load ran, in bytes.
    pub highest_memory_bytes: u64,
    /// Processor time per 10^9 bytes of content; none when there were none.
    pub cpu_s_per_gb: Option<f64>,
    /// Processor time per request that ended; none when there were none.
    pub cpu_us_per_request: Option<f64>,
}

/// A body that was not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The URL.
    pub url: String,
    /// Number of the connection in this run, from 0.
    pub connection: u64,
    /// The stream (HTTP/2), or the number of the request on its connection, from 1 (HTTP/1.1).
    pub stream: u32,
    /// What is wrong.
    pub what: MismatchKind,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum MismatchKind {
    /// A byte differs from the file that was to be expected.
    Byte {
        /// Where, in the file: with a range its beginning is added.
        offset: u64,
        /// What should be there.
        expected: u8,
        /// What is there.
        received: u8,
    },
    /// The body is shorter or longer than the file, or than its range.
    Length {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        received: u64,
    },
    /// The SHA-256 differs; it does not tell where.
    Hash {
        /// What it should be, in hexadecimal.
        expected: String,
        /// What it is.
        received: String,
    },
}
