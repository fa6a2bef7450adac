"""`pynenc status render`: print the state machine of invocations as text or as a picture. Needs no app."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pynenc.cli.status_picture import kind_of, svg
from pynenc.invocation.status import InvocationStatus


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status", help="show the statuses of invocations", description="Show the statuses that an invocation can have."
    )
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    render = actions.add_parser(
        "render",
        help="print the state machine",
        description="Print the allowed transitions between statuses. Needs no app.",
    )
    render.add_argument("--format", choices=("text", "svg"), default="text", help="a table (default) or a picture")
    render.add_argument("--output", metavar="FILE", type=Path, help="write to this file instead of stdout")
    render.add_argument("--check", action="store_true", help="write nothing; exit with 1 if FILE has other content")
    render.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the state machine; return 0, or 1 if `--check` finds FILE missing or different.

    Raises:
        ValueError: `--check` without `--output`.
    """
    text = "\n".join(svg() if arguments.format == "svg" else _table()) + "\n"
    output: Path | None = arguments.output
    if arguments.check:
        if output is None:
            raise ValueError("status render --check compares a file with what it should be: name it with --output")
        return _compare(output, text)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
    return 0


def _compare(output: Path, text: str) -> int:
    try:
        same = output.read_text(encoding="utf-8") == text
    except (FileNotFoundError, UnicodeDecodeError):
        same = False
    if not same:
        print(f"{output} is not what status render writes: run it with --output and without --check", file=sys.stderr)
    return 0 if same else 1


def _next(status: InvocationStatus) -> list[InvocationStatus]:
    return [one for one in InvocationStatus if status.can_transition_to(one)]


def _table() -> Iterator[str]:
    width = max(map(len, InvocationStatus))
    yield f"{'status':<{width}}  {'kind':<9}  may be followed by"
    for status in InvocationStatus:
        yield f"{status:<{width}}  {kind_of(status):<9}  {', '.join(_next(status))}".rstrip()
