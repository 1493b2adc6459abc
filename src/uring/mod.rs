//! The io_uring layer: one ring per thread, and the memory that the kernel works on.
//!
//! This is the only folder with `unsafe`, and its interface is safe: whatever the kernel may still read or write is
//! owned by the ring's table of operations in flight ([`Ring`]) until the last completion of the operation. A
//! completion names its owner by slot and generation ([`Owner`]), never by a pointer. The folder knows nothing of the
//! protocols that are spoken above it.
//!
//! - [`Ring`]: queues operations, submits, waits, and hands out [`Completion`]s.
//! - [`Arena`], [`Lease`]: registered memory, cut into slots of a few sizes.
//! - [`RecvBuffer`]: a provided buffer that the kernel received into; dropping it gives it back.
//! - [`Mapping`]: a file's pages for the kernel to send from, never read by this process.
//! - [`Gather`]: what one send carries: stretches of a lease, of mappings, and shared bytes.
//! - [`Slab`]: who asked for operations, by slot and generation.
//! - [`Opener`]: opens paths where a thread may wait.
//! - [`SetupError`]: why a ring cannot be had here, and what to do about it.
//!
//! In tests a ring may have a simulated kernel at its other end (`simulated`).
//!
//! Linux 6.1 or newer is needed (`IORING_SETUP_DEFER_TASKRUN`).

mod arena;
mod backend;
mod buf_ring;
mod calls;
mod gather;
pub mod inherit;
mod kernel_tls;
mod mapping;
mod op;
mod opener;
mod park;
mod probe;
mod queues;
mod read_now;
mod ring;
#[cfg(test)]
pub(crate) mod simulated;
mod slab;
mod socket;
#[cfg(test)]
pub(crate) mod tests;

pub use arena::{Arena, Lease};
pub use buf_ring::RecvBuffer;
pub use gather::{Front, Gather};
pub use kernel_tls::{TlsKey, TlsKeys};
pub use mapping::Mapping;
pub use op::{Completion, Event, Owner, UserData};
pub use opener::Opener;
pub use park::read_eventfd;
pub use probe::SetupError;
pub use queues::{Batch, RingCounters};
pub use read_now::{Pages, read_now, resident_now};
pub use ring::{Resolve, Ring, RingOptions};
pub use slab::Slab;

/// Most segments that the kernel takes in one vectored operation (`UIO_MAXIOV`, readv(2)).
const MAX_SEGMENTS: usize = 1_024;

/// The error number of the last failed system call.
fn last_errno() -> rustix::io::Errno {
    errno_of(&std::io::Error::last_os_error())
}

/// The error number in `error`; `EIO` when it carries none.
fn errno_of(error: &std::io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO)
}
