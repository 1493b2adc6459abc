"""What a process tree costs while something is asked of it: processor time, memory, context switches, from /proc."""

import contextlib
import os
import pathlib
import resource
import threading
import time

import harness

# A last answer is followed by the end of its connections: that is part of the cost.
SETTLE_S = 0.05
# How often memory is looked at. It is one small file for each process, on the client's core.
SAMPLE_S = 0.05


@contextlib.contextmanager
def on_core(core):
    """Keeps this thread, and those that it starts, away from the server's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _status(pid):
    """The fields of /proc/PID/status that are sizes or counts, by name."""
    fields = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            with contextlib.suppress(ValueError, IndexError):
                fields[name] = int(value.split()[0])
    return fields


def memory_bytes(pids):
    """(own, resident): memory that the processes made for themselves, and all that is mapped and resident.

    The difference is what they map of files, programs and served files alike: page cache, which is there without them.
    """
    own = resident = 0
    for pid in pids:
        fields = _status(pid)
        own += fields.get("RssAnon", 0) + fields.get("RssShmem", 0)
        resident += fields.get("VmRSS", 0)
    return own * harness.KIB, resident * harness.KIB


def proportional_bytes(pids):
    """Memory of the processes with pages that they share counted once (PSS). Slow: it walks their page tables."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * harness.KIB
    return total


def switches(pids):
    """Context switches of all living threads, asked for and forced."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in os.listdir(f"/proc/{pid}/task"):
                fields = _status(f"{pid}/task/{task}")
                total += fields.get("voluntary_ctxt_switches", 0) + fields.get("nonvoluntary_ctxt_switches", 0)
    return total


class Cost:
    """Measures a server while the `with` block runs; `figures` holds the result afterwards."""

    def __init__(self, server):
        self._server = server
        self._stop = threading.Event()
        self._own = self._resident = 0
        self.figures = {}

    def _cpu(self):
        return sum(harness.cpu_seconds(child.pid) for child in self._server.children)

    def _look(self):
        own, resident = memory_bytes(self._pids)
        self._own, self._resident = max(self._own, own), max(self._resident, resident)

    def _watch(self):
        while not self._stop.wait(SAMPLE_S):
            self._look()

    def __enter__(self):
        self._pids = self._server.pids()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._switches = switches(self._pids)
        self._client = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._before = self._cpu()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            time.sleep(SETTLE_S)
        cpu = self._cpu() - self._before
        client = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._stop.set()
        self._watcher.join()
        self._look()
        self.figures = {
            "cpu_s": cpu,
            "own_memory_bytes": self._own,
            "resident_bytes": self._resident,
            "context_switches": switches(self._pids) - self._switches,
            "client_cpu_s": client.ru_utime + client.ru_stime - self._client.ru_utime - self._client.ru_stime,
        }
