//! In-memory tests against rustls. Whatever is random comes from a seed, which is printed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod exchanges;
mod handed_over;
mod handshakes;
mod violations;

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedCipherSuite, version,
};

use super::config::CIPHER_SUITES;
use super::keys::{Keys, Shape};
use super::open::Opener;
use super::seal::Sealer;
use super::*;

/// A certificate that is its own trust anchor, and its key.
struct Identity {
    cert: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn new(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let cert = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        Self {
            cert: cert.der().clone(),
            key: key.into(),
        }
    }

    fn of(suite: SupportedCipherSuite) -> &'static Self {
        static ECDSA: LazyLock<Identity> =
            LazyLock::new(|| Identity::new(&rcgen::PKCS_ECDSA_P256_SHA256));
        static RSA: LazyLock<Identity> = LazyLock::new(|| Identity::new(&rcgen::PKCS_RSA_SHA256));
        match suite {
            SupportedCipherSuite::Tls12(suite)
                if suite
                    .sign
                    .contains(&rustls::SignatureScheme::RSA_PKCS1_SHA256) =>
            {
                &RSA
            }
            _ => &ECDSA,
        }
    }

    fn server(&self) -> Arc<ServerConfig> {
        server_config(
            vec![self.cert.clone()],
            self.key.clone_key(),
            &[b"h2", b"http/1.1"],
        )
        .unwrap()
    }

    fn client(&self, suite: SupportedCipherSuite) -> Arc<ClientConfig> {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![suite];
        let mut roots = RootCertStore::empty();
        roots.add(self.cert.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[suite_version(suite)])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        config.enable_secret_extraction = true;
        Arc::new(config)
    }
}

fn suite_version(suite: SupportedCipherSuite) -> &'static rustls::SupportedProtocolVersion {
    match suite {
        SupportedCipherSuite::Tls13(_) => &version::TLS13,
        SupportedCipherSuite::Tls12(_) => &version::TLS12,
    }
}

fn is_tls13(suite: SupportedCipherSuite) -> bool {
    matches!(suite, SupportedCipherSuite::Tls13(_))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 1 to `max`.
    fn up_to(&mut self, max: usize) -> usize {
        1 + (self.next() % max as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// How bytes are cut on their way to the server.
#[derive(Clone, Copy, Debug)]
enum Chunks {
    Whole,
    Single,
    Random(u64),
}

impl Chunks {
    fn cut(self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut random = match self {
            Self::Random(seed) => Random::seeded(seed),
            _ => Random(0),
        };
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let len = match self {
                Self::Whole => rest.len(),
                Self::Single => 1,
                Self::Random(_) => {
                    let max = [3, 40, 700, 5_000][random.up_to(4) - 1];
                    random.up_to(max).min(rest.len())
                }
            };
            let (now, later) = rest.split_at(len);
            chunks.push(now.to_vec());
            rest = later;
        }
        chunks
    }
}

/// What the client has to send.
fn client_bytes(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Gives `wire` to the client and returns what plaintext that made.
fn client_takes(client: &mut ClientConnection, mut wire: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let mut plain = Vec::new();
    while !wire.is_empty() {
        client.read_tls(&mut wire).unwrap();
        client.process_new_packets()?;
        let _ = client.reader().read_to_end(&mut plain);
    }
    Ok(plain)
}

/// A client and a session that have shaken hands.
struct Pair {
    client: ClientConnection,
    server: Box<Session>,
}

impl Pair {
    fn new(suite: SupportedCipherSuite) -> Self {
        let identity = Identity::of(suite);
        Self::with(&identity.server(), &identity.client(suite), Chunks::Whole)
    }

    fn with(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, chunks: Chunks) -> Self {
        let (pair, mut rest) = Self::with_early_data(server, client, chunks, b"");
        let mut pair = pair;
        pair.server.handle_bytes(&mut rest, |_| {}).unwrap();
        pair
    }

    /// Shakes hands with `early` written by the client before: the client sends it right behind its Finished.
    fn with_early_data(
        server: &Arc<ServerConfig>,
        client: &Arc<ClientConfig>,
        chunks: Chunks,
        early: &[u8],
    ) -> (Self, Vec<u8>) {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
        client.writer().write_all(early).unwrap();
        Self::of(server, client, chunks)
    }

    /// Shakes hands; what came behind the client's Finished.
    fn of(
        server: &Arc<ServerConfig>,
        mut client: ClientConnection,
        chunks: Chunks,
    ) -> (Self, Vec<u8>) {
        let mut handshake = Handshake::new(Arc::clone(server)).unwrap();
        let mut done: Option<(Box<Session>, Vec<u8>)> = None;
        for _ in 0..10 {
            let mut out = Vec::new();
            for chunk in chunks.cut(&client_bytes(&mut client)) {
                match &mut done {
                    Some((_, rest)) => rest.extend_from_slice(&chunk),
                    None => match handshake.handle_bytes(&chunk, &mut out).unwrap() {
                        Progress::More => {}
                        Progress::Done { session, rest, .. } => done = Some((session, rest)),
                    },
                }
            }
            assert_eq!(client_takes(&mut client, &out).unwrap(), b"");
            if done.is_some() && !client.is_handshaking() && !client.wants_write() {
                break;
            }
        }
        assert_eq!(
            handshake.handle_bytes(b"", &mut Vec::new()).unwrap_err(),
            TlsError::Ended
        );
        let (server, rest) = done.expect("the handshake ends");
        (Self { client, server }, rest)
    }

    /// Sends `data` from the client; what the session makes of it.
    fn upload(&mut self, data: &[u8], chunks: Chunks) -> Result<Vec<u8>, TlsError> {
        self.client.writer().write_all(data).unwrap();
        let wire = client_bytes(&mut self.client);
        self.server_takes(&wire, chunks)
    }

    fn server_takes(&mut self, wire: &[u8], chunks: Chunks) -> Result<Vec<u8>, TlsError> {
        let mut plain = Vec::new();
        for mut chunk in chunks.cut(wire) {
            self.server
                .handle_bytes(&mut chunk, |text| plain.extend_from_slice(text))?;
        }
        Ok(plain)
    }

    /// Seals `data` in one record, control in front, and returns the wire.
    fn sealed(&mut self, data: &[u8]) -> Vec<u8> {
        let layout = self.server.layout();
        let mut wire = Vec::new();
        self.server.take_control(&mut wire);
        let at = wire.len();
        wire.resize(at + layout.prefix, 0);
        wire.extend_from_slice(data);
        wire.resize(wire.len() + layout.suffix, 0);
        let record = crate::slot::Record {
            at,
            len: data.len(),
        };
        self.server.seal(&mut wire, &[record]).unwrap();
        wire
    }

    /// Replaces the client by its bare keys, to say what no sound client says.
    fn into_bare(self) -> (Peer, Box<Session>) {
        let suite = self.client.negotiated_cipher_suite().unwrap();
        #[allow(deprecated)]
        let secrets = self.client.dangerous_extract_secrets().unwrap();
        let shape = Shape::of(suite, &secrets.tx.1);
        let peer = Peer {
            sealer: Sealer::new(Keys::new(secrets.tx).unwrap(), shape, u64::MAX),
            opener: Opener::new(Keys::new(secrets.rx).unwrap(), shape),
        };
        (peer, self.server)
    }
}

/// A peer that seals whatever it is told to.
struct Peer {
    sealer: Sealer,
    opener: Opener,
}

impl Peer {
    fn record(&mut self, kind: u8, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.sealer.append(kind, text, &mut out).unwrap();
        out
    }

    /// Opens the one record in `wire`.
    fn open(&mut self, wire: &mut [u8]) -> (u8, Vec<u8>) {
        assert_eq!(self.opener.record_len(wire).unwrap(), Some(wire.len()));
        let (kind, text) = self.opener.open(wire).unwrap();
        (kind, text.to_vec())
    }
}
