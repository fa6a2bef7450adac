"""A module with a task."""

from shop_app import app


@app.task
def job() -> str:
    return __name__
