"""A zygote whose import of the app fails."""

from __future__ import annotations

from pathlib import Path

from support.processes import Processes


def test_an_app_that_cannot_be_imported_in_a_worker_ends_the_runner_with_the_reason(
    processes: Processes, sqlite_env: None, tmp_path: Path
) -> None:
    module = tmp_path / "only_once.py"
    module.write_text(
        "import os\nfrom pynenc import Pynenc\n"
        "if os.environ.get('SEEN'):\n    raise RuntimeError('not a second time')\n"
        "os.environ['SEEN'] = '1'\napp = Pynenc()\n\n@app.task\ndef one() -> int:\n    return 1\n"
    )
    runner = processes.runner(str(module), PYNENC__RUNNER_CLS="PersistentProcessRunner")
    assert runner.wait() == 1
    assert runner.output().count("next attempt in") == 2
    assert "gives up after 3 attempts in a row" in runner.output()
    assert "RuntimeError: not a second time" in runner.output()
