"""The loads that servers are compared under, and the figures that each gives."""

import dataclasses
import functools
import time

import harness

from .clients import Download, Held
from .measure import SETTLE_S, Cost, memory_bytes, on_core, proportional_bytes
from .servers import CLIENT_CORE, H1_TLS, H2_CLEAR, H2_TLS, SERVER_CORE

BOTH = (H2_CLEAR, H2_TLS)
FILES = {"large": harness.GIB, "10m": 10 * harness.MIB, "100k": 100 * harness.KIB, "1k": harness.KIB}


@dataclasses.dataclass(frozen=True)
class Load:
    """So many requests for one file, closed: a request follows when one before it has ended."""

    protocol: str
    path: str
    size: int
    connections: int
    streams: int
    requests: int

    @property
    def bytes(self):
        return self.requests * self.size


@dataclasses.dataclass(frozen=True)
class Workload:
    """A row of the comparison: what is asked, and the key of the figure that counts (see results.py)."""

    name: str
    title: str
    figure: str
    file: str
    protocols: tuple = BOTH
    connections: int = 1
    streams: int = 1
    # None: as many as take about as long as one measurement should.
    requests: int | None = None
    # Requests of the run that warms up and finds out how fast a server is.
    probe: int = 1
    # A server for each round of its own, because what it keeps from before would be measured.
    fresh: bool = False
    # Only these servers and clients, when not all.
    servers: tuple = ()
    clients: tuple = ()
    # More figures that it gives.
    also: tuple = ()

    # Of the time that a measurement should take: those that make several take a part for each.
    PART = 1.0

    def load(self, protocol, sizes, requests):
        return Load(protocol, f"/{self.file}.bin", sizes[self.file], self.connections, self.streams, requests)

    def calibrate(self, context, server, protocol, client):
        """A first run, not counted: warms everything up; returns how many requests fill a measurement."""
        if self.requests:
            client.run(server, Load(protocol, f"/{self.file}.bin", context.sizes[self.file], 1, 1, 1))
            return self.requests
        probe = self.load(protocol, context.sizes, self.probe)
        seconds = client.run(server, probe, self.client_cores)["seconds"]
        step = self.connections * self.streams
        wanted = self.probe * context.seconds * self.PART / max(seconds, 1e-4)
        return max(1, round(wanted / step)) * step

    @property
    def client_cores(self):
        return str(CLIENT_CORE)

    @property
    def rate(self):
        """The key of the rate that goes with the figure; none where it says nothing."""
        return {S_PER_GB: "mb_per_s", US_PER_REQUEST: "requests_per_s"}.get(self.figure)

    def measure(self, context, server, protocol, client, requests):
        """One measurement: the figures of one round."""
        load = self.load(protocol, context.sizes, requests)
        with on_core(CLIENT_CORE), Cost(server) as cost:
            figures = client.run(server, load, self.client_cores)
        return {"requests": load.requests, "bytes": load.bytes, **figures, **cost.figures}


class SharedCores(Workload):
    """The client is on both cores, beside whatever is there: for two shards on two cores."""

    @property
    def client_cores(self):
        return f"{SERVER_CORE},{CLIENT_CORE}"


class Beside(Workload):
    """Small requests at a fixed rate while another connection downloads the large file: their latency.

    The client that is timed has real-time priority over the one that downloads, on the core that they share, where
    that is allowed: else its own wait for the core would be measured.
    """

    RATE = 1000
    PART = 2.0
    # A download that is slower than so many bytes per second is none.
    LEAST = 10 * harness.MIB

    def calibrate(self, context, server, protocol, client):
        context.warm_client.run(server, Load(protocol, "/large.bin", context.sizes["large"], 1, 1, 1))
        return round(self.RATE * context.seconds * self.PART)

    def measure(self, context, server, protocol, client, requests):
        load = self.load(protocol, context.sizes, requests)
        with on_core(CLIENT_CORE), Cost(server) as cost, Download(server, protocol, "/large.bin") as download:
            time.sleep(6 * SETTLE_S)
            before = download.received()
            figures = client.paced(server, load, self.RATE, real_time())
            downloaded = download.received() - before
        if downloaded < self.LEAST * figures["seconds"]:
            raise RuntimeError(f"only {downloaded} bytes were downloaded beside the requests")
        figures |= {"requests": load.requests, "bytes": load.bytes, "downloaded_bytes": downloaded}
        return {**figures, **cost.figures}


@functools.cache
def real_time():
    """The command in front of a client for real-time priority; empty where that is not allowed."""
    try:
        harness.run(["chrt", "-f", "10", "true"])
    except (RuntimeError, OSError):
        return ()
    return ("chrt", "-f", "10")


class Idle(Workload):
    """Connections that say nothing any more: memory for each. The first hundred pay for what is made once."""

    FIRST = 100

    def calibrate(self, context, server, protocol, client):
        return min(context.idle, server.most_connections())

    def measure(self, context, server, protocol, client, requests):
        with on_core(CLIENT_CORE), Held(server, protocol, f"/{self.file}.bin") as held:
            held.hold(self.FIRST)
            time.sleep(10 * SETTLE_S)
            first = [*memory_bytes(server.pids()), proportional_bytes(server.pids())]
            began = time.monotonic()
            held.hold(requests)
            seconds = time.monotonic() - began
            time.sleep(20 * SETTLE_S)
            last = [*memory_bytes(server.pids()), proportional_bytes(server.pids())]
            gone = held.closed()
            if gone:
                raise RuntimeError(f"{gone} of {requests} idle connections were closed by the server")
        own, resident, proportional = ((b - a) / (requests - self.FIRST) for a, b in zip(first, last))
        return {
            "connections": requests,
            "seconds": seconds,
            "own_bytes_each": own,
            "resident_bytes_each": resident,
            "proportional_bytes_each": proportional,
            "own_memory_bytes": last[0],
            "resident_bytes": last[1],
        }


class Open(Workload):
    """The same load on one connection, while so many are open: all the others are idle."""

    COUNTS = (1, 10, 100, 1_000, 10_000)
    PART = 0.5

    def measure(self, context, server, protocol, client, requests):
        load = self.load(protocol, context.sizes, requests)
        figures = {"requests": requests, "bytes": load.bytes}
        with on_core(CLIENT_CORE), Held(server, protocol, load.path) as held:
            client.run(server, load)
            for count in self.COUNTS:
                if count > min(context.idle, server.most_connections()):
                    break
                held.hold(count - 1)
                with Cost(server) as cost:
                    client.run(server, load)
                figures[f"cpu_s_at_{count}"] = cost.figures["cpu_s"]
            gone = held.closed()
            if gone:
                raise RuntimeError(f"{gone} idle connections were closed by the server")
        return figures


S_PER_GB, US_PER_REQUEST = "cpu_s_per_gb", "cpu_us_per_request"
ALL = {
    workload.name: workload
    for workload in (
        Workload("large-1", "1 GiB, 1 connection", S_PER_GB, "large", (H2_CLEAR, H2_TLS, H1_TLS)),
        Workload("large-16", "1 GiB, 16 connections", S_PER_GB, "large", connections=16, requests=16, also=("fairness",)),
        Workload("10m-16", "10 MiB, 16 connections", S_PER_GB, "10m", connections=16, probe=64),
        Workload("100k-16", "100 KiB, 16 connections", S_PER_GB, "100k", connections=16, probe=1600),
        Workload(
            "1k-50x20", "1 KiB, 50 connections x 20 streams", US_PER_REQUEST, "1k",
            connections=50, streams=20, probe=20_000,
        ),
        Workload("1k-64x1", "1 KiB, 64 connections x 1 stream", US_PER_REQUEST, "1k", connections=64, probe=6_400),
        Beside("latency", "1 KiB while 1 connection downloads 1 GiB", "p99_us", "1k", connections=4, also=("p50_us", "download")),
        Idle("idle", "10,000 idle connections", "resident_kib_each", "1k", fresh=True, clients=("held",)),
        Open(
            "open", "1 KiB, 1 connection x 20 streams, with others open", "us_at_1", "1k", (H2_CLEAR,),
            streams=20, probe=4_000, fresh=True,
        ),
        SharedCores(
            "shards-1k", "1 KiB, 50 connections x 20 streams, one shard and two", US_PER_REQUEST, "1k",
            connections=50, streams=20, probe=20_000, servers=("ringlane", "ringlane-2", "ringlane-1+1"),
        ),
        SharedCores(
            "shards-10m", "10 MiB, 16 connections, one shard and two", S_PER_GB, "10m",
            connections=16, probe=64, servers=("ringlane", "ringlane-2", "ringlane-1+1"),
        ),
    )
}  # fmt: skip
