"""The trigger component of apps in memory, by name."""

from pynenc.trigger.base_trigger import BaseTrigger


class MemTrigger(BaseTrigger):
    """Name from settings made for pynenc; see `BaseTrigger`."""
