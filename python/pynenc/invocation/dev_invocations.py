"""The latest invocations that calls in dev mode have created in this process, by their ids."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.conc_invocation import ConcurrentInvocation
from pynenc.invocation.dist_invocation import DistributedInvocation

# Annotations of invocations also hold in dev mode.
DistributedInvocation.register(ConcurrentInvocation)

KEPT = 10_000
"""The maximum number of invocations of an app that can be found by their ids, the latest ones."""

_lock = threading.Lock()
_made: weakref.WeakKeyDictionary[Any, OrderedDict[str, ConcurrentInvocation[Any, Any]]] = weakref.WeakKeyDictionary()


def find(app: Any, invocation_id: str) -> ConcurrentInvocation[Any, Any]:
    """Return the invocation with this id that a call in this process has created.

    Raises `InvocationNotFoundError` if no call of this app has created it, or many calls came after it.
    """
    with _lock:
        found = _made.get(app, OrderedDict()).get(str(invocation_id))
    if found is None:
        raise InvocationNotFoundError(
            f"no invocation {invocation_id}: in dev mode an app knows the last {KEPT} calls of its own process"
        )
    return found


def remember(app: Any, invocations: Iterable[ConcurrentInvocation[Any, Any]]) -> None:
    """Let `find` return these invocations of an app. The oldest ones are forgotten in exchange."""
    with _lock:
        known = _made.setdefault(app, OrderedDict())
        for invocation in invocations:
            known[str(invocation.invocation_id)] = invocation
        while len(known) > KEPT:
            known.popitem(last=False)


def made_by(app: Any) -> list[ConcurrentInvocation[Any, Any]]:
    """Return the invocations that calls in this process have created, in the order of the calls; the latest `KEPT` of
    them.
    """
    with _lock:
        return list(_made.get(app, OrderedDict()).values())


def forget_all(app: Any) -> int:
    """Find none of these any more; how many there were."""
    with _lock:
        return len(_made.pop(app, ()))


def keep_arguments(invocation: ConcurrentInvocation[Any, Any], payload: bytes) -> None:
    """Have the body of an invocation get its arguments from their encoded form."""
    invocation._payload = payload
