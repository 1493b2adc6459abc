//! The commands: from arguments to what is printed and kept.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::args::{Args, BenchCommand, CompareArgs};
use super::compare::{self, Comparison, kept};
use super::live::Live;
use super::options::{self, Options, OptionsError};
use super::report::{OutputError, Outputs, Report};
use super::result::{Outcome, RunResult};
use super::run::{RunError, Stop, run};
use super::summary;

/// The exit code of a process that was interrupted twice, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;
/// A signal so soon after the first is the same order once more: timeout(1) signals its child, then its whole group.
const SAME_ORDER: Duration = Duration::from_millis(500);

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
    /// Not one round was made.
    #[error("there is nothing to compare: no round was made to its end")]
    NoRound,
    /// A result could not be written.
    #[error("{0}")]
    Output(#[from] OutputError),
}

/// How a command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Requests were answered as they should be.
    Good,
    /// Not one was, a body was wrong, or the server went away.
    Bad,
    /// A figure is worse than the kept one by more than was allowed.
    Loss,
}

/// Does what was asked for, and prints what came of it.
///
/// To be called on the main thread before there is any other, since signals are blocked for all that follow.
///
/// # Errors
/// See [`CommandError`].
pub fn command(args: &Args) -> Result<Ending, CommandError> {
    match &args.command {
        None => single(args),
        Some(BenchCommand::Compare(args)) => compared(args),
    }
}

/// One run.
fn single(args: &Args) -> Result<Ending, CommandError> {
    let options = Options::new(args)?;
    let kept = args.vs.as_deref().map(kept::read).transpose()?;
    if let Some(kept) = &kept {
        kept::same_load(&kept.options, &options.setup())?;
    }
    let outputs = Outputs::open(&args.output)?;
    let stop = Stop::default();
    stop_on_signals(stop.clone()).map_err(CommandError::Signals)?;
    let result = watched(&options, &stop, "")?;
    let losses = kept.map(|kept| kept::losses(&kept, &result));
    let mut text = summary::text(&result);
    if let Some(losses) = &losses {
        text += &kept::text(losses, &args.max_loss);
    }
    let losses = losses.unwrap_or_default();
    let printed = outputs.print(&text);
    outputs.write(&Report::Run(&result, &losses)).and(printed)?;
    let too_much = losses.iter().any(|loss| loss.exceeds(&args.max_loss))
        || !kept::unknown(&losses, &args.max_loss).is_empty();
    Ok(match is_good(&result) {
        false => Ending::Bad,
        true if too_much => Ending::Loss,
        true => Ending::Good,
    })
}

/// Several targets in turn.
fn compared(args: &CompareArgs) -> Result<Ending, CommandError> {
    let (rounds, targets) = options::compared(args)?;
    let outputs = Outputs::open(&args.output)?;
    let stop = Stop::default();
    stop_on_signals(stop.clone()).map_err(CommandError::Signals)?;
    let mut runs: Vec<Vec<RunResult>> = vec![Vec::new(); targets.len()];
    let mut good = true;
    let mut printed = Ok(());
    'rounds: for round in 0..rounds {
        for (target, runs) in targets.iter().zip(&mut runs) {
            let title = format!("round {}/{rounds} {}", round + 1, target.name);
            let result = watched(&target.options, &stop, &title)?;
            if result.outcome == Outcome::Interrupted {
                break 'rounds;
            }
            if !is_good(&result) {
                // What went wrong is worth more than a comparison without it.
                let text = format!("{title}:\n{}\n", summary::text(&result));
                printed = printed.and(outputs.print(&text));
                good = false;
            }
            if result.total.requests.succeeded == 0 || result.outcome == Outcome::ServerGone {
                break 'rounds;
            }
            runs.push(result);
        }
    }
    let names = targets.into_iter().map(|target| target.name);
    let Some(comparison) = Comparison::new(names.zip(runs).collect()) else {
        return Err(CommandError::NoRound);
    };
    let printed = printed.and(outputs.print(&compare::text(&comparison)));
    let written = outputs.write(&Report::Comparison(&comparison));
    written.and(printed)?;
    Ok(if good { Ending::Good } else { Ending::Bad })
}

/// A run that is shown while it is on.
fn watched(options: &Options, stop: &Stop, title: &str) -> Result<RunResult, RunError> {
    let mut live = Live::new(title);
    run(options, stop, &mut |progress| live.show(progress))
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
            let mut first: Option<Instant> = None;
            loop {
                // sigwait(3) is not interrupted.
                if signals.wait().is_err() {
                    continue;
                }
                match first {
                    None => {
                        first = Some(Instant::now());
                        stop.stop();
                    }
                    Some(first) if first.elapsed() < SAME_ORDER => {}
                    Some(_) => std::process::exit(EXIT_INTERRUPTED),
                }
            }
        })
        .map(drop)
}
