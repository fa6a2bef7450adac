"""Draw bars as independent SVG files, on a logarithmic scale because the systems differ by orders of magnitude."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _LABELS, _VALUES, _STEP = 760, 190, 90, 24
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600}.v{fill:#666}"
    ".ours{fill:#0a7d5a}.peer{fill:#9aa7b1}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.v{fill:#aaa}}"
)


def bars(title: str, rows: Sequence[tuple[str, float, bool]], unit: str) -> str:
    """A chart: rows of `(name, value, is ours)`; the axis is logarithmic and starts a little below the least."""
    known = [value for _, value, _ in rows if value > 0]
    low, high = math.log10(min(known)) - 0.3, math.log10(max(known))
    scale = (_WIDTH - _LABELS - _VALUES) / ((high - low) or 1.0)
    parts = [f'<text class="t" x="4" y="18">{escape(title)}</text>']
    for number, (name, value, ours) in enumerate(rows):
        top = 30 + number * _STEP
        length = max(2.0, (math.log10(value) - low) * scale) if value > 0 else 2.0
        kind = "ours" if ours else "peer"
        parts.append(f'<text x="{_LABELS - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="{_LABELS}" y="{top + 2}" width="{length:.1f}" height="16" rx="2"/>')
        parts.append(f'<text class="v" x="{_LABELS + length + 6:.1f}" y="{top + 14}">{number_text(value)}</text>')
    height = 30 + len(rows) * _STEP + 24
    parts.append(f'<text class="v" x="{_LABELS}" y="{height - 8}">{escape(unit)}, logarithmic</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def number_text(value: float) -> str:
    """Three digits, thousands separated."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{digits}f}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"
