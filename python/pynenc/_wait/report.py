"""Report why a wait takes long: the state of the invocation in the store, and the live runners that could run it.

A wait that ends within `wait_warning_sec` does nothing here. A separate thread asks the store, because a store that
does not answer must not delay the wait.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pynenc._engine.facts import status_rows
from pynenc._wait.no_runner import how_to_start_one
from pynenc._wait.runner_cards import RunnerCard, live_runners
from pynenc.conf.database_file import absolute_url
from pynenc.exceptions import InvocationNotFoundError, InvocationTimeoutError, PynencError
from pynenc.util import clock
from pynenc.util.texts import cut

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.runtime import AppRuntime
    from pynenc._wait.target import Target

AGAIN_SEC = 60.0
"""The time between two checks of a wait, in seconds."""

_ANSWER_SEC = 0.5
"""How long the error of a timeout waits for more information from the store, in seconds."""

_MOST_TASKS = 100
"""Tasks of whose waits the last report is remembered."""

_SHOWN_RUNNERS = 5

_FRESH_SEC = 5.0
"""How long a list of runners is good for."""


class Report(NamedTuple):
    """The known facts about one awaited invocation."""

    which: str
    """The invocation."""
    state: str
    """Return its state in the store, and the runners that could run it."""
    hopeless: bool
    """Whether no live runner is known that could run it."""

    @property
    def text(self) -> str:
        """Return all facts as one sentence."""
        return f"{self.which} {self.state}"


def wait_and_report(
    runtime: AppRuntime,
    waiter: _core.Waiter,
    timeout: float | None,
    interruptible: bool,
    targets: Callable[[], Sequence[Target]] | None,
) -> list[_core.Terminal]:
    """Call `waiter.wait(timeout, interruptible)`; after `wait_warning_sec` log why the wait takes long."""
    patience = runtime.conf.wait_warning_sec
    if targets is None or not patience or (timeout is not None and timeout <= patience):
        return waiter.wait(timeout, interruptible)
    began = clock.monotonic()
    due = began + patience
    while True:
        now = clock.monotonic()
        left = due - now if timeout is None else min(due, began + timeout) - now
        news = waiter.wait(max(0.0, left), interruptible)
        # It also returns where a body is interrupted, or the time is over.
        if news or clock.monotonic() < due:
            return news
        say_why(runtime, targets(), due - began)
        due += AGAIN_SEC


def say_why_if_late(runtime: AppRuntime, targets: Callable[[], Sequence[Target]], began: float) -> None:
    """Call `say_why` for a wait that is polled, once it has lasted `wait_warning_sec`."""
    patience, waited = runtime.conf.wait_warning_sec, clock.monotonic() - began
    if patience and waited >= patience:
        say_why(runtime, targets(), waited)


def say_why(runtime: AppRuntime, targets: Iterable[Target], waited_sec: float) -> None:
    """Log why these take so long, once a minute for each task. Does not block: the store is asked on a thread."""
    reporter = _reporter(runtime)
    chosen = list(reporter.choose(targets))
    if chosen:
        with contextlib.suppress(RuntimeError):
            # If there is no room for a thread, the next check tries again.
            threading.Thread(
                target=reporter.log, args=(chosen, waited_sec), name="pynenc-wait-report", daemon=True
            ).start()


def late(runtime: AppRuntime, target: Target, timeout: float) -> InvocationTimeoutError:
    """Return the error of a timeout. Its text names the invocation once, with its task and state.

    The store is asked when the text is read. A store that does not answer in half a second adds nothing to it.
    """
    within = f"did not finish within {timeout:g} s"
    plain = f"invocation {target.invocation_id} {within}"

    def explain() -> str:
        report = _reporter(runtime).report_soon(target)
        return plain if report is None else f"{report.which} {within}: it {report.state}"

    return InvocationTimeoutError.explained(plain, explain) if timeout else InvocationTimeoutError(plain)


def late_group(
    runtime: AppRuntime, task_id: str, waiting: Sequence[Target], members: int, timeout: float
) -> InvocationTimeoutError:
    """Return the error of a timeout of a group. Its text is made as that of `late`, and tells of one invocation.

    Args:
        waiting: those that are not finished.
        members: how many the group has.
    """
    first = waiting[0]
    plain = f"{len(waiting)} of {members} invocations of {task_id} did not finish within {timeout:g} s"

    def explain() -> str:
        report = _reporter(runtime).report_soon(first)
        return plain if report is None else f"{plain}: {report.text}"

    return InvocationTimeoutError.explained(plain, explain) if timeout else InvocationTimeoutError(plain)


def _reporter(runtime: AppRuntime) -> _Reporter:
    return runtime.part("wait_reporter", lambda: _Reporter(runtime))


class _Reporter:
    """The reports of one app. Thread-safe."""

    def __init__(self, runtime: AppRuntime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._reported: dict[str, float] = {}
        self._runners: tuple[float, list[RunnerCard]] = (-_FRESH_SEC, [])
        self._asking = False

    def choose(self, targets: Iterable[Target]) -> Iterable[Target]:
        """Return the first report of each task that was not reported within a minute."""
        now = clock.monotonic()
        seen: set[str] = set()
        for target in targets:
            task = "" if target._task is None else str(target._task.task_id)
            if task in seen:
                continue
            seen.add(task)
            with self._lock:
                if now - self._reported.get(task, -AGAIN_SEC) < AGAIN_SEC:
                    continue
                if len(self._reported) >= _MOST_TASKS:
                    del self._reported[min(self._reported, key=self._reported.__getitem__)]
                self._reported[task] = now
            yield target

    def log(self, targets: Sequence[Target], waited_sec: float) -> None:
        """Write the reports. A store that fails is reported elsewhere, and an invocation that is gone by the wait."""
        for target in targets:
            try:
                report = self._report(target)
            except (PynencError, ValueError):
                continue
            level = logging.WARNING if report.hopeless else logging.INFO
            self._runtime.logger.log(level, "still waiting after %.3g s: %s", waited_sec, report.text)

    def report_soon(self, target: Target) -> Report | None:
        """The report; None where the store does not answer soon."""
        found: list[Report] = []

        def ask() -> None:
            try:
                with contextlib.suppress(PynencError, ValueError):
                    found.append(self._report(target))
            finally:
                self._asking = False

        if self._asking:
            # A store that has not answered the previous thread would block this one too.
            return None
        self._asking = True
        thread = threading.Thread(target=ask, name="pynenc-wait-report", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._asking = False
            return None
        thread.join(_ANSWER_SEC)
        return found[0] if found else None

    def _report(self, target: Target) -> Report:
        store = self._runtime.store
        url = absolute_url(store.url)
        try:
            record = store.get(str(target.invocation_id))
        except InvocationNotFoundError:
            return Report(f"invocation {target.invocation_id}", f"is not in {url}", True)
        which = f"invocation {target.invocation_id} of {cut(record.task_id, 200)}"
        where = f"is {record.status} in queue {cut(record.queue, 200)!r} of {url}"
        row = status_rows().get(record.status)
        if row is None or not row.is_available:
            return Report(which, f"{where}{f', owned by {record.runner}' if record.runner else ''}", False)
        runners = self._live_runners()
        if not runners:
            return Report(which, f"{where}; {how_to_start_one(self._runtime, url)}", True)
        what, hopeless = _judge(runners, record.queue, record.task_id)
        return Report(which, f"{where}; {what}", hopeless)

    def _live_runners(self) -> list[RunnerCard]:
        made, runners = self._runners
        if clock.monotonic() - made >= _FRESH_SEC:
            runners = live_runners(self._runtime)
            self._runners = (clock.monotonic(), runners)
        return runners


def _judge(runners: list[RunnerCard], queue: str, task_id: str) -> tuple[str, bool]:
    """Return the runners that could run a task of a queue, in words; and whether there is none."""
    serving = [runner for runner in runners if runner.serves(queue)]
    knowing = [runner for runner in serving if runner.knows(task_id)]
    if knowing:
        return f"live runners that serve this queue and know this task: {_named(knowing)}", False
    if serving:
        return (
            f"no live runner is known that serves this queue and knows this task: {_named(serving)} did not import its "
            "module (see task_modules)",
            True,
        )
    return f"no live runner is known that serves this queue; there are: {_named(runners)}", True


def _named(runners: list[RunnerCard]) -> str:
    shown = [
        f"{runner.runner} (queues: {', '.join(sorted(runner.queues)[:_SHOWN_RUNNERS]) or 'all'})"
        for runner in runners[:_SHOWN_RUNNERS]
    ]
    more = len(runners) - _SHOWN_RUNNERS
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
