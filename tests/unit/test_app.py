"""The app: its construction, its equality, and its lazily created parts."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.processes import child_environment
from support.seed_runners import RecordingRunner
from support.worlds import load_jobs

from pynenc import Pynenc
from pynenc.app_info import AppInfo
from pynenc.exceptions import ConfigError, TaskError
from pynenc.runner import DummyRunner, ThreadRunner


def test_the_app_accepts_both_orders_of_constructor_arguments(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("")
    values = {"logging_level": "warning"}
    assert Pynenc("one").app_id == "one"
    assert Pynenc(app_id="one") is Pynenc("one")
    assert Pynenc({"app_id": "two", **values}).app_id == "two"
    old, new = Pynenc(values, str(file)), Pynenc("three", values, str(file))
    assert (old.config_values, old.config_filepath) == (values, str(file)) == (new.config_values, new.config_filepath)
    assert Pynenc(config_values=values, config_filepath=str(file)) is old
    assert Pynenc(None, values).config_values == values


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        (("a", "b"), {}),
        (({}, "file", "more"), {}),
        (("a", {}, "file", "more"), {}),
        (("a",), {"app_id": "b"}),
    ],
)
def test_arguments_that_fit_neither_constructor_are_refused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Pynenc(*args, **kwargs)


def test_the_same_id_and_settings_give_the_same_app_and_others_another(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc("shop", {"store_url": "memory://"})
    assert Pynenc("shop", {"store_url": "memory://"}) is app
    assert Pynenc("shop") is not app
    assert Pynenc("bakery", {"store_url": "memory://"}) is not app
    monkeypatch.setenv("PYNENC__APP_ID", "from-the-environment")
    assert Pynenc().app_id == "from-the-environment"
    assert Pynenc() is Pynenc()
    Pynenc._clear_instances()
    assert Pynenc("shop", {"store_url": "memory://"}) is not app


def test_a_pickled_app_is_the_same_app(memory_env: None) -> None:
    app = Pynenc(config_values={"logging_level": "error"})
    assert pickle.loads(pickle.dumps(app)) is app
    Pynenc._clear_instances()
    again = pickle.loads(pickle.dumps(app))
    assert again is not app
    assert (again.app_id, again.config_values) == (app.app_id, app.config_values)


def test_making_an_app_opens_nothing(tmp_path: Path) -> None:
    app = Pynenc("quiet")
    threads = threading.active_count()
    assert app.app_id == "quiet"
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    assert app._runtime.store.kind == "sqlite"
    assert (tmp_path / ".pynenc" / "quiet.db").exists()
    app._runtime.store.close()


def test_a_setting_that_cannot_work_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__LEASE_SEC", "soon")
    with pytest.raises(ConfigError, match=r"lease_sec.*soon"):
        _ = Pynenc("shop").conf


def test_the_store_is_opened_once_by_many_threads(memory_env: None) -> None:
    app = Pynenc()
    barrier = threading.Barrier(8)
    stores: list[Any] = []

    def look() -> None:
        barrier.wait()
        stores.append(app._runtime.store)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 8
    assert all(store is stores[0] for store in stores)


def test_a_forked_child_opens_a_store_of_its_own(sqlite_env: None, tmp_path: Path) -> None:
    jobs = load_jobs()
    jobs.basics.add(1, 1)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            jobs.basics.add(2, 2)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert jobs.app.orchestrator.count_invocations() == 2


def test_the_runner_is_what_the_settings_name_and_then_what_was_set(memory_env: None) -> None:
    app = Pynenc()
    assert type(app.runner) is DummyRunner
    assert app.runner is app.runner
    app.conf.runner_cls = "ThreadRunner"
    assert type(app.runner) is ThreadRunner
    mine = RecordingRunner(app)
    assert app.runner is mine
    explicit = DummyRunner(app)
    assert app.runner is explicit


def test_an_unknown_runner_class_is_named(memory_env: None) -> None:
    app = Pynenc()
    app.conf.runner_cls = "NoSuchRunner"
    with pytest.raises(ValueError, match="NoSuchRunner"):
        _ = app.runner


def test_purge_removes_every_invocation(memory_env: None) -> None:
    jobs = load_jobs()
    jobs.basics.add.parallelize([(n, n) for n in range(5)])
    assert jobs.app.orchestrator.count_invocations() == 5
    jobs.app.purge()
    assert jobs.app.orchestrator.count_invocations() == 0


def test_components_are_made_once_and_know_their_app(memory_env: None) -> None:
    app = Pynenc()
    for name in ("orchestrator", "broker", "state_backend"):
        assert getattr(app, name) is getattr(app, name)
        assert getattr(app, name).app is app
    assert type(app.serializer).__name__ == app.conf.serializer_cls


def test_an_unknown_task_is_an_error_that_names_it(memory_env: None) -> None:
    with pytest.raises(TaskError, match=r"nowhere\.nothing"):
        Pynenc().get_task("nowhere.nothing")


def test_the_info_of_an_app_leads_back_to_it(memory_env: None) -> None:
    jobs = load_jobs()
    info = AppInfo.from_json(AppInfo.from_app(jobs.app).to_json())
    assert info.app_id == jobs.app.app_id
    assert info.app_variable == "app"
    assert Pynenc.from_info(info) is jobs.app
    loose = AppInfo.from_json(AppInfo.from_app(Pynenc("loose", {"trigger_task_modules": {"a"}})).to_json())
    assert Pynenc.from_info(loose).app_id == "loose"


SPAWN = """
import multiprocessing, sys
from support.jobs import app
def child(app, queue):
    from support.jobs.app import app as imported
    from pynenc import Pynenc
    queue.put((app is imported, app is Pynenc(app.app_id, {"logging_level": "error"}), app.app_id))
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(app, queue))
    process.start()
    print(queue.get(timeout=60), app.app_id)
    process.join()
"""


def test_a_spawned_worker_has_one_app(sqlite_env: None, tmp_path: Path) -> None:
    program = tmp_path / "spawn.py"
    program.write_text(SPAWN)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=100, env=child_environment(None)
    )
    name = os.environ["PYNENC__APP_ID"]
    assert done.stdout == f"(True, True, '{name}') {name}\n", done.stderr
