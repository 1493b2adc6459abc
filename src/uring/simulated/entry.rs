//! Entries of the submission queue as the kernel sees them.

use io_uring::squeue;

/// `struct io_uring_sqe` (linux/io_uring.h), its unions by what is used of them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Sqe {
    pub(super) opcode: u8,
    flags: u8,
    pub(super) ioprio: u16,
    pub(super) fd: i32,
    /// An offset, or a second address.
    pub(super) off: u64,
    pub(super) addr: u64,
    pub(super) len: u32,
    /// Flags of the operation.
    pub(super) op_flags: u32,
    pub(super) user_data: u64,
    buf_group: u16,
    personality: u16,
    file_index: u32,
    rest: [u64; 2],
}

const _: () = assert!(size_of::<Sqe>() == size_of::<squeue::Entry>());

impl Sqe {
    pub(super) fn of(entry: &squeue::Entry) -> Self {
        // SAFETY: an entry is the kernel's structure, which this is too, and has the same size; all of it is integers, of
        // which the crate has set every byte.
        unsafe { std::ptr::from_ref(entry).cast::<Self>().read_unaligned() }
    }

    /// Whether its descriptor is open, or there is none.
    pub(super) fn names_no_closed_descriptor(&self) -> bool {
        // SAFETY: only asked about, and answered with `EBADF` when it is closed.
        self.fd < 0 || unsafe { libc::fcntl(self.fd, libc::F_GETFD) } >= 0
    }
}
