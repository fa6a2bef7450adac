"""Outcomes of a claim, and what became of a settlement."""

from pynenc._core import CANCELLED, DONE, FAILURE, RELEASE, REPLAYED, RETRY, STALE, SUCCESS

__all__ = ["CANCELLED", "DONE", "FAILURE", "RELEASE", "REPLAYED", "RETRY", "STALE", "SUCCESS"]
