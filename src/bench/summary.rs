//! A result as text for a person.

use std::fmt::Write;

use super::latency::Latency;
use super::result::{ErrorKind, Latencies, MismatchKind, Outcome, RunResult, ServerUsage};
use super::units;

/// The percentiles that are shown.
const SHOWN: [f64; 6] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99];

/// The summary of a run, in lines.
#[must_use]
pub fn text(result: &RunResult) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, result);
    text
}

fn write(out: &mut String, result: &RunResult) -> std::fmt::Result {
    let total = &result.total;
    let requests = total.requests;
    match result.outcome {
        Outcome::Complete => {}
        Outcome::Interrupted => writeln!(out, "interrupted: this is what was measured until then")?,
        // It may be there, and speak another protocol.
        Outcome::ServerGone if total.statuses.is_empty() => writeln!(
            out,
            "no response came, and no connection lasted: this is what was measured"
        )?,
        Outcome::ServerGone => writeln!(out, "the server is gone: this is what was measured")?,
    }
    writeln!(
        out,
        "{} requests succeeded, {} failed, {} unfinished in {:.2} s",
        units::grouped(requests.succeeded),
        units::grouped(requests.failed),
        units::grouped(requests.unfinished),
        total.elapsed_s
    )?;
    if requests.retried > 0 {
        writeln!(
            out,
            "{} requests were made again: the server had refused them unprocessed",
            units::grouped(requests.retried)
        )?;
    }
    writeln!(
        out,
        "{} requests/s, {} of content ({} bytes; {} received, {} sent in all)",
        units::count(total.requests_per_s),
        units::bytes_per_s(total.body_bytes_per_s),
        units::grouped(total.bytes.body),
        units::bytes(total.bytes.received as f64),
        units::bytes(total.bytes.sent as f64)
    )?;
    write!(out, "\n{:22}{:>11}", "latency", "count")?;
    for percent in SHOWN {
        write!(out, "{:>9}", format!("p{percent}"))?;
    }
    writeln!(out, "{:>9}", "max")?;
    let latency = &total.latency;
    latency_line(out, "connect", &latency.connect)?;
    latency_line(out, "TLS", &latency.tls)?;
    latency_line(out, "first byte", &latency.first_byte)?;
    raw_and_corrected(out, "last byte", latency)?;
    for step in &result.steps {
        let load = match step.rate {
            Some(rate) => format!("{rate}/s"),
            None => format!("{} conn.", step.connections),
        };
        raw_and_corrected(out, &load, &step.measures.latency)?;
    }
    if result.targets.len() > 1 {
        for (index, target) in result.targets.iter().enumerate() {
            writeln!(out, "target {}: {}", index + 1, target.url)?;
            raw_and_corrected(
                out,
                &format!("target {}", index + 1),
                &target.measures.latency,
            )?;
        }
    }
    let connections = &result.connections;
    writeln!(
        out,
        "\nconnections: {} opened, {} failed, {} lost, {} resumed",
        connections.opened, connections.failed, connections.lost, connections.resumed
    )?;
    for (name, count) in connections.protocols.iter().chain(&connections.ciphers) {
        writeln!(out, "  {name}: {count}")?;
    }
    for (status, count) in &total.statuses {
        writeln!(out, "status {status}: {count}")?;
    }
    for error in total.errors.iter().chain(&connections.errors) {
        writeln!(out, "error: {}: {}", error.kind, error.count)?;
    }
    for wrong in &result.mismatches {
        writeln!(
            out,
            "wrong: {} on connection {}, stream {}: {}",
            wrong.url, wrong.connection, wrong.stream, wrong.what
        )?;
    }
    let client = &result.client;
    writeln!(
        out,
        "client: {:.2} s user, {:.2} s system",
        client.user_s, client.system_s
    )?;
    match &result.server {
        Some(server) => server_line(out, server),
        None => Ok(()),
    }
}

fn server_line(out: &mut String, server: &ServerUsage) -> std::fmt::Result {
    let usage = &server.usage;
    let figure = |figure: Option<f64>| figure.map_or("-".to_owned(), |f| format!("{f:.3}"));
    writeln!(
        out,
        "server ({}): {:.2} s user, {:.2} s system: {} s/GB, {} us/request; {} MB at most, {} + {} switches",
        server.source,
        usage.user_s,
        usage.system_s,
        figure(server.cpu_s_per_gb),
        figure(server.cpu_us_per_request),
        server.highest_memory_bytes / 1_000_000,
        usage.voluntary_switches,
        usage.involuntary_switches
    )
}

fn raw_and_corrected(out: &mut String, name: &str, latency: &Latencies) -> std::fmt::Result {
    latency_line(out, &format!("{name}, raw"), &latency.last_byte)?;
    latency_line(out, &format!("{name}, corrected"), &latency.corrected)
}

fn latency_line(out: &mut String, name: &str, latency: &Latency) -> std::fmt::Result {
    if latency.count == 0 {
        return Ok(());
    }
    write!(out, "{name:22}{:>11}", units::grouped(latency.count))?;
    for percent in SHOWN {
        let ns = latency.at(percent).unwrap_or_default();
        write!(out, "{:>9}", units::time(ns))?;
    }
    writeln!(out, "{:>9}", units::time(latency.max_ns))
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConnectRefused => f.write_str("connection refused"),
            Self::ConnectTimeout => f.write_str("connecting took too long"),
            Self::Connect { reason } => write!(f, "no connection: {reason}"),
            Self::Tls { reason } => write!(f, "TLS: {reason}"),
            Self::Protocol { reason } => write!(f, "protocol violated: {reason}"),
            Self::Goaway { code } => write!(f, "GOAWAY {code}"),
            Self::Reset { code } => write!(f, "RST_STREAM {code}"),
            Self::Closed => f.write_str("connection closed before the response"),
            Self::ShortBody => f.write_str("body cut short"),
            Self::Timeout => f.write_str("timeout"),
            Self::Status { status } => write!(f, "status {status}"),
            Self::RangeIgnored => f.write_str("range ignored"),
            Self::Mismatch => f.write_str("wrong body"),
        }
    }
}

impl std::fmt::Display for MismatchKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Byte {
                offset,
                expected,
                received,
            } => write!(f, "byte {offset} is {received:#04x}, not {expected:#04x}"),
            Self::Length { expected, received } => {
                write!(f, "{received} bytes, not {expected}")
            }
            Self::Hash { expected, received } => {
                write!(f, "its SHA-256 is {received}, not {expected}")
            }
        }
    }
}
