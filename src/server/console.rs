//! Standard output and standard error of a server: who does not read them does not hold it up.

use std::io::{self, StderrLock, StdoutLock, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What a pipe that has room takes at once (`PIPE_BUF`, pipe(7)).
const AT_ONCE: usize = 4_096;

/// A stream to which is written what it takes at once. The rest is lost, and the next that is taken says so.
#[derive(Debug)]
pub struct Console<L> {
    stream: L,
    /// Writes of which something was lost since one was taken.
    lost: &'static AtomicU64,
}

/// Standard error, for the log.
#[must_use]
pub fn error() -> Console<StderrLock<'static>> {
    static LOST: AtomicU64 = AtomicU64::new(0);
    Console {
        stream: io::stderr().lock(),
        lost: &LOST,
    }
}

/// Standard output.
#[must_use]
pub fn output() -> Console<StdoutLock<'static>> {
    static LOST: AtomicU64 = AtomicU64::new(0);
    Console {
        stream: io::stdout().lock(),
        lost: &LOST,
    }
}

impl<L: AsFd> Write for Console<L> {
    /// # Errors
    /// `EAGAIN` when nobody takes it; those of write(2).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stream = self.stream.as_fd();
        if !has_room(stream) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(Errno::AGAIN.into());
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let told = format!("(here {lost} messages were lost, as nobody took them)\n");
            rustix::io::write(stream, told.as_bytes())?;
            return self.write(bytes);
        }
        let bytes = &bytes[..bytes.len().min(AT_ONCE)];
        Ok(rustix::io::write(stream, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether something can be written without waiting, or to no avail.
fn has_room(stream: BorrowedFd<'_>) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        let mut asked = [PollFd::from_borrowed_fd(stream, PollFlags::OUT)];
        match poll(&mut asked, Some(&now)) {
            Err(Errno::INTR) => {}
            Err(_) => return true,
            Ok(_) => return !asked[0].revents().is_empty(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    static LOST: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn a_pipe_that_nobody_reads_loses_what_it_does_not_take() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        // The writing end waits, as the reader's NONBLOCK is not the process's choice.
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
        let mut console: Console<OwnedFd> = Console {
            stream: writer,
            lost: &LOST,
        };
        let line = [b'l'; 5_000];
        let mut taken = 0;
        while console.write_all(&line).is_ok() {
            taken += 1;
        }
        assert!(taken > 0);
        console.write_all(b"lost\n").unwrap_err();
        let mut read = Vec::new();
        let drain = |read: &mut Vec<u8>| {
            let mut bytes = [0; 4_096];
            while let Ok(n) = rustix::io::read(&reader, &mut bytes) {
                read.extend_from_slice(&bytes[..n]);
            }
        };
        drain(&mut read);
        assert!(read.len() >= taken * line.len() && read.iter().all(|&byte| byte == b'l'));
        console.write_all(b"taken\n").unwrap();
        read.clear();
        drain(&mut read);
        assert_eq!(
            String::from_utf8(read).unwrap(),
            "(here 2 messages were lost, as nobody took them)\ntaken\n"
        );
        drop(reader);
        console.write_all(b"to nobody\n").unwrap_err();
    }
}
