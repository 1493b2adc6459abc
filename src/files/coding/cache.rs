//! The coded files of one shard: bounded in entries and in bytes.

use std::num::NonZeroUsize;

use bytes::Bytes;
use lru::LruCache;

use crate::files::Identity;
use crate::http::Coding;

/// Entries per shard; most that is kept says only that a file is not worth coding.
pub const MAX_CODED: usize = 4_096;
/// Bytes of coded files kept per shard.
pub const MAX_CODED_BYTES: usize = 32 << 20;

/// What coding a file led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coded {
    /// The whole file, coded.
    Smaller(Bytes),
    /// It does not get smaller, so it is sent as it is.
    NotSmaller,
}

impl Coded {
    fn len(&self) -> usize {
        match self {
            Self::Smaller(bytes) => bytes.len(),
            Self::NotSmaller => 0,
        }
    }
}

/// See the module's documentation.
pub struct CodedCache {
    entries: LruCache<(Identity, Coding), Coded>,
    bytes: usize,
}

impl Default for CodedCache {
    fn default() -> Self {
        Self::new()
    }
}

impl CodedCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        let entries = NonZeroUsize::new(MAX_CODED).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: LruCache::new(entries),
            bytes: 0,
        }
    }

    /// What coding this version of a file led to; `None` where it was not tried, or is forgotten.
    pub fn get(&mut self, identity: &Identity, coding: Coding) -> Option<Coded> {
        self.entries.get(&(*identity, coding)).cloned()
    }

    /// Keeps what [`compress`](super::compress) made of a file that had this identity when its bytes began to be read,
    /// at `read_at_secs` since the epoch, and has it still; gives back what to answer with. Not kept where the
    /// identity would not tell a later version from this one ([`Identity::tells_versions_at`]).
    pub fn insert(
        &mut self,
        identity: &Identity,
        coding: Coding,
        compressed: Option<Vec<u8>>,
        read_at_secs: u64,
    ) -> Coded {
        let coded = match compressed {
            Some(bytes) => Coded::Smaller(bytes.into()),
            None => Coded::NotSmaller,
        };
        if identity.tells_versions_at(read_at_secs) {
            self.bytes += coded.len();
            if let Some((_, gone)) = self.entries.push((*identity, coding), coded.clone()) {
                self.bytes -= gone.len();
            }
            while self.bytes > MAX_CODED_BYTES
                && let Some((_, gone)) = self.entries.pop_lru()
            {
                self.bytes -= gone.len();
            }
        }
        coded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(inode: u64) -> Identity {
        Identity {
            device: 1,
            inode,
            len: 10,
            modified_s: 3,
            modified_ns: 4,
            changed: (5, 6),
        }
    }

    /// Well after the identity above.
    const LATER_SECS: u64 = 100;

    fn insert(cache: &mut CodedCache, inode: u64, len: Option<usize>) {
        let compressed = len.map(|len| vec![0; len]);
        let coded = cache.insert(&identity(inode), Coding::Gzip, compressed, LATER_SECS);
        assert_eq!(coded.len(), len.unwrap_or(0));
    }

    #[test]
    fn each_version_and_coding_is_known_for_itself() {
        let mut cache = CodedCache::new();
        let file = identity(1);
        cache.insert(&file, Coding::Br, Some(b"br".to_vec()), LATER_SECS);
        cache.insert(&file, Coding::Gzip, None, LATER_SECS);
        let br = Coded::Smaller(Bytes::from_static(b"br"));
        assert_eq!(cache.get(&file, Coding::Br), Some(br));
        assert_eq!(cache.get(&file, Coding::Gzip), Some(Coded::NotSmaller));
        assert_eq!(cache.get(&file, Coding::Zstd), None);
        let written = Identity {
            modified_ns: 5,
            ..file
        };
        assert_eq!(cache.get(&written, Coding::Br), None);
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let mut cache = CodedCache::new();
        for inode in 0..MAX_CODED as u64 + 10 {
            insert(&mut cache, inode, (inode % 2 == 0).then_some(100));
        }
        assert_eq!(cache.entries.len(), MAX_CODED);
        assert_eq!(cache.bytes, MAX_CODED / 2 * 100);
        assert_eq!(cache.get(&identity(9), Coding::Gzip), None);
        assert!(cache.get(&identity(10), Coding::Gzip).is_some());
        for inode in 0..40 {
            insert(&mut cache, inode, Some(1 << 20));
            assert!(cache.bytes <= MAX_CODED_BYTES);
        }
        let kept: usize = cache.entries.iter().map(|(_, coded)| coded.len()).sum();
        assert_eq!((cache.bytes, cache.entries.len()), (kept, 32));
        assert!(cache.get(&identity(39), Coding::Gzip).is_some());
    }

    #[test]
    fn what_is_replaced_is_counted_once() {
        let mut cache = CodedCache::new();
        for len in [Some(100), Some(50), None, Some(20)] {
            insert(&mut cache, 1, len);
            assert_eq!(cache.bytes, len.unwrap_or(0));
        }
    }

    #[test]
    fn what_may_change_unseen_is_answered_with_and_not_kept() {
        let mut cache = CodedCache::new();
        let coded = cache.insert(&identity(1), Coding::Br, Some(b"br".to_vec()), 7);
        assert_eq!(coded, Coded::Smaller(Bytes::from_static(b"br")));
        assert_eq!(cache.get(&identity(1), Coding::Br), None);
        assert_eq!(cache.bytes, 0);
    }
}
