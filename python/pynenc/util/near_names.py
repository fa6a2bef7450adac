"""Suggest similar names for a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 3
"""How many names are suggested at most."""


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are like `name`, the nearest first; upper and lower case are the same."""
    by_lower: dict[str, str] = {}
    for each in known:
        by_lower.setdefault(each.lower(), each)
    return [by_lower[each] for each in difflib.get_close_matches(name.lower(), by_lower, n=MOST)]


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean …?` with near names; `otherwise` if there are none."""
    near = near_names(name, known)
    return f"did you mean {' or '.join(near)}?" if near else otherwise
