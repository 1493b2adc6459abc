//! The open-file cache of one shard: bounded in entries and in bytes of small files.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use lru::LruCache;

use super::OpenFile;

/// Entries per shard: each may hold a descriptor, of which a process has 20,000 or more on common systems.
pub const MAX_ENTRIES: usize = 2_048;
/// Bytes of small files kept per shard.
pub const MAX_SMALL_BYTES: usize = 32 << 20;
/// What nobody asked for so long is forgotten: an open file that was deleted still takes its place on the disk, and keeps
/// its file system from being unmounted. nginx's default (`open_file_cache`, `inactive`).
const MAX_UNUSED_NS: u64 = 60_000_000_000;
/// The same where descriptors are short.
const MAX_UNUSED_SHORT_NS: u64 = 1_000_000_000;

/// Contents that [may be old](OpenFile::may_be_old) are trusted for so long at most. What is coded of them later, or a
/// digest, would be kept for as long as the file has its identity ([`tells_versions_at`](super::Identity::tells_versions_at)).
const MAX_TRUSTED_OLD_NS: u64 = 1_000_000_000;

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Found {
    /// A regular file.
    File(Rc<OpenFile>),
    /// A directory, asked for without its trailing slash.
    Directory,
    /// Nothing: kept for the coded files that most files have none of beside them.
    Nothing,
}

impl Found {
    fn small_bytes(&self) -> usize {
        match self {
            Found::File(file) => file.contents.as_ref().map_or(0, bytes::Bytes::len),
            Found::Directory | Found::Nothing => 0,
        }
    }

    /// For how long it is trusted, where others are for `revalidate_ns`.
    fn trusted_ns(&self, revalidate_ns: u64) -> u64 {
        match self {
            Found::File(file) if file.may_be_old() => revalidate_ns.min(MAX_TRUSTED_OLD_NS),
            _ => revalidate_ns,
        }
    }
}

/// What to do about a path.
#[derive(Debug)]
pub enum Lookup {
    /// Answer from this.
    Hit(Found),
    /// Open it, then [`Cache::insert`] what came of it. An earlier version, if there is one, is kept for as long as
    /// its identity is the same: ask [`Cache::previous`].
    Open,
}

struct Entry {
    found: Found,
    checked_ns: u64,
    used_ns: u64,
}

/// Paths that came lately and were not kept: what is asked for once, as by who takes a whole tree, is closed while it is at
/// hand, and drives nothing out that is asked for again and again.
struct Seen {
    hasher: RandomState,
    /// A part of the hash of the last path for each value of the rest.
    last: Box<[u32]>,
}

impl Seen {
    /// Twice as many as are kept: what comes again is known for about as long as it would have been kept.
    const PLACES: usize = 2 * MAX_ENTRIES;

    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            last: vec![0; Self::PLACES].into(),
        }
    }

    /// Where a path is noted, and what is noted of it.
    fn place(&self, path: &[u8]) -> (usize, u32) {
        let hash = self.hasher.hash_one(path);
        (hash as usize % Self::PLACES, (hash >> 32) as u32)
    }

    /// Whether a path came before, not many others ago.
    fn came(&self, path: &[u8]) -> bool {
        let (place, part) = self.place(path);
        self.last[place] == part
    }

    /// The same; from now on it did.
    fn again(&mut self, path: &[u8]) -> bool {
        let (place, part) = self.place(path);
        std::mem::replace(&mut self.last[place], part) == part
    }
}

/// See the module's documentation.
pub struct Cache {
    entries: LruCache<Box<[u8]>, Entry>,
    seen: Seen,
    small_bytes: usize,
    revalidate_ns: u64,
}

impl Cache {
    /// An empty cache, which trusts an entry for `revalidate` before its path is opened again.
    #[must_use]
    pub fn new(revalidate: Duration) -> Self {
        let entries = NonZeroUsize::new(MAX_ENTRIES).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: LruCache::new(entries),
            seen: Seen::new(),
            small_bytes: 0,
            revalidate_ns: u64::try_from(revalidate.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Looks a resolved path up.
    pub fn lookup(&mut self, path: &[u8], now_ns: u64) -> Lookup {
        match self.entries.get_mut(path) {
            Some(entry)
                if now_ns.saturating_sub(entry.checked_ns)
                    < entry.found.trusted_ns(self.revalidate_ns) =>
            {
                entry.used_ns = now_ns;
                Lookup::Hit(entry.found.clone())
            }
            _ => Lookup::Open,
        }
    }

    /// The version of a file that was known before, however old.
    #[must_use]
    pub fn previous(&self, path: &[u8]) -> Option<&Rc<OpenFile>> {
        match &self.entries.peek(path)?.found {
            Found::File(file) => Some(file),
            Found::Directory | Found::Nothing => None,
        }
    }

    /// Whether what `path` leads to is kept now ([`Cache::insert`]).
    #[must_use]
    pub fn keeps(&self, path: &[u8]) -> bool {
        self.has_place(path) || self.seen.came(path)
    }

    fn has_place(&self, path: &[u8]) -> bool {
        self.entries.len() < MAX_ENTRIES || self.entries.contains(path)
    }

    /// Keeps what opening `path` at `now_ns` led to. When there is no room without forgetting another, it is kept when it
    /// comes again.
    pub fn insert(&mut self, path: &[u8], found: Found, now_ns: u64) {
        if !self.has_place(path) && !self.seen.again(path) {
            return;
        }
        self.small_bytes += found.small_bytes();
        let entry = Entry {
            found,
            checked_ns: now_ns,
            used_ns: now_ns,
        };
        if let Some((_, gone)) = self.entries.push(path.into(), entry) {
            self.small_bytes -= gone.found.small_bytes();
        }
        while self.small_bytes > MAX_SMALL_BYTES && self.pop_oldest().is_some() {}
    }

    /// Forgets a path that leads nowhere any more.
    pub fn remove(&mut self, path: &[u8]) {
        if let Some(gone) = self.entries.pop(path) {
            self.small_bytes -= gone.found.small_bytes();
        }
    }

    /// Forgets the file that was used longest ago, to give its descriptor back. `false` when there is none left.
    pub fn evict_file(&mut self) -> bool {
        loop {
            match self.pop_oldest() {
                Some(Found::File(_)) => return true,
                Some(Found::Directory | Found::Nothing) => {}
                None => return false,
            }
        }
    }

    /// Forgets the entry that was used longest ago.
    fn pop_oldest(&mut self) -> Option<Found> {
        let (_, gone) = self.entries.pop_lru()?;
        self.small_bytes -= gone.found.small_bytes();
        Some(gone.found)
    }

    /// When there is something to forget again ([`Cache::forget_unused`]); `None` when nothing is remembered.
    #[must_use]
    pub fn next_unused_ns(&self) -> Option<u64> {
        let (_, oldest) = self.entries.peek_lru()?;
        Some(oldest.used_ns.saturating_add(MAX_UNUSED_NS))
    }

    /// Forgets what was used last a minute ago or longer.
    pub fn forget_unused(&mut self, now_ns: u64) {
        self.forget_older(MAX_UNUSED_NS, now_ns);
    }

    /// Forgets what was used last a second ago or longer, as descriptors are short.
    pub fn make_room(&mut self, now_ns: u64) {
        self.forget_older(MAX_UNUSED_SHORT_NS, now_ns);
    }

    fn forget_older(&mut self, age_ns: u64, now_ns: u64) {
        let is_old = |entry: &Entry| entry.used_ns.saturating_add(age_ns) <= now_ns;
        while self
            .entries
            .peek_lru()
            .is_some_and(|(_, oldest)| is_old(oldest))
        {
            self.pop_oldest();
        }
    }

    /// Paths remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::files::Identity;
    use crate::http::EntityTag;
    use bytes::Bytes;

    const REVALIDATE: Duration = Duration::from_secs(1);
    const REVALIDATE_NS: u64 = REVALIDATE.as_nanos() as u64;

    fn file(contents: usize) -> Found {
        let identity = Identity {
            device: 1,
            inode: 2,
            len: contents as u64,
            modified_s: 3,
            modified_ns: 4,
            changed: (5, 6),
        };
        Found::File(Rc::new(OpenFile {
            descriptor: Rc::new(std::fs::File::open("/dev/null").unwrap().into()),
            mapping: None.into(),
            asked: Default::default(),
            resident: Default::default(),
            reading: Default::default(),
            identity,
            etag: EntityTag::new(2, contents as u64, 3, 4),
            content_type: "text/plain".into(),
            compressible: true,
            contents: Some(Bytes::from(vec![0; contents])),
            settled: true,
            treatment: Default::default(),
            key: Rc::default(),
            heads: Default::default(),
            coded_heads: Default::default(),
        }))
    }

    #[test]
    fn an_entry_is_trusted_for_a_second() {
        let mut cache = Cache::new(REVALIDATE);
        assert!(matches!(cache.lookup(b"a", 0), Lookup::Open));
        cache.insert(b"a", file(1), 10);
        assert!(matches!(
            cache.lookup(b"a", 10 + REVALIDATE_NS - 1),
            Lookup::Hit(Found::File(_))
        ));
        assert!(matches!(
            cache.lookup(b"a", 10 + REVALIDATE_NS),
            Lookup::Open
        ));
        assert!(cache.previous(b"a").is_some());
        cache.remove(b"a");
        assert!(cache.previous(b"a").is_none());
    }

    #[test]
    fn contents_that_may_be_old_are_trusted_for_no_longer_than_a_second() {
        let mut cache = Cache::new(100 * REVALIDATE);
        let Found::File(mut old) = file(1) else {
            panic!("it is a file");
        };
        Rc::get_mut(&mut old).unwrap().settled = false;
        cache.insert(b"old", Found::File(old), 10);
        cache.insert(b"other", file(1), 10);
        for (after_ns, hit) in [(MAX_TRUSTED_OLD_NS - 1, true), (MAX_TRUSTED_OLD_NS, false)] {
            let looked = cache.lookup(b"old", 10 + after_ns);
            assert_eq!(matches!(looked, Lookup::Hit(_)), hit, "{after_ns}");
            let other = cache.lookup(b"other", 10 + after_ns);
            assert!(matches!(other, Lookup::Hit(_)));
        }
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let mut cache = Cache::new(REVALIDATE);
        for i in 0..MAX_ENTRIES + 10 {
            cache.insert(format!("{i}").as_bytes(), file(1), 0);
        }
        assert_eq!(cache.len(), MAX_ENTRIES);
        assert_eq!(cache.small_bytes, MAX_ENTRIES);
        for i in 0..80 {
            cache.insert(format!("large{}", i / 2).as_bytes(), file(1 << 20), 0);
        }
        assert!(cache.small_bytes > MAX_SMALL_BYTES / 2);
        assert!(cache.small_bytes <= MAX_SMALL_BYTES);
        while cache.pop_oldest().is_some() {}
        assert_eq!((cache.small_bytes, cache.is_empty()), (0, true));
    }

    #[test]
    fn what_is_asked_for_once_drives_nothing_out() {
        let mut cache = Cache::new(REVALIDATE);
        let path = |i: usize| i.to_string().into_bytes();
        for i in 0..10 * MAX_ENTRIES {
            cache.insert(&path(i), file(1), 0);
        }
        let kept = |cache: &Cache, i| cache.previous(&path(i)).is_some();
        assert!(cache.keeps(&path(0)) && !cache.keeps(&path(usize::MAX)));
        // One in 2^32 is taken for another.
        assert!((0..MAX_ENTRIES).all(|i| kept(&cache, i)));
        // What is there already is replaced.
        cache.insert(&path(0), file(2), 0);
        assert_eq!(cache.small_bytes, MAX_ENTRIES + 1);
        let again = 10 * MAX_ENTRIES - 1;
        assert!(!kept(&cache, again) && cache.keeps(&path(again)));
        cache.insert(&path(again), file(1), 0);
        assert!(kept(&cache, again) && !kept(&cache, 1));
        assert_eq!(cache.len(), MAX_ENTRIES);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        // Trusted for longer than that, so that it is not looked at again.
        let mut cache = Cache::new(10 * REVALIDATE + Duration::from_nanos(MAX_UNUSED_NS));
        assert_eq!(cache.next_unused_ns(), None);
        cache.insert(b"a", file(1), 0);
        cache.insert(b"b", file(1), 5);
        assert_eq!(cache.next_unused_ns(), Some(MAX_UNUSED_NS));
        assert!(matches!(cache.lookup(b"a", 10), Lookup::Hit(_)));
        assert_eq!(cache.next_unused_ns(), Some(5 + MAX_UNUSED_NS));
        cache.forget_unused(4 + MAX_UNUSED_NS);
        assert_eq!(cache.len(), 2);
        cache.forget_unused(5 + MAX_UNUSED_NS);
        assert!(cache.previous(b"a").is_some() && cache.previous(b"b").is_none());
        cache.forget_unused(10 + MAX_UNUSED_NS);
        assert!(cache.is_empty());
        cache.insert(b"a", file(1), 0);
        cache.insert(b"b", file(1), 5);
        cache.make_room(4 + MAX_UNUSED_SHORT_NS);
        assert!(cache.previous(b"a").is_none() && cache.previous(b"b").is_some());
    }

    #[test]
    fn replacing_an_entry_counts_its_bytes_once() {
        let mut cache = Cache::new(REVALIDATE);
        cache.insert(b"a", file(100), 0);
        cache.insert(b"a", file(50), 0);
        assert_eq!(cache.small_bytes, 50);
    }
}
