//! Tests on a real ring.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod files;
mod queues;
mod sockets;

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use super::*;

const OWNER: Owner = Owner {
    slot: 3,
    generation: 9,
};

const OPTIONS: RingOptions = RingOptions {
    entries: 64,
    completions: 256,
    recv_buffers: 16,
    recv_buffer_bytes: 4_096,
    arena_bytes: 4 << 20,
};

/// Has openat2(2) refused to this thread and to those that it starts, as systemd does it.
pub(crate) fn refuse_openat2() {
    let step = |code: u32, jf, k| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    };
    let refusal = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let mut steps = [
        // The number of the call.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            1,
            libc::SYS_openat2 as u32,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, refusal),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program, of which both parts are there.
    let refuses = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    };
    assert!(refuses);
}

fn ring() -> Ring {
    Ring::new(&OPTIONS).unwrap()
}

/// The next completion, which has to come.
fn next(ring: &mut Ring) -> Completion {
    for _ in 0..200 {
        if let Some(completion) = ring.next() {
            return completion;
        }
        ring.wait(Duration::from_millis(50));
    }
    panic!("no completion came");
}

/// The next event, which has to be for [`OWNER`].
fn event(ring: &mut Ring) -> Event {
    let completion = next(ring);
    assert_eq!(completion.owner, OWNER);
    completion.event
}

/// A gather with a buffer of at least `bytes`.
fn gather(ring: &Ring, bytes: usize) -> Box<Gather> {
    let mut gather = Gather::new();
    gather.set_buffer(ring.arena().lease(bytes).unwrap());
    gather
}

/// A file without a name that holds `content`, open for reading and writing.
fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

fn shared(file: &File) -> Rc<OwnedFd> {
    Rc::new(file.try_clone().unwrap().into())
}

/// Bytes without a period that a mistake in an offset could hide in.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Whether this is a process made to run the test `name` alone, as one that changes what is the whole process's has to
/// be. When not, runs it so, and fails when it fails there.
pub(crate) fn in_a_process_of_its_own(name: &str) -> bool {
    const CHILD: &str = "RINGLANE_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
    false
}
