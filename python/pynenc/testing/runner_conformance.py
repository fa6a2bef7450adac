"""Checks for any subclass of `BaseRunner`: does it keep what pynenc promises?

Each check gets a fresh store and app, and starts the runner on a thread. It raises `AssertionError`, with what was
expected, when the runner does not keep the promise in its name. As a test for pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_runner(check, tmp_path):
        run_check(check, MyRunner, tmp_path)
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pynenc._kernel.runtime import runtime_of
from pynenc.exceptions import ConfigError, InvocationCancelledError, RemoteError
from pynenc.runner import BaseRunner

if TYPE_CHECKING:
    from pynenc.app import Pynenc

    MakeRunner: TypeAlias = Callable[[Pynenc], BaseRunner]

_TASKS = "pynenc.testing.conformance_tasks"
_NESTED = 4


class Trial:
    """One runner under test on one app.

    Args:
        make_runner: makes the runner for an app.
        folder: where the store and the notes of the bodies are.
        patience_sec: seconds that a check waits for anything.
    """

    def __init__(self, make_runner: MakeRunner, folder: Path, patience_sec: float) -> None:
        self.folder = folder
        self.patience_sec = patience_sec
        sys.modules.pop(_TASKS, None)
        self.tasks: Any = importlib.import_module(_TASKS)
        self.runner = make_runner(self.tasks.app)
        self._raised: list[BaseException] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run the runner on a thread. Blocks until `on_start` has returned.

        Raises:
            AssertionError: it did not return within `patience_sec`.
        """
        self._thread = threading.Thread(target=self._run, name="runner-under-test", daemon=True)
        self._thread.start()
        if not self.runner.wait_until_started(self.patience_sec):
            raise AssertionError(f"on_start() did not return: {self._raised or 'no exception'}")

    def stop(self) -> None:
        """Stop the runner, and wait until `run()` returns.

        Raises:
            AssertionError: it did not return within `patience_sec`, or raised.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self.runner.stop_runner_loop()
        thread.join(self.patience_sec)
        assert not thread.is_alive(), f"run() did not return within {self.patience_sec:g} s of stop_runner_loop()"
        assert not self._raised, f"run() raised {self._raised[0]!r}"

    def result(self, invocation: Any) -> Any:
        """Wait for the result of an invocation.

        Args:
            invocation: the invocation.
        Returns:
            What the task returned.
        Raises:
            AssertionError: it did not finish within `patience_sec`.
            Exception: the exception of the task.
        """
        try:
            return invocation.get_result(timeout=self.patience_sec)
        except TimeoutError:
            status = str(invocation.status)
            raise AssertionError(
                f"{invocation.task.task_id} did not finish within {self.patience_sec:g} s; it is {status}"
            ) from None

    def notes(self) -> list[str]:
        """Read the notes of the bodies.

        Returns:
            One text for each note.
        """
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def _run(self) -> None:
        try:
            with warnings.catch_warnings():
                # A call stops it, so it need not take signals.
                warnings.simplefilter("ignore", UserWarning)
                self.runner.run()
        except BaseException as error:
            self._raised.append(error)


Check: TypeAlias = Callable[[Trial], None]


def describes_itself(trial: Trial) -> None:
    """Check that id, settings and slots can be read, and that the runner is that of its app.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    runner = trial.runner
    assert trial.tasks.app.runner is runner, "constructing a runner makes it the runner of its app"
    first, second = runner.runner_id, runner.runner_id
    assert isinstance(first, str), "runner_id is a str"
    assert first == second, "runner_id is the same at each read"
    assert isinstance(runner.mem_compatible(), bool), "mem_compatible() says True or False"
    assert not _runs(runner), "it does not run before run()"
    trial.start()
    assert _runs(runner), "it runs after on_start()"
    assert runner.max_parallel_slots >= 1, "a runner that runs has a slot"


def returns_results(trial: Trial) -> None:
    """Check that functions and coroutines run, and that their results arrive.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    assert trial.result(trial.tasks.add(1, 2)) == 3
    assert trial.result(trial.tasks.add_slowly(3, 4)) == 7


def passes_failures_on(trial: Trial) -> None:
    """Check that the exception of a body arrives at the caller, and that the runner goes on.

    An exception that would end the caller's process arrives as a `RemoteError` that names it.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    failures: list[tuple[Any, type[Exception]]] = [
        (trial.tasks.fail("words"), ValueError),
        (trial.tasks.leave(), RemoteError),
    ]
    for invocation, expected in failures:
        try:
            trial.result(invocation)
        except AssertionError:
            raise
        except expected:
            continue
        raise AssertionError(f"{expected.__name__} did not arrive at the caller")
    assert trial.result(trial.tasks.add(1, 1)) == 2, "the runner goes on after a failure"


def runs_again_for_a_retry(trial: Trial) -> None:
    """Check that a body that raises `RetryError` is run again.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    assert trial.result(trial.tasks.succeed_at(2)) == 2


def runs_each_invocation_once(trial: Trial) -> None:
    """Check that, without faults, no body runs twice and none is left out.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    texts = [f"note-{n}" for n in range(10)]
    for invocation in [trial.tasks.note(text) for text in texts]:
        trial.result(invocation)
    assert sorted(trial.notes()) == sorted(texts), f"each body runs once; these ran: {sorted(trial.notes())}"


def frees_the_slot_of_a_body_that_waits(trial: Trial) -> None:
    """Check that bodies that wait for bodies, deeper than there are slots, finish.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    depth = _NESTED + trial.runner.max_parallel_slots
    assert trial.result(trial.tasks.chain(depth)) == depth
    assert trial.result(trial.tasks.family(5)) == 10


def finishes_what_runs_at_a_stop(trial: Trial) -> None:
    """Check that a stop lets a body finish that takes less than `stop_grace_sec` (30 s by default).

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    held = trial.tasks.hold(0.5)
    _await(lambda: "begun" in trial.notes(), "the body begins", trial.patience_sec)
    trial.stop()
    status = str(held.status)
    assert status == "success", (
        f"a stop waits for a body that ends within stop_grace_sec; after it this one is {status}"
    )
    assert trial.result(held) == "done"


def interrupts_a_body_that_is_cancelled(trial: Trial) -> None:
    """Check that `invocation.cancel()` ends a running body, and that the runner goes on; see `BaseRunner.on_cancel`.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    trial.start()
    lingers = trial.tasks.linger(trial.patience_sec / 2)
    _await(lambda: "lingers" in trial.notes(), "the body begins", trial.patience_sec)
    assert lingers.cancel(), "a body that runs can be cancelled"
    try:
        trial.result(lingers)
    except InvocationCancelledError:
        status = str(lingers.status)
        assert status == "cancelled", f"what was cancelled is in this status, not {status}"
    else:
        raise AssertionError("on_cancel() must end the body of an invocation that is cancelled; it went on to its end")
    assert trial.result(trial.tasks.add(1, 1)) == 2, "the runner goes on after a cancellation"


def can_be_started_again(trial: Trial) -> None:
    """Check that the same object runs, stops, and runs again with what was submitted in between.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    for n in range(2):
        trial.start()
        assert trial.result(trial.tasks.add(n, n)) == 2 * n
        trial.stop()
        assert not _runs(trial.runner), "it does not run after run() has returned"
    waiting = trial.tasks.add(5, 5)
    trial.start()
    assert trial.result(waiting) == 10


def refuses_a_store_it_cannot_share(trial: Trial) -> None:
    """Check that a runner that runs bodies in other processes does not start on a store in memory.

    Args:
        trial: the runner under test.
    Raises:
        AssertionError: the runner does not keep the promise.
    """
    if trial.runner.mem_compatible():
        return
    from pynenc.app import Pynenc

    app = Pynenc(f"conformance-{uuid.uuid4().hex}")
    app.conf.store_url = "memory://"
    runner = type(trial.runner)(app)
    try:
        runner.on_start()
    except ConfigError:
        return
    runner.on_stop()
    raise AssertionError("on_start() must raise ConfigError on a store in memory when mem_compatible() is False")


CHECKS: tuple[Check, ...] = (
    describes_itself,
    returns_results,
    passes_failures_on,
    runs_again_for_a_retry,
    runs_each_invocation_once,
    frees_the_slot_of_a_body_that_waits,
    finishes_what_runs_at_a_stop,
    interrupts_a_body_that_is_cancelled,
    can_be_started_again,
    refuses_a_store_it_cannot_share,
)
"""Every check; its name says what a runner promises."""


def run_check(check: Check, make_runner: MakeRunner, folder: Path, patience_sec: float = 30.0) -> None:
    """Run one check on a fresh SQLite store. Blocks until the runner has stopped.

    Args:
        check: one of `CHECKS`.
        make_runner: makes the runner for an app: its class, or a function that also configures it.
        folder: where the store is made.
        patience_sec: seconds that a result, a start or a stop may take.
    Raises:
        AssertionError: the runner does not keep the promise.

    Example:
        >>> from pynenc.runner import ThreadRunner
        >>> run_check(returns_results, ThreadRunner, tmp_path)
    """
    with _environment(folder):
        trial = Trial(make_runner, folder, patience_sec)
        try:
            check(trial)
        except BaseException:
            # The failure of the check matters; a failure of the stop does not hide it.
            with contextlib.suppress(AssertionError):
                trial.patience_sec = min(trial.patience_sec, 1.0)
                trial.stop()
            # Bodies that wait for invocations that no longer run would keep their threads, and with them the test
            # process.
            runtime_of(trial.tasks.app).store.close()
            raise
        trial.stop()


@contextlib.contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Name app and store in the environment, where workers in other processes find them too."""
    settings = {
        "PYNENC__APP_ID": f"conformance-{uuid.uuid4().hex}",
        "PYNENC__STORE_URL": f"sqlite:///{folder / 'conformance.db'}",
        "PYNENC_CONFORMANCE_DIR": str(folder),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _runs(runner: BaseRunner) -> bool:
    return runner.running


def _await(condition: Callable[[], bool], what: str, patience_sec: float) -> None:
    deadline = time.monotonic() + patience_sec
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience_sec:g} s: {what}"
        time.sleep(0.01)
