"""Medians and spread of few repetitions."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, the least and the largest, and how many."""
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "repetitions": len(values),
    }


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Return the ratios of ours to theirs, round by round: a disturbance of a round affects both."""
    return summary([mine / other for mine, other in zip(ours, theirs, strict=False) if other])
