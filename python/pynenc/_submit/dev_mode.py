"""Dev mode: calls whose bodies run in the caller."""

from __future__ import annotations

from typing import Any

from pynenc._kernel.runtime import runtime_of
from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.invocation.conc_invocation import ConcurrentInvocation
from pynenc.invocation.dev_invocations import keep_arguments, remember
from pynenc.serializer.signing import KINDS


def call_here(task: Any, bound: dict[str, Any]) -> ConcurrentInvocation[Any, Any]:
    """Make a call and run its body, in the caller or, for a coroutine, on the running event loop.

    Raises the errors of a call. `.result` raises the exception of the body; a `KeyboardInterrupt` is raised here too.
    """
    [invocation] = _made_here(task, [bound])
    invocation.start()
    return invocation


def call_many_here(task: Any, calls: list[dict[str, Any]]) -> list[ConcurrentInvocation[Any, Any]]:
    """Make many calls and run their bodies, one after the other. None runs unless all can be encoded."""
    invocations = _made_here(task, calls)
    for invocation in invocations:
        invocation.start()
    return invocations


def _made_here(task: Any, calls: list[dict[str, Any]]) -> list[ConcurrentInvocation[Any, Any]]:
    app = task.app
    runtime_of(app).check_settings()
    codec = runtime_of(app).codec
    invocations = []
    for bound in calls:
        payload = codec.encode_arguments(task, bound)
        invocation: ConcurrentInvocation[Any, Any] = ConcurrentInvocation(Call(task, Arguments.of_bound(bound, task)))
        if codec.signer is not None:
            invocation_id = str(invocation.invocation_id)
            payload = codec.signer.sign(str(task.task_id), invocation_id, KINDS["arguments"], payload)
        keep_arguments(invocation, payload)
        invocations.append(invocation)
    remember(app, invocations)
    return invocations
