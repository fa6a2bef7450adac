"""Which Python modules may know the extension, and that importing the package starts nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from support.processes import Processes

ROOT = Path(__file__).resolve().parent.parent.parent


def _checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_boundary", ROOT / "scripts" / "check_boundary.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_the_listed_modules_import_the_extension() -> None:
    checks = _checks()
    importers = {
        str(path.relative_to(checks.PACKAGE)) for path in checks.PACKAGE.rglob("*.py") if checks.imports_core(path)
    }
    assert importers <= checks.CORE_IMPORTERS


def test_importing_starts_no_thread_and_opens_no_file(processes: Processes) -> None:
    program = (
        "import os, threading, sys, importlib\n"
        "before = len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))\n"
        "import pynenc, pynenc.runner, pynenc.invocation\n"
        "app = pynenc.Pynenc(app_id='untouched')\n"
        "after = len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))\n"
        "assert before == after, (before, after)\n"
        "assert not os.path.exists('.pynenc')\n"
    )
    child = processes.python("-c", program)
    assert child.wait() == 0, child.output()
