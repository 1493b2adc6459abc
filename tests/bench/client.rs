//! `ringlane bench`, run to its end.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A run that takes so long hangs: the longest here takes some seconds.
const HANGS: Duration = Duration::from_secs(120);

/// What a run has left: exit code, standard output, standard error.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program with these arguments, not yet started.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let binary = std::env::var_os("RINGLANE")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_ringlane")));
    let mut command = Command::new(binary);
    command
        .arg("bench")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it.
pub(crate) fn bench(arguments: &[&str]) -> Said {
    said(command(arguments).spawn().unwrap())
}

/// Waits for its end; one that does not end is killed, and has no exit code.
pub(crate) fn said(child: Child) -> Said {
    let pid = Pid::from_child(&child);
    let (ended, end) = channel::<()>();
    let watchdog = thread::spawn(move || {
        if end.recv_timeout(HANGS).is_err() {
            // It is not reaped yet, so that the number is its own.
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    let _ = ended.send(());
    watchdog.join().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Starts it, and returns once it has said this on stderr; what else it says there is read by the thread.
pub(crate) fn begun(mut command: Command, says: &str) -> (Child, JoinHandle<()>) {
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(says) {
        let mut byte = [0];
        let read = pipe.read(&mut byte).unwrap();
        assert_eq!(read, 1, "{}", String::from_utf8_lossy(&said));
        said.extend(byte);
    }
    let rest = thread::spawn(move || {
        let mut rest = Vec::new();
        pipe.read_to_end(&mut rest).unwrap();
    });
    (child, rest)
}

/// Runs it for its result; panics unless it ends with this exit code.
pub(crate) fn result(arguments: &[&str], code: i32) -> Value {
    let said = bench(&[arguments, &["--json", "-"]].concat());
    assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.err);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.err))
}

/// A number in a result, by its path: `/total/requests/succeeded`.
pub(crate) fn number(result: &Value, path: &str) -> f64 {
    let found = result.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no {path}"))
}

/// A percentile in milliseconds, of `last_byte` or `corrected` in the total.
pub(crate) fn percentile_ms(result: &Value, which: &str, percent: f64) -> f64 {
    let latency = &result["total"]["latency"][which];
    let rank = (percent / 100.0 * latency["count"].as_f64().unwrap()).ceil();
    let mut below = 0.0;
    for bucket in latency["buckets"].as_array().unwrap() {
        below += bucket[1].as_f64().unwrap();
        if below >= rank {
            return bucket[0].as_f64().unwrap() / 1e6;
        }
    }
    panic!("no values in {which}");
}
