"""From pytest-benchmark's report to results/suites.json: `collect.py target/reports/bench.json`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchkit import machine

OUT = Path(__file__).resolve().parents[1] / "results" / "suites.json"
_PARTS = re.compile(r"[\[\]-]+")


def short_name(name: str) -> str:
    """Return the name of a value: `test_submit_one[redis]` is `submit_one_redis`; a single store is omitted."""
    words = [word for word in _PARTS.split(name.removeprefix("test_")) if word]
    if words[0] in ("shards", "growth_drain"):
        words = [word for word in words if word != "redis"]
    return "_".join(words)


def value_of(row: dict[str, Any]) -> dict[str, Any]:
    """One value with its unit, spread and repetitions."""
    info, stats = row["extra_info"], row["stats"]
    unit, question = info["unit"], info["question"]
    if "value" in info:
        return {"value": info["value"], "unit": unit, "question": question, "spread": "", "repetitions": 1}
    shown = (lambda seconds: info["per_round"] / seconds) if unit == "tasks/s" else (lambda seconds: seconds * 1e3)
    quartiles = sorted((shown(stats["q1"]), shown(stats["q3"])))
    return {
        "value": shown(stats["median"]),
        "unit": unit,
        "question": question,
        "spread": f"{quartiles[0]:.3g}-{quartiles[1]:.3g}",
        "repetitions": stats["rounds"],
    }


def main(report: Path) -> int:
    """0 when written."""
    rows = json.loads(report.read_text())["benchmarks"]
    values = {short_name(row["name"]): value_of(row) for row in rows if "unit" in row["extra_info"]}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine.facts(), "values": values}, indent=1) + "\n")
    print(f"wrote {len(values)} values to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
