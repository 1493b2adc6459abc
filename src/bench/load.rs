//! When requests are made, and for what: pure, with the time as an argument.

/// A small generator of random numbers (SplitMix64). Every run draws the same ones.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Seeds that lie a step apart would give one sequence, begun a number later.
        Self(scrambled(seed.wrapping_add(STEP)))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scrambled(self.0)
    }

    /// A number below `n`, each as likely as the others but for one part in 2^64 / n; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }
}

/// What SplitMix64 adds for each number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn scrambled(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a worker draws numbers for: each from a sequence of its own, so that none says anything of another.
#[derive(Clone, Copy, Debug)]
pub enum Draws {
    /// Which target is next.
    Targets,
    /// Which range of it.
    Ranges,
}

impl Draws {
    /// The seed of `worker` for it.
    #[must_use]
    pub fn seed(self, worker: usize) -> u64 {
        worker as u64 * 2 + self as u64
    }
}

/// Which target is next, by weight.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Sums of the weights up to and with each target.
    sums: Vec<u64>,
    random: Random,
}

impl Mix {
    /// A mix of targets of these weights, none of them 0.
    #[must_use]
    pub fn new(weights: &[u32], seed: u64) -> Self {
        let mut sum = 0;
        let sums = weights.iter().map(|&weight| {
            sum += u64::from(weight);
            sum
        });
        Self {
            sums: sums.collect(),
            random: Random::new(seed),
        }
    }

    /// Index of the next target.
    pub fn pick(&mut self) -> usize {
        match self.sums[..] {
            [_] => 0,
            [.., all] => {
                let at = self.random.below(all);
                self.sums.partition_point(|&sum| sum <= at)
            }
            [] => 0,
        }
    }
}

/// One step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Arrivals per second.
    pub rate: f64,
    /// How long, in nanoseconds.
    pub duration_ns: u64,
}

impl Step {
    /// When arrival `n` comes, in nanoseconds from the step's beginning.
    fn at_ns(&self, n: u64) -> u64 {
        (n as f64 * 1e9 / self.rate) as u64
    }

    /// How many come.
    fn arrivals(&self) -> u64 {
        // All of them come before the step's end.
        (self.rate * self.duration_ns as f64 / 1e9).ceil() as u64
    }
}

/// The arrivals of an open model that fall to one of several workers: arrival `n` of a step comes `n / rate` after the
/// step's beginning, and goes to worker `n` modulo their number. Nothing that the server does changes that.
#[derive(Clone, Debug)]
pub struct Arrivals {
    steps: Vec<Step>,
    worker: u64,
    workers: u64,
    step: usize,
    /// Beginning of the step in nanoseconds.
    began_ns: u64,
    /// Number of the next arrival within the step.
    n: u64,
}

impl Arrivals {
    /// The share of `worker` of `workers` in a schedule that begins at 0.
    #[must_use]
    pub fn new(steps: Vec<Step>, worker: usize, workers: usize) -> Self {
        let mut arrivals = Self {
            steps,
            worker: worker as u64,
            workers: workers as u64,
            step: 0,
            began_ns: 0,
            n: worker as u64,
        };
        arrivals.settle();
        arrivals
    }

    /// When the next arrival is due, in nanoseconds, and the step that it belongs to; `None` after the last.
    #[must_use]
    pub fn due(&self) -> Option<(u64, usize)> {
        let step = self.steps.get(self.step)?;
        Some((self.began_ns + step.at_ns(self.n), self.step))
    }

    /// Goes on to the arrival after the next.
    pub fn advance(&mut self) {
        self.n += self.workers;
        self.settle();
    }

    /// Goes on to the step that the next arrival belongs to.
    fn settle(&mut self) {
        while let Some(step) = self.steps.get(self.step)
            && self.n >= step.arrivals()
        {
            self.began_ns += step.duration_ns;
            self.step += 1;
            self.n = self.worker;
        }
    }
}

/// The share of `total` that falls to part `index` of parts of these sizes: they add up to `total`, and differ from what
/// is exact by less than one.
#[must_use]
pub fn share(total: u64, sizes: &[u32], index: usize) -> u64 {
    let all: u128 = sizes.iter().map(|&size| u128::from(size)).sum();
    let before = |parts: usize| {
        let sum: u128 = sizes[..parts].iter().map(|&size| u128::from(size)).sum();
        (u128::from(total) * sum).checked_div(all).unwrap_or(0) as u64
    };
    before(index + 1) - before(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut arrivals: Arrivals) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        while let Some(next) = arrivals.due() {
            found.push(next);
            arrivals.advance();
        }
        found
    }

    #[test]
    fn arrivals_are_evenly_spaced_and_shared_out() {
        let steps = vec![
            Step {
                rate: 1_000.0,
                duration_ns: 1_000_000_000,
            },
            Step {
                rate: 3.0,
                duration_ns: 2_000_000_000,
            },
        ];
        let alone = all(Arrivals::new(steps.clone(), 0, 1));
        assert_eq!(alone.len(), 1_006);
        assert_eq!(alone[..3], [(0, 0), (1_000_000, 0), (2_000_000, 0)]);
        assert_eq!(alone[999], (999_000_000, 0));
        assert_eq!(alone[1_000], (1_000_000_000, 1));
        assert_eq!(alone[1_001], (1_333_333_333, 1));
        let mut shared: Vec<_> = (0..7)
            .flat_map(|worker| all(Arrivals::new(steps.clone(), worker, 7)))
            .collect();
        shared.sort_unstable();
        assert_eq!(shared, alone);
    }

    #[test]
    fn slow_and_odd_rates_keep_within_their_step() {
        for (rate, duration_ns, count) in [
            (0.5, 10_000_000_000, 5),
            (0.1, 1_000_000_000, 1),
            (333.3, 1_000_000_000, 334),
        ] {
            let found = all(Arrivals::new(vec![Step { rate, duration_ns }], 0, 1));
            assert_eq!(found.len(), count);
            assert!(found.iter().all(|&(at_ns, _)| at_ns < duration_ns));
        }
        assert_eq!(all(Arrivals::new(Vec::new(), 0, 1)), []);
    }

    #[test]
    fn targets_come_by_weight() {
        let mut mix = Mix::new(&[1, 7, 2], 5);
        let mut counts = [0u32; 3];
        for _ in 0..100_000 {
            counts[mix.pick()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([10_000u32, 70_000, 20_000]) {
            assert!(count.abs_diff(expected) < 1_000, "{counts:?}");
        }
        assert_eq!(Mix::new(&[9], 1).pick(), 0);
    }

    #[test]
    fn shares_add_up() {
        for total in [0, 1, 7, 1_000_003] {
            for sizes in [&[1u32][..], &[3, 1, 1], &[1; 16], &[5, 7, 11, 13]] {
                let shares: Vec<u64> = (0..sizes.len()).map(|i| share(total, sizes, i)).collect();
                assert_eq!(shares.iter().sum::<u64>(), total);
            }
        }
        assert_eq!(share(100, &[3, 1], 0), 75);
    }

    #[test]
    fn random_numbers_keep_below() {
        let mut random = Random::new(1);
        assert_eq!(random.below(0), 0);
        assert!((0..1_000).all(|_| random.below(3) < 3));
        assert_ne!(Random::new(1).draw(), Random::new(2).draw());
    }

    #[test]
    fn no_worker_draws_what_another_has_drawn() {
        let mut drawn = std::collections::HashSet::new();
        for worker in 0..8 {
            for draws in [Draws::Targets, Draws::Ranges] {
                let mut random = Random::new(draws.seed(worker));
                assert!(
                    (0..1_000).all(|_| drawn.insert(random.draw())),
                    "{worker} {draws:?}"
                );
            }
        }
    }
}
