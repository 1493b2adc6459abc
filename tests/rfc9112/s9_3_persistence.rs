//! Section 9.3: persistence.

use crate::client::*;

fn with(version: &str, fields: &[&str]) -> String {
    get_with(fields).replace("HTTP/1.1", version)
}

/// "If the "close" connection option is present, the connection will not persist after the current response"
#[test]
fn close_ends_the_connection() {
    for fields in [
        &["Connection: close"][..],
        &["connection: CLOSE"],
        &["Connection: x, close"],
        &["Connection: ,,close ,"],
        &["Connection: keep-alive, close"],
        &["Connection: close", "Connection: keep-alive"],
    ] {
        understood_last(with("HTTP/1.1", fields), GOT_X);
        understood_last(with("HTTP/1.0", fields), GOT_X);
    }
}

/// "If the received protocol is HTTP/1.1 (or later), the connection will persist after the current response"
#[test]
fn http11_persists() {
    for fields in [
        &[][..],
        &["Connection: keep-alive"],
        &["Connection: closed"],
        &["Connection: \"close\""],
        &["Connection:"],
        &[
            "Connection: upgrade, http2-settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        ],
        &["Proxy-Connection: close"],
        &["X-Connection: close"],
    ] {
        let outcome = serve(with("HTTP/1.1", fields));
        assert_eq!(outcome.requests, [GOT_X]);
        assert!(!outcome.done);
        assert_eq!(answers(&outcome.wire)[0].field("connection"), None);
        understood(with("HTTP/1.1", fields), GOT_X);
    }
}

/// "If the received protocol is HTTP/1.0, the "keep-alive" connection option is present, [...] and the recipient wishes to
/// honor the HTTP/1.0 "keep-alive" mechanism, the connection will persist after the current response; otherwise, The
/// connection will close after the current response."
#[test]
fn http10_persists_when_asked() {
    understood_last(with("HTTP/1.0", &[]), GOT_X);
    understood_last(with("HTTP/1.0", &["Connection: x"]), GOT_X);
    for value in ["keep-alive", "Keep-Alive", "x,keep-alive"] {
        let request = with("HTTP/1.0", &[&format!("Connection: {value}")]);
        understood(&request, GOT_X);
        let outcome = serve(&request);
        assert_eq!(
            answers(&outcome.wire)[0].field("connection"),
            Some("keep-alive")
        );
    }
}

/// Many requests, one after the other.
#[test]
fn requests_follow_each_other() {
    let mut client = Client::echo();
    for n in 1..1_000 {
        client.send(if n % 3 == 0 {
            post_with(&["Content-Length: 3"], "abc")
        } else {
            get_with(&[])
        });
        assert_eq!(client.status(), 200);
        assert_eq!(client.streams.last(), Some(&n));
        assert_eq!(client.core.open_streams(), 0);
    }
    assert_eq!(client.ended.len(), 999);
}
