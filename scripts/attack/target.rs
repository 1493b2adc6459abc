//! The server under attack: started, or found running; what it costs and what it says.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Files that are served: path and bytes.
pub(crate) const FILES: [(&str, usize); 3] =
    [(SMALL, 1 << 10), (MEDIUM, 100 << 10), (LARGE, 64 << 20)];
pub(crate) const SMALL: &str = "/1k";
pub(crate) const MEDIUM: &str = "/100k";
pub(crate) const LARGE: &str = "/64m";

/// What the server logs when it has caught a panic.
const PANIC: &str = "panicked";

/// See the module's documentation.
pub(crate) struct Target {
    pub(crate) http: SocketAddr,
    /// Where TLS is spoken, if anywhere.
    pub(crate) https: Option<SocketAddr>,
    pub(crate) pid: u32,
    child: Option<(Child, TempDir)>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Target {
    /// Starts `binary` with one shard and files of its own.
    pub(crate) fn start(binary: &Path) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let root = folder.path().join("root");
        fs::create_dir(&root)?;
        write_files(&root)?;
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
            .arg(&root)
            .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
            .args(["--shards", "1"])
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = child.stdout.take() {
            read_lines(stdout, Arc::clone(&said));
        }
        if let Some(stderr) = child.stderr.take() {
            read_lines(stderr, Arc::clone(&said));
        }
        let mut target = Self {
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            https: None,
            pid: child.id(),
            child: Some((child, folder)),
            said,
        };
        target.http = target.named("http://")?;
        target.https = Some(target.named("https://")?);
        Ok(target)
    }

    /// A server that runs already and serves what [`write_files`] wrote.
    pub(crate) fn running(http: SocketAddr, https: Option<SocketAddr>, pid: u32) -> Self {
        Self {
            http,
            https,
            pid,
            child: None,
            said: Arc::default(),
        }
    }

    /// The address that the server named at its start.
    fn named(&self, scheme: &str) -> io::Result<SocketAddr> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            for line in self.said().iter() {
                let Some((_, rest)) = line.split_once(scheme) else {
                    continue;
                };
                if let Some(address) = rest.split('/').next().and_then(|a| a.parse().ok()) {
                    return Ok(address);
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        let said = self.said().join("\n");
        Err(io::Error::other(format!(
            "the server named no {scheme} address; it said:\n{said}"
        )))
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.said.lock().expect("no reader panics")
    }

    /// Lines that tell of a panic.
    pub(crate) fn panics(&self) -> usize {
        self.said()
            .iter()
            .filter(|line| line.contains(PANIC))
            .count()
    }

    /// Everything that was said, for a person.
    pub(crate) fn text(&self) -> String {
        self.said().join("\n")
    }

    pub(crate) fn is_alive(&self) -> bool {
        // A zombie has no status of memory.
        self.memory().is_ok()
    }

    /// Resident memory, but for the pages of mapped files, which are the page cache's, in bytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let kib = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
                .ok_or_else(|| io::Error::other("the process has ended"))
        };
        let (all, files) = (kib("VmRSS:")?, kib("RssFile:")?);
        Ok((all - files) << 10)
    }

    /// Processor time of all threads so far, by the scheduler's own count.
    pub(crate) fn cpu(&self) -> Duration {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))
            .into_iter()
            .flatten()
            .flatten()
        {
            let line = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            sum += line
                .split_whitespace()
                .next()
                .and_then(|ns| ns.parse::<u64>().ok())
                .unwrap_or(0);
        }
        Duration::from_nanos(sum)
    }

    /// How many descriptors are open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// Whether the server still has its end of the connection from our port `port`.
    pub(crate) fn holds(&self, port: u16) -> bool {
        let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port_of = |at: usize| {
                let (_, port) = fields.get(at)?.split_once(':')?;
                u16::from_str_radix(port, 16).ok()
            };
            // The server's sockets, by the peer's port; a closed one has no inode any more.
            port_of(2) == Some(port)
                && (port_of(1) == Some(self.http.port())
                    || port_of(1) == self.https.map(|address| address.port()))
                && fields.get(9).is_some_and(|inode| *inode != "0")
        })
    }

    /// SIGTERM; what is wrong about how the server ended, if anything is.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let Some((mut child, _folder)) = self.child.take() else {
            return Ok(());
        };
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let until = Instant::now() + Duration::from_secs(35);
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("the server ended with {status}")),
                Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err("the server did not end after SIGTERM".to_owned());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read_lines(from: impl Read + Send + 'static, to: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            to.lock().expect("no reader panics").push(line);
        }
    });
}

/// Writes [`FILES`] below `root`.
pub(crate) fn write_files(root: &Path) -> io::Result<()> {
    for (path, bytes) in FILES {
        fs::write(root.join(&path[1..]), contents(bytes))?;
    }
    Ok(())
}

/// What a file of so many bytes holds: always the same.
pub(crate) fn contents(bytes: usize) -> Vec<u8> {
    let mut state = bytes as u64 | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}
