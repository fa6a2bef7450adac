"""Dev mode: calls whose bodies run in the caller, and the invocations of this process by their ids."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.conc_invocation import ConcurrentInvocation
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.serializer.signing import KINDS

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.task import Task

# What an annotation says of invocations is true in dev mode too.
DistributedInvocation.register(ConcurrentInvocation)

KEPT = 10_000
"""How many invocations of an app are found by their ids, the latest ones."""

_lock = threading.Lock()
_made: weakref.WeakKeyDictionary[Pynenc, OrderedDict[str, ConcurrentInvocation[Any, Any]]] = weakref.WeakKeyDictionary()


def call_here(task: Task[Any, Any], bound: dict[str, Any]) -> ConcurrentInvocation[Any, Any]:
    """Make a call and run its body, in the caller or, for a coroutine, on the event loop that runs here.

    Raises what a call raises. What the body raises is raised by `.result`; `KeyboardInterrupt` here too.
    """
    [invocation] = _made_here(task, [bound])
    invocation.start()
    return invocation


def call_many_here(task: Task[Any, Any], calls: list[dict[str, Any]]) -> list[ConcurrentInvocation[Any, Any]]:
    """The same for many calls, one after the other. None of them runs unless all can be encoded."""
    invocations = _made_here(task, calls)
    for invocation in invocations:
        invocation.start()
    return invocations


def find(app: Pynenc, invocation_id: str) -> ConcurrentInvocation[Any, Any]:
    """The invocation with this id, which a call in this process has made. `InvocationNotFoundError` if none has."""
    with _lock:
        found = _made.get(app, OrderedDict()).get(str(invocation_id))
    if found is None:
        raise InvocationNotFoundError(
            f"no invocation {invocation_id}: in dev mode an app knows the last {KEPT} calls of its own process"
        )
    return found


def _made_here(task: Task[Any, Any], calls: list[dict[str, Any]]) -> list[ConcurrentInvocation[Any, Any]]:
    app = task.app
    app._runtime.check_settings()
    codec = app._runtime.codec
    invocations = []
    for bound in calls:
        payload = codec.encode_arguments(task, bound)
        invocation: ConcurrentInvocation[Any, Any] = ConcurrentInvocation(Call(task, Arguments.of_bound(bound, task)))
        if codec.signer is not None:
            invocation_id = str(invocation.invocation_id)
            payload = codec.signer.sign(str(task.task_id), invocation_id, KINDS["arguments"], payload)
        invocation._payload = payload
        invocations.append(invocation)
    with _lock:
        known = _made.setdefault(app, OrderedDict())
        for invocation in invocations:
            known[str(invocation.invocation_id)] = invocation
        while len(known) > KEPT:
            known.popitem(last=False)
    return invocations
