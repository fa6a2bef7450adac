"""An app with the id and the store of the tests, which knows none of their tasks."""

from pynenc import Pynenc

app = Pynenc()
