//! Handshakes: chunkings, resumption, ALPN, early records, refusals.

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::server::ServerSessionMemoryCache;
use rustls::{AlertDescription, HandshakeKind, ServerConnection};

use super::*;
use crate::transport::tls::limits::{HEADER_LEN, MAX_FLIGHT_RECORDS, MAX_HELLO_RECORDS};

fn client_of(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(
        Arc::clone(config),
        ServerName::try_from("localhost").unwrap(),
    )
    .unwrap()
}

fn hello() -> (Arc<ServerConfig>, Vec<u8>) {
    let identity = Identity::of(TLS13_AES_128_GCM_SHA256);
    let mut client = client_of(&identity.client(TLS13_AES_128_GCM_SHA256));
    (identity.server(), client_bytes(&mut client))
}

#[test]
fn every_suite_in_every_chunking() {
    for &suite in CIPHER_SUITES {
        let identity = Identity::of(suite);
        let chunkings = [
            Chunks::Whole,
            Chunks::Single,
            Chunks::Random(1),
            Chunks::Random(2),
        ];
        for chunks in chunkings {
            let pair = Pair::with(&identity.server(), &identity.client(suite), chunks);
            assert_eq!(pair.client.negotiated_cipher_suite(), Some(suite));
            assert_eq!(pair.server.alpn(), Some(&b"h2"[..]), "the server's order");
            assert_eq!(pair.server.kept_capacity(), 0);
        }
    }
}

#[test]
fn aes_128_is_preferred() {
    let identity = Identity::of(TLS13_AES_128_GCM_SHA256);
    for (versions, first) in [
        (&version::TLS13, CIPHER_SUITES[0]),
        (&version::TLS12, CIPHER_SUITES[3]),
    ] {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = CIPHER_SUITES.iter().rev().copied().collect();
        let mut roots = RootCertStore::empty();
        roots.add(identity.cert.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[versions])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let pair = Pair::with(&identity.server(), &Arc::new(client), Chunks::Whole);
        assert_eq!(pair.client.negotiated_cipher_suite(), Some(first));
        assert_eq!(pair.server.alpn(), None);
    }
}

#[test]
fn tickets_resume() {
    for &suite in CIPHER_SUITES {
        let identity = Identity::of(suite);
        let (server, client) = (identity.server(), identity.client(suite));
        let kinds = [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed,
        ];
        for (n, kind) in kinds.into_iter().enumerate() {
            let mut pair = Pair::with(&server, &client, Chunks::Random(n as u64));
            assert_eq!(pair.client.handshake_kind(), Some(kind), "{suite:?}");
            assert_eq!(pair.upload(b"up", Chunks::Whole).unwrap(), b"up");
            let wire = pair.sealed(b"down");
            assert_eq!(client_takes(&mut pair.client, &wire).unwrap(), b"down");
        }
    }
}

#[test]
fn records_behind_the_finished_are_handed_back() {
    let early = Random::seeded(7).bytes(40_000);
    for &suite in CIPHER_SUITES {
        let identity = Identity::of(suite);
        for chunks in [Chunks::Whole, Chunks::Single, Chunks::Random(3)] {
            let (mut pair, rest) =
                Pair::with_early_data(&identity.server(), &identity.client(suite), chunks, &early);
            assert!(rest.len() > early.len());
            assert_eq!(pair.server_takes(&rest, chunks).unwrap(), early);
        }
    }
}

/// A server, and a client that guesses wrong which group it takes.
fn of_two_minds() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let suite = TLS13_AES_128_GCM_SHA256;
    let identity = Identity::of(suite);
    let groups = |groups: &[&'static dyn rustls::crypto::SupportedKxGroup]| {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![suite];
        provider.kx_groups = groups.to_vec();
        Arc::new(provider)
    };
    let (x25519, p384) = (aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP384R1);
    let mut server = ServerConfig::builder_with_provider(groups(&[x25519]))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.clone()], identity.key.clone_key())
        .unwrap();
    server.enable_secret_extraction = true;
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(groups(&[p384, x25519]))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    (Arc::new(server), Arc::new(client))
}

#[test]
fn a_hello_may_be_retried() {
    let (server, client) = of_two_minds();
    for chunks in [Chunks::Whole, Chunks::Single, Chunks::Random(8)] {
        let mut pair = Pair::with(&server, &client, chunks);
        assert_eq!(
            pair.client.handshake_kind(),
            Some(HandshakeKind::FullWithHelloRetryRequest)
        );
        assert_eq!(pair.upload(b"up", chunks).unwrap(), b"up");
    }
}

#[test]
fn no_common_protocol_is_refused_with_an_alert() {
    let identity = Identity::of(TLS13_AES_128_GCM_SHA256);
    let mut config = (*identity.client(TLS13_AES_128_GCM_SHA256)).clone();
    config.alpn_protocols = vec![b"spdy/1".to_vec()];
    let mut client = client_of(&Arc::new(config));
    let mut out = Vec::new();
    let mut handshake = Handshake::new(identity.server()).unwrap();
    let error = handshake
        .handle_bytes(&client_bytes(&mut client), &mut out)
        .unwrap_err();
    assert_eq!(
        error,
        TlsError::Handshake(rustls::Error::NoApplicationProtocol)
    );
    assert_eq!(
        client_takes(&mut client, &out).unwrap_err(),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
    );
    assert_eq!(
        handshake.handle_bytes(b"", &mut out).unwrap_err(),
        TlsError::Ended
    );
}

#[test]
fn what_is_not_tls_is_refused_with_an_alert() {
    let (config, _) = hello();
    for input in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[22, 3, 1, 0xff, 0xff],
        &[0x80, 0x2e, 1, 0, 2, 0, 0, 0],
    ] {
        let mut out = Vec::new();
        let error = Handshake::new(Arc::clone(&config))
            .unwrap()
            .handle_bytes(input, &mut out)
            .unwrap_err();
        assert!(matches!(error, TlsError::Handshake(_)), "{error}");
        assert_eq!(out[0], 21);
    }
}

#[test]
fn a_peer_that_refuses_the_certificate_ends_the_handshake() {
    let suite = TLS13_AES_128_GCM_SHA256;
    let server = Identity::new(&rcgen::PKCS_ECDSA_P256_SHA256).server();
    let mut client = client_of(&Identity::of(suite).client(suite));
    let mut handshake = Handshake::new(server).unwrap();
    let mut out = Vec::new();
    handshake
        .handle_bytes(&client_bytes(&mut client), &mut out)
        .unwrap();
    client_takes(&mut client, &out).unwrap_err();
    let error = handshake
        .handle_bytes(&client_bytes(&mut client), &mut Vec::new())
        .unwrap_err();
    assert!(
        matches!(error, TlsError::Handshake(rustls::Error::AlertReceived(_))),
        "{error}"
    );
}

#[test]
fn a_handshake_without_end_is_bounded() {
    let (config, hello) = hello();
    // One byte of a ClientHello that claims to be long, record after record.
    let mut endless = vec![22, 3, 1, 0, 4, 1, 0, 0xff, 0xff];
    while endless.len() <= MAX_HANDSHAKE_BYTES {
        endless.extend_from_slice(&[22, 3, 3, 0, 1, 0]);
    }
    let error = Handshake::new(Arc::clone(&config))
        .unwrap()
        .handle_bytes(&endless, &mut Vec::new())
        .unwrap_err();
    assert!(
        matches!(error, TlsError::HandshakeTooLong | TlsError::Handshake(_)),
        "{error}"
    );
    // ChangeCipherSpec after ChangeCipherSpec.
    let mut handshake = Handshake::new(config).unwrap();
    let mut input = hello;
    for _ in 0..MAX_HANDSHAKE_BYTES / 6 {
        input.extend_from_slice(&[20, 3, 3, 0, 1, 1]);
    }
    handshake.handle_bytes(&input, &mut Vec::new()).unwrap_err();
}

#[test]
fn a_damaged_or_cut_hello_never_panics() {
    let (config, hello) = hello();
    for at in 0..hello.len() {
        let mut damaged = hello.clone();
        damaged[at] ^= 1 << (at % 8);
        let _ = Handshake::new(Arc::clone(&config))
            .unwrap()
            .handle_bytes(&damaged, &mut Vec::new());
        let mut out = Vec::new();
        let progress = Handshake::new(Arc::clone(&config))
            .unwrap()
            .handle_bytes(&hello[..at], &mut out)
            .unwrap();
        assert!(matches!(progress, Progress::More) && out.is_empty());
    }
}

#[test]
fn a_damaged_finished_never_ends_the_handshake() {
    let suite = TLS13_AES_128_GCM_SHA256;
    let identity = Identity::of(suite);
    let (server, client) = (identity.server(), identity.client(suite));
    // ChangeCipherSpec (6 bytes), then the encrypted Finished.
    for at in 6..6 + 5 + 52 + 1 {
        let mut client = client_of(&client);
        let mut handshake = Handshake::new(Arc::clone(&server)).unwrap();
        let mut out = Vec::new();
        handshake
            .handle_bytes(&client_bytes(&mut client), &mut out)
            .unwrap();
        client_takes(&mut client, &out).unwrap();
        let mut wire = client_bytes(&mut client);
        if at >= wire.len() {
            break;
        }
        wire[at] ^= 0x10;
        let result = handshake.handle_bytes(&wire, &mut Vec::new());
        // rustls ignores the minor version, as RFC 8446, section 5.2, has it.
        assert!(
            at == 6 + 2 || !matches!(result, Ok(Progress::Done { .. })),
            "byte {at}"
        );
    }
}

/// A client that sends early data, in records of so many bytes: another server gave it a ticket that allows that.
fn early_client(suite: SupportedCipherSuite, early: &[usize]) -> ClientConnection {
    let identity = Identity::of(suite);
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.clone()], identity.key.clone_key())
        .unwrap();
    server.session_storage = ServerSessionMemoryCache::new(8);
    server.max_early_data_size = 60_000;
    let mut config = (*identity.client(suite)).clone();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut first = client_of(&config);
    while first.is_handshaking() || server.is_handshaking() || server.wants_write() {
        server.read_tls(&mut &client_bytes(&mut first)[..]).unwrap();
        server.process_new_packets().unwrap();
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client_takes(&mut first, &wire).unwrap();
    }
    let mut client = client_of(&config);
    for &len in early {
        let data = vec![b'e'; len];
        let mut writer = client.early_data().expect("the ticket allows it");
        assert_eq!(writer.write(&data).unwrap(), len);
    }
    client
}

#[test]
fn early_data_is_skipped() {
    for &suite in CIPHER_SUITES.iter().filter(|&&suite| is_tls13(suite)) {
        let server = Identity::of(suite).server();
        for early in [
            &[1][..],
            &[16_384],
            &[9_000, 9_000],
            &[600; 27],
            &[200; 80],
            &[16_000, 16_000, 16_000],
        ] {
            for chunks in [Chunks::Whole, Chunks::Random(9), Chunks::Single] {
                let client = early_client(suite, early);
                let (mut pair, mut rest) = Pair::of(&server, client, chunks);
                pair.server.handle_bytes(&mut rest, |_| {}).unwrap();
                assert!(!pair.client.is_early_data_accepted());
                assert_eq!(pair.upload(b"up", chunks).unwrap(), b"up");
            }
        }
    }
}

#[test]
fn a_hello_may_come_byte_by_byte() {
    let (server, hello) = hello();
    let mut handshake = Handshake::new(server).unwrap();
    let mut out = Vec::new();
    for &byte in &hello[HEADER_LEN..] {
        assert_eq!(out, b"");
        let progress = handshake.handle_bytes(&[22, 3, 1, 0, 1, byte], &mut out);
        assert!(matches!(progress.unwrap(), Progress::More));
    }
    assert_eq!(out[0], 22, "a ServerHello");
}

#[test]
fn so_may_the_one_that_was_asked_for() {
    let (server, client) = of_two_minds();
    let mut client = client_of(&client);
    let mut handshake = Handshake::new(server).unwrap();
    let mut out = Vec::new();
    let progress = handshake.handle_bytes(&client_bytes(&mut client), &mut out);
    assert!(matches!(progress.unwrap(), Progress::More));
    client_takes(&mut client, &std::mem::take(&mut out)).unwrap();
    let again = client_bytes(&mut client);
    // Behind a ChangeCipherSpec.
    let (dummy, hello) = again.split_at(HEADER_LEN + 1);
    assert_eq!((dummy[0], hello[0]), (20, 22));
    handshake.handle_bytes(dummy, &mut out).unwrap();
    for &byte in &hello[HEADER_LEN..] {
        assert_eq!(out, b"");
        let progress = handshake.handle_bytes(&[22, 3, 3, 0, 1, byte], &mut out);
        assert!(matches!(progress.unwrap(), Progress::More));
    }
    assert_eq!(out[0], 22, "a ServerHello");
}

#[test]
fn no_record_is_looked_at_twice_and_there_are_few() {
    let suite = TLS13_AES_128_GCM_SHA256;
    let (_, plain) = hello();
    let early = client_bytes(&mut early_client(suite, &[1]));
    // Without the early data itself.
    let early = &early[..HEADER_LEN + usize::from(u16::from_be_bytes([early[3], early[4]]))];
    let server = Identity::of(suite).server();
    let protected = |len: usize| {
        let mut record = vec![23, 3, 3, 0, len as u8];
        record.resize(HEADER_LEN + len, 0x5a);
        record
    };
    let fragment = |len: usize| [&[22, 3, 3, 0, len as u8][..], &vec![1; len]].concat();
    for hello in [&[][..], &plain, early] {
        for record in [
            protected(0),
            protected(1),
            protected(16),
            protected(17),
            protected(60),
            fragment(0),
            fragment(1),
            fragment(4),
            vec![20, 3, 3, 0, 1, 1],
            vec![20, 3, 3, 0, 0],
            vec![21, 3, 3, 0, 2, 1, 90],
            vec![21, 3, 3, 0, 1, 1],
            vec![24, 3, 3, 0, 1, 1],
        ] {
            let mut handshake = Handshake::new(Arc::clone(&server)).unwrap();
            handshake.handle_bytes(hello, &mut Vec::new()).unwrap();
            let most = if hello.is_empty() {
                MAX_HELLO_RECORDS
            } else {
                MAX_FLIGHT_RECORDS
            };
            let mut records = 0;
            let error = loop {
                match handshake.handle_bytes(&record, &mut Vec::new()) {
                    Ok(_) => records += 1,
                    Err(error) => break error,
                }
                // Fragments of a handshake message are kept: rustls knows how far it is in them.
                assert!(handshake.shown == 0 || record[0] == 22, "{record:?}");
            };
            assert!(records <= most, "{record:?}: {error}");
        }
    }
}
