//! What is spoken, and with whom: protocols, windows, fields, trust.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::{conflict, out_of_range};
use super::{OptionsError, Protocol};
use crate::bench::args::{self, LoadArgs};
use crate::bench::target::Origin;
use crate::bench::verify::hex;
use crate::h2::client::{ClientConfig, FramePolicy};
use crate::h2::limits::{DEFAULT_WINDOW, MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE};
use crate::transport::tls::Trust;

/// Windows when nothing is said: wide enough that no server here waits for them, at 10 Gb/s and 50 ms.
const DEFAULT_STREAM_WINDOW: u32 = 64 << 20;
const DEFAULT_CONNECTION_WINDOW: u32 = 1 << 30;
/// Most requests in flight on one connection: far more than any server takes.
const MAX_STREAMS: u32 = 1 << 20;
/// The user-agent when nothing is said.
const USER_AGENT: &str = concat!("ringlane/", env!("CARGO_PKG_VERSION"));
/// Bytes of a value's hash that are kept: enough to tell two values apart, too few to find out one by trying.
const MARK_BYTES: usize = 4;

/// Where systems keep the certificates that they trust.
const SYSTEM_TRUST: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

pub(super) fn protocols(args: &LoadArgs, tls: bool) -> Result<Vec<Protocol>, OptionsError> {
    let list = match (&args.alpn, args.http1) {
        (Some(_), true) => {
            let why = "--http1 offers nothing else";
            return Err(conflict("--alpn", "--http1", why));
        }
        (Some(_), false) if !tls => {
            let why = "ALPN is a part of TLS; in the clear --http1 chooses";
            return Err(conflict("--alpn", "an http:// URL", why));
        }
        (None, true) => "http/1.1",
        (None, false) if tls => "h2,http/1.1",
        (None, false) => "h2",
        (Some(list), false) => list,
    };
    let mut protocols = Vec::new();
    for name in list.split(',').map(str::trim) {
        let protocol = match name {
            "h2" => Protocol::H2,
            "http/1.1" => Protocol::Http1,
            _ => return Err(OptionsError::Alpn(list.to_owned())),
        };
        if protocols.contains(&protocol) {
            return Err(OptionsError::Alpn(list.to_owned()));
        }
        protocols.push(protocol);
    }
    Ok(protocols)
}

pub(super) fn streams(args: &LoadArgs, protocols: &[Protocol]) -> Result<u32, OptionsError> {
    let streams = args.streams.unwrap_or(1);
    if !(1..=MAX_STREAMS).contains(&streams) {
        return Err(out_of_range("--streams", "1 to 1,048,576", streams));
    }
    if streams > 1 && *protocols == [Protocol::Http1] {
        let why = "HTTP/1.1 has one request at a time on a connection; use --connections";
        return Err(conflict("--streams", "HTTP/1.1", why));
    }
    Ok(streams)
}

/// Fields by which two loads can be told apart: see [`Setup::fields`](crate::bench::result::Setup::fields).
pub(super) fn marks(fields: &[(String, String)]) -> Vec<String> {
    let mark = |(name, value): &(String, String)| {
        let hash = digest(&SHA256, value.as_bytes());
        format!("{name}={}", hex(&hash.as_ref()[..MARK_BYTES]))
    };
    let is_default = |name: &str, value: &str| name == "user-agent" && value == USER_AGENT;
    let added = fields
        .iter()
        .filter(|(name, value)| !is_default(name, value));
    let mut marks: Vec<String> = added.map(mark).collect();
    marks.sort_unstable();
    marks
}

/// The fields of each request. `Host` becomes the authority.
pub(super) fn fields(
    headers: &[String],
    origin: &mut Origin,
) -> Result<Vec<(String, String)>, OptionsError> {
    let mut fields = vec![("user-agent".to_owned(), USER_AGENT.to_owned())];
    for header in headers {
        let wrong = |why| OptionsError::Header {
            field: header.clone(),
            why,
        };
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| wrong("write `name: value`"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(wrong("its name is no token"));
        }
        if http::HeaderValue::from_str(value).is_err() {
            return Err(wrong("its value has characters that no field may have"));
        }
        match &*name {
            "host" => origin.authority = value.to_owned(),
            "connection" | "proxy-connection" | "keep-alive" | "transfer-encoding" | "upgrade"
            | "te" => return Err(wrong("it belongs to the connection, which is not yours")),
            "content-length" => return Err(wrong("it is set by --upload")),
            "range" => return Err(wrong("use --range")),
            _ => {
                fields.retain(|(known, _)| *known != name || name == "cookie");
                fields.push((name, value.to_owned()));
            }
        }
    }
    Ok(fields)
}

pub(super) fn h2(args: &LoadArgs) -> Result<(ClientConfig, FramePolicy), OptionsError> {
    let window = |given: Option<args::Bytes>, default| given.map_or(u64::from(default), |b| b.0);
    let stream = window(args.window, DEFAULT_STREAM_WINDOW);
    let connection = window(args.conn_window, DEFAULT_CONNECTION_WINDOW);
    if stream > u64::from(MAX_WINDOW) {
        return Err(out_of_range("--window", "at most 2,147,483,647", stream));
    }
    if !(u64::from(DEFAULT_WINDOW)..=u64::from(MAX_WINDOW)).contains(&connection) {
        let range = "65,535 to 2,147,483,647";
        return Err(out_of_range("--conn-window", range, connection));
    }
    let policy = match args.frame_policy {
        None | Some(args::FramePolicy::None) => FramePolicy::None,
        Some(args::FramePolicy::Medium) => FramePolicy::Medium,
        Some(args::FramePolicy::Large) => FramePolicy::Large,
        Some(args::FramePolicy::Sufficient) => FramePolicy::Sufficient,
    };
    let frame = window(args.max_frame_size, policy.at_start());
    if !(u64::from(MIN_MAX_FRAME_SIZE)..=u64::from(MAX_MAX_FRAME_SIZE)).contains(&frame) {
        let range = "16,384 to 16,777,215";
        return Err(out_of_range("--max-frame-size", range, frame));
    }
    if args.max_frame_size.is_some() && matches!(policy, FramePolicy::Medium | FramePolicy::Large) {
        return Err(conflict(
            "--max-frame-size",
            "--frame-policy",
            "medium and large are sizes themselves",
        ));
    }
    let config = ClientConfig {
        initial_window_size: stream as u32,
        connection_window: connection as u32,
        max_frame_size: frame as u32,
        ..ClientConfig::default()
    };
    Ok((config, policy))
}

pub(super) fn trust(args: &LoadArgs, tls: bool) -> Result<Trust, OptionsError> {
    match &args.cacert {
        Some(_) if args.insecure => Err(conflict(
            "--cacert",
            "--insecure",
            "one trusts a few servers, the other all",
        )),
        _ if args.insecure || !tls => Ok(Trust::Anything),
        Some(path) => certificates(path),
        None => {
            let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let usual = SYSTEM_TRUST.iter().map(PathBuf::from);
            let mut files = named.into_iter().chain(usual);
            let file = files.find(|path| path.exists());
            certificates(&file.ok_or(OptionsError::NoTrust)?)
        }
    }
}

fn certificates(path: &Path) -> Result<Trust, OptionsError> {
    let pem = fs::read(path).map_err(|error| OptionsError::file(path, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(Trust::Certificates(found)),
        _ => Err(OptionsError::NoCertificate(path.to_owned())),
    }
}
