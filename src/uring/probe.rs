//! Why a ring cannot be had on this system, and what to do about it.

use io_uring::{IoUring, Probe, opcode};
use rustix::io::Errno;

/// Where the kernel says whether io_uring is allowed (Linux 6.6 and newer).
const DISABLED_SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";

/// The operations that a ring uses, by opcode.
const NEEDED: [(u8, &str); 11] = [
    (opcode::AcceptMulti::CODE, "ACCEPT"),
    (opcode::RecvMulti::CODE, "RECV"),
    (opcode::Send::CODE, "SEND"),
    (opcode::SendMsg::CODE, "SENDMSG"),
    (opcode::PollAdd::CODE, "POLL_ADD"),
    (opcode::Readv::CODE, "READV"),
    (opcode::OpenAt2::CODE, "OPENAT2"),
    (opcode::Madvise::CODE, "MADVISE"),
    (opcode::Read::CODE, "READ"),
    (opcode::AsyncCancel2::CODE, "ASYNC_CANCEL"),
    (opcode::Close::CODE, "CLOSE"),
];

/// Why a ring could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The system administrator has turned io_uring off.
    #[error(
        "io_uring is turned off on this system (kernel.io_uring_disabled is {setting}); \
         allow it with: sysctl kernel.io_uring_disabled=0"
    )]
    Disabled {
        /// What the sysctl says: 1 for those outside `kernel.io_uring_group`, 2 for everybody.
        setting: u8,
    },
    /// A system call filter is in the way, as in most containers, or the kernel has no io_uring at all.
    #[error(
        "io_uring is not allowed for this process ({0}), most likely by a seccomp filter: in a container, run it with \
         a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register; in a systemd unit, \
         have SystemCallFilter= include @aio"
    )]
    Filtered(Errno),
    /// The kernel lacks something that is needed.
    #[error("this kernel lacks {missing}: Linux 6.1 or newer is needed")]
    KernelTooOld {
        /// What is missing.
        missing: &'static str,
    },
    /// The limit of locked memory is too low.
    #[error(
        "not enough locked memory for io_uring ({0}): raise the limit, with LimitMEMLOCK=infinity in a systemd unit \
         or ulimit -l unlimited in a shell"
    )]
    LockedMemory(Errno),
    /// The process or the system is out of file descriptors.
    #[error(
        "no file descriptor is left for io_uring ({0}): raise the limit, with LimitNOFILE= in a systemd unit or \
         ulimit -n in a shell"
    )]
    Descriptors(Errno),
    /// Network cards cannot be polled.
    #[error(
        "busy-poll: this kernel cannot poll network cards for a ring ({0}): Linux 6.9 or newer is needed, built with \
         CONFIG_NET_RX_BUSY_POLL; else leave the setting out"
    )]
    BusyPoll(Errno),
    /// The options contradict what the kernel can do.
    #[error("the ring cannot be made as asked for: {0}")]
    Options(&'static str),
    /// Anything else.
    #[error("{doing} failed: {errno}")]
    Other {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
}

impl SetupError {
    /// The meaning of an error of io_uring_setup(2).
    pub(super) fn of_setup(errno: Errno) -> Self {
        Self::classify(errno, io_uring_disabled())
    }

    fn classify(errno: Errno, disabled: u8) -> Self {
        match errno {
            Errno::PERM | Errno::ACCESS if disabled > 0 => Self::Disabled { setting: disabled },
            Errno::PERM | Errno::ACCESS | Errno::NOSYS => Self::Filtered(errno),
            Errno::INVAL => Self::KernelTooOld {
                missing: "IORING_SETUP_SINGLE_ISSUER or IORING_SETUP_DEFER_TASKRUN",
            },
            _ => Self::of(errno, "io_uring_setup"),
        }
    }

    /// The meaning of an error of anything that comes after.
    pub(super) fn of(errno: Errno, doing: &'static str) -> Self {
        match errno {
            Errno::NOMEM => Self::LockedMemory(errno),
            Errno::MFILE | Errno::NFILE => Self::Descriptors(errno),
            _ => Self::Other { doing, errno },
        }
    }
}

/// Checks that the kernel has everything that a ring uses.
pub(super) fn check(io: &IoUring) -> Result<(), SetupError> {
    let params = io.params();
    if !params.is_feature_nodrop() || !params.is_feature_ext_arg() {
        return Err(SetupError::KernelTooOld {
            missing: "IORING_FEAT_NODROP or IORING_FEAT_EXT_ARG",
        });
    }
    let mut probe = Probe::new();
    io.submitter()
        .register_probe(&mut probe)
        .map_err(|error| SetupError::of(super::errno_of(&error), "probing io_uring operations"))?;
    match NEEDED.iter().find(|(code, _)| !probe.is_supported(*code)) {
        Some(&(_, missing)) => Err(SetupError::KernelTooOld { missing }),
        None => Ok(()),
    }
}

/// What the sysctl says; 0 where there is none.
fn io_uring_disabled() -> u8 {
    std::fs::read_to_string(DISABLED_SYSCTL)
        .ok()
        .and_then(|setting| setting.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_named_with_its_remedy() {
        let cases = [
            (Errno::PERM, 2, "sysctl kernel.io_uring_disabled=0"),
            (Errno::PERM, 0, "seccomp"),
            (Errno::NOSYS, 0, "@aio"),
            (Errno::INVAL, 0, "Linux 6.1"),
            (Errno::NOMEM, 0, "LimitMEMLOCK=infinity"),
            (Errno::MFILE, 0, "LimitNOFILE="),
            (Errno::IO, 0, "io_uring_setup failed"),
        ];
        for (errno, disabled, remedy) in cases {
            let message = SetupError::classify(errno, disabled).to_string();
            assert!(message.contains(remedy), "{errno:?}: {message}");
        }
    }
}
