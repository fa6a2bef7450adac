"""Settings of a store in shared memory, which neither pynenc nor this package has."""

from __future__ import annotations

from pynenc.conf.base import ConfigBase


class ConfigSharedMemory(ConfigBase):
    """Declared and unused, as in pynenc: the name can be imported, and has no setting."""
