//! TLS before it is any: handshakes that are garbage, slow, or never finished.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Outcome;
use crate::peer::Peer;
use crate::target::{Target, contents};

fn address(target: &Target) -> io::Result<SocketAddr> {
    target
        .https
        .ok_or_else(|| io::Error::other("no TLS address is known; give --tls-url"))
}

/// Bytes that are no TLS: noise, HTTP/2 in the clear, records of lengths that cannot be. The connection must end.
pub(super) fn garbage(target: &Target) -> io::Result<Outcome> {
    let noise = contents(100_000);
    let mut wrong = Vec::new();
    let too_long = [&[0x16, 3, 1, 0xff, 0xff][..], &noise[..65_535]].concat();
    let empty = [0x16, 3, 1, 0, 0].repeat(1_000);
    let cases: [(&str, &[u8]); 5] = [
        ("noise", &noise),
        ("HTTP/2 in the clear", crate::wire::PREFACE),
        ("a record that is too long", &too_long),
        ("records without content", &empty),
        (
            "application data",
            &[0x17, 3, 3, 0, 4, 1, 2, 3, 4, 0x17, 3, 3, 0, 1, 0],
        ),
    ];
    for (name, bytes) in cases {
        for _ in 0..20 {
            let mut peer = Peer::silent(address(target)?)?;
            peer.raw(bytes);
            peer.pump(Duration::from_secs(1));
            if peer.heard.end.is_none() {
                wrong.push(format!("{name}: kept"));
                break;
            }
        }
    }
    let wrong = (!wrong.is_empty()).then(|| wrong.join("; "));
    Outcome::judged(100, "5 kinds", wrong)
}

/// ClientHello, a byte every 20 ms, on fifty connections.
pub(super) fn slow_hello(target: &Target) -> io::Result<Outcome> {
    let hello = client_hello();
    let mut peers: Vec<_> = (0..50)
        .map(|_| Peer::silent(address(target)?))
        .collect::<Result<_, _>>()?;
    for byte in hello.iter().take(100) {
        for peer in &mut peers {
            peer.raw(&[*byte]);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Outcome::quiet(50, "100 bytes each")
}

/// 500 handshakes that stop after the server has done its half: key exchange and signature.
pub(super) fn half_handshakes(target: &Target) -> io::Result<Outcome> {
    let hello = client_hello();
    let mut peers = Vec::new();
    for _ in 0..500 {
        let mut peer = Peer::silent(address(target)?)?;
        // What comes is TLS, and is not looked at.
        peer.reads = false;
        peer.raw(&hello);
        peers.push(peer);
    }
    std::thread::sleep(Duration::from_secs(2));
    let answered = peers
        .iter_mut()
        .filter_map(|peer| (peer.sip(16_384) > 500).then_some(()))
        .count();
    let wrong = (answered != 500).then(|| "not every ClientHello was answered".to_owned());
    Outcome::judged(500, format!("{answered} half done"), wrong)
}

/// As [`half_handshakes`], each given up at once: signatures for nobody.
pub(super) fn half_handshakes_aborted(target: &Target) -> io::Result<Outcome> {
    let hello = client_hello();
    for _ in 0..500 {
        let mut peer = Peer::silent(address(target)?)?;
        peer.reads = false;
        peer.raw(&hello);
        peer.abort();
    }
    Outcome::quiet(500, "all reset")
}

/// A whole ClientHello of TLS 1.3 (RFC 8446, section 4.1.2) with ALPN `h2` and a key share of X25519, in one record.
pub(super) fn client_hello() -> Vec<u8> {
    let extension = |kind: u16, body: &[u8]| {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend(prefixed(2, body));
        out
    };
    let key_share = [&[0x00, 0x1d][..], &prefixed(2, &contents(32))].concat();
    let server_name = [&[0][..], &prefixed(2, b"localhost")].concat();
    let extensions = [
        extension(0, &prefixed(2, &server_name)),
        extension(10, &prefixed(2, &[0x00, 0x1d, 0x00, 0x17])),
        // ECDSA and RSA-PSS with SHA-256, SHA-384, Ed25519.
        extension(
            13,
            &prefixed(
                2,
                &[0x04, 0x03, 0x05, 0x03, 0x08, 0x04, 0x08, 0x05, 0x08, 0x07],
            ),
        ),
        extension(16, &prefixed(2, &prefixed(1, b"h2"))),
        extension(43, &prefixed(1, &[0x03, 0x04])),
        extension(51, &prefixed(2, &key_share)),
    ]
    .concat();
    let mut body = vec![0x03, 0x03];
    body.extend(contents(32));
    body.extend(prefixed(1, &[]));
    body.extend(prefixed(2, &[0x13, 0x01, 0x13, 0x02, 0x13, 0x03]));
    body.extend(prefixed(1, &[0]));
    body.extend(prefixed(2, &extensions));
    let message = [&[1][..], &prefixed(3, &body)].concat();
    [&[0x16, 0x03, 0x01][..], &prefixed(2, &message)].concat()
}

/// `bytes` behind their length in so many bytes.
fn prefixed(width: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes()[4 - width..].to_vec();
    out.extend_from_slice(bytes);
    out
}
