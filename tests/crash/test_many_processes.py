"""20,000 no-op tasks from four clients over three runners on one store, compared with a ledger outside the store."""

from __future__ import annotations

import re
import signal

import pytest
from support.ledger import Ledger
from support.oracle import judge
from support.processes import Processes
from support.worlds import load_jobs

pytestmark = pytest.mark.alone

CLIENTS = 4
RUNNERS = 3
PER_CLIENT = 5_000
DEADLINE_SEC = 150.0

BUSY = re.compile(r"SQLITE_BUSY|database (table )?is locked|database is busy", re.IGNORECASE)


@pytest.mark.timeout(240)
def test_every_acknowledged_invocation_succeeds_exactly_once(
    shared_env: None, processes: Processes, ledger: Ledger
) -> None:
    runners = [processes.runner() for _ in range(RUNNERS)]
    clients = [
        processes.python("-m", "support.programs.submitter", f"client-{number}", str(PER_CLIENT))
        for number in range(CLIENTS)
    ]
    for client in clients:
        assert client.wait(DEADLINE_SEC) == 0, client.output()
    for runner in runners:
        runner.send(signal.SIGTERM)
    assert [runner.wait() for runner in runners] == [0] * RUNNERS

    app = load_jobs().app
    verdict = judge(app, ledger)
    print(verdict)
    assert verdict.acknowledged == CLIENTS * PER_CLIENT
    assert (verdict.lost, verdict.ghosts, verdict.double_results, verdict.duplicates) == (0, 0, 0, 0)
    assert verdict.unfinished == 0
    assert app.orchestrator.count_invocations(statuses=["success"]) == CLIENTS * PER_CLIENT
    assert len({event["pid"] for event in ledger.of_kind("run")}) == RUNNERS
    busy = [line for line in processes.logs().splitlines() if BUSY.search(line)]
    assert busy == []
