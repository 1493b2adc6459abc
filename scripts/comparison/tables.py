"""Tables in Markdown, from the kept rounds alone."""

from . import results, workloads
from .peers import ALL, PEERS
from .servers import H1_TLS, H2_CLEAR, H2_TLS

PROTOCOL = {H2_CLEAR: "in the clear", H2_TLS: "TLS", H1_TLS: "HTTP/1.1, TLS"}
CLIENT = {"h2load": "h2load", "bench": "ringlane bench", "held": ""}


class Footnotes:
    """Numbered by first use, within one block of the page."""

    def __init__(self):
        self._texts = []

    def mark(self, text):
        if text not in self._texts:
            self._texts.append(text)
        return f"[{self._texts.index(text) + 1}]"

    def lines(self):
        return [f"[{number}] {text}  " for number, text in enumerate(self._texts, 1)]


def aligned(rows):
    """A Markdown table; the first row is its head. Columns after the first are figures: to the right."""
    head, *body = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *body)]


def cell(entry, figure, notes):
    """One server's figure, or why there is none."""
    if entry is None:
        return ""
    if "unavailable" in entry:
        return f"n/a {notes.mark(entry['unavailable'])}"
    if "error" in entry:
        return f"error {notes.mark('Not measured: ' + entry['error'])}"
    found = results.spread(entry, figure)
    return found.text(results.FIGURES[figure][2]) if found else ""


def server_name(name, notes=None, chosen=()):
    """As in a table's first column: name, version, and the mark of what must be known about it."""
    # Without the commit, which is in the results.
    versions = {entry["version"].split(" ")[0] for one in chosen if "version" in (entry := one.entry(name) or {})}
    version = "/".join(sorted(versions))
    mark = notes.mark(ALL[name].note) if notes and name in ALL and ALL[name].note else ""
    return " ".join(part for part in (name, version, mark) if part)


def shown(workload, folder):
    """(protocol, client, what is kept) of each combination of a workload that has figures."""
    runs = results.read(workload.name, folder)
    found = []
    for protocol in workload.protocols:
        for client in workload.clients or ("h2load", "bench"):
            chosen = results.Chosen(runs, protocol, client)
            if chosen:
                found.append((protocol, client, chosen))
    return found


def origin(names, folder):
    """A sentence that says what the figures were made with and on."""
    runs = [run for name in names for run in results.read(name, folder)]
    machines = {tuple(run["machine"].items()): run["machine"] for run in runs}
    rounds = {len(e["rounds"]) for run in runs for e in run["servers"].values() if e.get("rounds")}
    clients = {f"h2load {run['client_version']}" for run in runs if run["client"] == "h2load"}
    said = []
    for one in machines.values():
        cores = f"{one['cores']} {'virtual ' if one['virtual'] else ''}cores, {one['memory_gib']} GiB"
        said.append(f"{one['cpu']}, {cores}, Linux {one['kernel']}, {one['congestion_control']}")
    count = "-".join(str(n) for n in sorted({min(rounds), max(rounds)})) if rounds else "no"
    by = f", {', '.join(sorted(clients))}" if clients else ""
    many = "round" if count == "1" else "rounds"
    return f"Medians of {count} {many} in turn (lowest-highest), made by `scripts/compare` on: {'; '.join(said)}{by}."


# --- One table for each workload --------------------------------------------------------------------------------


def workload_table(workload, folder, notes):
    """All servers under one workload: the figure that counts for each protocol and client, and memory."""
    combinations = shown(workload, folder)
    if not combinations:
        return []
    rates = (workload.rate,) if workload.rate else ()
    figures = (workload.figure, *rates, *workload.also)
    columns = [(p, c, chosen, figure) for p, c, chosen in combinations for figure in figures]
    columns += [(p, c, chosen, "own_memory_mib") for p, c, chosen in combinations if c != "bench"]
    columns = [one for one in columns if any(results.values(one[2].entry(n) or {}, one[3]) for n in one[2].names())]
    head = ["server"]
    for protocol, client, _, figure in columns:
        parts = [PROTOCOL[protocol], CLIENT[client] if figure != "own_memory_mib" else ""]
        head.append(", ".join(part for part in parts if part) + ": " + results.FIGURES[figure][1])
    rows = [head]
    for name in ALL:
        if any(name in chosen.names() for _, _, chosen in combinations):
            cells = [cell(chosen.entry(name), figure, notes) for _, _, chosen, figure in columns]
            rows.append([server_name(name, notes, [one[2] for one in combinations]), *cells])
    return [f"**{workload.title}**", "", *aligned(rows), ""]


def open_table(workload, folder, notes):
    """One line for each server: what a request costs at so many open connections, and the largest over the least."""
    lines = []
    for protocol, client, chosen in shown(workload, folder):
        rows = [["server", *[f"{count:,} open" for count in results.OPEN_COUNTS], "most / least"]]
        for name in ALL:
            if name not in chosen.names():
                continue
            entry = chosen.entry(name)
            figures = [f"us_at_{count}" for count in results.OPEN_COUNTS]
            ratio = open_ratio(entry)
            cells = [cell(entry, figure, notes) for figure in figures]
            rows.append([server_name(name, notes, [chosen]), *cells, f"{ratio:.2f}" if ratio else ""])
        title = f"**{workload.title}: CPU us/request, {PROTOCOL[protocol]}, {CLIENT[client]}**"
        lines += [title, "", *aligned(rows), ""]
    return lines


def open_ratio(entry):
    """The highest median over the lowest; none when there are no figures."""
    medians = [found.median for count in results.OPEN_COUNTS if (found := results.spread(entry, f"us_at_{count}"))]
    return max(medians) / min(medians) if len(medians) > 1 else None


def everything(folder):
    """All workloads, one table after the other, with one list of footnotes."""
    notes = Footnotes()
    lines = []
    for workload in workloads.ALL.values():
        table = open_table if isinstance(workload, workloads.Open) else workload_table
        lines += table(workload, folder, notes)
    if not lines:
        return []
    return [*lines, *notes.lines(), "", origin(workloads.ALL, folder)]


# --- The summary ------------------------------------------------------------------------------------------------


def summary(folder):
    """ringlane beside the best of the others, one line for each piece of work; then what concerns it alone."""
    rows = [["work", "ringlane", "best other", "its figure", "ringlane / best other"]]
    rates = [["what comes out with one core of h2load", *rows[0][1:]]]
    alone = [["ringlane alone", "measured"]]
    for workload in workloads.ALL.values():
        combinations = [one for one in shown(workload, folder) if one[1] != "bench"]
        if isinstance(workload, workloads.SharedCores):
            alone += _shards(workload, combinations)
            continue
        if isinstance(workload, workloads.Open):
            for _, _, chosen in combinations:
                ratio = open_ratio(chosen.entry(results.OWN) or {})
                if ratio:
                    alone.append([f"{workload.title}, 1 to 10,000: most / least CPU per request", f"{ratio:.2f}"])
            continue
        by_protocol = {}
        for protocol, _, chosen in combinations:
            by_protocol[protocol] = chosen
            rows += _beside(workload, workload.figure, protocol, chosen)
            rates += _beside(workload, workload.rate, protocol, chosen) if workload.rate else []
            fair = results.spread(chosen.entry(results.OWN) or {}, "fairness")
            if fair:
                alone.append([f"{workload.title}, {PROTOCOL[protocol]}: fastest / slowest connection", fair.text(2)])
        if H1_TLS in by_protocol and H2_TLS in by_protocol:
            alone += _protocols(workload, by_protocol)
    lines = [line for table in (rows, rates, alone) if len(table) > 1 for line in [*aligned(table), ""]]
    return [*lines, origin(workloads.ALL, folder)] if lines else []


def _beside(workload, figure, protocol, chosen):
    best = chosen.best_other(figure, PEERS)
    if not best:
        return []
    name, own, other = best
    _, unit, decimals = results.FIGURES[figure]
    work = f"{workload.title}, {PROTOCOL[protocol]}: {unit}"
    return [[work, own.text(decimals), name, other.text(decimals), f"{own.median / other.median:.2f}"]]


def _protocols(workload, by_protocol):
    """HTTP/2 over HTTP/1.1, which take turns in the same rounds when they are measured by one command."""
    pair = [results.spread(by_protocol[p].entry(results.OWN) or {}, workload.figure) for p in (H2_TLS, H1_TLS)]
    if not all(pair):
        return []
    return [[f"{workload.title}, TLS: HTTP/2 / HTTP/1.1, CPU s/GB", f"{pair[0].median / pair[1].median:.2f}"]]


def _shards(workload, combinations):
    rows = []
    for protocol, _, chosen in combinations:
        work = f"{workload.title}, {PROTOCOL[protocol]}"
        one, apart = (chosen.beside_own(name, workload.figure) for name in ("ringlane-2", "ringlane-1+1"))
        if one:
            rows.append([f"{work}: by CPU time", f"{2 * one[0].median / one[1].median:.2f} x"])
        if one and apart:
            beside = 2 * apart[1].median / one[1].median
            rows.append([f"{work}: the same, two servers in place of one (2: alike)", f"{beside:.2f} x"])
    return rows


BLOCKS = {"summary": summary, "all": everything}
