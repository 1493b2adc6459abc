//! Sealing a slot's records in place: bytes of plaintext per second, by suite and slot size.
//!
//! `cargo bench --bench tls`

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringlane::slot::{Layout, Plan, Slot};
use ringlane::transport::tls::{Handshake, Progress, Session, server_config};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite};

/// A session of `suite` with a client that is forgotten.
fn session(suite: SupportedCipherSuite) -> Box<Session> {
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = identity.signing_key.serialize_der().try_into().unwrap();
    let server = server_config(vec![identity.cert.der().clone()], key, &[]).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![suite];
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[suite.version()])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut handshake = Handshake::new(server).unwrap();
    loop {
        let (mut flight, mut answer) = (Vec::new(), Vec::new());
        client.write_tls(&mut flight).unwrap();
        match handshake.handle_bytes(&flight, &mut answer).unwrap() {
            Progress::Done { session, .. } => return session,
            Progress::More => {
                client.read_tls(&mut &answer[..]).unwrap();
                client.process_new_packets().unwrap();
            }
        }
    }
}

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    for suite in [
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ] {
        for slot_bytes in [16 << 10, 256 << 10, 1 << 20] {
            let mut session = session(suite);
            let mut control = Vec::new();
            let mut buffer = vec![1; slot_bytes];
            let mut plan = Plan::<()>::default();
            let layout = Layout::Sealed(session.layout());
            let mut slot = Slot::new(&mut buffer, &mut plan, layout, usize::MAX);
            let room = slot.room();
            slot.put(&vec![7; room]);
            slot.finish();
            let plaintext: usize = plan.records.iter().map(|record| record.len).sum();
            group.throughput(Throughput::Bytes(plaintext as u64));
            let name = suite.suite().as_str().unwrap_or("unknown");
            group.bench_function(BenchmarkId::new(name, slot_bytes), |b| {
                b.iter(|| {
                    control.clear();
                    session.take_control(&mut control);
                    session.seal(&mut buffer, &plan.records).unwrap();
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
