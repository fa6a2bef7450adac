"""What the benchmarks run on: one app per store, a ThreadRunner on a thread of this process."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator

import bench_tasks
import pytest

from pynenc import Task
from pynenc.runner import ThreadRunner

STOP_DEADLINE_SEC = 30.0


@pytest.fixture(scope="session", params=sorted(bench_tasks.APPS))
def noop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task[[], None]]:
    """A task that does nothing, on the store that `request.param` names, served by a runner with four slots."""
    app, task = bench_tasks.APPS[request.param]
    file = tmp_path_factory.mktemp("bench") / "bench.db"
    app.conf.store_url = {"memory": "memory://", "sqlite": f"sqlite:///{file}"}[request.param]
    app.conf.logging_level = "warning"
    runner = ThreadRunner(app)
    runner.conf.max_threads = 4
    with warnings.catch_warnings():
        # That a runner on a second thread takes no signals is what is wanted here.
        warnings.simplefilter("ignore", UserWarning)
        thread = threading.Thread(target=runner.run, daemon=True)
        thread.start()
        assert runner.wait_until_started(STOP_DEADLINE_SEC)
    assert task().get_result(timeout=STOP_DEADLINE_SEC) is None
    yield task
    runner.stop_runner_loop()
    thread.join(STOP_DEADLINE_SEC)
    assert not thread.is_alive()
