//! The sites, and which of them a request is for.

use core::iter;
use core::str::FromStr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::host::{Host, Hosts};
use super::{Defaults, HostPattern, MountPrefix, Rule, Treatment, is_hidden};

/// A site, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(u16);

/// A directory that something is served from: an index of [`Sites::mounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MountId(u16);

/// A certificate: 0 is the default one, others are those that sites have of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateId(u16);

macro_rules! index {
    ($id:ident) => {
        impl $id {
            /// The id with this index; `None` when there cannot be so many.
            #[must_use]
            pub fn new(index: usize) -> Option<Self> {
                u16::try_from(index).ok().map(Self)
            }

            /// Its index, from 0.
            #[must_use]
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }
    };
}
index!(SiteId);
index!(MountId);
index!(CertificateId);

/// Which symbolic links are followed beneath a mount (openat2(2)).
///
/// It is a mount's and not a rule's: a rule knows the path by which a file was asked for, but a link under another path
/// may lead to the same file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Symlinks {
    /// Those that stay beneath the mount's directory (`RESOLVE_BENEATH`).
    #[default]
    Beneath,
    /// None at all (`RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`).
    None,
    /// All, wherever they lead.
    All,
}

/// Why a text is no [`Symlinks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it must be \"beneath\", \"none\" or \"all\"")]
pub struct SymlinksError;

impl FromStr for Symlinks {
    type Err = SymlinksError;

    fn from_str(text: &str) -> Result<Self, SymlinksError> {
        match text {
            "beneath" => Ok(Self::Beneath),
            "none" => Ok(Self::None),
            "all" => Ok(Self::All),
            _ => Err(SymlinksError),
        }
    }
}

/// A directory that something is served from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Its absolute path.
    pub path: PathBuf,
    /// Which links are followed beneath it.
    pub symlinks: Symlinks,
}

/// Where a request leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'p> {
    /// The site.
    pub site: SiteId,
    /// The directory.
    pub mount: MountId,
    /// The path beneath it: no slash before it, the one behind it kept. Empty for the directory itself, also when the
    /// request's path had no slash behind the mount's prefix: that is redirected as for any other directory, by the
    /// whole path.
    pub rest: &'p [u8],
}

#[derive(Clone, Debug)]
struct Site {
    root: MountId,
    /// Longest prefix first.
    mounts: Vec<(MountPrefix, MountId)>,
    rules: Vec<Rule>,
    certificate: CertificateId,
}

/// All that is served, and how. Made by a [`Builder`]; it never changes.
///
/// Give each shard a copy: nothing in a copy is shared with another, not even the scratch memory of the globs.
#[derive(Clone, Debug)]
pub struct Sites {
    hosts: Hosts,
    sites: Vec<Site>,
    default_site: Option<SiteId>,
    mounts: Vec<Mount>,
    /// For every site, before its own.
    rules: Vec<Rule>,
    defaults: Defaults,
}

impl Sites {
    /// One site for every host, with one directory and no rules.
    #[must_use]
    pub fn single(root: &Path) -> Self {
        let mount = Mount {
            path: root.to_owned(),
            symlinks: Symlinks::default(),
        };
        let mut builder = Builder::new(Defaults::default());
        if let Ok(site) = builder.site(mount, CertificateId::default()) {
            builder.default_site(site);
        }
        builder.build()
    }

    /// Every directory that is served, each once; a [`MountId`] is an index of it.
    #[must_use]
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// Where a request leads. `authority` is the value of `:authority` or `Host`, or empty; `path` is relative to `/` as
    /// [`resolve`](crate::http::target::resolve) makes it, with a slash at its end where it names a directory.
    ///
    /// `None` when the host is no site's and there is no site for all others: to be answered with 421 (RFC 9110, section
    /// 15.5.20).
    #[must_use]
    pub fn route<'p>(&self, authority: &[u8], path: &'p [u8]) -> Option<Route<'p>> {
        self.site(authority).map(|site| self.locate(site, path))
    }

    /// Where a path of a site leads: for its error pages and fallbacks, whose paths its configuration gives.
    #[must_use]
    pub fn locate<'p>(&self, site: SiteId, path: &'p [u8]) -> Route<'p> {
        let Some(known) = self.sites.get(site.index()) else {
            // Not one of these sites; a file of the first directory is no worse than a panic.
            return Route {
                site,
                mount: MountId(0),
                rest: path,
            };
        };
        let mounted = known
            .mounts
            .iter()
            .find_map(|(prefix, mount)| Some((*mount, prefix.strip(path)?)));
        let (mount, rest) = mounted.unwrap_or((known.root, path));
        Route { site, mount, rest }
    }

    /// What the rules say of a path; `path` is what was routed.
    ///
    /// For an index file ask about the file's path (`docs/index.html`) once it is known, not about the directory's.
    #[must_use]
    pub fn treatment(&self, route: &Route<'_>, path: &[u8]) -> Treatment {
        let own = self.sites.get(route.site.index());
        let own = own.map_or(&[][..], |site| &site.rules);
        let rules = self.rules.iter().chain(own);
        Treatment::of(&self.defaults, rules, path, is_hidden(route.rest))
    }

    /// Whether rules, or its name, may say more of a path than [`usual`](Self::usual) does.
    #[must_use]
    pub fn is_special(&self, route: &Route<'_>) -> bool {
        let own = self.sites.get(route.site.index());
        !self.rules.is_empty()
            || own.is_some_and(|site| !site.rules.is_empty())
            || is_hidden(route.rest)
    }

    /// What is said of a path that no rule is about.
    #[must_use]
    pub fn usual(&self) -> Treatment {
        Treatment::of(&self.defaults, iter::empty(), b"", false)
    }

    /// The certificate for a host: of an authority, or of a handshake's server name.
    #[must_use]
    pub fn certificate(&self, host: &[u8]) -> CertificateId {
        self.site(host)
            .and_then(|site| self.sites.get(site.index()))
            .map_or_else(CertificateId::default, |site| site.certificate)
    }

    /// Whether there is a certificate beside the default one.
    #[must_use]
    pub fn has_certificates(&self) -> bool {
        let default = CertificateId::default();
        self.sites.iter().any(|site| site.certificate != default)
    }

    /// Whether a request came over a connection that was secured with the certificate of another host, and must be
    /// answered with 421 (RFC 9110, section 7.4): HTTP/2 lets clients send requests for several hosts over one
    /// connection (RFC 9113, section 9.1.1).
    ///
    /// `shown` is what [`certificate`](Self::certificate) gave for the server name of the connection's handshake (an
    /// empty one when it had none).
    #[must_use]
    pub fn is_misdirected(&self, shown: CertificateId, authority: &[u8]) -> bool {
        self.certificate(authority) != shown
    }

    fn site(&self, host: &[u8]) -> Option<SiteId> {
        self.hosts.find(Host::of(host)).or(self.default_site)
    }
}

/// Why sites cannot be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SitesError {
    /// A host is given to a second site, or twice to one.
    #[error("the host is given twice: leave out one of the two")]
    HostTaken,
    /// A site has a prefix twice.
    #[error("the prefix is given twice: leave out one of the two")]
    PrefixTaken,
    /// More than 65,536 sites or directories.
    #[error("more than 65536 sites or directories")]
    TooMany,
}

/// Puts [`Sites`] together.
#[derive(Debug)]
pub struct Builder(Sites);

impl Builder {
    /// No sites yet.
    #[must_use]
    pub fn new(defaults: Defaults) -> Self {
        Self(Sites {
            hosts: Hosts::default(),
            sites: Vec::new(),
            default_site: None,
            mounts: Vec::new(),
            rules: Vec::new(),
            defaults,
        })
    }

    /// Adds a rule for every site; they come before the sites' own.
    pub fn rule(&mut self, rule: Rule) {
        self.0.rules.push(rule);
    }

    /// Adds a site, which has no hosts yet.
    ///
    /// # Errors
    /// [`SitesError::TooMany`].
    pub fn site(&mut self, root: Mount, certificate: CertificateId) -> Result<SiteId, SitesError> {
        let site = SiteId::new(self.0.sites.len()).ok_or(SitesError::TooMany)?;
        let root = self.directory(root)?;
        self.0.sites.push(Site {
            root,
            mounts: Vec::new(),
            rules: Vec::new(),
            certificate,
        });
        Ok(site)
    }

    /// Makes `site` answer for the hosts that no site has.
    pub fn default_site(&mut self, site: SiteId) {
        self.0.default_site = Some(site);
    }

    /// Makes `site` answer for a host.
    ///
    /// # Errors
    /// [`SitesError::HostTaken`].
    pub fn host(&mut self, site: SiteId, host: HostPattern) -> Result<(), SitesError> {
        let inserted = self.0.hosts.insert(host, site);
        inserted.map_err(|_| SitesError::HostTaken)
    }

    /// Mounts a directory in a site, over what its root has there.
    ///
    /// # Errors
    /// [`SitesError::PrefixTaken`], [`SitesError::TooMany`].
    pub fn mount(
        &mut self,
        site: SiteId,
        prefix: MountPrefix,
        directory: Mount,
    ) -> Result<(), SitesError> {
        let directory = self.directory(directory)?;
        let Some(site) = self.0.sites.get_mut(site.index()) else {
            return Ok(());
        };
        if site.mounts.iter().any(|(known, _)| *known == prefix) {
            return Err(SitesError::PrefixTaken);
        }
        let longer = |(known, _): &(MountPrefix, MountId)| known.len() >= prefix.len();
        let at = site.mounts.partition_point(longer);
        site.mounts.insert(at, (prefix, directory));
        Ok(())
    }

    /// Adds a rule to one site.
    pub fn site_rule(&mut self, site: SiteId, rule: Rule) {
        if let Some(site) = self.0.sites.get_mut(site.index()) {
            site.rules.push(rule);
        }
    }

    /// The sites.
    #[must_use]
    pub fn build(self) -> Sites {
        self.0
    }

    fn directory(&mut self, directory: Mount) -> Result<MountId, SitesError> {
        let known = self.0.mounts.iter().position(|known| *known == directory);
        let index = known.unwrap_or(self.0.mounts.len());
        let id = MountId::new(index).ok_or(SitesError::TooMany)?;
        if known.is_none() {
            self.0.mounts.push(directory);
        }
        Ok(id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mount(path: &str) -> Mount {
        Mount {
            path: path.into(),
            symlinks: Symlinks::default(),
        }
    }

    /// `/default` for all other hosts, with `/d` at `/docs`; `/a` for a.org, with `/d` at `/docs`, `/v1` at `/docs/v1` and
    /// `/x` at `/x y`, and a certificate; `/b` for all of b.org, with another.
    fn sites() -> Sites {
        let mut builder = Builder::new(Defaults::default());
        let default = builder.site(mount("/default"), CertificateId(0)).unwrap();
        builder.default_site(default);
        let a = builder.site(mount("/a"), CertificateId(1)).unwrap();
        builder.host(a, "a.org".parse().unwrap()).unwrap();
        let b = builder.site(mount("/b"), CertificateId(2)).unwrap();
        builder.host(b, "*.b.org".parse().unwrap()).unwrap();
        builder.host(b, "b.org".parse().unwrap()).unwrap();
        let plain = builder.site(mount("/plain"), CertificateId(0)).unwrap();
        builder.host(plain, "plain.org".parse().unwrap()).unwrap();
        for (site, prefix, path) in [
            (default, "/docs", "/d"),
            (a, "/docs", "/d"),
            (a, "/docs/v1", "/v1"),
            (a, "/x y", "/x"),
        ] {
            builder
                .mount(site, prefix.parse().unwrap(), mount(path))
                .unwrap();
        }
        builder.build()
    }

    /// The directory and the path beneath it.
    fn lead<'s>(sites: &'s Sites, authority: &str, path: &'s str) -> (&'s str, &'s str) {
        let route = sites.route(authority.as_bytes(), path.as_bytes()).unwrap();
        let directory = &sites.mounts()[route.mount.index()].path;
        let rest = str::from_utf8(route.rest).unwrap();
        (directory.to_str().unwrap(), rest)
    }

    #[test]
    fn the_host_chooses_the_site() {
        let sites = sites();
        for (authority, directory) in [
            ("a.org", "/a"),
            ("A.ORG:8443", "/a"),
            ("b.org.", "/b"),
            ("www.b.org", "/b"),
            ("x.www.b.org", "/default"),
            ("c.org", "/default"),
            ("127.0.0.1:8080", "/default"),
            ("[::1]:8080", "/default"),
            ("", "/default"),
        ] {
            assert_eq!(
                lead(&sites, authority, "f"),
                (directory, "f"),
                "{authority}"
            );
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_chooses_the_mount() {
        let sites = sites();
        for (path, led) in [
            ("docs", ("/d", "")),
            ("docs/", ("/d", "")),
            ("docs/f", ("/d", "f")),
            ("docs/v1", ("/v1", "")),
            ("docs/v1/f/", ("/v1", "f/")),
            ("docs/v10/f", ("/d", "v10/f")),
            ("docsx", ("/a", "docsx")),
            ("docsx/f", ("/a", "docsx/f")),
            ("x y/f", ("/x", "f")),
            ("", ("/a", "")),
        ] {
            assert_eq!(lead(&sites, "a.org", path), led, "{path}");
        }
        // The mounts of one site are not another's.
        assert_eq!(lead(&sites, "b.org", "docs/f"), ("/b", "docs/f"));
        assert_eq!(lead(&sites, "other", "docs/v1/f"), ("/d", "v1/f"));
    }

    #[test]
    fn a_directory_is_opened_once_for_each_policy() {
        let sites = sites();
        let paths: Vec<_> = sites.mounts().iter().map(|mount| &mount.path).collect();
        let expected = ["/default", "/a", "/b", "/plain", "/d", "/v1", "/x"];
        assert_eq!(
            paths,
            expected.map(PathBuf::from).iter().collect::<Vec<_>>()
        );
        let mut builder = Builder::new(Defaults::default());
        builder.site(mount("/a"), CertificateId(0)).unwrap();
        let all = Mount {
            symlinks: Symlinks::All,
            ..mount("/a")
        };
        builder.site(all, CertificateId(0)).unwrap();
        assert_eq!(builder.build().mounts().len(), 2);
    }

    #[test]
    fn a_host_of_no_site_is_nowhere_without_a_default() {
        let mut builder = Builder::new(Defaults::default());
        let site = builder.site(mount("/a"), CertificateId(1)).unwrap();
        builder.host(site, "a.org".parse().unwrap()).unwrap();
        let sites = builder.build();
        assert!(sites.route(b"a.org", b"f").is_some());
        assert_eq!(sites.route(b"b.org", b"f"), None);
        assert_eq!(sites.route(b"", b"f"), None);
    }

    #[test]
    fn hosts_and_prefixes_are_given_once() {
        let mut builder = Builder::new(Defaults::default());
        let site = builder.site(mount("/a"), CertificateId(0)).unwrap();
        builder.host(site, "a.org".parse().unwrap()).unwrap();
        let again = builder.host(site, "A.org".parse().unwrap());
        assert_eq!(again, Err(SitesError::HostTaken));
        let prefix = |text: &str| text.parse().unwrap();
        builder.mount(site, prefix("/d"), mount("/b")).unwrap();
        let again = builder.mount(site, prefix("/d/"), mount("/c"));
        assert_eq!(again, Err(SitesError::PrefixTaken));
    }

    #[test]
    fn a_request_over_another_hosts_certificate_is_misdirected() {
        let sites = sites();
        let shown = |name: &[u8]| sites.certificate(name);
        for (server_name, authority, misdirected) in [
            (&b"a.org"[..], &b"a.org"[..], false),
            (b"a.org", b"A.org.:8443", false),
            (b"www.b.org", b"b.org", false),
            (b"www.b.org", b"x.b.org", false),
            (b"a.org", b"b.org", true),
            (b"a.org", b"c.org", true),
            (b"a.org", b"plain.org", true),
            // The default certificate is for every host that no site with one of its own has.
            (b"c.org", b"d.org", false),
            (b"", b"127.0.0.1:8443", false),
            (b"", b"plain.org", false),
            (b"plain.org", b"c.org", false),
            (b"c.org", b"a.org", true),
            (b"", b"a.org", true),
        ] {
            assert_eq!(
                sites.is_misdirected(shown(server_name), authority),
                misdirected,
                "{} over {}",
                authority.escape_ascii(),
                server_name.escape_ascii()
            );
        }
    }

    #[test]
    fn rules_for_every_site_come_first() {
        let rule = |glob: &str, listing| Rule {
            globs: Box::new([glob.parse().unwrap()]),
            settings: crate::site::Settings {
                listing: Some(listing),
                ..Default::default()
            },
        };
        let mut builder = Builder::new(Defaults::default());
        let a = builder.site(mount("/a"), CertificateId(0)).unwrap();
        let b = builder.site(mount("/b"), CertificateId(0)).unwrap();
        builder.site_rule(b, rule("/x/**", true));
        builder.rule(rule("**", false));
        let sites = builder.build();
        let listing = |site, path| {
            let route = sites.locate(site, path);
            sites.treatment(&route, path).listing
        };
        assert!(!listing(a, b"x/"));
        assert!(listing(b, b"x/"));
        assert!(!listing(b, b"y/"));
    }

    #[test]
    fn dot_files_are_refused_beneath_the_mount_alone() {
        let mut builder = Builder::new(Defaults::default());
        let site = builder.site(mount("/a"), CertificateId(0)).unwrap();
        let prefix = "/.files".parse().unwrap();
        builder.mount(site, prefix, mount("/b")).unwrap();
        let sites = builder.build();
        for (path, refused) in [
            (&b".git/config"[..], true),
            (b"a/.b", true),
            (b".well-known/security.txt", false),
            (b".files/a", false),
            (b".files/.a", true),
        ] {
            let treatment = sites.treatment(&sites.locate(site, path), path);
            assert_eq!(treatment.refused, refused, "{}", path.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_routed(
            authority in proptest::collection::vec(any::<u8>(), 0..300),
            path in proptest::collection::vec(any::<u8>(), 0..80),
            host in proptest::sample::select(vec!["", "a.org", "b.org:1", "[::1]", "x.b.org."]),
            prefix in proptest::sample::select(vec!["", "docs", "docs/", "docs/v1", "x y/", "/"]),
        ) {
            let sites = sites();
            let path = [prefix.as_bytes(), &path].concat();
            for authority in [&authority[..], host.as_bytes()] {
                let route = sites.route(authority, &path).unwrap();
                prop_assert!(sites.mounts().get(route.mount.index()).is_some());
                prop_assert!(path.ends_with(route.rest));
                prop_assert_eq!(route, sites.locate(route.site, &path));
                let _ = sites.treatment(&route, &path);
            }
        }
    }
}
