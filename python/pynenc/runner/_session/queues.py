"""Which queues a runner takes work from, and which of them it looks at first."""

from __future__ import annotations

from typing import Any, TypedDict

from pynenc.conf.config_runner import QueueSelectionStrategy


class QueueChoice(TypedDict):
    """The arguments of `_core.Engine` about queues."""

    queues: tuple[str, ...]
    queue_strategy: str


def queue_choice(conf: Any) -> QueueChoice:
    """What these settings of a runner say about queues. Settings of a user's own kind may lack both."""
    strategy = getattr(conf, "queue_selection_strategy", QueueSelectionStrategy.ROUND_ROBIN)
    return {"queues": tuple(getattr(conf, "queues", ())), "queue_strategy": QueueSelectionStrategy(strategy).value}
