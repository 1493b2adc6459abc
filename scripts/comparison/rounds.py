"""Every load on every server in turn: A B C, A B C, ... What fails a check is an error, never a figure."""

import random
import subprocess
import sys

import harness

from . import peers, results
from .clients import CLIENTS, H2load
from .servers import PROTOCOLS, H1_TLS, H2_CLEAR, Site, Unavailable
from .workloads import FILES

# In the clear with prior knowledge, and over TLS by ALPN.
CURL = {H2_CLEAR: "--http2-prior-knowledge", H1_TLS: "--http1.1"}


class Context:
    """What a comparison runs in: the files, the servers that are up, and how long a measurement should take."""

    def __init__(self, seconds, sizes=None, idle=10_000):
        self.folder = harness.scratch("compare")
        self.sizes = FILES | (sizes or {})
        self.seconds = seconds
        self.idle = idle
        self.warm_client = H2load(self.folder)
        self._site = None
        self._up = {}

    @property
    def site(self):
        """All files, written when they are first needed."""
        if self._site is None:
            self._site = self._made("site", self.sizes)
        return self._site

    def _made(self, name, sizes):
        folder = self.folder / name
        folder.mkdir()
        site = Site(folder)
        rng = random.Random(1)
        for file, size in sizes.items():
            harness.write_random(site.root / f"{file}.bin", size, rng)
        return site

    def small_site(self):
        """The smallest file only, in a folder of its own: for servers that are started for one round."""
        if not hasattr(self, "_small"):
            self._small = self._made("small", {"1k": self.sizes["1k"]})
        return self._small

    def server(self, name):
        """The one that is up, or a new one."""
        server = self._up.get(name)
        if server is None or not server.alive():
            server = self._up[name] = peers.ALL[name](self.site).start()
        return server

    def stop(self):
        for server in self._up.values():
            server.stop()
        self._up.clear()


def check_contents(context, server, protocol, largest=16 * harness.MIB):
    """Fetches each file that is not too large with curl and compares it; asks for one that is not there."""
    got = context.folder / "got"
    for name, size in context.sizes.items():
        path = server.site.root / f"{name}.bin"
        if size > largest or not path.exists():
            continue
        options = ["-sSk", "--max-time", "60", CURL.get(protocol, "--http2"), "-o", got]
        said = harness.run(["curl", *options, "-w", "%{http_code} %{http_version}", server.url(protocol, f"/{name}.bin")])
        if said != ("200 1.1" if protocol == H1_TLS else "200 2"):
            raise RuntimeError(f"{name}.bin was answered with status and version {said}")
        if not harness.same_file(path, got):
            raise RuntimeError(f"{name}.bin came with other contents")


class Comparison:
    """One workload over one protocol with one client, on several servers."""

    def __init__(self, context, workload, protocol, client_name, names):
        self.context = context
        self.workload = workload
        self.protocol = protocol
        self.client_name = client_name
        # Raises Unavailable for a client that there is none of.
        self._client = CLIENTS[client_name](context.folder) if client_name in CLIENTS else None
        self.names = [name for name in names if not workload.servers or name in workload.servers]
        self.kept = {}
        self._requests = {}

    @property
    def title(self):
        return f"{self.workload.title}; {PROTOCOLS[self.protocol]}; {self.client_name}"

    def _server(self, name):
        if self.workload.fresh:
            return peers.ALL[name](self.context.small_site()).start()
        return self.context.server(name)

    def _done_with(self, server):
        if self.workload.fresh:
            server.stop()

    def _fail(self, name, error):
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        self.kept[name] = {"error": first.replace(str(self.context.folder), "FOLDER")[:300]}
        print(f"FAIL  {self.title}; {name}: {error}", file=sys.stderr, flush=True)

    def _attempt(self, name, action):
        """Runs `action` on the server; what goes wrong is kept instead of figures."""
        server = None
        try:
            server = self._server(name)
            return action(server)
        except Unavailable as reason:
            self.kept[name] = {"unavailable": str(reason)}
        except (OSError, RuntimeError, EOFError, ValueError, LookupError, subprocess.SubprocessError) as error:
            self._fail(name, error)
        finally:
            if server is not None:
                self._done_with(server)
        return None

    def _prepare(self, name, client):
        size = self.context.sizes[self.workload.file]
        at_once = self.workload.connections * self.workload.streams * size
        peers.ALL[name].require(self.protocol, at_once)

        def prepare(server):
            check_contents(self.context, server, self.protocol)
            return self.workload.calibrate(self.context, server, self.protocol, client)

        return self._attempt(name, prepare)

    def prepare(self):
        """Everything before the first round: which servers can take part, and how many requests each is asked."""
        for name in self.names:
            try:
                requests = self._prepare(name, self._client)
            except Unavailable as reason:
                self.kept[name] = {"unavailable": str(reason)}
                continue
            if requests is not None:
                self._requests[name] = requests
                self.kept[name] = {"version": peers.ALL[name].version(), "rounds": []}

    def round(self):
        """Each server once. One that fails is out of all further rounds, and has no figures."""
        for name in list(self._requests):
            figures = self._attempt(name, lambda server: self._round(server, self._client))
            if figures is None:
                del self._requests[name]
            else:
                self.kept[name]["rounds"].append(results.rounded(figures))

    def result(self):
        """What is to be kept, in the form of results.py."""
        return {
            "protocol": self.protocol,
            "client": self.client_name,
            "client_version": self._client.version() if self._client else "",
            "machine": results.machine(),
            "file_bytes": self.context.sizes[self.workload.file],
            "servers": self.kept,
        }

    def _round(self, server, client):
        requests = self._requests[server.name]
        return self.workload.measure(self.context, server, self.protocol, client, requests)


def in_turn(comparisons, rounds):
    """All comparisons of a workload, its protocols and clients, round after round: they too may be compared then."""
    for comparison in comparisons:
        comparison.prepare()
    for _ in range(rounds):
        for comparison in comparisons:
            comparison.round()
    return [comparison.result() for comparison in comparisons]
