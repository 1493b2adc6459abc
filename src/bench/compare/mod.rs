//! Several servers measured in turn, A B A B, and what the rounds say about them: see [`statistics`].

pub mod kept;
pub mod statistics;
mod text;

use serde::{Deserialize, Serialize};

use super::figures::{Better, FIGURES, Figure};
use super::result::{RESULT_VERSION, RunResult};
use statistics::{
    CONFIDENCE, ERROR, Estimate, LEAST_DIFFERENCE, estimate, least_rounds, probabilities,
};
pub use text::text;
pub(super) use text::{known, ratio, spread, verdict};

/// Where the random numbers of the statistics begin: the same runs give the same answer.
pub const SEED: u64 = 1;
/// The greatest ratio of a round, and the inverse of the least: that of nothing to something is 0, which has no logarithm.
const GREATEST_RATIO: f64 = 1e6;

/// A whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`RESULT_VERSION`].
    pub version: u32,
    /// Version of the program that made it.
    pub ringlane: String,
    /// When the first load began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// Rounds that every target has had.
    pub rounds: usize,
    /// Where the random numbers of the bootstrap began.
    pub seed: u64,
    /// How sure the intervals are, 0 to 1.
    pub confidence: f64,
    /// How often a difference is found in any of the figures of two targets that are alike, 0 to 1.
    pub error_probability: f64,
    /// Rounds from which on a difference can be found.
    pub least_rounds: usize,
    /// The figures that every run of every target has, but for those that are nothing in all of them; the share that
    /// succeeded is there if anything failed.
    pub figures: Vec<ComparedFigure>,
    /// The targets with all their runs, the first being what the others are compared with.
    pub targets: Vec<ComparedTarget>,
}

/// A target of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedTarget {
    /// The name that it was given.
    pub name: String,
    /// Its runs, by round.
    pub runs: Vec<RunResult>,
}

/// A figure of all targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    /// Its name, which ends in its unit.
    pub figure: String,
    /// The unit of its values.
    pub unit: String,
    /// Which way is good: `higher` or `lower`.
    pub better: String,
    /// Its values, by target.
    pub targets: Vec<FigureOf>,
}

/// A figure of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureOf {
    /// The target's name.
    pub name: String,
    /// The values, by round.
    pub values: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
    /// How it compares with the first target; not there for that one.
    pub against_first: Option<Against>,
}

/// A figure against that of the first target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The geometric mean of the rounds' ratios, target / first, each from 1e-6 to 1e6: so they are where one has nothing.
    pub ratio: f64,
    /// The lower and upper end of the interval; none of a single round.
    pub interval: Option<(f64, f64)>,
    /// How often chance alone makes one of the figures deviate like this, 0 to 1.
    pub probability: f64,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better than the first.
    Better,
    /// Worse than the first.
    Worse,
    /// None that could be told from chance.
    NoDifference,
    /// With so few rounds none could be, however large.
    TooFewRounds,
}

impl Comparison {
    /// What follows from the runs: for each target its name and its runs, by round. Rounds that not all targets have
    /// are left out. `None` when there is no round.
    #[must_use]
    pub fn new(mut targets: Vec<(String, Vec<RunResult>)>) -> Option<Self> {
        let rounds = targets.iter().map(|(_, runs)| runs.len()).min()?;
        for (_, runs) in &mut targets {
            runs.truncate(rounds);
        }
        let started_unix_ms = targets.first()?.1.first()?.started_unix_ms;
        let least_rounds = least_rounds(targets.len() - 1);
        let mut figures: Vec<ComparedFigure> = FIGURES
            .iter()
            .filter_map(|figure| values(figure, &targets))
            .collect();
        for target in 1..targets.len() {
            judge(
                &mut figures,
                target,
                targets.len() - 1,
                rounds >= least_rounds,
            );
        }
        let target = |(name, runs)| ComparedTarget { name, runs };
        Some(Self {
            version: RESULT_VERSION,
            ringlane: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_ms,
            rounds,
            seed: SEED,
            confidence: CONFIDENCE,
            error_probability: ERROR,
            least_rounds,
            figures,
            targets: targets.into_iter().map(target).collect(),
        })
    }

    /// Whether a difference was found anywhere.
    #[must_use]
    pub fn finds_a_difference(&self) -> bool {
        let all = self.figures.iter().flat_map(|figure| &figure.targets);
        all.filter_map(|of| of.against_first)
            .any(|against| matches!(against.verdict, Verdict::Better | Verdict::Worse))
    }
}

/// A figure of all targets, when all runs have it and it says something of one of them.
fn values(figure: &Figure, targets: &[(String, Vec<RunResult>)]) -> Option<ComparedFigure> {
    let of = |(name, runs): &(String, Vec<RunResult>)| {
        let values: Vec<f64> = runs
            .iter()
            .map(|run| figure.of(run))
            .collect::<Option<_>>()?;
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(FigureOf {
            name: name.clone(),
            median: median(&sorted)?,
            lowest: *sorted.first()?,
            highest: *sorted.last()?,
            values,
            against_first: None,
        })
    };
    let targets: Vec<FigureOf> = targets.iter().map(of).collect::<Option<_>>()?;
    let mut all = targets.iter().flat_map(|of| of.values.iter().copied());
    (!figure.is_idle(&mut all)).then(|| ComparedFigure {
        figure: figure.name.to_owned(),
        unit: figure.unit.name().to_owned(),
        better: figure.better.name().to_owned(),
        targets,
    })
}

/// The logarithm of a round's ratio, which is finite: nothing against nothing is the same.
fn log_ratio(first: f64, other: f64) -> f64 {
    if first == other {
        return 0.0;
    }
    let greatest = GREATEST_RATIO.ln();
    (other / first).ln().clamp(-greatest, greatest)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// Compares one target's figures with those of the first, as one of so many comparisons.
fn judge(figures: &mut [ComparedFigure], target: usize, comparisons: usize, enough: bool) {
    let logs: Vec<Vec<f64>> = figures
        .iter()
        .map(|figure| {
            let (first, other) = (&figure.targets[0].values, &figure.targets[target].values);
            let rounds = first.iter().zip(other);
            rounds
                .map(|(first, other)| log_ratio(*first, *other))
                .collect()
        })
        .collect();
    let probabilities = probabilities(&logs, SEED);
    for ((figure, logs), probability) in figures.iter_mut().zip(&logs).zip(probabilities) {
        let estimate = estimate(logs, SEED);
        // Of several comparisons each gets its share of what may go wrong.
        let probability = (probability * comparisons as f64).min(1.0);
        let higher_is_better = figure.better == Better::Higher.name();
        figure.targets[target].against_first = Some(Against {
            ratio: estimate.ratio,
            // Widened for few rounds it goes far beyond what a ratio can be.
            interval: estimate
                .interval
                .map(|(low, high)| (low.max(1.0 / GREATEST_RATIO), high.min(GREATEST_RATIO))),
            probability,
            verdict: match enough {
                true => conclude(&estimate, probability, higher_is_better),
                false => Verdict::TooFewRounds,
            },
        });
    }
}

fn conclude(estimate: &Estimate, probability: f64, higher_is_better: bool) -> Verdict {
    let ratio = estimate.ratio;
    let small = ratio < 1.0 + LEAST_DIFFERENCE && ratio > 1.0 - LEAST_DIFFERENCE;
    let holds_one = estimate
        .interval
        .is_none_or(|(low, high)| low <= 1.0 && high >= 1.0);
    if small || holds_one || probability > ERROR {
        Verdict::NoDifference
    } else if (ratio > 1.0) == higher_is_better {
        Verdict::Better
    } else {
        Verdict::Worse
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
