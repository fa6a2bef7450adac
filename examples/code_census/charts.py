"""Charts as inline SVG: horizontal bars, and a timeline. Colours and fonts come from the style sheet of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 1040
LABELS = 190
"""Width of the names at the left."""

_RIGHT = 90
"""Room for the values at the right."""


@dataclass(frozen=True)
class Segment:
    """A part of an invocation's life, in seconds since the first one began."""

    start: float
    end: float
    running: bool
    """False while its body waits, holding no slot."""


@dataclass(frozen=True)
class Bar:
    """One invocation in the timeline."""

    task: str
    row: str
    """Name of the row: runner process and slot."""
    segments: tuple[Segment, ...]
    title: str
    """Shown while the pointer rests on it."""


def bars(rows: Sequence[tuple[str, Sequence[int]]], series: Sequence[str]) -> str:
    """Horizontal bars: for each name one bar per series, with its value. `series` are CSS classes."""
    thickness = 18 if len(series) == 1 else 13
    step = thickness * len(series) + 8
    largest = max((value for _, values in rows for value in values), default=0) or 1
    scale = (WIDTH - LABELS - _RIGHT) / largest
    parts = []
    for index, (name, values) in enumerate(rows):
        top = index * step + 4
        middle = top + thickness * len(series) / 2
        parts.append(_text(LABELS - 10, middle, name, "end", "name"))
        for number, (value, kind) in enumerate(zip(values, series, strict=True)):
            y, length = top + number * thickness, max(value * scale, 1.0)
            parts.append(
                f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{thickness - 1}" rx="2">'
                f"<title>{escape(name)}: {value:,}</title></rect>"
            )
            parts.append(_text(LABELS + length + 6, y + thickness / 2 - 0.5, f"{value:,}", "start", "value"))
    return _svg(len(rows) * step + 8, "".join(parts))


def timeline(shown: Sequence[Bar], kinds: dict[str, str]) -> str:
    """One row per slot, one bar per invocation; below the row a thin line while its body waited.

    `kinds` gives the CSS class of each task.
    """
    height, left = 38, LABELS
    rows = {name: number for number, name in enumerate(sorted({bar.row for bar in shown}))}
    end = max((segment.end for bar in shown for segment in bar.segments), default=0.0) or 1.0
    scale = (WIDTH - left - 20) / end
    bottom = len(rows) * height + 6
    parts = [_axis(end, scale, left, bottom)]
    for name, number in rows.items():
        parts.append(_text(left - 10, number * height + 15, name, "end", "name"))
        parts.append(
            f'<rect class="lane" x="{left}" y="{number * height + 4}" width="{WIDTH - left - 20}" height="22"/>'
        )
    # Waits first: the work of others lies over them.
    for running in (False, True):
        parts += [_invocation(bar, kinds, rows[bar.row] * height + 4, left, scale, running) for bar in shown]
    return _svg(bottom + 24, "".join(parts))


def _invocation(bar: Bar, kinds: dict[str, str], top: float, left: float, scale: float, running: bool) -> str:
    y, height = (top + 1, 18) if running else (top + 22, 5)
    kind = f"{kinds.get(bar.task, 'other')} {'' if running else 'waits'}".strip()
    drawn = "".join(
        f'<rect x="{left + segment.start * scale:.2f}" y="{y}" '
        f'width="{max((segment.end - segment.start) * scale, 0.6):.2f}" height="{height}"/>'
        for segment in bar.segments
        if segment.running is running
    )
    return f'<g class="{kind}"><title>{escape(bar.title)}</title>{drawn}</g>' if drawn else ""


def _axis(end: float, scale: float, left: float, bottom: float) -> str:
    step = _round_step(end / 8)
    digits = max(0, -math.floor(math.log10(step)))
    parts = []
    for tick in range(int(end / step) + 1):
        x = left + tick * step * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 12, f"{tick * step:.{digits}f} s", "middle", "value"))
    return "".join(parts)


def _round_step(wanted: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `wanted`."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * 0.999)


def _text(x: float, y: float, text: str, anchor: str, kind: str) -> str:
    shown = text if len(text) <= 30 else f"{text[:29]}…"
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" dy=".35em">{escape(shown)}</text>'


def _svg(height: float, content: str) -> str:
    return f'<div class="chart"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{content}</svg></div>'
