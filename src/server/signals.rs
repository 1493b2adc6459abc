//! SIGTERM, SIGINT and SIGHUP as messages.

use std::io;

use nix::sys::signal::{SigSet, Signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP.
    Reload,
}

/// The signals that are blocked in every thread and read by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signals(SigSet);

impl Signals {
    /// Blocks them in the calling thread and in all that it starts afterwards, so call it before the first.
    ///
    /// # Errors
    /// None that the man page knows of (`pthread_sigmask(3)`).
    pub(super) fn block() -> io::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.add(Signal::SIGHUP);
        set.thread_block()?;
        Ok(Self(set))
    }

    /// Starts the thread that waits for them and hands each to `tell`, until that says false.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub(super) fn forward(self, tell: impl Fn(Request) -> bool + Send + 'static) -> io::Result<()> {
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                loop {
                    let request = match self.0.wait() {
                        Ok(Signal::SIGHUP) => Request::Reload,
                        Ok(_) => Request::End,
                        // sigwait(3) is not interrupted; there is nothing else to go on with.
                        Err(_) => continue,
                    };
                    if !tell(request) {
                        return;
                    }
                }
            })
            .map(drop)
    }
}
