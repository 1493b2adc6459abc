//! What the load costs, and on what machine: read from /proc (proc(5)) and the control group (cgroups(7)).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{UsageWho, getrusage};

use super::options::ServerSource;
use super::result::{Machine, ServerUsage, Usage};

/// Processor time and context switches so far, and the most memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Costs {
    user_s: f64,
    system_s: f64,
    voluntary: u64,
    involuntary: u64,
    peak_bytes: u64,
}

impl Costs {
    /// Those of this process (getrusage(2)).
    pub(super) fn own() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            return Self::default();
        };
        let seconds =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Self {
            user_s: seconds(usage.user_time()),
            system_s: seconds(usage.system_time()),
            voluntary: usage.voluntary_context_switches() as u64,
            involuntary: usage.involuntary_context_switches() as u64,
            // In KiB.
            peak_bytes: usage.max_rss() as u64 * 1024,
        }
    }

    /// What was added since `begin`; the peak is that of all time.
    pub(super) fn since(&self, begin: &Self) -> Usage {
        Usage {
            user_s: (self.user_s - begin.user_s).max(0.0),
            system_s: (self.system_s - begin.system_s).max(0.0),
            voluntary_switches: self.voluntary.saturating_sub(begin.voluntary),
            involuntary_switches: self.involuntary.saturating_sub(begin.involuntary),
            peak_memory_bytes: self.peak_bytes,
        }
    }

    fn add(&mut self, other: &Self) {
        self.user_s += other.user_s;
        self.system_s += other.system_s;
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
        self.peak_bytes += other.peak_bytes;
    }
}

/// Reads the costs of a server.
#[derive(Debug)]
pub(super) struct ServerCosts {
    source: ServerSource,
    highest_bytes: u64,
}

impl ServerCosts {
    /// # Errors
    /// When there is nothing to be read there, in words.
    pub(super) fn new(source: &ServerSource) -> Result<Self, String> {
        match source {
            ServerSource::Pids(pids) => {
                if let Some(pid) = pids.iter().find(|&&pid| stat(pid).is_none()) {
                    return Err(format!("there is no process {pid}"));
                }
            }
            ServerSource::Cgroup(path) => {
                let file = path.join("cpu.stat");
                let read = fs::read_to_string(&file);
                let known = |text: &String| value(text, "usage_usec").is_some();
                if !read.is_ok_and(|text| known(&text)) {
                    let file = file.display();
                    return Err(format!("{file} is not that of a control group (cgroup v2)"));
                }
            }
        }
        Ok(Self {
            source: source.clone(),
            highest_bytes: 0,
        })
    }

    /// The costs so far.
    pub(super) fn read(&mut self) -> Costs {
        self.look_at_memory();
        match &self.source {
            ServerSource::Pids(pids) => sum(&with_children(pids)),
            ServerSource::Cgroup(path) => {
                let mut costs = sum(&members(path));
                let text = fs::read_to_string(path.join("cpu.stat")).unwrap_or_default();
                let seconds = |name| value(&text, name).unwrap_or(0) as f64 / 1e6;
                costs.user_s = seconds("user_usec");
                costs.system_s = seconds("system_usec");
                if let Some(peak) = number(&path.join("memory.peak")) {
                    costs.peak_bytes = peak;
                }
                costs
            }
        }
    }

    /// Notes how much memory there is now.
    pub(super) fn look_at_memory(&mut self) {
        let now = match &self.source {
            ServerSource::Pids(pids) => resident(&with_children(pids)),
            ServerSource::Cgroup(path) => {
                let current = number(&path.join("memory.current"));
                current.unwrap_or_else(|| resident(&members(path)))
            }
        };
        self.highest_bytes = self.highest_bytes.max(now);
    }

    /// The costs from `begin` to `end`, in which so many bytes of content came and so many requests ended.
    pub(super) fn usage(
        &self,
        begin: Costs,
        end: Costs,
        body_bytes: u64,
        requests: u64,
    ) -> ServerUsage {
        let usage = end.since(&begin);
        let cpu_s = usage.user_s + usage.system_s;
        let per = |count: f64, scale: f64| (count > 0.0).then(|| cpu_s * scale / count);
        ServerUsage {
            source: match &self.source {
                ServerSource::Pids(pids) => {
                    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                    format!("pid {}", pids.join(", "))
                }
                ServerSource::Cgroup(path) => format!("cgroup {}", path.display()),
            },
            usage,
            highest_memory_bytes: self.highest_bytes,
            cpu_s_per_gb: per(body_bytes as f64, 1e9),
            cpu_us_per_request: per(requests as f64, 1e6),
        }
    }
}

/// This machine.
pub(super) fn machine() -> Machine {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Machine {
        kernel: format!("{} {}", text(system.sysname()), text(system.release())),
        processor: name.map_or(String::new(), |name| {
            name.trim_start_matches([' ', '\t', ':']).to_owned()
        }),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        memory_bytes: value(&memory, "MemTotal:").unwrap_or(0) * 1024,
    }
}

/// What `/proc/PID/stat` tells: the parent, and clock ticks in user mode and in the kernel.
fn stat(pid: u32) -> Option<(u32, u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((number(1)? as u32, number(11)?, number(12)?))
}

/// The processes and all that descend from them.
fn with_children(pids: &[u32]) -> BTreeSet<u32> {
    let mut found: BTreeSet<u32> = pids.iter().copied().collect();
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid
            && let Some((parent, ..)) = stat(pid)
        {
            parents.push((pid, parent));
        }
    }
    loop {
        let before = found.len();
        for (pid, parent) in &parents {
            if found.contains(parent) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// The processes of a control group.
fn members(path: &Path) -> BTreeSet<u32> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn sum(pids: &BTreeSet<u32>) -> Costs {
    let mut sum = Costs::default();
    for &pid in pids {
        sum.add(&process(pid));
    }
    sum
}

/// The costs of one process; nothing when it is gone.
fn process(pid: u32) -> Costs {
    let Some((_, user, system)) = stat(pid) else {
        return Costs::default();
    };
    let mut costs = Costs::default();
    let mut run_ns = 0;
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        run_ns += on_processor_ns(&read("schedstat"));
        let status = read("status");
        costs.voluntary += value(&status, "voluntary_ctxt_switches:").unwrap_or(0);
        costs.involuntary += value(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let by_ticks_s = (user + system) as f64 / ticks;
    // Nanoseconds are finer, but threads that have ended are in the ticks only.
    let total_s = (run_ns as f64 / 1e9).max(by_ticks_s);
    let user_part = user as f64 / (user + system).max(1) as f64;
    costs.user_s = total_s * user_part;
    costs.system_s = total_s - costs.user_s;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    costs.peak_bytes = value(&status, "VmHWM:").unwrap_or(0) * 1024;
    costs
}

fn resident(pids: &BTreeSet<u32>) -> u64 {
    let each = pids.iter().map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        value(&status, "VmRSS:").unwrap_or(0) * 1024
    });
    each.sum()
}

/// The nanoseconds on a processor in `/proc/PID/task/TID/schedstat`: they come first.
fn on_processor_ns(schedstat: &str) -> u64 {
    let first = schedstat.split_whitespace().next();
    first.and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// The number behind `name` at the beginning of a line.
fn value(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn number(path: &PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::process::{Command, Stdio};

    fn cpu_s(costs: &Costs) -> f64 {
        costs.user_s + costs.system_s
    }

    #[test]
    fn a_process_is_read_with_its_children() {
        // A child whose child computes until it is killed with its input's end.
        let mut child = Command::new("sh")
            .args(["-c", "sh -c 'while read -r x; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done'; true"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut costs = ServerCosts::new(&ServerSource::Pids(vec![child.id()])).unwrap();
        let begin = costs.read();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, b"1\n2\n3\n4\n5\n").unwrap();
        let mut spent = 0.0;
        for _ in 0..500 {
            spent = costs.read().since(&begin).user_s;
            if spent > 0.02 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(spent > 0.02, "{spent}");
        let usage = costs.usage(begin, costs.process_now(), 2_000_000_000, 100);
        assert!(usage.highest_memory_bytes > 100_000 && usage.usage.peak_memory_bytes > 100_000);
        let cpu_s = usage.usage.user_s + usage.usage.system_s;
        assert!((usage.cpu_s_per_gb.unwrap() - cpu_s / 2.0).abs() < 1e-9);
        assert!((usage.cpu_us_per_request.unwrap() - cpu_s * 1e4).abs() < 1e-6);
        drop(stdin);
        child.wait().unwrap();
        assert!(ServerCosts::new(&ServerSource::Pids(vec![child.id()])).is_err());
    }

    impl ServerCosts {
        fn process_now(&self) -> Costs {
            let ServerSource::Pids(pids) = &self.source else {
                panic!("processes");
            };
            sum(&with_children(pids))
        }
    }

    #[test]
    fn a_control_group_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let source = ServerSource::Cgroup(folder.path().to_owned());
        assert!(ServerCosts::new(&source).is_err());
        write(
            "cpu.stat",
            "usage_usec 300\nuser_usec 100\nsystem_usec 200\n",
        );
        write("memory.current", "5000\n");
        write("memory.peak", "9000\n");
        write("cgroup.procs", &format!("{}\n", std::process::id()));
        let mut costs = ServerCosts::new(&source).unwrap();
        let begin = costs.read();
        write(
            "cpu.stat",
            "usage_usec 2000300\nuser_usec 500100\nsystem_usec 1500200\n",
        );
        write("memory.current", "7000\n");
        let end = costs.read();
        let usage = costs.usage(begin, end, 0, 0);
        assert!((usage.usage.user_s - 0.5).abs() < 1e-9);
        assert!((usage.usage.system_s - 1.5).abs() < 1e-9);
        assert_eq!(usage.usage.peak_memory_bytes, 9_000);
        assert_eq!(usage.highest_memory_bytes, 7_000);
        assert_eq!((usage.cpu_s_per_gb, usage.cpu_us_per_request), (None, None));
    }

    #[test]
    fn more_than_seconds_are_counted() {
        assert_eq!(
            on_processor_ns("3046745637 2037497503 54645\n"),
            3_046_745_637
        );
        assert_eq!(on_processor_ns(""), 0);
    }

    #[test]
    fn this_process_costs_something() {
        let begin = Costs::own();
        let mut x = 1u64;
        while cpu_s(&Costs::own()) - cpu_s(&begin) < 0.01 {
            x = black_box(x.wrapping_mul(3));
        }
        assert!(Costs::own().since(&begin).peak_memory_bytes > 1_000_000);
    }
}
