//! Sessions whose records somebody else seals.

use rustls::ConnectionTrafficSecrets;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;

use super::super::keys::content;
use super::*;

/// What seals in the session's place, with the keys that it gives.
fn hand_over(server: &mut Session) -> Sealer {
    let keys = server.write_keys().unwrap();
    let ConnectionTrafficSecrets::Aes256Gcm { key, .. } = keys.secrets else {
        panic!("the suite is another");
    };
    let secrets = ConnectionTrafficSecrets::Aes256Gcm {
        key: <[u8; 32]>::try_from(key.as_ref()).unwrap().into(),
        iv: keys.iv.into(),
    };
    let keys = Keys::new((keys.sequence, secrets)).unwrap();
    server.hand_over();
    Sealer::new(keys, Shape::Tls13, u64::MAX)
}

#[test]
fn records_go_on_where_the_session_ended() {
    let mut pair = Pair::new(TLS13_AES_256_GCM_SHA384);
    let mut wire = pair.sealed(b"by the session, ");
    assert!(!pair.server.is_handed_over());
    let mut sealer = hand_over(&mut pair.server);
    assert!(pair.server.is_handed_over() && pair.server.write_keys().is_none());
    sealer
        .append(content::APPLICATION_DATA, b"by the socket", &mut wire)
        .unwrap();
    let plain = client_takes(&mut pair.client, &wire).unwrap();
    assert_eq!(plain, b"by the session, by the socket");
    // What comes is opened here as before.
    assert_eq!(pair.upload(b"thanks", Chunks::Single).unwrap(), b"thanks");

    assert_eq!(pair.server.take_alert(), None);
    pair.server.close_notify();
    assert!(pair.server.has_control());
    let (kind, alert) = pair.server.take_alert().unwrap();
    assert!(!pair.server.has_control() && pair.server.take_alert().is_none());
    let mut wire = Vec::new();
    sealer.append(kind, &alert, &mut wire).unwrap();
    pair.client.read_tls(&mut &wire[..]).unwrap();
    assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn nothing_is_sealed_twice_under_one_number() {
    let mut pair = Pair::new(TLS13_AES_256_GCM_SHA384);
    hand_over(&mut pair.server);
    let record = crate::slot::Record { at: 0, len: 1 };
    let refused = pair.server.seal(&mut [0; 64], &[record]);
    assert_eq!(refused, Err(TlsError::WriteClosed));
    pair.server.close_notify();
    let mut wire = Vec::new();
    pair.server.take_control(&mut wire);
    assert!(wire.is_empty());
}

#[test]
fn what_is_to_be_said_first_is_sealed_by_the_session() {
    let mut pair = Pair::new(TLS13_AES_256_GCM_SHA384);
    pair.client.refresh_traffic_keys().unwrap();
    pair.upload(b"x", Chunks::Whole).unwrap();
    assert!(pair.server.has_control() && pair.server.write_keys().is_none());
    let mut wire = Vec::new();
    pair.server.take_control(&mut wire);
    let mut sealer = hand_over(&mut pair.server);
    sealer
        .append(content::APPLICATION_DATA, b"new keys", &mut wire)
        .unwrap();
    assert_eq!(client_takes(&mut pair.client, &wire).unwrap(), b"new keys");
}

#[test]
fn keys_are_changed_by_the_peer_alone() {
    let mut pair = Pair::new(TLS13_AES_256_GCM_SHA384);
    hand_over(&mut pair.server);
    let (mut peer, mut server) = pair.into_bare();
    // One that asks for none in return is followed: the next record under the old keys is no longer understood.
    let mut update = peer.record(content::HANDSHAKE, &[24, 0, 0, 1, 0]);
    server.handle_bytes(&mut update, |_| {}).unwrap();
    assert!(!server.has_control());
    let mut old = peer.record(content::APPLICATION_DATA, b"x");
    let error = server.handle_bytes(&mut old, |_| {}).unwrap_err();
    assert_eq!(error, TlsError::BadRecordMac);

    let mut pair = Pair::new(TLS13_AES_256_GCM_SHA384);
    hand_over(&mut pair.server);
    pair.client.refresh_traffic_keys().unwrap();
    let error = pair.upload(b"x", Chunks::Whole).unwrap_err();
    assert_eq!(error, TlsError::KeyUpdateInKernel);
    let (kind, [level, code]) = pair.server.take_alert().unwrap();
    assert_eq!((kind, level, code), (21, 2, 80), "internal_error");
}

#[test]
fn what_the_socket_seals_wears_the_key_out() {
    let mut pair = Pair::new(TLS13_AES_256_GCM_SHA384);
    pair.server.set_confidentiality_limit(64);
    hand_over(&mut pair.server);
    pair.server.note_sealed(10 * 16_384 + 1);
    assert!(!pair.server.is_worn_out() && !pair.server.has_control());
    pair.server.note_sealed(50 * 16_384);
    pair.server.note_sealed(1);
    assert!(pair.server.is_worn_out() && !pair.server.is_exhausted());
    pair.server.note_sealed(1);
    assert!(pair.server.is_exhausted());
}

#[test]
fn under_tls_1_2_nothing_is_handed_over() {
    for &suite in CIPHER_SUITES {
        let pair = Pair::new(suite);
        assert_eq!(pair.server.write_keys().is_some(), is_tls13(suite));
    }
}
