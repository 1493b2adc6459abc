//! The entries of a directory, as few bytes each as they need: 24, and the name.

use std::cmp::Ordering;

use super::order;
use super::query::{Order, Query, Sort};

/// What an entry is; symbolic links are what they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// Its name: no NUL, no `/`, 1 to 255 bytes.
    pub name: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file; 0 for a directory, whose own size says nothing to anybody.
    pub size: u64,
    /// Last modification, in whole seconds since 1970-01-01T00:00:00Z; negative before.
    pub modified_s: i64,
}

/// The entries of one directory.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// All names, one after the other: one allocation instead of one for each.
    names: Vec<u8>,
    records: Vec<Record>,
    /// Whether the directory holds more than what was taken.
    truncated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    size: u64,
    modified_s: i64,
    name_start: u32,
    name_len: u8,
    kind: Kind,
}

impl Record {
    fn name(self, names: &[u8]) -> &[u8] {
        &names[self.name_start as usize..][..usize::from(self.name_len)]
    }
}

impl Entries {
    /// Adds an entry. `false`, and nothing is added, where its name is longer than 255 bytes or all names together
    /// are longer than 4 GiB.
    pub fn push(&mut self, entry: Entry<'_>) -> bool {
        let (Ok(name_start), Ok(name_len)) = (
            u32::try_from(self.names.len()),
            u8::try_from(entry.name.len()),
        ) else {
            return false;
        };
        self.names.extend_from_slice(entry.name);
        self.records.push(Record {
            size: match entry.kind {
                Kind::Directory => 0,
                Kind::File => entry.size,
            },
            modified_s: entry.modified_s,
            name_start,
            name_len,
            kind: entry.kind,
        });
        true
    }

    /// Notes that the directory holds more.
    pub fn set_truncated(&mut self) {
        self.truncated = true;
    }

    /// Whether the directory holds more than [`MAX_ENTRIES`](super::MAX_ENTRIES), so that some are not here.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.names.capacity() + self.records.capacity() * size_of::<Record>()
    }

    /// The entry at this place, if there is one.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        let record = self.records.get(at)?;
        Some(Entry {
            name: record.name(&self.names),
            kind: record.kind,
            size: record.size,
            modified_s: record.modified_s,
        })
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Sorts them. Directories come first in either direction; what is equal is in ascending order of the names, of
    /// which no two are equal: the outcome does not depend on the order before.
    pub fn sort(&mut self, query: Query) {
        let names = &self.names;
        let directed = |order: Ordering| match query.order {
            Order::Ascending => order,
            Order::Descending => order.reverse(),
        };
        self.records.sort_unstable_by(|left, right| {
            let by_name = || order::compare(left.name(names), right.name(names));
            left.kind.cmp(&right.kind).then_with(|| match query.sort {
                Sort::Name => directed(by_name()),
                Sort::Size => directed(left.size.cmp(&right.size)).then_with(by_name),
                Sort::Modified => {
                    directed(left.modified_s.cmp(&right.modified_s)).then_with(by_name)
                }
            })
        });
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for record in &self.records {
            match record.kind {
                Kind::Directory => totals.directories += 1,
                Kind::File => totals.files += 1,
            }
            totals.bytes = totals.bytes.saturating_add(record.size);
        }
        totals
    }
}

/// What a listing comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) directories: u64,
    pub(super) files: u64,
    /// Bytes of all files, as large as a number can be where they are more.
    pub(super) bytes: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entries() -> Entries {
        let mut entries = Entries::default();
        for (name, kind, size, modified_s) in [
            ("file10", Kind::File, 5, 30),
            ("b", Kind::Directory, 4096, 40),
            ("file2", Kind::File, 5, 10),
            ("File1", Kind::File, 900, 20),
            ("a", Kind::Directory, 4096, 50),
        ] {
            assert!(entries.push(Entry {
                name: name.as_bytes(),
                kind,
                size,
                modified_s
            }));
        }
        entries
    }

    #[test]
    fn every_order() {
        for (query, expected) in [
            ("", "a b File1 file2 file10"),
            ("order=desc", "b a file10 file2 File1"),
            ("sort=size", "a b file2 file10 File1"),
            ("sort=size&order=desc", "a b File1 file2 file10"),
            ("sort=modified", "b a file2 File1 file10"),
            ("sort=modified&order=desc", "a b file10 File1 file2"),
        ] {
            let mut entries = entries();
            entries.sort(Query::parse(query.as_bytes()));
            let names: Vec<_> = entries
                .iter()
                .map(|entry| str::from_utf8(entry.name).unwrap())
                .collect();
            assert_eq!(names.join(" "), expected, "{query}");
        }
    }

    #[test]
    fn totals_and_limits() {
        let mut entries = entries();
        let expected = Totals {
            directories: 2,
            files: 3,
            bytes: 910,
        };
        assert_eq!(entries.totals(), expected);
        assert_eq!(size_of::<Record>(), 24);

        let file = |name| Entry {
            name,
            kind: Kind::File,
            size: u64::MAX,
            modified_s: 0,
        };
        assert!(!entries.push(file(&[b'a'; 256])));
        assert!(entries.push(file(&[b'a'; 255])));
        assert_eq!(entries.len(), 6);
        assert_eq!(entries.totals().bytes, u64::MAX);
    }
}
