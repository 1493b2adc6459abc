//! Runs begin, and come to their end, whatever becomes of their connections.

use super::client::{number, result};
use super::raw::{Raw, respond};

/// With two cores, one of them has no request to make.
#[test]
fn fewer_requests_than_connections() {
    let server = Raw::start(|stream| respond(stream, b"content"));
    for load in [
        &["-n", "1", "-c", "2"][..],
        &["-n", "3", "-c", "7"],
        &["--rate", "1", "-d", "1s", "-c", "2"],
    ] {
        let result = result(&[&[&*server.url("/"), "--http1"], load].concat(), 0);
        let made = if load[0] == "-n" { load[1] } else { "1" };
        let succeeded = number(&result, "/total/requests/succeeded");
        assert_eq!(succeeded.to_string(), made, "{load:?}");
    }
}
