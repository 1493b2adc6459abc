//! Provided buffers: the ring from which the kernel picks a buffer when there is something to receive.
//!
//! See io_uring_register_buf_ring(3). There are as many buffers as the ring has entries, and each is at any time
//! either in the ring (the kernel's) or in one [`RecvBuffer`] (ours).

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::io::Errno;

use super::mapping::Anonymous;

/// The buffers of one ring and the entries that name them to the kernel.
pub(super) struct BufRing {
    entries: Anonymous,
    buffers: Anonymous,
    count: u16,
    buffer_bytes: u32,
    /// The entry that the next buffer given back goes to, not yet masked.
    tail: Cell<u16>,
    held: Cell<usize>,
}

impl BufRing {
    /// The largest ring that the kernel takes.
    pub(super) const MAX_COUNT: u16 = 1 << 15;

    /// Maps `count` buffers (a power of two) of `buffer_bytes` each, all of them in the ring.
    pub(super) fn new(count: u16, buffer_bytes: u32) -> Result<Rc<Self>, Errno> {
        debug_assert!(count.is_power_of_two() && count <= Self::MAX_COUNT && buffer_bytes > 0);
        let bytes = usize::from(count)
            .checked_mul(buffer_bytes as usize)
            .ok_or(Errno::NOMEM)?;
        let ring = Self {
            entries: Anonymous::new(usize::from(count) * size_of::<BufRingEntry>())?,
            buffers: Anonymous::new(bytes)?,
            count,
            buffer_bytes,
            tail: Cell::new(0),
            held: Cell::new(usize::from(count)),
        };
        for bid in 0..count {
            ring.give_back(bid);
        }
        Ok(Rc::new(ring))
    }

    /// Address of the entries, for registration.
    pub(super) fn address(&self) -> u64 {
        self.entries.base().as_ptr() as u64
    }

    /// Entries in the ring.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Buffers that are out in [`RecvBuffer`]s.
    pub(super) fn held(&self) -> usize {
        self.held.get()
    }

    /// Takes the buffer that a completion named, with the bytes received into it.
    ///
    /// # Safety
    /// The completion just said that the kernel took `bid` out of this ring and wrote `len` bytes to it, and this is
    /// the only call for that completion.
    pub(super) unsafe fn take(self: &Rc<Self>, bid: u16, len: usize) -> RecvBuffer {
        assert!(
            bid < self.count && len <= self.buffer_bytes as usize,
            "the kernel names buffers that it was given"
        );
        self.held.set(self.held.get() + 1);
        RecvBuffer {
            ring: Rc::clone(self),
            bid: Some(bid),
            len,
        }
    }

    /// No bytes, in no buffer: how the end of a stream is told.
    pub(super) fn nothing(self: &Rc<Self>) -> RecvBuffer {
        RecvBuffer {
            ring: Rc::clone(self),
            bid: None,
            len: 0,
        }
    }

    fn buffer(&self, bid: u16) -> *mut u8 {
        let offset = usize::from(bid) * self.buffer_bytes as usize;
        // SAFETY: `bid` is below `count` (checked in `take`, or counted in `new`), so the offset lies in the mapping.
        unsafe { self.buffers.base().as_ptr().add(offset) }
    }

    /// The buffer that the kernel takes next when it has `taken` so many: its number, address and bytes. `None` when all
    /// are out.
    #[cfg(test)]
    pub(super) fn front(&self, taken: u16) -> Option<(u16, (usize, usize))> {
        if taken == self.tail.get() {
            return None;
        }
        let base = self.entries.base().cast::<BufRingEntry>().as_ptr();
        // SAFETY: the masked index lies in the mapping of `count` entries, which nobody refers to now.
        let entry = unsafe { &*base.add(usize::from(taken & (self.count - 1))) };
        let buffer = (entry.addr() as usize, entry.len() as usize);
        Some((entry.bid(), buffer))
    }

    /// Puts a buffer that is not in the ring back into it.
    fn give_back(&self, bid: u16) {
        let tail = self.tail.get();
        let base = self.entries.base().cast::<BufRingEntry>().as_ptr();
        // SAFETY: the masked index lies in the mapping of `count` entries, which is page-aligned, so entries are
        // aligned. The kernel reads entries below the tail only; this one is past it: there are `count` buffers in all
        // and this one is not in the ring. No other reference to an entry exists. The fields written leave out the
        // last two bytes, which in the first entry are the tail.
        unsafe {
            let entry = &mut *base.add(usize::from(tail & (self.count - 1)));
            entry.set_addr(self.buffer(bid) as u64);
            entry.set_len(self.buffer_bytes);
            entry.set_bid(bid);
        }
        let tail = tail.wrapping_add(1);
        // SAFETY: `base` is the first entry, whose last two bytes are the tail, aligned and valid while `entries`
        // lives; only this thread writes them, and the kernel's reads are atomic.
        let shared = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()) };
        shared.store(tail, Ordering::Release);
        self.tail.set(tail);
        self.held.set(self.held.get() - 1);
    }
}

/// Bytes that were received. Dropping it gives the buffer back to the kernel.
///
/// Holding many starves the ring: receiving then ends with `ENOBUFS`.
pub struct RecvBuffer {
    ring: Rc<BufRing>,
    bid: Option<u16>,
    len: usize,
}

impl Deref for RecvBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self.bid {
            // SAFETY: the kernel gave this buffer out to this value alone and does not touch it until it is given
            // back; the first `len` bytes are in the mapping, which `ring` keeps, and initialized (mapped as zeroes).
            Some(bid) => unsafe { slice::from_raw_parts(self.ring.buffer(bid), self.len) },
            None => &[],
        }
    }
}

impl DerefMut for RecvBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self.bid {
            // SAFETY: as for `deref`; and `&mut self` makes this the only reference.
            Some(bid) => unsafe { slice::from_raw_parts_mut(self.ring.buffer(bid), self.len) },
            None => &mut [],
        }
    }
}

impl Drop for RecvBuffer {
    fn drop(&mut self) {
        if let Some(bid) = self.bid {
            self.ring.give_back(bid);
        }
    }
}

impl fmt::Debug for RecvBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBuffer")
            .field("bid", &self.bid)
            .field("len", &self.len)
            .finish()
    }
}
