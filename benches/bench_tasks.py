"""The tasks of the suites, on an app that each benchmark creates; the bodies are those of the comparison."""

from __future__ import annotations

import os

from peers import bodies

from pynenc import Pynenc

app = Pynenc(app_id=os.environ.get("BENCH_APP", "suites"))
app.conf.logging_level = "warning"
echo = app.task(bodies.echo)
nap = app.task(bodies.nap)
size = app.task(bodies.size)
stamp = app.task(bodies.stamp)


@app.task
def keywords(a: int, b: str, *, c: float = 0.5, d: list[int] | None = None) -> str:
    """A signature as tasks have it."""
    return f"{a}{b}{c}{d}"


@app.task
def fan(children: int) -> int:
    """Send, wait, add."""
    return sum(echo.parallelize([(number,) for number in range(children)]).results)


@app.task
def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    left, right = fib(n - 1), fib(n - 2)
    return left.result + right.result
