"""The trigger component of apps in Redis, by name."""

from pynenc.trigger.base_trigger import BaseTrigger


class RedisTrigger(BaseTrigger):
    """A class name from settings made for pynenc. It adds nothing to `BaseTrigger`."""
