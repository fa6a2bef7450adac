"""The trigger component of apps in SQLite, by name."""

from pynenc.trigger.base_trigger import BaseTrigger


class SQLiteTrigger(BaseTrigger):
    """A class name from settings made for pynenc. It adds nothing to `BaseTrigger`."""
