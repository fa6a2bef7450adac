"""What runs invocations, and what wakes those who wait: engines, claims, and descriptors for event loops."""

from pynenc._core import TARGETS_TOLD, Claim, Engine, LoopAlarm

__all__ = ["TARGETS_TOLD", "Claim", "Engine", "LoopAlarm"]
