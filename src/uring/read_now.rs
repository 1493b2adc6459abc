//! Reads that never wait for a device (`RWF_NOWAIT`, preadv2(2)).

use std::io::IoSliceMut;
use std::mem;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, ReadWriteFlags};

/// Segments read by one call, from an array on the stack.
const SEGMENTS_PER_CALL: usize = 64;

/// Distance of the bytes that [`resident_now`] asks for: half of the kernel's usual read-ahead of 128 KiB.
const SAMPLE_BYTES: u64 = 64 << 10;

/// `RWF_DONTCACHE` (linux/fs.h, Linux 6.14): pages that the read brings in do not outlast it.
pub(super) const RWF_DONTCACHE: u32 = 0x80;

/// What becomes of the pages that a read brings into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// They stay as long as there is room.
    Keep,
    /// They go with the read (`RWF_DONTCACHE`); those that others brought in stay.
    DontCache,
}

/// Reads from `offset` of `file` into the `segments` of `buffer`, in order, as far as the file's pages are in memory.
///
/// `segments` are ascending and do not overlap. Returns the bytes read: fewer than the segments hold when the file
/// ends or when pages are missing after some were read.
///
/// # Errors
/// `EAGAIN` when the first page is not in memory or the file system cannot read without waiting, or not in that way;
/// else what preadv2(2) says.
///
/// # Panics
/// When the segments are not ascending, overlap, or do not lie in the buffer.
pub fn read_now(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    segments: &[Range<usize>],
    offset: u64,
    pages: Pages,
) -> Result<usize, Errno> {
    let flags = match pages {
        Pages::Keep => ReadWriteFlags::NOWAIT,
        Pages::DontCache => {
            ReadWriteFlags::NOWAIT | ReadWriteFlags::from_bits_retain(RWF_DONTCACHE)
        }
    };
    let mut rest = buffer;
    let mut at = 0;
    let mut done = 0;
    for some in segments.chunks(SEGMENTS_PER_CALL) {
        let mut parts: [IoSliceMut<'_>; SEGMENTS_PER_CALL] =
            std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let mut want = 0;
        for (part, segment) in parts.iter_mut().zip(some) {
            assert!(
                at <= segment.start
                    && segment.start <= segment.end
                    && segment.end - at <= rest.len(),
                "segments ascend within the buffer"
            );
            let (now, after) = mem::take(&mut rest).split_at_mut(segment.end - at);
            *part = IoSliceMut::new(&mut now[segment.start - at..]);
            want += segment.len();
            (rest, at) = (after, segment.end);
        }
        match rustix::io::preadv2(
            file,
            &mut parts[..some.len()],
            offset.saturating_add(done as u64),
            flags,
        ) {
            Ok(read) => {
                done += read;
                if read < want {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(Errno::OPNOTSUPP) => return Err(Errno::AGAIN),
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Whether `range` of `file` is probably in memory now: a byte in every 64 KiB, and the last one, can be read without
/// waiting. For files of which [`super::Mapping::resident`] cannot tell. `false` past the end of the file.
pub fn resident_now(file: BorrowedFd<'_>, range: Range<u64>) -> bool {
    let Some(last) = range.end.checked_sub(1) else {
        return true;
    };
    let mut at = range.start;
    while at < last {
        if !readable_now(file, at) {
            return false;
        }
        at = at.saturating_add(SAMPLE_BYTES);
    }
    range.is_empty() || readable_now(file, last)
}

fn readable_now(file: BorrowedFd<'_>, offset: u64) -> bool {
    let segment = 0..1;
    read_now(
        file,
        &mut [0],
        std::slice::from_ref(&segment),
        offset,
        Pages::Keep,
    ) == Ok(1)
}
