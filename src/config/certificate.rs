//! A certificate chain and its private key, loaded and known to match.

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError as CertificateRefused, InconsistentKeys, RootCertStore};

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

/// Whether a client that trusts exactly this certificate accepts it at that time for that name.
///
/// # Errors
/// What the client would say. Its dates come first, also for a certificate that another one vouches for.
pub fn verify(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    time: SystemTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), default_provider().into())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(since_epoch);
    verifier
        .verify_server_cert(certificate, &[], name, &[], time)
        .map(drop)
}

/// That clients refuse a certificate at this time for its dates, if they do.
pub fn out_of_date(name: impl Display, key: &CertifiedKey, now: SystemTime) -> Option<String> {
    let date = |time: UnixTime| HttpDate::from(UNIX_EPOCH + Duration::from_secs(time.as_secs()));
    let any = Ipv4Addr::LOCALHOST.into();
    match verify(key.end_entity_cert().ok()?, &any, now) {
        Err(rustls::Error::InvalidCertificate(CertificateRefused::ExpiredContext {
            not_after,
            ..
        })) => Some(format!(
            "the certificate {name} expired on {}: clients refuse it until another is in its place and SIGHUP was sent",
            date(not_after)
        )),
        Err(rustls::Error::InvalidCertificate(CertificateRefused::NotValidYetContext {
            not_before,
            ..
        })) => Some(format!(
            "the certificate {name} is not valid before {}: clients refuse it until then, or is this machine's clock wrong?",
            date(not_before)
        )),
        _ => None,
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair, date_time_ymd};

    /// Valid in 2020, and signed by itself or by another one.
    fn of_2020(by_another: bool) -> CertifiedKey {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["a.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        let made = if by_another {
            let mut above = CertificateParams::default();
            above
                .distinguished_name
                .push(DnType::CommonName, "the one above");
            let issuer = Issuer::new(above, KeyPair::generate().unwrap());
            params.signed_by(&key, &issuer)
        } else {
            params.self_signed(&key)
        };
        let chain = vec![made.unwrap().der().clone()];
        let secret = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        CertifiedKey::from_der(chain, secret, &default_provider()).unwrap()
    }

    #[test]
    fn a_certificate_is_told_to_be_out_of_date_whoever_signed_it() {
        const DAY: u64 = 24 * 60 * 60;
        for by_another in [false, true] {
            let key = of_2020(by_another);
            let on_day = |day| {
                let now = UNIX_EPOCH + Duration::from_secs(day * DAY);
                out_of_date("c.pem", &key, now)
            };
            // 2020 began on day 18,262 and had 366.
            let early = on_day(18_261).unwrap();
            assert!(
                early.contains("c.pem is not valid before Wed, 01 Jan 2020 00:00:00 GMT"),
                "{early}"
            );
            assert_eq!(on_day(18_263), None);
            assert_eq!(on_day(18_627), None);
            let late = on_day(18_629).unwrap();
            assert!(
                late.contains("c.pem expired on Fri, 01 Jan 2021 00:00:00 GMT"),
                "{late}"
            );
        }
    }
}
