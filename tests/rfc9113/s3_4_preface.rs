//! Section 3.4: HTTP/2 connection preface.

use crate::client::*;

/// "The server connection preface consists of a potentially empty SETTINGS frame (Section 6.5) that MUST be the first
/// frame the server sends in the HTTP/2 connection."
#[test]
fn settings_is_the_first_frame_of_the_server() {
    let mut silent = Client::raw(Config::default());
    assert!(silent.receive()[0].is(Kind::SETTINGS, 0));
    for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0"] {
        let mut client = Client::raw(Config::default());
        client.send(first);
        let first = &client.receive()[0];
        assert!(first.is(Kind::SETTINGS, 0) && first.header.flags == 0);
    }
}

/// "The SETTINGS frames received from a peer as part of the connection preface MUST be acknowledged (see Section 6.5.3)
/// after sending the connection preface."
#[test]
fn the_clients_settings_are_acknowledged_after_the_servers() {
    let mut client = Client::raw(Config::default());
    client.send(PREFACE);
    client.send(&settings(&[]));
    let frames = client.receive();
    let of_settings: Vec<u8> = frames
        .iter()
        .filter(|frame| frame.header.kind == Kind::SETTINGS)
        .map(|frame| frame.header.flags)
        .collect();
    assert_eq!(of_settings, [0, flags::ACK]);
}

/// "Clients and servers MUST treat an invalid connection preface as a connection error (Section 5.4.1) of type
/// PROTOCOL_ERROR."
#[test]
fn an_invalid_preface() {
    for input in [
        &b"INVALID CONNECTION PREFACE\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
        b"pri * http/2.0\r\n\r\nsm\r\n\r\n",
    ] {
        let mut client = Client::raw(Config::default());
        client.send(input);
        client.expect(ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// "This sequence MUST be followed by a SETTINGS frame (Section 6.5), which MAY be empty."
#[test]
fn the_preface_without_settings() {
    for input in [
        get(1),
        ping([0; 8]),
        settings_ack(),
        frame(Kind(0xbe), 0, 0, b""),
    ] {
        let mut client = Client::raw(Config::default());
        client.send(PREFACE);
        client.send(&input);
        client.expect(ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// "To avoid unnecessary latency, clients are permitted to send additional frames to the server immediately after
/// sending the client connection preface, without waiting to receive the server connection preface."
#[test]
fn requests_with_the_preface() {
    let mut client = Client::raw(Config::default());
    client.send(&[PREFACE, &settings(&[])[..], &get(1)].concat());
    assert!(matches!(client.events()[..], [Seen::Request(1, _)]));
    client.answer_file(1, 100);
    assert_eq!(data_lengths(&client.receive(), 1), [100]);
}
