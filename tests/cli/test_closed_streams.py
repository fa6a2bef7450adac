"""Commands and runners work with closed standard streams, and output of bodies is dropped."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.processes import child_environment
from support.worlds import load_jobs

CLOSED = {"stdout": ">&-", "stderr": "2>&-", "both": ">&- 2>&-", "all": "<&- >&- 2>&-"}


def _start(closed: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    line = f'exec "$0" "$@" {CLOSED[closed]}'
    return subprocess.Popen(
        ["/bin/sh", "-c", line, sys.executable, "-m", "pynenc", "--app", "support.jobs", *arguments],
        env=child_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("closed", CLOSED)
def test_show_config_ends_in_order_and_keeps_its_streams_apart(sqlite_env: None, closed: str) -> None:
    with _start(closed, "show_config") as command:
        out, err = command.communicate(timeout=60)
    assert (command.returncode, err) == (0, b"")
    if closed == "stderr":
        assert out.startswith(b"App location")


@pytest.mark.parametrize("closed", ["stdout", "stderr", "all"])
@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner"])
def test_a_runner_works_and_stops_in_order(shared_env: None, runner_cls: str, closed: str) -> None:
    jobs = load_jobs()
    with _start(closed, "runner", "start", PYNENC__RUNNER_CLS=runner_cls) as runner:
        try:
            assert jobs.streams.print_and_start_a_program("a text").get_result(timeout=60) == 0
            runner.send_signal(signal.SIGTERM)
            out, err = runner.communicate(timeout=60)
        finally:
            runner.kill()
    assert runner.returncode == 0, (out, err)
    assert b"Traceback" not in out + err


def test_a_program_of_the_users_logs_nothing_to_a_closed_stream(sqlite_env: None) -> None:
    code = (
        "import sys; sys.stderr = None\n"
        "from pynenc import Pynenc\n"
        "app = Pynenc()\n"
        "app.logger.error('nobody reads this')\n"
        "app._runtime.store\n"
        "print('done')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == (b"done\n", b"")
