"""A runner that runs all due invocations on the calling thread, and then returns."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.sessions import session_of
from pynenc.exceptions import RunnerError
from pynenc.runner.base_runner import BaseRunner

if TYPE_CHECKING:
    from pynenc.invocation.dist_invocation import DistributedInvocation

    Invocation = DistributedInvocation[Any, Any]

_PAUSE_SEC = 1.0
"""How long one wait blocks for a result of other processes, in seconds."""


class DrainRunner(BaseRunner):
    """Runs bodies one inside the other: while a body waits, the next one runs above it on the stack."""

    @staticmethod
    def mem_compatible() -> bool:
        """True: bodies run in this process."""
        return True

    @property
    def max_parallel_slots(self) -> int:
        """One slot, because there is one thread."""
        return 1

    def drain(self, limit: int) -> list[Invocation]:
        """Run all due invocations on the calling thread; `AppTest.drain` documents it."""
        _refuse_event_loop()
        self._ran: list[Invocation] = []
        self._limit = limit
        # The test has imported its modules; no others are searched.
        session_of(self).modules_imported = True
        token = context.current_runner.set(self)
        try:
            with warnings.catch_warnings():
                # On a thread other than the main one, where it takes no signals and needs none.
                warnings.simplefilter("ignore", UserWarning)
                self.on_start()
            try:
                while self.running and self._run_next():
                    pass
                interrupted = not self.running
            finally:
                self.on_stop()
        finally:
            context.current_runner.reset(token)
        if interrupted:
            raise KeyboardInterrupt
        return self._ran

    def _run_next(self) -> bool:
        """Claim and run one due invocation; return False if there is none."""
        while True:
            for invocation in self.app.orchestrator.get_invocations_to_run(1):
                if len(self._ran) >= self._limit:
                    raise RuntimeError(f"drain() has run {self._limit} bodies and there is more to run: raise `limit`")
                self._ran.append(invocation)
                invocation.run()
                return True
            # A call of an unknown task goes back into the queue with a delay; the next one may be known.
            if not runtime_of(self.app).store.backlog([], 1):
                return False

    def waiting_for_results(
        self,
        running_invocation: Invocation | None,
        result_invocation: list[Invocation],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Run other invocations on this thread while a body waits, until one of its awaited invocations is final."""
        if running_invocation is None or not self.running:
            self._wait_outside(result_invocation)
            return
        while not self.app.orchestrator.filter_final(result_invocation):
            if not self._run_next():
                waits = ", ".join(str(one.invocation_id) for one in result_invocation[:3])
                raise RunnerError(
                    f"{running_invocation.task.task_id} waits for {waits}, which cannot run now: it is due later, or "
                    "its body waits below this one on the stack of drain(). Start a runner instead: pynenc_runner(app)"
                )

    def _wait_outside(self, targets: list[Invocation]) -> None:
        if runtime_of(self.app).store.kind == "memory" and not runtime_of(self.app).has_running_runner():
            raise RunnerError(
                f"waiting for a result of app {self.app.app_id!r} while nothing runs: call drain() before, or start a "
                "runner with pynenc_runner(app)"
            )
        session_of(self).waiting.wait_at_most(targets, _PAUSE_SEC, None)

    def runner_loop_iteration(self) -> None:
        """Run one invocation. `drain` has its own loop."""
        self._run_next()

    def _on_start(self) -> None:
        """Nothing to take."""

    def _on_stop(self) -> None:
        """Nothing to release."""

    def _on_stop_runner_loop(self) -> None:
        """The loop of `drain` checks `running`."""


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "drain() runs bodies on this thread, where an event loop runs already: use await asyncio.to_thread(test.drain)"
    )
