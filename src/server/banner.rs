//! What is printed at the start: what is served, where, on which cores, and how to try it.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::listen::Bound;
use crate::config::display_cores;

/// The certificate as far as a client must know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    /// Its SHA-256.
    pub fingerprint: &'a str,
    /// Whether ringlane made it.
    pub self_signed: bool,
    /// A file that `curl --cacert` takes, when there is one that makes curl trust it.
    pub trust: Option<&'a Path>,
}

/// The text, with a newline at the end. `host` is one to ask for, when not every host is answered.
pub(super) fn banner(
    served: &str,
    bound: &[Bound],
    cores: &[usize],
    identity: Option<Identity<'_>>,
    host: Option<&str>,
) -> String {
    let mut text = format!("ringlane {} serves {served}\n", env!("CARGO_PKG_VERSION"));
    // Writing to a String cannot fail.
    for bound in bound {
        let (kind, note) = if bound.tls {
            ("https", "HTTP/2 and HTTP/1.1 over TLS")
        } else {
            ("http", "HTTP/2 with prior knowledge, and HTTP/1.1")
        };
        let url = format!("{kind}://{}/", bound.address);
        let _ = writeln!(text, "  {url:<32} {note}");
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let count = cores.len();
    let _ = writeln!(
        text,
        "  {count} shard{} on core{} {}",
        plural(count),
        plural(count),
        display_cores(cores)
    );
    if let Some(identity) = identity {
        let kind = if identity.self_signed {
            "self-signed certificate"
        } else {
            "certificate"
        };
        let _ = writeln!(text, "  {kind}, SHA-256 {}", identity.fingerprint);
    }
    text.push_str("Try:\n");
    for tls in [false, true] {
        if let Some(first) = bound.iter().find(|bound| bound.tls == tls) {
            let _ = writeln!(text, "  {}", curl(first, identity, host));
        }
    }
    text
}

/// A command that downloads `/` from here.
fn curl(bound: &Bound, identity: Option<Identity<'_>>, host: Option<&str>) -> String {
    let ip = reachable(bound.address.ip());
    let port = bound.address.port();
    let here = SocketAddr::new(ip, port);
    let connect_to = quoted(&format!("::{here}"));
    if let Some(host) = host {
        // Whatever certificate that host has.
        let (option, kind) = if bound.tls {
            ("-k", "https")
        } else {
            ("--http2-prior-knowledge", "http")
        };
        let url = quoted(&format!("{kind}://{host}:{port}/"));
        return format!("curl {option} --connect-to {connect_to} {url}");
    }
    if !bound.tls {
        return format!(
            "curl --http2-prior-knowledge {}",
            quoted(&format!("http://{here}/"))
        );
    }
    let Some(trust) = identity.and_then(|identity| identity.trust) else {
        return format!("curl -k {}", quoted(&format!("https://{here}/")));
    };
    let trust = quoted(&trust.to_string_lossy());
    let named = ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST);
    if named {
        format!(
            "curl --cacert {trust} {}",
            quoted(&format!("https://{here}/"))
        )
    } else {
        // The self-signed certificate does not name this address.
        format!("curl --cacert {trust} --connect-to {connect_to} https://localhost:{port}/")
    }
}

/// An address that this machine reaches a wildcard by.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.:_-+,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(address: &str, tls: bool) -> Bound {
        Bound {
            address: address.parse().unwrap(),
            tls,
        }
    }

    #[test]
    fn says_what_is_served_and_how_to_try_it() {
        let identity = Identity {
            fingerprint: "AA:BB",
            self_signed: true,
            trust: Some(Path::new("/st ate/c.crt")),
        };
        let bound = [at("0.0.0.0:8080", false), at("127.0.0.1:8443", true)];
        let text = banner("/srv", &bound, &[0, 1, 4], Some(identity), None);
        for part in [
            "serves /srv\n",
            "http://0.0.0.0:8080/ ",
            "https://127.0.0.1:8443/ ",
            "3 shards on cores 0-1,4\n",
            "SHA-256 AA:BB\n",
            "curl --http2-prior-knowledge http://127.0.0.1:8080/\n",
            "curl --cacert '/st ate/c.crt' https://127.0.0.1:8443/\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn curl_reaches_other_addresses_and_other_certificates() {
        let mut identity = Identity {
            fingerprint: "",
            self_signed: true,
            trust: Some(Path::new("/c.crt")),
        };
        assert_eq!(
            curl(&at("10.0.0.1:443", true), Some(identity), None),
            "curl --cacert /c.crt --connect-to ::10.0.0.1:443 https://localhost:443/"
        );
        identity.trust = None;
        assert_eq!(
            curl(&at("[::]:443", true), Some(identity), None),
            "curl -k 'https://[::1]:443/'"
        );
    }

    #[test]
    fn curl_asks_for_a_host_where_not_every_one_is_answered() {
        let identity = Identity {
            fingerprint: "",
            self_signed: true,
            trust: Some(Path::new("/c.crt")),
        };
        assert_eq!(
            curl(&at("0.0.0.0:80", false), None, Some("a.org")),
            "curl --http2-prior-knowledge --connect-to ::127.0.0.1:80 http://a.org:80/"
        );
        assert_eq!(
            curl(&at("[::1]:443", true), Some(identity), Some("a.org")),
            "curl -k --connect-to '::[::1]:443' https://a.org:443/"
        );
    }
}
