"""Bodies that install a handler of a signal, which Python allows in the main thread only."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

from support import flags
from support.jobs.app import app
from support.jobs.basics import until


class Rung(Exception):
    """Raised by the handlers of these bodies."""


def _ring(signum: int, frame: object) -> None:
    raise Rung


def _set_alarm(seconds: float) -> None:
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)


@app.task
def is_in_the_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@app.task
def sleep_until_alarm() -> str:
    try:
        _set_alarm(0.1)
        time.sleep(300)
    except Rung:
        return "rung"
    except ValueError as error:
        return str(error)
    return "slept"


@app.task
def wait_until_alarm(name: str) -> Any:
    """Wait for another invocation; the alarm comes when that one runs."""
    other = until(name)
    signal.signal(signal.SIGALRM, _ring)
    watcher = threading.Thread(target=_ring_when_started, args=(name,))
    watcher.start()
    try:
        return other.result
    except Rung:
        return "rung"
    finally:
        watcher.join()


def _ring_when_started(name: str) -> None:
    flags.await_flag(f"{name}-started")
    signal.raise_signal(signal.SIGALRM)


@app.task
def leave_an_alarm() -> str:
    """Return with an armed timer, whose handler raises, and a thread that keeps the process until after the alarm."""
    returned: list[bool] = []

    def ring(signum: int, frame: object) -> None:
        if returned:
            flags.raise_flag("late-alarm")
        raise Rung

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 0.05)
    threading.Thread(target=time.sleep, args=(0.5,)).start()
    returned.append(True)
    return "returned"
