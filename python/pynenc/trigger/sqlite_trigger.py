"""The trigger component of apps in SQLite, by name."""

from pynenc.trigger.base_trigger import BaseTrigger


class SQLiteTrigger(BaseTrigger):
    """Name from settings made for pynenc; see `BaseTrigger`."""
