"""The app: everything about it comes from the environment."""

from pynenc import Pynenc

app = Pynenc()
