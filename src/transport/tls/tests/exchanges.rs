//! Sound peers: data, slots, key updates, closing.

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

use super::*;
use crate::slot::{Layout, MAX_RECORD_PLAINTEXT, Plan, RecordLayout, Slot};

#[test]
fn layouts_are_those_of_the_suites() {
    for &suite in CIPHER_SUITES {
        let expected = if is_tls13(suite) {
            (5, 17)
        } else if format!("{suite:?}").contains("CHACHA20") {
            (5, 16)
        } else {
            (13, 16)
        };
        let RecordLayout { prefix, suffix } = Pair::new(suite).server.layout();
        assert_eq!((prefix, suffix), expected, "{suite:?}");
    }
}

#[test]
fn uploads_arrive_in_every_chunking() {
    for &suite in CIPHER_SUITES {
        let mut pair = Pair::new(suite);
        let mut random = Random::seeded(11);
        for len in [1, 2, 100, 16_383, 16_384, 16_385, 50_000] {
            for chunks in [
                Chunks::Whole,
                Chunks::Single,
                Chunks::Random(len as u64),
                Chunks::Random(4),
            ] {
                let data = random.bytes(len);
                assert!(
                    pair.upload(&data, chunks).unwrap() == data,
                    "{len} {chunks:?}"
                );
                assert_eq!(pair.server.kept_capacity(), 0);
            }
        }
    }
}

#[test]
fn a_record_in_pieces_is_all_that_is_kept() {
    let mut pair = Pair::new(TLS13_AES_128_GCM_SHA256);
    pair.client.writer().write_all(&[1; 16_384]).unwrap();
    let wire = client_bytes(&mut pair.client);
    let (most, last) = wire.split_at(wire.len() - 1);
    for chunk in Chunks::Random(5).cut(most) {
        pair.server
            .handle_bytes(&mut chunk.clone(), |_| panic!("not whole yet"))
            .unwrap();
        assert!(pair.server.kept_capacity() <= wire.len());
    }
    assert!(pair.server_takes(last, Chunks::Whole).unwrap() == [1; 16_384]);
    assert_eq!(pair.server.kept_capacity(), 0);
}

/// Fills a slot with frames of random lengths and seals it: the plaintext and the wire.
fn slot(server: &mut Session, random: &mut Random, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let mut buffer = random.bytes(bytes);
    let mut plan = Plan::default();
    let layout = Layout::Sealed(server.layout());
    let mut slot = Slot::new(&mut buffer, &mut plan, layout, usize::MAX);
    loop {
        let want = random.up_to(40_000);
        let len = slot.payload_len(want, 16_384, Some(&()));
        if len == 0 {
            break;
        }
        let at = slot.put_frame_header(&[random.next() as u8; 9]);
        if want.is_multiple_of(3) {
            slot.put(&random.bytes(len));
        } else {
            slot.hole(&(), 0, len, at, 1);
        }
    }
    let room = slot.room();
    slot.put(&random.bytes(room));
    slot.finish();
    for hole in &plan.holes {
        let file = random.bytes(hole.len);
        buffer[hole.at..hole.at + hole.len].copy_from_slice(&file);
    }
    let layout = server.layout();
    let plain = plan
        .records
        .iter()
        .flat_map(|record| buffer[record.at + layout.prefix..][..record.len].to_vec())
        .collect();
    assert!(plan.records.iter().any(|r| r.len == MAX_RECORD_PLAINTEXT));
    server.seal(&mut buffer, &plan.records).unwrap();
    (plain, buffer[plan.used.clone()].to_vec())
}

#[test]
fn slots_arrive() {
    for &suite in CIPHER_SUITES {
        let mut pair = Pair::new(suite);
        let mut random = Random::seeded(12);
        for bytes in [64 << 10, 256 << 10, (1 << 20) + 77] {
            let (plain, wire) = slot(&mut pair.server, &mut random, bytes);
            assert!(client_takes(&mut pair.client, &wire).unwrap() == plain);
        }
    }
}

#[test]
fn each_side_closes_when_it_likes() {
    for &suite in CIPHER_SUITES {
        let mut pair = Pair::new(suite);
        pair.client.send_close_notify();
        let mut wire = client_bytes(&mut pair.client);
        wire.extend_from_slice(b"whatever follows is ignored, records or not");
        assert!(!pair.server.peer_closed());
        assert_eq!(pair.server_takes(&wire, Chunks::Random(6)).unwrap(), b"");
        assert!(pair.server.peer_closed());
        assert_eq!(pair.server.kept_capacity(), 0);
        // Our side is still open.
        let mut wire = pair.sealed(b"last words");
        assert!(!pair.server.has_control());
        pair.server.close_notify();
        pair.server.close_notify();
        assert!(pair.server.has_control());
        pair.server.take_control(&mut wire);
        assert!(!pair.server.has_control());
        let len = wire.len();
        pair.server.take_control(&mut wire);
        assert_eq!(wire.len(), len, "said once");
        let mut reader = &wire[..];
        pair.client.read_tls(&mut reader).unwrap();
        let state = pair.client.process_new_packets().unwrap();
        assert!(state.peer_has_closed());
        assert_eq!(state.plaintext_bytes_to_read(), 10);
        let record = crate::slot::Record { at: 0, len: 1 };
        assert_eq!(
            pair.server.seal(&mut [0; 64], &[record]),
            Err(TlsError::WriteClosed)
        );
    }
}

#[test]
fn the_peer_updates_keys_in_mid_stream() {
    for &suite in CIPHER_SUITES.iter().filter(|&&suite| is_tls13(suite)) {
        let mut pair = Pair::new(suite);
        let mut random = Random::seeded(13);
        for round in 0..200 {
            let before = random.bytes(5_000);
            let after = random.bytes(20_000);
            pair.client.writer().write_all(&before).unwrap();
            pair.client.refresh_traffic_keys().unwrap();
            pair.client.writer().write_all(&after).unwrap();
            let wire = client_bytes(&mut pair.client);
            let plain = pair.server_takes(&wire, Chunks::Random(round)).unwrap();
            assert!(plain == [before, after].concat());
            assert!(pair.server.has_control());
            // What was sealed before the answer is still under the old key; data earns more updates.
            let (plain, mut wire) = slot(&mut pair.server, &mut random, 70_000);
            pair.server.take_control(&mut wire);
            assert!(!pair.server.has_control());
            assert!(client_takes(&mut pair.client, &wire).unwrap() == plain);
            let wire = pair.sealed(b"under the new key");
            assert_eq!(
                client_takes(&mut pair.client, &wire).unwrap(),
                b"under the new key"
            );
        }
    }
}

#[test]
fn many_requests_get_one_answer() {
    let mut pair = Pair::new(TLS13_AES_128_GCM_SHA256);
    for _ in 0..5 {
        pair.client.refresh_traffic_keys().unwrap();
    }
    assert_eq!(pair.upload(b"x", Chunks::Whole).unwrap(), b"x");
    let mut wire = Vec::new();
    pair.server.take_control(&mut wire);
    assert_eq!(wire.len(), 5 + 5 + 17);
    assert_eq!(client_takes(&mut pair.client, &wire).unwrap(), b"");
    let wire = pair.sealed(b"y");
    assert_eq!(client_takes(&mut pair.client, &wire).unwrap(), b"y");
}

#[test]
fn our_keys_are_updated_before_they_wear_out() {
    for &suite in CIPHER_SUITES.iter().filter(|&&suite| is_tls13(suite)) {
        let mut pair = Pair::new(suite);
        pair.server.set_confidentiality_limit(64);
        let mut updates = 0;
        for n in 0..1_000u32 {
            updates += u32::from(pair.server.has_control());
            let wire = pair.sealed(&n.to_be_bytes());
            assert_eq!(
                client_takes(&mut pair.client, &wire).unwrap(),
                n.to_be_bytes()
            );
            assert!(!pair.server.is_worn_out());
        }
        // 62 records of data and the update itself to a key.
        assert!((15..=17).contains(&updates), "{updates}");
    }
}

#[test]
fn a_key_is_never_used_past_its_limit() {
    for &suite in CIPHER_SUITES {
        let mut pair = Pair::new(suite);
        pair.server.set_confidentiality_limit(64);
        let layout = pair.server.layout();
        let mut buffer = [0; 64];
        let record = crate::slot::Record { at: 3, len: 9 };
        assert!(3 + layout.prefix + 9 + layout.suffix <= buffer.len());
        let sealed = (0..100)
            .take_while(|_| pair.server.seal(&mut buffer, &[record]).is_ok())
            .count();
        assert!((60..=64).contains(&sealed), "{sealed}");
        assert_eq!(
            pair.server.seal(&mut buffer, &[record]),
            Err(TlsError::KeyExhausted)
        );
        assert_eq!(pair.server.is_worn_out(), !is_tls13(suite));
    }
}

#[test]
fn released_keys_come_back() {
    for &suite in CIPHER_SUITES {
        let mut pair = Pair::new(suite);
        for n in 0..5u8 {
            pair.server.release_keys();
            assert_eq!(pair.upload(&[n], Chunks::Whole).unwrap(), [n]);
            let wire = pair.sealed(&[n; 9]);
            assert_eq!(client_takes(&mut pair.client, &wire).unwrap(), [n; 9]);
        }
    }
}
