"""Apps on one store: each has its own invocations, counts, keys and runners."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support.worlds import STORES, StoreKind, set_environment

from pynenc import Pynenc
from pynenc.exceptions import InvocationNotFoundError
from pynenc.runner import ThreadRunner

SHARED = [store for store in STORES if store.shared]


def echo(text: str) -> str:
    return text


@pytest.fixture(params=SHARED, ids=[store.name for store in SHARED])
def apps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Two apps on one file or server, with a task of the same name."""
    store: StoreKind = request.param
    set_environment(monkeypatch, tmp_path, store)
    monkeypatch.delenv("PYNENC__APP_ID")
    made = []
    for number in (1, 2):
        app = Pynenc(app_id=f"{tmp_path.name}-{number}")
        made.append((app, app.task(echo)))
    return made


def test_apps_on_one_store_run_count_and_purge_only_their_own_work(apps: Any) -> None:
    (a, echo_a), (b, echo_b) = apps
    of_a, of_b = echo_a("a"), echo_b("b")
    assert (a.orchestrator.count_invocations(), b.orchestrator.count_invocations()) == (1, 1)
    with pytest.raises(InvocationNotFoundError):
        b.orchestrator.get_invocation_status(of_a.invocation_id)
    runner = ThreadRunner(a)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        assert of_a.result == "a"
        assert echo_a("again").result == "again"
        assert of_b.status.name == "REGISTERED", "the runner of the other app has not taken it"
    finally:
        runner.stop_runner_loop()
        thread.join(30)
    a.purge()
    assert (a.orchestrator.count_invocations(), b.orchestrator.count_invocations()) == (0, 1)
    assert b.broker.count_invocations() == 1
