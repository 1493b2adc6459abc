//! Whether one server differs from another, from rounds in which both were measured.
//!
//! What a machine is busy with besides changes from minute to minute, so that runs of one round are compared with each
//! other alone: the data are the logarithms of the ratios, one for each round.
//!
//! - The **interval** is that of a bootstrap by percentiles, widened for small samples. As it is, with ten rounds it holds
//!   the true ratio in less than nine cases of ten, where nineteen of twenty are promised; widened by the factor by which
//!   Student's interval is wider than the normal one with the population's spread, it holds it in 92 to 97 of 100,
//!   whether noise is normal, skewed, lumped or has outliers (three rounds to twenty, simulated). A studentized bootstrap
//!   is no help here: where values are nearly equal, as figures of three digits are, some resamples have no spread at all.
//! - The **verdict** rests on more, since a score of figures is looked at, and one of them is outside such an interval
//!   in most comparisons of a server with itself. When two servers are alike, their names can be exchanged in any round;
//!   that gives the distribution of the greatest deviation of all figures together, exactly, whatever the noise is like
//!   (Westfall and Young, "Resampling-Based Multiple Testing", 1993). A difference is one that chance
//!   yields in any figure at all in less than one comparison of a hundred.

use crate::bench::load::Random;

/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;
/// How often a difference may be found in any of the figures when there is none.
pub const ERROR: f64 = 0.01;
/// Ratios nearer to 1 than this are no difference, however sure they are: the turn in which servers are measured alone
/// can make as much.
pub const LEAST_DIFFERENCE: f64 = 0.01;
/// Resamples of a bootstrap.
const RESAMPLES: usize = 10_000;
/// Rounds up to which every exchange of names is tried; of more rounds so many are drawn.
const ALL_EXCHANGES: usize = 14;
const EXCHANGES: usize = 1 << ALL_EXCHANGES;
/// The quantile of the normal distribution for [`CONFIDENCE`].
const NORMAL: f64 = 1.959_964;
/// Those of Student's distribution with 1, 2, ... degrees of freedom.
const STUDENT: [f64; 29] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
    2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687,
    2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452,
];
/// Two results of the same sum in another order.
const ROUNDING: f64 = 1e-9;

/// The ratio of two servers in one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// The geometric mean of the rounds' ratios.
    pub(super) ratio: f64,
    /// The interval; `None` of a single round.
    pub(super) interval: Option<(f64, f64)>,
}

/// The ratio that these logarithms of ratios, one for each round, speak for.
pub(super) fn estimate(logs: &[f64], seed: u64) -> Estimate {
    let rounds = logs.len();
    let mean_of = |sum: f64| sum / rounds as f64;
    let mean = mean_of(logs.iter().sum());
    let interval = (rounds > 1).then(|| {
        let mut random = Random::new(seed);
        let mut resample = || {
            let draws = 0..rounds;
            let sum = draws
                .map(|_| logs[random.below(rounds as u64) as usize])
                .sum();
            mean_of(sum) - mean
        };
        let mut deviations: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
        deviations.sort_unstable_by(f64::total_cmp);
        let tail = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
        let end = |index: usize| (mean + deviations[index] * widening(rounds)).exp();
        (end(tail), end(RESAMPLES - 1 - tail))
    });
    Estimate {
        ratio: mean.exp(),
        interval,
    }
}

/// By how much an interval of so many rounds, at least two, is wider than that of a bootstrap.
fn widening(rounds: usize) -> f64 {
    let freedom = rounds - 1;
    // Beyond the table to four digits.
    let student = STUDENT.get(freedom - 1).copied();
    let student = student.unwrap_or(NORMAL + 2.5 / freedom as f64);
    (rounds as f64 / freedom as f64).sqrt() * student / NORMAL
}

/// For each figure the probability that chance alone yields a deviation like it, in whichever figure.
///
/// `figures` has for each figure the logarithms of the ratios, one for each round; all have the same rounds.
pub(super) fn probabilities(figures: &[Vec<f64>], seed: u64) -> Vec<f64> {
    let rounds = figures.iter().map(Vec::len).max().unwrap_or(0);
    let exact = rounds <= ALL_EXCHANGES;
    let exchanges = if exact { 1 << rounds } else { EXCHANGES };
    let mut random = Random::new(seed);
    let scaled: Vec<Vec<f64>> = figures.iter().map(|logs| scaled(logs)).collect();
    let observed: Vec<f64> = scaled
        .iter()
        .map(|logs| deviation(logs, &vec![false; rounds]))
        .collect();
    let mut as_great = vec![0u32; figures.len()];
    for exchange in 0..exchanges {
        let mut word = 0;
        // Of those that are drawn one is what was seen.
        let names: Vec<bool> = (0..rounds)
            .map(|round| {
                if exact {
                    return exchange >> round & 1 == 1;
                }
                if round % 64 == 0 {
                    word = if exchange == 0 { 0 } else { random.draw() };
                }
                word >> (round % 64) & 1 == 1
            })
            .collect();
        let greatest = scaled
            .iter()
            .map(|logs| deviation(logs, &names))
            .fold(0.0, f64::max);
        for (count, observed) in as_great.iter_mut().zip(&observed) {
            *count += u32::from(greatest >= observed - ROUNDING);
        }
    }
    let share = |count: u32| f64::from(count) / exchanges as f64;
    as_great.into_iter().map(share).collect()
}

/// The logarithms against their spread: of equal ones the sum is 1.
fn scaled(logs: &[f64]) -> Vec<f64> {
    let squares: f64 = logs.iter().map(|log| log * log).sum();
    let scale = (squares * logs.len() as f64).sqrt();
    let one = |log: &f64| if scale > 0.0 { log / scale } else { 0.0 };
    logs.iter().map(one).collect()
}

/// How far the mean is from 0 against the spread, 0 to 1: it grows with Student's t, and is easier to have. Rounds in
/// which names are `exchanged` count the other way.
fn deviation(scaled: &[f64], exchanged: &[bool]) -> f64 {
    let mut sum = 0.0;
    for (log, exchanged) in scaled.iter().zip(exchanged) {
        sum += if *exchanged { -log } else { *log };
    }
    sum.abs()
}

/// The fewest rounds from which a difference between two servers can follow, when there are so many comparisons: with
/// fewer, all rounds can lean to one side by chance too often.
pub(super) fn least_rounds(comparisons: usize) -> usize {
    let allowed = ERROR / comparisons.max(1) as f64;
    (1..64)
        .find(|&rounds| 2.0 / 2f64.powi(rounds) <= allowed)
        .unwrap_or(64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise as machines make it: mostly small, sometimes large, to one side.
    fn noise(random: &mut Random) -> f64 {
        let uniform = |random: &mut Random| random.below(1 << 30) as f64 / f64::from(1 << 30);
        let small: f64 = (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0;
        let outlier = if random.below(10) == 0 {
            uniform(random) * 0.3
        } else {
            0.0
        };
        small * 0.03 + outlier
    }

    /// Twelve figures of two servers, half of which go together, as throughput and latency do.
    fn figures(random: &mut Random, rounds: usize, effect: f64) -> Vec<Vec<f64>> {
        let round: Vec<f64> = (0..rounds).map(|_| noise(random) - noise(random)).collect();
        let figure = |index: usize, random: &mut Random| -> Vec<f64> {
            let own = |random: &mut Random| noise(random) - noise(random);
            let shared = round.iter().map(|common| match index % 2 {
                0 => *common + own(random) / 5.0,
                _ => own(random),
            });
            shared.map(|log| log + effect).collect()
        };
        (0..12).map(|index| figure(index, random)).collect()
    }

    #[test]
    fn alike_is_no_difference_however_many_figures_there_are() {
        for rounds in [8, 10, 20] {
            let mut random = Random::new(7);
            let comparisons = if rounds > ALL_EXCHANGES { 20 } else { 200 };
            let wrong = (0..comparisons).filter(|&seed| {
                let figures = figures(&mut random, rounds, 0.0);
                let least = probabilities(&figures, seed)
                    .into_iter()
                    .fold(1.0, f64::min);
                least <= ERROR
            });
            // One in a hundred: seven of 200 are past three standard deviations.
            let wrong = wrong.count();
            assert!(wrong < 7, "{rounds} rounds: {wrong}");
        }
    }

    #[test]
    fn what_differs_is_found() {
        let mut random = Random::new(8);
        let found = (0..50).filter(|&seed| {
            let figures = figures(&mut random, 10, 0.3);
            let probabilities = probabilities(&figures, seed);
            probabilities.into_iter().filter(|p| *p <= ERROR).count() >= 6
        });
        let found = found.count();
        assert!(found >= 45, "{found}");
    }

    #[test]
    fn intervals_hold_what_they_promise() {
        for rounds in [3, 5, 10] {
            let mut random = Random::new(9);
            let held = (0..100).filter(|&seed| {
                let logs: Vec<f64> = (0..rounds)
                    .map(|_| 0.2 + noise(&mut random) - noise(&mut random))
                    .collect();
                let interval = estimate(&logs, seed).interval;
                interval.is_some_and(|(low, high)| low <= 0.2f64.exp() && 0.2f64.exp() <= high)
            });
            let percent = held.count();
            assert!(percent >= 88, "{rounds} rounds: {percent} %");
        }
    }

    #[test]
    fn few_rounds_and_equal_ones() {
        let one = estimate(&[0.1], 1);
        assert!((one.ratio - 0.1f64.exp()).abs() < 1e-12 && one.interval.is_none());
        let same = estimate(&[0.0; 6], 1);
        assert_eq!((same.ratio, same.interval), (1.0, Some((1.0, 1.0))));
        assert!((widening(10) - 1.2166).abs() < 1e-3);
        assert!((widening(1_000) - 1.0018).abs() < 1e-3);
        assert!(widening(30) > widening(31) && widening(31) > widening(32));
        assert_eq!(probabilities(&[vec![0.0; 6]], 1), [1.0]);
        // All on one side: chance does that in two cases of all.
        let p = probabilities(&[vec![0.5; 8]], 1);
        assert!((p[0] - 2.0 / 256.0).abs() < 1e-12);
        assert_eq!(least_rounds(1), 8);
        assert_eq!(least_rounds(2), 9);
        assert_eq!(probabilities(&[], 1), [] as [f64; 0]);
    }
}
