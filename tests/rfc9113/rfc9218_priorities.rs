//! RFC 9218, Extensible Prioritization Scheme for HTTP.

use crate::client::*;

/// Section 2.1: "The value MUST be 0 or 1. Any value other than 0 or 1 MUST be treated as a connection error of type
/// PROTOCOL_ERROR."
#[test]
fn no_rfc7540_priorities() {
    for value in [2, u32::MAX] {
        let input = settings(&[(id::NO_RFC7540_PRIORITIES, value)]);
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
    for value in [0, 1] {
        expect(&settings(&[(id::NO_RFC7540_PRIORITIES, value)]), Fine);
    }
}

/// Section 2.1.1: "a server that uses this scheme [...] sends SETTINGS_NO_RFC7540_PRIORITIES with a value of 1 in its
/// first SETTINGS frame."
#[test]
fn no_rfc7540_priorities_is_sent() {
    let first = &Client::raw(Config::default()).receive()[0];
    assert_eq!(first.setting(id::NO_RFC7540_PRIORITIES), Some(1));
}

/// Section 7.1: "A PRIORITY_UPDATE frame [...] If a server receives a PRIORITY_UPDATE frame with a Stream Identifier
/// other than 0x00, it MUST respond with a connection error of type PROTOCOL_ERROR."
#[test]
fn an_update_on_a_stream() {
    for stream in [OPEN, IDLE] {
        let input = frame(Kind::PRIORITY_UPDATE, 0, stream, b"\0\0\0\x01u=1");
        expect(&input, ConnectionError(C::PROTOCOL_ERROR));
    }
}

/// Section 7.1: "If a PRIORITY_UPDATE frame is received with a Prioritized Stream ID of 0x00, the recipient MUST respond
/// with a connection error of type PROTOCOL_ERROR."
#[test]
fn an_update_of_stream_0() {
    expect(
        &priority_update(0, "u=1"),
        ConnectionError(C::PROTOCOL_ERROR),
    );
    // Nor can streams of ours be prioritized, which stay idle.
    expect(
        &priority_update(2, "u=1"),
        ConnectionError(C::PROTOCOL_ERROR),
    );
}

/// Section 4.2 of RFC 9113: too small for its mandatory data.
#[test]
fn an_update_that_is_too_short() {
    let input = frame(Kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0");
    expect(&input, ConnectionError(C::FRAME_SIZE_ERROR));
}

/// Section 7: updates come for streams in any state: "idle", open or closed.
#[test]
fn updates_in_every_state() {
    for stream in [OPEN, HALF_CLOSED, CLOSED, RESET, IDLE] {
        for value in ["", "u=0", "u=7, i", "nonsense!", "u=99", "i=maybe"] {
            expect(&priority_update(stream, value), Fine);
        }
    }
}

/// The order in which streams get their DATA.
fn order(client: &mut Client) -> Vec<StreamId> {
    let frames = client.receive();
    frames
        .iter()
        .filter(|f| f.header.kind == Kind::DATA)
        .map(|f| f.header.stream_id)
        .collect()
}

fn wide() -> Client {
    let mut client = Client::with(Config::default(), &[(id::INITIAL_WINDOW_SIZE, MOST)]);
    client.send(&window_update(0, MOST - 65_535));
    client
}

/// Section 10: "It is RECOMMENDED that, when possible, servers respect the urgency parameter (Section 4.1), sending higher
/// urgency responses before lower urgency responses." An update goes before the field, also when it came first.
#[test]
fn urgency() {
    let mut client = wide();
    client.send(&priority_update(5, "u=0"));
    let request = |stream, value| headers(stream, &get_with(&[("priority", value)]), true);
    client.send(
        &[
            request(1, "u=5"),
            request(3, "u=1"),
            request(5, "u=7"),
            get(7),
        ]
        .concat(),
    );
    client.send(&priority_update(7, "u=2"));
    for stream in [1, 3, 5, 7] {
        client.answer_file(stream, 20_000);
    }
    assert_eq!(order(&mut client), [5, 5, 3, 3, 7, 7, 1, 1]);
}

/// Section 4.2, the incremental parameter: responses share the wire, or come one after the other.
#[test]
fn incremental() {
    for (value, expected) in [("u=3, i", [1, 3, 1, 3]), ("u=3", [1, 1, 3, 3])] {
        let mut client = wide();
        for stream in [1, 3] {
            client.send(&headers(stream, &get_with(&[("priority", value)]), true));
            client.answer_file(stream, 32_768);
        }
        assert_eq!(order(&mut client), expected, "{value}");
    }
}

/// Section 4: "Unknown parameters, parameters with out-of-range values, or values of unexpected types MUST be ignored."
#[test]
fn parameters_that_are_ignored() {
    for value in ["u=8", "u=-1", "u=a", "x=1, u=3", "u=3.0", "i=1", "u=\"0\""] {
        let mut client = wide();
        client.send(&headers(1, &GET, true));
        client.send(&headers(3, &get_with(&[("priority", value)]), true));
        client.answer_file(1, 30_000);
        client.answer_file(3, 30_000);
        assert_eq!(order(&mut client), [1, 1, 3, 3], "{value}");
    }
}
