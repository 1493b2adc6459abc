//! Why the server could not start or did not end well.

use std::time::Duration;

use super::cert::CertError;
use super::listen::ListenError;
use crate::uring::SetupError;

/// Why the server could not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A listening socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no certificate.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// Signals cannot be blocked.
    #[error("cannot block signals: {0}")]
    Signals(std::io::Error),
    /// A thread cannot be made.
    #[error(
        "cannot start a thread: {0}; is a limit on processes reached (`ulimit -u`, TasksMax=)?"
    )]
    Thread(std::io::Error),
    /// io_uring is refused.
    #[error(transparent)]
    Ring(#[from] SetupError),
    /// There are not as many descriptors as the shards take at their start.
    #[error(
        "{shards} shards need {needed} descriptors to start with: {error}; raise the limit on open files (`ulimit -n`, LimitNOFILE=)"
    )]
    Descriptors {
        /// How many shards.
        shards: usize,
        /// How many descriptors, beside those that are taken.
        needed: usize,
        /// What the system says.
        error: std::io::Error,
    },
    /// A shard's thread cannot be made.
    #[error(
        "cannot start a shard: {0}; is a limit too low on open files or processes (`ulimit -n`, `ulimit -u`)?"
    )]
    Start(std::io::Error),
    /// A shard said that it cannot start or go on.
    #[error("shard {shard} failed: {error}")]
    Shard {
        /// The shard's number.
        shard: usize,
        /// What it said.
        error: String,
    },
    /// A shard's thread ended and should not have.
    #[error("shard {shard} ended without being told to")]
    Ended {
        /// The shard's number.
        shard: usize,
    },
    /// Every shard's thread is gone, and none said why.
    #[error(
        "the shards ended without a reason: is the locked-memory limit too low (`ulimit -l`, LimitMEMLOCK=)?"
    )]
    Gone,
    /// Shards did not get ready.
    #[error("shard {shard} was not ready within {} seconds", .waited.as_secs())]
    NotReady {
        /// The shard's number.
        shard: usize,
        /// How long it had.
        waited: Duration,
    },
    /// Shards were told to end at once and did not.
    #[error("{count} shards did not end within {} seconds of being told to", .waited.as_secs())]
    Stuck {
        /// How many.
        count: usize,
        /// How long they had.
        waited: Duration,
    },
}
