"""Recovery as pynenc has it: as tasks. Runners do it here by themselves, so nothing needs to call these.

`app.register_core_tasks()` makes them tasks of an app, for who wants to have it done at once, on a runner.
"""

from __future__ import annotations

from pynenc import context
from pynenc.exceptions import RunnerError


def recover_pending_invocations() -> int:
    """Queue again what dead runners had claimed; how many. Both functions do this: the store has one step for it."""
    return _recover("recover_pending_invocations")


def recover_running_invocations() -> int:
    """Queue again what dead runners were running; how many."""
    return _recover("recover_running_invocations")


def _recover(name: str) -> int:
    app = context.get_current_app()
    if app is None:
        raise RunnerError(
            f"pynenc.core_tasks.{name} works on the app whose task or runner it runs in, and there is none here: "
            "call app.register_core_tasks() and then the task with this name"
        )
    count = 0
    while True:
        requeued, buried = app._store.recover(app.conf.max_recoveries)
        count += len(requeued)
        if not (requeued or buried):
            return count
