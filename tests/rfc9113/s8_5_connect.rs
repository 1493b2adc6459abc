//! Section 8.5: the CONNECT method.

use crate::client::*;

const CONNECT: Field<'_> = (":method", "CONNECT");
const TO: Field<'_> = (":authority", "a.example:443");

/// "The ":scheme" and ":path" pseudo-header fields MUST be omitted. [...] A CONNECT request that does not conform to these
/// restrictions is malformed (Section 8.1.1)."
#[test]
fn with_scheme_or_path() {
    malformed(&[CONNECT, SCHEME, PATH, TO]);
    malformed(&[CONNECT, SCHEME, TO]);
    malformed(&[CONNECT, PATH, TO]);
    well_formed(&[CONNECT, TO]);
}

/// "The ":authority" pseudo-header field contains the host and port to connect to".
#[test]
fn without_an_authority() {
    malformed(&[CONNECT]);
    malformed(&[CONNECT, ("host", "a.example:443")]);
    malformed(&[CONNECT, (":authority", "")]);
    malformed(&[CONNECT, (":authority", "user@a.example:443")]);
}

/// RFC 8441, section 4: extended CONNECT needs SETTINGS_ENABLE_CONNECT_PROTOCOL, which is not sent; so ":protocol" is
/// undefined here.
#[test]
fn extended_connect() {
    malformed(&[CONNECT, (":protocol", "websocket"), SCHEME, PATH, AUTHORITY]);
    let mut client = Client::raw(Config::default());
    assert_eq!(client.receive()[0].setting(0x8), None);
}
