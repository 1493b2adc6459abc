//! Redirects: where a rule sends requests for its paths (RFC 9110, section 15.4).

use core::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use thiserror::Error;

/// What may not stand in a path as it is (RFC 3986, section 3.3), `%` itself, and the backslash, which browsers take
/// for a slash.
pub(crate) const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Why a redirect cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RedirectError {
    /// Neither a path nor an `http` or `https` URI.
    #[error(
        "a redirect leads to a path of this site, \"/new/{{rest}}\", or to a whole URI, \"https://example.org/{{path}}\""
    )]
    Form,
    /// What no URI holds.
    #[error("`{0}` cannot stand in a URI: percent-encode it")]
    Character(char),
    /// A placeholder that is not known, or not closed.
    #[error("the placeholders are {{path}} and {{rest}}; a brace of the URI itself is written %7B")]
    Placeholder,
    /// A placeholder in the host, the query or the fragment.
    #[error("a placeholder can only stand in the path of the URI, behind its first slash")]
    PlaceholderOutsidePath,
    /// A status that is no redirect.
    #[error("{0} is no redirect: one of 301, 302, 303, 307 or 308")]
    Status(i64),
}

/// The status of a redirect: 301, 302, 303, 307 or 308.
///
/// 302 unless said otherwise, as in Apache and Caddy: what a permanent one said is remembered by browsers, also when it
/// was a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectStatus(u16);

impl Default for RedirectStatus {
    fn default() -> Self {
        Self(302)
    }
}

impl TryFrom<i64> for RedirectStatus {
    type Error = RedirectError;

    fn try_from(status: i64) -> Result<Self, RedirectError> {
        match status {
            301 | 302 | 303 | 307 | 308 => Ok(Self(status as u16)),
            _ => Err(RedirectError::Status(status)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// As it goes on the wire.
    Text(Box<[u8]>),
    /// The whole path of the request, without the slash that begins it.
    Path,
    /// What the wildcards of the rule's glob stand for.
    Rest,
}

/// Where a redirect leads: a path of the same site or a whole URI, with `{path}` for the request's path (without the
/// slash that begins it) and `{rest}` for its part from the glob's first segment with a wildcard on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget {
    pieces: Box<[Piece]>,
    /// `#` and what follows it, or nothing.
    fragment: Box<[u8]>,
    /// Whether it begins with a scheme.
    absolute: bool,
}

impl FromStr for RedirectTarget {
    type Err = RedirectError;

    fn from_str(text: &str) -> Result<Self, RedirectError> {
        let not_in_uri = |c: char| !c.is_ascii_graphic() || "\"<>\\^`|".contains(c);
        if let Some(character) = text.chars().find(|&c| not_in_uri(c)) {
            return Err(RedirectError::Character(character));
        }
        let scheme = ["https://", "http://"].into_iter().find(|scheme| {
            text.get(..scheme.len())
                .is_some_and(|s| s.eq_ignore_ascii_case(scheme))
        });
        match scheme {
            None if !text.starts_with('/') || text.starts_with("//") => {
                return Err(RedirectError::Form);
            }
            None => {}
            Some(scheme) => match text[scheme.len()..].find(['/', '?', '#', '{']) {
                Some(0) => return Err(RedirectError::Form),
                Some(end) if text[scheme.len() + end..].starts_with('{') => {
                    return Err(RedirectError::PlaceholderOutsidePath);
                }
                None if text.len() == scheme.len() => return Err(RedirectError::Form),
                _ => {}
            },
        }
        let (rest, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let query = rest.find('?').unwrap_or(rest.len());
        if text[query..].contains(['{', '}']) {
            return Err(RedirectError::PlaceholderOutsidePath);
        }
        Ok(Self {
            pieces: pieces(rest)?.into(),
            fragment: fragment.as_bytes().into(),
            absolute: scheme.is_some(),
        })
    }
}

fn pieces(mut text: &str) -> Result<Vec<Piece>, RedirectError> {
    let mut pieces = Vec::new();
    loop {
        let (literal, placeholder) = text.split_at(text.find('{').unwrap_or(text.len()));
        if literal.contains('}') {
            return Err(RedirectError::Placeholder);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.as_bytes().into()));
        }
        text = if placeholder.is_empty() {
            return Ok(pieces);
        } else if let Some(rest) = placeholder.strip_prefix("{path}") {
            pieces.push(Piece::Path);
            rest
        } else if let Some(rest) = placeholder.strip_prefix("{rest}") {
            pieces.push(Piece::Rest);
            rest
        } else {
            return Err(RedirectError::Placeholder);
        };
    }
}

/// What a rule says of redirecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where to.
    pub to: RedirectTarget,
    /// With which status.
    pub status: RedirectStatus,
}

impl Redirect {
    /// The redirect of one path, of which the glob's wildcards stand for what begins at `rest`; `None` when it would lead
    /// to the very path that was asked for.
    pub(super) fn of(&self, path: &[u8], rest: usize) -> Option<Redirection> {
        let mut location = Vec::with_capacity(64);
        for piece in &self.to.pieces {
            match piece {
                Piece::Text(text) => location.extend_from_slice(text),
                Piece::Path => encode(path, &mut location),
                Piece::Rest => encode(path.get(rest..).unwrap_or_default(), &mut location),
            }
        }
        if !self.to.absolute {
            // An empty placeholder may leave slashes side by side, and `//x` is another host.
            let slashes = location.iter().take_while(|&&byte| byte == b'/').count();
            location.drain(1..slashes.max(1));
            let mut same = vec![b'/'];
            encode(path, &mut same);
            if location == same {
                return None;
            }
        }
        Some(Redirection {
            status: self.status.0,
            has_query: location.contains(&b'?'),
            location: location.into(),
            fragment: self.to.fragment.clone(),
        })
    }
}

fn encode(path: &[u8], into: &mut Vec<u8>) {
    for text in percent_encode(path, NOT_IN_PATH) {
        into.extend_from_slice(text.as_bytes());
    }
}

/// The redirect of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    status: u16,
    /// Up to the fragment.
    location: Box<[u8]>,
    has_query: bool,
    fragment: Box<[u8]>,
}

impl Redirection {
    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Writes the value of Location; the request's query (what follows `?`, known to be visible ASCII) is kept.
    pub fn location(&self, query: Option<&[u8]>, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.location);
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            into.push(if self.has_query { b'&' } else { b'?' });
            into.extend_from_slice(query);
        }
        into.extend_from_slice(&self.fragment);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where `to` leads from `path`, of which the first `rest` bytes are the glob's literal part.
    fn lead(to: &str, path: &[u8], rest: usize, query: Option<&[u8]>) -> Option<String> {
        let redirect = Redirect {
            to: to.parse().unwrap(),
            status: RedirectStatus::default(),
        };
        let mut location = Vec::new();
        redirect.of(path, rest)?.location(query, &mut location);
        Some(String::from_utf8(location).unwrap())
    }

    #[test]
    fn placeholders_and_queries() {
        for (to, query, location) in [
            ("/new/{rest}", None, "/new/a/b"),
            ("/{path}.html", None, "/old/a/b.html"),
            (
                "https://example.org/{path}",
                None,
                "https://example.org/old/a/b",
            ),
            ("HTTP://x:8080/{rest}/y", None, "HTTP://x:8080/a/b/y"),
            (
                "https://example.org",
                Some(&b"q=1"[..]),
                "https://example.org?q=1",
            ),
            ("/new", Some(b"q=1"), "/new?q=1"),
            ("/new?a=b", Some(b"q=1"), "/new?a=b&q=1"),
            ("/new?a=b#c", Some(b"q=1"), "/new?a=b&q=1#c"),
            ("/new#c", Some(b""), "/new#c"),
            ("/", None, "/"),
        ] {
            assert_eq!(lead(to, b"old/a/b", 4, query).unwrap(), location, "{to}");
        }
    }

    #[test]
    fn a_path_is_encoded_and_never_becomes_another_host() {
        for (to, path, rest, location) in [
            (
                "/new/{rest}",
                &b"a b?#%\xff"[..],
                0,
                "/new/a%20b%3F%23%25%FF",
            ),
            ("/{rest}", b"x\\evil.test", 1, "/%5Cevil.test"),
            ("/{rest}/evil.test", b"a", 1, "/evil.test"),
            ("/{rest}{path}", b"/evil.test", 10, "/evil.test"),
            ("/a/{rest}", b"x\r\ny", 0, "/a/x%0D%0Ay"),
        ] {
            let led = lead(to, path, rest, None);
            assert_eq!(led.as_deref(), Some(location), "{to}");
        }
    }

    #[test]
    fn a_redirect_to_itself_is_none() {
        assert_eq!(lead("/down.html", b"down.html", 0, Some(b"a")), None);
        assert_eq!(lead("/{path}", b"a b", 0, None), None);
        assert!(lead("/down.html", b"a", 0, None).is_some());
        assert!(lead("https://www.example.org/{path}", b"a", 0, None).is_some());
    }

    #[test]
    fn targets_are_checked() {
        use RedirectError::*;
        for (to, error) in [
            ("", Form),
            ("new", Form),
            ("//example.org/", Form),
            ("ftp://example.org/", Form),
            ("https://", Form),
            ("https:///x", Form),
            ("{path}", Form),
            ("https://{path}", Form),
            ("https://example.org{path}", PlaceholderOutsidePath),
            ("https://example.{rest}/", PlaceholderOutsidePath),
            ("/x?a={path}", PlaceholderOutsidePath),
            ("/x#{path}", PlaceholderOutsidePath),
            ("/{host}", Placeholder),
            ("/{path", Placeholder),
            ("/path}", Placeholder),
            ("/a b", Character(' ')),
            ("/a\r\n", Character('\r')),
            ("/\u{e4}", Character('\u{e4}')),
            ("/\\example.org", Character('\\')),
        ] {
            assert_eq!(to.parse::<RedirectTarget>(), Err(error), "{to}");
        }
        for status in [200, 300, 304, 305, 306, 309, -1, 65_837] {
            let refused = RedirectStatus::try_from(status);
            assert_eq!(refused, Err(Status(status)));
        }
        assert_eq!(RedirectStatus::try_from(308), Ok(RedirectStatus(308)));
    }

    proptest! {
        #[test]
        fn no_path_leads_to_another_host(
            path in proptest::collection::vec(any::<u8>(), 0..40),
            rest in 0usize..60,
        ) {
            for to in ["/{path}", "/{rest}", "/{rest}/{path}", "/a/{rest}", "/{path}{rest}"] {
                if let Some(location) = lead(to, &path, rest, None) {
                    prop_assert!(location.starts_with('/'));
                    prop_assert!(!location.starts_with("//"));
                    prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
                }
            }
        }
    }
}
