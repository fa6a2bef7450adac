"""What pynenc's orchestrator keeps beside the statuses: who waits for whom. Here the store does, in its own verbs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pynenc.exceptions import CycleDetectedError
from pynenc.util.views import id_of

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.util.views import InvocationOrId


@dataclass(frozen=True)
class ActiveRunnerInfo:
    """A runner that lives, as `app.orchestrator.get_active_runners()` lists it."""

    runner_id: str
    creation_time: datetime
    """When it started, with time zone UTC, by the clock of its machine."""
    last_heartbeat: datetime
    """When it last said so, once a minute. Its leases are renewed much more often."""
    allow_to_run_atomic_service: bool = True
    """Every runner recovers what dead ones leave."""
    consumed_queues: tuple[str, ...] | None = None
    """The queues that it takes work from; None for all."""


class BaseBlockingControl:
    """`app.orchestrator.blocking_control`: which invocations others wait for. A view over the store."""

    def __init__(self, app: Pynenc) -> None:
        self.app = app

    def waiting_for_results(self, caller: InvocationOrId | None, targets: Iterable[InvocationOrId]) -> None:
        """As `orchestrator.waiting_for_results`: only the owner of `caller` may say that it waits."""
        self.app.orchestrator.waiting_for_results(caller, targets)

    def release_waiters(self, invocation: InvocationOrId) -> None:
        """Nothing is left to release: a result wakes its waiters in the step that stores it.

        Raises:
            InvocationNotFoundError: no such invocation.
        """
        self.app._store.status(id_of(invocation))

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[str]:
        """Ids in the queue that a waiting body has called, oldest first."""
        return self.app.orchestrator.get_blocking_invocations(max_num_invocations)


class BaseCycleControl:
    """`app.orchestrator.cycle_control`: calls that come back to themselves. Reads the store, and keeps nothing."""

    def __init__(self, app: Pynenc) -> None:
        self.app = app

    def add_call_and_check_cycles(
        self, caller: DistributedInvocation[Any, Any], callee: DistributedInvocation[Any, Any]
    ) -> None:
        """Check that `callee` is not a call which `caller` was made by, however far up.

        Nothing needs to be added: every record names its caller. A wait that could never end raises by itself.

        Raises:
            CycleDetectedError: `caller` or one of its callers is the same call (task and arguments) as `callee`.
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
        """Nothing is left to clean up: a wait is forgotten in the step that ends it.

        Raises:
            InvocationNotFoundError: no such invocation.
        """
        self.app._store.status(id_of(invocation))
