"""Render results/*.json: tables between markers in README.md and docs/benchmarks.md, and the plots beside it.

`render.py` writes; the exit code of `render.py --check` says whether everything is up to date. The text between `<!--
bench:NAME -->` and `<!-- /bench -->` is rendered here.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bars
import svg

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benches" / "results"
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
PLOTS = ROOT / "docs" / "benchmarks"
_SECTION = re.compile(r"(<!-- bench:(?P<name>\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)

COLUMNS = (
    ("enqueue", "enqueue 1x1 /s"), ("enqueue_bulk", "bulk /s"), ("drain", "drain /s"), ("end_to_end", "end to end /s"),
    ("end_to_end_one_by_one", "one by one /s"), ("latency_p50", "p50 ms"), ("latency_p99", "p99 ms"),
    ("fan_100", "100 children s"), ("fan_1000", "1,000 children s"), ("fib_8", "fib(8), 2 slots, s"),
    ("cpu_per_10k", "CPU s / 10,000"), ("idle_cpu", "idle CPU s / 10 s"), ("memory", "MB / process"),
    ("io", "I/O 10 ms /s"), ("cpu_bound", "CPU x ideal"), ("big_arguments", "1 MB /s"), ("recovery", "kill -9 s"),
)  # fmt: skip
SHORT = (
    ("enqueue", "submitted one by one, /s"), ("end_to_end", "from submission to result, /s"),
    ("latency_p50", "median latency, ms"), ("cpu_per_10k", "CPU s per 10,000 tasks"),
)  # fmt: skip
PLOTTED = (
    ("end_to_end", "End to end, tasks per second"), ("drain", "Drain of a full queue, tasks per second"),
    ("latency_p50", "Latency with one in flight, p50"), ("cpu_per_10k", "CPU seconds per 10,000 tasks"),
)  # fmt: skip
STORES = {"redis": "Redis", "sqlite": "SQLite", "memory": "memory"}


class Results:
    """The measured results; empty documents for missing ones."""

    def __init__(self, folder: Path = RESULTS) -> None:
        self.peers = _read(folder / "peers.json")
        self.suites = _read(folder / "suites.json")

    def systems(self, store: str) -> list[tuple[str, dict[str, Any], bool]]:
        """Return `(title, summary by measure, is ours)` on one store, ours first."""
        pairs = [pair for pair in self.peers.get("peers", {}).values() if pair["store"] == store]
        if not pairs:
            return []
        measured = bars.Measured(self.peers, self.suites)
        ours: dict[str, Any] = {}
        for pair in pairs:
            for measure, row in pair["ours"].items():
                ours[measure] = {**row, "median": measured.value(f"ours.{store}.{measure}")}
        return [("pynenc-rs", ours, True), *((pair["title"], pair["theirs"], False) for pair in pairs)]


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    if row["median"] is None:
        return row.get("note", "-").partition(":")[0].partition(" (")[0]
    return svg.number_text(row["median"])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _comparison(results: Results, columns: tuple[tuple[str, str], ...], stores: tuple[str, ...] = tuple(STORES)) -> str:
    parts = []
    for store in stores:
        systems = results.systems(store)
        if systems:
            rows = [
                [f"**{title}**" if ours else title, *(_cell(summary.get(measure)) for measure, _ in columns)]
                for title, summary, ours in systems
            ]
            parts.append(_table([f"on {STORES[store]}", *(head for _, head in columns)], rows))
    return "\n".join(parts) or _NOTHING


_NOTHING = "Nothing has been measured yet: `make bench-peers`.\n"


def short(results: Results) -> str:
    """For the README: the main columns of the systems on Redis, and where they were measured."""
    if not results.peers:
        return _NOTHING
    return f"{_comparison(results, SHORT, ('redis',))}\n{_where(results.peers)}"


def full(results: Results) -> str:
    """Everything."""
    return _comparison(results, COLUMNS)


def _where(document: dict[str, Any]) -> str:
    facts = document["machine"]
    busy = (
        f"Measured while the machine was busy with other work (load {facts['load_before']:g}): provisional.\n"
        if facts["load_before"] > 0.5 * facts["cores"]
        else ""
    )
    return (
        f"Commit {facts['commit']}, {facts['date']}: {facts['cores']} cores of {facts['cpu']}, {facts['system']}, "
        f"Python {facts['python']}, Redis {facts['redis']} on loopback, SQLite {facts['sqlite']}.\n{busy}"
    )


def machine(results: Results) -> str:
    """Machine, versions, settings, durability."""
    if not results.peers:
        return _NOTHING
    pairs = results.peers["peers"].values()
    rows = [[pair["title"], pair["versions"], pair["settings"]] for pair in pairs]
    left_out = [f"{name}: left out, {reason}" for name, reason in results.peers.get("left_out", {}).items()]
    durability = [f"- {STORES[store]}: {text}" for store, text in results.peers["durability"].items()]
    return "\n".join(
        [_where(results.peers), _table(["system", "versions", "settings"], rows), *durability, *left_out, ""]
    )


def yardsticks(results: Results) -> str:
    """The limits of the machine."""
    rows = [
        [row["what"], f"{svg.number_text(row['value'])} {row['unit']}"]
        for row in results.peers.get("limits", {}).values()
    ]
    return _table(["limit", "measured"], rows) if rows else _NOTHING


def goals(results: Results) -> str:
    """The bars, and the reason of each that is missed."""
    marks = {True: "met", False: "**missed**", None: "-"}
    judged = bars.verdicts(results.peers, results.suites)
    rows = [
        [verdict.text, verdict.wanted, verdict.measured, marks[verdict.met], "" if verdict.met else verdict.reason]
        for verdict in judged
    ]
    met = sum(verdict.met is True for verdict in judged)
    table = _table(["measure", "bar", "measured (low-high)", "", "what limits it"], rows)
    return f"{met} of {len(judged)} met.\n\n{table}"


def suites(results: Results) -> str:
    """Return the results of `make bench`."""
    if not results.suites:
        return "Nothing has been measured yet: `make bench`.\n"
    rows = [
        [f"`{name}`", row.get("question", ""), f"{svg.number_text(row['value'])} {row['unit']}", row.get("spread", "")]
        for name, row in sorted(results.suites["values"].items())
    ]
    return f"{_where(results.suites)}\n{_table(['benchmark', 'question', 'median', 'spread'], rows)}"


SECTIONS: dict[str, Callable[[Results], str]] = {
    "short": short, "full": full, "machine": machine, "limits": yardsticks, "bars": goals, "suites": suites
}  # fmt: skip


def render(text: str, results: Results) -> str:
    """Return a document with its marked sections rendered again."""
    return _SECTION.sub(lambda found: found[1] + SECTIONS[found["name"]](results) + found[3], text)


def plots(results: Results) -> dict[str, str]:
    """The plots by file name."""
    made = {}
    for measure, title in PLOTTED:
        rows = [
            (f"{name}" if store == "redis" else f"{name}, {STORES[store]}" if ours else name, row["median"], ours)
            for store in STORES
            for name, summary, ours in results.systems(store)
            if (row := summary.get(measure)) and row["median"]
        ]
        if rows:
            unit = next(
                pair["ours"][measure]["unit"] for pair in results.peers["peers"].values() if measure in pair["ours"]
            )
            rows.sort(key=lambda row: row[1], reverse=unit.endswith("/s"))
            made[f"{measure}.svg"] = svg.bars(title, rows, unit)
    return made | _home_plot(results)


def _home_plot(results: Results) -> dict[str, str]:
    """The chart of the documentation's home page: the systems on Redis, on an axis that starts at zero."""
    measured = [(name, summary.get("end_to_end"), ours) for name, summary, ours in results.systems("redis")]
    rows = [(name, row["median"], ours) for name, row, ours in measured if row and row["median"]]
    if not rows:
        return {}
    rows.sort(key=lambda row: row[1], reverse=True)
    title = "No-op tasks per second on Redis, from submission to result"
    return {"short.svg": svg.bars(title, rows, "tasks/s", logarithmic=False)}


def main() -> int:
    """0 when written; with --check 1 when something is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    results = Results()
    wanted = {file: render(file.read_text(), results) for file in DOCUMENTS if file.exists()}
    wanted |= {PLOTS / name: text for name, text in plots(results).items()}
    stale = [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]
    for file in stale:
        print(f"{'stale' if check else 'wrote'}: {file.relative_to(ROOT)}")
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[file])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
