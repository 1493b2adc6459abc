//! A certificate chain and its private key, loaded and known to match.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {}: {message}; it must be a PEM file that this user may read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate: it needs a `-----BEGIN CERTIFICATE-----` block, the server's own first, then its chain", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key.
    #[error("{} holds no private key: it needs a `-----BEGIN PRIVATE KEY-----` block (PKCS#8, not encrypted)", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of another certificate.
    #[error("the key {} does not belong to the certificate {}: give the key that the certificate was issued for", .key.display(), .cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The key is of a certificate further down in the file.
    #[error("the key {} belongs to a certificate in {} that is not the first: put it first, with the chain that leads from it behind it", .key.display(), .cert.display())]
    NotFirst {
        /// The certificates' file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library refuses it.
    #[error("the certificate {} with the key {} cannot be used: {source}; use an ECDSA, Ed25519 or RSA certificate in X.509 v3", .cert.display(), .key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
}

/// Reads a chain and its key from PEM files.
///
/// # Errors
/// See [`CertificateError`].
pub fn load(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(cert, &error))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate {
            path: cert.to_owned(),
        });
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey {
            path: key.to_owned(),
        },
        other => unreadable(key, &other),
    })?;
    let certified = |chain| CertifiedKey::from_der(chain, secret.clone_key(), &default_provider());
    certified(chain.clone()).map(Arc::new).map_err(|source| {
        let (cert, key) = (cert.to_owned(), key.to_owned());
        match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                if chain.into_iter().any(|one| certified(vec![one]).is_ok()) {
                    CertificateError::NotFirst { cert, key }
                } else {
                    CertificateError::Mismatch { cert, key }
                }
            }
            source => CertificateError::Unusable { cert, key, source },
        }
    })
}

fn unreadable(path: &Path, error: &pem::Error) -> CertificateError {
    CertificateError::Unreadable {
        path: path.to_owned(),
        message: match error {
            pem::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        },
    }
}
