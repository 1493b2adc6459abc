//! Unsound peers: every violation has its error and its alert, and none panics.

use rustls::AlertDescription as Alert;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as TLS12, TLS13_AES_128_GCM_SHA256 as TLS13,
};

use super::super::keys::content::*;
use super::super::limits::*;
use super::*;

/// Gives `wire` to a session of its own keys; the error, with the alert checked against what the peer receives.
fn violation(suite: SupportedCipherSuite, wire: impl FnOnce(&mut Peer) -> Vec<u8>) -> TlsError {
    let (mut peer, mut server) = Pair::new(suite).into_bare();
    let mut wire = wire(&mut peer);
    let error = server
        .handle_bytes(&mut wire, |_| {})
        .expect_err("a violation");
    assert_eq!(server.kept_capacity(), 0);
    assert_eq!(
        server.handle_bytes(&mut [23], |_| panic!("nothing after an error")),
        Err(TlsError::Ended)
    );
    let mut control = Vec::new();
    server.take_control(&mut control);
    match error.alert() {
        Some(alert) => {
            let (kind, text) = peer.open(&mut control);
            assert_eq!((kind, &text[..]), (ALERT, &[2, u8::from(alert)][..]));
        }
        None => assert!(control.is_empty()),
    }
    error
}

/// What passes without an error: the data that came through, and the control that it made.
fn tolerated(
    suite: SupportedCipherSuite,
    wire: impl FnOnce(&mut Peer) -> Vec<u8>,
) -> (Vec<u8>, Vec<(u8, Vec<u8>)>) {
    let (mut peer, mut server) = Pair::new(suite).into_bare();
    let mut plain = Vec::new();
    server
        .handle_bytes(&mut wire(&mut peer), |text| plain.extend_from_slice(text))
        .unwrap();
    let mut control = Vec::new();
    if server.has_control() {
        server.take_control(&mut control);
    }
    let mut records = Vec::new();
    let mut rest = &mut control[..];
    while let Some(len) = peer.opener.record_len(rest).unwrap() {
        let (record, later) = rest.split_at_mut(len);
        records.push(peer.open(record));
        rest = later;
    }
    (plain, records)
}

#[test]
fn any_flipped_bit_is_a_violation() {
    for &suite in CIPHER_SUITES {
        let (mut peer, _) = Pair::new(suite).into_bare();
        let len = peer
            .record(APPLICATION_DATA, b"forty bytes of data, more or less of it")
            .len();
        for at in 0..len {
            // A length made longer is an incomplete record, until the next one tells.
            let error = violation(suite, |peer| {
                let mut wire =
                    peer.record(APPLICATION_DATA, b"forty bytes of data, more or less of it");
                wire[at] ^= 1 << (at % 8);
                for _ in 0..1_100 {
                    wire.extend(peer.record(APPLICATION_DATA, b"next"));
                }
                wire
            });
            let expected = match (at, is_tls13(suite)) {
                (0, _) => matches!(error, TlsError::RecordKind(_) | TlsError::BadRecordMac),
                (1 | 2, false) => matches!(error, TlsError::RecordVersion(_)),
                (3, _) => matches!(error, TlsError::RecordOverflow | TlsError::BadRecordMac),
                _ => error == TlsError::BadRecordMac,
            };
            assert!(expected, "byte {at}: {error}");
        }
    }
}

#[test]
fn a_cut_record_is_awaited_and_a_short_one_refused() {
    for &suite in CIPHER_SUITES {
        let (mut peer, mut server) = Pair::new(suite).into_bare();
        let wire = peer.record(APPLICATION_DATA, b"some data");
        for cut in 0..wire.len() {
            if cut > 0 {
                server
                    .handle_bytes(&mut wire.clone()[cut - 1..cut], |_| panic!("not yet"))
                    .unwrap();
            }
        }
        for body in 0..32 {
            let error = violation(suite, |_| {
                let mut wire = vec![APPLICATION_DATA, 3, 3, 0, body as u8];
                wire.resize(5 + body, 0);
                wire
            });
            assert_eq!(error, TlsError::BadRecordMac, "{body}");
        }
    }
}

#[test]
fn records_are_no_longer_than_they_may_be() {
    for (suite, limit) in [(TLS13, 16_384 + 256), (TLS12, 16_384 + 2_048)] {
        for (length, expected) in [
            (limit + 1, TlsError::RecordOverflow),
            (0xffff, TlsError::RecordOverflow),
            (limit, TlsError::BadRecordMac),
        ] {
            let error = violation(suite, |_| {
                let mut wire = vec![APPLICATION_DATA, 3, 3];
                wire.extend_from_slice(&(length as u16).to_be_bytes());
                if expected == TlsError::BadRecordMac {
                    wire.resize(5 + length, 0);
                }
                wire
            });
            assert_eq!(error, expected);
        }
        let error = violation(suite, |peer| peer.record(APPLICATION_DATA, &[1; 16_385]));
        assert_eq!(error, TlsError::PlaintextOverflow);
        assert_eq!(error.alert(), Some(Alert::RecordOverflow));
    }
    // Padding counts: type and padding and content, up to one byte more than content.
    let padded = |content: usize, padding: usize| {
        let mut text = vec![7; content];
        text.push(APPLICATION_DATA);
        text.resize(content + padding, 0);
        text
    };
    let (plain, _) = tolerated(TLS13, |peer| peer.record(0, &padded(16_000, 384)));
    assert!(plain == [7; 16_000]);
    assert_eq!(
        violation(TLS13, |peer| peer.record(0, &padded(16_000, 385))),
        TlsError::PlaintextOverflow
    );
}

#[test]
fn padding_is_stripped_and_must_end() {
    let (plain, _) = tolerated(TLS13, |peer| peer.record(0, b"data\x00\x17\x00\x00\x00"));
    assert_eq!(plain, b"data\x00");
    for zeros in [0, 1, 100] {
        assert_eq!(
            violation(TLS13, |peer| peer.record(0, &vec![0; zeros])),
            TlsError::NoContentType
        );
    }
}

#[test]
fn record_types_without_a_place() {
    // In the clear after the handshake: ChangeCipherSpec, alert, handshake.
    for kind in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, HEARTBEAT, 0, 255] {
        let error = violation(TLS13, |_| vec![kind, 3, 3, 0, 1, 1]);
        assert_eq!(error, TlsError::RecordKind(kind));
        assert_eq!(error.alert(), Some(Alert::UnexpectedMessage));
    }
    for kind in [CHANGE_CIPHER_SPEC, HEARTBEAT, 0] {
        let error = violation(TLS12, |_| vec![kind, 3, 3, 0, 1, 1]);
        assert_eq!(error, TlsError::RecordKind(kind));
    }
    // Protected.
    for kind in [CHANGE_CIPHER_SPEC, HEARTBEAT, 1, 255] {
        let error = violation(TLS13, |peer| peer.record(kind, &[1]));
        assert_eq!(error, TlsError::RecordKind(kind));
    }
    assert_eq!(
        violation(TLS12, |_| vec![APPLICATION_DATA, 3, 1, 0, 30]),
        TlsError::RecordVersion(0x0301)
    );
}

#[test]
fn handshake_messages_without_a_place() {
    for (text, expected) in [
        (&[1, 0, 0, 1, 0][..], TlsError::HandshakeKind(1)),
        (&[4, 0, 0, 0], TlsError::HandshakeKind(4)),
        (&[11], TlsError::HandshakeKind(11)),
        (&[24, 0, 0, 0], TlsError::KeyUpdateLength),
        (&[24, 0, 0, 2, 0, 0], TlsError::KeyUpdateLength),
        (&[24, 1, 0, 1, 0], TlsError::KeyUpdateLength),
        (&[24, 0, 0, 1, 2], TlsError::KeyUpdateRequest(2)),
        (&[24, 0, 0, 1, 0, 24], TlsError::HandshakeSpansKeys),
        (&[], TlsError::EmptyRecord(HANDSHAKE)),
    ] {
        let error = violation(TLS13, |peer| peer.record(HANDSHAKE, text));
        assert_eq!(error, expected);
    }
    assert_eq!(
        violation(TLS13, |peer| {
            let mut wire = peer.record(HANDSHAKE, &[24, 0]);
            wire.extend(peer.record(APPLICATION_DATA, b"data"));
            wire
        }),
        TlsError::InterleavedHandshake
    );
    assert_eq!(
        violation(TLS12, |peer| peer.record(HANDSHAKE, &[24, 0, 0, 1, 0])),
        TlsError::HandshakeKind(24)
    );
    assert_eq!(
        violation(TLS12, |peer| peer.record(HANDSHAKE, &[1, 255, 0, 0])),
        TlsError::HandshakeMessageTooLong
    );
}

#[test]
fn a_key_update_may_come_in_fragments() {
    for request in [0, 1] {
        let (_, control) = tolerated(TLS13, |peer| {
            let mut wire = Vec::new();
            for byte in [24, 0, 0, 1, request] {
                wire.extend(peer.record(HANDSHAKE, &[byte]));
            }
            wire
        });
        let answer = vec![(HANDSHAKE, vec![24, 0, 0, 1, 0])];
        assert_eq!(control, if request == 1 { answer } else { vec![] });
    }
    // The old key is dead.
    assert_eq!(
        {
            let (mut peer, mut server) = Pair::new(TLS13).into_bare();
            let mut wire = peer.record(HANDSHAKE, &[24, 0, 0, 1, 0]);
            wire.extend(peer.record(APPLICATION_DATA, b"old"));
            server.handle_bytes(&mut wire, |_| panic!("under a dead key"))
        },
        Err(TlsError::BadRecordMac)
    );
}

#[test]
fn alerts_mean_what_the_version_says() {
    let fatal = |suite, text: &'static [u8]| violation(suite, |peer| peer.record(ALERT, text));
    assert_eq!(fatal(TLS13, &[2, 40]), TlsError::PeerAlert(40));
    assert_eq!(fatal(TLS13, &[1, 40]), TlsError::PeerAlert(40));
    assert_eq!(fatal(TLS12, &[2, 40]), TlsError::PeerAlert(40));
    for suite in [TLS12, TLS13] {
        assert_eq!(fatal(suite, &[]), TlsError::EmptyRecord(ALERT));
        assert_eq!(fatal(suite, &[1]), TlsError::AlertLength);
        assert_eq!(fatal(suite, &[1, 0, 0]), TlsError::AlertLength);
        let (plain, control) = tolerated(suite, |peer| {
            let mut wire = peer.record(ALERT, &[1, 90]);
            wire.extend(peer.record(APPLICATION_DATA, b"goes on"));
            wire.extend(peer.record(ALERT, &[1, 0]));
            wire.extend(peer.record(APPLICATION_DATA, b"ignored"));
            wire
        });
        assert_eq!((&plain[..], control.len()), (&b"goes on"[..], 0));
    }
    let (plain, _) = tolerated(TLS12, |peer| {
        let mut wire = peer.record(ALERT, &[1, 41]);
        wire.extend(peer.record(APPLICATION_DATA, b"goes on"));
        wire
    });
    assert_eq!(plain, b"goes on");
}

#[test]
fn renegotiation_is_refused_with_a_warning() {
    let mut hello = vec![1, 0, 1, 0];
    hello.resize(4 + 256, 0xaa);
    for fragment in [1, 3, 100, 1_000] {
        let (plain, control) = tolerated(TLS12, |peer| {
            let mut wire = Vec::new();
            for part in hello.chunks(fragment) {
                wire.extend(peer.record(HANDSHAKE, part));
            }
            wire.extend(peer.record(APPLICATION_DATA, b"goes on"));
            wire
        });
        assert_eq!(plain, b"goes on");
        assert_eq!(
            control,
            [(ALERT, vec![1, u8::from(Alert::NoRenegotiation)])]
        );
    }
    assert_eq!(
        violation(TLS12, |peer| peer
            .record(HANDSHAKE, &hello.repeat(1 + MAX_RENEGOTIATIONS as usize))),
        TlsError::TooManyRenegotiations
    );
}

#[test]
fn records_without_content_are_bounded_and_data_refills() {
    for (suite, kind, text) in [
        (TLS13, APPLICATION_DATA, &[][..]),
        (TLS12, APPLICATION_DATA, &[]),
        (TLS13, ALERT, &[1, 90]),
        (TLS12, ALERT, &[1, 41]),
    ] {
        let flood = |peer: &mut Peer, records: u32| {
            let mut wire = Vec::new();
            for _ in 0..records {
                wire.extend(peer.record(kind, text));
            }
            wire
        };
        let (plain, _) = tolerated(suite, |peer| {
            let mut wire = Vec::new();
            for _ in 0..10 {
                wire.extend(flood(peer, MAX_FRUITLESS_RECORDS));
                wire.extend(peer.record(APPLICATION_DATA, b"."));
            }
            wire
        });
        assert_eq!(plain, b"..........");
        assert_eq!(
            violation(suite, |peer| flood(peer, MAX_FRUITLESS_RECORDS + 1)),
            TlsError::TooManyFruitlessRecords
        );
    }
}

#[test]
fn key_updates_are_bounded() {
    let mut pair = Pair::new(TLS13);
    for n in 0..=MAX_KEY_UPDATES {
        pair.client.refresh_traffic_keys().unwrap();
        let result = pair.upload(b"little", Chunks::Whole);
        assert_eq!(result.is_ok(), n < MAX_KEY_UPDATES);
        if let Err(error) = result {
            assert_eq!(error, TlsError::TooManyKeyUpdates);
        }
        // The answers, and in the end the alert.
        let mut wire = Vec::new();
        pair.server.take_control(&mut wire);
        let result = client_takes(&mut pair.client, &wire);
        assert_eq!(result.is_ok(), n < MAX_KEY_UPDATES, "{result:?}");
    }
}

#[test]
fn garbage_never_panics() {
    for seed in 0..200 {
        let mut random = Random::seeded(seed);
        let suite = CIPHER_SUITES[random.up_to(CIPHER_SUITES.len()) - 1];
        let (mut peer, mut server) = Pair::new(suite).into_bare();
        for _ in 0..100 {
            let kind = 19 + random.up_to(6) as u8;
            let len = random.up_to(40) - 1;
            let mut wire = if random.up_to(4) == 1 {
                let mut wire = random.bytes(len);
                if let Some(first) = wire.first_mut() {
                    *first = kind;
                }
                wire
            } else {
                let text = random.bytes(len);
                peer.record(kind, &text)
            };
            if server.handle_bytes(&mut wire, |_| {}).is_err() {
                break;
            }
        }
        server.take_control(&mut Vec::new());
        assert!(!server.has_control());
    }
}
