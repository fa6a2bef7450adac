"""The app."""

from pynenc import Pynenc

app = Pynenc()
