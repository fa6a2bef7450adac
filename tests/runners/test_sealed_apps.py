"""Keys and a codec that the code of an app has reach the worker processes of every runner."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.processes import Processes

APP = """
from support.codecs import Veiled
from support.seals import NEW_KEY

from pynenc import PynencBuilder

app = (
    PynencBuilder().app_id("sealed").sqlite("sealed.db").signing(NEW_KEY).payload_codec(Veiled()).build()
)


@app.task
def add(a: int, b: int) -> int:
    return a + b


@app.task
def fail(text: str) -> None:
    raise ValueError(text)
"""

CLIENT = """
from sealed_app import add, app, fail

invocation = add(20, 22)
payload = app._runtime.store.get(str(invocation.invocation_id)).payload
print(payload[:1] == bytes([6]) and b'"a"' not in payload, invocation.get_result(60))
try:
    fail("on purpose").get_result(60)
except ValueError as error:
    print(error)
"""

RUNNERS = ["ThreadRunner", "MultiThreadRunner", "PersistentProcessRunner", "ProcessRunner", "AsyncRunner"]


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_app_that_seals_in_its_code_runs_on(runner: str, processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "sealed_app.py").write_text(APP)
    served = processes.started_runner("sealed_app", PYNENC__RUNNER_CLS=runner)
    client = processes.python("-c", CLIENT)
    assert client.wait() == 0, client.output()
    assert client.output().split("\n")[:2] == ["True 42", "on purpose"]
    served.send(signal.SIGTERM)
    assert served.wait() == 0
    assert "refused" not in served.output()
