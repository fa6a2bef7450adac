"""The app: everything about it comes from the environment."""

from support import codecs

from pynenc import Pynenc

__all__ = ["app", "codecs"]

app = Pynenc()
