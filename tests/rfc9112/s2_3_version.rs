//! Section 2.3: HTTP version.

use crate::client::*;

fn request(version: &str) -> String {
    get_with(&[]).replace("HTTP/1.1", version)
}

/// RFC 9110, section 2.5: "A recipient can assume that a message with a higher minor version, when sent to a recipient
/// that has not yet indicated support for that higher version, is sufficiently backwards-compatible to be safely
/// processed by any implementation of the same major version."
#[test]
fn minor_versions_above_ours_are_ours() {
    for minor in 1..=9 {
        understood(request(&format!("HTTP/1.{minor}")), GOT_X);
    }
}

/// RFC 9110, section 15.6.6: "the server does not support, or refuses to support, the major version of HTTP that was
/// used in the request message"
#[test]
fn other_major_versions_are_not_supported() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1", "HTTP/9.9"] {
        refused(request(version), 505, E::VersionNotSupported);
    }
    refused(
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        505,
        E::VersionNotSupported,
    );
}

/// "HTTP-version = HTTP-name "/" DIGIT "." DIGIT", and "HTTP-version is case-sensitive."
#[test]
fn versions_of_another_form_are_no_versions() {
    for version in [
        "http/1.1",
        "Http/1.1",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/1.1a",
        "HTTP/01.1",
        "HTTP/1,1",
        "HTTP /1.1",
        "HTTPS/1.1",
        "HTTP/1.x",
        "HTTP/-1.1",
        "HTTP/",
        "H",
    ] {
        let error = if version.contains(' ') {
            E::RequestLine
        } else {
            E::Version
        };
        refused(request(version), 400, error);
    }
}

/// HTTP/0.9 has a method and a target only, and no way to say no; what asks so today is no client.
#[test]
fn the_version_cannot_be_left_out() {
    for line in ["GET /", "GET http://a/", "HEAD /x"] {
        refused(format!("{line}\r\n"), 400, E::Http09);
        refused(format!("{line}\r\nHost: a\r\n\r\n"), 400, E::Http09);
    }
}
