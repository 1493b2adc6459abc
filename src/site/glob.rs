//! Globs: which paths a rule is for.

use core::fmt;
use core::str::FromStr;

use globset::{Candidate, GlobBuilder, GlobMatcher};
use thiserror::Error;

/// What has a meaning of its own in a glob.
const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A glob over the paths of a site.
///
/// With a slash in it, it is matched against the whole path: `/*.css`, `/docs/**`, `**/img/*`. The slash that begins it
/// may be left out. Without one, it is matched against the last segment of any path: `*.css`. `*` and `?` stand for
/// bytes other than a slash, `**` for any number of segments; `[a-z]` and `{a,b}` are as in a shell. Case counts.
///
/// Each is a matcher of its own rather than part of a `GlobSet`: the scratch memory of a set is shared by its copies,
/// behind a lock, and every shard is to have its own.
#[derive(Clone)]
pub struct PathGlob {
    matcher: GlobMatcher,
    whole_path: bool,
    /// Bytes of the path before the first segment with a wildcard in it; `None` when there is no wildcard.
    literal: Option<usize>,
}

/// Why a text is no glob.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// Nothing at all.
    #[error("an empty glob: write \"**\" for every path")]
    Empty,
    /// The syntax is wrong.
    #[error("{0}")]
    Syntax(String),
}

impl PathGlob {
    /// Where in `path` begins what the wildcards stand for, if the glob matches it. `path` is relative to the site's `/`;
    /// it ends in a slash when it names a directory.
    pub(super) fn matches(&self, path: &[u8]) -> Option<usize> {
        let subject = if self.whole_path {
            path
        } else {
            last_segment(path)
        };
        self.matcher
            .is_match_candidate(&Candidate::from_bytes(subject))
            .then(|| self.literal.unwrap_or(path.len()).min(path.len()))
    }
}

impl fmt::Debug for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anchor = if self.whole_path { "/" } else { "" };
        write!(f, "{anchor}{}", self.matcher.glob())
    }
}

impl FromStr for PathGlob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        let pattern = text.strip_prefix('/').unwrap_or(text);
        let whole_path = text.contains('/');
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
            .map_err(|error| GlobError::Syntax(error.kind().to_string()))?;
        let special = pattern.find(SPECIAL);
        let literal = match special {
            Some(_) if !whole_path => Some(0),
            Some(at) => Some(pattern[..at].rfind('/').map_or(0, |slash| slash + 1)),
            None => None,
        };
        Ok(Self {
            matcher: glob.compile_matcher(),
            whole_path,
            literal,
        })
    }
}

/// The file name of a path, or the name of the directory that it names.
fn last_segment(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> PathGlob {
        text.parse().unwrap()
    }

    #[test]
    fn a_glob_without_a_slash_matches_names_anywhere() {
        for (text, path, matched) in [
            ("*.css", "a.css", true),
            ("*.css", "x/y/a.css", true),
            ("*.css", "a.css/b", false),
            ("*.css", "a.css/", true),
            ("*.CSS", "a.css", false),
            ("*.{js,css}", "x/a.js", true),
            ("a?c", "x/abc", true),
            ("[a-c]*", "x/bcd", true),
            ("**", "x/y/z", true),
            ("**", "", true),
            ("*", "x/y/", true),
            ("robots.txt", "a/robots.txt", true),
            ("robots.txt", "robots.txt", true),
            ("file{,.gz}", "file", true),
        ] {
            let found = glob(text).matches(path.as_bytes()).is_some();
            assert_eq!(found, matched, "{text} and {path}");
        }
    }

    #[test]
    fn a_glob_with_a_slash_matches_whole_paths() {
        for (text, path, matched) in [
            ("/robots.txt", "robots.txt", true),
            ("/robots.txt", "a/robots.txt", false),
            ("/*.css", "a.css", true),
            ("/*.css", "b/a.css", false),
            ("/docs/*", "docs/a", true),
            ("/docs/*", "docs/a/b", false),
            ("/docs/**", "docs/a/b", true),
            ("/docs/**", "docs/", true),
            ("/docs/**", "docs", false),
            ("/docs/**", "docsx/a", false),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "x/docs/a", false),
            ("**/img/*", "img/a", true),
            ("**/img/*", "x/y/img/a", true),
            ("/**/*.css", "a.css", true),
            ("/**/*.css", "x/y/a.css", true),
            ("/", "", true),
            ("/", "a", false),
            ("/docs/", "docs/", true),
            ("/docs/", "docs", false),
        ] {
            let found = glob(text).matches(path.as_bytes()).is_some();
            assert_eq!(found, matched, "{text} and {path}");
        }
    }

    #[test]
    fn what_the_wildcards_stand_for() {
        for (text, path, rest) in [
            ("/old/**", "old/a/b", "a/b"),
            ("/old/x*/**", "old/x1/b", "x1/b"),
            ("/old", "old", ""),
            ("*.php", "a/b.php", "a/b.php"),
            ("**", "a/b", "a/b"),
            ("/a\\*b/**", "a*b/c", "a*b/c"),
        ] {
            let from = glob(text).matches(path.as_bytes()).unwrap();
            assert_eq!(&path[from..], rest, "{text} and {path}");
        }
    }

    #[test]
    fn broken_globs_say_what_is_wrong() {
        for (text, word) in [
            ("", "\"**\""),
            ("a[", "unclosed"),
            ("{a", "unclosed"),
            ("[z-a]", "range"),
        ] {
            let error = text.parse::<PathGlob>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_too_odd(path in proptest::collection::vec(any::<u8>(), 0..64)) {
            for text in ["**", "*.css", "/docs/**", "/a/?/*", "**/[a-z]*"] {
                if let Some(from) = glob(text).matches(&path) {
                    prop_assert!(from <= path.len());
                }
            }
            prop_assert!(glob("**").matches(&path).is_some());
        }
    }
}
