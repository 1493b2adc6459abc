//! The memory that operations point to. Everything here is given entries that a ring has submitted and that are not
//! completed yet, so that by the contract of the ring what they point to is valid.

use std::slice;

/// What memory holds that the kernel may write to.
const POISON: u8 = 0xa5;
/// Distance of the bytes that [`Segment::sample`] looks at.
const SAMPLE: usize = 61;

/// A stretch of memory of an operation in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) addr: usize,
    pub(super) len: usize,
}

impl Segment {
    pub(super) fn end(self) -> usize {
        self.addr + self.len
    }

    /// Its first `most` bytes.
    pub(super) fn first(self, most: usize) -> Self {
        Self {
            len: self.len.min(most),
            ..self
        }
    }

    /// # Safety
    /// The stretch is of an operation in flight, and readable.
    pub(super) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: by the contract of the ring what operations in flight point to is valid, and nobody else uses it.
        unsafe { slice::from_raw_parts(self.addr as *const u8, self.len) }
    }

    /// # Safety
    /// The stretch is of an operation in flight that has the kernel write there.
    pub(super) unsafe fn bytes_mut<'a>(self) -> &'a mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.addr as *mut u8, self.len) }
    }

    /// A number that tells whether the bytes were changed, mostly.
    ///
    /// # Safety
    /// As for [`Segment::bytes`].
    pub(super) unsafe fn sample(self) -> u64 {
        // SAFETY: promised by the caller.
        let bytes = unsafe { self.bytes() };
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let ends = bytes.iter().take(16).chain(bytes.iter().rev().take(16));
        bytes.iter().step_by(SAMPLE).chain(ends).fold(0, mix)
    }

    /// Overwrites it with what nobody reads.
    ///
    /// # Safety
    /// As for [`Segment::bytes_mut`].
    pub(super) unsafe fn poison(self) {
        // SAFETY: promised by the caller.
        unsafe { self.bytes_mut() }.fill(POISON);
    }

    /// Whether nobody has written to it since it was overwritten.
    ///
    /// # Safety
    /// As for [`Segment::bytes`].
    pub(super) unsafe fn is_poisoned(self) -> bool {
        // SAFETY: promised by the caller.
        let bytes = unsafe { self.bytes() };
        let whole = bytes.iter().step_by(SAMPLE).chain(bytes.last());
        whole.into_iter().all(|byte| *byte == POISON)
    }
}

/// The segments of an array of `iovec` (readv(2)).
///
/// # Safety
/// `addr` points to `count` of them, of an operation in flight.
pub(super) unsafe fn segments(addr: u64, count: usize) -> Vec<Segment> {
    // SAFETY: promised by the caller.
    let iovecs = unsafe { slice::from_raw_parts(addr as *const libc::iovec, count) };
    let segment = |iovec: &libc::iovec| Segment {
        addr: iovec.iov_base as usize,
        len: iovec.iov_len,
    };
    iovecs.iter().map(segment).collect()
}

/// The segments of a `msghdr` (sendmsg(2)), and the byte that its control message carries, if it has one.
///
/// # Safety
/// `addr` points to one, of an operation in flight.
pub(super) unsafe fn message(addr: u64) -> (Vec<Segment>, Option<u8>) {
    // SAFETY: promised by the caller.
    let header = unsafe { &*(addr as *const libc::msghdr) };
    // SAFETY: what it points to is as valid as it is.
    let segments = unsafe { segments(header.msg_iov as u64, header.msg_iovlen) };
    // SAFETY: as above.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() };
    let carried = control.map(|control| {
        assert_eq!(control.cmsg_level, libc::SOL_TLS);
        // SAFETY: a control message of that level carries a byte.
        unsafe { *libc::CMSG_DATA(control) }
    });
    (segments, carried)
}

/// The path of an operation in flight.
///
/// # Safety
/// `addr` points to a string that ends with a NUL, of an operation in flight.
pub(super) unsafe fn path(addr: u64) -> Vec<u8> {
    // SAFETY: promised by the caller.
    unsafe { std::ffi::CStr::from_ptr(addr as *const libc::c_char) }
        .to_bytes()
        .to_vec()
}
