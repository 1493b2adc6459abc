//! What a worker is made of, by the options.

use std::time::Duration;

use rustls::pki_types::ServerName;

use super::feed::Feed;
use super::load::{Draws, Mix, share};
use super::options::{Load, Options};
use super::worker::TlsClient;
use crate::transport::tls::client_config;
use crate::uring::RingOptions;

/// Bytes of all buffers for receiving: they are used in turn, and should stay in the cache.
const RECV_BYTES: usize = 2 << 20;
/// Bytes of the arena. Requests without content need little.
const ARENA_BYTES: usize = 8 << 20;

/// As many buffers as connections may have something at once, as large as the cache lets them be.
pub(super) fn ring_options(connections: u32) -> RingOptions {
    let count = (connections as usize * 2)
        .next_power_of_two()
        .clamp(16, 1_024);
    RingOptions {
        entries: 1_024,
        completions: 8_192,
        recv_buffers: count as u16,
        recv_buffer_bytes: (RECV_BYTES / count).clamp(4 << 10, 64 << 10) as u32,
        arena_bytes: ARENA_BYTES,
    }
}

/// What TLS needs, where it is spoken.
pub(super) fn tls_client(options: &Options) -> Result<TlsClient, String> {
    let alpn: Vec<&[u8]> = options
        .protocols
        .iter()
        .map(|protocol| protocol.name().as_bytes())
        .collect();
    let config = client_config(options.trust.clone(), &alpn, options.tls_resumption)
        .map_err(|error| format!("no certificate can be trusted: {error}"))?;
    let host = &options.origin.host;
    let name = ServerName::try_from(host.clone())
        .map_err(|_| format!("`{host}` is no name that a certificate could have"))?;
    Ok(TlsClient { config, name })
}

/// The share of the load that falls to worker `index`.
pub(super) fn feed(options: &Options, index: usize, workers: usize) -> Feed {
    let weights: Vec<u32> = options.targets.iter().map(|target| target.weight).collect();
    let mix = Mix::new(&weights, Draws::Targets.seed(index));
    let ns = |time: Duration| time.as_nanos().try_into().unwrap_or(u64::MAX);
    let warmup_ns = ns(options.warmup);
    match &options.load {
        Load::Requests(requests) => {
            let sizes: Vec<u32> = (0..workers)
                .map(|worker| {
                    share(u64::from(options.connections), &vec![1; workers], worker) as u32
                })
                .collect();
            Feed::requests(warmup_ns, mix, share(*requests, &sizes, index))
        }
        Load::Closed {
            duration,
            connections,
        } => Feed::closed(warmup_ns, mix, ns(*duration), connections.len()),
        Load::Open { duration, rates } => {
            Feed::open(warmup_ns, mix, ns(*duration), rates, index, workers)
        }
    }
}
