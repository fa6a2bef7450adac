"""The relations that pynenc's orchestrator keeps beside the statuses: the waiters of each invocation. Here the store's
verbs keep them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc._views.view import id_of
from pynenc.exceptions import CycleDetectedError

if TYPE_CHECKING:
    from pynenc._views.view import InvocationOrId
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation


@dataclass(frozen=True)
class ActiveRunnerInfo:
    """A running runner, as `app.orchestrator.get_active_runners()` lists it."""

    runner_id: str
    """The id of the runner."""
    creation_time: datetime
    """The time of its start, in UTC, by the clock of its machine."""
    last_heartbeat: datetime
    """The time of its last sign of life, written once a minute. Leases are renewed more often."""
    allow_to_run_atomic_service: bool = True
    """True: every runner recovers the invocations of dead runners."""
    consumed_queues: tuple[str, ...] | None = None
    """The queues that it takes work from; None for all."""


class BaseBlockingControl:
    """`app.orchestrator.blocking_control`: which invocations other invocations wait for.

    Each method blocks for its reads and writes of the store.

    Args:
        app: the app.
    """

    def __init__(self, app: Pynenc) -> None:
        self.app = app

    def waiting_for_results(self, caller: InvocationOrId | None, targets: Iterable[InvocationOrId]) -> None:
        """Record that a body of this process waits for others, as `orchestrator.waiting_for_results`.

        Args:
            caller: the invocation whose body waits; with None nothing happens.
            targets: the invocations that it waits for, or their ids.
        Raises:
            InvocationStatusOwnershipError: this process does not own the caller.
            CycleDetectedError: one of the targets waits for the caller.
        """
        self.app.orchestrator.waiting_for_results(caller, targets)

    def release_waiters(self, invocation: InvocationOrId) -> None:
        """Check that an invocation exists. The step that stores a result wakes its waiters: nothing is left to release.

        Args:
            invocation: an invocation or its id.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        runtime_of(self.app).store.status(id_of(invocation))

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[str]:
        """List the invocations in the queue that a waiting body has called.

        Args:
            max_num_invocations: the most ids to list.
        Returns:
            An iterator over ids, oldest first.
        """
        return self.app.orchestrator.get_blocking_invocations(max_num_invocations)


class BaseCycleControl:
    """`app.orchestrator.cycle_control`: calls that come back to themselves. Keeps nothing.

    Each method blocks for its reads of the store.

    Args:
        app: the app.
    """

    def __init__(self, app: Pynenc) -> None:
        self.app = app

    def add_call_and_check_cycles(
        self, caller: DistributedInvocation[Any, Any], callee: DistributedInvocation[Any, Any]
    ) -> None:
        """Check that a call does not come back to itself. A wait that could never end raises by itself.

        Args:
            caller: the invocation whose body makes the call.
            callee: the invocation of the call.
        Raises:
            CycleDetectedError: `caller` or an invocation above it is the same call (task and arguments) as `callee`.
        """
        path: list[str] = []
        wanted = callee.call_id
        above: Any = caller
        while above is not None:
            path.append(above.call_id)
            if above.call_id == wanted:
                path.reverse()
                raise CycleDetectedError(
                    [*path, wanted], f"the call comes back to itself: {' -> '.join([*path, wanted])}"
                )
            above = above.parent_invocation

    def clean_up_invocation_cycles(self, invocation: InvocationOrId) -> None:
        """Check that an invocation exists. The step that ends a wait forgets it: nothing is left to clean up.

        Args:
            invocation: an invocation or its id.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        runtime_of(self.app).store.status(id_of(invocation))
