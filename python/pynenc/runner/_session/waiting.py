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
from pynenc._wait.target import claim_of, limit_of
from pynenc.exceptions import InvocationNotFoundError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._session.session import RunnerSession

    Target = DistributedInvocation[Any, Any]

_LIMIT_SEC = 0.005
"""How often a body that waits looks around when its time is over, until it is interrupted."""


_PAUSE_SEC, _LONGEST_PAUSE_SEC = 0.05, 1.0
"""Between two attempts to record that a body waits, while the store cannot be reached: at first, and at most."""


class Waiting:
    """The waits of the bodies of one runner, and of its process outside of bodies."""

    def __init__(self, session: RunnerSession) -> None:
        self._session = session

    @property
    def lender(self) -> _core.Engine | None:
        """The engine that lends out the slot of a body on an event loop; None where `parked` has to be entered."""
        return self._session.engine

    @contextlib.contextmanager
    def parked(self, current: Target | None, waiter: _core.Waiter) -> Iterator[None]:
        """Within this block the body of `current` waits for what `waiter` is for.

        Its slot is lent out, its targets go first, and wait cycles are found. Leaving the block takes the slot back,
        before all new work. Outside of a body nothing happens. While the store cannot be reached, the attempt is
        repeated for as long as the body has its claim and the runner runs.

        Raises:
            CycleDetectedError: what it waits for waits for it.
            InvocationNotFoundError: a target's record is gone.
            InvocationStatusOwnershipError: the claim was lost.
        """
        session = self._session
        engine = session.engine
        claim = None if current is None else claim_of(current)
        if engine is None or claim is None:
            yield
            return
        pause = _PAUSE_SEC
        # Here and not in Rust, so that what interrupts the body reaches it between two attempts.
        while (answer := engine.park(claim, waiter)) is None:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SEC)
        parked, spawn = answer
        if not parked:
            # One of the targets is finished already; the waiter has it.
            yield
            return
        try:
            if spawn and session.slot_threads is not None:
                session.slot_threads.start_thread()
            yield
        finally:
            limit = None if current is None else limit_of(current)
            if limit is not None and limit.is_over:
                # The body ends now and needs no slot for that. What it waited for may have its slot.
                pass
            elif not engine.unpark(claim, waiter) and current is not None:
                self.log_lost_claim(current)

    def log_lost_claim(self, current: Target) -> None:
        """Log that the claim of a body was lost while the body waited."""
        session = self._session
        # While stopping it was handed back on purpose, and that was logged. After the end of its body it was settled:
        # what waits is a task or thread that the body has left behind.
        expected = session.engine is None or session.engine.stopping or current.body_ended
        session.logger.log(
            logging.DEBUG if expected else logging.WARNING,
            "invocation %s lost its claim while it waited; it goes on, but its outcome will be refused",
            current.invocation_id,
        )

    def hears_signals(self) -> bool:
        """Whether handlers of signals run on the calling thread, so that its waits have to wake for them."""
        return threading.current_thread() is threading.main_thread()

    def wait(
        self,
        current: Target | None,
        waiter: _core.Waiter,
        timeout: float | None,
        targets: Callable[[], Sequence[Target]] | None = None,
    ) -> list[_core.Terminal]:
        """Wait until `waiter` yields something (empty at the timeout); inside a body with its slot lent out.

        Raises what `parked` raises.

        Args:
            targets: returns the invocations that the log names if the wait takes long; None logs nothing.
        """
        runtime = self._session.runtime
        interruptible = self.hears_signals()
        if current is None:
            return wait_and_report(runtime, waiter, timeout, interruptible, targets)
        limit = limit_of(current)
        with self.parked(current, waiter):
            if limit is None:
                return wait_and_report(runtime, waiter, timeout, interruptible, targets)
            # What interrupts the body arrives between two calls into Rust: at a limit the call ends by itself, and when
            # the body is cancelled `BodyHooks.wake` ends it.
            deadline = math.inf if timeout is None else clock.monotonic() + timeout
            while True:
                now = clock.monotonic()
                left = max(0.0, min(deadline - now, max(_LIMIT_SEC, limit.next_at - now)))
                news = waiter.wait(left if left < math.inf else None, interruptible)
                if news or clock.monotonic() >= deadline:
                    return news

    def wait_at_most(self, targets: list[Any], seconds: float, current: Target | None) -> None:
        """Block until one of `targets` (invocations or ids) is final, or `seconds` have passed."""
        ids = [str(getattr(target, "invocation_id", target)) for target in targets or ()]
        if not ids:
            time.sleep(seconds)
            return
        with contextlib.suppress(InvocationNotFoundError):
            # The caller finds out that a record is gone, and reports it.
            self.wait(current, self._session.runtime.store.waiter(ids), seconds)
