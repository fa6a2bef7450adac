"""A module with a task."""

from ..app import app


@app.task
def job() -> str:
    return __name__
