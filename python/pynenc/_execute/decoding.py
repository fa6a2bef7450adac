"""Decode the arguments of a claim under a time limit, where that may take long.

What runs as Python gets `TaskTimeoutError` at the limit. What holds the GIL in C cannot be interrupted: a worker
process is killed by its runner then, and the invocation counts a death. In the runner's own process nothing can end it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pynenc._execute.thread_limits import BodyLimit
from pynenc._execute.timer import GRACE_SEC, keep_time
from pynenc._kernel.shapes import decodes_quickly, traits_of
from pynenc.conf.body_limits import Limits
from pynenc.exceptions import SerializationError, TaskTimeoutError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc._execute.execution import Execution


LARGE = 32 * 1024
"""Up to so many bytes decoding takes microseconds, as long as no code of the user's takes part."""


class CannotSupervise(Exception):
    """There is no thread left that would keep the time."""


def decode(execution: Execution) -> dict[str, Any]:
    """The arguments of the claim that is executed.

    Raises:
        SerializationError: they do not fit the task, or took longer to decode than `decode_limit_sec`.
        TaskTimeoutError: they took longer to decode than the `timeout` of the task.
        CannotSupervise: the system has no thread left to keep the time.
    """
    task, claim, invocation_id = execution.task, execution.claim, execution.invocation.invocation_id
    codec, payload = execution.codec, claim.payload
    if len(payload) <= LARGE and decodes_quickly(task):
        return codec.decode_arguments(task, payload, invocation_id)
    try:
        keep_time()
    except RuntimeError as error:
        raise CannotSupervise from error
    allowed, limits = execution.runtime.conf.decode_limit_sec, traits_of(task).limits
    own = limits is not None and limits.hard <= allowed
    if own and limits is not None:
        allowed = limits.hard
    limit = BodyLimit(Limits(math.inf, allowed), _cannot_end)
    execution.hooks.decoding_begins(claim, allowed + GRACE_SEC)
    try:
        return limit.run(lambda: codec.decode_arguments(task, payload, invocation_id))  # type: ignore[no-any-return]
    except (SerializationError, TaskTimeoutError) as error:
        if not limit.stage:
            raise
        # Decoders wrap whatever is raised in them.
        if own and limits is not None:
            text = f"invocation {claim.invocation_id} {limits.describe('hard')}, while its arguments were decoded"
            raise TaskTimeoutError(task.task_id, text) from error
        raise SerializationError(
            f"the arguments of task {task.task_id} took longer to decode than decode_limit_sec ({allowed:g} s)"
        ) from error
    finally:
        execution.hooks.decoding_ends(claim)


def rest_of(limits: Limits | None, began: float) -> Limits | None:
    """Return what is left of the time limits of a task for its body, if decoding its arguments began at `began`."""
    if limits is None:
        return None
    passed = clock.monotonic() - began
    return Limits(max(0.001, limits.soft - passed), max(0.001, limits.hard - passed))


def _cannot_end(limit: BodyLimit) -> None:
    """A decoder that does not stop: the runner of this process kills it, if it has one."""
