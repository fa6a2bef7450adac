"""The order to fork a worker: what kind of worker it is, with which settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc.conf import config_runner
from pynenc.conf.base import fields_of
from pynenc.conf.config_runner import ConfigWorkers
from pynenc.conf.handover import handed_settings

if TYPE_CHECKING:
    from pynenc.runner._workers.channel import Message
    from pynenc.runner._workers.pool import WorkerPool


def order_for(pool: WorkerPool, number: int, solo: bool) -> Message:
    """Describe a worker, for `run_worker` in its process.

    Args:
        solo: whether it runs only what must run alone in its process.
    """
    conf = pool.conf
    name = _config_class(conf)
    known = fields_of(getattr(config_runner, name))
    return {
        "number": number,
        "kind": pool.kind,
        "runner": type(pool.runner).__name__,
        "slots": 1 if solo else pool.slots_per_worker(),
        "lines": "alone" if solo else "beside" if pool.needs_solo_workers else "both",
        "conf": name,
        "settings": {name: value for name, value in handed_settings(conf).items() if name in known},
        "max_tasks": conf.max_tasks_per_process,
    }


def _config_class(conf: Any) -> str:
    """The configuration class of ours that a runner's is, or is made from."""
    return next(cls.__name__ for cls in type(conf).__mro__ if cls.__module__ == ConfigWorkers.__module__)
