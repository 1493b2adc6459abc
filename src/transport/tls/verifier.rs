//! Which certificates a client takes.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::Trust;

/// The signature in the handshake is always checked: who shows a certificate has its key.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None` when everybody is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Servers' own certificates that are trusted as they are.
    known: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// # Errors
    /// When there is no certificate to trust that can be read.
    pub(super) fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let Trust::Certificates(known) = trust else {
            return Ok(Self {
                provider: Arc::clone(provider),
                chains: None,
                known: Vec::new(),
            });
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(known.iter().cloned());
        let chains =
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self {
            provider: Arc::clone(provider),
            chains: Some(chains),
            known,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.chains {
            Some(chains) if !self.known.iter().any(|known| known == end_entity) => chains
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
