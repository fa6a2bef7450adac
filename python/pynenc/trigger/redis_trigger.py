"""The trigger component of apps in Redis, by name."""

from pynenc.trigger.base_trigger import BaseTrigger


class RedisTrigger(BaseTrigger):
    """Name from settings made for pynenc; see `BaseTrigger`."""
