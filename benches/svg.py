"""Draw bars as independent SVG files, in colours for light and for dark pages.

Put into a page of the site, a picture takes its colours from docs/_static/site.css.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _LABELS, _VALUES, _STEP = 760, 190, 90, 24
_STYLE = (
    ".pn{--ink:#24292f;--dim:#57606a;--lane:#eceff2;--ours:#0a7d5a;--peer:#9aa7b1}"
    "@media(prefers-color-scheme:dark){.pn{--ink:#e4e7ea;--dim:#a4adb6;--lane:#2a2f35;--ours:#2fb588;--peer:#6b7680}}"
    ".pn text{font:13px system-ui,sans-serif;fill:var(--ink)}.pn .t{font-weight:600}.pn .v{fill:var(--dim)}"
    ".pn .ours{fill:var(--ours)}.pn .peer{fill:var(--peer)}"
)


def bars(title: str, rows: Sequence[tuple[str, float, bool]], unit: str, *, logarithmic: bool = True) -> str:
    """Draw a chart of bars.

    Args:
        title: the first line.
        rows: `(name, value, is ours)`, from top to bottom.
        unit: what the values count; the last line.
        logarithmic: the axis is logarithmic and starts a little below the least value; else it starts at zero.
    """
    known = [value for _, value, _ in rows if value > 0]
    place = math.log10 if logarithmic else float
    low, high = place(min(known)) - 0.3 if logarithmic else 0.0, place(max(known))
    scale = (_WIDTH - _LABELS - _VALUES) / ((high - low) or 1.0)
    parts = [f'<text class="t" x="4" y="18">{escape(title)}</text>']
    for number, (name, value, ours) in enumerate(rows):
        top = 30 + number * _STEP
        length = max(2.0, (place(value) - low) * scale) if value > 0 else 2.0
        kind = "ours" if ours else "peer"
        parts.append(f'<text x="{_LABELS - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="{_LABELS}" y="{top + 2}" width="{length:.1f}" height="16" rx="2"/>')
        parts.append(f'<text class="v" x="{_LABELS + length + 6:.1f}" y="{top + 14}">{number_text(value)}</text>')
    height = 30 + len(rows) * _STEP + 24
    parts.append(f'<text class="v" x="{_LABELS}" y="{height - 8}">{escape(unit)}{", logarithmic" * logarithmic}</text>')
    return (
        f'<svg class="pn" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" '
        f'role="img" aria-label="{escape(title)}"><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def number_text(value: float) -> str:
    """Three digits, thousands separated."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{digits}f}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"
