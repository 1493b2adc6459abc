//! The client's role, against rustls's server.

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::{HandshakeKind, ServerConnection};

use super::*;

/// Our client and rustls's server, after their handshake.
struct Turned {
    client: Box<Session>,
    server: ServerConnection,
    agreed: Agreed,
}

/// A server of one suite, and what a client of it trusts.
fn server(suite: SupportedCipherSuite) -> (Arc<ServerConfig>, Trust) {
    let identity = Identity::of(suite);
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![suite];
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[suite_version(suite)])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.clone()], identity.key.clone_key())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_secret_extraction = true;
    (
        Arc::new(config),
        Trust::Certificates(vec![identity.cert.clone()]),
    )
}

fn client(trust: Trust) -> Arc<ClientConfig> {
    client_config(trust, &[b"h2", b"http/1.1"], true).unwrap()
}

fn server_bytes(server: &mut ServerConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn server_takes(server: &mut ServerConnection, mut wire: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !wire.is_empty() {
        server.read_tls(&mut wire).unwrap();
        server.process_new_packets().unwrap();
        let _ = server.reader().read_to_end(&mut plain);
    }
    plain
}

impl Turned {
    /// Shakes hands; the server writes `early` as soon as it may, which is before the client's Finished.
    fn with(
        server: &Arc<ServerConfig>,
        client: &Arc<ClientConfig>,
        chunks: Chunks,
        early: &[u8],
    ) -> Result<(Self, Vec<u8>), TlsError> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut handshake = Handshake::connect(Arc::clone(client), name)?;
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        let mut out = Vec::new();
        let first = handshake.handle_bytes(&[], &mut out)?;
        assert!(matches!(first, Progress::More));
        let mut done: Option<(Box<Session>, Vec<u8>, Agreed)> = None;
        for round in 0..10 {
            server_takes(&mut server, &std::mem::take(&mut out));
            if round == 0 {
                server.writer().write_all(early).unwrap();
            }
            for chunk in chunks.cut(&server_bytes(&mut server)) {
                match &mut done {
                    Some((_, rest, _)) => rest.extend_from_slice(&chunk),
                    None => match handshake.handle_bytes(&chunk, &mut out)? {
                        Progress::More => {}
                        Progress::Done {
                            session,
                            rest,
                            agreed,
                        } => done = Some((session, rest, agreed)),
                    },
                }
            }
            if done.is_some() && !server.is_handshaking() && out.is_empty() {
                break;
            }
        }
        let (session, mut rest, agreed) = done.expect("the handshake ends");
        let mut turned = Self {
            client: session,
            server,
            agreed,
        };
        let plain = turned.client_takes(&mut rest, chunks)?;
        Ok((turned, plain))
    }

    fn client_takes(&mut self, wire: &mut [u8], chunks: Chunks) -> Result<Vec<u8>, TlsError> {
        let mut plain = Vec::new();
        for mut chunk in chunks.cut(wire) {
            self.client
                .handle_bytes(&mut chunk, |text| plain.extend_from_slice(text))?;
        }
        Ok(plain)
    }

    /// Seals `data` in one record, control in front, and returns the wire.
    fn sealed(&mut self, data: &[u8]) -> Vec<u8> {
        let layout = self.client.layout();
        let mut wire = Vec::new();
        self.client.take_control(&mut wire);
        let at = wire.len();
        wire.resize(at + layout.prefix, 0);
        wire.extend_from_slice(data);
        wire.resize(wire.len() + layout.suffix, 0);
        let len = data.len();
        self.client
            .seal(&mut wire, &[crate::slot::Record { at, len }])
            .unwrap();
        wire
    }
}

#[test]
fn every_suite_in_every_chunking_both_ways() {
    for &suite in CIPHER_SUITES {
        let (server, trust) = server(suite);
        let client = client(trust);
        for chunks in [Chunks::Whole, Chunks::Single, Chunks::Random(7)] {
            let early: &[u8] = if is_tls13(suite) { b"settings" } else { b"" };
            let (mut pair, plain) = Turned::with(&server, &client, chunks, early).unwrap();
            assert_eq!(plain, early, "{suite:?}");
            assert_eq!(pair.agreed.suite, suite);
            assert_eq!(pair.client.alpn(), Some(&b"h2"[..]));
            let wire = pair.sealed(b"request");
            assert_eq!(server_takes(&mut pair.server, &wire), b"request");
            pair.server.writer().write_all(&[5; 40_000]).unwrap();
            let mut wire = server_bytes(&mut pair.server);
            let plain = pair.client_takes(&mut wire, chunks).unwrap();
            assert_eq!(plain, [5; 40_000]);
        }
    }
}

#[test]
fn tickets_resume_unless_they_are_not_wanted() {
    for &suite in CIPHER_SUITES {
        let (server, trust) = server(suite);
        for (wanted, chunks) in [
            (true, Chunks::Whole),
            (true, Chunks::Single),
            (false, Chunks::Whole),
        ] {
            let client = client_config(trust.clone(), &[b"h2"], wanted).unwrap();
            for n in 0..3 {
                let (mut pair, _) = Turned::with(&server, &client, chunks, b"").unwrap();
                assert_eq!(pair.agreed.resumed, wanted && n > 0, "{suite:?} {n}");
                let kind = pair.server.handshake_kind().unwrap();
                assert_eq!(kind == HandshakeKind::Resumed, pair.agreed.resumed);
                let wire = pair.sealed(b"again");
                assert_eq!(server_takes(&mut pair.server, &wire), b"again");
            }
        }
    }
}

#[test]
fn key_updates_are_followed_and_answered() {
    let (server, trust) = server(TLS13_AES_128_GCM_SHA256);
    let (mut pair, _) = Turned::with(&server, &client(trust), Chunks::Whole, b"").unwrap();
    for n in 0..3 {
        pair.server.refresh_traffic_keys().unwrap();
        pair.server.writer().write_all(&[n]).unwrap();
        let mut wire = server_bytes(&mut pair.server);
        let plain = pair.client_takes(&mut wire, Chunks::Single).unwrap();
        assert_eq!(plain, [n]);
        assert!(pair.client.has_control(), "it was asked for an answer");
        let wire = pair.sealed(b"new keys");
        assert_eq!(server_takes(&mut pair.server, &wire), b"new keys");
    }
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused() {
    let (server, _) = server(TLS13_AES_128_GCM_SHA256);
    let other = Identity::new(&rcgen::PKCS_ECDSA_P256_SHA256);
    let stranger = client(Trust::Certificates(vec![other.cert]));
    let refused = Turned::with(&server, &stranger, Chunks::Whole, b"");
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(Turned::with(&server, &client(Trust::Anything), Chunks::Whole, b"").is_ok());
}

#[test]
fn a_certificate_that_is_known_is_trusted_under_any_name() {
    let (server, trust) = server(TLS13_AES_128_GCM_SHA256);
    let name = ServerName::try_from("elsewhere.example").unwrap();
    let mut handshake = Handshake::connect(client(trust), name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut out = Vec::new();
    handshake.handle_bytes(&[], &mut out).unwrap();
    server_takes(&mut server, &out);
    let progress = handshake.handle_bytes(&server_bytes(&mut server), &mut out);
    assert!(matches!(progress, Ok(Progress::Done { .. })));
    assert!(client_config(Trust::Certificates(Vec::new()), &[], true).is_err());
}

/// Our client after its handshake, and bare keys in the server's place, to say what no sound server says.
fn bare(suite: SupportedCipherSuite) -> (Peer, Box<Session>) {
    let (server, trust) = server(suite);
    let (pair, _) = Turned::with(&server, &client(trust), Chunks::Whole, b"").unwrap();
    #[allow(deprecated)]
    let secrets = pair.server.dangerous_extract_secrets().unwrap();
    let shape = Shape::of(suite, &secrets.tx.1);
    let peer = Peer {
        sealer: Sealer::new(Keys::new(secrets.tx).unwrap(), shape, u64::MAX),
        opener: Opener::new(Keys::new(secrets.rx).unwrap(), shape),
    };
    (peer, pair.client)
}

const HANDSHAKE: u8 = super::super::keys::content::HANDSHAKE;

fn client_error(suite: SupportedCipherSuite, records: &[&[u8]]) -> Option<TlsError> {
    let (mut peer, mut client) = bare(suite);
    records.iter().find_map(|text| {
        let mut wire = peer.record(HANDSHAKE, text);
        client.handle_bytes(&mut wire, |_| {}).err()
    })
}

#[test]
fn tickets_that_are_none_and_too_many_of_them_end_it() {
    let suite = TLS13_AES_128_GCM_SHA256;
    assert!(matches!(
        client_error(suite, &[&[4, 0, 0, 1, 9]]),
        Some(TlsError::Ticket(_))
    ));
    assert!(matches!(
        client_error(suite, &[&[4, 0, 0, 0]]),
        Some(TlsError::Ticket(_))
    ));
    assert_eq!(
        client_error(suite, &[&[4, 1, 0, 1]]),
        Some(TlsError::HandshakeMessageTooLong)
    );
    assert_eq!(
        client_error(suite, &[&[13, 0, 0, 1]]),
        Some(TlsError::HandshakeKind(13))
    );
    // A lifetime, an age, a nonce, a ticket, no extensions (RFC 8446, section 4.6.1).
    let ticket = [4, 0, 0, 15, 0, 0, 0, 9, 0, 0, 0, 9, 1, 7, 0, 1, 7, 0, 0];
    assert_eq!(client_error(suite, &[&ticket[..7], &ticket[7..]]), None);
    let many = [&ticket[..]; 40];
    assert_eq!(
        client_error(suite, &many),
        Some(TlsError::TooManyFruitlessRecords)
    );
}

#[test]
fn renegotiation_is_refused() {
    let suite = *CIPHER_SUITES
        .iter()
        .find(|suite| !is_tls13(**suite))
        .unwrap();
    let (mut peer, mut client) = bare(suite);
    let mut wire = peer.record(HANDSHAKE, &[0, 0, 0, 0]);
    client.handle_bytes(&mut wire, |_| {}).unwrap();
    let mut said = Vec::new();
    client.take_control(&mut said);
    let (kind, text) = peer.open(&mut said);
    // RFC 5246, section 7.2.2: a warning, no_renegotiation.
    assert_eq!((kind, &text[..]), (21, &[1, 100][..]));
    assert_eq!(
        client_error(suite, &[&[1, 0, 0, 0]]),
        Some(TlsError::HandshakeKind(1))
    );
}
