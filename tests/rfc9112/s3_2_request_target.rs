//! Section 3.2: the request target, and `host`.

use crate::client::*;

fn asks(line: &str, host: &str) -> String {
    format!("{line}\r\n{host}\r\n")
}

/// Section 3.2.1: "origin-form = absolute-path [ "?" query ]"
#[test]
fn origin_form() {
    for path in [
        "/",
        "/a/b",
        "//",
        "/?",
        "/a?b=c&d",
        "/%41%zz",
        "/a;b,c",
        "/*",
        "/a#b",
        "/http://b/",
    ] {
        let input = asks(&format!("GET {path} HTTP/1.1"), "Host: a:80\r\n");
        understood(input, &format!("GET http a:80 {path}"));
    }
    for target in ["a", "a/b", "?", "#", "*", ".", "..", "a:80", "\\", "%2f"] {
        let input = asks(&format!("GET {target} HTTP/1.1"), "Host: a\r\n");
        refused(input, 400, E::Target);
    }
}

/// Section 3.2.2: "A server MUST accept the absolute-form in requests even though most HTTP/1.1 clients will only send
/// the absolute-form to a proxy."
#[test]
fn absolute_form() {
    for (target, understood_as) in [
        ("http://b/", "GET http b /"),
        ("http://b", "GET http b /"),
        ("http://b?", "GET http b /?"),
        ("http://b?c/d", "GET http b /?c/d"),
        ("HTTPS://B:8443/c?d", "GET https B:8443 /c?d"),
        ("hTTp://[::1]:80/x", "GET http [::1]:80 /x"),
    ] {
        // "the origin server MUST ignore the received Host header field (if any) and instead use the host information
        // of the request-target"
        let line = format!("GET {target} HTTP/1.1");
        understood(asks(&line, "Host: other\r\n"), understood_as);
        understood(
            asks(&line, "X: y\r\nhost: other.example:1\r\nZ: w\r\n"),
            understood_as,
        );
        refused(asks(&line, ""), 400, E::HostMissing);
        refused(asks(&line, "Host: a b\r\n"), 400, E::Host);
    }
    for target in [
        "http:/b",
        "http:",
        "http//b",
        "ftp://b/",
        "file:///x",
        "urn:x",
        "://b/",
        "ws://b/",
        "http://b#c",
    ] {
        let error = E::Target;
        refused(
            asks(&format!("GET {target} HTTP/1.1"), "Host: b\r\n"),
            400,
            error,
        );
    }
}

/// RFC 9110, section 4.2.1: "A sender MUST NOT generate an "http" URI with an empty host identifier. A recipient that
/// processes such a URI reference MUST reject it as invalid." Section 4.2.4: user information "SHOULD be treated as an
/// error".
#[test]
fn absolute_form_with_an_invalid_authority() {
    for target in [
        "http://",
        "http:///x",
        "http://?x",
        "http://u@b/",
        "http://:80/",
        "http://b:x/",
        "http://[::1/",
        "http://b\\c/",
    ] {
        refused(
            asks(&format!("GET {target} HTTP/1.1"), "Host: b\r\n"),
            400,
            E::Authority,
        );
    }
}

/// Section 3.2.3: "authority-form [...] is only used for CONNECT requests". Nothing after a CONNECT is read as a request,
/// as the client may have begun to use its tunnel.
#[test]
fn authority_form() {
    let connect = |target| asks(&format!("CONNECT {target} HTTP/1.1"), "Host: a\r\n");
    understood_last(connect("b.example:443"), "CONNECT  b.example:443 ");
    // RFC 9110, section 9.3.6: "A server MUST reject a CONNECT request that targets an empty or invalid port number"
    for target in [
        "/",
        "http://b/",
        "*",
        "u@b:443",
        ":443",
        "b",
        "b:",
        "b:x",
        "[::1]",
    ] {
        refused(connect(target), 400, E::Target);
    }
}

/// Section 3.2.4: "asterisk-form [...] is only used for a server-wide OPTIONS request", also for one in absolute form in
/// which "the URI has an empty path and no query component"
#[test]
fn asterisk_form() {
    for (target, path) in [
        ("*", "*"),
        ("http://b", "*"),
        ("http://b/", "/"),
        ("http://b?q", "/?q"),
        ("/", "/"),
    ] {
        let host = if target.len() > 2 { "b" } else { "a" };
        let input = asks(&format!("OPTIONS {target} HTTP/1.1"), "Host: a\r\n");
        understood(input, &format!("OPTIONS http {host} {path}"));
    }
    for line in ["GET * HTTP/1.1", "POST * HTTP/1.1", "OPTIONS ** HTTP/1.1"] {
        refused(asks(line, "Host: a\r\n"), 400, E::Target);
    }
}

/// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host header
/// field and to any request message that contains more than one Host header field line or a Host header field with an
/// invalid field value."
#[test]
fn host_is_there_once_and_valid() {
    let line = "GET / HTTP/1.1";
    refused(asks(line, ""), 400, E::HostMissing);
    refused(asks(line, "X-Host: a\r\n"), 400, E::HostMissing);
    for twice in ["Host: a\r\nHost: b\r\n", "Host: a\r\nX: y\r\nHOST: a\r\n"] {
        refused(asks(line, twice), 400, E::HostRepeated);
        refused(asks("GET / HTTP/1.0", twice), 400, E::HostRepeated);
    }
    for host in [
        "", "a b", "a/b", "a@b", "u:p@a", "a:b", "a:80:80", ":80", "a:8 0", "[::1", "[::1]x", "[]",
        "[a]b:80", "::1", "a?", "a#", "a\\", "a\"", "<a>", "a\u{e9}", "http://a", "a:+80", "a:-1",
        "[/]", "a, b",
    ] {
        refused(asks(line, &format!("Host: {host}\r\n")), 400, E::Host);
        refused(
            asks("GET / HTTP/1.0", &format!("Host: {host}\r\n")),
            400,
            E::Host,
        );
    }
    for host in [
        "a",
        "a:",
        "a:80",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:443",
        "[v1.x]",
        "a_b.c",
        "xn--a",
        "%41",
        "A.B.",
    ] {
        let input = asks(line, &format!("Host:  {host}\t \r\n"));
        understood(input, &format!("GET http {host} /"));
    }
}

/// HTTP/1.0 had no `host`.
#[test]
fn host_may_be_missing_in_http10() {
    understood_last("GET / HTTP/1.0\r\n\r\n", "GET http  /");
    understood_last("GET http://b/ HTTP/1.0\r\n\r\n", "GET http b /");
    understood_last("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET http a /");
}
