"""Writes the tables and the charts from the kept results alone, or says what is not as they would be."""

import re

import harness

from . import charts, results, tables

PAGE = harness.REPO / "README.md"
MARKED = re.compile(r"(<!-- compare:begin ([a-z]+) -->\n)(.*?)(<!-- compare:end \2 -->)", re.DOTALL)


def page(text, folder=results.FOLDER):
    """The page with every marked block as it should be. Raises ValueError for a block that nobody makes."""

    def block(found):
        begin, name, _, end = found.groups()
        if name == "charts":
            lines = chart_links(folder)
        elif name in tables.BLOCKS:
            lines = tables.BLOCKS[name](folder)
        else:
            raise ValueError(f"no block is called {name}")
        return begin + ("\n" + "\n".join(lines).rstrip() + "\n\n" if lines else "") + end

    return MARKED.sub(block, text)


def chart_links(folder):
    drawn = {name: title for name, (title, draw) in charts.CHARTS.items() if draw(folder) is not None}
    return [f"![{title}](benches/results/{name}.svg)\n" for name, title in drawn.items()]


def wanted(folder=results.FOLDER):
    """(path, the text that it should have, or None when it should not be there)."""
    if folder == results.FOLDER:
        yield PAGE, page(PAGE.read_text(), folder)
    for name, (_, draw) in charts.CHARTS.items():
        yield folder / f"{name}.svg", draw(folder)


def write(folder=results.FOLDER):
    for path, text in wanted(folder):
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)


def differences(folder=results.FOLDER):
    """What is not as the results say; and results or charts that belong to nothing."""
    found = []
    known = {path for path, text in wanted(folder) if text is not None}
    for path, text in wanted(folder):
        there = path.read_text() if path.exists() else None
        if there != text:
            found.append(f"{path.name} is not what the results give: run scripts/compare --render")
    if folder.exists():
        found += [f"{path.name} comes from no results" for path in folder.glob("*.svg") if path not in known]
    return found
