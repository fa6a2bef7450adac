"""pynenc-rs, on whichever store the driver names."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import bodies
from protocol import Options, System

from pynenc import Pynenc, runner

OPTIONS = Options.here()
URLS = {"redis": OPTIONS.redis_url, "sqlite": f"sqlite:///{OPTIONS.folder}/ours.db", "memory": "memory://"}

WAITING_THREADS = 64

app = Pynenc(
    app_id="bench",
    config_values={"store_url": URLS[OPTIONS.store], "logging_level": "warning", "parallel_batch_size": 500},
)

TASKS = {name: app.task(getattr(bodies, name)) for name in ("echo", "stamp", "nap", "spin", "size", "hold")}


@app.task
async def nap_async(seconds: float) -> int:
    """As `nap`, for an event loop."""
    await asyncio.sleep(seconds)
    return 1


@app.task
def fan(children: int) -> int:
    """Send, wait, add."""
    return sum(TASKS["echo"].parallelize([(number,) for number in range(children)]).results)


@app.task
def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    left, right = fib(n - 1), fib(n - 2)
    return left.result + right.result


TASKS |= {"fan": fan, "fib": fib, "nap_async": nap_async}


def runner_name(wanted: str) -> str:
    """Return the runner class of this run: the requested class, else two worker processes, else threads."""
    return next(name for name in (wanted, "PersistentProcessRunner", "ThreadRunner") if name and hasattr(runner, name))


class Ours(System):
    """Runners are processes of the command line; with a store in memory, the runner is a thread of this process."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._runner: Any = None
        self._thread: threading.Thread | None = None
        self._waiting = False

    def start(self, slots: int | None = None) -> None:
        self._waiting = False
        if self.options.store == "memory":
            self._start_thread(slots or 2)
            return
        self._start_processes(runner_name(self.options.runner), slots or 2)

    def start_for_waiting(self) -> bool:
        if self.options.store == "memory":
            self._start_thread(WAITING_THREADS)
        else:
            self._start_processes(runner_name("AsyncRunner"), 2)
            self._waiting = hasattr(runner, "AsyncRunner")
        return True

    def _start_processes(self, name: str, slots: int) -> None:
        processes, each = (1, slots) if name != "ThreadRunner" else (2, slots // 2)
        for _ in range(processes):
            self.spawn_python(
                "-m", "pynenc", "--app", "systems.ours", "runner", "start",
                PYNENC__RUNNER_CLS=name,
                PYNENC__MIN_PARALLEL_SLOTS="1",
                PYNENC__CONFIGTHREADRUNNER__MAX_THREADS=str(each),
                PYNENC__CONFIGPERSISTENTPROCESSRUNNER__NUM_PROCESSES=str(each),
            )  # fmt: skip

    def _start_thread(self, slots: int) -> None:
        self._runner = runner.ThreadRunner(app)
        self._runner.conf.max_threads = slots
        self._runner.conf.min_parallel_slots = 1
        with warnings.catch_warnings():
            # The warning that a runner on a second thread takes no signals is expected here.
            warnings.simplefilter("ignore", UserWarning)
            self._thread = threading.Thread(target=self._runner.run, daemon=True)
            self._thread.start()
            assert self._runner.wait_until_started(30.0)

    def stop(self) -> None:
        if self._thread is not None:
            self._runner.stop_runner_loop()
            self._thread.join(30.0)
            self._thread = None
        super().stop()

    def send(self, body: str, *args: Any) -> Any:
        return TASKS[body](*args)

    def send_many(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        if body == "nap" and self._waiting:
            body = "nap_async"
        return [TASKS[body].parallelize(calls)]

    def result(self, handle: Any, timeout: float) -> Any:
        return handle.get_result(timeout)

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        values: list[Any] = []
        for handle in handles:
            values += handle.get_results(timeout) if hasattr(handle, "get_results") else [handle.get_result(timeout)]
        return values

    def purge(self) -> None:
        app.purge()


def make(options: Options) -> System:
    """The system of this module."""
    sys.setswitchinterval(float(os.environ.get("BENCH_SWITCH_INTERVAL", sys.getswitchinterval())))
    return Ours(options)
