"""The version of this distribution."""

from pynenc._core import __version__

__all__ = ["__version__"]
