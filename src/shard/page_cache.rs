//! Reading large files without filling the page cache: `files.page-cache = "drop"` and `"direct"`.
//!
//! - Drop: reads are made with `RWF_DONTCACHE`; where the kernel (before Linux 6.14) or the file system refuses that,
//!   the pages are dropped through the ring after they were sent.
//! - Direct: whole blocks are read through the ring, by `O_DIRECT`, into aligned memory of the arena beside the slot. What
//!   was asked for of them is then copied into the holes. That is the one copy of a body that we make: holes lie behind
//!   frame headers and ranges begin anywhere, so that no hole is aligned as a device wants it; and beside the
//!   device's own time a copy within the cache is small.
//!
//! A file system that refuses `O_DIRECT` has its files dropped instead.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::files::{Direct, FileRef, PageCache, Reading, Way};
use crate::slot::Plan;
use crate::uring::{Arena, Gather, Lease, Ring};

/// The smallest slot of the arena.
const MIN_LEASE: usize = 16 << 10;

/// A read that the ring makes in a way that can be refused.
#[derive(Debug)]
pub(super) enum BegunRead {
    /// With `RWF_DONTCACHE`.
    DontCache,
    /// With `O_DIRECT`.
    Direct(Staged),
}

impl BegunRead {
    /// Whether `errno` refuses the way of this read: then `reading` takes another from now on.
    pub(super) fn refused(&self, reading: &Reading, errno: Errno) -> bool {
        match (self, errno) {
            (Self::DontCache, Errno::OPNOTSUPP) => {
                reading.refused(Way::DontCache);
                true
            }
            (Self::Direct(_), Errno::INVAL | Errno::OPNOTSUPP) => {
                reading.refused(Way::Direct);
                warn_once(errno);
                true
            }
            _ => false,
        }
    }
}

/// Whole blocks that are read beside the slot.
#[derive(Debug)]
pub(super) struct Staged {
    /// Where in the buffer they are read to.
    pub(super) room: Range<usize>,
    /// Bytes of the first block before what was asked for.
    head: usize,
    /// Bytes asked for.
    len: usize,
}

impl Staged {
    /// Copies what was asked for, of the first `read` bytes of `room`, into the `segments` of a slot; how many bytes.
    pub(super) fn place(
        &self,
        from: &[u8],
        read: usize,
        into: &mut [u8],
        segments: &[Range<usize>],
    ) -> usize {
        let start = self.room.start + self.head;
        let end = (self.room.start + read).min(start + self.len);
        let mut rest = from.get(start..end).unwrap_or_default();
        let mut placed = 0;
        for segment in segments {
            let (now, after) = rest.split_at(segment.len().min(rest.len()));
            into[segment.start..segment.start + now.len()].copy_from_slice(now);
            placed += now.len();
            rest = after;
        }
        placed
    }
}

/// How a large file is read under a setting.
///
/// # Errors
/// When descriptors have run out, which says nothing of the file.
pub(super) fn reading(
    page_cache: PageCache,
    file: BorrowedFd<'_>,
    ring: &Ring,
) -> Result<Reading, Errno> {
    Ok(match page_cache {
        PageCache::Keep => Reading::default(),
        PageCache::Drop => Reading::dropping(),
        PageCache::Direct => match ring.open_direct(file) {
            Ok((descriptor, block)) => Reading::direct(Direct {
                descriptor: Rc::new(descriptor),
                block,
            }),
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => return Err(errno),
            Err(errno) => {
                warn_once(errno);
                Reading::dropping()
            }
        },
    })
}

fn warn_once(errno: Errno) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            %errno,
            "page-cache = \"direct\": a file cannot be opened or read past the page cache; such files are read as with \"drop\""
        );
    }
}

/// Memory for a read of the blocks around `len` bytes from `offset`, or of the first of them, and where that begins.
pub(super) fn stage(
    arena: &Arena,
    direct: &Direct,
    offset: u64,
    len: usize,
) -> (Box<Gather>, Staged, u64) {
    let block = direct.block;
    // Less than a block, which is a usize.
    let head = (offset % block as u64) as usize;
    let span = (head + len).next_multiple_of(block);
    let lease = lease(arena, span, block);
    // The arena is aligned to pages, the heap to nothing.
    let start = lease.as_ptr().align_offset(block);
    let room = (lease.len() - start) / block * block;
    let staged = Staged {
        room: start..start + span.min(room),
        head,
        len,
    };
    let mut gather = Gather::new();
    gather.set_buffer(lease);
    (gather, staged, offset - head as u64)
}

/// A slot of the arena that holds `span` bytes, or a smaller one. When there is none that holds a block, the heap has
/// to do: whoever waits for this read has a slot already, and must not wait for another that has one.
fn lease(arena: &Arena, span: usize, block: usize) -> Lease {
    let least = MIN_LEASE.max(2 * block);
    let mut bytes = span.max(least);
    loop {
        if let Some(lease) = arena.lease(bytes) {
            return lease;
        }
        if bytes / 4 < least {
            return Lease::on_heap(least + block);
        }
        bytes /= 4;
    }
}

/// Has pages dropped of a slot that was sent.
pub(super) fn drop_sent(plan: &Plan<FileRef>, ring: &mut Ring) {
    let mut drop = |file: &FileRef, range| {
        if let Some(range) = range {
            ring.drop_pages(Rc::clone(&file.0.descriptor), range);
        }
    };
    for hole in &plan.holes {
        let end = hole.offset + hole.len as u64;
        drop(&hole.file, hole.file.0.reading.sent(hole.offset..end));
    }
    // The end of an answer: of that file there may come no more for long.
    if !plan.ended.is_empty() {
        for hole in &plan.holes {
            drop(&hole.file, hole.file.0.reading.rest());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs::File;

    use super::*;

    /// What a read of `file_len` bytes' file leaves in the room, placed into holes of `hole` bytes: the bytes placed.
    fn staged_bytes(arena: &Arena, offset: u64, len: usize, file: &[u8], hole: usize) -> Vec<u8> {
        let descriptor = Rc::new(File::open("/dev/null").unwrap().into());
        let block = 512;
        let direct = Direct { descriptor, block };
        let (mut gather, staged, from) = stage(arena, &direct, offset, len);
        assert_eq!(from % block as u64, 0);
        assert_eq!(staged.room.len() % block, 0);
        let buffer = gather.buffer_mut().unwrap();
        assert_eq!(buffer[staged.room.start..].as_ptr().align_offset(block), 0);
        let left = file.get(from as usize..).unwrap_or_default();
        let read = left.len().min(staged.room.len());
        buffer[staged.room.start..][..read].copy_from_slice(&left[..read]);
        // Holes with a byte of something else before each.
        let segments: Vec<_> = (0..len)
            .step_by(hole)
            .enumerate()
            .map(|(n, at)| n + 1 + at..n + 1 + (at + hole).min(len))
            .collect();
        let mut slot = vec![0xee; len + segments.len()];
        let placed = staged.place(gather.buffer().unwrap(), read, &mut slot, &segments);
        let bytes = segments.iter().flat_map(|range| &slot[range.clone()]);
        bytes.copied().take(placed).collect()
    }

    #[test]
    fn what_was_asked_for_is_cut_out_of_its_blocks() {
        let file: Vec<u8> = (0..5_000u32).map(|i| (i * 7 / 5) as u8).collect();
        let arena = Arena::new(1).unwrap();
        for offset in [0, 1, 511, 512, 513, 1_000, 4_999] {
            for len in [1, 511, 512, 513, 2_000] {
                for hole in [1, 100, 512, 5_000] {
                    let end = (offset + len).min(file.len());
                    let got = staged_bytes(&arena, offset as u64, len, &file, hole);
                    assert_eq!(got, file[offset..end], "{offset} {len} {hole}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_ends_before_what_was_asked_for_supplies_nothing() {
        let arena = Arena::new(1).unwrap();
        // In the block before, within the same block, and at the very byte.
        for file_len in [0, 400, 1_023, 1_024, 1_100] {
            let file = vec![1; file_len];
            assert!(staged_bytes(&arena, 1_100, 50, &file, 10).is_empty());
        }
    }

    #[test]
    fn without_a_free_slot_the_heap_supplies_aligned_room() {
        let arena = Arena::new(1).unwrap();
        let _all = arena.lease(1 << 20).unwrap();
        let file = vec![3; 100_000];
        let got = staged_bytes(&arena, 700, 90_000, &file, 1_000);
        // The beginning; the next read goes on behind it.
        assert!(got.len() > 10_000 && got.iter().all(|&byte| byte == 3));
    }
}
