//! The dynamic table (RFC 7541, sections 2.3.2 and 4).

use std::collections::VecDeque;

/// Size of the table in bytes before either side says otherwise (RFC 9113, section 6.5.2).
pub const DEFAULT_TABLE_SIZE: usize = 4_096;

/// What an entry counts beside its name and value, in bytes (RFC 7541, section 4.1).
pub const ENTRY_OVERHEAD: usize = 32;

/// Least bytes to allocate for names and values: what a browser's first request inserts, or close to it.
const MIN_CAPACITY: usize = 512;

/// An entry: where its name begins, its value right behind it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Position of the name, counted from the table's beginning of time.
    at: usize,
    name_len: u32,
    value_len: u32,
    /// Lowest static index of the name when it came from the static table, else 0.
    static_name: u8,
}

impl Entry {
    fn len(&self) -> usize {
        self.name_len as usize + self.value_len as usize
    }
}

/// A field in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) static_name: u8,
}

/// Entries, newest first, and their size.
#[cfg(test)]
pub(super) type Contents = (Vec<(Vec<u8>, Vec<u8>)>, usize);

/// The table: entries in a ring, their strings one after the other in a log.
///
/// Entries leave in the order in which they came, so the live strings are one stretch at the end of the log. When its
/// capacity is used up, that stretch moves to the front: an entry is always contiguous and can be lent as a slice. At
/// full size the log has half as much room again as the table may fill, so at most two bytes are moved for each byte
/// inserted.
#[derive(Debug)]
pub(super) struct Table {
    log: Vec<u8>,
    /// Position of the log's first byte.
    log_at: usize,
    /// Oldest in front.
    entries: VecDeque<Entry>,
    /// Size of the entries, overhead included, in bytes.
    size: usize,
    max_size: usize,
}

impl Table {
    /// An empty table; allocates nothing.
    pub(super) fn new(max_size: usize) -> Self {
        Self {
            log: Vec::new(),
            log_at: 0,
            entries: VecDeque::new(),
            size: 0,
            max_size,
        }
    }

    /// The size that the entries may add up to, in bytes.
    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// The entry at `index`, 0 being the newest.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Stored<'_>> {
        let nth = self.entries.len().checked_sub(index)?.checked_sub(1)?;
        let entry = self.entries.get(nth)?;
        let at = entry.at - self.log_at;
        let (name, value) = self.log[at..at + entry.len()].split_at(entry.name_len as usize);
        Some(Stored {
            name,
            value,
            static_name: entry.static_name,
        })
    }

    /// Changes the size that the entries may add up to, and evicts what is over it (RFC 7541, section 4.3).
    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict_to(max_size);
        self.invariants();
    }

    /// Gives back memory beyond what a table of `max_size` bytes needs.
    pub(super) fn shrink(&mut self, max_size: usize) {
        if self.log.capacity() > full_capacity(max_size) {
            self.compact();
            self.log.shrink_to_fit();
            self.entries.shrink_to_fit();
            self.invariants();
        }
    }

    /// Inserts a field as the newest entry, evicting old ones first. One that is larger than the table empties it and
    /// is not kept, which is no error (RFC 7541, section 4.4).
    ///
    /// The slices cannot be borrowed from this table: who refers to a name here has copied it before it is evicted.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], static_name: u8) {
        let len = name.len() + value.len();
        let size = len + ENTRY_OVERHEAD;
        let (Ok(name_len), Ok(value_len), Some(room)) = (
            u32::try_from(name.len()),
            u32::try_from(value.len()),
            self.max_size.checked_sub(size),
        ) else {
            self.evict_to(0);
            return;
        };
        self.evict_to(room);
        self.make_room(len);
        self.entries.push_back(Entry {
            at: self.log_at + self.log.len(),
            name_len,
            value_len,
            static_name,
        });
        self.log.extend_from_slice(name);
        self.log.extend_from_slice(value);
        self.size += size;
        self.invariants();
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size {
            let Some(entry) = self.entries.pop_front() else {
                debug_assert!(false, "an empty table has no size");
                return;
            };
            self.size -= entry.len() + ENTRY_OVERHEAD;
        }
        if self.entries.is_empty() {
            self.log_at += self.log.len();
            self.log.clear();
        }
    }

    /// Makes room for `len` more bytes in the log.
    fn make_room(&mut self, len: usize) {
        let capacity = self.log.capacity();
        if capacity - self.log.len() >= len {
            return;
        }
        self.compact();
        let wanted = self.log.len() + len;
        if wanted > capacity / 3 * 2 {
            // Here the capacity is below `full_capacity`, or all that the table may hold would be within two thirds.
            let grown = (capacity * 2).max(wanted + wanted / 2).max(MIN_CAPACITY);
            let target = grown.min(full_capacity(self.max_size)).max(wanted);
            self.log.reserve_exact(target - self.log.len());
        }
    }

    /// Moves the live strings to the front of the log.
    fn compact(&mut self) {
        let live_at = self
            .entries
            .front()
            .map_or(self.log.len(), |entry| entry.at - self.log_at);
        self.log.copy_within(live_at.., 0);
        self.log.truncate(self.log.len() - live_at);
        self.log_at += live_at;
    }

    fn invariants(&self) {
        if cfg!(debug_assertions) {
            assert!(self.size <= self.max_size);
            let strings: usize = self.entries.iter().map(Entry::len).sum();
            assert_eq!(self.size, strings + self.entries.len() * ENTRY_OVERHEAD);
            let mut end = self.log_at + self.log.len();
            for entry in self.entries.iter().rev() {
                assert_eq!(entry.at + entry.len(), end);
                end = entry.at;
            }
            assert!(end >= self.log_at);
        }
    }

    /// Bytes allocated.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.log.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// The entries, newest first, and their size.
    #[cfg(test)]
    pub(super) fn contents(&self) -> Contents {
        let entries = (0..self.entries.len())
            .filter_map(|index| self.get(index))
            .map(|stored| (stored.name.to_vec(), stored.value.to_vec()))
            .collect();
        (entries, self.size)
    }
}

/// Bytes of log for a table of `max_size` bytes.
fn full_capacity(max_size: usize) -> usize {
    max_size
        .saturating_add(max_size.div_ceil(2))
        .saturating_add(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The table as the RFC describes it, and nothing else.
    #[derive(Default)]
    struct Model {
        entries: VecDeque<(Vec<u8>, Vec<u8>)>,
        max_size: usize,
    }

    impl Model {
        fn size(&self) -> usize {
            self.entries
                .iter()
                .map(|(n, v)| n.len() + v.len() + 32)
                .sum()
        }

        fn resize(&mut self, max_size: usize) {
            self.max_size = max_size;
            while self.size() > max_size {
                self.entries.pop_back();
            }
        }

        fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
            let size = name.len() + value.len() + 32;
            while !self.entries.is_empty() && self.size() + size > self.max_size {
                self.entries.pop_back();
            }
            if size <= self.max_size {
                self.entries.push_front((name, value));
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize, usize),
        Resize(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0usize..20, 0usize..60).prop_map(|(n, v)| Step::Insert(n, v)),
            2 => (0usize..80, 0usize..1200).prop_map(|(n, v)| Step::Insert(n, v)),
            1 => (0usize..1000).prop_map(Step::Resize),
        ]
    }

    proptest! {
        #![proptest_config(super::super::tests::config(128))]

        #[test]
        fn does_what_the_model_does(steps in prop::collection::vec(step(), 1..200)) {
            let mut table = Table::new(700);
            let mut model = Model { max_size: 700, ..Model::default() };
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(name_len, value_len) => {
                        let (name, value) = (vec![n as u8; name_len], vec![!n as u8; value_len]);
                        table.insert(&name, &value, 0);
                        model.insert(name, value);
                    }
                    Step::Resize(max_size) => {
                        table.set_max_size(max_size);
                        model.resize(max_size);
                    }
                }
                let (entries, size) = table.contents();
                prop_assert_eq!(size, model.size());
                prop_assert_eq!(entries, model.entries.iter().cloned().collect::<Vec<_>>());
                prop_assert!(table.get(model.entries.len()).is_none());
                prop_assert!(table.get(usize::MAX).is_none());
                prop_assert!(table.log.capacity() <= 1600);
            }
        }
    }

    #[test]
    fn costs_nothing_until_used_and_is_bounded_afterwards() {
        let mut table = Table::new(DEFAULT_TABLE_SIZE);
        assert_eq!(table.allocated(), 0);
        table.insert(b"a", &[0; 4064], 0);
        assert_eq!((table.allocated(), table.size), (0, 0));
        table.insert(b"user-agent", b"x", 58);
        assert!(table.allocated() <= 1_024);
        for n in 0..10_000u32 {
            table.insert(b"n", &vec![1; n as usize * 7919 % 4_000], 0);
        }
        let warm = table.allocated();
        assert!(warm <= 6_148 + 128 * 24 * 2);
        table.set_max_size(0);
        assert_eq!(table.allocated(), warm);
        table.shrink(0);
        assert_eq!(table.allocated(), 0);
    }
}
