"""A server on one core: started with honest settings in a folder of its own, and stopped by its id."""

import contextlib
import os
import pathlib
import re
import resource
import socket
import subprocess
import time

import harness

SERVER_CORE, CLIENT_CORE = 0, 1
TLS13_SUITE = "TLS_AES_128_GCM_SHA256"
# Connections that every server is told to take, some more than the 10,000 idle ones; and descriptors, for both sides.
MOST_CONNECTIONS = 12_000
DESCRIPTORS = 20_000
MOST_STREAMS = 256
# Memory that a server may take that keeps all of its answers.
MOST_KEPT = 4 << 30

H2_CLEAR, H2_TLS, H1_TLS = "h2-clear", "h2-tls", "h1-tls"
PROTOCOLS = {
    H2_CLEAR: "HTTP/2, in the clear",
    H2_TLS: "HTTP/2, TLS 1.3",
    H1_TLS: "HTTP/1.1, TLS 1.3",
}

# For every server that uses OpenSSL: one cipher suite, so that what is compared is not AES-128 with AES-256, and
# kernel TLS where both kernel and server have it.
OPENSSL_CONF = f"""\
openssl_conf = settings
[settings]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv1.2
Ciphersuites = {TLS13_SUITE}
"""


class Unavailable(Exception):
    """A server does not speak a protocol, or is not installed: no failure, and no figure."""


class Site:
    """What all servers serve: one folder of files, one ECDSA certificate. All of it readable by all."""

    def __init__(self, folder, root=None):
        self.folder = folder
        self.root = root or folder / "root"
        self.root.mkdir(exist_ok=True)
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        harness.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-days", "2", "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.cert]
        )
        self.key.chmod(0o644)
        self.openssl_conf = folder / "openssl.cnf"
        self.openssl_conf.write_text(OPENSSL_CONF)


class Server:
    """One server. A subclass gives its name, its settings and how it is started."""

    name = ""
    program = ""
    # Why a protocol is not spoken, by protocol.
    lacks = {}
    # What a reader of its figures must know: one footnote.
    note = ""
    # Whether it takes all into memory at once that a client's windows let it send.
    keeps_what_the_window_allows = False
    # Descriptors that it needs for each open connection.
    descriptors_each = 1
    shards = 1

    def __init__(self, site):
        self.site = site
        self.folder = site.folder / self.name
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o777)  # some drop privileges before they write here
        self.children = []
        self.ports = {}
        self._log = None

    # What a subclass says.

    def settings(self):
        """The text of its configuration file, if it has one."""
        return ""

    def commands(self, conf):
        """The command lines to start it with, most have one."""
        raise NotImplementedError

    def environment(self):
        """Variables beside those of this process."""
        return {}

    def ready(self):
        """Called when its ports accept: the last chance to prepare something before it is measured."""

    @classmethod
    def version(cls):
        """As it says it itself."""
        raise NotImplementedError

    # What is the same for all.

    @classmethod
    def installed(cls):
        path = os.environ["PATH"].split(":")
        return any(os.access(pathlib.Path(folder) / cls.program, os.X_OK) for folder in path)

    @classmethod
    def most_connections(cls):
        """Connections that it can keep open with the descriptors that are allowed; some are for other things."""
        return int((resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500) / cls.descriptors_each)

    @classmethod
    def require(cls, protocol, body_bytes):
        """Raises Unavailable, with the reason, when it cannot answer with so many bytes at once over `protocol`."""
        if not cls.installed():
            raise Unavailable(f"{cls.program} is not installed")
        if protocol in cls.lacks:
            raise Unavailable(cls.lacks[protocol])
        if cls.keeps_what_the_window_allows and body_bytes > MOST_KEPT:
            raise Unavailable(
                f"{cls.name} takes into memory what the client's windows let it send, here {body_bytes >> 30} GiB: not run."
            )

    def start(self):
        """Starts it on ports that were free a moment ago, pinned to the server core."""
        self.ports = {"http": harness.free_port(), "https": harness.free_port()}
        conf = self.folder / f"{self.name}.conf"
        conf.write_text(self.settings())
        env = {k: v for k, v in os.environ.items() if k not in harness.SERVICE_VARIABLES}
        env |= {"OPENSSL_CONF": str(self.site.openssl_conf), "HOME": str(self.folder)} | self.environment()
        self._log = open(self.folder / "output.log", "wb")
        for argv in self.commands(conf):
            pinned = ["taskset", "-c", str(SERVER_CORE), *argv]
            self.children.append(harness.spawn(pinned, stdout=self._log, stderr=self._log, env=env, cwd=self.folder))
        try:
            for scheme, port in self.ports.items():
                if not (scheme == "http" and H2_CLEAR in self.lacks):
                    harness.wait_for_port(port, self.children[0] if len(self.children) == 1 else self._child_of(scheme))
            self.ready()
        except Exception as error:
            self.stop()
            said = (self.folder / "output.log").read_text(errors="replace").strip()[-600:]
            raise RuntimeError(f"{self.name} did not start: {error}\n{said}") from error
        return self

    def _child_of(self, scheme):
        return self.children[0 if scheme == "http" else 1]

    def stop(self):
        """Ends its processes by their ids, and waits for all of them, those that they started too."""
        pids = [pid for child in self.children for pid in harness.process_tree(child.pid)]
        for child in self.children:
            harness.end(child)
        until = time.monotonic() + 10
        for pid in pids:
            while pathlib.Path(f"/proc/{pid}").exists() and time.monotonic() < until:
                time.sleep(0.02)
        self.children = []
        if self._log:
            self._log.close()

    def __enter__(self):
        return self if self.children else self.start()

    def __exit__(self, *_):
        self.stop()

    def url(self, protocol, path):
        scheme = "http" if protocol == H2_CLEAR else "https"
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}{path}"

    def port(self, protocol):
        return self.ports["http" if protocol == H2_CLEAR else "https"]

    def pids(self):
        """All its processes: masters, workers and helpers alike."""
        return [pid for child in self.children for pid in harness.process_tree(child.pid)]

    def alive(self):
        return all(child.poll() is None for child in self.children)


class Ringlane(Server):
    """The release build, or $RINGLANE, with one shard."""

    name = "ringlane"
    cores = str(SERVER_CORE)
    # Whether it takes the congestion control that it would by itself, another than the system's for loopback addresses.
    chooses = False
    # Built at most once in a run.
    _binary = None

    @classmethod
    def binary(cls):
        if Ringlane._binary is None:
            Ringlane._binary = harness.ringlane_binary()
        return Ringlane._binary

    @classmethod
    def installed(cls):
        return True

    @classmethod
    def version(cls):
        said = harness.run([cls.binary(), "--version"]).split()[-1]
        commit = ""
        with contextlib.suppress(RuntimeError, subprocess.SubprocessError, OSError):
            commit = harness.run(["git", "describe", "--always", "--dirty"], cwd=harness.REPO).strip()
        return f"{said} ({commit})" if commit else said

    def settings(self):
        options = " ".join(str(option) for option in self._options())
        return f"# ringlane serve ROOT --http 127.0.0.1:0 --https 127.0.0.1:0 {options}\n"

    def _settings(self):
        pair = ["--cert", self.site.cert, "--key", self.site.key]
        same = [] if self.chooses else ["--congestion-control", "system"]
        return ["--shards", self.shards, *same, *pair]

    def _options(self):
        return ["--cores", self.cores, *self._settings()]

    def start(self):
        self._own = harness.Ringlane(self.binary(), self.site.root, self.folder, *self._options())
        self.children = [self._own.child]
        self.ports = {"http": self._own.http_port, "https": self._own.https_port}
        return self

    def stop(self):
        if self.children:
            self._own.stop()
        self.children = []


class RinglaneTwo(Ringlane):
    """The same with two shards; the second shares its core with the client."""

    name = "ringlane-2"
    cores = f"{SERVER_CORE},{CLIENT_CORE}"
    shards = 2


class RinglaneTwice(Ringlane):
    """Two of them with a shard each, on the same ports: what two shards would cost that share nothing at all."""

    name = "ringlane-1+1"

    def start(self):
        self.ports = {"http": 0, "https": 0}
        self._both = []
        for core in (SERVER_CORE, CLIENT_CORE):
            folder = self.folder / str(core)
            folder.mkdir(exist_ok=True)
            passed = [self._listen(scheme) for scheme in self.ports]
            options = ["--cores", core, *self._settings()]
            self._both.append(harness.Ringlane(self.binary(), self.site.root, folder, *options, passed=passed))
            for one in passed:
                one.close()
        self.children = [one.child for one in self._both]
        return self

    def _listen(self, scheme):
        """A socket of its own for each of them, on the port of the first."""
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", self.ports[scheme]))
        one.listen(4096)
        self.ports[scheme] = one.getsockname()[1]
        return one

    def stop(self):
        if self.children:
            for one in self._both:
                one.stop()
        self.children = []


def first_match(pattern, text):
    """The first group of `pattern` in what a program says about itself."""
    found = re.search(pattern, text)
    return found[1] if found else text.strip().splitlines()[0]


def said_by(argv):
    """Both outputs of a program that is asked for its version: some say it on stderr, some end with 1."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr
