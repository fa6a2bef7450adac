"""Which modules a runner imports when it starts, in folders and packages as users lay them out."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.modules import forgotten_modules, write_file
from support.processes import Child, Processes

from pynenc import Pynenc
from pynenc._tasks.modules import modules_with
from pynenc._tasks.sources import find_task_modules

APP = "from pynenc import Pynenc\n\napp = Pynenc()\n"
JOB = "from {origin} import {names}\n\n@{decorator}\ndef job() -> str:\n    return __name__\n"
TRAP = "from support import flags\nflags.raise_flag('sprung', __name__)\n"
RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]


@pytest.fixture(autouse=True)
def modules_are_forgotten(sqlite_env: None) -> Iterator[None]:
    """Imports of a test do not affect the next test."""
    with forgotten_modules():
        yield


def _write(files: dict[str, str]) -> None:
    for name, text in files.items():
        write_file(name, text)


def _job(origin: str, names: str = "app", decorator: str = "app.task") -> str:
    return JOB.format(origin=origin, names=names, decorator=decorator)


FLAT = {"shop_app.py": APP, "mail.py": _job("shop_app"), "below/__init__.py": "", "below/deep.py": _job("shop_app")}
PACKAGE = {
    "shop/__init__.py": "",
    "shop/app.py": APP,
    "shop/mail.py": _job("shop.app"),
    "shop/sub/relative.py": _job("..app"),
    "shop/sub/__init__.py": "",
    "shop/sub/deeper/no_init.py": _job("shop.app"),
}
LAYOUTS: dict[str, tuple[dict[str, str], str, str, list[str]]] = {
    "flat": (FLAT, "shop_app", ".", ["mail", "below.deep"]),
    "flat-by-file": (FLAT, "shop_app.py", ".", ["mail", "below.deep"]),
    "package": (PACKAGE, "shop.app", ".", ["shop.mail", "shop.sub.relative", "shop.sub.deeper.no_init"]),
    "package-by-file": (PACKAGE, "shop/app.py", ".", ["shop.mail", "shop.sub.relative", "shop.sub.deeper.no_init"]),
    "src": (
        {f"src/{name}": text for name, text in PACKAGE.items()},
        "src/shop/app.py",
        "src",
        ["shop.mail", "shop.sub.relative", "shop.sub.deeper.no_init"],
    ),
    "app-of-the-package": (
        {"shop/__init__.py": "from shop.core import app\n", "shop/core.py": APP, "shop/mail.py": _job("shop")},
        "shop",
        ".",
        ["shop.mail"],
    ),
}


def _submit(task_ids: list[str], root: str) -> list[Any]:
    """Call the tasks from here, where their modules are imported as a client does."""
    sys.path.insert(0, str(Path(root).absolute()))
    return [importlib.import_module(task_id).job() for task_id in task_ids]


def _stop(runner: Child) -> str:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    return runner.output()


@pytest.mark.parametrize("runner_cls", RUNNERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_runner_knows_the_tasks_beside_its_app(processes: Processes, layout: str, runner_cls: str) -> None:
    files, spec, root, modules = LAYOUTS[layout]
    _write(files)
    runner = processes.runner(spec, PYNENC__RUNNER_CLS=runner_cls)
    invocations = _submit(modules, root)
    assert [invocation.get_result(timeout=60) for invocation in invocations] == modules
    output = _stop(runner)
    for module in modules:
        assert f"{module} (1)" in output


def test_a_module_without_a_decorator_of_the_app_is_not_imported(processes: Processes, tmp_path: Path) -> None:
    _write(
        {
            **PACKAGE,
            "shop/plain.py": TRAP,
            "shop/__main__.py": TRAP + _job("shop.app"),
            "shop/elsewhere.py": TRAP + "from other import app\n@app.task\ndef job() -> None: ...\n",
            "shop/own.py": TRAP + "from pynenc import Pynenc\napp = Pynenc('own')\n@app.task\ndef job() -> None: ...\n",
            "shop/nested.py": TRAP + "from shop.app import app\ndef make():\n    @app.task\n    def job(): ...\n",
            "shop/text.py": TRAP + "text = '''\nfrom shop.app import app\n@app.task\ndef job(): ...\n'''\n",
            "beside.py": TRAP + _job("shop.app"),
        }
    )
    runner = processes.runner("shop.app", PYNENC__RUNNER_CLS="ThreadRunner")
    [invocation] = _submit(["shop.mail"], ".")
    assert invocation.get_result(timeout=60) == "shop.mail"
    _stop(runner)
    assert not flags.is_raised("sprung"), flags.flag_text("sprung")


@pytest.mark.parametrize("how", ["setting", "option"])
@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner"])
def test_modules_elsewhere_on_the_path_are_listed(
    processes: Processes, tmp_path: Path, how: str, runner_cls: str
) -> None:
    _write({**PACKAGE, "second/more.py": _job("shop.app"), "second/most.py": _job("shop.app")})
    both = {"PYTHONPATH": f"{tmp_path}:{tmp_path / 'second'}:{Path(__file__).parent.parent}"}
    if how == "setting":
        runner = processes.runner("shop.app", PYNENC__TASK_MODULES="more, most", PYNENC__RUNNER_CLS=runner_cls, **both)
    else:
        start = ["--app", "shop.app", "runner", "start", "--runner", runner_cls, "--import", "more", "--import", "most"]
        runner = processes.python("-m", "pynenc", *start, **both)
    sys.path.insert(0, str(tmp_path))
    invocations = _submit(["more", "most"], "second")
    assert [invocation.get_result(timeout=60) for invocation in invocations] == ["more", "most"]
    _stop(runner)


def test_a_listed_module_that_does_not_exist_ends_the_start_and_names_the_setting(processes: Processes) -> None:
    _write(FLAT)
    runner = processes.runner("shop_app", PYNENC__TASK_MODULES="nowhere", PYNENC__RUNNER_CLS="ThreadRunner")
    assert runner.wait() == 1
    assert "ConfigPynenc.task_modules: there is no module 'nowhere'" in runner.output()
    assert "PYNENC__TASK_MODULES" in runner.output()


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_module_that_fails_or_hangs_at_the_start_is_named_and_the_runner_goes_on(
    processes: Processes, runner_cls: str
) -> None:
    hangs = "import threading\nthreading.Event().wait()\n"
    _write(
        {
            **FLAT,
            "hangs.py": _job("shop_app") + hangs,
            "leaves.py": _job("shop_app") + "raise SystemExit(3)\n",
            "breaks.py": _job("shop_app") + "import no_such_thing\n",
            "bad.py": "from shop_app import app\n@app.task\ndef job(:\n",
        }
    )
    runner = processes.runner("shop_app", PYNENC__RUNNER_CLS=runner_cls, PYNENC__TASK_IMPORT_LIMIT_SEC="0.5")
    [invocation] = _submit(["mail"], ".")
    assert invocation.get_result(timeout=60) == "mail"
    output = _stop(runner)
    assert "importing module hangs goes on at " in output
    assert "given up after 0.5 s" in output
    assert "importing module leaves failed with SystemExit: 3" in output
    assert "importing module breaks failed with ModuleNotFoundError: No module named 'no_such_thing'" in output
    assert "bad.py cannot be read: SyntaxError" in output


def test_a_task_that_is_registered_late_is_found(sqlite_env: None) -> None:
    _write({"late_app.py": APP, "late.py": "def job() -> int:\n    return 1\n"})
    sys.path.insert(0, str(Path.cwd()))
    app = importlib.import_module("late_app").app
    late = importlib.import_module("late")
    with pytest.raises(Exception, match="module late is imported, but registers no task of this name"):
        app.get_task("late.job")
    task = app.task(late.job)
    assert app.get_task("late.job") is task


# -- what reading finds ------------------------------------------------------------------------------------------------

FORMS = {
    "a call": ("from shop.app import app\ndef job(): ...\njob = app.task(job)\n", True),
    "with options": ("from shop.app import app\n@app.task(max_retries=3)\ndef job(): ...\n", True),
    "direct": ("from shop.app import app\n@app.direct_task\ndef job(): ...\n", True),
    "a coroutine": ("from shop.app import app\n@app.task\nasync def job(): ...\n", True),
    "another name": ("from shop.app import app as shop_tasks\n@shop_tasks.task\ndef job(): ...\n", True),
    "the module": ("import shop.app\n@shop.app.app.task\ndef job(): ...\n", True),
    "the module renamed": ("import shop.app as a\n@a.app.task\ndef job(): ...\n", True),
    "from the package": ("from shop import app\n@app.app.task\ndef job(): ...\n", True),
    "relative": ("from .app import app\n@app.task\ndef job(): ...\n", True),
    "an alias": ("from shop.app import app\nbus = app\n@bus.task\ndef job(): ...\n", True),
    "the decorator itself": ("from shop.app import app\ntask = app.task\n@task\ndef job(): ...\n", True),
    "partial": (
        "import functools\nfrom shop.app import app\ntask = functools.partial(app.task, max_retries=1)\n"
        "@task()\ndef job(): ...\n",
        True,
    ),
    "over another module": ("from shop.exports import bus\n@bus.task\ndef job(): ...\n", True),
    "over a star": ("from shop.stars import *\n@app.task\ndef job(): ...\n", True),
    "in a condition": ("from shop.app import app\nif True:\n    @app.task\n    def job(): ...\n", True),
    "in try": ("try:\n    from shop.app import app\nexcept ImportError:\n    raise\n@app.task\ndef job(): ...\n", True),
    "made again": ("from pynenc import Pynenc\napp = Pynenc()\n@app.task\ndef job(): ...\n", True),
    "of another app": ("from pynenc import Pynenc\napp = Pynenc('x')\n@app.task\ndef job(): ...\n", False),
    "of something else": ("from celery import app\n@app.task\ndef job(): ...\n", False),
    "in a function": ("from shop.app import app\ndef make():\n    app.task(print)\n", False),
    "only mentioned": ("from shop.app import app\napp.task\n# @app.task\n", False),
    "no task": ("from shop.app import app\n@app.register_exception\nclass E(Exception): ...\n", False),
    "a circle": ("from shop.job import app\n@app.task\ndef job(): ...\n", False),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_use_of_a_decorator_is_recognised_in_every_form(form: str) -> None:
    text, expected = FORMS[form]
    _write(
        {
            "shop/__init__.py": "",
            "shop/app.py": APP,
            "shop/job.py": text,
            "shop/exports.py": "from .app import app\nbus = app\n",
            "shop/stars.py": "from shop.app import *\n",
        }
    )
    sys.path.insert(0, str(Path.cwd()))
    app: Pynenc = importlib.import_module("shop.app").app
    found = find_task_modules(app._runtime, modules_with(app._runtime))
    assert ("shop.job" in found.modules) is expected
    assert found.problems == []
    assert "shop.job" not in sys.modules


def test_the_folder_of_installed_packages_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write({"site-packages/lone_app.py": APP, "site-packages/neighbour.py": _job("lone_app")})
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(folder)
    app: Pynenc = importlib.import_module("lone_app").app
    from pynenc._tasks import sources as _task_sources

    assert find_task_modules(app._runtime, ["lone_app"]).modules == ["neighbour"]
    monkeypatch.setattr("site.getsitepackages", lambda: [str(folder)])
    _task_sources._installed.cache_clear()
    try:
        assert find_task_modules(app._runtime, ["lone_app"]).modules == []
    finally:
        monkeypatch.undo()
        _task_sources._installed.cache_clear()


def test_modules_that_are_imported_by_others_meanwhile_do_not_disturb_the_search() -> None:
    """The collector may run code amid a walk over the modules, and that code may import."""
    import gc
    import types

    _write({"gc_app.py": APP})
    sys.path.insert(0, str(Path.cwd()))
    app: Pynenc = importlib.import_module("gc_app").app
    made: list[str] = []

    def disturb(phase: str, info: dict[str, int]) -> None:
        if len(made) > 500:
            return
        name = f"made_{len(made)}"
        made.append(name)
        sys.modules[name] = types.ModuleType(name)

    before = gc.get_threshold()
    gc.callbacks.append(disturb)
    gc.set_threshold(1)
    try:
        for _ in range(3):
            assert "gc_app" in modules_with(app._runtime)
            app.state_backend.get_app_info()
            with pytest.raises(Exception, match="not imported"):
                app.get_task("nowhere.job")
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(disturb)
        for name in made:
            sys.modules.pop(name, None)
    assert made
