//! Files under the root: what is open, what is remembered of it, and when to look again.
//!
//! This module makes no system call. It says what to do ([`Lookup`]) and keeps what came of it; the shard opens
//! files beneath the root in one step (`openat2`, `RESOLVE_BENEATH`) and hands the descriptors over. What a request
//! for a file goes through:
//!
//! 1. [`Cache::lookup`] by the resolved path, relative to the root;
//! 2. a hit is answered at once;
//! 3. a miss, or an entry last checked longer ago than [`FilesConfig::revalidate`], is opened anew: an unchanged file keeps its
//!    [`OpenFile`] (and with it the mapping and the cached contents), a changed one gets a new one. A download in
//!    flight goes on with the file that it opened.

mod cache;
pub mod coding;
mod digest;
mod open_file;
mod reading;
mod resident;
mod settings;

pub use cache::{Cache, Found, Lookup, MAX_ENTRIES, MAX_SMALL_BYTES};
pub use digest::{DIGEST_AT_ONCE_BYTES, DigestCache, Hasher, MAX_DIGESTS};
#[cfg(test)]
pub(crate) use open_file::test_file;
pub use open_file::{FileRef, Identity, OpenFile, SMALL_FILE_BYTES};
pub use reading::{Direct, Reading, Way};
pub use resident::Resident;
pub use settings::{FilesConfig, PageCache};
