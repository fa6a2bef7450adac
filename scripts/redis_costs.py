"""Write the tables of what a task costs Redis anew, from what the last `make redis-costs` measured.

`python scripts/redis_costs.py` rewrites the page, `--check` only says (exit code 1) whether it would change.
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
    """Commands and bytes per task; these do not depend on the machine."""
    lines = ["| per task | commands | bytes to the server | bytes from it |", "|---|---|---|---|"]
    lines += [f"| {row['what']} | {row['commands']:g} | {row['bytes_in']} | {row['bytes_out']} |" for row in rows]
    return "\n".join(lines) + "\n"


def scale(figures: dict[str, Any]) -> str:
    """What many queued cost."""
    return (
        f"\nWith {figures['queued']:,} queued, each took {figures['bytes_each']} bytes of the server's memory;"
        f" a claim took {figures['claim_ratio']:g} times the server's time of one among 1,000;"
        f" {figures['slow_commands']} commands took longer than 10 ms;"
        f" after all had finished and expired {figures['keys_left']} keys"
        f" and {figures['bytes_left'] / 1e6:.1f} MB more than before were left.\n"
    )


def main() -> int:
    """0 when the page is up to date at the end."""
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
