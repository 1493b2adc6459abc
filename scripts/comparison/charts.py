"""Charts as SVG, from the kept rounds alone. They have a background of their own: light and dark pages both do."""

import functools
import math
from xml.sax.saxutils import escape

from . import results, tables, workloads
from .peers import ALL

WIDTH, MARGIN, GAP = 920, 20, 30
NAME_WIDTH, BAR, STEP, HEAD, FOOT = 100, 14, 20, 46, 36
VALUE_WIDTH = 54
INK, SOFT, GRID, PAPER = "#1f2430", "#5b6472", "#d9dde3", "#ffffff"
OWN_COLOUR, OTHER_COLOUR, RANGE_COLOUR = "#c2410c", "#7b8ea6", "#1f2430"
LINES = ("#c2410c", "#2563a8", "#3c8d40", "#8a4fae", "#a07b00", "#008a8a", "#b03060", "#5b6472")
FONT = "font-family=\"system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\""


class Svg:
    """Lines of a drawing."""

    def __init__(self, title, height):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            f' role="img" aria-label="{escape(title)}" {FONT}>',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{PAPER}" stroke="{GRID}"/>',
        ]

    def text(self, x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{escape(words)}</text>'
        )

    def line(self, x1, y1, x2, y2, colour=GRID, width=1.0):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
        )

    def rect(self, x, y, width, height, colour):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" fill="{colour}"/>'
        )

    def cut(self, x, y, height):
        """Two slanted gaps in a bar: it is longer than there is room for."""
        for left in (x, x + 6):
            self.line(left, y + height + 1, left + 4, y - 1, PAPER, 2.5)

    def path(self, points, colour):
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')

    def done(self):
        return "\n".join([*self.parts, "</svg>"]) + "\n"


def ticks(highest, most=5):
    """Round numbers from 0 to at least `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / most
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999999)
    count = math.ceil(highest / step - 1e-9)
    return [step * n for n in range(count + 1)]


def number(value):
    """As short as three digits allow."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def limit(highest):
    """Where an axis ends: at the longest bar, or before it where a few are so long that the rest could not be seen."""
    ordered = sorted(highest)
    middle = ordered[len(ordered) // 2]
    return min(ordered[-1], max([h for h in ordered if h <= 4 * middle]) * 1.25)


class Panel:
    """Bars of one workload, protocol and client: a server each, the range over the rounds as a line."""

    def __init__(self, title, figure, bars):
        self.title = title
        _, self.unit, self.decimals = results.FIGURES[figure]
        self.bars = bars  # (name, Spread or why there is none)

    @property
    def height(self):
        return HEAD + STEP * len(self.bars) + FOOT

    def draw(self, svg, left, top, width):
        svg.text(left, top + 14, self.title, 13, weight="bold")
        svg.text(left, top + 30, f"{self.unit}, median, lowest to highest; less is better", 11, colour=SOFT)
        x0, x1 = left + NAME_WIDTH, left + width - VALUE_WIDTH
        spreads = [spread for _, spread in self.bars if not isinstance(spread, str)]
        marks = ticks(limit([s.highest for s in spreads]))
        scale = (x1 - x0) / marks[-1]
        end_of_axis = marks[-1]
        bottom = top + HEAD + STEP * len(self.bars)
        for mark in marks:
            svg.line(x0 + mark * scale, top + HEAD - 4, x0 + mark * scale, bottom + 3)
            svg.text(x0 + mark * scale, bottom + 16, number(mark), 10, "middle", SOFT)
        for row, (name, spread) in enumerate(self.bars):
            y = top + HEAD + row * STEP
            own = name == results.OWN
            svg.text(x0 - 8, y + BAR - 3, name, 12, "end", weight="bold" if own else "normal")
            if isinstance(spread, str):
                svg.text(x0 + 4, y + BAR - 3, spread, 11, colour=SOFT)
                continue
            svg.rect(x0, y, min(spread.median, end_of_axis) * scale, BAR, OWN_COLOUR if own else OTHER_COLOUR)
            if spread.highest > end_of_axis:
                svg.cut(x1 - 14, y, BAR)
                svg.text(x1 + 6, y + BAR - 3, f"{spread.median:,.{self.decimals}f}", 11)
                continue
            middle = y + BAR / 2
            svg.line(x0 + spread.lowest * scale, middle, x0 + spread.highest * scale, middle, RANGE_COLOUR, 1.5)
            for end in (spread.lowest, spread.highest):
                svg.line(x0 + end * scale, middle - 3, x0 + end * scale, middle + 3, RANGE_COLOUR, 1.5)
            svg.text(x0 + max(spread.median, spread.highest) * scale + 6, y + BAR - 3, f"{spread.median:,.{self.decimals}f}", 11)
        svg.line(x0, top + HEAD - 4, x0, bottom + 3, SOFT)


def panels(names, folder):
    """The panels of some workloads; h2load's figures, or those of whoever else there is."""
    found = []
    for name in names:
        workload = workloads.ALL[name]
        for protocol, client, chosen in tables.shown(workload, folder):
            if client == "bench":
                continue
            bars = []
            for server in ALL:
                entry = chosen.entry(server)
                if entry is None:
                    continue
                why = "n/a" if "unavailable" in entry else "error"
                bars.append((server, results.spread(entry, workload.figure) or why))
            if any(not isinstance(spread, str) for _, spread in bars):
                found.append(Panel(f"{workload.title}, {tables.PROTOCOL[protocol]}", workload.figure, bars))
    return found


def bar_chart(*names):
    """Panels of these workloads, in two columns."""

    def draw(folder, title):
        drawn = panels(names, folder)
        if not drawn:
            return None
        rows = [drawn[i : i + 2] for i in range(0, len(drawn), 2)]
        heights = [max(panel.height for panel in row) for row in rows]
        svg = Svg(title, 56 + sum(heights) + MARGIN)
        svg.text(MARGIN, 32, title, 16, weight="bold")
        width = (WIDTH - 2 * MARGIN - GAP) / 2
        top = 56
        for row, height in zip(rows, heights):
            for column, panel in enumerate(row):
                panel.draw(svg, MARGIN + column * (width + GAP), top, width)
            top += height
        return svg.done()

    return draw


def open_chart(folder, title):
    """Cost of a request over the number of open connections, a line for each server."""
    workload = workloads.ALL["open"]
    found = [one for one in tables.shown(workload, folder) if one[1] != "bench"]
    if not found:
        return None
    chosen = found[0][2]
    lines = []
    for name in ALL:
        entry = chosen.entry(name) or {}
        points = [(n, s.median) for n in results.OPEN_COUNTS if (s := results.spread(entry, f"us_at_{n}"))]
        if points:
            lines.append((name, points))
    if not lines:
        return None
    height, left, right, top, bottom = 420, MARGIN + 54, WIDTH - 150, 74, 360
    svg = Svg(title, height)
    svg.text(MARGIN, 32, title, 16, weight="bold")
    load = f"{workload.title}, {tables.PROTOCOL[found[0][0]]}"
    svg.text(MARGIN, 52, f"CPU us/request; {load}; less is better; both axes logarithmic", 11, colour=SOFT)
    marks = decade_ticks([value for _, points in lines for _, value in points])
    decades = math.log10(results.OPEN_COUNTS[-1])

    def place(count, value):
        across = left + (right - left) * math.log10(count) / decades
        share = math.log(value / marks[0]) / math.log(marks[-1] / marks[0])
        return across, bottom - (bottom - top) * share

    for mark in marks:
        _, y = place(1, mark)
        svg.line(left, y, right, y)
        svg.text(left - 8, y + 4, number(mark), 10, "end", SOFT)
    for count in results.OPEN_COUNTS:
        x, _ = place(count, marks[0])
        svg.line(x, top, x, bottom)
        svg.text(x, bottom + 18, f"{count:,}", 10, "middle", SOFT)
    svg.text((left + right) / 2, bottom + 40, "open connections", 11, "middle", SOFT)
    labels = _apart([(place(*points[-1])[1], name) for name, points in lines], bottom)
    for (name, points), colour in zip(lines, LINES):
        svg.path([place(*point) for point in points], colour)
        weight = "bold" if name == results.OWN else "normal"
        svg.text(right + 12, labels[name] + 4, name, 12, colour=colour, weight=weight)
    return svg.done()


def decade_ticks(values):
    """1, 2 and 5 times powers of ten, from below the least value to above the greatest."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    marks = [factor * 10.0**power for power in range(low, high + 1) for factor in (1, 2, 5)]
    first = max(index for index, mark in enumerate(marks) if mark <= min(values))
    last = min(index for index, mark in enumerate(marks) if mark >= max(values))
    return marks[first : max(last, first + 1) + 1]


def _apart(wanted, bottom, least=15):
    """Heights for labels, as near to those wanted as they can be without touching each other or what is below."""
    placed = {}
    highest = bottom + least
    for height, name in sorted(wanted, reverse=True):
        highest = min(height, highest - least)
        placed[name] = highest
    return placed


# What each chart is called, and who draws it from a folder of results: None when there is nothing to draw.
CHARTS = {
    name: (title, functools.partial(draw, title=title))
    for name, title, draw in (
        ("large", "Large files: server CPU time per GB", bar_chart("large-1", "large-16")),
        ("medium", "Medium files: server CPU time per GB", bar_chart("10m-16", "100k-16")),
        ("small", "Small files: server CPU time per request", bar_chart("1k-50x20", "1k-64x1")),
        ("latency", "Latency of small requests beside a large download", bar_chart("latency")),
        ("idle", "Resident memory of an idle connection", bar_chart("idle")),
        ("open", "CPU time of a request while other connections are open", open_chart),
    )
}
