//! Paths within a site as the configuration writes them: decoded text that begins with a slash.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::http::target::{PATH_BYTES_MAX, SEGMENT_BYTES_MAX};

/// Why a text is no path, prefix or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// Does not begin with a slash.
    #[error("a path that does not begin with a slash")]
    Relative,
    /// Nothing behind the slash.
    #[error(
        "the whole site: a mount has a prefix such as \"/docs\", and the site itself is `root`"
    )]
    Root,
    /// Ends in a slash, where a file is meant.
    #[error("a path that ends in a slash: it must name a file")]
    Directory,
    /// Two slashes in a row, or a segment that is `.` or `..`.
    #[error("a path with an empty, `.` or `..` segment")]
    Segment,
    /// A control byte.
    #[error("a path with a control character")]
    Control,
    /// Longer than Linux lets a path or name be.
    #[error("a path or a segment that is too long")]
    TooLong,
    /// An index name that is empty or holds a slash.
    #[error("no file name: write one name without a slash, such as \"index.html\"")]
    Name,
}

/// Checks the segments of `path`, which has no slash at either end.
fn check(path: &str) -> Result<(), PathError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    for segment in path.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(PathError::Segment);
        }
        if segment.len() > SEGMENT_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if segment.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(PathError::Control);
        }
    }
    Ok(())
}

/// The path of a file within a site: of an error page, or of what is served as a fallback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePath(Box<str>);

impl SitePath {
    /// Relative to the site's `/`, as [`Sites::locate`](super::Sites::locate) takes it: no slash at either end, never
    /// empty.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for SitePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let path = text.strip_prefix('/').ok_or(PathError::Relative)?;
        if path.is_empty() || path.ends_with('/') {
            return Err(PathError::Directory);
        }
        check(path)?;
        Ok(Self(path.into()))
    }
}

/// Where in a site another directory is mounted. A slash at its end makes no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPrefix(Box<str>);

impl MountPrefix {
    /// What of `path` lies beneath the mount, without a slash before it; `None` when `path` is not within it. Only whole
    /// segments count.
    pub(super) fn strip<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        match path.strip_prefix(self.0.as_bytes())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for MountPrefix {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let path = text.strip_prefix('/').ok_or(PathError::Relative)?;
        if path.is_empty() {
            return Err(PathError::Root);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        check(path)?;
        Ok(Self(path.into()))
    }
}

impl fmt::Display for MountPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// The name of a file that is served for its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexName(Box<str>);

impl IndexName {
    /// To be appended to the directory's path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for IndexName {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.contains('/') || matches!(text, "" | "." | "..") {
            return Err(PathError::Name);
        }
        check(text)?;
        Ok(Self(text.into()))
    }
}

/// Whether a segment of a path beneath a mount begins with a dot, other than a first one that is `.well-known`
/// (RFC 8615).
#[must_use]
pub fn is_hidden(rest: &[u8]) -> bool {
    let mut segments = rest.split(|&byte| byte == b'/');
    let first = segments.next().unwrap_or_default();
    (first.starts_with(b".") && first != b".well-known")
        || segments.any(|segment| segment.starts_with(b"."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn site_paths_name_files() {
        let path: SitePath = "/errors/404 \u{e4}.html".parse().unwrap();
        assert_eq!(path.as_bytes(), "errors/404 \u{e4}.html".as_bytes());
        for (text, error) in [
            ("404.html", PathError::Relative),
            ("", PathError::Relative),
            ("/", PathError::Directory),
            ("/a/", PathError::Directory),
            ("//a", PathError::Segment),
            ("/a/../b", PathError::Segment),
            ("/./a", PathError::Segment),
            ("/a\nb", PathError::Control),
        ] {
            assert_eq!(text.parse::<SitePath>(), Err(error), "{text}");
        }
        let long = format!("/{}", "a".repeat(256));
        assert_eq!(long.parse::<SitePath>(), Err(PathError::TooLong));
    }

    #[test]
    fn prefixes_match_whole_segments() {
        for text in ["/docs", "/docs/"] {
            let prefix: MountPrefix = text.parse().unwrap();
            assert_eq!(prefix.to_string(), "/docs");
            for (path, rest) in [
                (&b"docs"[..], Some(&b""[..])),
                (b"docs/", Some(b"")),
                (b"docs/a", Some(b"a")),
                (b"docs/a/", Some(b"a/")),
                (b"docsx", None),
                (b"docsx/a", None),
                (b"doc", None),
                (b"Docs", None),
                (b"a/docs", None),
                (b"", None),
            ] {
                assert_eq!(prefix.strip(path), rest, "{}", path.escape_ascii());
            }
        }
        for (text, error) in [
            ("/", PathError::Root),
            ("docs", PathError::Relative),
            ("/a//", PathError::Segment),
            ("/a/../b", PathError::Segment),
        ] {
            assert_eq!(text.parse::<MountPrefix>(), Err(error), "{text}");
        }
    }

    #[test]
    fn dot_files_are_hidden_except_well_known() {
        for (path, hidden) in [
            (&b""[..], false),
            (b"a/b.c", false),
            (b".well-known/acme-challenge/x", false),
            (b".well-known", false),
            (b".git/config", true),
            (b".htaccess", true),
            (b"a/.b/c", true),
            (b"a/.well-known/c", true),
            (b".well-known/.x", true),
            (b".well-knownx", true),
            (b"...", true),
        ] {
            assert_eq!(is_hidden(path), hidden, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn index_names_are_single_names() {
        assert!("index.html".parse::<IndexName>().is_ok());
        for text in ["", ".", "..", "a/b", "/a"] {
            assert_eq!(text.parse::<IndexName>(), Err(PathError::Name), "{text}");
        }
    }
}
