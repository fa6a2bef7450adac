"""Calls that were cancelled while they were submitted."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pynenc.invocation.base_invocation import BaseInvocation

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime


def report_lost(runtime: AppRuntime, task_id: str, end: Future[Any]) -> None:
    """Log what became of a call, or a group of calls, that nobody waits for any more."""
    if runtime.conf.dev_mode_force_sync_tasks:
        return
    error = end.exception()
    accepted: list[Any] = []
    if error is not None:
        accepted += getattr(error, "submitted", ())
    else:
        made = end.result()
        accepted += [made] if isinstance(made, BaseInvocation) else made
    if accepted:
        ids = ", ".join(str(invocation.invocation_id) for invocation in accepted)
        runtime.logger.warning("cancelled while it was submitted, %s runs all the same: %s", task_id, ids)
    if error is not None:
        runtime.logger.warning("cancelled while it was submitted, %s failed: %r", task_id, error)
