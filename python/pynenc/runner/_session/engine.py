"""Opens the engine of a runner with the settings of its app and its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc._engine.running import Engine
from pynenc._kernel.runtime import runtime_of
from pynenc.conf.config_runner import MOST_SLOTS
from pynenc.runner._session.queues import queue_choice

if TYPE_CHECKING:
    from pynenc.runner.base_runner import BaseRunner


def open_engine(runner: BaseRunner, lines: str) -> Engine:
    """Return an engine that has started: it renews leases and recovers what dead runners left.

    Args:
        lines: which invocations it claims; see `Engine`.
    """
    app = runner.app
    engine = Engine(
        runtime_of(app).store,
        str(runner.runner_id),
        slots=slots_of(runner),
        **queue_choice(runner.conf),
        lease_sec=timing_of(runner, "lease_sec"),
        max_recoveries=app.conf.max_recoveries,
        lines=lines,
    )
    engine.start()
    return engine


def slots_of(runner: BaseRunner) -> int:
    """Return the slots of a runner, within the bounds of the engine."""
    try:
        # A subclass that counts slots by itself may count more than the engine takes.
        return min(max(1, runner.max_parallel_slots), MOST_SLOTS)
    except Exception:
        # A subclass may know it after `_on_start` only. The engine needs it for its own threads, which such a runner
        # does not use.
        return 1


def timing_of(runner: BaseRunner, field: str) -> float:
    """Return a setting that an app has for all of its runners and each runner may have for itself, in seconds."""
    # A user's runner may have settings of another class.
    source_of = getattr(runner.conf, "source_of", None)
    own = source_of is not None and hasattr(runner.conf, field) and source_of(field) != "default"
    seconds: float = getattr(runner.conf if own else runner.app.conf, field)
    return seconds


def hand_back(runner: BaseRunner, engine: Engine) -> None:
    """Give every unfinished claim back to the queue, and log which."""
    live = [invocation_id for invocation_id, _ in engine.live()]
    try:
        handed_back = engine.hand_back(f"{runner.runner_id} stopped before it finished")
    except Exception:
        runner.logger.exception("could not hand back %d invocations; their leases end soon", len(live))
        return
    if handed_back:
        shown = ", ".join(live[:20]) + (" …" if len(live) > 20 else "")
        runner.logger.warning("handed %d unfinished invocations back to the queue: %s", handed_back, shown)
