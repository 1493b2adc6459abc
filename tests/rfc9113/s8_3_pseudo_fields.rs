//! Section 8.3: HTTP control data.

use crate::client::*;

/// "Endpoints MUST treat a request or response that contains undefined or invalid pseudo-header fields as malformed
/// (Section 8.1.1)."
#[test]
fn undefined_pseudo_fields() {
    for name in [
        ":x",
        ":test",
        ":",
        ":protocol",
        ":host",
        ":methods",
        ":Method",
        ":path ",
    ] {
        malformed(&[METHOD, SCHEME, PATH, AUTHORITY, (name, "x")]);
        malformed(&[(name, "x"), METHOD, SCHEME, PATH, AUTHORITY]);
    }
}

/// "pseudo-header fields defined for responses MUST NOT appear in requests."
#[test]
fn pseudo_fields_of_responses() {
    malformed(&[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]);
    malformed(&[(":status", "418"), METHOD, SCHEME, PATH, AUTHORITY]);
}

/// "Any request or response that contains a pseudo-header field that appears in a field block after a regular field line
/// MUST be treated as malformed (Section 8.1.1)."
#[test]
fn pseudo_fields_after_others() {
    malformed(&[METHOD, SCHEME, PATH, ("x", "y"), AUTHORITY]);
    malformed(&[("x", "y"), METHOD, SCHEME, PATH, AUTHORITY]);
    malformed(&[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH]);
    malformed(&get_with(&[("x", "y"), METHOD]));
    well_formed(&[AUTHORITY, PATH, SCHEME, METHOD, ("x", "y")]);
}

/// "A field block for an HTTP request or response that contains a repeated pseudo-header field name MUST be treated as
/// malformed (Section 8.1.1)."
#[test]
fn repeated_pseudo_fields() {
    for field in GET {
        malformed(&[&[field][..], &GET].concat());
        malformed(&[&GET[..], &[field]].concat());
    }
    malformed(&[METHOD, (":method", "HEAD"), SCHEME, PATH, AUTHORITY]);
}

/// Section 8.3.1: "All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme", and ":path"
/// pseudo-header fields, unless they are CONNECT requests (Section 8.5). An HTTP request that omits mandatory
/// pseudo-header fields is malformed (Section 8.1.1)."
#[test]
fn missing_pseudo_fields() {
    malformed(&[SCHEME, PATH, AUTHORITY]);
    malformed(&[METHOD, PATH, AUTHORITY]);
    malformed(&[METHOD, SCHEME, AUTHORITY]);
    malformed(&[AUTHORITY]);
    malformed(&[("x", "y")]);
    malformed(&[]);
}

/// Section 8.3.1, ":method": a valid value is a token (RFC 9110, section 9.1).
#[test]
fn methods() {
    for method in ["", "G T", "GET\t", "GE(T", "GET,", "G\u{e9}T", "GET /"] {
        malformed(&[(":method", method), SCHEME, PATH, AUTHORITY]);
    }
    for method in ["get", "PURGE", "M-SEARCH", "x!"] {
        well_formed(&[(":method", method), SCHEME, PATH, AUTHORITY]);
    }
}

/// Section 8.3.1, ":scheme": a valid value is a scheme (RFC 3986, section 3.1). It "is not restricted to "http" and
/// "https" schemed URIs".
#[test]
fn schemes() {
    for scheme in ["", "1http", "ht tp", "http:", "https://", "h_ttp", "+http"] {
        malformed(&[METHOD, (":scheme", scheme), PATH, AUTHORITY]);
    }
    for scheme in ["http", "https", "HTTPS", "coap+tcp"] {
        well_formed(&[METHOD, (":scheme", scheme), PATH, AUTHORITY]);
    }
}

/// Section 8.3.1, ":path": "This pseudo-header field MUST NOT be empty for "http" or "https" URIs".
#[test]
fn an_empty_path() {
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        for scheme in ["http", "https"] {
            malformed(&[
                (":method", method),
                (":scheme", scheme),
                (":path", ""),
                AUTHORITY,
            ]);
        }
    }
}

/// Section 8.3.1, ":path": "includes the path and query parts of the target URI (the absolute-path production and,
/// optionally, a '?' character followed by the query production".
#[test]
fn paths_that_are_not_absolute() {
    for path in [
        "x",
        "?query",
        "../x",
        "https://a.example/",
        "a.example:443",
        "\\x",
        "%2f",
        ".",
        "#fragment",
    ] {
        malformed(&[METHOD, SCHEME, (":path", path), AUTHORITY]);
    }
    for path in ["/ x", "/a b", "/\u{7f}", "/\u{1}"] {
        malformed(&[METHOD, SCHEME, (":path", path), AUTHORITY]);
    }
    for path in ["/", "/?", "/a/../b", "//", "/%00", "/a?b=c&d=%20"] {
        well_formed(&[METHOD, SCHEME, (":path", path), AUTHORITY]);
    }
}

/// Section 8.3.1, ":path": "an OPTIONS request for an "http" or "https" URI that does not include a path component; these
/// MUST include a ":path" pseudo-header field with a value of '*'".
#[test]
fn the_asterisk() {
    well_formed(&[(":method", "OPTIONS"), SCHEME, (":path", "*"), AUTHORITY]);
    malformed(&[(":method", "OPTIONS"), SCHEME, (":path", "*x"), AUTHORITY]);
    for method in ["GET", "HEAD", "POST", "options"] {
        malformed(&[(":method", method), SCHEME, (":path", "*"), AUTHORITY]);
    }
}

/// Section 8.3.1, ":authority": "":authority" MUST NOT include the deprecated userinfo subcomponent for "http" or "https"
/// schemed URIs."
#[test]
fn user_information() {
    for authority in [
        "user@a.example",
        "user:password@a.example",
        "@a.example",
        "a.example@",
    ] {
        malformed(&[METHOD, SCHEME, PATH, (":authority", authority)]);
        malformed(&[METHOD, (":scheme", "http"), PATH, (":authority", authority)]);
        malformed(&[METHOD, SCHEME, PATH, ("host", authority)]);
    }
}

/// Section 8.3.1, ":authority" conveys an authority (RFC 3986, section 3.2), which http and https have (RFC 9110, section
/// 4.2: "A recipient that processes such a URI reference MUST reject it as invalid" when the host is empty).
#[test]
fn authorities() {
    malformed(&[METHOD, SCHEME, PATH]);
    for authority in ["", "a/b", "a?b", "a#b", "a b", "a\\b", "\u{e9}"] {
        malformed(&[METHOD, SCHEME, PATH, (":authority", authority)]);
        malformed(&[METHOD, SCHEME, PATH, ("host", authority)]);
    }
    for authority in [
        "a.example",
        "a.example:8443",
        "[::1]",
        "[::1]:8443",
        "127.0.0.1",
        "A.Example",
    ] {
        well_formed(&[METHOD, SCHEME, PATH, (":authority", authority)]);
        well_formed(&[METHOD, SCHEME, PATH, ("host", authority)]);
    }
}

/// Section 8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an
/// entity that differs from the entity in the ":authority" pseudo-header field."
#[test]
fn a_host_that_differs_from_the_authority() {
    malformed(&get_with(&[("host", "b.example")]));
    malformed(&get_with(&[("host", "a.example:8443")]));
    malformed(&get_with(&[("host", "")]));
    malformed(&get_with(&[("host", "a.example"), ("host", "a.example")]));
    well_formed(&get_with(&[("host", "a.example")]));
    well_formed(&get_with(&[("host", "A.EXAMPLE")]));
}

/// Section 8.3.1: "The values of fields need to be normalized to compare them (see Section 6.2 of [RFC3986])." An empty port
/// and the scheme's own are the same as none (RFC 3986, section 6.2.3).
#[test]
fn a_host_with_the_port_of_the_scheme_is_the_authority() {
    let verdict = |good: bool, scheme, authority, host| {
        let fields = [
            METHOD,
            (":scheme", scheme),
            PATH,
            (":authority", authority),
            ("host", host),
        ];
        if good {
            well_formed(&fields);
        } else {
            malformed(&fields);
        }
    };
    for (good, scheme, one, other) in [
        (true, "https", "a.example", "A.example:443"),
        (true, "https", "a.example:", "a.example:443"),
        (true, "http", "a.example", "a.example:80"),
        (true, "HTTP", "[::1]", "[::1]:80"),
        (true, "ftp", "a.example", "a.example:"),
        (false, "https", "a.example", "a.example:80"),
        (false, "http", "a.example", "a.example:443"),
        (false, "https", "a.example:80", "a.example:443"),
        (false, "https", "a.example", "a.example:4430"),
        (false, "https", "a.example", "b.example:443"),
        (false, "ftp", "a.example", "a.example:443"),
        (false, "https", "a.example", ":443"),
    ] {
        verdict(good, scheme, one, other);
        verdict(good, scheme, other, one);
    }
}

/// Section 8.3.1: "The recipient of an HTTP/2 request MUST NOT use the Host header field to determine the target URI if
/// ":authority" is present."
#[test]
fn the_authority_goes_before_the_host() {
    for (fields, expected) in [
        (get_with(&[("host", "A.EXAMPLE")]), "a.example"),
        (
            vec![METHOD, SCHEME, PATH, ("host", "only.example")],
            "only.example",
        ),
    ] {
        let mut client = Client::prepared();
        client.send(&headers(IDLE, &fields, true));
        let events = client.events();
        let [Seen::Request(_, fields)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(fields[2], (":authority".to_owned(), expected.to_owned()));
    }
}

/// Section 8.3.2: "This pseudo-header field MUST be included in all responses, including interim responses".
#[test]
fn the_status_of_an_answer_of_our_own() {
    let config = Config {
        max_header_list_size: 200,
        ..Config::default()
    };
    let mut client = Client::with(config, &[]);
    client.send(&headers(1, &get_with(&[("x", &"v".repeat(300))]), true));
    let fields = fields_of(&client.receive(), 1);
    assert_eq!(fields[0], (":status".to_owned(), "431".to_owned()));
    assert!(fields[1..].iter().all(|(name, _)| !name.starts_with(':')));
}
