"""The state machine of invocations as an SVG drawing, from left to right: queue, runner, end.

Statuses with the same successors share a frame, and a line that leaves a frame applies to all statuses in it. The
positions below are fixed. The state machine decides which lines are drawn, so the drawing cannot contradict it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pynenc.invocation.status import InvocationStatus

_WIDTH, _HEIGHT = 990, 540
_BOX_WIDTH, _BOX_HEIGHT = 216, 34
_RECOVERY_WIDTH = 160

_PLACES: dict[str, tuple[int, int, int]] = {
    "registered": (40, 96, _BOX_WIDTH),
    "rerouted": (40, 146, _BOX_WIDTH),
    "retry": (40, 196, _BOX_WIDTH),
    "concurrency_controlled": (40, 300, _BOX_WIDTH),
    "pending": (390, 96, _BOX_WIDTH),
    "running": (390, 196, _BOX_WIDTH),
    "paused": (390, 300, _BOX_WIDTH),
    "concurrency_controlled_final": (748, 96, _BOX_WIDTH),
    "success": (748, 184, _BOX_WIDTH),
    "failed": (748, 240, _BOX_WIDTH),
    "cancelled": (748, 320, _BOX_WIDTH),
    "killed": (350, 450, _RECOVERY_WIDTH),
    "pending_recovery": (550, 450, _RECOVERY_WIDTH),
    "running_recovery": (750, 450, _RECOVERY_WIDTH),
}
"""Left edge, top edge and width of the box of each status."""

_FRAMES = (
    ("Not owned", 20, 44, 262, 306),
    ("A runner may claim these", 30, 66, 236, 174),
    ("Owned by a runner", 370, 66, 256, 284),
    ("Finished", 736, 66, 240, 300),
    ("Taken from its runner", 336, 420, 588, 76),
)
"""Heading, left edge, top edge, width and height of each frame."""


class _Line(NamedTuple):
    """One drawn line: the transitions that it represents, its path and its colour."""

    sources: str
    target: str
    path: str
    kind: str = "usual"
    label: tuple[int, int, str] | None = None
    """The position of the label, and the label."""


_LINES = (
    _Line("registered rerouted retry", "pending", "M266 113H388", label=(292, 107, "claim")),
    _Line("pending", "running", "M498 130V194", label=(505, 166, "start")),
    _Line("running", "success", "M606 201H746"),
    _Line("running", "paused", "M460 230V298", label=(392, 268, "it waits")),
    _Line("paused", "running", "M536 300V232", label=(543, 268, "it goes on")),
    _Line("running", "retry", "M390 213H258", label=(292, 207, "retry")),
    _Line("running", "failed", "M606 213H716V257H746"),
    _Line("registered rerouted retry", "concurrency_controlled", "M100 240V298", "rare", (107, 278, "key taken")),
    _Line("concurrency_controlled", "rerouted", "M256 317H304V163H258", "rare", (272, 334, "key free")),
    _Line("pending", "rerouted", "M390 121H336V163H258", "rare", (268, 157, "hand back")),
    _Line(
        "registered rerouted retry",
        "concurrency_controlled_final",
        "M148 66V24H856V94",
        "rare",
        (292, 18, "key taken, and the task drops such calls"),
    ),
    _Line("registered rerouted retry concurrency_controlled", "cancelled", "M148 350V384H856V356", "cancel"),
    _Line("pending running paused", "cancelled", "M626 337H746", "cancel", (684, 331, "cancel")),
    _Line("pending running paused", "killed", "M494 350V448", "lost"),
    _Line("pending", "pending_recovery", "M606 113H646V448", "lost", (652, 410, "lease expired")),
    _Line("running paused", "running_recovery", "M606 222H672V398H830V448M606 317H672", "lost"),
    _Line(
        "killed pending_recovery running_recovery",
        "rerouted",
        "M336 467H8V163H38",
        "lost",
        (20, 461, "back to the queue"),
    ),
    _Line(
        "pending_recovery running_recovery",
        "failed",
        "M630 484V514H984V257H966M830 484V514",
        "lost",
        (640, 530, "too often: dead letter"),
    ),
)

_COLOURS = {"usual": "#1f2937", "rare": "#6b7280", "cancel": "#9a3412", "lost": "#b45309"}
_FILLS = {"final": "#d5e8d4", "available": "#dae8fc", "": "#f3f4f6"}


def kind_of(status: InvocationStatus) -> str:
    """Return `"final"`, `"available"` (a runner may claim it), or an empty string."""
    return "final" if status.is_final() else "available" if status.is_available_for_run() else ""


def steps() -> set[tuple[str, str]]:
    """Return every transition of the state machine: a status and its successor."""
    return {
        (one.value, other.value)
        for one in InvocationStatus
        for other in InvocationStatus
        if one.can_transition_to(other)
    }


def svg() -> Iterator[str]:
    """Yield the lines of the drawing."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img" '
        'aria-label="Which status of an invocation may follow which">'
    )
    yield "<defs>"
    for kind, colour in _COLOURS.items():
        yield (
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="10" '
            'markerHeight="10" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        )
    yield "</defs>"
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    for heading, left, top, width, height in _FRAMES:
        yield (
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="10" fill="none" stroke="#d1d5db"/>'
            f'<text x="{left + 12}" y="{top + 18}" fill="#6b7280" font-size="12">{heading}</text>'
        )
    yield from _lines()
    for status in InvocationStatus:
        yield _box(status)
    yield "</svg>"


def _lines() -> Iterator[str]:
    left = steps()
    for line in _LINES:
        stands_for = [(source, line.target) for source in line.sources.split() if (source, line.target) in left]
        if stands_for:
            left.difference_update(stands_for)
            yield _drawn(line, stands_for)
    # Transitions without an entry in the list above are drawn straight from box to box.
    for source, target in sorted(left):
        (x, y, width), (to_x, to_y, to_width) = _place(source), _place(target)
        path = f"M{x + width // 2} {y + _BOX_HEIGHT // 2}L{to_x + to_width // 2} {to_y + _BOX_HEIGHT // 2}"
        yield _drawn(_Line(source, target, path, "rare"), [(source, target)])


def _drawn(line: _Line, stands_for: Iterable[tuple[str, str]]) -> str:
    colour = _COLOURS[line.kind]
    title = ", ".join(f"{source} to {target}" for source, target in stands_for)
    label = ""
    if line.label is not None:
        x, y, text = line.label
        label = f'<text x="{x}" y="{y}" fill="{colour}" font-size="11">{text}</text>'
    # Only the first part has an arrow head; parts that join it from another status have none.
    first, *joining = line.path.removeprefix("M").split("M")
    width = 1.8 if line.kind == "usual" else 1.2
    drawn = f'<path d="M{first}" marker-end="url(#{line.kind})"/>' + "".join(f'<path d="M{one}"/>' for one in joining)
    return (
        f'<g class="step"><title>{title}</title><g fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linejoin="round">{drawn}</g>{label}</g>'
    )


def _place(status: str) -> tuple[int, int, int]:
    """Return the position of the box of a status; an unknown status is in the lower left corner."""
    return _PLACES.get(status, (40, 450, _BOX_WIDTH))


def _box(status: InvocationStatus) -> str:
    left, top, width = _place(status.value)
    return (
        f'<g class="status"><rect x="{left}" y="{top}" width="{width}" height="{_BOX_HEIGHT}" rx="6" '
        f'fill="{_FILLS[kind_of(status)]}" stroke="#374151"/>'
        f'<text x="{left + width // 2}" y="{top + 22}" text-anchor="middle" fill="#111827">{status}</text></g>'
    )
