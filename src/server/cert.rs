//! The self-signed certificate (made, kept, renewed), and the TLS settings around any kind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustix::fs::FlockOperation;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;

use super::sni::Certificates;
use crate::config::certificate;
use crate::transport::tls::MAX_SKIPPED_EARLY_DATA;

const CERT_FILE: &str = "self-signed.crt";
const KEY_FILE: &str = "self-signed.key";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest validity that browsers accepted of a leaf certificate when this was written: 398 days, less one for
/// clocks that differ.
const VALIDITY: Duration = DAY.saturating_mul(397);
/// A certificate that has less than this left is made anew.
const RENEWAL: Duration = DAY.saturating_mul(30);
/// How far a client's clock may be behind.
const BACKDATING: Duration = DAY;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate: {0}; give one with --cert and --key")]
    Generate(#[from] rcgen::Error),
    /// The TLS library refuses something.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A self-signed certificate.
#[derive(Debug)]
pub struct SelfSigned {
    /// The certificate and its key.
    pub key: Arc<CertifiedKey>,
    /// Where the certificate is kept; `None` when it is only in memory.
    pub path: Option<PathBuf>,
}

/// The folder for what outlives the process: the first of `$STATE_DIRECTORY` (systemd), else
/// `$XDG_STATE_HOME/ringlane`, else `~/.local/state/ringlane`.
pub fn state_folder() -> Option<PathBuf> {
    state_folder_from(|name| std::env::var_os(name).map(PathBuf::from))
}

fn state_folder_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(list) = variable("STATE_DIRECTORY")
        && let Some(first) = std::env::split_paths(&list).find(|path| path.is_absolute())
    {
        return Some(first);
    }
    // Relative paths are to be ignored (XDG base directory specification).
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("ringlane"))
}

/// The kept self-signed certificate, or a new one where there is none, where it runs out within 30 days, is for
/// another host name, or cannot be read.
///
/// When the folder cannot be written, the certificate is only in memory, and a warning says so: then the one `in_use`, if
/// there is one, stays for as long as a kept one would.
///
/// # Errors
/// [`CertError`] when no certificate can be made at all.
pub fn self_signed(
    folder: Option<&Path>,
    in_use: Option<&Arc<CertifiedKey>>,
) -> Result<SelfSigned, CertError> {
    let hostname = hostname();
    let Some(folder) = folder else {
        tracing::warn!(
            "no state folder (HOME is not set): the self-signed certificate is only in memory, and the next start makes another"
        );
        return in_memory(hostname.as_deref(), in_use);
    };
    match kept(folder, hostname.as_deref()) {
        Ok(certificate) => Ok(certificate),
        Err(KeepError::Cert(error)) => Err(error),
        Err(KeepError::Io(error)) => {
            tracing::warn!(
                "cannot keep the self-signed certificate in {}: {error}: it is only in memory, and the next start makes another",
                folder.display()
            );
            in_memory(hostname.as_deref(), in_use)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Cert(#[from] CertError),
}

fn in_memory(
    hostname: Option<&str>,
    in_use: Option<&Arc<CertifiedKey>>,
) -> Result<SelfSigned, CertError> {
    let now = SystemTime::now();
    let key = match in_use.filter(|key| usable_at(key, hostname, now + RENEWAL).is_ok()) {
        Some(key) => Arc::clone(key),
        None => generate(hostname, now)?.certified()?,
    };
    Ok(SelfSigned { key, path: None })
}

fn kept(folder: &Path, hostname: Option<&str>) -> Result<SelfSigned, KeepError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Two processes that start together must not leave one's key beside the other's certificate.
    let lock = File::open(folder)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(io::Error::from)?;
    let (cert_path, key_path) = (folder.join(CERT_FILE), folder.join(KEY_FILE));
    if cert_path.exists() || key_path.exists() {
        let until = SystemTime::now() + RENEWAL;
        let loaded = certificate::load(&cert_path, &key_path).map_err(|error| error.to_string());
        match loaded.and_then(|key| usable_at(&key, hostname, until).map(|()| key)) {
            Ok(key) => {
                return Ok(SelfSigned {
                    key,
                    path: Some(cert_path),
                });
            }
            Err(reason) => tracing::info!("making a new self-signed certificate: {reason}"),
        }
    }
    let made = generate(hostname, SystemTime::now()).map_err(CertError::Generate)?;
    let certified = made.certified()?;
    write_atomically(&key_path, 0o600, made.key.serialize_pem().as_bytes())?;
    write_atomically(&cert_path, 0o644, made.cert.pem().as_bytes())?;
    tracing::info!(
        "the new self-signed certificate is kept in {}",
        cert_path.display()
    );
    Ok(SelfSigned {
        key: certified,
        path: Some(cert_path),
    })
}

struct Made {
    cert: rcgen::Certificate,
    key: KeyPair,
}

impl Made {
    fn certified(&self) -> Result<Arc<CertifiedKey>, CertError> {
        let secret = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let chain = vec![self.cert.der().clone()];
        Ok(Arc::new(CertifiedKey::from_der(
            chain,
            secret,
            &default_provider(),
        )?))
    }
}

fn generate(hostname: Option<&str>, now: SystemTime) -> Result<Made, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(
        hostname
            .filter(|name| *name != "localhost")
            .map(str::to_owned),
    );
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "ringlane self-signed");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let since_epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let at = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = at - BACKDATING;
    params.not_after = params.not_before + VALIDITY;
    let cert = params.self_signed(&key)?;
    Ok(Made { cert, key })
}

/// Whether a client that trusts exactly this certificate accepts it at that time for our names.
fn usable_at(key: &CertifiedKey, hostname: Option<&str>, time: SystemTime) -> Result<(), String> {
    let leaf = key.end_entity_cert().map_err(|error| error.to_string())?;
    for name in ["localhost", "127.0.0.1", "::1"]
        .into_iter()
        .chain(hostname)
    {
        let server_name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        certificate::verify(leaf, &server_name, time).map_err(|error| match error {
            rustls::Error::InvalidCertificate(rustls::CertificateError::ExpiredContext {
                ..
            }) => {
                format!(
                    "the kept one runs out within {} days",
                    RENEWAL.as_secs() / DAY.as_secs()
                )
            }
            error => format!("the kept one does not serve for {name}: {error}"),
        })?;
    }
    Ok(())
}

/// The machine's name, when it can stand in a certificate.
fn hostname() -> Option<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_str()
        .ok()?
        .to_ascii_lowercase();
    let usable = matches!(
        ServerName::try_from(name.as_str()),
        Ok(ServerName::DnsName(_))
    );
    usable.then_some(name)
}

/// Writes a file so that it is there in whole or not at all, and never readable by more than `mode` says.
fn write_atomically(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The SHA-256 of the server's own certificate as browsers show it: `AA:BB:...`, 95 characters.
pub fn fingerprint(key: &CertifiedKey) -> String {
    let der = key.cert.first().map_or(&[][..], |leaf| leaf.as_ref());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    let bytes: Vec<String> = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    bytes.join(":")
}

/// The TLS settings that every shard shares: TLS 1.2 and 1.3, ALPN, stateless resumption, and the traffic keys given out
/// after the handshake.
///
/// # Errors
/// [`CertError::Tls`] when the library has no randomness for the ticket key.
pub fn tls_settings(certificates: Arc<Certificates>) -> Result<ServerConfig, CertError> {
    let mut settings = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    // Who offers only what is not here is refused; `curl --http1.0` offers just the last.
    settings.alpn_protocols = [&b"h2"[..], b"http/1.1", b"http/1.0"].map(Vec::from).into();
    // Sessions are kept by the clients, encrypted: a table of ours would be shared by the shards, behind a lock.
    settings.session_storage = Arc::new(NoServerSessionStorage {});
    settings.ticketer = Ticketer::new()?;
    settings.max_early_data_size = MAX_SKIPPED_EARLY_DATA;
    settings.enable_secret_extraction = true;
    Ok(settings)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn made_once_and_kept_with_a_private_key_file() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("a/ringlane");
        let first = self_signed(Some(&folder), None).unwrap();
        let again = self_signed(Some(&folder), None).unwrap();
        assert_eq!(fingerprint(&first.key), fingerprint(&again.key));
        assert_eq!(fingerprint(&first.key).len(), 95);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(KEY_FILE)), 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn made_anew_when_broken_or_running_out() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path();
        let first = self_signed(Some(folder), None).unwrap();
        fs::write(folder.join(CERT_FILE), "not PEM").unwrap();
        let second = self_signed(Some(folder), None).unwrap();
        assert_ne!(fingerprint(&first.key), fingerprint(&second.key));

        let old = generate(None, SystemTime::now() - VALIDITY + RENEWAL / 2).unwrap();
        fs::write(folder.join(CERT_FILE), old.cert.pem()).unwrap();
        fs::write(folder.join(KEY_FILE), old.key.serialize_pem()).unwrap();
        let third = self_signed(Some(folder), None).unwrap();
        assert_ne!(
            fingerprint(&third.key),
            fingerprint(&old.certified().unwrap())
        );
    }

    #[test]
    fn usable_until_its_last_days_and_only_for_its_names() {
        let now = SystemTime::now();
        let key = generate(Some("box"), now).unwrap().certified().unwrap();
        assert_eq!(usable_at(&key, Some("box"), now), Ok(()));
        assert_eq!(
            usable_at(&key, Some("box"), now + VALIDITY - DAY * 2),
            Ok(())
        );
        let late = usable_at(&key, None, now + VALIDITY).unwrap_err();
        assert!(late.contains("30 days"), "{late}");
        assert!(usable_at(&key, Some("other"), now).is_err());
    }

    #[test]
    fn in_memory_when_the_folder_cannot_be_written() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("file");
        fs::write(&file, "").unwrap();
        let first = self_signed(Some(&file.join("x")), None).unwrap();
        assert_eq!(first.path, None);
        assert_eq!(self_signed(None, None).unwrap().path, None);

        // The one in use stays, until its last days.
        let again = self_signed(None, Some(&first.key)).unwrap();
        assert_eq!(fingerprint(&again.key), fingerprint(&first.key));
        let old = generate(None, SystemTime::now() - VALIDITY + RENEWAL / 2).unwrap();
        let old = old.certified().unwrap();
        let next = self_signed(None, Some(&old)).unwrap();
        assert_ne!(fingerprint(&next.key), fingerprint(&old));
    }

    #[test]
    fn the_state_folder_follows_systemd_then_xdg_then_home() {
        let pick = |set: &[(&str, &str)]| {
            state_folder_from(|name| {
                let (_, value) = set.iter().find(|(key, _)| *key == name)?;
                Some(PathBuf::from(value))
            })
        };
        let all = [
            ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(pick(&all), Some("/var/lib/a".into()));
        assert_eq!(pick(&all[1..]), Some("/x/ringlane".into()));
        assert_eq!(pick(&all[2..]), Some("/h/.local/state/ringlane".into()));
        assert_eq!(pick(&[("XDG_STATE_HOME", "x")]), None);
    }
}
