"""Step 8, result, on an event loop: one file descriptor reports finished invocations, and the loop never blocks.

A native thread makes all requests to the store, and the notification includes the answers.

A `LoopWaits` serves one app on one loop, whatever its runner. Inside a body that runs on a runner, a `ParkingLoopWaits`
takes its place: it lends the slot of the body while the body awaits results, and delivers them when the slot is back.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc._engine.running import TARGETS_TOLD
from pynenc._kernel.sessions import session_of
from pynenc._kernel.submit_pool import off_the_loop
from pynenc._wait.loop_bridge import LoopBridge
from pynenc._wait.report import say_why
from pynenc._wait.threads import (
    MEMORY_GRACE_SEC,
    call_hook,
    parked,
    require_runner,
    runner_here,
    running_invocation,
    waits_natively,
)

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.runtime import AppRuntime
    from pynenc._wait.target import Target

    Failure = tuple[list[str], BaseException]

_LOOK_SEC = 1.0
"""How often a body parked by a thread checks whether it is still needed, in seconds. Results do not wait for that."""


async def async_outcomes(runtime: AppRuntime, targets: Iterable[Target]) -> Watch:
    """Begin to watch these invocations on the running loop. The caller closes the watch.

    Raises:
        InvocationNotFoundError: the store is known not to have one of them; else `Watch.next` raises it.
    """
    loop = asyncio.get_running_loop()
    if runtime.opened_url is None:
        # Opening may connect, or create a file.
        await off_the_loop(runtime, lambda: runtime.store)
    current = running_invocation(runtime)
    watch = Watch(loop, {str(target.invocation_id): target for target in targets})
    bridge: LoopBridge | None = runtime.loop_bridges.get(loop)
    if bridge is None or not bridge.is_here:
        bridge = runtime.loop_bridges[loop] = LoopBridge(loop)
    key = "" if current is None or current._claim is None else str(current.invocation_id)
    waits: LoopWaits | None = bridge.waits_by_body.get(key)
    if waits is None or waits.store is not runtime.store:
        waits = (
            LoopWaits(runtime, bridge)
            if current is None or not key
            else ParkingLoopWaits(runtime, bridge, runner_here(runtime), current)
        )
        bridge.waits_by_body[key] = waits
    waits.add(watch)
    return watch


class Watch:
    """The outcomes of a set of invocations, as they arrive. For one coroutine."""

    __slots__ = ("_arrived", "_error", "_loop", "_waiter", "_waits", "began", "closed", "targets")

    def __init__(self, loop: asyncio.AbstractEventLoop, targets: dict[str, Target]) -> None:
        self.targets = targets
        """The invocations without an outcome yet, by id."""
        self.began = loop.time()
        self.closed = False
        self._loop = loop
        self._waits: LoopWaits | None = None
        self._arrived: deque[_core.Terminal] = deque()
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> list[_core.Terminal]:
        """Return at least one more outcome; empty when all have been returned. Raises the error that made waiting
        impossible.
        """
        while not self._arrived:
            if self._error is not None:
                raise self._error
            if not self.targets:
                return []
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        news = list(self._arrived)
        self._arrived.clear()
        return news

    def push(self, terminal: _core.Terminal) -> None:
        """An outcome has come."""
        if self.targets.pop(terminal[0], None) is not None:
            self._arrived.append(terminal)
            self._wake()

    def fail(self, error: BaseException) -> None:
        """No more will come."""
        if self._error is None:
            self._error = error
        self._wake()

    def close(self) -> None:
        """Stop watching the remaining invocations."""
        self.closed = True
        if self._waits is not None:
            self._waits.discard(self)
            self._waits = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class LoopWaits:
    """All awaits of one loop's coroutines on one app's store."""

    def __init__(self, runtime: AppRuntime, bridge: LoopBridge) -> None:
        self._runtime = runtime
        self.store = runtime.store
        self._bridge = bridge
        self._watches: dict[str, list[Watch]] = {}
        self._grace: asyncio.TimerHandle | None = None
        self._completions = bridge.listen(self.store, self._heard)

    def add(self, watch: Watch) -> None:
        """Deliver the outcomes of the watch's targets, including finished ones."""
        try:
            finished = self._completions.add(list(watch.targets))
        except Exception:
            self._rest()
            raise
        watch._waits = self
        for invocation_id in watch.targets:
            self._watches.setdefault(invocation_id, []).append(watch)
        if finished:
            # Others may wait for the same target, which is reported once.
            self._settle(finished)
        if watch.targets:
            self._bridge.expect_news(self._runtime.conf.wait_warning_sec)
            self._await_runner()

    def say_why_late(self, before: float) -> float | None:
        """Log the reasons of awaits that began before `before`, by the clock of the loop.

        Returns the start of the oldest other await; None if there are none.
        """
        late = [
            watch.targets[invocation_id]
            for invocation_id, watches in self._watches.items()
            for watch in watches[:1]
            if watch.began <= before and invocation_id in watch.targets
        ]
        if late:
            say_why(self._runtime, late, self._runtime.conf.wait_warning_sec)
        began = (watch.began for watches in self._watches.values() for watch in watches)
        return min((moment for moment in began if moment > before), default=None)

    def discard(self, watch: Watch) -> None:
        """Forget a watch, and its targets if no other watch has them."""
        alone: list[str] = []
        for invocation_id in watch.targets:
            others = [other for other in self._watches.get(invocation_id, ()) if other is not watch]
            if others:
                self._watches[invocation_id] = others
            elif self._watches.pop(invocation_id, None) is not None:
                alone.append(invocation_id)
        if alone:
            self._completions.discard(alone)
        self._rest()

    def _heard(self) -> None:
        try:
            news, failures, regained = self._completions.drain()
            self._deliver(news, failures)
            if regained is not None:
                self._regained(*regained)
        except Exception as error:
            self._fail_all(error)

    def _regained(self, claimed: bool, failure: BaseException | None) -> None:
        """A body has its slot back. Called only for bodies that lend one."""

    def _deliver(self, terminals: list[_core.Terminal], failures: list[Failure]) -> None:
        self._settle(terminals)
        for invocation_ids, error in failures:
            # A separate object for each, because raising changes it.
            for watch in {id(watch): watch for one in invocation_ids for watch in self._watches.pop(one, ())}.values():
                watch.fail(copy.copy(error))
        self._rest()

    def _settle(self, terminals: list[_core.Terminal]) -> None:
        for terminal in terminals:
            for watch in self._watches.pop(terminal[0], ()):
                watch.push(terminal)
        self._rest()

    def _fail_all(self, error: BaseException) -> None:
        watches = {id(watch): watch for waiting in self._watches.values() for watch in waiting}
        self._completions.discard(list(self._watches))
        self._watches.clear()
        for watch in watches.values():
            watch.fail(error)
        self._rest()

    def _rest(self) -> None:
        """Close when idle: a coroutine that just got an outcome may await something else first."""
        loop = self._bridge.loop
        if loop is not None and not loop.is_closed() and not self._busy():
            loop.call_soon(self._close_if_idle)

    def _busy(self) -> bool:
        return bool(self._watches)

    def _close_if_idle(self) -> None:
        if self._busy() or not self._bridge.leave(self, self._completions):
            return
        if self._grace is not None:
            self._grace.cancel()

    def _await_runner(self) -> None:
        """Check after a while whether a runner exists, if the store is in memory."""
        loop = self._bridge.loop
        if loop is not None and self._grace is None and self.store.kind == "memory":
            self._grace = loop.call_later(MEMORY_GRACE_SEC, self._after_grace)

    def _after_grace(self) -> None:
        self._grace = None
        if not self._watches:
            return
        try:
            require_runner(self._runtime)
        except Exception as error:
            self._fail_all(error)
        else:
            self._await_runner()


class ParkingLoopWaits(LoopWaits):
    """The awaits of one body. While it awaits anything, its slot is lent by native threads that all bodies share.

    Parking begins when the loop has run all ready callbacks, so that a body is not parked while it computes.
    """

    def __init__(self, runtime: AppRuntime, bridge: LoopBridge, runner: Any, current: Target) -> None:
        super().__init__(runtime, bridge)
        self._runner = runner
        self._current = current
        engine = session_of(runner).engine
        if engine is not None and current._claim is not None:
            self._completions.belong_to(engine, current._claim)
        self._arrived: list[_core.Terminal] = []
        self._failures: list[Failure] = []
        self._end: Callable[[bool], object] | None = None
        """Ends the parking, and says whether the body continues."""
        self._armed = False

    def add(self, watch: Watch) -> None:
        super().add(watch)
        self._arm()

    def discard(self, watch: Watch) -> None:
        super().discard(watch)
        if not self._watches:
            self._unpark()

    def _busy(self) -> bool:
        return bool(self._watches) or self._end is not None

    def _await_runner(self) -> None:
        """The body runs on a runner."""

    def _arm(self) -> None:
        loop = self._bridge.loop
        if self._watches and not self._armed and loop is not None:
            self._armed = True
            loop.call_soon(self._park)

    def _park(self) -> None:
        self._armed = False
        loop = self._bridge.loop
        if self._end is not None or not self._watches or loop is None:
            return
        engine = session_of(self._runner).waiting.lender if waits_natively(self._runner) else None
        claim = self._current._claim
        if engine is None or claim is None:
            self._park_on_thread(loop)
            return
        try:
            told = list(itertools.islice(self._watches, TARGETS_TOLD))
            self._end = self._completions.lend(engine, claim, told).end
        except Exception as error:
            self._fail_all(error)

    def _unpark(self) -> None:
        if self._end is not None:
            limit = self._current._limit
            # A body that is interrupted for good needs no slot: the body that has the slot may be the awaited one.
            self._end(limit is None or not limit.is_over)

    def _regained(self, claimed: bool, failure: BaseException | None) -> None:
        if failure is None and not claimed:
            session_of(self._runner).waiting.log_lost_claim(self._current)
        self._unparked(failure)

    def _park_on_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        """Waits on runners with their own way to wait, which may block: a thread for each waiting body."""
        wake = threading.Event()
        self._end = lambda returns: wake.set()
        targets = {invocation_id: watches[0].targets[invocation_id] for invocation_id, watches in self._watches.items()}
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._hold, loop, targets, wake),
            name="pynenc-parked",
            daemon=True,
        ).start()

    def _hold(self, loop: asyncio.AbstractEventLoop, targets: dict[str, Target], wake: threading.Event) -> None:
        """Lend the slot on a thread until the end of the wait."""
        failure: BaseException | None = None
        try:
            waiter = self.store.waiter(list(targets))
            with parked(self._runner, self._current, waiter):
                if waits_natively(self._runner):
                    while not wake.wait(_LOOK_SEC):
                        # Raises when the engine has given the claim away, and nothing waits for this body any more.
                        waiter.ready()
                else:
                    runner_args = context.current_runner_args.get()
                    while not wake.is_set():
                        wake.wait(call_hook(self._runner, self._current, list(targets.values()), runner_args))
        except Exception as error:
            failure = error
        try:
            loop.call_soon_threadsafe(self._unparked, failure)
        except RuntimeError:
            # The body has ended, and its loop with it.
            return

    def _unparked(self, failure: BaseException | None) -> None:
        self._end = None
        if failure is not None:
            self._fail_all(failure)
        arrived, self._arrived = self._arrived, []
        failures, self._failures = self._failures, []
        super()._deliver(arrived, failures)
        self._arm()

    def _deliver(self, terminals: list[_core.Terminal], failures: list[Failure]) -> None:
        if self._end is None:
            super()._deliver(terminals, failures)
        elif terminals or failures:
            self._arrived += terminals
            self._failures += failures
            self._unpark()
