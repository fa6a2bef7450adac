"""The trigger component of apps in memory, by name."""

from pynenc.trigger.base_trigger import BaseTrigger


class MemTrigger(BaseTrigger):
    """A class name from settings made for pynenc. It adds nothing to `BaseTrigger`."""
