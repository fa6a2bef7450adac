"""What event loops need to wait without a thread."""

from pynenc._core import TARGETS_TOLD, LoopAlarm

__all__ = ["TARGETS_TOLD", "LoopAlarm"]
