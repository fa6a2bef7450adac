"""Render the table of docs/concepts/guarantees.md from the last runs of `make chaos`.

`python scripts/chaos_table.py` rewrites the page. `--check` only reports by exit code 1 that the page would change.
"""

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "concepts" / "guarantees.md"
FIGURES = PAGE.with_suffix(".json")
TABLE = re.compile(r"(<!-- chaos -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "| | What happened | Times | Accepted | Lost | Double results | Loss per task, 95 % | Ran twice | Shows | Run |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)
NOTES = {
    "worst_recovery_sec": "every worker at work again within {:g} s",
    "p99_recovery_sec": "99 % begin again within {:g} s",
    "worst_latency_sec": "slowest result after {:g} s",
    "stale_writes_refused": "{:,} late outcomes refused",
    "worst_heal_sec": "nothing stuck after {:g} s",
    "forgotten": "{:,} forgotten by the server",
    "canary_sec": "canary {:g} s",
    "surfaced": "{:,} errors seen by clients",
}


def rounded_up(rate: float) -> str:
    """To two digits, never downwards: it is a bound."""
    step = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return f"{math.ceil(rate / step) * step:.2g}"


def in_order(name: str) -> tuple[str, int, str]:
    """`B5` comes before `B11`."""
    fault, _, where = name.partition(" ")
    return fault[0], int(fault[1:]), where


def row(name: str, figures: dict[str, Any]) -> str:
    """Return one line of the table."""
    accepted, lost = figures["acknowledged"], figures["lost"]
    # With nothing lost in n, the rate is below 3/n with a probability of 95 %.
    bound = f"< {rounded_up(3 / accepted)}" if lost == 0 else f"{lost / accepted:.2g}"
    notes = "; ".join(text.format(figures[key]) for key, text in NOTES.items() if key in figures)
    cells = (
        name,
        f"{figures['what']} ({notes})" if notes else figures["what"],
        f"{figures['times']:,}",
        f"{accepted:,}",
        f"{lost:,}",
        f"{figures['double_results']:,}",
        bound,
        f"{figures['duplicates']:,}",
        figures["level"],
        f"{figures['size']}, {figures['date']}",
    )
    return f"| {' | '.join(cells)} |\n"


def rendered(text: str, rows: dict[str, dict[str, Any]]) -> str:
    """The page with its table as the figures have it."""
    table = HEAD + "".join(row(name, rows[name]) for name in sorted(rows, key=in_order))
    return TABLE.sub(lambda match: match[1] + table + match[2], text)


def main() -> int:
    """0 when the page is up to date at the end."""
    text = PAGE.read_text(encoding="utf-8")
    new = rendered(text, json.loads(FIGURES.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        return int(new != text)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
