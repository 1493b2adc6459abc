//! Error pages: which file of the site stands for which status.

use core::str::FromStr;

use thiserror::Error;

use super::SitePath;

/// The statuses that a page is for: `404`, `50x` or `4xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusPattern {
    /// How many statuses it covers: 1, 10 or 100. First, so that the most exact one sorts first.
    span: u16,
    first: u16,
}

/// Why a text is no such pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StatusError {
    /// Not written as one.
    #[error("no error status: write for example \"404\", \"50x\" or \"4xx\"")]
    NoError,
    /// One that never has a page.
    #[error("keeps its line of text, which says what is wrong with the request: leave it out")]
    KeepsText,
}

/// Statuses that never have a page: they are about the request, before or whatever the file is that it is for.
const KEEP_THEIR_TEXT: [u16; 5] = [400, 412, 414, 416, 421];

impl FromStr for StatusPattern {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        let digits = text.trim_end_matches('x');
        let span = match (text.len(), digits.len()) {
            (3, 3) => 1,
            (3, 2) => 10,
            (3, 1) => 100,
            _ => return Err(StatusError::NoError),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StatusError::NoError);
        }
        let first = digits.parse::<u16>().map_err(|_| StatusError::NoError)? * span;
        if !(400..600).contains(&first) {
            return Err(StatusError::NoError);
        }
        if span == 1 && KEEP_THEIR_TEXT.contains(&first) {
            return Err(StatusError::KeepsText);
        }
        Ok(Self { span, first })
    }
}

/// Files to send in place of the short text that an error has by itself. Each pattern has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorPages(Vec<(StatusPattern, SitePath)>);

impl ErrorPages {
    /// Sets the page for a pattern, in place of the one that it had.
    pub fn set(&mut self, pattern: StatusPattern, page: SitePath) {
        match self.0.binary_search_by_key(&pattern, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = page,
            Err(at) => self.0.insert(at, (pattern, page)),
        }
    }

    /// Sets all the pages of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (pattern, page) in &other.0 {
            self.set(*pattern, page.clone());
        }
    }

    /// The page for a status: that of the most exact pattern. It is sent with that status, never as a success; when the
    /// page itself is not there, the short text is.
    #[must_use]
    pub fn get(&self, status: u16) -> Option<&SitePath> {
        let covers = |pattern: &StatusPattern| {
            (pattern.first..pattern.first + pattern.span).contains(&status)
        };
        let (_, page) = self.0.iter().find(|(pattern, _)| covers(pattern))?;
        Some(page)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pages(pairs: &[(&str, &str)]) -> ErrorPages {
        let mut pages = ErrorPages::default();
        for (pattern, page) in pairs {
            pages.set(pattern.parse().unwrap(), page.parse().unwrap());
        }
        pages
    }

    #[test]
    fn the_most_exact_pattern_wins_in_any_order() {
        let pages = pages(&[
            ("4xx", "/4xx"),
            ("404", "/404"),
            ("41x", "/41x"),
            ("50x", "/50x"),
        ]);
        for (status, page) in [
            (404, Some(&b"404"[..])),
            (403, Some(b"4xx")),
            (412, Some(b"41x")),
            (499, Some(b"4xx")),
            (500, Some(b"50x")),
            (509, Some(b"50x")),
            (510, None),
            (200, None),
            (304, None),
        ] {
            assert_eq!(pages.get(status).map(SitePath::as_bytes), page, "{status}");
        }
    }

    #[test]
    fn later_pages_replace_those_of_the_same_pattern() {
        let mut both = pages(&[("404", "/a"), ("5xx", "/b")]);
        both.merge(&pages(&[("404", "/c")]));
        assert_eq!(both, pages(&[("404", "/c"), ("5xx", "/b")]));
    }

    #[test]
    fn patterns_are_checked() {
        for text in [
            "", "4", "40", "4x4", "x04", "xxx", "200", "3xx", "600", "4040", "4XX", "+04",
            "40\u{e4}",
        ] {
            let error = text.parse::<StatusPattern>().unwrap_err();
            assert_eq!(error, StatusError::NoError, "{text}");
        }
        for text in ["400", "412", "414", "416", "421"] {
            let error = text.parse::<StatusPattern>().unwrap_err();
            assert_eq!(error, StatusError::KeepsText, "{text}");
        }
        for text in [
            "4xx", "40x", "41x", "42x", "403", "404", "405", "500", "503",
        ] {
            assert!(text.parse::<StatusPattern>().is_ok(), "{text}");
        }
    }
}
