"""The runner that bodies in a worker process see, and its session."""

from __future__ import annotations

import os
import signal
import socket
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pynenc._identity.runner_id import RunnerId
from pynenc.exceptions import RunnerError
from pynenc.runner._session.identity import RunnerLog
from pynenc.runner._session.kinds import waiting_for_results
from pynenc.runner._session.session import RunnerSession
from pynenc.runner._session.signals import STOP_SIGNALS, SignalTakeover, in_copies
from pynenc.runner._worker_process.body_signals import ignore
from pynenc.runner.base_runner import BaseRunner

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape
    from pynenc.conf.config_runner import ConfigRunner
    from pynenc.runner._session.body_hooks import SessionHooks
    from pynenc.runner._session.waiting import Waiting
    from pynenc.runner._worker_process.worker import Worker


class WorkerSession(RunnerSession):
    """The session of a worker process."""

    is_built_in = True

    def __init__(self, runner: WorkerFace) -> None:
        self._worker = runner.worker
        super().__init__(runner)
        self.lines = self._worker.lines
        self.signals = _WorkerSignals(self._worker.asked_to_stop)
        self.slot_threads = self._worker.new_slot_threads(self)

    @property
    def runner_id(self) -> RunnerId:
        """`<class of the runner>(<host>-<pid of this worker>)`."""
        return RunnerId(f"{self._worker.runner_name}({socket.gethostname()}-{os.getpid()})")

    def new_hooks(self) -> SessionHooks:
        """Make hooks that report to the runner."""
        return self._worker.new_hooks(self)

    def new_waiting(self) -> Waiting:
        """Make what the waits of bodies go through in this kind of worker."""
        return self._worker.new_waiting(self)

    def import_modules(self) -> None:
        """Nothing: the process that this one was forked from has imported them."""

    def make_known(self) -> None:
        """Nothing: its runner makes all of them known."""

    def look_after(self) -> None:
        """Pass on what the engine logged, and end this process if the store fails it."""
        try:
            super().look_after()
        except RunnerError as error:
            self._worker.leave(error)

    def become_copy(self) -> None:
        """In a process that a body has forked: be a client."""
        super().become_copy()
        self._worker.become_copy()


class WorkerFace(BaseRunner, session=WorkerSession):
    """The current runner of the bodies in a worker process. Its attributes are those of the worker."""

    def __init__(self, app: AppShape, worker: Worker) -> None:
        self.worker = worker
        super().__init__(cast("Any", app))
        self.logger = _WorkerLog(self)

    @cached_property
    def conf(self) -> ConfigRunner:
        """The settings that the runner has."""
        return self.worker.conf

    @staticmethod
    def mem_compatible() -> bool:
        """False: it has a process of its own."""
        return False

    @property
    def max_parallel_slots(self) -> int:
        """The slots of this worker."""
        return self.worker.slots

    def _on_start(self) -> None:
        self.worker.start()

    def runner_loop_iteration(self) -> None:
        """Run one iteration of the worker."""
        self.worker.iterate()

    def _on_stop(self) -> None:
        self.worker.stop()

    def _on_stop_runner_loop(self) -> None:
        self.worker.stop_requested()

    waiting_for_results = waiting_for_results


class _WorkerLog(RunnerLog):
    """Logs at DEBUG that a worker starts and stops: workers come and go."""

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)


class _WorkerSignals(SignalTakeover):
    """SIGINT and SIGHUP are the runner's affair; SIGTERM asks for a replacement of this worker alone."""

    def __init__(self, asked: Any) -> None:
        super().__init__()
        self._handler = asked

    def take(self, handler: Any) -> None:
        for signum in STOP_SIGNALS:
            signal.signal(signum, ignore)
        signal.signal(signal.SIGTERM, self._handler)
        in_copies(signal.SIGTERM, signal.SIG_DFL)

    def give_back(self) -> None:
        """They stay until the process ends."""
