"""How a body waits on a runner: with its slot lent out, and in Rust where it can."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pynenc._wait.report import wait_and_report
from pynenc.exceptions import InvocationNotFoundError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._session.identity import RunnerLog

_LIMIT_SEC = 0.005
"""How often a body that waits looks around when its time is over, until it is interrupted."""


_PAUSE_SEC, _LONGEST_PAUSE_SEC = 0.05, 1.0
"""Between two tries to tell the store that a body waits, while it cannot be reached: at first, and at most."""


class RunnerWaits:
    """The part of `BaseRunner` that waits go through."""

    app: Pynenc
    logger: RunnerLog
    _engine: _core.Engine | None

    def _start_thread(self) -> None:
        """A body gave up its slot and no thread is left to use it. Runners without threads of ours ignore this."""

    @property
    def _lender(self) -> _core.Engine | None:
        """Who lends out the slot of a body on an event loop; None where `_parked` has to be entered for that."""
        return self._engine

    @contextlib.contextmanager
    def _parked(self, current: DistributedInvocation[Any, Any] | None, waiter: _core.Waiter) -> Iterator[None]:
        """Within this block the body of `current` waits for what `waiter` is for.

        Its slot is lent out, its targets go first, and wait cycles are found. Leaving the block takes the slot back,
        before all new work. Outside of a body nothing happens. A store that cannot be reached is asked again for as
        long as the body has its claim and the runner runs.

        Raises:
            CycleDetectedError: what it waits for waits for it.
            InvocationNotFoundError: a target's record is gone.
            InvocationStatusOwnershipError: the claim was lost.
        """
        engine = self._engine
        claim = None if current is None else current._claim
        if engine is None or claim is None:
            yield
            return
        pause = _PAUSE_SEC
        # Here and not in Rust, so that what interrupts the body reaches it between two tries.
        while (answer := engine.park(claim, waiter)) is None:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SEC)
        parked, spawn = answer
        if not parked:
            # One of the targets is finished already; the waiter has it.
            yield
            return
        try:
            if spawn:
                self._start_thread()
            yield
        finally:
            limit = current._limit if current is not None else None
            if limit is not None and limit.is_over:
                # It ends now, and needs no slot for that. Who has its slot may be what it waited for.
                pass
            elif not engine.unpark(claim, waiter) and current is not None:
                self._say_that_it_lost_its_claim(current)

    def _say_that_it_lost_its_claim(self, current: DistributedInvocation[Any, Any]) -> None:
        # While stopping it was handed back on purpose, and that was said. After the end of its body it was settled:
        # what waits is a task or thread that the body has left behind.
        expected = self._engine is None or self._engine.stopping or current.body_ended
        self.logger.log(
            logging.DEBUG if expected else logging.WARNING,
            "invocation %s lost its claim while it waited; it goes on, but its outcome will be refused",
            current.invocation_id,
        )

    def _wait(
        self,
        current: DistributedInvocation[Any, Any] | None,
        waiter: _core.Waiter,
        timeout: float | None,
        targets: Callable[[], Sequence[DistributedInvocation[Any, Any]]] | None = None,
    ) -> list[_core.Terminal]:
        """Wait until `waiter` yields something (empty at the timeout); inside a body with its slot lent out.

        Raises what `_parked` raises.

        Args:
            targets: what is waited for, to be told of in the log if it takes long; None tells nothing.
        """
        interruptible = threading.current_thread() is threading.main_thread()
        if current is None:
            return wait_and_report(self.app._runtime, waiter, timeout, interruptible, targets)
        limit = current._limit
        with self._parked(current, waiter):
            if limit is None:
                return wait_and_report(self.app._runtime, waiter, timeout, interruptible, targets)
            # What interrupts the body arrives between two calls into Rust: at a limit the call ends by itself, and when
            # it is cancelled `_wake_body` ends it.
            deadline = math.inf if timeout is None else clock.monotonic() + timeout
            while True:
                now = clock.monotonic()
                left = max(0.0, min(deadline - now, max(_LIMIT_SEC, limit.next_at - now)))
                news = waiter.wait(left if left < math.inf else None, interruptible)
                if news or clock.monotonic() >= deadline:
                    return news

    def _wait_slice(self, targets: list[Any], seconds: float, current: DistributedInvocation[Any, Any] | None) -> None:
        """Block until one of `targets` (invocations or ids) is final, or `seconds` have passed."""
        ids = [str(getattr(target, "invocation_id", target)) for target in targets or ()]
        if not ids:
            time.sleep(seconds)
            return
        with contextlib.suppress(InvocationNotFoundError):
            # A record that is gone is the caller's to report.
            self._wait(current, self.app._runtime.store.waiter(ids), seconds)
