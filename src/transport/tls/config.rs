//! What all TLS connections of a server, or of a client, share.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::aws_lc_rs::cipher_suite::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerSessionMemoryCache;
use rustls::{ClientConfig, ServerConfig, SupportedCipherSuite, version};

use super::limits::MAX_SKIPPED_EARLY_DATA;
use super::verifier::Verifier;

/// Sessions remembered for TLS 1.2 clients that know no tickets: rare enough for a small cache.
const SESSION_CACHE_ENTRIES: usize = 256;

/// Every suite that is offered, in our order: AES-128-GCM first, since with AES instructions it costs the least per
/// byte, and its 128 bits are what the key exchange gives anyway.
pub(super) const CIPHER_SUITES: &[SupportedCipherSuite] = &[
    TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384,
    TLS13_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The configuration that every [`Handshake`](super::Handshake) starts from: TLS 1.2 and 1.3, suites in the server's
/// order, session tickets, no client certificates, no early data, secrets extractable.
///
/// `certs` is the chain, the server's own certificate first; `key` belongs to it; `alpn` lists the protocols in the
/// server's order of preference (RFC 7301).
///
/// # Errors
/// When the key does not fit the certificate or cannot be read, or when no random bytes can be had for the tickets'
/// keys.
pub fn server_config(
    certs: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = CIPHER_SUITES.to_vec();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(certs, key)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.ignore_client_order = true;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.max_early_data_size = MAX_SKIPPED_EARLY_DATA;
    config.session_storage = ServerSessionMemoryCache::new(SESSION_CACHE_ENTRIES);
    config.enable_secret_extraction = true;
    Ok(Arc::new(config))
}

/// Which servers a client trusts.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those whose chain ends in one of these certificates, and that are of the name asked for; and those that show
    /// one of these very certificates as their own, of whatever name (a self-signed one).
    Certificates(Vec<CertificateDer<'static>>),
    /// All.
    Anything,
}

/// The configuration that every [`Handshake::connect`](super::Handshake::connect) starts from: TLS 1.2 and 1.3, the
/// same suites as the server's, no client certificates, no early data, secrets extractable.
///
/// `alpn` lists the protocols that are offered, the preferred one first. With `resumption` tickets are kept and used.
///
/// # Errors
/// When there is not one certificate to trust that can be read.
pub fn client_config(
    trust: Trust,
    alpn: &[&[u8]],
    resumption: bool,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = CIPHER_SUITES.to_vec();
    let provider = Arc::new(provider);
    let verifier = Verifier::new(trust, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.enable_secret_extraction = true;
    if !resumption {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}
