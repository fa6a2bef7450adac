"""gevent and eventlet replace parts that runners need: a runner detects this at its start and refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.processes import Processes

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
APP = "from pynenc import Pynenc\n\napp = Pynenc()\n\n@app.task\ndef one() -> int:\n    return 1\n"
GEVENT = "from gevent import monkey\nmonkey.patch_all()\n"
EVENTLET = "import eventlet\neventlet.monkey_patch()\n"
PATCHES = {
    "gevent": (GEVENT, "gevent has patched threading"),
    "gevent-threads": ("from gevent import monkey\nmonkey.patch_thread()\n", "gevent has patched threading"),
    "gevent-sockets": ("from gevent import monkey\nmonkey.patch_socket()\n", "gevent has patched socket"),
    "gevent-fork": ("from gevent import monkey\nmonkey.patch_os()\n", "gevent has patched os"),
    "eventlet": (EVENTLET, "eventlet has patched thread"),
    "eventlet-sockets": (
        "import eventlet\neventlet.monkey_patch(all=False, socket=True)\n",
        "eventlet has patched socket",
    ),
}


def _write(name: str, text: str) -> None:
    Path(name).write_text(text)


@pytest.mark.parametrize("runner_cls", RUNNERS)
@pytest.mark.parametrize("patch", ["gevent", "eventlet"])
def test_every_runner_refuses_an_app_whose_module_patches(
    processes: Processes, sqlite_env: None, runner_cls: str, patch: str
) -> None:
    text, words = PATCHES[patch]
    _write("patched.py", text + APP)
    runner = processes.runner("patched", PYNENC__RUNNER_CLS=runner_cls)
    assert runner.wait() == 1
    assert f"{runner_cls} cannot run in a process in which {words}" in runner.output()
    assert "start the runner without it" in runner.output()


@pytest.mark.parametrize("patch", PATCHES)
def test_a_patch_of_any_part_that_a_runner_needs_is_refused(processes: Processes, sqlite_env: None, patch: str) -> None:
    text, words = PATCHES[patch]
    _write("patched.py", text + APP)
    runner = processes.runner("patched", PYNENC__RUNNER_CLS="ThreadRunner")
    assert runner.wait() == 1
    assert words in runner.output()


def test_a_module_with_tasks_that_patches_is_found_as_well(processes: Processes, sqlite_env: None) -> None:
    _write("shop_app.py", APP)
    _write("patches.py", GEVENT + "from shop_app import app\n\n@app.task\ndef two() -> int:\n    return 2\n")
    runner = processes.runner("shop_app", PYNENC__RUNNER_CLS="ThreadRunner")
    assert runner.wait() == 1
    assert "gevent has patched threading" in runner.output()


@pytest.mark.parametrize("module", ["gevent", "gevent.monkey", "eventlet", "eventlet.patcher"])
def test_a_program_that_imports_without_patching_is_served(
    processes: Processes, sqlite_env: None, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write("uses.py", f"import {module}\n" + APP)
    runner = processes.runner("uses", PYNENC__RUNNER_CLS="ThreadRunner")
    client = processes.python(
        "-c", "import uses; print('got', uses.one().get_result(timeout=60))", PYTHONPATH=os.getcwd()
    )
    client.await_output("got 1")
    assert runner.process.poll() is None


def test_a_program_that_patches_only_time_is_served(processes: Processes, sqlite_env: None) -> None:
    _write("uses.py", "from gevent import monkey\nmonkey.patch_time()\n" + APP)
    runner = processes.runner("uses", PYNENC__RUNNER_CLS="ThreadRunner")
    client = processes.python(
        "-c", "import uses; print('got', uses.one().get_result(timeout=60))", PYTHONPATH=os.getcwd()
    )
    client.await_output("got 1")
    assert runner.process.poll() is None


CLIENT = """
import {library}
from support import flags, jobs
from pynenc.exceptions import InvocationTimeoutError

def open_the_gate():
    flags.await_flag("gate-started")
    flags.raise_flag("gate", "open")

held = jobs.basics.until("gate")
try:
    held.get_result(timeout=0.05)
except InvocationTimeoutError:
    print("in time")
waits = [{library}.spawn(held.get_result, 60) for _ in range(15)]
waits.append({library}.spawn(lambda: jobs.basics.add.parallelize([(1, 2)]).get_results(60)))
{library}.spawn(open_the_gate)
print([wait.{get}() for wait in waits] == ["open"] * 15 + [[3]])
"""


@pytest.mark.parametrize(("library", "patch", "get"), [("gevent", GEVENT, "get"), ("eventlet", EVENTLET, "wait")])
def test_a_client_waits_beside_its_greenlets(
    processes: Processes, shared_env: None, library: str, patch: str, get: str
) -> None:
    processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__MAX_THREADS="4")
    client = processes.python("-c", patch + CLIENT.format(library=library, get=get))
    assert client.wait() == 0, client.output()
    assert client.output().splitlines()[-2:] == ["in time", "True"], client.output()
