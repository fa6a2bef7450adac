"""The base of the runners that run bodies in worker processes."""

from __future__ import annotations

from functools import cached_property

from pynenc.conf.config_runner import ConfigWorkers
from pynenc.runner._session.kinds import waiting_for_results
from pynenc.runner._session.session import RunnerSession
from pynenc.runner._workers.pool import WorkerPool
from pynenc.runner.base_runner import BaseRunner


class PoolSession(RunnerSession):
    """The session of a runner with a pool of worker processes."""

    is_built_in = True

    lines = "beside"
    """This process runs no bodies: what runs alone is for its workers."""

    def __init__(self, runner: BaseRunner, pool: type[WorkerPool] = WorkerPool) -> None:
        super().__init__(runner)
        self.pool = pool(self)

    def abandon(self, patience_sec: float) -> None:
        """The program ends: stop the workers now."""
        self.pool.hurried = True
        self.pool.wake()
        super().abandon(patience_sec)


class ProcessPoolRunner(BaseRunner, session=PoolSession):
    """Keeps worker processes: forks them from a zygote, replaces those that die or are spent, tells them to stop."""

    _session: PoolSession

    @cached_property
    def conf(self) -> ConfigWorkers:
        """Settings of this runner."""
        return ConfigWorkers(self.app.config_values, self.app.config_filepath)

    @staticmethod
    def mem_compatible() -> bool:
        """Return whether bodies run in this process.

        Returns:
            False.
        """
        return False

    def get_active_child_runner_ids(self) -> list[str]:
        """List the keys under which worker processes that are ready own invocations. Callable from any thread.

        Returns:
            The keys.
        """
        return self._session.pool.keys()

    def _on_start(self) -> None:
        self._session.pool.start()

    def runner_loop_iteration(self) -> None:
        """Supervise for up to a second: receive what workers and zygote send, and keep as many workers as wanted."""
        self._session.pool.supervise()

    def _on_stop_runner_loop(self) -> None:
        self._session.pool.wake()

    def _on_stop(self) -> None:
        self._session.pool.stop()

    waiting_for_results = waiting_for_results
