//! Which certificate a handshake gets: by the server name that the client gives (RFC 6066, section 3).

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::site::Sites;

/// The certificates that new handshakes get; swapped as a whole on reload.
#[derive(Debug)]
pub struct Certificates {
    sites: Sites,
    /// By [`CertificateId`](crate::site::CertificateId); the first is for every host without one of its own.
    keys: ArcSwap<Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Handshakes get one of `keys` from the start: that of [`Sites::certificate`], else the first.
    #[must_use]
    pub fn new(sites: Sites, keys: Vec<Arc<CertifiedKey>>) -> Arc<Self> {
        Arc::new(Self {
            sites,
            keys: ArcSwap::from_pointee(keys),
        })
    }

    /// The one for every host without one of its own.
    pub fn default_key(&self) -> Option<Arc<CertifiedKey>> {
        self.keys.load().first().cloned()
    }

    /// Handshakes that begin from now on get one of `keys`.
    pub fn replace(&self, keys: Vec<Arc<CertifiedKey>>) {
        self.keys.store(Arc::new(keys));
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default();
        let id = self.sites.certificate(name.as_bytes());
        let keys = self.keys.load();
        keys.get(id.index()).or_else(|| keys.first()).cloned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server::cert::tls_settings;
    use crate::site::{Builder, CertificateId, Defaults, Mount, Symlinks};
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    fn certificate(names: &[&str]) -> Arc<CertifiedKey> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let secret = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let chain = vec![made.cert.der().clone()];
        Arc::new(CertifiedKey::from_der(chain, secret, &default_provider()).unwrap())
    }

    /// a.org has certificate 1, all beneath b.org have 2, and plain.org has none of its own.
    fn sites() -> Sites {
        let mut builder = Builder::new(Defaults::default());
        for (host, certificate) in [("a.org", 1), ("*.b.org", 2), ("plain.org", 0)] {
            let root = Mount {
                path: "/".into(),
                symlinks: Symlinks::default(),
            };
            let certificate = CertificateId::new(certificate).unwrap();
            let site = builder.site(root, certificate).unwrap();
            builder.host(site, host.parse().unwrap()).unwrap();
        }
        builder.build()
    }

    /// Handshakes in memory, asking for `name`; gives what the client was shown and trusted.
    fn handshake(
        settings: &Arc<ServerConfig>,
        name: &str,
        trusted: &CertifiedKey,
    ) -> Result<Vec<u8>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.cert[0].clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name)?;
        let mut server = ServerConnection::new(Arc::clone(settings))?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
        Ok(client.peer_certificates().unwrap()[0].to_vec())
    }

    #[test]
    fn the_server_name_chooses_the_certificate() {
        let default = certificate(&["localhost", "127.0.0.1", "plain.org", "x.y.b.org"]);
        let a = certificate(&["a.org"]);
        let b = certificate(&["*.b.org"]);
        let keys = [&default, &a, &b].map(Arc::clone).to_vec();
        let settings = Arc::new(tls_settings(Certificates::new(sites(), keys)).unwrap());
        for (name, expected) in [
            ("a.org", &a),
            ("A.Org", &a),
            ("www.b.org", &b),
            ("plain.org", &default),
            ("localhost", &default),
            ("x.y.b.org", &default),
            // An address is no server name, so none is sent.
            ("127.0.0.1", &default),
        ] {
            let shown = handshake(&settings, name, expected);
            assert_eq!(shown.unwrap(), expected.cert[0].as_ref(), "{name}");
        }
    }

    #[test]
    fn handshakes_get_the_certificates_that_are_current() {
        let make = || vec![certificate(&["localhost"]), certificate(&["a.org"])];
        let (old, new) = (make(), make());
        let current = Certificates::new(sites(), old.clone());
        let settings = Arc::new(tls_settings(Arc::clone(&current)).unwrap());
        for (index, name) in ["localhost", "a.org"].into_iter().enumerate() {
            let shown = handshake(&settings, name, &old[index]).unwrap();
            assert_eq!(shown, old[index].cert[0].as_ref());
        }
        current.replace(new.clone());
        for (index, name) in ["localhost", "a.org"].into_iter().enumerate() {
            let shown = handshake(&settings, name, &new[index]).unwrap();
            assert_eq!(shown, new[index].cert[0].as_ref());
            assert!(handshake(&settings, name, &old[index]).is_err());
        }
    }
}
