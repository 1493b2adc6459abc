//! Hosts: the patterns that a site is given, and finding the site of a host as a request names it.

use core::cmp::Ordering;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::{self, FromStr};

use thiserror::Error;

use super::SiteId;

/// Longest name in bytes without its final dot (RFC 1035, section 2.3.4: 255 octets on the wire).
const NAME_BYTES_MAX: usize = 253;
/// Longest label in bytes (RFC 1035, section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// A host that a site answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// A name or an IPv4 address, in lower case, without a final dot.
    Exact(Box<[u8]>),
    /// `*.` before this name: every host with exactly one label more, as a certificate's wildcard has it (RFC 9525,
    /// section 6.3).
    Wildcard(Box<[u8]>),
    /// An IPv6 address, however it is written.
    Ipv6(Ipv6Addr),
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// Nothing at all.
    #[error("an empty host: write for example \"example.org\" or \"*.example.org\"")]
    Empty,
    /// Holds a byte above 0x7f.
    #[error(
        "a host with letters beyond ASCII: write it as clients send it, in punycode (\"xn--...\")"
    )]
    NotAscii,
    /// Holds a port.
    #[error(
        "a host with a port: write the name alone, a site answers on every address that is listened on"
    )]
    Port,
    /// `*` alone.
    #[error(
        "`*` alone: hosts that no site is given are answered from the `root` at the top of the file"
    )]
    Everything,
    /// A `*` that is not the whole first label.
    #[error("a `*` that is not the whole first label: write \"*.example.org\"")]
    Wildcard,
    /// A label that is empty, too long, or holds what no host name does.
    #[error(
        "no host name: labels of letters, digits and hyphens, joined by dots, without a scheme or a path"
    )]
    Label,
    /// Too long.
    #[error("a host name of more than 253 bytes")]
    TooLong,
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Ok(Self::Ipv6(address));
        }
        if let Some((name, port)) = text.rsplit_once(':')
            && !name.contains('/')
            && !port.contains('/')
        {
            return Err(HostError::Port);
        }
        if text == "*" {
            return Err(HostError::Everything);
        }
        let (name, wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(HostError::Wildcard);
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.len() > NAME_BYTES_MAX {
            return Err(HostError::TooLong);
        }
        // Underscores are no host name's (RFC 952), but resolvers and browsers let them be.
        let in_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        for label in name.split('.') {
            if label.is_empty() || label.len() > LABEL_BYTES_MAX || !label.bytes().all(in_label) {
                return Err(HostError::Label);
            }
        }
        let name = name.to_ascii_lowercase().into_bytes().into();
        Ok(if wildcard {
            Self::Wildcard(name)
        } else {
            Self::Exact(name)
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.escape_ascii().fmt(f),
            Self::Wildcard(name) => write!(f, "*.{}", name.escape_ascii()),
            Self::Ipv6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A host as a request or a handshake names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host<'a> {
    /// Of any case, without a final dot; may be anything, even empty.
    Name(&'a [u8]),
    Ipv6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// The host of an authority (RFC 3986, section 3.2): `:authority`, `Host`, or a bare name. The port is dropped
    /// unread. What is no host comes out as a name that no site has.
    pub(super) fn of(authority: &'a [u8]) -> Self {
        if let Some(rest) = authority.strip_prefix(b"[") {
            let address = rest
                .iter()
                .position(|&byte| byte == b']')
                .filter(|&end| matches!(rest.get(end + 1), None | Some(b':')))
                .and_then(|end| str::from_utf8(&rest[..end]).ok()?.parse().ok());
            return address.map_or(Self::Name(b""), Self::Ipv6);
        }
        let end = authority.iter().position(|&byte| byte == b':');
        let name = &authority[..end.unwrap_or(authority.len())];
        Self::Name(name.strip_suffix(b".").unwrap_or(name))
    }
}

/// Which site a host belongs to. Sorted, so that nothing is hashed or copied to look one up.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    exact: Vec<(Box<[u8]>, SiteId)>,
    /// By the name behind `*.`.
    wildcard: Vec<(Box<[u8]>, SiteId)>,
    ipv6: Vec<(Ipv6Addr, SiteId)>,
}

impl Hosts {
    /// Gives `pattern` to `site`.
    ///
    /// # Errors
    /// The site that has it already, which may be the same.
    pub(super) fn insert(&mut self, pattern: HostPattern, site: SiteId) -> Result<(), SiteId> {
        match pattern {
            HostPattern::Exact(name) => insert(&mut self.exact, name, site),
            HostPattern::Wildcard(name) => insert(&mut self.wildcard, name, site),
            HostPattern::Ipv6(address) => insert(&mut self.ipv6, address, site),
        }
    }

    /// The site of a host: by its exact name, else by the wildcard for it.
    pub(super) fn find(&self, host: Host<'_>) -> Option<SiteId> {
        match host {
            Host::Ipv6(address) => {
                let at = self.ipv6.binary_search_by(|(known, _)| known.cmp(&address));
                at.ok().map(|at| self.ipv6[at].1)
            }
            Host::Name(name) => find(&self.exact, name).or_else(|| {
                let dot = name.iter().position(|&byte| byte == b'.')?;
                // `*` stands for a label, and none is empty.
                (dot > 0).then(|| find(&self.wildcard, &name[dot + 1..]))?
            }),
        }
    }
}

fn insert<K: Ord>(table: &mut Vec<(K, SiteId)>, key: K, site: SiteId) -> Result<(), SiteId> {
    match table.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(at) => Err(table[at].1),
        Err(at) => {
            table.insert(at, (key, site));
            Ok(())
        }
    }
}

fn find(table: &[(Box<[u8]>, SiteId)], name: &[u8]) -> Option<SiteId> {
    let at = table.binary_search_by(|(known, _)| compare(known, name));
    at.ok().map(|at| table[at].1)
}

/// Orders a name of the table, which is in lower case, and one of any case.
fn compare(known: &[u8], name: &[u8]) -> Ordering {
    let lower = name.iter().map(u8::to_ascii_lowercase);
    known.iter().copied().cmp(lower)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hosts(patterns: &[&str]) -> Hosts {
        let mut hosts = Hosts::default();
        for (number, pattern) in patterns.iter().enumerate() {
            let site = SiteId::new(number).unwrap();
            hosts.insert(pattern.parse().unwrap(), site).unwrap();
        }
        hosts
    }

    #[test]
    fn ports_case_and_the_final_dot_do_not_count() {
        let hosts = hosts(&["Example.org.", "192.0.2.7", "a_b.example.org"]);
        for (authority, found) in [
            (&b"example.org"[..], Some(0)),
            (b"EXAMPLE.oRg", Some(0)),
            (b"example.org:8443", Some(0)),
            (b"example.org.", Some(0)),
            (b"example.org.:443", Some(0)),
            (b"example.org..", None),
            (b".example.org", None),
            (b"example.orgx", None),
            (b"example.or", None),
            (b"user@example.org", None),
            (b"192.0.2.7:80", Some(1)),
            (b"192.0.2.70", None),
            (b"A_B.example.org", Some(2)),
            (b"", None),
            (b":80", None),
            (b".", None),
        ] {
            let site = hosts.find(Host::of(authority)).map(SiteId::index);
            assert_eq!(site, found, "{}", authority.escape_ascii());
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label_and_an_exact_name_wins() {
        let hosts = hosts(&["*.example.org", "www.example.org", "*.a.example.org"]);
        for (authority, found) in [
            (&b"b.example.org"[..], Some(0)),
            (b"B.Example.Org:1", Some(0)),
            (b"www.example.org", Some(1)),
            (b"x.a.example.org", Some(2)),
            (b"a.example.org", Some(0)),
            (b"example.org", None),
            (b"x.y.example.org", None),
            (b".example.org", None),
            (b"bexample.org", None),
        ] {
            let site = hosts.find(Host::of(authority)).map(SiteId::index);
            assert_eq!(site, found, "{}", authority.escape_ascii());
        }
    }

    #[test]
    fn ipv6_literals_are_compared_as_addresses() {
        let hosts = hosts(&["[2001:db8::1]", "::1"]);
        for (authority, found) in [
            (&b"[2001:db8::1]"[..], Some(0)),
            (b"[2001:DB8:0:0::1]:8443", Some(0)),
            (b"[::1]:", Some(1)),
            (b"[::2]", None),
            (b"::1", None),
            (b"[::1", None),
            (b"[::1]x", None),
            (b"[fe80::1%25eth0]", None),
            (b"[]", None),
        ] {
            let site = hosts.find(Host::of(authority)).map(SiteId::index);
            assert_eq!(site, found, "{}", authority.escape_ascii());
        }
    }

    #[test]
    fn patterns_are_checked() {
        use HostError::*;
        for (text, error) in [
            ("", Empty),
            ("b\u{fc}cher.example", NotAscii),
            ("example.org:80", Port),
            ("[::1]:80", Port),
            ("*", Everything),
            ("*.*.example.org", Wildcard),
            ("w*.example.org", Wildcard),
            ("a..b", Label),
            (".a", Label),
            ("*.", Label),
            ("https://example.org", Label),
            ("example.org/x", Label),
            ("a b", Label),
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(error), "{text}");
        }
        let long = format!("{}.org", "a".repeat(64));
        assert_eq!(long.parse::<HostPattern>(), Err(Label));
        let long = "a.".repeat(127) + "a";
        assert_eq!(long.parse::<HostPattern>(), Err(TooLong));
        let printed = |text: &str| text.parse::<HostPattern>().unwrap().to_string();
        assert_eq!(printed("*.Example.Org."), "*.example.org");
        assert_eq!(printed("0:0::1"), "[::1]");
    }

    #[test]
    fn a_host_is_given_once() {
        let mut hosts = hosts(&["a.org", "*.a.org", "::1"]);
        let site = SiteId::new(9).unwrap();
        for (text, taken_by) in [("A.org.", 0), ("*.a.ORG", 1), ("[0::1]", 2)] {
            let refused = hosts.insert(text.parse().unwrap(), site).unwrap_err();
            assert_eq!(refused.index(), taken_by);
        }
    }
}
