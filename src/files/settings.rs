//! How files are read and for how long what is known of them is trusted.

use std::time::Duration;

/// How long an entry of the cache is trusted unless something else is asked for.
const DEFAULT_REVALIDATE: Duration = Duration::from_secs(1);

/// Whether the kernel keeps what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PageCache {
    /// As for any other reader.
    #[default]
    Keep,
    /// What was read is dropped behind, for corpora larger than memory.
    Drop,
    /// The page cache is passed by (`O_DIRECT`).
    Direct,
}

/// Settings that hold for every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesConfig {
    /// How long what is known of a path is trusted before it is looked at again; zero: for no request but the one that
    /// had it looked at.
    pub revalidate: Duration,
    /// Whether the kernel keeps what was read.
    pub page_cache: PageCache,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            revalidate: DEFAULT_REVALIDATE,
            page_cache: PageCache::default(),
        }
    }
}
