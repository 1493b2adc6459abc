//! The arena: one mapping, registered with the ring, leased out in slots of four sizes.
//!
//! A slot of one size is cut from a free slot of the next size, four at a time, and four free ones that were cut from
//! the same slot become that slot again (a buddy system). Free lists are last in, first out, so that the slot leased
//! next is the one that the caches hold. Leasing and returning allocate nothing.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;
use std::slice;

use rustix::io::Errno;

use super::mapping::Anonymous;

/// Bytes of the slots of each class; each is four times the one before.
const CLASS_BYTES: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// The class of whole chunks.
const CHUNK: usize = CLASS_BYTES.len() - 1;

/// Slots of a class that one slot of the next class is cut into.
const FANOUT: usize = 4;

/// End of a list; also the class of a unit at which no free slot begins.
const NONE: u32 = u32::MAX;

/// Registered memory of one ring. Cloning gives another handle to the same memory.
#[derive(Clone)]
pub struct Arena {
    shared: Rc<Shared>,
}

struct Shared {
    memory: Anonymous,
    slots: RefCell<Slots>,
}

impl Arena {
    /// Maps an arena of `bytes`, rounded up to whole chunks of 1 MiB, and at least one.
    pub(crate) fn new(bytes: usize) -> Result<Self, Errno> {
        let chunks = bytes.div_ceil(CLASS_BYTES[CHUNK]).max(1);
        let len = chunks
            .checked_mul(CLASS_BYTES[CHUNK])
            .filter(|len| len / CLASS_BYTES[0] < NONE as usize)
            .ok_or(Errno::NOMEM)?;
        Ok(Self {
            shared: Rc::new(Shared {
                memory: Anonymous::new(len)?,
                slots: RefCell::new(Slots::new(chunks)),
            }),
        })
    }

    /// Leases a slot of the smallest class (16 KiB, 64 KiB, 256 KiB, 1 MiB) that holds `bytes`, or of the largest when
    /// none does. `None` when neither a free slot nor a larger one to cut is left.
    ///
    /// The slot holds whatever it held before.
    pub fn lease(&self, bytes: usize) -> Option<Lease> {
        let class = CLASS_BYTES
            .iter()
            .position(|&class| class >= bytes)
            .unwrap_or(CHUNK);
        let unit = self.shared.slots.borrow_mut().take(class)?;
        // SAFETY: units index the arena's memory in steps of the smallest class, so the offset lies inside it.
        let base = unsafe {
            self.shared
                .memory
                .base()
                .add(unit as usize * CLASS_BYTES[0])
        };
        Some(Lease {
            base,
            bytes: CLASS_BYTES[class],
            home: Home::Arena(Hold {
                shared: Rc::clone(&self.shared),
                unit,
                class,
            }),
        })
    }

    /// Bytes in slots that are leased now.
    pub fn leased(&self) -> usize {
        self.shared.slots.borrow().leased_bytes
    }

    /// Bytes in all.
    pub fn capacity(&self) -> usize {
        self.shared.memory.len()
    }

    /// The whole memory, for registration: address and bytes.
    pub(super) fn extent(&self) -> (NonNull<u8>, usize) {
        (self.shared.memory.base(), self.shared.memory.len())
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("leased", &self.leased())
            .field("capacity", &self.capacity())
            .finish()
    }
}

/// A slot of the arena, for its holder alone. Goes back when dropped; the memory lives as long as any lease.
///
/// A holder that must wait for long trades it for a copy of what it still needs: [`Lease::into_heap`].
pub struct Lease {
    base: NonNull<u8>,
    bytes: usize,
    home: Home,
}

/// Where a lease's memory goes back to.
enum Home {
    Arena(Hold),
    /// A boxed slice of its own.
    Heap,
}

/// Keeps a slot from being leased again, beside its lease and when that is gone: for a kernel that still reads from it.
pub(super) struct Hold {
    shared: Rc<Shared>,
    unit: u32,
    class: usize,
}

impl Hold {
    fn again(&self) -> Self {
        self.shared.slots.borrow_mut().hold(self.unit);
        Self {
            shared: Rc::clone(&self.shared),
            unit: self.unit,
            class: self.class,
        }
    }

    /// Whether it is the only one.
    fn is_last(&self) -> bool {
        self.shared.slots.borrow().holds(self.unit) == 1
    }

    /// The slot: number and bytes.
    #[cfg(test)]
    pub(super) fn slot(&self) -> (u32, usize) {
        (self.unit, CLASS_BYTES[self.class])
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared
            .slots
            .borrow_mut()
            .release(self.unit, self.class);
    }
}

impl Lease {
    /// Address of the first byte, for the kernel: valid for reads and writes of the slot while the lease lives and no
    /// reference into it is used.
    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Bytes of the slot.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What keeps the slot from being leased again; `None` outside of an arena.
    pub(super) fn hold(&self) -> Option<Hold> {
        match &self.home {
            Home::Arena(hold) => Some(hold.again()),
            Home::Heap => None,
        }
    }

    /// Whether something else keeps the slot too: what was sent of it must stay as it is.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match &self.home {
            Home::Arena(hold) => !hold.is_last(),
            Home::Heap => false,
        }
    }

    /// The slot that it holds of the arena: number and bytes.
    #[cfg(test)]
    pub(crate) fn arena_slot(&self) -> Option<(u32, usize)> {
        match &self.home {
            Home::Arena(hold) => Some(hold.slot()),
            Home::Heap => None,
        }
    }

    /// Gives the slot back and keeps a copy of `range` of it, with room for `room` bytes more, outside of the arena.
    ///
    /// # Panics
    /// When the slot does not have that range.
    #[must_use]
    pub fn into_heap(self, range: Range<usize>, room: usize) -> Self {
        let mut copy = Vec::with_capacity(range.len() + room);
        copy.extend_from_slice(&self[range]);
        copy.resize(copy.len() + room, 0);
        Self::of(copy)
    }

    /// As [`Lease::into_heap`], but into another slot of `arena` when there is one.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn into_another(self, arena: &Arena, range: Range<usize>, room: usize) -> Self {
        match arena.lease(range.len() + room) {
            Some(mut other) if other.len() >= range.len() + room => {
                other[..range.len()].copy_from_slice(&self[range]);
                other
            }
            _ => self.into_heap(range, room),
        }
    }

    /// Zeroed memory of its own, outside of any arena.
    #[must_use]
    pub fn on_heap(bytes: usize) -> Self {
        Self::of(vec![0; bytes])
    }

    fn of(copy: Vec<u8>) -> Self {
        let bytes = copy.len();
        Self {
            base: NonNull::from(Box::leak(copy.into_boxed_slice())).cast(),
            bytes,
            home: Home::Heap,
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the slot lies in the arena's memory, which `home` keeps mapped; it was zeroed when mapped, so all
        // of it is initialized. No other lease overlaps it while this one lives, and the kernel works on it only while
        // the lease is owned by the table of operations, where no reference is made. Or it is a boxed slice, ours.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.bytes()) }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; and `&mut self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.bytes()) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Home::Heap = self.home {
            let slice = NonNull::slice_from_raw_parts(self.base, self.bytes);
            // SAFETY: leaked from a box of this length by `of`, and nobody else has it.
            drop(unsafe { Box::from_raw(slice.as_ptr()) });
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("heap", &matches!(self.home, Home::Heap))
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// Which slots are free. A unit is a stretch of the smallest class; a slot is named by its first unit.
struct Slots {
    /// First free slot of each class.
    heads: [u32; CLASS_BYTES.len()],
    units: Vec<Unit>,
    leased_bytes: usize,
}

/// What is known of the free slot that begins here, if one does.
#[derive(Clone, Copy)]
struct Unit {
    /// Class of the free slot, or [`NONE`].
    class: u32,
    previous: u32,
    next: u32,
    /// Of the leased slot that begins here: its lease, and what else keeps it.
    holds: u32,
}

impl Slots {
    fn new(chunks: usize) -> Self {
        let per_chunk = units_of(CHUNK);
        let unit = Unit {
            class: NONE,
            previous: NONE,
            next: NONE,
            holds: 0,
        };
        let mut slots = Self {
            heads: [NONE; CLASS_BYTES.len()],
            units: vec![unit; chunks * per_chunk as usize],
            leased_bytes: 0,
        };
        for chunk in (0..chunks as u32).rev() {
            slots.push(chunk * per_chunk, CHUNK);
        }
        slots
    }

    fn take(&mut self, class: usize) -> Option<u32> {
        let found = (class..CLASS_BYTES.len()).find(|&class| self.heads[class] != NONE)?;
        let unit = self.heads[found];
        self.unlink(unit, found);
        // Cut down: the first quarter is cut further, the others stay free, the second on top.
        for cut in (class..found).rev() {
            for quarter in (1..FANOUT as u32).rev() {
                self.push(unit + quarter * units_of(cut), cut);
            }
        }
        self.leased_bytes += CLASS_BYTES[class];
        self.units[unit as usize].holds = 1;
        Some(unit)
    }

    fn holds(&self, unit: u32) -> u32 {
        self.units[unit as usize].holds
    }

    fn hold(&mut self, unit: u32) {
        self.units[unit as usize].holds += 1;
    }

    fn release(&mut self, unit: u32, class: usize) {
        let holds = &mut self.units[unit as usize].holds;
        *holds -= 1;
        if *holds == 0 {
            self.give_back(unit, class);
        }
    }

    fn give_back(&mut self, unit: u32, class: usize) {
        self.leased_bytes -= CLASS_BYTES[class];
        let (mut unit, mut class) = (unit, class);
        while class < CHUNK {
            let units = units_of(class);
            let whole = unit - unit % (units * FANOUT as u32);
            let quarters = (0..FANOUT as u32).map(|quarter| whole + quarter * units);
            let others_free = quarters.clone().all(|quarter| {
                quarter == unit || self.units[quarter as usize].class == class as u32
            });
            if !others_free {
                break;
            }
            for quarter in quarters {
                if quarter != unit {
                    self.unlink(quarter, class);
                }
            }
            (unit, class) = (whole, class + 1);
        }
        self.push(unit, class);
    }

    fn push(&mut self, unit: u32, class: usize) {
        let next = self.heads[class];
        if next != NONE {
            self.units[next as usize].previous = unit;
        }
        self.units[unit as usize] = Unit {
            class: class as u32,
            previous: NONE,
            next,
            holds: 0,
        };
        self.heads[class] = unit;
    }

    fn unlink(&mut self, unit: u32, class: usize) {
        let Unit { previous, next, .. } = self.units[unit as usize];
        if previous == NONE {
            self.heads[class] = next;
        } else {
            self.units[previous as usize].next = next;
        }
        if next != NONE {
            self.units[next as usize].previous = previous;
        }
        self.units[unit as usize].class = NONE;
    }
}

/// Units in a slot of `class`.
fn units_of(class: usize) -> u32 {
    (CLASS_BYTES[class] / CLASS_BYTES[0]) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    fn unit(lease: &Lease) -> u32 {
        lease.arena_slot().unwrap().0
    }

    #[test]
    fn a_copy_on_the_heap_gives_the_slot_back() {
        let arena = Arena::new(MIB).unwrap();
        let mut lease = arena.lease(1).unwrap();
        lease.fill(7);
        lease[50] = 8;
        let copy = lease.into_heap(50..150, 10);
        assert_eq!(arena.leased(), 0);
        assert_eq!((copy.len(), copy[0], copy[99], copy[109]), (110, 8, 7, 0));
    }

    #[test]
    fn a_slot_that_is_held_is_not_leased_again() {
        let arena = Arena::new(MIB).unwrap();
        let lease = arena.lease(MIB).unwrap();
        assert!(!lease.is_held());
        let (first, second) = (lease.hold().unwrap(), lease.hold().unwrap());
        drop(first);
        assert!(lease.is_held());
        assert!(lease.into_heap(0..10, 0).hold().is_none());
        assert_eq!(arena.leased(), MIB);
        assert!(arena.lease(1).is_none());
        drop(second);
        assert_eq!(arena.leased(), 0);
        assert!(!arena.lease(MIB).unwrap().is_held());
    }

    #[test]
    fn a_lease_is_of_the_smallest_class_that_fits() {
        let arena = Arena::new(8 * MIB).unwrap();
        for (asked, got) in [
            (0, 16 << 10),
            (16 << 10, 16 << 10),
            ((16 << 10) + 1, 64 << 10),
            (200 << 10, 256 << 10),
            (MIB, MIB),
            (5 * MIB, MIB),
        ] {
            assert_eq!(arena.lease(asked).unwrap().len(), got);
        }
        assert_eq!(arena.leased(), 0);
        assert_eq!(arena.capacity(), 8 * MIB);
    }

    #[test]
    fn the_slot_returned_last_is_leased_next() {
        let arena = Arena::new(4 * MIB).unwrap();
        let kept = arena.lease(1).unwrap();
        let slots: Vec<Lease> = (0..40).map(|_| arena.lease(1).unwrap()).collect();
        let order: Vec<u32> = slots.iter().map(unit).collect();
        // One of each four, so that none of them is joined with its neighbours.
        let (back, held): (Vec<Lease>, Vec<Lease>) =
            slots.into_iter().partition(|slot| unit(slot) % 4 == 1);
        let mut returned: Vec<u32> = back.iter().map(unit).collect();
        back.into_iter().for_each(drop);
        returned.reverse();
        let again: Vec<Lease> = returned.iter().map(|_| arena.lease(1).unwrap()).collect();
        assert_eq!(again.iter().map(unit).collect::<Vec<_>>(), returned);
        assert_eq!(order.len(), again.len() + held.len());
        drop(kept);
    }

    #[test]
    fn one_slot_used_over_and_over_stays_the_same_memory() {
        let arena = Arena::new(4 * MIB).unwrap();
        let first = unit(&arena.lease(1).unwrap());
        for _ in 0..10 {
            assert_eq!(unit(&arena.lease(1).unwrap()), first);
        }
    }

    #[test]
    fn larger_slots_are_cut_and_joined_again() {
        let arena = Arena::new(2 * MIB).unwrap();
        let large = arena.lease(MIB).unwrap();
        let small: Vec<Lease> = (0..64).map(|_| arena.lease(1).unwrap()).collect();
        assert_eq!(arena.leased(), arena.capacity());
        assert!(arena.lease(1).is_none());
        drop(large);
        let middle = arena.lease(256 << 10).unwrap();
        assert!(arena.lease(MIB).is_none());
        drop((small, middle));
        let all: Vec<Lease> = (0..2).map(|_| arena.lease(MIB).unwrap()).collect();
        assert!(arena.lease(1).is_none());
        drop(all);
        assert_eq!(arena.leased(), 0);
    }

    #[test]
    fn a_lease_outlives_its_arena() {
        let mut lease = Arena::new(MIB).unwrap().lease(1).unwrap();
        lease.fill(7);
        assert!(lease.iter().all(|&byte| byte == 7));
    }

    proptest! {
        #[test]
        fn live_leases_never_overlap(steps in prop::collection::vec((0usize..5, any::<prop::sample::Index>()), 1..400)) {
            let arena = Arena::new(3 * MIB).unwrap();
            let mut live: Vec<Lease> = Vec::new();
            for (step, index) in steps {
                if step == CLASS_BYTES.len() {
                    if !live.is_empty() {
                        live.swap_remove(index.index(live.len()));
                    }
                } else if let Some(lease) = arena.lease(CLASS_BYTES[step]) {
                    prop_assert_eq!(lease.len(), CLASS_BYTES[step]);
                    live.push(lease);
                } else {
                    // The model: none is refused while an aligned stretch of that size is free.
                    let units = units_of(step);
                    let free = |first: u32| live.iter().all(|lease| {
                        unit(lease) + (lease.bytes() / CLASS_BYTES[0]) as u32 <= first || first + units <= unit(lease)
                    });
                    prop_assert!(!(0..192 / units).any(|slot| free(slot * units)));
                }
                let mut taken: Vec<(u32, u32)> = live
                    .iter()
                    .map(|lease| (unit(lease), unit(lease) + (lease.bytes() / CLASS_BYTES[0]) as u32))
                    .collect();
                taken.sort_unstable();
                prop_assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].0));
                prop_assert!(taken.last().is_none_or(|last| last.1 <= 192));
                prop_assert_eq!(arena.leased(), live.iter().map(|lease| lease.len()).sum::<usize>());
            }
            drop(live);
            let all: Vec<_> = (0..3).map(|_| arena.lease(MIB)).collect();
            prop_assert!(all.iter().all(Option::is_some));
        }
    }
}
