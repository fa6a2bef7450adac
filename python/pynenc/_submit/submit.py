"""Step 2, submit: encode calls, compute their keys, pass them to the store in one verb.

Acknowledged means durable: when these functions return, the store has the calls. Invalid calls raise before the first
call is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pynenc._engine.calls import NEW, REFUSED, REUSED_DIFFERENT, TaskSpec
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import signature_of
from pynenc._wait.threads import running_invocation
from pynenc.arguments import Arguments, hash_texts
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import (
    DepthExceededError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
)
from pynenc.identifiers import CallId
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.kinds import ReusedInvocation, submitted

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import TaskShape


class SubmitPlan:
    """The way to submit calls of one task, created once per task from its settings."""

    __slots__ = (
        "_encode",
        "_key_arguments",
        "_registration",
        "_running",
        "chunk",
        "max_depth",
        "runtime",
        "spec",
        "task",
    )

    def __init__(self, task: TaskShape) -> None:
        conf = task.conf
        self.task: Any = task
        self.runtime = runtime_of(task)
        self._encode = self.runtime.codec.encode_arguments
        self._registration: ConcurrencyControlType = conf.registration_concurrency
        self._running: ConcurrencyControlType = conf.running_concurrency
        self._key_arguments = frozenset(conf.key_arguments)
        one_by_one = self._registration is not ConcurrencyControlType.DISABLED and conf.on_diff_non_key_args_raise
        # Submitted separately if a call may be refused: no call after a refused one is submitted.
        self.chunk = 1 if one_by_one else max(1, conf.parallel_batch_size)
        self.max_depth = self.runtime.conf.max_depth
        self.spec = TaskSpec(
            str(task.task_id),
            queue=task.broker_queue,
            priority=task.broker_priority,
            wait_when_blocked=conf.reroute_on_concurrency_control,
            refuse_different=conf.on_diff_non_key_args_raise,
            signer=self.runtime.codec.signer,
        )

    def encode(self, kwargs: dict[str, Any]) -> _core.Call:
        """Return one call in the form of the store. Ids and keys are computed only for concurrency control."""
        payload = self._encode(self.task, kwargs)
        if self._registration is ConcurrencyControlType.DISABLED and self._running is ConcurrencyControlType.DISABLED:
            return payload, "", None, None
        texts = self.runtime.codec.argument_texts(self.task, signature_of(self.task).filled(kwargs))
        args_id = hash_texts(texts)
        return (
            payload,
            args_id,
            self._key(self._registration, args_id, texts),
            self._key(self._running, args_id, texts),
        )

    def _key(self, mode: ConcurrencyControlType, args_id: str, texts: dict[str, str]) -> str | None:
        """Return the common key of calls that exclude each other."""
        if mode is ConcurrencyControlType.DISABLED:
            return None
        task_id = str(self.task.task_id)
        if mode is ConcurrencyControlType.TASK:
            return task_id
        if mode is ConcurrencyControlType.ARGUMENTS:
            return f"{task_id}:args:{args_id}"
        return f"{task_id}:keys:{hash_texts({name: texts[name] for name in texts if name in self._key_arguments})}"


class HasPlan(Protocol):
    """A task."""

    _plan: SubmitPlan


def plan_of(task: HasPlan) -> SubmitPlan:
    """Return the plan of a task, which is created once."""
    return task._plan


def submit_one(plan: SubmitPlan, kwargs: dict[str, Any]) -> DistributedInvocation[Any, Any]:
    """Submit one call; its invocation, or the `ReusedInvocation` that registration concurrency gives instead.

    Raises:
        SerializationError: an argument cannot be encoded (names it), or all of them are too large.
        DepthExceededError: the call is made in a body that is `max_depth` calls deep.
        InvocationConcurrencyWithDifferentArgumentsError: see `on_diff_non_key_args_raise`.
        StateBackendError: the store did not take it.
    """
    parent_id, depth = _parent(plan)
    call = plan.encode(kwargs)
    [(invocation_id, became)] = plan.runtime.store.submit(plan.spec, [call], parent_id, depth)
    return _answer(plan.task, invocation_id, became, call, kwargs, parent_id, depth)


def submit_many(plan: SubmitPlan, calls: Sequence[dict[str, Any]]) -> list[DistributedInvocation[Any, Any]]:
    """Submit calls in chunks of `parallel_batch_size`; the store accepts each chunk as a whole or not at all.

    All calls are encoded before the first chunk is submitted. Raises like `submit_one`; chunks submitted before the
    error stay submitted, and are in the attribute `submitted` of the exception.
    """
    parent_id, depth = _parent(plan)
    encoded = [plan.encode(kwargs) for kwargs in calls]
    store = plan.runtime.store
    invocations: list[DistributedInvocation[Any, Any]] = []
    try:
        for start in range(0, len(encoded), plan.chunk):
            chunk = encoded[start : start + plan.chunk]
            answers = store.submit(plan.spec, chunk, parent_id, depth)
            invocations += [
                _answer(plan.task, invocation_id, became, call, kwargs, parent_id, depth)
                for (invocation_id, became), call, kwargs in zip(
                    answers, chunk, calls[start : start + plan.chunk], strict=True
                )
            ]
    except Exception as error:
        _hand_over(error, invocations, len(encoded))
        raise
    return invocations


def _hand_over(error: Exception, invocations: list[DistributedInvocation[Any, Any]], calls: int) -> None:
    """Attach the submitted invocations to the error: they run, whatever happened to the rest."""
    error.submitted = invocations  # type: ignore[attr-defined]
    if invocations:
        error.add_note(
            f"{len(invocations)} of the {calls} calls before it were submitted, and run: see the attribute `submitted`"
        )


def _parent(plan: SubmitPlan) -> tuple[str | None, int]:
    """Id of the invocation in whose body the call is made, and the depth of the new one.

    Raises:
        DepthExceededError: the depth is beyond `max_depth`.
    """
    current = running_invocation(plan.runtime)
    if current is None:
        return None, 0
    depth = current.depth + 1
    if depth > plan.max_depth:
        task, conf = plan.task, plan.runtime.conf
        raise DepthExceededError(
            task.task_id,
            f"task {task.task_id} was not called: the call in the body of invocation {current.invocation_id} is "
            f"{depth} calls deep, and max_depth is {plan.max_depth} (from {conf.source_of('max_depth')}). If it "
            "is no endless recursion, set max_depth higher: each level that waits costs a thread or a process",
        )
    return str(current.invocation_id), depth


def _answer(
    task: Any,
    invocation_id: str,
    became: int,
    call: _core.Call,
    kwargs: dict[str, Any],
    parent_id: str | None,
    depth: int,
) -> DistributedInvocation[Any, Any]:
    if became == NEW:
        return submitted(DistributedInvocation, task, invocation_id, kwargs, parent_id, depth)
    if became == REFUSED:
        raise _refusal(task, invocation_id, call, kwargs)
    reused: ReusedInvocation[Any, Any] = ReusedInvocation(task.app, invocation_id, task=task)
    reused.diff_arg = Arguments.of_bound(kwargs, task) if became == REUSED_DIFFERENT else None
    return reused


def _refusal(
    task: Any, invocation_id: str, call: _core.Call, kwargs: dict[str, Any]
) -> InvocationConcurrencyWithDifferentArgumentsError:
    difference = _difference(task, invocation_id, kwargs)
    return InvocationConcurrencyWithDifferentArgumentsError(
        task.task_id,
        invocation_id,
        CallId(task.task_id, call[1]),
        difference,
        f"task {task.task_id} was not called: invocation {invocation_id} is registered with the same keys and other "
        f"arguments, and on_diff_non_key_args_raise is set\n{difference}",
    )


def _difference(task: Any, invocation_id: str, kwargs: dict[str, Any]) -> str:
    """Return a line per argument that differs between the registered call and the new one."""
    codec = runtime_of(task).codec
    try:
        payload = runtime_of(task).store.get(invocation_id).payload
    except InvocationNotFoundError:
        return "(the registered invocation has been removed meanwhile)"
    filled = signature_of(task).filled
    before = codec.argument_texts(task, filled(codec.decode_arguments(task, payload, invocation_id)))
    after = codec.argument_texts(task, filled(kwargs))
    return "\n".join(
        f"  {name}: registered {before.get(name, 'nothing')}, called with {after.get(name, 'nothing')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )
