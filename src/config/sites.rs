//! From the tables of the file to what is served: folders opened, certificates loaded, hosts and prefixes told apart.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Mode, OFlags};
use toml::Spanned;

use super::file::{File, Source};
use super::shapes::Parsed;
use super::tables::{FilesTable, MountTable, SiteTable};
use super::{CertificateFiles, ConfigError};
use crate::files::FilesConfig;
use crate::site::{
    Builder, CertificateId, Defaults, HostPattern, Mount, SiteId, Sites, SitesError, Symlinks,
};

/// What is served.
pub(super) struct Served {
    pub(super) sites: Sites,
    /// The folders of [`Sites::mounts`].
    pub(super) roots: Vec<OwnedFd>,
    /// A host to try it by, where not every host is answered.
    pub(super) example_host: Option<String>,
    /// The certificates of sites, from [`CertificateId`] 1 on.
    pub(super) certificates: Vec<CertificateFiles>,
}

/// Settings for every file.
pub(super) fn files(table: &FilesTable) -> FilesConfig {
    let default = FilesConfig::default();
    FilesConfig {
        revalidate: table.revalidate.map_or(default.revalidate, |s| s.0),
        page_cache: table.page_cache.unwrap_or(default.page_cache),
    }
}

/// Opens and loads what the settings name.
pub(super) fn served(
    settings: &File,
    default_certificate: Option<&CertificateFiles>,
) -> Result<Served, ConfigError> {
    let mut assembly = Assembly {
        builder: Builder::new(defaults(&settings.files)),
        source: settings.source.clone().unwrap_or_default(),
        symlinks: symlinks(settings.files.symlinks, Symlinks::default()),
        default_certificate,
        certificates: Vec::new(),
    };
    for rule in &settings.rules {
        assembly.builder.rule(rule.0.clone());
    }
    // With sites, other hosts are answered from a folder only where one is named for them.
    let root = match (&settings.root_argument, &settings.root, &settings.source) {
        (Some(path), _, _) => Some(assembly.given_root(path)?),
        (None, Some(root), _) => Some(assembly.root(root, assembly.symlinks)?),
        (None, None, None) => Some(assembly.given_root(Path::new("."))?),
        (None, None, Some(source)) if settings.sites.is_empty() => {
            let path = source.path().to_owned();
            return Err(ConfigError::NoRoot { path });
        }
        (None, None, Some(source)) => {
            if let Some(mount) = settings.mounts.first() {
                return Err(source.error(
                    mount.prefix.span().start,
                    "a mount at the top of the file belongs to the hosts that no [[site]] has, and they have no `root` there",
                ));
            }
            None
        }
    };
    let example_host = match root {
        Some(_) => None,
        None => example_host(&settings.sites),
    };
    if let Some(root) = root {
        assembly.default_site(root, &settings.mounts)?;
    }
    for table in &settings.sites {
        assembly.site(table)?;
    }
    let (sites, certificates) = (assembly.builder.build(), assembly.certificates);
    let roots = sites
        .mounts()
        .iter()
        .map(|mount| open_root(&mount.path).map_err(|source| root_error(&mount.path, source)))
        .collect::<Result<_, _>>()?;
    Ok(Served {
        sites,
        roots,
        example_host,
        certificates,
    })
}

fn defaults(table: &FilesTable) -> Defaults {
    let default = Defaults::default();
    Defaults {
        listing: table.listing.unwrap_or(default.listing),
        hidden: table.hidden.unwrap_or(default.hidden),
        compress: table.compress.unwrap_or(default.compress),
        precompressed: table.precompressed.unwrap_or(default.precompressed),
        index: default.index,
    }
}

struct Assembly<'a> {
    builder: Builder,
    source: Source,
    /// Unless a site or a mount says otherwise.
    symlinks: Symlinks,
    default_certificate: Option<&'a CertificateFiles>,
    certificates: Vec<CertificateFiles>,
}

impl Assembly<'_> {
    /// The folder that was given as an argument, or is served when none is named.
    fn given_root(&self, path: &Path) -> Result<Mount, ConfigError> {
        mount(path, self.symlinks).map_err(|source| root_error(path, source))
    }

    fn default_site(&mut self, root: Mount, mounts: &[MountTable]) -> Result<(), ConfigError> {
        let site = self
            .builder
            .site(root, CertificateId::default())
            .map_err(|error| self.source.error(0, error))?;
        self.builder.default_site(site);
        self.mounts(site, mounts, self.symlinks)
    }

    fn site(&mut self, table: &SiteTable) -> Result<(), ConfigError> {
        let symlinks = symlinks(table.symlinks, self.symlinks);
        let root = self.root(&table.root, symlinks)?;
        let certificate = self.certificate(table)?;
        let at = table.hosts.span().start;
        let site = self
            .builder
            .site(root, certificate)
            .map_err(|error| self.source.error(at, error))?;
        let hosts = &table.hosts.get_ref().0;
        if hosts.is_empty() {
            return Err(self
                .source
                .error(at, "an empty list: a site needs a host to be told by"));
        }
        for host in hosts {
            self.builder
                .host(site, host.clone())
                .map_err(|error| self.source.error(at, format_args!("`{host}`: {error}")))?;
        }
        self.mounts(site, &table.mounts, symlinks)?;
        for rule in &table.rules {
            self.builder.site_rule(site, rule.0.clone());
        }
        Ok(())
    }

    fn mounts(
        &mut self,
        site: SiteId,
        tables: &[MountTable],
        symlinks: Symlinks,
    ) -> Result<(), ConfigError> {
        for table in tables {
            let directory = self.root(&table.root, self::symlinks(table.symlinks, symlinks))?;
            let prefix = &table.prefix.get_ref().0;
            self.builder
                .mount(site, prefix.clone(), directory)
                .map_err(|error: SitesError| {
                    let at = table.prefix.span().start;
                    self.source.error(at, format_args!("`{prefix}`: {error}"))
                })?;
        }
        Ok(())
    }

    fn root(&self, root: &Spanned<PathBuf>, symlinks: Symlinks) -> Result<Mount, ConfigError> {
        let path = root.get_ref();
        mount(path, symlinks).map_err(|source| {
            self.source
                .error(root.span().start, root_error(path, source))
        })
    }

    fn certificate(&mut self, table: &SiteTable) -> Result<CertificateId, ConfigError> {
        let (cert, key) = match (&table.cert, &table.key) {
            (None, None) => return Ok(CertificateId::default()),
            (Some(cert), None) => {
                let message = "a certificate is given without its key: add `key`";
                return Err(self.source.error(cert.span().start, message));
            }
            (None, Some(key)) => {
                let message = "a key is given without its certificate: add `cert`";
                return Err(self.source.error(key.span().start, message));
            }
            (Some(cert), Some(key)) => (cert, key),
        };
        let same =
            |known: &CertificateFiles| known.cert == *cert.get_ref() && known.key == *key.get_ref();
        if self.default_certificate.is_some_and(same) {
            return Ok(CertificateId::default());
        }
        let hosts = &table.hosts.get_ref().0;
        if !hosts.is_empty() && hosts.iter().all(is_address) {
            // RFC 6066, section 3: a server name is no address.
            let message = "clients name no server when they go to an address, so they never see a certificate that only addresses have: put it at the top of the file";
            return Err(self.source.error(cert.span().start, message));
        }
        let known = self.certificates.iter().position(same);
        let index = match known {
            Some(index) => index,
            None => {
                let loaded = CertificateFiles::load(cert.get_ref(), key.get_ref())
                    .map_err(|error| self.source.error(cert.span().start, error))?;
                self.certificates.push(loaded);
                self.certificates.len() - 1
            }
        };
        CertificateId::new(index + 1)
            .ok_or_else(|| self.source.error(cert.span().start, SitesError::TooMany))
    }
}

/// The first name; without any what a wildcard stands for, and else an address.
fn example_host(sites: &[SiteTable]) -> Option<String> {
    let all = || sites.iter().flat_map(|site| &site.hosts.get_ref().0);
    all()
        .find(|host| !is_address(host) && !matches!(host, HostPattern::Wildcard(_)))
        .or_else(|| all().find(|host| !is_address(host)))
        .or_else(|| all().next())
        .map(|host| host.to_string().replacen('*', "www", 1))
}

fn is_address(host: &HostPattern) -> bool {
    match host {
        HostPattern::Exact(name) => {
            str::from_utf8(name).is_ok_and(|n| n.parse::<Ipv4Addr>().is_ok())
        }
        HostPattern::Wildcard(_) => false,
        HostPattern::Ipv6(_) => true,
    }
}

fn symlinks(given: Option<Parsed<Symlinks>>, default: Symlinks) -> Symlinks {
    given.map_or(default, |given| given.0)
}

fn root_error(path: &Path, source: std::io::Error) -> ConfigError {
    ConfigError::Root {
        path: path.to_owned(),
        source,
    }
}

/// The folder by its absolute path, in which links stay, if it can be opened.
fn mount(path: &Path, symlinks: Symlinks) -> std::io::Result<Mount> {
    let path = std::path::absolute(path)?;
    open_root(&path)?;
    Ok(Mount { path, symlinks })
}

/// Opens a folder to be served, with `O_PATH | O_DIRECTORY`.
///
/// # Errors
/// When there is none that may be read.
pub fn open_root(path: &Path) -> std::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty())?;
    let access = Access::READ_OK | Access::EXEC_OK;
    rustix::fs::accessat(&root, ".", access, AtFlags::EACCESS)?;
    Ok(root)
}
