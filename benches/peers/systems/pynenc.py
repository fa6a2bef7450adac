"""pynenc 0.4 from its wheel: on memory with threads of this process, on SQLite with two worker processes."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import bodies
from protocol import Options, System, limited

from pynenc.builder import PynencBuilder

OPTIONS = Options.here()


def _app() -> Any:
    builder = PynencBuilder().app_id("bench").logging_level("error")
    if OPTIONS.store == "memory":
        return builder.memory().thread_runner(min_threads=1, max_threads=8).runner_tuning(0.001, 0.001).build()
    builder = builder.sqlite(f"{OPTIONS.folder}/pynenc.db").persistent_process_runner(num_processes=2)
    return builder.runner_tuning(0.01, 0.01).build()


app = _app()


@app.task
def echo(value: int) -> int:
    """As in `bodies`: worker processes want to find the task under the name of its function."""
    return bodies.echo(value)


@app.task
def stamp(path: str) -> int:
    """As in `bodies`."""
    return bodies.stamp(path)


@app.task
def nap(seconds: float) -> int:
    """As in `bodies`."""
    return bodies.nap(seconds)


@app.task
def spin(steps: int) -> int:
    """As in `bodies`."""
    return bodies.spin(steps)


@app.task
def size(data: str) -> int:
    """As in `bodies`."""
    return bodies.size(data)


@app.task
def hold(path: str) -> int:
    """As in `bodies`."""
    return bodies.hold(path)


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


TASKS: dict[str, Any] = {
    "echo": echo, "stamp": stamp, "nap": nap, "spin": spin, "size": size, "hold": hold, "fan": fan, "fib": fib
}  # fmt: skip


class PynencSystem(System):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._thread: threading.Thread | None = None

    def start(self, slots: int | None = None) -> None:
        if self.options.store == "memory":
            app.runner.conf.max_threads = slots or 8
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                self._thread = threading.Thread(target=app.runner.run, daemon=True)
                self._thread.start()
        else:
            self.spawn_python("-m", "pynenc", "--app", "systems.pynenc.app", "runner", "start")

    def stop(self) -> None:
        if self._thread is not None:
            app.runner.stop_runner_loop()
            self._thread.join(5.0)
            self._thread = None
        super().stop()

    def send(self, body: str, *args: Any) -> Any:
        return TASKS[body](*args)

    def send_many(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        return list(TASKS[body].parallelize(calls).invocations)

    def result(self, handle: Any, timeout: float) -> Any:
        return limited(lambda: handle.result, timeout)

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        return limited(lambda: [handle.result for handle in handles], timeout)

    def purge(self) -> None:
        app.purge()


def make(options: Options) -> System:
    """The system of this module."""
    return PynencSystem(options)
