//! The server as a child process: started, read, signalled, counted, ended.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A running `ringlane serve`. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    state: TempDir,
    said: Receiver<String>,
    lines: Vec<String>,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
}

/// What a server left behind: its exit code (`None` when a signal ended it) and all that it said.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Server {
    /// Starts a server of `root` and returns once it has said where it listens.
    pub(crate) fn start(root: &Path, options: &[&str]) -> Self {
        let mut arguments = vec![root.as_os_str()];
        arguments.extend(options.iter().map(OsStr::new));
        Self::start_with(&arguments)
    }

    /// Starts a server with a configuration file, and returns once it has said where it listens.
    pub(crate) fn configured(file: &Path) -> Self {
        Self::start_with(&[
            "--shards".as_ref(),
            "1".as_ref(),
            "--config".as_ref(),
            file.as_os_str(),
        ])
    }

    fn start_with(arguments: &[&OsStr]) -> Self {
        let state = TempDir::new().unwrap();
        let binary = std::env::var_os("RINGLANE")
            .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_ringlane")));
        let mut command = Command::new(binary);
        // What a service manager says to its services would be taken for this one.
        for variable in [
            "STATE_DIRECTORY",
            "NOTIFY_SOCKET",
            "LISTEN_PID",
            "LISTEN_FDS",
            "LISTEN_FDNAMES",
        ] {
            command.env_remove(variable);
        }
        let mut child = command
            .arg("serve")
            .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
            .args(arguments)
            .env("XDG_STATE_HOME", state.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, said) = channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self {
            child,
            state,
            said,
            lines: Vec::new(),
            http: nowhere,
            https: nowhere,
        };
        let until = Instant::now() + START_TIMEOUT;
        server.http = server.address("http://127.0.0.1:", until);
        server.https = server.address("https://127.0.0.1:", until);
        server
    }

    fn address(&mut self, prefix: &str, until: Instant) -> SocketAddr {
        loop {
            let named = self
                .lines
                .iter()
                .find_map(|line| number_after(line, prefix));
            if let Some(port) = named {
                return SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()));
            }
            match self
                .said
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.lines.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!(
                        "the server named no {prefix} at its start; it said:\n{}",
                        self.lines.join("\n")
                    )
                }
            }
        }
    }

    /// The certificate that the server made for itself.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.state.path().join("ringlane/self-signed.crt")
    }

    /// How many descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// Whether the process has this open.
    pub(crate) fn has_open(&self, path: &Path) -> bool {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        // One may be closed meanwhile.
        let is_it = |link| fs::read_link(link).is_ok_and(|found| found == path);
        descriptors.flatten().any(|entry| is_it(entry.path()))
    }

    /// User and system time of the process so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name in parentheses may hold anything; utime and stime are fields 14 and 15 of proc_pid_stat(5).
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM, and does not wait.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGHUP, and does not wait.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the server says a line with `words` in it that it had not said before.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.said.recv_timeout(left) else {
                panic!("no {words}; it said:\n{}", self.text_so_far());
            };
            let found = line.contains(words);
            self.lines.push(line);
            if found {
                break;
            }
        }
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(mut self) -> Ended {
        let until = Instant::now() + STOP_TIMEOUT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < until,
                "the server did not end; it said:\n{}",
                self.text_so_far()
            );
            thread::sleep(Duration::from_millis(20));
        };
        while let Ok(line) = self.said.recv_timeout(Duration::from_secs(5)) {
            self.lines.push(line);
        }
        Ended {
            code: status.code(),
            text: self.lines.join("\n"),
        }
    }

    /// SIGTERM, and what was left behind when the drain was over.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        self.ended()
    }

    /// The same while the clients of this runtime go on: one that says nothing is waited for.
    pub(crate) async fn drained(self) -> Ended {
        tokio::task::spawn_blocking(|| self.stop()).await.unwrap()
    }

    fn text_so_far(&mut self) -> String {
        self.lines.extend(self.said.try_iter());
        self.lines.join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // The test failed on the way, or is done with a server whose end it does not look at.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            println!("the server said:\n{}", self.text_so_far());
        }
    }
}

fn read_lines(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
}

impl Ended {
    /// Panics unless the server ended with exit code 0.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.code, Some(0), "the server said:\n{}", self.text);
    }

    /// Connections accepted by each shard, from the report that is printed at the end: a line for each shard that
    /// holds `shard N:` and `M accepted`.
    pub(crate) fn accepted_by_shard(&self) -> Vec<u64> {
        let mut accepted = Vec::new();
        for line in self.text.lines() {
            if let (Some(shard), Some(count)) = (
                number_after(line, "shard "),
                number_before(line, " accepted"),
            ) {
                let shard = usize::try_from(shard).unwrap();
                accepted.resize(accepted.len().max(shard + 1), 0);
                accepted[shard] = count;
            }
        }
        accepted
    }

    /// Slots of the arena that were still leased, all shards together, from the last report: `leased N`.
    pub(crate) fn leased(&self) -> Option<u64> {
        self.text
            .lines()
            .rev()
            .find_map(|line| number_after(line, "leased "))
    }
}

fn number_after(line: &str, prefix: &str) -> Option<u64> {
    let rest = &line[line.find(prefix)? + prefix.len()..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn number_before(line: &str, suffix: &str) -> Option<u64> {
    let rest = &line[..line.find(suffix)?];
    let start = rest
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + 1);
    rest[start..].parse().ok()
}
