"""Workers use the settings of their runner, although they import the modules of the app again."""

from __future__ import annotations

import importlib
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes

from pynenc import runner as runners

PROCESS_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]

COMPUTED = """
import os, tempfile, time
from pynenc import Pynenc

app = Pynenc(
    f"shop-{os.getpid()}",
    {
        "sqlite_db_path": os.path.join(tempfile.mkdtemp(dir="."), "shop.db"),
        "max_payload_bytes": 1_000_000 + os.getpid(),
        "signing_keys": [f"key:{'0123456789abcdef' * 2}"],
        "task": {"max_retries": os.getpid()},
        "runner": {"cancel_grace_sec": os.getpid()},
    },
)

@app.task
def settings() -> list:
    return [
        os.getpid(), app.app_id, app._runtime.store.url, app.conf.max_payload_bytes, settings.conf.max_retries,
        app.runner.conf.cancel_grace_sec,
    ]
"""


@pytest.fixture(autouse=True)
def modules_are_forgotten(isolated: None, tmp_path: Path) -> Iterator[None]:
    """Imports of a test do not affect the next test."""
    modules, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("pynenc"):
            del sys.modules[name]


def _module(name: str, text: str) -> Any:
    Path(f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    return importlib.import_module(name)


@contextmanager
def _running(app: Any, runner_cls: str) -> Iterator[list[BaseException]]:
    """Run a runner of the app on a thread of this process; return its exception."""
    runner = getattr(runners, runner_cls)(app)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            runner.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        runner.wait_until_started(60)
        runner.stop_runner_loop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("runner_cls", PROCESS_RUNNERS)
def test_workers_use_what_their_runner_has_resolved(runner_cls: str) -> None:
    shop = _module("shop", COMPUTED)
    with _running(shop.app, runner_cls):
        pid, *found = shop.settings().get_result(timeout=30)
        expected: list[Any] = [shop.app.app_id, shop.app._runtime.store.url, shop.app.conf.max_payload_bytes]
        expected += [shop.settings.conf.max_retries, shop.app.runner.conf.cancel_grace_sec]
    assert found == expected
    assert pid not in (found[-1], None)


USED_AT_IMPORT = """
import os
from pynenc import Pynenc

app = Pynenc("early", {{"{setting}": {value}}})
app.{use}

@app.task
def one() -> int:
    return 1
"""


@pytest.mark.parametrize(
    ("setting", "value", "use", "what"),
    [
        ("sqlite_db_path", "f'{os.getpid()}.db'", "purge()", r"its store is sqlite:///\S*/{pid}.db in the runner"),
        ("app_id", "f'early-{os.getpid()}'", "logger", "ConfigPynenc.app_id is 'early-{pid}' in the runner"),
    ],
)
def test_a_setting_that_was_used_before_the_worker_had_the_runners_is_an_error_that_names_both(
    processes: Processes, setting: str, value: str, use: str, what: str
) -> None:
    text = USED_AT_IMPORT.format(setting=setting, value=value, use=use)
    Path("early.py").write_text(text.replace('"early", ', "") if setting == "app_id" else text)
    runner = processes.runner("early", PYNENC__RUNNER_CLS="PersistentProcessRunner")
    assert runner.wait() == 1
    output = runner.output()
    assert re.search(what.format(pid=runner.pid) + r" and \S+ in its worker processes", output), output
    assert "module early again" in output
