"""The process that workers are forked from, started by a runner with a descriptor of its socket.

It imports the app once and then waits for orders on a socket. It stays single-threaded and opens no store, so a fork of
it is a sound and warm process. It reports each worker that ends, and ends with its runner.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pynenc._logs.later import flush_all
from pynenc._tasks.shadows import shadow_hint
from pynenc.exceptions import StateBackendError
from pynenc.runner._session.signals import STOP_SIGNALS, dump_threads_on_signal
from pynenc.runner._worker_process.worker import run_worker
from pynenc.runner._workers import preload  # noqa: F401
from pynenc.runner._workers.channel import Channel, Message
from pynenc.runner._workers.introduction import load_app
from pynenc.runner._workers.platform import (
    DEAF,
    SHORT,
    DeathWatch,
    die_with_parent,
    ending_with_parent,
    is_shortage,
    new_selector,
    watch_deaths,
)
from pynenc.runner._workers.zygote_report import zygote_report
from pynenc.util.open_files import flush_before_forks

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape

_FORK_FAILED_SHOWN = 300


class Order(NamedTuple):
    """What a forked worker is for; only ever seen in one."""

    channel: Channel
    message: Message
    zygote_pid: int


def main(descriptor: int) -> None:
    """Serve the runner at the other end of `descriptor` until it closes, or become a worker."""
    for signum in STOP_SIGNALS:
        # They may come from a terminal, or for a whole group: the runner tells its children what to do. A handler
        # rather than SIG_IGN, for that would be inherited by every program that a body starts.
        signal.signal(signum, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    dump_threads_on_signal()
    channel = Channel(socket.socket(fileno=descriptor))
    try:
        first = channel.receive()
        if first is None or not die_with_parent(first["pid"]):
            return
        with ending_with_parent(first["pid"]):
            app = _load(channel, first)
        order = None if app is None else _serve(channel)
        if app is not None and order is not None:
            _become_worker(app, order)
    finally:
        channel.close()


def _nothing(signum: int, frame: object) -> None:
    """For signals that somebody else deals with."""


def _load(channel: Channel, message: Message) -> AppShape | None:
    """Import the app and the modules of its tasks, as they are in the runner; report what came of it."""
    sys.path[:] = message["path"]
    try:
        app = load_app(message)
        report = zygote_report(app, message["registrars"])
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" (at {where[0].filename}:{where[0].lineno})" if where else ""
        hint = shadow_hint(message["path"]) if isinstance(error, (ImportError, AttributeError)) else ""
        channel.send({"failed": f"{type(error).__name__}: {error}{place}{hint}"})
        return None
    # The collector shall not write to the objects that exist now, so that all workers share their pages.
    gc.collect()
    flush_before_forks()
    gc.freeze()
    channel.send(report)
    return app


def _serve(channel: Channel) -> Order | None:
    """Fork when told to, report who ends. Returns in each worker with its order, and here with None at the end."""
    selector = new_selector()
    selector.register(channel.fileno(), selectors.EVENT_READ)
    watch = watch_deaths(selector)
    while not channel.ended:
        selector.select()
        for pid, status in watch.ended():
            channel.send({"ended": pid, "status": status})
        for message in channel.drain():
            if "ping" in message:
                channel.send({"pong": True})
                continue
            order = _fork(channel, watch, message)
            if order is not None:
                watch.close()
                selector.close()
                return order
    for pid in watch.pids():
        # The runner died, so the workers would never stop.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return None


def _fork(channel: Channel, watch: DeathWatch, message: Message) -> Order | None:
    """Fork one worker; returns its order in it, and None here."""
    zygote_pid = os.getpid()
    descriptor = message.pop("fd")
    try:
        pid = os.fork()
    except OSError as error:
        os.close(descriptor)
        channel.send({"refused": message["number"], "error": str(error)[:_FORK_FAILED_SHOWN]})
        return None
    if pid == 0:
        # Held open here, it would hide from the runner that the zygote is gone.
        channel.close()
        return Order(Channel(socket.socket(fileno=descriptor)), message, zygote_pid)
    os.close(descriptor)
    watch.add(pid)
    channel.send({"forked": message["number"], "pid": pid})
    return None


def _become_worker(app: AppShape, order: Order) -> NoReturn:
    """Run as a worker, and end with the process, past the code of the zygote."""
    code = 1
    try:
        if die_with_parent(order.zygote_pid):
            code = run_worker(app, order.channel, order.message)
    except BaseException as error:
        if is_shortage(error):
            # The runner logs it.
            code = SHORT
        elif isinstance(error, StateBackendError):
            # Before it was ready, for afterwards a store that fails is waited for.
            order.channel.send({"died": str(error)[:_FORK_FAILED_SHOWN]})
            code = DEAF
        else:
            traceback.print_exc()
    finally:
        flush_all()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
