//! The tables of the file about sites and files, as they are written.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use toml::Spanned;

use super::rules::RuleTable;
use super::shapes::{List, Parsed};
use crate::files::PageCache;
use crate::site::{HostPattern, MountPrefix, Symlinks};

/// `[[site]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SiteTable {
    /// The hosts that it answers for.
    pub hosts: Spanned<List<HostPattern>>,
    /// The folder to serve.
    pub root: Spanned<PathBuf>,
    /// A certificate chain of its own, PEM.
    pub cert: Option<Spanned<PathBuf>>,
    /// The private key, PEM.
    pub key: Option<Spanned<PathBuf>>,
    /// Which symbolic links are followed.
    pub symlinks: Option<Parsed<Symlinks>>,
    /// Further folders.
    #[serde(default)]
    pub mounts: Vec<MountTable>,
    /// Rules of its own.
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleTable>,
}

/// A folder beneath a prefix.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MountTable {
    /// Where it is to be found.
    pub prefix: Spanned<Parsed<MountPrefix>>,
    /// The folder.
    pub root: Spanned<PathBuf>,
    /// Which symbolic links are followed.
    pub symlinks: Option<Parsed<Symlinks>>,
}

/// `[files]`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilesTable {
    /// For how long what is known of a path is trusted.
    pub revalidate: Option<Seconds>,
    /// Whether the kernel keeps what was read.
    #[serde(alias = "page_cache")]
    pub page_cache: Option<PageCache>,
    /// Whether directories are listed.
    pub listing: Option<bool>,
    /// Whether dot files are served.
    pub hidden: Option<bool>,
    /// Which symbolic links are followed.
    pub symlinks: Option<Parsed<Symlinks>>,
    /// Whether text is compressed on the way.
    pub compress: Option<bool>,
    /// Whether compressed files beside a file are sent.
    pub precompressed: Option<bool>,
}

impl FilesTable {
    /// These settings, and for what is absent those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            revalidate: self.revalidate.or(other.revalidate),
            page_cache: self.page_cache.or(other.page_cache),
            listing: self.listing.or(other.listing),
            hidden: self.hidden.or(other.hidden),
            symlinks: self.symlinks.or(other.symlinks),
            compress: self.compress.or(other.compress),
            precompressed: self.precompressed.or(other.precompressed),
        }
    }
}

/// A time in seconds, whole or not; 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(
    /// The time.
    pub Duration,
);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds, 0 or more")
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Seconds, E> {
                let unexpected = de::Unexpected::Signed(seconds);
                let seconds =
                    u64::try_from(seconds).map_err(|_| E::invalid_value(unexpected, &self))?;
                Ok(Seconds(Duration::from_secs(seconds)))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                Duration::try_from_secs_f64(seconds)
                    .map(Seconds)
                    .map_err(|_| E::invalid_value(de::Unexpected::Float(seconds), &self))
            }
        }
        deserializer.deserialize_any(Number)
    }
}
