"""Settings of a store in shared memory, which neither pynenc nor this package has."""

from __future__ import annotations

from pynenc.conf.base import ConfigBase


class ConfigSharedMemory(ConfigBase):
    """A name of pynenc without settings."""
