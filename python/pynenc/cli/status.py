"""`pynenc status render`: the state machine of invocations, as text or as a picture. Needs no app."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pynenc.invocation.status import InvocationStatus

_ROW, _LEFT, _WIDTH, _HEIGHT = 44, 20, 250, 28
"""Of the picture: distance of the rows, left edge, width and height of a box."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status", help="show the statuses of invocations", description="Show the statuses that an invocation can have."
    )
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    render = actions.add_parser(
        "render",
        help="print the state machine",
        description="Print which status may follow which. Needs no app.",
    )
    render.add_argument("--format", choices=("text", "svg"), default="text", help="a table (default) or a picture")
    render.add_argument("--output", metavar="FILE", type=Path, help="write to this file instead of stdout")
    render.add_argument("--check", action="store_true", help="write nothing: exit with 1 if FILE has another content")
    render.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 written, or up to date; 1 with `--check`: FILE is missing or has another content.

    Raises:
        ValueError: `--check` without `--output`.
    """
    text = "\n".join(_svg() if arguments.format == "svg" else _table()) + "\n"
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


def _kind(status: InvocationStatus) -> str:
    return "final" if status.is_final() else "available" if status.is_available_for_run() else ""


def _next(status: InvocationStatus) -> list[InvocationStatus]:
    return [one for one in InvocationStatus if status.can_transition_to(one)]


def _table() -> Iterator[str]:
    width = max(map(len, InvocationStatus))
    yield f"{'status':<{width}}  {'kind':<9}  may be followed by"
    for status in InvocationStatus:
        yield f"{status:<{width}}  {_kind(status):<9}  {', '.join(_next(status))}".rstrip()


def _svg() -> Iterator[str]:
    """A box for each status, one below the other, and a curve for each step; those that lead up are on the left."""
    order = list(InvocationStatus)
    reach = 30 * len(order)
    left = _LEFT + reach
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + _WIDTH + reach + _LEFT}" '
        f'height="{_ROW * len(order) + _LEFT}" font-family="sans-serif" font-size="14">'
    )
    yield '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    yield '<path d="M0 0L8 4L0 8z"/></marker></defs>'
    for index, status in enumerate(order):
        for follower in _next(status):
            at = order.index(follower)
            side, edge = (1, left + _WIDTH) if at > index else (-1, left)
            begin, end = (_LEFT + _ROW * row + _HEIGHT / 2 + 4 * side for row in (index, at))
            bend = edge + side * 30 * abs(at - index)
            yield (
                f'<path d="M{edge} {begin:g}C{bend} {begin:g} {bend} {end:g} {edge} {end:g}" fill="none" '
                f'stroke="#555" marker-end="url(#tip)"><title>{status} to {follower}</title></path>'
            )
    for index, status in enumerate(order):
        top = _LEFT + _ROW * index
        fill = {"final": "#d5e8d4", "available": "#dae8fc", "": "#f5f5f5"}[_kind(status)]
        yield (
            f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{fill}" stroke="#333"/>'
            f'<text x="{left + _WIDTH / 2:g}" y="{top + 19}" text-anchor="middle">{status}</text>'
        )
    yield "</svg>"
