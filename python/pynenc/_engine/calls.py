"""Submitted calls: how they are described, what became of them, and the ids they get."""

from pynenc._core import (
    NEW,
    REFUSED,
    REUSED_DIFFERENT,
    REUSED_SAME,
    TaskSpec,
    invocation_age_sec,
    new_invocation_id,
)

__all__ = [
    "NEW",
    "REFUSED",
    "REUSED_DIFFERENT",
    "REUSED_SAME",
    "TaskSpec",
    "invocation_age_sec",
    "new_invocation_id",
]
