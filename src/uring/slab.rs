//! Slots with generations: a key that outlived its value finds nothing.

use super::op::Owner;

/// Values addressed by the [`Owner`] that stands for them in the ring's operations.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Puts a value in, made from the key that it will have.
    pub fn insert_with(&mut self, make: impl FnOnce(Owner) -> T) -> Owner {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry {
                generation: 0,
                value: None,
            });
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[slot as usize];
        let key = Owner {
            slot,
            generation: entry.generation,
        };
        entry.value = Some(make(key));
        self.len += 1;
        key
    }

    /// The value of a key that is still valid.
    pub fn get_mut(&mut self, key: Owner) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        if entry.generation == key.generation {
            entry.value.as_mut()
        } else {
            None
        }
    }

    /// The same, to look at.
    pub fn get(&self, key: Owner) -> Option<&T> {
        let entry = self.entries.get(key.slot as usize)?;
        let value = entry.value.as_ref();
        value.filter(|_| entry.generation == key.generation)
    }

    /// Whether a key is still valid.
    pub fn contains(&self, key: Owner) -> bool {
        self.get(key).is_some()
    }

    /// Takes the value out; its key is never valid again.
    pub fn remove(&mut self, key: Owner) -> Option<T> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.len -= 1;
        Some(value)
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Everything that is in, in slot order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries
            .iter_mut()
            .filter_map(|entry| entry.value.as_mut())
    }

    /// Values that are in.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The keys of everything that is in, in slot order.
    pub fn keys(&self) -> Vec<Owner> {
        let present = |(slot, entry): (usize, &Entry<T>)| {
            entry.value.as_ref().map(|_| Owner {
                slot: slot as u32,
                generation: entry.generation,
            })
        };
        self.entries
            .iter()
            .enumerate()
            .filter_map(present)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_finds_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert_with(|_| 'a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert_with(|_| 'b');
        assert_eq!(first.slot, second.slot);
        assert_eq!(slab.get_mut(first), None);
        assert!(!slab.contains(first) && slab.contains(second));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        assert_eq!((slab.len(), slab.keys()), (1, vec![second]));
    }
}
