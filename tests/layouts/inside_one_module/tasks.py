"""The app."""

from pynenc import Pynenc

app = Pynenc()


@app.task
def job() -> str:
    return __name__
