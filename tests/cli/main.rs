//! Runs the built program: what it refuses and how it says so, and its life from start to end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod certificates;
mod descriptors;
mod roots;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ringlane");

/// The program, with a state folder of its own and nothing from a service manager.
fn ringlane(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg("serve")
        .current_dir(home)
        .env("XDG_STATE_HOME", home.join("state"));
    for variable in [
        "STATE_DIRECTORY",
        "NOTIFY_SOCKET",
        "LISTEN_PID",
        "LISTEN_FDS",
    ] {
        command.env_remove(variable);
    }
    command
}

fn check(home: &TempDir, arguments: &[&str]) -> Output {
    ringlane(home.path())
        .arg("--check")
        .args(arguments)
        .output()
        .unwrap()
}

/// Expects a refusal with exit code 2, and gives what was said.
fn refused(home: &TempDir, arguments: &[&str]) -> String {
    let output = check(home, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    said
}

fn accepted(home: &TempDir, arguments: &[&str]) {
    let output = check(home, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    assert_eq!(output.stdout, b"configuration ok\n");
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A certificate and key for localhost, as PEM files `NAME.crt` and `NAME.key`.
fn write_certificate(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join(name).with_extension("crt"), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    fs::write(folder.join(name).with_extension("key"), key).unwrap();
}

#[test]
fn check_accepts_the_defaults_and_writes_nothing() {
    let home = home();
    accepted(&home, &[]);
    accepted(&home, &["."]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_wrong_file_is_refused_with_line_and_key() {
    let home = home();
    let file = home.path().join("r.toml");
    for (text, expected) in [
        (
            "root = '.'\nhtpp = 'none'\n",
            "r.toml:2: htpp: unknown field",
        ),
        ("# one\n\nshards = 'two'\n", "r.toml:3: shards: "),
        ("http = ['127.0.0.1:x']\n", "r.toml:1: http: `127.0.0.1:x`"),
        ("cores = '4-2'\n", "r.toml:1: cores: the range"),
        ("root =\n", "r.toml:1: root: "),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(&home, &["--config", "r.toml"]);
        assert!(
            said.starts_with("ringlane: ") && said.contains(expected),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = refused(&home, &["--config", "missing.toml"]);
    assert!(
        said.contains("missing.toml") && said.contains("--config"),
        "{said}"
    );
}

#[test]
fn wrong_sites_and_rules_are_refused_with_line_and_key() {
    let home = home();
    for folder in ["a", "b"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("file"), "").unwrap();
    let site = "[[site]]\nhosts = ['a.test', '*.a.test']\nroot = 'a'\n";
    let rule = "[[rule]]\nmatch = '**'\n";
    for (text, expected) in [
        (
            format!("{site}[[site]]\nhosts = 'A.test'\nroot = 'b'\n"),
            "r.toml:5: hosts: `a.test`: the host is given twice",
        ),
        (
            format!(
                "{site}mounts = [{{ prefix = '/x', root = 'b' }}, {{ prefix = '/x', root = 'a' }}]\n"
            ),
            "r.toml:4: mounts: `/x`: the prefix is given twice",
        ),
        (
            format!("{site}[[site.mounts]]\nprefix = '/x'\nroot = 'file'\n"),
            "r.toml:6: root: cannot serve file: Not a directory",
        ),
        (
            format!("{site}cert = 'no.crt'\nkey = 'no.key'\n"),
            "r.toml:4: cert: cannot read no.crt",
        ),
        (
            "[[rule]]\nmatch = 'a['\nlisting = false\n".to_owned(),
            "r.toml:2: match: `a[`: unclosed character class",
        ),
        (
            format!("{rule}set = {{ Connection = 'close' }}\n"),
            "r.toml:3: set: `Connection`: a field about the connection",
        ),
        (
            format!("{rule}cors = {{ origins = '*', credentials = true }}\n"),
            "r.toml:3: cors: `credentials` with any origin",
        ),
        (
            format!("{rule}redirect = {{ to = '/a', status = 200 }}\n"),
            "r.toml:3: redirect: 200 is no redirect",
        ),
        (
            "[files]\nrevalidate = -0.5\n".to_owned(),
            "r.toml:2: revalidate: ",
        ),
    ] {
        fs::write(home.path().join("r.toml"), text).unwrap();
        let said = refused(&home, &["--config", "r.toml"]);
        assert!(
            said.starts_with("ringlane: ") && said.contains(expected),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    fs::write(
        home.path().join("r.toml"),
        format!("{site}{rule}listing = false\n"),
    )
    .unwrap();
    accepted(&home, &["--config", "r.toml", "--no-listing"]);
    accepted(&home, &["b", "--config", "r.toml"]);
}

#[test]
fn the_example_of_the_readme_is_accepted() {
    let home = home();
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Sites and rules\n").unwrap();
    let (_, example) = section.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    // Its paths, in a folder of the test's own.
    let text = example.replace("/srv/", "").replace("/etc/ringlane/", "");
    fs::write(home.path().join("r.toml"), text).unwrap();
    for folder in ["files", "mirror", "app", "empty"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    write_certificate(home.path(), "app");
    fs::rename(home.path().join("app.crt"), home.path().join("app.pem")).unwrap();
    accepted(&home, &["--config", "r.toml"]);
}

#[test]
fn flags_win_over_the_file_and_its_paths_are_relative_to_it() {
    let home = home();
    fs::create_dir_all(home.path().join("etc/site")).unwrap();
    fs::write(
        home.path().join("etc/r.toml"),
        "root = 'site'\nshards = 9999\nhttp = 'none'\nhttps = ['127.0.0.1:0', '[::1]:0']\n",
    )
    .unwrap();
    accepted(&home, &["--config", "etc/r.toml", "--shards", "1"]);
    let said = refused(&home, &["--config", "etc/r.toml"]);
    assert!(said.contains("9999 shards"), "{said}");
}

#[test]
fn wrong_addresses_are_refused() {
    let home = home();
    for (arguments, expected) in [
        (&["--http", "8080"][..], "127.0.0.1:8080"),
        (
            &["--http", "none", "--https", "none"],
            "nothing to listen on",
        ),
        (&["--http", "none", "--http", "[::1]:80"], "`none` beside"),
        (&["--http", "[::1]:80", "--http", "[::1]:80"], "twice"),
        (
            &["--http", "[::1]:80", "--https", "[::1]:80"],
            "both http and https",
        ),
        (
            &["--http", "0.0.0.0:18443", "--https", "127.0.0.1:18443"],
            "http has 0.0.0.0:18443, which is every address with that port, https's 127.0.0.1:18443 among",
        ),
        (
            &["--http", "[::1]:80", "--http", "[::]:80"],
            "http has [::]:80,",
        ),
        // The default of the other kind.
        (&["--http", "0.0.0.0:8443"], "https's 127.0.0.1:8443 among"),
        (&["--http", "[::ffff:127.0.0.1]:0"], "write 127.0.0.1:0"),
    ] {
        let said = refused(&home, arguments);
        assert!(said.contains(expected), "{said}");
    }
    accepted(
        &home,
        &["--http", "[::1]:0", "--http", "[::1]:0", "--https", "none"],
    );
    accepted(&home, &["--http", "none", "--http", "none"]);
    for [http, https] in [
        ["0.0.0.0:0", "127.0.0.1:0"],
        ["0.0.0.0:8080", "[::1]:8080"],
        ["0.0.0.0:8080", "127.0.0.1:8081"],
        ["127.0.0.1:8080", "127.0.0.2:8080"],
    ] {
        accepted(&home, &["--http", http, "--https", https]);
    }
}

#[test]
fn cores_that_are_not_there_are_refused() {
    let home = home();
    let said = refused(&home, &["--cores", "8191"]);
    assert!(
        said.contains("cores 8191 are not available") && said.contains("choose among"),
        "{said}"
    );
    let said = refused(&home, &["--cores", "x"]);
    assert!(said.contains("0,2-5"), "{said}");
    let said = refused(&home, &["--shards", "9000"]);
    assert!(said.contains("9000 shards need 9000 cores"), "{said}");
    refused(&home, &["--shards", "0"]);
    refused(&home, &["--report", "0"]);
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    banner: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            banner: String::new(),
        };
        while !server.banner.ends_with("/\n") || !server.banner.contains("\nTry:\n") {
            if server.stdout.read_line(&mut server.banner).unwrap() == 0 {
                let said = server.said();
                panic!("no banner: {}{said}", server.banner);
            }
        }
        server
    }

    /// The real address behind `http://` or `https://` in the banner.
    fn address(&self, kind: &str) -> SocketAddr {
        let prefix = format!("  {kind}://");
        let line = self
            .banner
            .lines()
            .find_map(|line| line.strip_prefix(&prefix));
        line.unwrap().split('/').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server did not end");
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ANY_PORT: [&str; 4] = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
const CLEAR_ONLY: [&str; 6] = ["--http", "127.0.0.1:0", "--https", "none", "--shards", "1"];

#[test]
fn serves_until_sigterm_and_reports_at_the_end() {
    let home = home();
    let mut server = Server::start(
        ringlane(home.path())
            .args(ANY_PORT)
            .args(["--report", "60"]),
    );
    let root = home.path().canonicalize().unwrap();
    assert!(
        server
            .banner
            .contains(&format!("serves {}\n", root.display()))
    );
    assert!(server.banner.contains("SHA-256 "), "{}", server.banner);
    TcpStream::connect(server.address("http")).unwrap();
    TcpStream::connect(server.address("https")).unwrap();
    assert!(home.path().join("state/ringlane/self-signed.crt").exists());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    let mut report = String::new();
    // The banner's second curl line comes first.
    server.stdout.read_to_string(&mut report).unwrap();
    assert!(
        report.contains("total ") && report.contains(" req/s"),
        "{report}"
    );
}

#[test]
fn what_is_said_to_try_names_a_host_that_is_served() {
    let home = home();
    fs::write(
        home.path().join("r.toml"),
        "[[site]]\nhosts = 'a.test'\nroot = '.'\n",
    )
    .unwrap();
    let server = Server::start(
        ringlane(home.path())
            .args(CLEAR_ONLY)
            .args(["--config", "r.toml"]),
    );
    let address = server.address("http");
    let url = format!("http://a.test:{}/", address.port());
    let line = format!("--connect-to ::{address} {url}\n");
    assert!(server.banner.ends_with(&line), "{}", server.banner);
    let mut client = TcpStream::connect(address).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn starting_twice_is_a_clear_error() {
    let home = home();
    let first = Server::start(ringlane(home.path()).args(CLEAR_ONLY));
    let address = first.address("http").to_string();
    let second = ringlane(home.path())
        .args(["--http", &address, "--https", "none"])
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("ringlane: {address} is in use")),
        "{said}"
    );
    assert!(said.contains("ss -ltnp"), "{said}");
}

/// Has a shard log something: a handshake that fails. It is over when the connection is closed.
fn fail_a_handshake(server: &Server) {
    let mut client = TcpStream::connect(server.address("https")).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert!(client.read_to_end(&mut Vec::new()).is_ok());
}

/// As with `ringlane serve 2>&1 | tee log` after Ctrl-C.
#[test]
fn a_server_whose_log_nobody_takes_goes_on_and_ends_in_order() {
    let home = home();
    let mut server = Server::start(
        ringlane(home.path())
            .args(ANY_PORT)
            .args(["--log-level", "debug"]),
    );
    drop(server.child.stderr.take());
    for _ in 0..2 {
        fail_a_handshake(&server);
    }
    // What the main thread logs.
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
}

/// As with `ringlane serve 2>&1 | less`.
#[test]
fn a_server_whose_log_nobody_reads_goes_on_and_ends_in_order() {
    let home = home();
    let mut server = Server::start(
        ringlane(home.path())
            .args(ANY_PORT)
            .args(["--log-level", "debug"]),
    );
    let log = server.child.stderr.as_ref().unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(log, 16_384).unwrap();
    for _ in 0..room / 50 {
        fail_a_handshake(&server);
    }
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    let said = server.said();
    assert!(said.len() > room / 2, "{said}");
}

#[test]
fn what_cannot_be_said_is_told_by_the_exit_code() {
    let home = home();
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let code = |option: &str| {
        let mut command = ringlane(home.path());
        command
            .args(["--check", option])
            .stdout(full())
            .stderr(full());
        command.status().unwrap().code()
    };
    assert_eq!(code("--no-listing"), Some(0));
    assert_eq!(code("--config=none.toml"), Some(2));
}

#[test]
fn the_service_manager_is_told() {
    let home = home();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let hear = || {
        let mut bytes = [0; 1024];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut server = Server::start(
        ringlane(home.path())
            .args(CLEAR_ONLY)
            .args(["--drain-timeout", "7200"])
            .env("NOTIFY_SOCKET", &path),
    );
    let ready = hear();
    assert!(
        ready.contains("READY=1\n") && ready.contains("STATUS=serving"),
        "{ready}"
    );
    server.signal(Signal::SIGTERM);
    let stopping = hear();
    assert!(stopping.contains("STOPPING=1\n"), "{stopping}");
    // Two hours, and what ending takes.
    assert!(
        stopping.contains("EXTEND_TIMEOUT_USEC=7210000000\n"),
        "{stopping}"
    );
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_passed_socket_is_used_instead_of_the_configured_address() {
    let home = home();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // A shell puts the socket where systemd would, and knows the process id that the program will have.
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec \"$@\"",
            "sh",
        ])
        .args([PROGRAM, "serve", "--http", "192.0.2.1:1"])
        .current_dir(home.path())
        .env("XDG_STATE_HOME", home.path())
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let mut server = Server::start(&mut command);
    assert_eq!(server.address("http"), address);
    assert!(!server.banner.contains("https://"), "{}", server.banner);
    TcpStream::connect(address).unwrap();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn an_address_of_another_machine_is_a_run_time_error() {
    let home = home();
    let output = ringlane(home.path())
        .args(["--http", "192.0.2.1:8080", "--https", "none"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("192.0.2.1:8080 is not an address of this machine"),
        "{said}"
    );
}
