"""rustvello from its wheel, with polls as short as it takes: in this process on memory, in two others on a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bodies
from protocol import Options, System
from rustvello import App, init_logging

OPTIONS = Options.here()
POLL_SEC = 0.001
init_logging("error")
app = App(
    "bench",
    backend=OPTIONS.store,
    db_path=f"{OPTIONS.folder}/rustvello.db",
    redis_url=OPTIONS.redis_url,
    import_path="systems.rustvello:app",
)
TASKS: dict[str, Any] = {
    name: app.task(getattr(bodies, name)) for name in ("echo", "stamp", "nap", "spin", "size", "hold")
}


@app.task
def fan(children: int) -> int:
    """Send, wait, add."""
    sent = [TASKS["echo"](number) for number in range(children)]
    return sum(app.wait_results(sent, timeout=15.0, poll_interval=POLL_SEC))


@app.task
def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    return sum(app.wait_results([fib(n - 1), fib(n - 2)], timeout=15.0, poll_interval=POLL_SEC))


TASKS |= {"fan": fan, "fib": fib}


class RustvelloSystem(System):
    def start(self, slots: int | None = None) -> None:
        if self.options.store == "memory":
            app.run(num_workers=slots or 8, idle_sleep_ms=1, block=False)
            return
        for _ in range(2):
            self.spawn_python(
                "-c",
                f"from systems.rustvello import app; app.run(num_workers={(slots or 2) // 2}, idle_sleep_ms=1)",
            )

    def stop(self) -> None:
        if self.options.store == "memory":
            app.stop()
        super().stop()

    def send(self, body: str, *args: Any) -> Any:
        return TASKS[body](*args)

    def result(self, handle: Any, timeout: float) -> Any:
        return handle.result(timeout=timeout, poll_interval=POLL_SEC)

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        return app.wait_results(list(handles), timeout=timeout, poll_interval=POLL_SEC)

    def purge(self) -> None:
        app.purge()
        super().purge()


def make(options: Options) -> System:
    """The system of this module."""
    return RustvelloSystem(options)
