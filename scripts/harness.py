"""What the scripts in this folder share: the server as a child process, its CPU time, seeded files, a bare HTTP/2
client that is just able to hold a connection open, and a count of checks.

Standard library only (Python 3.11 or newer). Every process is started by a script, remembered, and ended by its own
id; every file lives in one temporary folder that goes when the script ends.
"""

import atexit
import contextlib
import fcntl
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

REPO = pathlib.Path(__file__).resolve().parent.parent
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30
# What a service manager says to its services would be taken for the server that a script starts.
SERVICE_VARIABLES = ("STATE_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
os.environ["PATH"] += ":/usr/sbin:/sbin"  # nginx


# --- Checks -----------------------------------------------------------------------------------------------------


class Checks:
    """Counts what held and what did not, and says so in one plain closing line."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, ok, detail=""):
        """Records one check. `detail` is printed when it failed, and may be a figure worth seeing when it held."""
        if ok:
            self.passed += 1
        else:
            self.failed += 1
        text = f"{'ok  ' if ok else 'FAIL'}  {name}"
        print(f"{text}: {detail}" if detail else text, flush=True)
        return ok

    @contextlib.contextmanager
    def guard(self, name):
        """Turns an exception inside the block into one failed check, so that the rest still runs."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever went wrong is what the line must say
            self.check(name, False, f"{type(error).__name__}: {error}")

    def finish(self):
        """Prints the closing line and ends the script: 0 when everything held, else 1."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


# --- Temporary files --------------------------------------------------------------------------------------------


def scratch(name):
    """A fresh folder under $TMPDIR (or /tmp), removed at exit. Readable by all: h2o and nginx drop privileges."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"ringlane-{name}-"))
    path.chmod(0o755)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def write_random(path, size, rng, block=8 * MIB):
    """Writes `size` seeded pseudo-random bytes."""
    with open(path, "wb") as file:
        while size > 0:
            piece = min(size, block)
            file.write(rng.randbytes(piece))
            size -= piece


def same_file(left, right):
    """True when two files hold the same bytes."""
    if os.path.getsize(left) != os.path.getsize(right):
        return False
    with open(left, "rb") as a, open(right, "rb") as b:
        while True:
            x, y = a.read(4 * MIB), b.read(4 * MIB)
            if x != y:
                return False
            if not x:
                return True


# --- Processes --------------------------------------------------------------------------------------------------

_children = []


def end(child):
    """Ends a child that `spawn` started, if it has not ended by itself."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end_all():
    for child in reversed(_children):
        end(child)


def _on_signal(number, _frame):
    sys.exit(128 + number)  # runs the atexit handlers: children ended, folders removed


def spawn(argv, **kwargs):
    """subprocess.Popen of a program that is ended, by its own id, when the script ends."""
    child = subprocess.Popen([str(a) for a in argv], stdin=kwargs.pop("stdin", subprocess.DEVNULL), **kwargs)
    _children.append(child)
    return child


def run(argv, timeout=300, **kwargs):
    """Runs a program to its end; its output is text, its failure an exception that shows the output."""
    argv = [str(a) for a in argv]
    if kwargs.setdefault("text", True):
        kwargs.setdefault("errors", "replace")
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **kwargs)
    if done.returncode != 0:
        shown = done.stderr if kwargs["text"] else done.stderr.decode(errors="replace")
        raise RuntimeError(f"{pathlib.Path(argv[0]).name} ended with {done.returncode}: {shown.strip()[-800:]}")
    return done.stdout


def raise_descriptor_limit(wanted):
    """Raises RLIMIT_NOFILE for this process and its children; returns what it could get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        for attempt in (max(hard, wanted), hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, attempt), max(hard, min(wanted, attempt))))
                break
            except (ValueError, OSError):
                continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


_given_ports = set()


def free_port():
    """A port that was free a moment ago, for servers that cannot be asked for port 0; never the same twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def wait_for_port(port, child, timeout=START_TIMEOUT_S):
    """Returns when something accepts on the port; raises when the child ended or nothing came."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if child.poll() is not None:
            raise RuntimeError(f"{child.args[0]} ended with {child.returncode} at its start")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing accepted on port {port} within {timeout} s")


def ringlane_binary():
    """The binary named by $RINGLANE, or the release build, made now."""
    named = os.environ.get("RINGLANE")
    if named:
        return pathlib.Path(named).resolve()
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPO, check=True, stdin=subprocess.DEVNULL)
    listed = run(["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"], cwd=REPO)
    return pathlib.Path(json.loads(listed)["target_directory"]) / "release" / "ringlane"


class Ringlane:
    """`ringlane serve ROOT` on ports of the kernel's choice, in a state folder of its own.

    With `passed`, sockets that listen for http and for https: on those, which it gets as from systemd (sd_listen_fds(3)).
    """

    PASSED = 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=http:https exec "$@"'
    FIRST_PASSED = 3

    def __init__(self, binary, root, scratch_folder, *options, http=True, https=True, passed=()):
        state = pathlib.Path(scratch_folder) / "state"
        state.mkdir(exist_ok=True)
        argv = [binary, "serve", root, "--http", "127.0.0.1:0" if http else "none"]
        argv += ["--https", "127.0.0.1:0" if https else "none", *options]
        passing = {}
        if passed:
            argv = ["sh", "-c", self.PASSED, "sh", *argv]
            passing = {"close_fds": False, "preexec_fn": lambda: self._pass_on(passed)}
        self.lines = []
        self._heard = threading.Condition()
        self.child = spawn(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**{k: v for k, v in os.environ.items() if k not in SERVICE_VARIABLES}, "XDG_STATE_HOME": str(state)},
            **passing,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.http_port = self._port("http") if http else None
        self.https_port = self._port("https") if https else None

    def _pass_on(self, passed):
        # First away from where they are to go.
        away = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, self.FIRST_PASSED + len(passed)) for one in passed]
        for number, one in enumerate(away):
            os.dup2(one, self.FIRST_PASSED + number)

    def _read(self):
        for line in self.child.stdout:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def _port(self, scheme):
        wanted = re.compile(rf"\b{scheme}://127\.0\.0\.1:(\d+)")
        until = time.monotonic() + START_TIMEOUT_S
        with self._heard:
            while True:
                for line in self.lines:
                    if found := wanted.search(line):
                        return int(found[1])
                left = until - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    said = "\n".join(self.lines[-20:])
                    raise RuntimeError(f"ringlane named no {scheme} address at its start; it said:\n{said}")
                self._heard.wait(min(left, 0.5))

    @property
    def pid(self):
        return self.child.pid

    def url(self, scheme, path="/"):
        """`scheme` is `http` or `https`."""
        return f"{scheme}://127.0.0.1:{self.http_port if scheme == 'http' else self.https_port}{path}"

    def stop(self):
        """SIGTERM, then the exit code once the drain is over; everything the server said is in `text()`."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        code = self.child.wait(STOP_TIMEOUT_S)
        self._reader.join(5)
        return code

    def text(self):
        with self._heard:
            return "\n".join(self.lines)

    def leased(self):
        """Arena slots still leased, from the last report that was printed; None when no report names them."""
        found = re.findall(r"\bleased[ =:]+(\d+)|\b(\d+) leased\b", self.text())
        return int(found[-1][0] or found[-1][1]) if found else None


# --- Chromium ---------------------------------------------------------------------------------------------------

CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-proxy-server", "--hide-scrollbars",
)  # fmt: skip


# --- What a process costs ---------------------------------------------------------------------------------------


def process_tree(pid):
    """The process and everything below it."""
    pids = [pid]
    with contextlib.suppress(FileNotFoundError):
        for task in os.listdir(f"/proc/{pid}/task"):
            children = pathlib.Path(f"/proc/{pid}/task/{task}/children")
            if children.exists():
                for child in children.read_text().split():
                    pids += process_tree(int(child))
    return pids


def cpu_seconds(pid):
    """User and system time of a process tree in seconds, ended threads included.

    The scheduler's own count (`schedstat`, nanoseconds, one file per living thread, io_uring's workers among them) is
    taken where the kernel keeps it; the ticks of `stat` (10 ms, ended threads too) where they say clearly more.
    """
    tick = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for member in process_tree(pid):
        exact = 0.0
        threads = 0
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
            ticks = (int(fields[11]) + int(fields[12])) / tick
            for task in os.listdir(f"/proc/{member}/task"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    line = pathlib.Path(f"/proc/{member}/task/{task}/schedstat").read_text()
                    exact += int(line.split()[0]) / 1e9
                    threads += 1
            total += exact if exact and exact > ticks * 0.95 - 0.02 * (threads + 1) else ticks
    return total


def resident_bytes(pid):
    """Resident memory of one process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError("no VmRSS")


def descriptors(pid):
    """Open descriptors of one process: number -> what it is."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
    return found


# --- A bare HTTP/2 client ---------------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """A SETTINGS frame; the keyword names are the lower-case names of RFC 9113 section 6.5.2."""
    ids = {"header_table_size": 1, "enable_push": 2, "initial_window_size": 4, "max_frame_size": 5}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", ids[k], v) for k, v in values.items()))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def get(stream, path, scheme="http", authority="localhost"):
    """A HEADERS frame that asks for `path`: static-table names, plain literals that are never indexed."""

    def literal(index, value):
        value = value.encode()
        assert len(value) < 127
        return bytes([index, len(value)]) + value

    block = b"\x82" + (b"\x87" if scheme == "https" else b"\x86") + literal(0x04, path) + literal(0x01, authority)
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block)


def status_is_200(block):
    """Whether a field block begins with `:status: 200` (the only one that a success may begin with here)."""
    while block and block[0] & 0xE0 == 0x20:  # dynamic table size updates come first
        block = block[2:] if block[0] == 0x3F else block[1:]
    return block[:1] == b"\x88" or b"200" in block[:8]


class FrameReader:
    """Cuts frames out of what is read. `read(n)` returns at most n bytes, and b"" at the end."""

    def __init__(self, read):
        self._read = read
        self._kept = b""

    def _exactly(self, count):
        while len(self._kept) < count:
            piece = self._read(65536)
            if not piece:
                raise EOFError("the peer closed the connection")
            self._kept += piece
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken

    def next(self):
        """(kind, flags, stream, payload)"""
        head = self._exactly(9)
        length = int.from_bytes(head[:3], "big")
        return head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, self._exactly(length)


# --- h2load -----------------------------------------------------------------------------------------------------


def h2load(argv, requests, data_bytes, timeout=300, cpus=None, priority=()):
    """Runs h2load and refuses its figures unless every request succeeded and exactly `data_bytes` of body came.

    `priority` is a command to start it with. Returns the seconds it took, its request and byte rate and the protocol,
    the TLS version and the cipher that it names.
    """
    pin = ["taskset", "-c", str(cpus)] if cpus is not None else []
    said = run([*pin, *priority, "h2load", "-n", requests, *argv], timeout)
    wanted = rf"requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, 0 failed, 0 errored, 0 timeout"
    if not re.search(wanted, said) or not re.search(rf"status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx", said):
        fates = re.search(r"requests: .*", said)
        raise RuntimeError(f"not every request succeeded: {fates[0] if fates else ''}\n{said[-900:]}")
    got = int(re.search(r"traffic: .*?, .*?headers.*?, \S+ \((\d+)\) data", said)[1])
    if got != data_bytes:
        raise RuntimeError(f"{got} bytes of bodies instead of {data_bytes}")
    finished = re.search(r"finished in ([\d.]+)(us|ms|s|m|h)\b", said)
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}[finished[2]]
    seconds = max(float(finished[1]) * scale, 1e-9)
    protocol = re.search(r"TLS Protocol: (\S+)", said)
    cipher = re.search(r"Cipher: (\S+)", said)
    spoken = re.search(r"Application protocol: (\S+)", said)
    return {
        "seconds": seconds,
        "requests_per_s": requests / seconds,
        "mb_per_s": data_bytes / seconds / 1e6,
        "tls": protocol[1] if protocol else None,
        "cipher": cipher[1] if cipher else None,
        "spoken": spoken[1] if spoken else None,
    }


atexit.register(_end_all)
for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _on_signal)
random.seed()  # nothing may depend on the global generator: each script seeds one of its own
