//! The command: from arguments to a summary.

use std::io::{self, Write};

use nix::sys::signal::{SigSet, Signal};

use super::report::{OutputError, Outputs};
use super::result::{Outcome, RunResult};
use super::run::{RunError, Stop, run};
use super::{Args, Options, OptionsError, summary};

/// The exit code of a process that was interrupted twice, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments cannot be used.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// There was no run.
    #[error("{0}")]
    Run(#[from] RunError),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// A result could not be written.
    #[error("{0}")]
    Output(#[from] OutputError),
}

/// Makes the run that was asked for and prints its summary: whether requests were answered as they should be.
///
/// To be called on the main thread before there is any other, since signals are blocked for all that follow.
///
/// # Errors
/// See [`CommandError`].
pub fn command(args: &Args) -> Result<bool, CommandError> {
    let options = Options::new(args)?;
    let outputs = Outputs::open(&args.output)?;
    let stop = Stop::default();
    stop_on_signals(stop.clone()).map_err(CommandError::Signals)?;
    let result = run(&options, &stop, &mut |_| {})?;
    let text = summary::text(&result);
    // That nobody reads it is no reason to fail.
    let _ = match outputs.use_stdout() {
        true => io::stderr().write_all(text.as_bytes()),
        false => io::stdout().write_all(text.as_bytes()),
    };
    outputs.write(&result)?;
    Ok(is_good(&result))
}

/// Whether something was answered, everything was what it should be, and the server is still there.
fn is_good(result: &RunResult) -> bool {
    result.outcome != Outcome::ServerGone
        && result.total.requests.succeeded > 0
        && result.mismatches.is_empty()
}

/// SIGINT and SIGTERM end the run, which shows what there is; a second one ends the process.
fn stop_on_signals(stop: Stop) -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut again = false;
            loop {
                // sigwait(3) is not interrupted.
                if signals.wait().is_err() {
                    continue;
                }
                if again {
                    std::process::exit(EXIT_INTERRUPTED);
                }
                again = true;
                stop.stop();
            }
        })
        .map(drop)
}
