"""Render the tables of the costs of a task on Redis from the last run of `make redis-costs`.

`python scripts/redis_costs.py` rewrites the page. `--check` only reports by exit code 1 that the page would change.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "guides" / "running-on-redis.md"
COSTS = PAGE.with_name("redis-costs.json")
SCALE = PAGE.with_name("redis-scale.json")
TABLE = re.compile(r"(<!-- redis costs -->\n).*?(<!-- end -->)", re.DOTALL)


def costs(rows: list[dict[str, Any]]) -> str:
    """Return the table of commands and bytes per task, which do not depend on the machine."""
    lines = ["| per task | commands | bytes to the server | bytes from it |", "|---|---|---|---|"]
    lines += [f"| {row['what']} | {row['commands']:g} | {row['bytes_in']} | {row['bytes_out']} |" for row in rows]
    return "\n".join(lines) + "\n"


def scale(figures: dict[str, Any]) -> str:
    """Return the sentence about the costs of a long queue."""
    return (
        f"\nMeasured with {figures['queued']:,} queued invocations: each takes {figures['bytes_each']} bytes of the"
        f" server's memory; a claim takes {figures['claim_ratio']:g} times the server time of a claim among 1,000;"
        f" {figures['slow_commands']} commands took longer than 10 ms. After all had finished and expired,"
        f" {figures['keys_left']} keys and {figures['bytes_left'] / 1e6:.1f} MB more than before remained.\n"
    )


def main() -> int:
    """Render the page, or compare it with `--check`; return 0 if it is up to date."""
    text = PAGE.read_text(encoding="utf-8")
    body = costs(json.loads(COSTS.read_text(encoding="utf-8")))
    if SCALE.exists():
        body += scale(json.loads(SCALE.read_text(encoding="utf-8")))
    new = TABLE.sub(lambda match: match[1] + body + match[2], text)
    if "--check" in sys.argv[1:]:
        return int(new != text)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
