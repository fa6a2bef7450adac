"""Charts as HTML: horizontal bars, and a timeline. Colours and fonts come from the style sheet of the page.

Lengths are per cent of the width that the page has, and text is never scaled, so that a chart is as readable on a phone
as on a wide screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LANE_WIDTH = 1000
"""Units across a lane of the timeline, whatever its width on the screen."""


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
    largest = max((value for _, values in rows for value in values), default=0) or 1
    parts = []
    for name, values in rows:
        drawn = "".join(
            f'<span class="bar {kind}" style="width:{max(value / largest * 100, 0.2):.2f}%" '
            f'title="{escape(name)}: {value:,} {kind}"></span><span class="value">{value:,}</span>'
            for value, kind in zip(values, series, strict=True)
        )
        parts.append(f'<div class="name">{escape(name)}</div><div class="bars">{drawn}</div>')
    return f'<div class="chart">{"".join(parts)}</div>'


def timeline(shown: Sequence[Bar], kinds: dict[str, str]) -> str:
    """Draw one lane per slot and one bar per invocation, with a thin line below it while its body waited.

    `kinds` gives the CSS class of each task.
    """
    end = max((segment.end for bar in shown for segment in bar.segments), default=0.0) or 1.0
    lanes = []
    for row in sorted({bar.row for bar in shown}):
        # Waits are drawn first, so that the work of others covers them.
        drawn = "".join(
            _invocation(bar, kinds, LANE_WIDTH / end, running)
            for running in (False, True)
            for bar in shown
            if bar.row == row
        )
        lanes.append(
            f'<div class="name">{escape(row)}</div><svg class="lane" viewBox="0 0 {LANE_WIDTH} 28" '
            f'preserveAspectRatio="none" role="img" aria-label="{escape(row)}">{drawn}</svg>'
        )
    return f'<div class="chart">{"".join(lanes)}<div class="name"></div>{_axis(end)}</div>'


def _invocation(bar: Bar, kinds: dict[str, str], scale: float, running: bool) -> str:
    y, height = (2, 18) if running else (22, 5)
    kind = f"{kinds.get(bar.task, 'other')} {'' if running else 'waits'}".strip()
    drawn = "".join(
        f'<rect x="{segment.start * scale:.2f}" y="{y}" '
        f'width="{max((segment.end - segment.start) * scale, 0.6):.2f}" height="{height}"/>'
        for segment in bar.segments
        if segment.running is running
    )
    return f'<g class="{kind}"><title>{escape(bar.title)}</title>{drawn}</g>' if drawn else ""


def _axis(end: float) -> str:
    step = _round_step(end / 8)
    digits = max(0, -math.floor(math.log10(step)))
    ticks = "".join(
        f'<span style="left:{tick * step / end * 100:.2f}%">{tick * step:.{digits}f} s</span>'
        for tick in range(int(end / step) + 1)
    )
    return f'<div class="axis">{ticks}</div>'


def _round_step(wanted: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `wanted`."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * 0.999)
