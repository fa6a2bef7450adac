"""Write the result as one self-contained HTML page: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import charts
from census import RELATIVE, Census, Counts

TOP_PACKAGES = 15
TOP_IMPORTS = 20

TASK_KINDS = {"census": "root", "count_package": "package", "count_batch": "batch"}
"""Task to the CSS class of its bars."""


@dataclass(frozen=True)
class Run:
    """The data of one run for its report."""

    root: str
    store: str
    runners: str
    began: str
    """Date and time, as text."""
    wall_sec: float
    sequential_sec: float
    invocations: int
    census: Census
    bars: Sequence[charts.Bar]
    bars_omitted: int

    @property
    def throughput(self) -> str:
        """Return one line with rates."""
        total = self.census.total
        return (
            f"{self.invocations:,} invocations in {self.wall_sec:.2f} s: {self.invocations / self.wall_sec:,.0f} "
            f"invocations/s, {total.files / self.wall_sec:,.0f} files/s, {total.lines / self.wall_sec:,.0f} lines/s "
            f"(one file after the other: {self.sequential_sec:.2f} s)"
        )


def by_lines(census: Census) -> list[tuple[str, Counts]]:
    """The packages, largest first."""
    return sorted(census.packages.items(), key=lambda item: (-item[1].lines, item[0]))


def by_count(imports: dict[str, int]) -> list[tuple[str, int]]:
    """Imported modules, most frequent first."""
    return sorted(imports.items(), key=lambda item: (-item[1], item[0]))


def import_label(name: str) -> str:
    """How a module is shown."""
    return "(relative)" if name == RELATIVE else name


def render(run: Run) -> str:
    """The page."""
    largest = by_lines(run.census)[:TOP_PACKAGES]
    imports = by_count(run.census.total.imports)[:TOP_IMPORTS]
    return _PAGE.format(
        style=_STYLE,
        root=escape(run.root),
        began=escape(run.began),
        tiles=_tiles(run),
        throughput=escape(run.throughput),
        store=escape(run.store),
        runners=escape(run.runners),
        lines=charts.bars([(name, [counts.lines]) for name, counts in largest], ["lines"]),
        definitions=charts.bars(
            [(name, [counts.functions, counts.classes]) for name, counts in largest], ["functions", "classes"]
        ),
        imports=charts.bars([(import_label(name), [count]) for name, count in imports], ["imports"]),
        timeline=charts.timeline(run.bars, TASK_KINDS),
        omitted=f"<p class='note'>{run.bars_omitted:,} later invocations are not drawn.</p>"
        if run.bars_omitted
        else "",
        longest=_table(
            ("lines", "function", "place"),
            ((f"{one.length:,}", one.name, f"{one.file}:{one.line}") for one in run.census.total.longest),
        ),
        packages=_package_table(run.census),
        unparsed=_unparsed(run.census.total),
    )


def _tiles(run: Run) -> str:
    total = run.census.total
    values = {
        "packages": len(run.census.packages),
        "files": total.files,
        "lines": total.lines,
        "functions": total.functions,
        "classes": total.classes,
        "invocations": run.invocations,
    }
    return "".join(f"<div><b>{value:,}</b><span>{name}</span></div>" for name, value in values.items())


def _package_table(census: Census) -> str:
    rows = (
        (
            name,
            f"{counts.files:,}",
            f"{counts.lines:,}",
            f"{counts.functions:,}",
            f"{counts.classes:,}",
            ", ".join(f"{one.name} ({one.file}:{one.line}, {one.length} lines)" for one in counts.longest[:1]),
            ", ".join(f"{import_label(module)} {count}" for module, count in by_count(counts.imports)[:5]),
        )
        for name, counts in by_lines(census)
    )
    return _table(("package", "files", "lines", "functions", "classes", "longest function", "imports most"), rows)


def _unparsed(total: Counts) -> str:
    if not total.unparsed:
        return "<p>Every file could be parsed.</p>"
    return _table(("file", "reason"), ((one.file, one.reason) for one in total.unparsed))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    numbers = {"files", "lines", "functions", "classes"}
    kinds = [' class="n"' if head in numbers else "" for head in heads]
    head = "".join(f"<th{kind}>{escape(text)}</th>" for text, kind in zip(heads, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(text)}</td>" for text, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


_STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --card: #fff; --ink: #1d1d1b; --soft: #6a6a66; --rule: #e3e3de;
  --lane: #f0f0ec; --blue: #2a6fc9; --green: #1b8a6b; --orange: #d9822b; --violet: #7d5bbe; }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #1f1f1e; --ink: #ecece8; --soft: #a0a09a;
  --rule: #343432; --lane: #292927; --blue: #5b9bec; --green: #3fb592; --orange: #e59a4c; --violet: #a58adf; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.1rem; margin: 0 0 .6rem; }
p { margin: .2rem 0; }
code { font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere; }
.note { color: var(--soft); font-size: .9rem; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 1rem 1.2rem;
  margin-top: 1.2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: .8rem; margin-top: 1.2rem; }
.tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .7rem 1rem; }
.tiles b { display: block; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); }
.scroll { overflow-x: auto; }
.chart { display: grid; grid-template-columns: minmax(5rem, 190px) minmax(0, 1fr); gap: .45rem .8rem;
  font-size: .85rem; line-height: 1.2; align-items: center; font-variant-numeric: tabular-nums; }
.name { text-align: right; overflow-wrap: anywhere; }
.bars { display: grid; grid-template-columns: minmax(0, 1fr) 4.5rem; gap: 1px .4rem; align-items: center; }
.bar { height: .85rem; border-radius: 2px; }
.value, .axis { color: var(--soft); }
.lane { display: block; width: 100%; height: 28px; background: var(--lane); }
.axis { position: relative; height: 1.4rem; }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis span:first-child { transform: none; }
.axis span:last-child { transform: translateX(-75%); }
.lines, .batch { fill: var(--blue); background: var(--blue); }
.functions { fill: var(--green); background: var(--green); }
.classes, .package { fill: var(--orange); background: var(--orange); }
.imports, .root { fill: var(--violet); background: var(--violet); }
.other { fill: var(--soft); }
.lane rect { stroke: var(--lane); stroke-width: .4; }
.waits { opacity: .45; }
.lane g:hover { opacity: .75; }
@media (max-width: 600px) {
  body { padding: 1rem .5rem 3rem; }
  section { padding: .8rem; }
  .chart { grid-template-columns: minmax(0, 1fr); gap: .15rem; }
  .name { text-align: left; margin-top: .3rem; }
  .axis span:nth-child(even) { display: none; }
}
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; color: var(--soft); font-size: .9rem; margin-bottom: .5rem; }
.key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; font-size: 1.1rem; font-weight: 600; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Code census of {root}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Code census</h1>
<p><code>{root}</code></p>
<p class="note">{began}. {throughput}. The totals equal those of a plain count, one file after the other.</p>
<div class="tiles">{tiles}</div>
<section>
<h2>Which slot ran what</h2>
<p class="note">From the history in the store. The thin lines below a lane are bodies that wait for
their children: they hold no slot, which runs something else meanwhile. Runners: {runners};
store: <code>{store}</code>.</p>
<div class="key"><span><i class="root"></i>census</span><span><i class="package"></i>count_package</span><span><i
class="batch"></i>count_batch</span></div>
{timeline}
{omitted}
</section>
<section>
<h2>Largest packages, by lines</h2>
{lines}
</section>
<section>
<h2>Functions and classes in them</h2>
<div class="key"><span><i class="functions"></i>functions</span><span><i class="classes"></i>classes</span></div>
{definitions}
</section>
<section>
<h2>Most imported modules, by import statements</h2>
{imports}
</section>
<section>
<h2>Longest functions</h2>
{longest}
</section>
<section>
<details><summary>All packages</summary>
{packages}
</details>
</section>
<section>
<h2>Files that could not be parsed</h2>
{unparsed}
</section>
</main>
</body>
</html>
"""
