//! What is asked for: URLs, weights, and what their bodies should be.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use http::Uri;

use super::options::OptionsError;
use super::verify::{Check, Expected, parse_sha256};

/// Where connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether over TLS.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host and port as in `:authority` and `Host`: without the port when it is the scheme's own.
    pub authority: String,
}

impl Origin {
    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// One thing to ask for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL as typed.
    pub url: String,
    /// Path and query.
    pub path: String,
    /// Its share of the requests, at least 1.
    pub weight: u32,
    /// How its bodies are checked.
    pub check: Check,
}

/// Reads a URL: its origin, and path with query.
///
/// # Errors
/// When it is none that a benchmark can use.
pub fn parse_url(text: &str) -> Result<(Origin, String), OptionsError> {
    let wrong = |why: &'static str| OptionsError::Url {
        url: text.to_owned(),
        why,
    };
    if !text.contains("://") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong("only http:// and https:// are known")),
    };
    let authority = uri
        .authority()
        .ok_or_else(|| wrong("it has no host"))?
        .as_str();
    if authority.contains('@') {
        return Err(wrong(
            "it has a user name: use --header 'authorization: ...'",
        ));
    }
    let host = uri.host().unwrap_or_default();
    let port = match (uri.port_u16(), authority.len() > host.len()) {
        (Some(port), _) => Some(port),
        (None, true) => return Err(wrong("its port is no port")),
        (None, false) => None,
    };
    let usual = if tls { 443 } else { 80 };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() {
        return Err(wrong("it has no host"));
    }
    let path = uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let origin = Origin {
        tls,
        host: bare.to_owned(),
        port: port.unwrap_or(usual),
        authority: match port {
            Some(port) if port != usual => format!("{host}:{port}"),
            _ => host.to_owned(),
        },
    };
    Ok((origin, path))
}

/// Splits `URL=WEIGHT`. Behind a query nothing is a weight.
fn split_weight(text: &str) -> Result<(&str, u32), OptionsError> {
    match text.rsplit_once('=') {
        Some((url, weight)) if !text.contains('?') => parse_weight(weight)
            .map(|weight| (url, weight))
            .ok_or_else(|| OptionsError::Weight(text.to_owned())),
        _ => Ok((text, 1)),
    }
}

fn parse_weight(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&weight| weight > 0)
}

/// The targets that were typed, with the check that was given for all of them, and those of a file.
///
/// # Errors
/// When one cannot be used, there is none, or they are not of one origin.
pub fn targets(
    urls: &[String],
    file: Option<&Path>,
    check: &Check,
) -> Result<(Origin, Vec<Target>), OptionsError> {
    let mut found: Vec<(Origin, Target)> = Vec::new();
    for text in urls {
        let (url, weight) = split_weight(text)?;
        found.push(target(url, weight, check.clone())?);
    }
    if let Some(file) = file {
        let text = fs::read_to_string(file).map_err(|error| OptionsError::file(file, &error))?;
        for (index, line) in text.lines().enumerate() {
            let entry = read_line(line, check).map_err(|error| OptionsError::Line {
                file: file.to_owned(),
                line: index + 1,
                error: Box::new(error),
            })?;
            found.extend(entry);
        }
    }
    let (origin, _) = found.first().ok_or(OptionsError::NoUrl)?;
    let origin = origin.clone();
    if let Some((_, other)) = found.iter().find(|(other, _)| *other != origin) {
        return Err(OptionsError::Origins {
            first: found[0].1.url.clone(),
            other: other.url.clone(),
        });
    }
    Ok((
        origin,
        found.into_iter().map(|(_, target)| target).collect(),
    ))
}

fn target(url: &str, weight: u32, check: Check) -> Result<(Origin, Target), OptionsError> {
    let (origin, path) = parse_url(url)?;
    let target = Target {
        url: url.to_owned(),
        path,
        weight,
        check,
    };
    Ok((origin, target))
}

/// `URL [WEIGHT] [sha256=HEX] [expect=FILE]`; nothing in an empty line or a comment.
fn read_line(line: &str, check: &Check) -> Result<Option<(Origin, Target)>, OptionsError> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let mut words = line.split_whitespace();
    let Some(url) = words.next().filter(|url| !url.starts_with('#')) else {
        return Ok(None);
    };
    let (mut weight, mut check) = (1, check.clone());
    for word in words {
        if let Some(hash) = word.strip_prefix("sha256=") {
            check = Check::Sha256(parse_sha256(hash)?);
        } else if let Some(file) = word.strip_prefix("expect=") {
            check = Check::File(Arc::new(Expected::open(Path::new(file))?));
        } else {
            weight = parse_weight(word).ok_or_else(|| OptionsError::Weight(word.to_owned()))?;
        }
    }
    target(url, weight, check).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let (origin, path) = parse_url("https://[::1]:8443/a/b?c=d").unwrap();
        assert_eq!((origin.tls, origin.port), (true, 8443));
        assert_eq!((&*origin.host, &*origin.authority), ("::1", "[::1]:8443"));
        assert_eq!(path, "/a/b?c=d");
        let (origin, path) = parse_url("http://a.example:80").unwrap();
        assert_eq!((&*origin.authority, &*path), ("a.example", "/"));
        assert_eq!((origin.scheme(), origin.port), ("http", 80));
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (url, why) in [
            ("", "must begin with http"),
            ("a.example/", "must begin with http"),
            ("/path", "must begin with http"),
            ("ftp://a.example/", "only http"),
            ("http://", "not a URL"),
            ("http://user@a.example/", "user name"),
            ("http://a.example:99999/", "no port"),
            ("http://a b/", "not a URL"),
        ] {
            let error = parse_url(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    fn read(urls: &[&str]) -> Result<Vec<(String, u32)>, String> {
        let urls: Vec<String> = urls.iter().map(|&url| url.to_owned()).collect();
        let (_, targets) = targets(&urls, None, &Check::None).map_err(|error| error.to_string())?;
        let each = targets.into_iter();
        Ok(each.map(|target| (target.path, target.weight)).collect())
    }

    #[test]
    fn weights_are_behind_urls_without_a_query() {
        assert_eq!(
            read(&["http://h/a=9", "http://h/b", "http://h/c?d=5"]),
            Ok(vec![
                ("/a".to_owned(), 9),
                ("/b".to_owned(), 1),
                ("/c?d=5".to_owned(), 1)
            ])
        );
        for weight in ["0", "x", "-1", ""] {
            assert!(read(&[&format!("http://h/a={weight}")]).is_err());
        }
        assert!(read(&[]).unwrap_err().contains("URL"));
        let error = read(&["http://h/", "https://h/"]).unwrap_err();
        assert!(error.contains("https://h/"), "{error}");
    }

    #[test]
    fn a_file_gives_urls_with_what_to_expect() {
        let folder = tempfile::tempdir().unwrap();
        let (list, body) = (folder.path().join("list"), folder.path().join("body"));
        fs::write(&body, "content").unwrap();
        let hash = "00".repeat(32);
        let lines = format!(
            "# a mix\n\nhttp://h/a?x=1 3\nhttp://h/b sha256={hash} 2 # two\nhttp://h/c expect={}\n",
            body.display()
        );
        fs::write(&list, lines).unwrap();
        let (_, targets) = targets(&[], Some(&list), &Check::None).unwrap();
        let seen: Vec<_> = targets
            .iter()
            .map(|target| (&*target.path, target.weight, target.check.name()))
            .collect();
        assert_eq!(
            seen,
            [
                ("/a?x=1", 3, "none"),
                ("/b", 2, "sha256"),
                ("/c", 1, "expect")
            ]
        );
        fs::write(&list, "http://h/a\nhttp://h/b nine\n").unwrap();
        let error = super::targets(&[], Some(&list), &Check::None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2") && error.contains("nine"),
            "{error}"
        );
        let error = super::targets(&[], Some(Path::new("/nowhere")), &Check::None);
        assert!(error.unwrap_err().to_string().contains("/nowhere"));
    }
}
