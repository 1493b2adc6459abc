//! Cross-origin requests (the CORS protocol of the Fetch standard): who may read an answer, and what is said to a
//! preflight.

use core::str::FromStr;

use thiserror::Error;

use super::fields::{FieldError, is_token};
use crate::http::{Method, trim_ows};

/// The methods that are ever allowed: there are no others here.
const METHODS: &[u8] = b"GET, HEAD, OPTIONS";
/// The longest list of names that a preflight is given back.
const REQUESTED_NAMES_BYTES_MAX: usize = 1_024;

/// An origin: a scheme, a host, and a port where it is not the scheme's own; in lower case, as browsers send it (RFC
/// 6454, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Box<[u8]>);

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OriginError {
    /// No scheme, or more than a host and a port behind it.
    #[error(
        "no origin: write it as browsers do, without a path or a slash at its end, such as \"https://example.org\" or \"http://localhost:3000\""
    )]
    Form,
    /// The scheme's own port, which browsers leave out.
    #[error("the port is that of the scheme, which browsers leave out: leave it out here too")]
    DefaultPort,
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        let (scheme, host) = text.split_once("://").ok_or(OriginError::Form)?;
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let in_host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@*,\"'\\<>".contains(&byte);
        if scheme.is_empty()
            || host.is_empty()
            || !scheme.bytes().all(in_scheme)
            || !host.bytes().all(in_host)
        {
            return Err(OriginError::Form);
        }
        let default_port = match scheme {
            "http" => Some(":80"),
            "https" => Some(":443"),
            _ => None,
        };
        if default_port.is_some_and(|port| host.ends_with(port)) {
            return Err(OriginError::DefaultPort);
        }
        Ok(Self(text.into_bytes().into()))
    }
}

/// The name of a response field that pages may read; `*` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedName(Box<str>);

impl FromStr for ExposedName {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        if is_token(text.as_bytes()) {
            Ok(Self(text.into()))
        } else {
            Err(FieldError::Name)
        }
    }
}

/// Whose pages may read an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Anybody's.
    Any,
    /// Those of these origins. With `credentials`, also what a browser sends only with its cookies or certificates.
    Listed {
        /// The origins.
        origins: Box<[Origin]>,
        /// Whether credentials are allowed; with [`Origins::Any`] the Fetch standard forbids it.
        credentials: bool,
    },
}

/// What a rule says of cross-origin requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    /// The value of Access-Control-Expose-Headers.
    expose: Option<Box<[u8]>>,
    /// The value of Access-Control-Max-Age.
    max_age: Option<Box<[u8]>>,
}

/// What of a request decides, as sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorsRequest<'a> {
    /// Origin.
    pub origin: Option<&'a [u8]>,
    /// Access-Control-Request-Method.
    pub request_method: Option<&'a [u8]>,
    /// Access-Control-Request-Headers.
    pub request_headers: Option<&'a [u8]>,
}

impl CorsRequest<'_> {
    /// Whether a browser asks for leave: to be answered with 204 and [`Cors::answer`], whatever the path leads to.
    #[must_use]
    pub fn is_preflight(&self, method: Method) -> bool {
        method == Method::Options && self.origin.is_some() && self.request_method.is_some()
    }
}

/// The fields that CORS adds to an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorsAnswer<'a> {
    /// What goes into Vary beside what is there already; empty for nothing.
    pub vary: &'static str,
    allow_origin: Option<&'a [u8]>,
    allow_credentials: Option<&'a [u8]>,
    allow_methods: Option<&'a [u8]>,
    allow_headers: Option<&'a [u8]>,
    max_age: Option<&'a [u8]>,
    expose_headers: Option<&'a [u8]>,
}

impl<'a> CorsAnswer<'a> {
    /// The fields other than Vary, names in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'a [u8])> + use<'a> {
        [
            ("access-control-allow-origin", self.allow_origin),
            ("access-control-allow-credentials", self.allow_credentials),
            ("access-control-allow-methods", self.allow_methods),
            ("access-control-allow-headers", self.allow_headers),
            ("access-control-max-age", self.max_age),
            ("access-control-expose-headers", self.expose_headers),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl Cors {
    /// Allows `origins` to read answers, beyond the fields that they may always see those in `expose`, and lets browsers
    /// keep what a preflight was told for `max_age` seconds.
    #[must_use]
    pub fn new(origins: Origins, expose: &[ExposedName], max_age: Option<u32>) -> Self {
        let names: Vec<&str> = expose.iter().map(|name| &*name.0).collect();
        Self {
            origins,
            expose: (!names.is_empty()).then(|| names.join(", ").into_bytes().into()),
            max_age: max_age.map(|seconds| seconds.to_string().into_bytes().into()),
        }
    }

    /// The fields for a request. They go with every status, or a page could not tell what went wrong.
    ///
    /// An origin that is not allowed gets none of them, and Vary all the same: a cache must not give its answer to
    /// another. A preflight is allowed all the fields that it asks for: none of them can change what is answered to more
    /// than any request could have.
    #[must_use]
    pub fn answer<'a>(&'a self, method: Method, request: &CorsRequest<'a>) -> CorsAnswer<'a> {
        let (allow_origin, credentials, vary) = match &self.origins {
            // Said to who asks without an origin too: a cache may give that answer to one with (the Fetch standard,
            // "CORS protocol and HTTP caches").
            Origins::Any => (Some(&b"*"[..]), false, ""),
            Origins::Listed {
                origins,
                credentials,
            } => {
                let listed = |sent: &&[u8]| origins.iter().any(|origin| *origin.0 == **sent);
                (request.origin.filter(listed), *credentials, "Origin")
            }
        };
        let mut answer = CorsAnswer {
            vary,
            allow_origin,
            ..CorsAnswer::default()
        };
        let preflight = request.is_preflight(method);
        if preflight {
            answer.vary = match vary {
                "" => "Access-Control-Request-Headers",
                _ => "Origin, Access-Control-Request-Headers",
            };
        }
        if allow_origin.is_none() {
            return answer;
        }
        answer.allow_credentials = credentials.then_some(b"true");
        if preflight {
            answer.allow_methods = Some(METHODS);
            answer.allow_headers = request.request_headers.filter(|list| is_name_list(list));
            answer.max_age = self.max_age.as_deref();
        } else {
            answer.expose_headers = self.expose.as_deref();
        }
        answer
    }
}

/// Whether these are field names with commas between, and not too many of them.
fn is_name_list(list: &[u8]) -> bool {
    list.len() <= REQUESTED_NAMES_BYTES_MAX
        && list
            .split(|&byte| byte == b',')
            .all(|name| is_token(trim_ows(name)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listed(credentials: bool) -> Cors {
        let origins = ["https://Example.org", "http://localhost:3000"];
        let origins = origins.map(|text| text.parse().unwrap()).into();
        let expose = ["ETag".parse().unwrap(), "x-b".parse().unwrap()];
        let origins = Origins::Listed {
            origins,
            credentials,
        };
        Cors::new(origins, &expose, Some(600))
    }

    fn fields(cors: &Cors, method: Method, request: &CorsRequest<'_>) -> Vec<String> {
        let answer = cors.answer(method, request);
        let mut lines: Vec<String> = answer
            .fields()
            .map(|(name, value)| format!("{name}: {}", value.escape_ascii()))
            .collect();
        if !answer.vary.is_empty() {
            lines.push(format!("vary: {}", answer.vary));
        }
        lines
    }

    #[test]
    fn a_listed_origin_may_read_and_others_may_not() {
        let cors = listed(false);
        let from = |origin: &'static [u8]| CorsRequest {
            origin: Some(origin),
            ..CorsRequest::default()
        };
        assert_eq!(
            fields(&cors, Method::Get, &from(b"https://example.org")),
            [
                "access-control-allow-origin: https://example.org",
                "access-control-expose-headers: ETag, x-b",
                "vary: Origin",
            ]
        );
        for other in [
            &b"http://example.org"[..],
            b"https://example.org:8443",
            b"https://example.org.evil.test",
            b"https://evil.test/https://example.org",
            b"null",
            b"",
        ] {
            assert_eq!(fields(&cors, Method::Get, &from(other)), ["vary: Origin"]);
        }
        // Without an origin too, or a cache would keep an answer that nobody else may read.
        let none = CorsRequest::default();
        assert_eq!(fields(&cors, Method::Head, &none), ["vary: Origin"]);
    }

    #[test]
    fn any_origin_varies_with_nothing() {
        let cors = Cors::new(Origins::Any, &[], None);
        let request = CorsRequest {
            origin: Some(b"null"),
            ..CorsRequest::default()
        };
        let none = CorsRequest::default();
        for request in [request, none] {
            assert_eq!(
                fields(&cors, Method::Get, &request),
                ["access-control-allow-origin: *"]
            );
        }
    }

    #[test]
    fn a_preflight_is_told_what_is_allowed() {
        let request = CorsRequest {
            origin: Some(b"http://localhost:3000"),
            request_method: Some(b"GET"),
            request_headers: Some(b"range, X-Thing"),
        };
        assert!(request.is_preflight(Method::Options));
        assert!(!request.is_preflight(Method::Get));
        assert_eq!(
            fields(&listed(true), Method::Options, &request),
            [
                "access-control-allow-origin: http://localhost:3000",
                "access-control-allow-credentials: true",
                "access-control-allow-methods: GET, HEAD, OPTIONS",
                "access-control-allow-headers: range, X-Thing",
                "access-control-max-age: 600",
                "vary: Origin, Access-Control-Request-Headers",
            ]
        );
        let refused = CorsRequest {
            origin: Some(b"https://evil.test"),
            ..request
        };
        assert_eq!(
            fields(&listed(true), Method::Options, &refused),
            ["vary: Origin, Access-Control-Request-Headers"]
        );
        // OPTIONS that is no preflight is a request like another.
        let plain = CorsRequest {
            request_method: None,
            ..request
        };
        assert_eq!(fields(&listed(false), Method::Options, &plain).len(), 3);
    }

    #[test]
    fn what_is_no_list_of_names_is_not_given_back() {
        for (list, echoed) in [
            (&b"range"[..], true),
            (b"a,b , c", true),
            (b"a b", false),
            (b"a,,b", false),
            (b"a: b", false),
            (b"", false),
            (b"a\r\nb: c", false),
            (&[b'a'; REQUESTED_NAMES_BYTES_MAX], true),
            (&[b'a'; REQUESTED_NAMES_BYTES_MAX + 1], false),
        ] {
            let cors = Cors::new(Origins::Any, &[], None);
            let request = CorsRequest {
                origin: Some(b"https://a.test"),
                request_method: Some(b"GET"),
                request_headers: Some(list),
            };
            let answer = cors.answer(Method::Options, &request);
            assert_eq!(answer.allow_headers.is_some(), echoed);
        }
    }

    #[test]
    fn origins_are_checked() {
        for (text, error) in [
            ("example.org", OriginError::Form),
            ("https://example.org/", OriginError::Form),
            ("https://", OriginError::Form),
            ("null", OriginError::Form),
            ("*", OriginError::Form),
            ("https://*.example.org", OriginError::Form),
            ("https://a b", OriginError::Form),
            ("https://u@a", OriginError::Form),
            ("https://example.org:443", OriginError::DefaultPort),
            ("http://example.org:80", OriginError::DefaultPort),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
        for text in ["http://example.org:443", "https://[::1]:8443", "app://x"] {
            assert!(text.parse::<Origin>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_list_with_a_control_character_is_not_repeated() {
        let request = CorsRequest {
            origin: Some(b"https://a"),
            request_method: Some(b"GET"),
            request_headers: Some(b"*\x0c"),
        };
        let cors = Cors::new(Origins::Any, &[], None);
        let answer = cors.answer(Method::Options, &request);
        assert!(
            answer
                .fields()
                .all(|(name, _)| name != "access-control-allow-headers")
        );
    }

    proptest! {
        #[test]
        fn nothing_sent_can_break_an_answer(
            origin in proptest::collection::vec(any::<u8>(), 0..40),
            headers in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let request = CorsRequest {
                origin: Some(&origin),
                request_method: Some(b"GET"),
                request_headers: Some(&headers),
            };
            for cors in [listed(true), Cors::new(Origins::Any, &[], None)] {
                for (_, value) in cors.answer(Method::Options, &request).fields() {
                    let visible = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
                    prop_assert!(value.iter().all(visible));
                }
            }
        }
    }
}
