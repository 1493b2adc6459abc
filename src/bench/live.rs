//! How a run goes, for whoever started it: a bar in a terminal, else a line now and then. Always on stderr.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::latency::histogram;
use super::progress::{Counts, Phase, Progress};
use super::units;

/// Time that one figure stands for: shorter is too restless to be read.
const SHOWN_OVER: Duration = Duration::from_millis(900);
/// The least time between two lines, and how much of the run has to be done between them.
const LINE_EVERY: Duration = Duration::from_secs(1);
const LINES_A_RUN: f64 = 20.0;
/// Positions of the bar.
const BAR_LENGTH: u64 = 1_000;

/// Shows how a run goes.
pub(super) struct Live {
    screen: Screen,
    /// In front of everything: which of several runs it is.
    title: String,
    /// What came since figures were last made.
    counts: Counts,
    latency: Histogram<u64>,
    over: Duration,
    /// The figures that are shown.
    shown: String,
    lines: Lines,
}

enum Screen {
    Bar(ProgressBar),
    Lines,
}

/// When the next line is due.
#[derive(Default)]
struct Lines {
    since: Duration,
    done: f64,
    phase: Option<Phase>,
    /// Whether a line of the phase had figures.
    figures: bool,
}

impl Live {
    /// For one run; `title` stands in front, and may be empty.
    pub(super) fn new(title: &str) -> Self {
        let screen = match io::stderr().is_terminal() {
            false => Screen::Lines,
            true => {
                let bar = ProgressBar::with_draw_target(
                    Some(BAR_LENGTH),
                    ProgressDrawTarget::stderr_with_hz(10),
                );
                if let Ok(style) = ProgressStyle::with_template("{prefix}[{bar:12}] {wide_msg}") {
                    bar.set_style(style.progress_chars("=> "));
                }
                Screen::Bar(bar)
            }
        };
        let title = match title {
            "" => String::new(),
            title => format!("{title}: "),
        };
        if let Screen::Bar(bar) = &screen {
            bar.set_prefix(title.clone());
        }
        Self {
            screen,
            title,
            counts: Counts::default(),
            latency: histogram(),
            over: Duration::ZERO,
            shown: String::new(),
            lines: Lines::default(),
        }
    }

    /// Takes how it goes now.
    pub(super) fn show(&mut self, progress: &Progress<'_>) {
        let add = |sum: &mut u64, part: u64| *sum += part;
        add(&mut self.counts.succeeded, progress.since_last.succeeded);
        add(&mut self.counts.failed, progress.since_last.failed);
        add(&mut self.counts.body_bytes, progress.since_last.body_bytes);
        self.over += progress.interval;
        // It grows as needed.
        let _ = self.latency.add(progress.latency);
        let first = self.shown.is_empty() && !self.latency.is_empty();
        if self.over >= SHOWN_OVER || first {
            self.shown = figures(&self.counts, self.over, &self.latency);
            self.counts = Counts::default();
            self.over = Duration::ZERO;
            self.latency.reset();
        }
        let state = state(progress);
        match &self.screen {
            Screen::Bar(bar) => {
                let done = progress.done.unwrap_or(0.0);
                bar.set_position((done * BAR_LENGTH as f64) as u64);
                bar.set_message(format!("{state}  {}", self.shown));
            }
            Screen::Lines => {
                if self.lines.is_due(progress, !self.shown.is_empty()) {
                    // That nobody reads it is no reason to fail.
                    let _ = writeln!(io::stderr(), "{}{state}  {}", self.title, self.shown);
                }
            }
        }
    }
}

impl Drop for Live {
    /// The bar makes room for what is printed next.
    fn drop(&mut self) {
        if let Screen::Bar(bar) = &self.screen {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    /// Whether there is something to say: a phase has begun, there are first figures of it, or enough was done since the
    /// last line.
    fn is_due(&mut self, progress: &Progress<'_>, figures: bool) -> bool {
        let begun = self.phase != Some(progress.phase);
        self.since += progress.interval;
        let done = progress.done.unwrap_or(1.0);
        // A connection that does not come about is told every second.
        let first = figures && !self.figures;
        let enough = progress.done.is_none() || first || done - self.done >= 1.0 / LINES_A_RUN;
        let due = begun || (self.since >= LINE_EVERY && enough && done < 1.0);
        if due {
            self.since = Duration::ZERO;
            self.done = done;
            self.phase = Some(progress.phase);
            self.figures = figures && !begun;
        }
        due
    }
}

/// Where the run is.
fn state(progress: &Progress<'_>) -> String {
    let time = format!("{:.0}s", progress.elapsed.as_secs_f64());
    let place = match progress.phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Warmup => format!("warm-up {time}"),
        Phase::Measuring { steps: 1, .. } => time,
        Phase::Measuring { step, steps } => format!("step {}/{steps} {time}", step + 1),
    };
    let done = match progress.done {
        Some(done) => format!(" {:.0}%", done * 100.0),
        None => String::new(),
    };
    let waiting = match progress.waiting {
        0 => String::new(),
        waiting => format!("  {waiting} waiting"),
    };
    format!("{place}{done}  {} conn{waiting}", progress.connections)
}

/// Rates and current percentiles.
fn figures(counts: &Counts, over: Duration, latency: &Histogram<u64>) -> String {
    let seconds = over.as_secs_f64().max(1e-9);
    let mut text = format!(
        "{} req/s  {}",
        units::count(counts.succeeded as f64 / seconds),
        units::bytes_per_s(counts.body_bytes as f64 / seconds)
    );
    if counts.failed > 0 {
        text += &format!("  {} FAILED", counts.failed);
    }
    if !latency.is_empty() {
        let at = |percent| units::time(latency.value_at_percentile(percent));
        text += &format!("  p50 {}  p99 {}", at(50.0), at(99.0));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn progress(phase: Phase, done: Option<f64>, latency: &Histogram<u64>) -> Progress<'_> {
        Progress {
            phase,
            elapsed: Duration::from_secs(3),
            done,
            connections: 7,
            in_flight: 0,
            waiting: 0,
            since_start: Counts::default(),
            since_last: Counts::default(),
            interval: Duration::from_millis(200),
            latency,
        }
    }

    #[test]
    fn lines_come_with_phases_and_then_now_and_then() {
        let latency = histogram();
        let mut lines = Lines::default();
        let measuring = Phase::Measuring { step: 0, steps: 1 };
        let mut is_due = |phase, done| lines.is_due(&progress(phase, done, &latency), true);
        assert!(is_due(Phase::Connecting, None));
        assert!(!is_due(Phase::Connecting, None));
        assert!(is_due(measuring, Some(0.0)));
        // Ten minutes, five times a second.
        let due = (1..3_000).filter(|&i| {
            let done = f64::from(i) / 3_000.0;
            is_due(measuring, Some(done))
        });
        let due = due.count();
        assert!((16..=21).contains(&due), "{due}");
    }

    #[test]
    fn what_is_said() {
        let mut latency = histogram();
        let warmup = progress(Phase::Warmup, Some(0.25), &latency);
        assert_eq!(state(&warmup), "warm-up 3s 25%  7 conn");
        let ramp = progress(Phase::Measuring { step: 1, steps: 3 }, Some(0.5), &latency);
        assert_eq!(state(&ramp), "step 2/3 3s 50%  7 conn");
        let counts = Counts {
            succeeded: 30_000,
            failed: 2,
            body_bytes: 3_000_000_000,
            received_bytes: 0,
        };
        for ms in 1..=100u64 {
            latency.record(ms * 1_000_000).unwrap();
        }
        let said = figures(&counts, Duration::from_secs(2), &latency);
        assert_eq!(
            said,
            "15.0k req/s  1.50 GB/s  2 FAILED  p50 50.0ms  p99 99.0ms"
        );
    }
}
