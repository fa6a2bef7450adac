"""Test an app without a runner process: an empty store, assertions on calls, bodies on the thread of the test."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc.testing._drain_runner import DrainRunner
from pynenc.testing._fresh_state import fresh_state
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.task import Task

_SHOWN = 10
"""How many calls a failed assertion lists."""


@contextmanager
def isolated(app: Pynenc, store: str = "memory", *, manual_clock: bool = False, **settings: Any) -> Iterator[AppTest]:
    """Give an app an empty store and its own settings for the time of a `with` block; afterwards the app is as before.

    Under pytest the fixture `pynenc_test` does this until the end of the test.

    Args:
        app: the app of the code under test. No runner of it may run in this process.
        store: `"memory"`, `"sqlite"` (a new file in a temporary folder), or the URL of a store that has no invocation
            of this app.
        manual_clock: let the time of the store stand still until `AppTest.advance`; only with `"memory"`.
        **settings: fields of `ConfigPynenc`, such as `max_payload_bytes=1024`. They win over files and the environment.
    Yields:
        The app under test.
    Raises:
        ValueError: a manual clock with another store than memory, or a store at a URL that is not empty.
        RuntimeError: a runner of this app runs in this process.
        ConfigError: a setting that does not exist, or a value that is not allowed.

    Example:
        >>> with isolated(shop) as test:
        ...     invocation = pack(7)
        ...     ran = test.drain()
        ...     invocation.result
        'packed 7'
    """
    with fresh_state(app, store, manual_clock, settings):
        yield AppTest(app, manual_clock)


class AppTest:
    """An app in a test: made by `isolated` or the fixture `pynenc_test`. The methods block for reads of the store.

    Args:
        app: the app.
        manual_clock: whether its store has a manual clock.
    """

    def __init__(self, app: Pynenc, manual_clock: bool = False) -> None:
        self.app = app
        self._manual_clock = manual_clock
        self._runner: DrainRunner | None = None

    # -- what was submitted ----------------------------------------------------------------------------------------

    def submitted(self, task: Task[Params, Result]) -> list[DistributedInvocation[Params, Result]]:
        """List every invocation of a task, finished ones included.

        Args:
            task: the task.
        Returns:
            The invocations, oldest first.
        """
        from pynenc.invocation.dist_invocation import DistributedInvocation

        if self.app.conf.dev_mode_force_sync_tasks:
            # Nothing is submitted.
            return []
        ids = self.app.orchestrator.get_task_invocation_ids(str(task.task_id))
        return [DistributedInvocation(self.app, invocation_id, task=task) for invocation_id in ids]

    def assert_submitted(
        self, task: Task[Params, Result], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> DistributedInvocation[Params, Result]:
        """Check that a task was called with exactly these arguments, and return that invocation.

        Arguments count however they are passed, and defaults count as passed: `pay(7)` is `pay(order=7, retries=0)`.

        Args:
            task: the task.
            *args: the positional arguments of the call.
            **kwargs: the keyword arguments of the call.
        Returns:
            The oldest such invocation.
        Raises:
            AssertionError: there is none. The message lists the calls of this task, and which other tasks were called.
            TypeError: the arguments do not fit the signature.

        Example:
            >>> with isolated(shop) as test:
            ...     invocation = pack(order=7)
            ...     test.assert_submitted(pack, 7) == invocation
            True
        """
        wanted = _complete(task, task.args(*args, **kwargs).kwargs)
        made = self.submitted(task)
        for invocation in made:
            if _complete(task, invocation.arguments.kwargs) == wanted:
                return invocation
        raise AssertionError(f"{_call(task, wanted)} was not submitted; {self._what_was(task, made)}")

    def assert_not_submitted(self, task: Task[..., Any]) -> None:
        """Check that a task was not called.

        Args:
            task: the task.
        Raises:
            AssertionError: it was; the message lists its calls.
        """
        made = self.submitted(task)
        if made:
            raise AssertionError(f"{task.task_id} was submitted: {_calls(task, made)}")

    def _what_was(self, task: Task[..., Any], made: Sequence[DistributedInvocation[..., Any]]) -> str:
        if made:
            return f"the calls of this task are {_calls(task, made)}"
        orchestrator = self.app.orchestrator
        counts = {str(name): orchestrator.count_invocations(str(name)) for name in self.app.tasks}
        others = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
        return f"there is no call of this task; calls of other tasks: {others or 'none'}"

    # -- running it ------------------------------------------------------------------------------------------------

    def drain(self, limit: int = 10_000) -> list[DistributedInvocation[Any, Any]]:
        """Run what is due on the calling thread, and what that submits, until nothing is due.

        Blocks until then. While a body waits for others, these run on the same thread. What is due later stays queued:
        see `advance`. An exception of a body is not raised here: it is the outcome of its invocation, as in production.

        Args:
            limit: the most bodies that may run, so that a task that always submits another one ends the test.
        Returns:
            The invocations that ran, in the order in which they started; once for each run.
        Raises:
            RuntimeError: `limit` was reached, or an event loop runs on this thread; there use `await
                asyncio.to_thread(test.drain)`.
            KeyboardInterrupt: SIGINT or SIGTERM arrived.

        Example:
            >>> with isolated(shop) as test:
            ...     group = pack.parallelize([(1,), (2,)])
            ...     len(test.drain()), group.get_results()
            (2, ['packed 1', 'packed 2'])
        """
        if self._runner is None:
            self._runner = DrainRunner(self.app)
        return self._runner.drain(limit)

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time of the store, in UTC. It stands still with `manual_clock`."""
        return datetime.fromtimestamp(runtime_of(self.app).store.now(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock of the store. Retries, delays and results that expire see the new time; leases do not.

        A runner that runs on a thread looks at once for what is due now. Bodies see the time only if they ask for
        `AppTest.now`: for `time.time()` use freezegun or time-machine.

        Args:
            seconds: the time to add.
        Raises:
            RuntimeError: the app was not isolated with `manual_clock=True`.
            ValueError: a negative time.

        Example:
            >>> with isolated(shop, manual_clock=True) as test:
            ...     before = test.now
            ...     test.advance(90)
            ...     (test.now - before).total_seconds()
            90.0
        """
        if not self._manual_clock:
            raise RuntimeError("only a store with a manual clock can be advanced: pass manual_clock=True")
        runtime_of(self.app).store.advance(seconds)


def _complete(task: Task[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, with the defaults of the signature filled in."""
    parameters = inspect.signature(task.func).parameters
    named = dict(arguments)
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            named.update(named.pop(name, {}))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            named[name] = tuple(named.get(name, ()))
        elif parameter.default is not parameter.empty:
            named.setdefault(name, parameter.default)
    return named


def _call(task: Task[..., Any], arguments: dict[str, Any]) -> str:
    return f"{task.task_id}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def _calls(task: Task[..., Any], made: Sequence[DistributedInvocation[..., Any]]) -> str:
    more = f" and {len(made) - _SHOWN} more" if len(made) > _SHOWN else ""
    return ", ".join(_call(task, one.arguments.kwargs) for one in made[:_SHOWN]) + more
