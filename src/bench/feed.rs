//! Which request a worker makes next, and when: the load models, with the time as an argument.
//!
//! Times are nanoseconds of the run's clock. A feed gives nothing until it is told when load begins; what is due before
//! `measure_ns` warms up.

use std::collections::VecDeque;

use super::load::{Arrivals, Mix, Step};

/// A request to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Which target.
    pub(super) target: u32,
    /// The step that it counts for; `None` while warming up.
    pub(super) step: Option<u32>,
    /// When it was due: in a closed model when it could be made.
    pub(super) due_ns: u64,
    /// How often the server has refused it unprocessed.
    pub(super) refusals: u32,
    /// When it was made first, if it was refused.
    pub(super) made_ns: u64,
}

/// The load of one worker.
#[derive(Debug)]
pub(super) struct Feed {
    model: Model,
    mix: Mix,
    begin_ns: u64,
    measure_ns: u64,
    warmup_ns: u64,
    step_ns: u64,
    steps: u32,
    /// Jobs that were taken and could not be done yet, or were refused, the oldest first.
    returned: VecDeque<Job>,
}

#[derive(Debug)]
enum Model {
    /// So many after the warm-up.
    Requests { left: u64 },
    /// As long as there is time.
    Closed,
    /// When they are due.
    Open {
        arrivals: Arrivals,
        due: VecDeque<Job>,
    },
}

impl Feed {
    /// So many requests, each as soon as it can be made.
    pub(super) fn requests(warmup_ns: u64, mix: Mix, requests: u64) -> Self {
        Self::new(
            warmup_ns,
            mix,
            Model::Requests { left: requests },
            u64::MAX,
            1,
        )
    }

    /// Requests as soon as they can be made, in `steps` steps of `step_ns` each.
    pub(super) fn closed(warmup_ns: u64, mix: Mix, step_ns: u64, steps: usize) -> Self {
        Self::new(warmup_ns, mix, Model::Closed, step_ns, steps)
    }

    /// This worker's share of requests at `rates` per second, one for each step of `step_ns`.
    pub(super) fn open(
        warmup_ns: u64,
        mix: Mix,
        step_ns: u64,
        rates: &[f64],
        worker: usize,
        workers: usize,
    ) -> Self {
        let warmup = rates.first().filter(|_| warmup_ns > 0).map(|&rate| Step {
            rate,
            duration_ns: warmup_ns,
        });
        let steps = rates.iter().map(|&rate| Step {
            rate,
            duration_ns: step_ns,
        });
        let model = Model::Open {
            arrivals: Arrivals::new(warmup.into_iter().chain(steps).collect(), worker, workers),
            due: VecDeque::new(),
        };
        Self::new(warmup_ns, mix, model, step_ns, rates.len())
    }

    fn new(warmup_ns: u64, mix: Mix, model: Model, step_ns: u64, steps: usize) -> Self {
        Self {
            model,
            mix,
            begin_ns: u64::MAX,
            measure_ns: u64::MAX,
            warmup_ns,
            step_ns,
            steps: steps as u32,
            returned: VecDeque::new(),
        }
    }

    /// Load begins at `at_ns`.
    pub(super) fn begin(&mut self, at_ns: u64) {
        self.begin_ns = at_ns;
        self.measure_ns = at_ns.saturating_add(self.warmup_ns);
    }

    /// Whether it was told when load begins.
    pub(super) fn has_begun(&self) -> bool {
        self.begin_ns != u64::MAX
    }

    /// When load begins; `u64::MAX` before that is known.
    pub(super) fn begin_ns(&self) -> u64 {
        self.begin_ns
    }

    /// The step that `now_ns` falls into; `None` before the first, the last one after it.
    pub(super) fn step(&self, now_ns: u64) -> Option<u32> {
        let since = now_ns.checked_sub(self.measure_ns)?;
        Some(((since / self.step_ns) as u32).min(self.steps - 1))
    }

    /// When measuring begins.
    pub(super) fn measure_ns(&self) -> u64 {
        self.measure_ns
    }

    /// When the last step ends; never when requests are counted.
    pub(super) fn end_ns(&self) -> u64 {
        self.measure_ns
            .saturating_add(self.step_ns.saturating_mul(u64::from(self.steps)))
    }

    /// Whether requests come at fixed times.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.model, Model::Open { .. })
    }

    /// The next request that can be made now.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<Job> {
        if let Some(job) = self.returned.pop_front() {
            return Some(job);
        }
        let step = self.step(now_ns);
        let is_on = (self.begin_ns..self.end_ns()).contains(&now_ns);
        match &mut self.model {
            Model::Open { due, .. } => return due.pop_front(),
            _ if !is_on => return None,
            Model::Requests { left } if step.is_some() => {
                *left = left.checked_sub(1)?;
            }
            Model::Requests { .. } | Model::Closed => {}
        }
        Some(Job {
            target: self.mix.pick() as u32,
            step,
            due_ns: now_ns,
            refusals: 0,
            made_ns: 0,
        })
    }

    /// Takes a job back that cannot be done yet. In a closed model it was not due then, unless it was made before.
    pub(super) fn give_back(&mut self, job: Job) {
        match (&mut self.model, job.step) {
            _ if job.refusals > 0 => self.returned.push_front(job),
            (Model::Open { .. }, _) => self.returned.push_front(job),
            (Model::Requests { left }, Some(_)) => *left += 1,
            _ => {}
        }
    }

    /// Takes a job back that was made at `made_ns` and refused unprocessed: it is to be made again.
    pub(super) fn refused(&mut self, job: Job, made_ns: u64) {
        self.returned.push_back(Job {
            refusals: job.refusals + 1,
            made_ns,
            ..job
        });
    }

    /// Moves requests that have become due to those that can be made.
    pub(super) fn advance(&mut self, now_ns: u64) {
        let Model::Open { arrivals, due } = &mut self.model else {
            return;
        };
        let warmup = u32::from(self.warmup_ns > 0);
        while let Some((after_ns, step)) = arrivals.due()
            && self.begin_ns.saturating_add(after_ns) <= now_ns
        {
            due.push_back(Job {
                target: self.mix.pick() as u32,
                step: (step as u32).checked_sub(warmup),
                due_ns: self.begin_ns + after_ns,
                refusals: 0,
                made_ns: 0,
            });
            arrivals.advance();
        }
    }

    /// When the next request becomes due, in an open model.
    pub(super) fn next_ns(&self) -> Option<u64> {
        match &self.model {
            Model::Open { arrivals, .. } => {
                let (after_ns, _) = arrivals.due()?;
                Some(self.begin_ns.saturating_add(after_ns))
            }
            _ => None,
        }
    }

    /// Requests that are due and not made.
    pub(super) fn waiting(&self) -> usize {
        match &self.model {
            Model::Open { due, .. } => due.len() + self.returned.len(),
            _ => 0,
        }
    }

    /// The request that has been due for longest, if that is since before `since_ns`.
    pub(super) fn expired(&mut self, since_ns: u64) -> Option<Job> {
        let late = |queue: &mut VecDeque<Job>| {
            let due = queue.front().is_some_and(|job| job.due_ns < since_ns);
            due.then(|| queue.pop_front()).flatten()
        };
        late(&mut self.returned).or_else(|| match &mut self.model {
            Model::Open { due, .. } => late(due),
            _ => None,
        })
    }

    /// Whether no request will be made any more.
    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        match &self.model {
            Model::Requests { left } => *left == 0 && self.returned.is_empty(),
            Model::Closed => now_ns >= self.end_ns(),
            Model::Open { arrivals, .. } => arrivals.due().is_none() && self.waiting() == 0,
        }
    }

    /// Requests that were to be made and will not be, if it ends here. Those that are due are in the queue.
    pub(super) fn undone(&mut self) -> (Vec<Job>, u64) {
        let mut jobs: Vec<Job> = self.returned.drain(..).collect();
        let mut uncounted = 0;
        match &mut self.model {
            Model::Requests { left } => uncounted = *left,
            Model::Closed => {}
            Model::Open { due, .. } => jobs.extend(due.drain(..)),
        }
        (jobs, uncounted)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn mix() -> Mix {
        Mix::new(&[1], 1)
    }

    fn begun(mut feed: Feed) -> Feed {
        assert!(feed.take(5 * SECOND).is_none() && !feed.has_begun());
        feed.begin(5 * SECOND);
        feed
    }

    #[test]
    fn counted_requests_are_those_after_the_warmup() {
        let mut feed = begun(Feed::requests(SECOND, mix(), 2));
        assert_eq!(feed.take(4 * SECOND), None, "not begun");
        for _ in 0..10 {
            assert_eq!(feed.take(5 * SECOND).unwrap().step, None);
        }
        let job = feed.take(6 * SECOND).unwrap();
        assert_eq!((job.step, job.due_ns), (Some(0), 6 * SECOND));
        feed.give_back(job);
        assert!(feed.take(7 * SECOND).is_some() && !feed.is_over(7 * SECOND));
        assert!(feed.take(7 * SECOND).is_some() && feed.is_over(7 * SECOND));
        assert_eq!(feed.take(7 * SECOND), None);
        assert_eq!(feed.end_ns(), u64::MAX);
    }

    #[test]
    fn a_closed_model_ends_with_its_steps() {
        let mut feed = begun(Feed::closed(0, mix(), SECOND, 3));
        for (at_ns, step) in [(5 * SECOND, 0), (6 * SECOND, 1), (8 * SECOND - 1, 2)] {
            assert_eq!(feed.take(at_ns).unwrap().step, Some(step));
            assert!(!feed.is_over(at_ns));
        }
        assert!(feed.take(8 * SECOND).is_none() && feed.is_over(8 * SECOND));
        assert_eq!(feed.step(99 * SECOND), Some(2));
    }

    #[test]
    fn an_open_model_forgets_no_request() {
        let mut feed = begun(Feed::open(SECOND, mix(), SECOND, &[10.0, 100.0], 0, 1));
        feed.advance(5 * SECOND - 1);
        assert_eq!(feed.take(5 * SECOND), None);
        assert_eq!(feed.next_ns(), Some(5 * SECOND));
        // The client was busy: all that were due are there, and say when.
        feed.advance(6 * SECOND + SECOND / 2);
        assert_eq!(feed.waiting(), 16);
        let first = feed.take(9 * SECOND).unwrap();
        assert_eq!((first.step, first.due_ns), (None, 5 * SECOND));
        feed.give_back(first);
        assert_eq!(feed.take(9 * SECOND), Some(first), "it keeps its place");
        feed.advance(60 * SECOND);
        let mut counts = [0; 2];
        while let Some(job) = feed.take(60 * SECOND) {
            if let Some(step) = job.step {
                counts[step as usize] += 1;
            }
        }
        assert_eq!(counts, [10, 100]);
        assert!(feed.is_over(0));
    }

    #[test]
    fn what_was_refused_is_made_again_before_others() {
        let mut feed = begun(Feed::requests(0, mix(), 2));
        let first = feed.take(5 * SECOND).unwrap();
        assert!(feed.take(6 * SECOND).is_some() && feed.is_over(6 * SECOND));
        feed.refused(first, 5 * SECOND);
        assert!(!feed.is_over(7 * SECOND));
        let again = feed.take(7 * SECOND).unwrap();
        assert_eq!((again.refusals, again.made_ns), (1, 5 * SECOND));
        assert_eq!((again.due_ns, again.step), (first.due_ns, first.step));
        // No room for it yet: nothing else takes its place.
        feed.give_back(again);
        assert_eq!(feed.take(8 * SECOND), Some(again));
        assert!(feed.take(8 * SECOND).is_none() && feed.is_over(8 * SECOND));
        feed.refused(again, 5 * SECOND);
        assert_eq!(feed.undone().0.len(), 1);
    }

    #[test]
    fn what_waits_too_long_is_given_up() {
        let mut feed = begun(Feed::open(0, mix(), SECOND, &[10.0], 0, 1));
        feed.advance(6 * SECOND);
        let mut late = 0;
        while feed.expired(5 * SECOND + SECOND / 2).is_some() {
            late += 1;
        }
        assert_eq!((late, feed.waiting()), (5, 5));
        let (left, uncounted) = feed.undone();
        assert_eq!((left.len(), uncounted), (5, 0));
        assert_eq!(Feed::requests(0, mix(), 9).undone().1, 9);
    }
}
