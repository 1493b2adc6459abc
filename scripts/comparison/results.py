"""Kept rounds: one JSON file for each workload, and what is computed from it.

A file holds runs. In a run some servers took turns, so only within one may their figures be compared. A server is shown
from the last run that it was in; ringlane, which is in every run, from the last one with most servers.
"""

import functools
import json
import os
import pathlib
import platform
import statistics

import harness

from . import network

FOLDER = harness.REPO / "benches" / "results"
OWN = "ringlane"
DIGITS = 6


def rounded(figures):
    """Figures to six significant digits: more of them would be noise in the repository."""
    return {k: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for k, v in figures.items()}


@functools.cache
def machine():
    """What the figures depend on, and nothing that tells one machine of a kind from another."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    fields = [line.partition(":") for line in cpuinfo.splitlines()]
    model = next((value.strip() for name, _, value in fields if name.strip() == "model name"), platform.machine())
    flags = next((value.split() for name, _, value in fields if name.strip() == "flags"), [])
    memory = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "virtual": "hypervisor" in flags,
        "memory_gib": round(int(memory.split()[1]) / (1 << 20)),
        "kernel": platform.release().split("-")[0],
        "congestion_control": network.congestion_control(),
    }


# --- Files ------------------------------------------------------------------------------------------------------


def read(workload, folder=FOLDER):
    """The runs that are kept of a workload, the oldest first."""
    path = folder / f"{workload}.json"
    return json.loads(path.read_text())["runs"] if path.exists() else []


def add(workload, run, folder=FOLDER):
    """Keeps a run, and drops what it replaces: the same protocol and client, for the same servers."""
    runs = read(workload, folder)
    others = set(run["servers"]) - {OWN}
    for old in runs:
        if (old["protocol"], old["client"]) == (run["protocol"], run["client"]):
            for name in others:
                old["servers"].pop(name, None)
            if not set(old["servers"]) - {OWN}:
                old["servers"].pop(OWN, None)
    runs = [old for old in runs if old["servers"]] + [run]
    folder.mkdir(parents=True, exist_ok=True)
    runs.sort(key=lambda one: (one["protocol"], one["client"]))
    text = _written({"workload": workload, "runs": runs})
    (folder / f"{workload}.json").write_text(text + "\n")


def _written(value, depth=0):
    """JSON with one line for each round."""
    pad = " " * (depth + 1)
    if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()):
        inner = [f"{pad}{json.dumps(k)}: {_written(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(pad + _written(v, depth + 1) for v in value) + "\n" + " " * depth + "]"
    return json.dumps(value)


# --- Figures ----------------------------------------------------------------------------------------------------

OPEN_COUNTS = (1, 10, 100, 1_000, 10_000)
# How each figure of a round is computed from what was measured, its unit, and the digits after the point.
FIGURES = {
    "cpu_s_per_gb": (lambda r: r["cpu_s"] * 1e9 / r["bytes"], "CPU s/GB", 3),
    "cpu_us_per_request": (lambda r: r["cpu_s"] * 1e6 / r["requests"], "CPU us/request", 2),
    "fairness": (lambda r: r["fairness"], "fastest / slowest connection", 2),
    "p50_us": (lambda r: r["p50_us"], "p50 us", 0),
    "p99_us": (lambda r: r["p99_us"], "p99 us", 0),
    "download": (lambda r: r["downloaded_bytes"] / r["seconds"] / 1e6, "the download's MB/s", 0),
    "resident_kib_each": (lambda r: r["resident_bytes_each"] / 1024, "KiB/connection", 1),
    "own_memory_mib": (lambda r: r["own_memory_bytes"] / (1 << 20), "memory MiB", 1),
    "mb_per_s": (lambda r: r["mb_per_s"], "MB/s", 0),
    "requests_per_s": (lambda r: r["requests_per_s"], "requests/s", 0),
} | {
    f"us_at_{count}": (lambda r, count=count: r[f"cpu_s_at_{count}"] * 1e6 / r["requests"], "CPU us/request", 2)
    for count in OPEN_COUNTS
}  # fmt: skip

RATES = ("mb_per_s", "requests_per_s")


def values(entry, figure):
    """A figure of every round of a server; none when it failed, is lacking or does not give the figure."""
    compute = FIGURES[figure][0]
    try:
        return [compute(one) for one in entry.get("rounds", [])]
    except KeyError:
        return []


class Spread:
    """The median of the rounds, with the lowest and the highest."""

    def __init__(self, figures):
        self.median = statistics.median(figures)
        self.lowest, self.highest = min(figures), max(figures)
        self.rounds = len(figures)

    def text(self, decimals):
        if self.rounds == 1:
            return f"{self.median:,.{decimals}f}"
        return f"{self.median:,.{decimals}f} ({self.lowest:,.{decimals}f}-{self.highest:,.{decimals}f})"


def spread(entry, figure):
    found = values(entry, figure)
    return Spread(found) if found else None


class Chosen:
    """Which run each server is shown from, of one workload, protocol and client."""

    def __init__(self, runs, protocol, client):
        mine = [run for run in runs if (run["protocol"], run["client"]) == (protocol, client)]
        self.runs = mine
        self._run_of = {}
        for run in mine:
            for name in run["servers"]:
                if name != OWN:
                    self._run_of[name] = run
        with_own = [run for run in mine if OWN in run["servers"]]
        if with_own:
            # max() takes the first of equals: the newest comes first here.
            self._run_of[OWN] = max(reversed(with_own), key=lambda run: len(run["servers"]))

    def __bool__(self):
        return bool(self._run_of)

    def names(self):
        return set(self._run_of)

    def entry(self, name):
        run = self._run_of.get(name)
        return run["servers"][name] if run else None

    def beside_own(self, name, figure):
        """(ringlane's, the other's) medians from the run in which they took turns; None when there is none."""
        run = self._run_of.get(name)
        if run is None or OWN not in run["servers"]:
            return None
        pair = spread(run["servers"][OWN], figure), spread(run["servers"][name], figure)
        return pair if all(pair) else None

    def best_other(self, figure, names):
        """(name, ringlane's, the other's) of the peer that ringlane is worst against: less is better, but of a rate."""
        worst = min if figure in RATES else max
        found = []
        for name in names:
            pair = self.beside_own(name, figure)
            if pair:
                found.append((pair[0].median / pair[1].median, name, pair))
        if not found:
            return None
        _, name, pair = worst(found, key=lambda one: one[0])
        return name, *pair
