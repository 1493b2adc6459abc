//! One attack, with everything that is looked at before, during and after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::attacks::{Attack, Outcome};
use crate::good::{Good, LIMIT};
use crate::target::Target;

/// What an attack may cost in resident memory.
const MEMORY_LIMIT: u64 = 32 << 20;
/// How long the server may take to give back the descriptors of peers that are gone.
const SETTLE: Duration = Duration::from_secs(5);
/// The server is looked at for so long after an attack, and may use a tenth of a core in it.
const IDLE_WINDOW: Duration = Duration::from_millis(300);
const IDLE_CPU: Duration = Duration::from_millis(30);

/// What the server was like when nothing had happened yet.
pub(crate) struct Baseline {
    memory: u64,
    descriptors: usize,
}

impl Baseline {
    pub(crate) fn take(target: &Target) -> std::io::Result<Self> {
        Ok(Self {
            memory: target.memory()?,
            descriptors: target.descriptors(),
        })
    }

    fn growth(&self, target: &Target) -> u64 {
        let now = target.memory().unwrap_or_default();
        now.saturating_sub(self.memory)
    }
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) frames: u64,
    pub(crate) ended: String,
    pub(crate) growth: u64,
    pub(crate) cpu: Duration,
    pub(crate) took: Duration,
    pub(crate) good: Option<Duration>,
    /// What was not as it must be.
    pub(crate) wrong: Vec<String>,
}

/// Runs one attack.
pub(crate) fn run(target: &Arc<Target>, attack: &Attack, baseline: &mut Baseline) -> Row {
    let mut wrong = Vec::new();
    let panics = target.panics();
    let good = Good::begin(target.http, crate::target::FILES[1].1);
    let watch = Watch::begin(target, baseline.memory);
    let cpu = target.cpu();
    let began = Instant::now();
    let outcome = (attack.run)(target).unwrap_or_else(|error| Outcome {
        frames: 0,
        ended: "-".to_owned(),
        wrong: Some(format!("the attack could not be made: {error}")),
    });
    let took = began.elapsed();
    wrong.extend(outcome.wrong);
    let good = good.and_then(Good::end);
    let cpu = target.cpu().saturating_sub(cpu);
    let growth = watch.end();
    match &good {
        Ok(slowest) if *slowest > LIMIT => {
            wrong.push(format!(
                "the good client waited {:.2} s",
                slowest.as_secs_f64()
            ));
        }
        Ok(_) => {}
        Err(error) => wrong.push(format!("good client: {error}")),
    }
    if growth > MEMORY_LIMIT {
        wrong.push("memory grew by more than 32 MiB".to_owned());
    }
    wrong.extend(settled(target, baseline));
    if target.panics() > panics {
        wrong.push("a connection panicked".to_owned());
    }
    if !target.is_alive() {
        wrong.push("the server is dead".to_owned());
    }
    Row {
        name: attack.name,
        frames: outcome.frames,
        ended: outcome.ended,
        growth,
        cpu,
        took,
        good: good.ok(),
        wrong,
    }
}

/// Waits for descriptors and processor to be at rest again; what is not.
fn settled(target: &Target, baseline: &mut Baseline) -> Vec<String> {
    let mut wrong = Vec::new();
    let until = Instant::now() + SETTLE;
    let left = loop {
        let left = target.descriptors().saturating_sub(baseline.descriptors);
        if left == 0 || Instant::now() > until {
            break left;
        }
        thread::sleep(Duration::from_millis(10));
    };
    if left > 0 {
        wrong.push(format!("{left} descriptors are still open 5 s later"));
        // Said once; the attacks to come are measured from here.
        baseline.descriptors += left;
    }
    let before = target.cpu();
    thread::sleep(IDLE_WINDOW);
    let busy = target.cpu().saturating_sub(before);
    if busy > IDLE_CPU {
        wrong.push(format!("not idle afterwards: {busy:?} in {IDLE_WINDOW:?}"));
    }
    wrong
}

/// Looks at the server's memory all the while.
struct Watch {
    stop: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Watch {
    fn begin(target: &Arc<Target>, memory: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let most = Arc::new(AtomicU64::new(0));
        let (stopped, seen, target) = (Arc::clone(&stop), Arc::clone(&most), Arc::clone(target));
        let baseline = Baseline {
            memory,
            descriptors: 0,
        };
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                seen.fetch_max(baseline.growth(&target), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
            seen.fetch_max(baseline.growth(&target), Ordering::Relaxed);
        });
        Self { stop, most, thread }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        let _ = self.thread.join();
        self.most.load(Ordering::Relaxed)
    }
}
