"""A worker with an event loop: coroutine tasks run on the loop, all others on threads."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pynenc.runner._loop_watch import LoopWatch
from pynenc.runner._worker import Worker
from pynenc.runner.execute import execute, execute_async
from pynenc.runner.outcome import no_thread

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._channel import Channel, Message

_TICK_SEC = 0.25
_IDLE_SEC = 1.0
"""How often a worker without bodies looks whether its store still works."""

_MOST_THREADS = 100_000
"""Bodies that wait keep their thread, so there may be more threads than slots."""

_CANCEL_SEC = 0.3
"""How long bodies that were handed back get to end on their own: less than until their process is killed."""


class LoopWorker(Worker):
    """Runs `concurrency` bodies at a time on one event loop in the main thread.

    One thread takes claims in batches from the engine, and sends outcomes to the store, without holding the GIL.
    """

    def __init__(self, app: Pynenc, channel: Channel, message: Message) -> None:
        super().__init__(app, channel, message)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._bodies: set[asyncio.Future[None]] = set()
        self._pool = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="pynenc-slot")
        self._ticking = False
        self._ticks = 0
        self._hurried = False

    def runner_loop_iteration(self) -> None:
        """Run the event loop until everything is settled after a stop; one iteration is all there is."""
        loop = self._loop = _new_loop()
        asyncio.set_event_loop(loop)
        main = loop.create_task(self._main(loop))
        while not main.done():
            try:
                loop.run_until_complete(main)
            except (SystemExit, KeyboardInterrupt) as error:
                # Raised in a task that a body has made and does not await: it must not end those of the others.
                self.logger.warning("a task on the event loop raised %s; it is ignored", type(error).__name__)
            except OSError as error:
                # Not of a body's: of the loop itself, whose descriptors are gone.
                self._leave(error)
        self.running = False
        if self._fault is not None:
            raise self._fault

    async def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        engine = self._engine
        if engine is None:
            return
        self._ended = asyncio.Event()
        if self._hurried:
            self._ended.set()
        self._watch = LoopWatch(self.logger, loop, threading.get_ident(), self.conf.loop_warning_sec)  # type: ignore[attr-defined]
        pump = threading.Thread(target=self._pump, args=(engine, loop), name="pynenc-pump", daemon=True)
        # At a stop it is joined: it may be amid a claim, which must not be left behind.
        self._threads.add(pump)
        pump.start()
        loop.call_later(_IDLE_SEC, self._idle)
        await self._ended.wait()
        self._hand_back(engine)
        bodies = list(self._bodies)
        for body in bodies:
            body.cancel()
        if bodies:
            await asyncio.wait(bodies, timeout=_CANCEL_SEC)

    def _pump(self, engine: _core.Engine, loop: asyncio.AbstractEventLoop) -> None:
        """On a thread of its own: take claims for the loop."""
        try:
            while claims := engine.next_batch(self.max_parallel_slots):
                if not self._ticking:
                    self._pulse(engine)
                loop.call_soon_threadsafe(self._begin, claims)
        except BaseException as error:
            if not engine.stopping:
                self._fault = error
        loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._ended is not None:
            self._ended.set()

    def _obey(self, message: Message) -> None:
        super()._obey(message)
        if "hurry" in message:
            self._hurried = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end)

    def _dies_for_one(self) -> bool:
        return False

    # -- bodies ----------------------------------------------------------------------------------------------------

    def _begin(self, claims: list[_core.Claim]) -> None:
        loop = asyncio.get_running_loop()
        for claim in claims:
            body: asyncio.Future[None]
            name = f"{claim.task_id} (invocation {claim.invocation_id})"
            if claim.task_id not in self.app.tasks:
                body = loop.create_task(self._run_imported(claim), name=name)
            elif self._is_coroutine(claim.task_id):
                body = loop.create_task(self._run_here(claim), name=name)
            else:
                thread = self._begin_on_thread(claim)
                if thread is None:
                    continue
                body = thread
            self._bodies.add(body)
            body.add_done_callback(self._bodies.discard)
        if not self._ticking:
            self._ticking = True
            self._tick()

    def _is_coroutine(self, task_id: str) -> bool:
        try:
            return inspect.iscoroutinefunction(self.app.get_task(task_id).func)
        except Exception:
            # Told to whoever reads the log when it is executed.
            return False

    async def _run_imported(self, claim: _core.Claim) -> None:
        """Have the module of the task imported elsewhere: it may take its time, or hang."""
        loop = asyncio.get_running_loop()
        try:
            is_coroutine = await loop.run_in_executor(self._pool, self._is_coroutine, claim.task_id)
        except RuntimeError as error:
            self._give_back(claim, error)
            return
        if is_coroutine:
            await self._run_here(claim)
        elif (thread := self._begin_on_thread(claim)) is not None:
            await thread

    async def _run_here(self, claim: _core.Claim) -> None:
        self._settle(claim, await execute_async(self.app, self, claim))

    def _begin_on_thread(self, claim: _core.Claim) -> asyncio.Future[None] | None:
        """None if no thread could be started: it is handed back then."""
        ticket = [claim]
        try:
            return asyncio.get_running_loop().run_in_executor(self._pool, self._run_on_thread, ticket)
        except RuntimeError as error:
            # It is in the queue of the pool all the same, and a thread may have taken it.
            with contextlib.suppress(IndexError):
                self._give_back(ticket.pop(), error)
            return None

    def _give_back(self, claim: _core.Claim, error: RuntimeError) -> None:
        if self._engine is not None:
            self._engine.finish(claim, *no_thread(self.app, self.runner_id, claim, error))

    def _run_on_thread(self, ticket: list[_core.Claim]) -> None:
        try:
            claim = ticket.pop()
        except IndexError:
            return
        worker = os.getpid()
        outcome = execute(self.app, self, claim)
        if os.getpid() != worker:
            # A copy that the body has forked, and that returned from it: its thread would wait for work for ever.
            os._exit(0)
        self._settle(claim, outcome)

    def _settle(self, claim: _core.Claim, outcome: Any) -> None:
        self._count()
        engine = self._engine
        if engine is not None:
            engine.finish(claim, *outcome)

    def _wait(
        self, current: DistributedInvocation[Any, Any] | None, waiter: _core.Waiter, timeout: float | None
    ) -> list[_core.Terminal]:
        """As everywhere, but a coroutine must not wait like this: it would stop all others, and what it waits for."""
        if threading.current_thread() is threading.main_thread() and asyncio._get_running_loop() is not None:
            news = waiter.ready()
            if news or timeout == 0:
                return news
            raise RuntimeError(
                "a coroutine on an AsyncRunner must not block its event loop: instead of invocation.result use "
                "`await invocation` or `await invocation.async_result()`, instead of group.results use "
                "`async for … in group.async_results()`"
            )
        return super()._wait(current, waiter, timeout)

    # -- the pulse -------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """While there are bodies: show that the loop is not blocked."""
        if self._engine is None or self._loop is None:
            return
        self._ticking = bool(self._bodies)
        self._watch.tick(self._ticking)
        self._ticks += 1
        if not self._ticking or self._ticks % 4 == 0:
            self._report()
            self._look_after()
        if self._ticking:
            self._pulse(self._engine)
            self._loop.call_later(_TICK_SEC, self._tick)

    def _idle(self) -> None:
        """Without bodies nothing ticks: notice a store that fails all the same."""
        if self._loop is None:
            return
        if not self._ticking:
            self._look_after()
        self._loop.call_later(_IDLE_SEC, self._idle)

    def _pulse(self, engine: _core.Engine) -> None:
        engine.pulse(self.conf.loop_limit_sec)


def _new_loop() -> asyncio.AbstractEventLoop:
    """One of uvloop if that is installed."""
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()  # type: ignore[no-any-return,unused-ignore]
