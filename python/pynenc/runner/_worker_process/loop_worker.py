"""A worker with an event loop: coroutine tasks run on the loop, all others on threads."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from pynenc._execute.body_task import BodyTask
from pynenc._execute.copies import end_copy
from pynenc._execute.execution import execute, execute_async
from pynenc._execute.outcome import no_thread
from pynenc.runner._session.engine import hand_back
from pynenc.runner._session.waiting import Waiting
from pynenc.runner._worker_process.hooks import WorkerHooks
from pynenc.runner._worker_process.loop_watchdog import Clock, LoopWatchdog
from pynenc.runner._worker_process.worker import Worker
from pynenc.runner._workers.platform import LOOP_BROKE
from pynenc.util.texts import describe

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import AppShape
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Channel, Message

_MOST_THREADS = 100_000
"""Bodies that wait keep their thread, so there may be more threads than slots."""

_CANCEL_SEC = 0.3
"""How long bodies that were handed back get to end on their own: less than until their process is killed."""


class LoopWorker(Worker):
    """Runs `concurrency` bodies at a time on one event loop in the main thread.

    One thread takes claims in batches from the engine, and sends outcomes to the store, without holding the GIL.
    """

    def __init__(self, app: AppShape, channel: Channel, message: Message) -> None:
        super().__init__(app, channel, message)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: LoopWatchdog | None = None
        self._bodies: set[asyncio.Future[None]] = set()
        self._pool = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="pynenc-slot")
        self._ticking = False
        self._ticks = 0
        self._loop_thread = 0
        self._ending = False
        self._over = False
        self._warned: set[str] = set()

    def own_threads(self) -> set[threading.Thread]:
        """Those of the pool for bodies that are no coroutines."""
        return set(self._pool._threads)

    def new_hooks(self, session: RunnerSession) -> WorkerHooks:
        """Make the hooks of its bodies."""
        return WorkerHooks(session, self.channel, dies_for_one=False)

    def new_waiting(self, session: RunnerSession) -> Waiting:
        """Make waits that do not block the loop."""
        return LoopWaiting(session)

    def iterate(self) -> None:
        """Run the event loop until everything is settled after a stop; one iteration is all there is.

        The loop is driven by callbacks, not by a task that a body could cancel. Whatever else ends the loop ends the
        process: a loop in an unknown state must not hold claims.
        """
        engine = self.engine
        if engine is None:
            self.face.running = False
            return
        loop = self._loop = _new_loop()
        asyncio.set_event_loop(loop)
        self._loop_thread = threading.get_ident()
        self._begin_loop(engine, loop)
        while not self._over:
            try:
                loop.run_forever()
                if not self._over:
                    self._warn_once("a body has stopped the event loop; the loop belongs to the worker and goes on")
            except (SystemExit, KeyboardInterrupt) as error:
                # Raised in a task that a body has made and does not await: it must not end those of the others.
                self.face.logger.warning("a task on the event loop raised %s; it is ignored", type(error).__name__)
            except BaseException as error:
                self._die(f"its event loop broke: {describe(error)}")
        self.face.running = False
        if self.slot_threads.fault is not None:
            raise self.slot_threads.fault

    def _begin_loop(self, engine: _core.Engine, loop: asyncio.AbstractEventLoop) -> None:
        conf: Any = self.conf
        self._watch = LoopWatchdog(
            self.face.logger, loop, self._tick, self._die, conf.loop_warning_sec, conf.loop_limit_sec
        )
        pump = threading.Thread(target=self._pump, args=(engine, loop), name="pynenc-pump", daemon=True)
        # At a stop it is joined: it may be amid a claim, which must not be left behind.
        self.slot_threads.threads.add(pump)
        pump.start()
        if self.hurried.is_set():
            loop.call_soon(self._end)

    def _pump(self, engine: _core.Engine, loop: asyncio.AbstractEventLoop) -> None:
        """On a thread of its own: take claims for the loop."""
        try:
            while claims := engine.next_batch(self.slots):
                if not self._ticking:
                    self._show_alive(engine)
                self._call(loop, self._begin, claims)
        except BaseException as error:
            if not engine.stopping:
                self.slot_threads.fault = error
        self._call(loop, self._end)

    def _call(self, loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
        """Call this on the loop. From any thread."""
        try:
            loop.call_soon_threadsafe(callback, *args)
        except RuntimeError as error:
            if not self._over:
                self._die(f"its event loop is closed: {error}")

    def _end(self) -> None:
        """On the loop: hand back what is unfinished, and end the loop when the bodies have ended."""
        loop, engine = self._loop, self.engine
        if self._ending or loop is None or engine is None:
            return
        self._ending = True
        hand_back(self.face, engine)
        for body in list(self._bodies):
            body.cancel()
        if self._bodies:
            loop.call_later(_CANCEL_SEC, self._end_loop)
        else:
            self._end_loop()

    def _end_loop(self) -> None:
        self._over = True
        if self._watch is not None:
            self._watch.end()
        if self._loop is not None:
            self._loop.stop()

    def _die(self, reason: str) -> NoReturn:
        """End this process at once, from any thread. Its runner gives what ran here to others."""
        self.end_at_once(reason, LOOP_BROKE)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.face.logger.warning(text)

    def obey(self, message: Message) -> None:
        """Do what one message says."""
        super().obey(message)
        if "hurry" in message and self._loop is not None:
            self._call(self._loop, self._end)

    # -- bodies ----------------------------------------------------------------------------------------------------

    def _begin(self, claims: list[_core.Claim]) -> None:
        loop, watch = self._loop, self._watch
        if loop is None or watch is None:
            return
        # A body may have changed what the thread takes for its running loop.
        asyncio._set_running_loop(loop)
        for claim in claims:
            body: asyncio.Future[None]
            if self._is_coroutine(claim.task_id):
                body = BodyTask(self._run_here(claim), loop, claim, self._refuse_to_cancel)
            else:
                thread = self._begin_on_thread(loop, claim)
                if thread is None:
                    continue
                body = thread
            self._bodies.add(body)
            body.add_done_callback(self._ended)
        self._ticking = True
        watch.begin()

    def _ended(self, body: asyncio.Future[None]) -> None:
        self._bodies.discard(body)
        if self._ending and not self._bodies:
            self._end_loop()

    def _refuse_to_cancel(self, name: str, invocation_id: str) -> None:
        self.face.logger.warning(
            "invocation %s tried to cancel %s, which runs beside it on the event loop and goes on",
            invocation_id,
            name,
        )

    def _is_coroutine(self, task_id: str) -> bool:
        try:
            return inspect.iscoroutinefunction(self.app.get_task(task_id).func)
        except Exception:
            # A task that is unknown here: `execute` hands it back.
            return False

    async def _run_here(self, claim: _core.Claim) -> None:
        self._settle(claim, await execute_async(self.session.runtime, claim, self.session.hooks))

    def _begin_on_thread(self, loop: asyncio.AbstractEventLoop, claim: _core.Claim) -> asyncio.Future[None] | None:
        """None if no thread could be started: it is handed back then."""
        ticket = [claim]
        try:
            return loop.run_in_executor(self._pool, self._run_on_thread, ticket)
        except RuntimeError as error:
            # It is in the queue of the pool all the same, and a thread may have taken it.
            with contextlib.suppress(IndexError):
                self._give_back(ticket.pop(), error)
            return None

    def _give_back(self, claim: _core.Claim, error: RuntimeError) -> None:
        if self.engine is not None:
            self.engine.finish(claim, *no_thread(self.app, self.face.runner_id, claim, error))

    def _run_on_thread(self, ticket: list[_core.Claim]) -> None:
        try:
            claim = ticket.pop()
        except IndexError:
            return
        self._settle(claim, execute(self.session.runtime, claim, self.session.hooks))

    def become_copy(self) -> None:
        """In a process that a body has forked: leave the loop to the parent."""
        super().become_copy()
        loop, self._loop = self._loop, None
        if loop is None or threading.get_ident() != self._loop_thread:
            return
        # Forked by a coroutine. The copy may go on until it awaits; then it ends, before the loop runs the other bodies
        # a second time. What loops of other kinds than asyncio's have ready cannot be dropped.
        asyncio._set_running_loop(None)
        ready = getattr(loop, "_ready", None)
        if ready is not None:
            ready.clear()
        loop.call_soon(end_copy)

    def _settle(self, claim: _core.Claim, outcome: Any) -> None:
        self.count()
        engine = self.engine
        if engine is not None:
            engine.finish(claim, *outcome)

    # -- liveness --------------------------------------------------------------------------------------------------

    def _tick(self) -> bool:
        """On the loop: show that the loop is not blocked; whether bodies run."""
        engine = self.engine
        if engine is None:
            return False
        self._ticking = bool(self._bodies)
        self._ticks += 1
        if not self._ticking or self._ticks % 4 == 0:
            self.report()
            self.session.look_after()
        if self._ticking:
            self._show_alive(engine)
        return self._ticking

    def _show_alive(self, engine: _core.Engine) -> None:
        engine.alive_for(self.conf.loop_limit_sec)


class LoopWaiting(Waiting):
    """The waits of bodies in a worker with an event loop."""

    def wait(
        self,
        current: DistributedInvocation[Any, Any] | None,
        waiter: _core.Waiter,
        timeout: float | None,
        targets: Callable[[], Sequence[DistributedInvocation[Any, Any]]] | None = None,
    ) -> list[_core.Terminal]:
        """Wait; `RuntimeError` in a coroutine, which would stop all others, and with them what it waits for."""
        if threading.current_thread() is threading.main_thread() and asyncio._get_running_loop() is not None:
            news = waiter.ready()
            if news or timeout == 0:
                return news
            raise RuntimeError(
                "a coroutine on an AsyncRunner must not block its event loop: instead of invocation.result use "
                "`await invocation` or `await invocation.async_result()`, instead of group.results use "
                "`async for … in group.async_results()`"
            )
        return super().wait(current, waiter, timeout, targets)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, of uvloop if that is installed."""
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        loop = asyncio.new_event_loop()
        # The timers of all bodies depend on it, so a body that replaces `time.monotonic` must not stop them.
        loop.time = Clock.now  # type: ignore[method-assign]
        return loop
    return uvloop.new_event_loop()  # type: ignore[no-any-return,unused-ignore]
