"""Signing keys change while processes of both sides run: nothing is lost or refused, until the old key is dropped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from support.processes import Child, Processes
from support.seals import NEW_KEY, OLD_KEY, sign
from support.worlds import load_jobs

from pynenc import Pynenc
from pynenc.exceptions import SignatureError

ORDER = [(OLD_KEY,), (OLD_KEY, NEW_KEY), (NEW_KEY, OLD_KEY), (NEW_KEY,)]
"""The lists of keys in the guide, one after the other; every process has a list before the next begins."""
CALLS = 15


class _Fleet:
    """Two runner processes and two clients, of which one at a time gets other keys."""

    def __init__(self, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
        self._processes, self._monkeypatch = processes, monkeypatch
        self.runners: list[Child] = []
        self.clients: list[Any] = []
        self.done = 0

    def start(self, keys: tuple[str, ...]) -> None:
        self.runners = [self._runner(keys) for _ in range(2)]
        self.clients = [self.client(keys) for _ in range(2)]

    def roll(self, keys: tuple[str, ...]) -> Iterator[str]:
        """Give `keys` to one process after the other."""
        for place in range(2):
            old, self.runners[place] = self.runners[place], self._runner(keys)
            old.send(signal.SIGTERM)
            assert old.wait() == 0
            yield f"runner {place} has {[key.partition(':')[0] for key in keys]}"
            self.clients[place] = self.client(keys)
            yield f"client {place} has them too"

    def client(self, keys: tuple[str, ...]) -> Any:
        """An app object with these keys."""
        Pynenc._clear_instances()
        sign(self._monkeypatch, *keys)
        return load_jobs()

    def submit(self) -> list[tuple[Any, int]]:
        """Calls by every client."""
        return [
            (invocation, 2 * number)
            for jobs in self.clients
            for number, invocation in enumerate(jobs.basics.add.parallelize([(n, n) for n in range(CALLS)]).invocations)
        ]

    def check(self, submitted: list[tuple[Any, int]]) -> None:
        """Every result is read by every client."""
        for invocation, expected in submitted:
            assert invocation.get_result(timeout=60) == expected
            for jobs in self.clients:
                assert jobs.app.state_backend.get_result(str(invocation.invocation_id)) == expected
            self.done += 1

    def refused(self) -> list[dict[str, int]]:
        return [jobs.app.refused_payloads for jobs in self.clients]

    def _runner(self, keys: tuple[str, ...]) -> Child:
        return self._processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__SIGNING_KEYS=",".join(keys))


def test_keys_roll_over_a_running_fleet_without_a_refusal(
    shared_env: None, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = _Fleet(processes, monkeypatch)
    fleet.start(ORDER[0])
    first, by_new = fleet.submit(), []
    fleet.check(first)
    pending = fleet.submit()
    for keys in ORDER[1:]:
        if keys == ORDER[-1]:
            # Before the old key is dropped, its signatures are no longer needed: all calls are done, and their results
            # are read.
            by_new = fleet.submit()
            fleet.check(by_new)
        for _step in fleet.roll(keys):
            # Submitted before this process was replaced.
            fleet.check(pending)
            pending = fleet.submit()
            assert fleet.refused() == [{}, {}]
    fleet.check(pending)
    assert fleet.done == 2 * CALLS * (1 + 4 * len(ORDER[1:]) + 1 + 1)
    assert "refused" not in processes.logs()
    for jobs in fleet.clients:
        with pytest.raises(SignatureError, match='key "2026-01", which is not in signing_keys'):
            jobs.app.state_backend.get_result(str(first[0][0].invocation_id))
        assert jobs.app.state_backend.get_result(str(by_new[0][0].invocation_id)) == by_new[0][1]


def test_a_runner_without_a_key_refuses_its_payloads_and_logs_it(
    shared_env: None, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = _Fleet(processes, monkeypatch)
    child = fleet._runner((OLD_KEY,))
    jobs = fleet.client((NEW_KEY, OLD_KEY))
    for invocation in [jobs.basics.add(n, n) for n in range(20)]:
        with pytest.raises(SignatureError, match='key "2026-07", which is not in signing_keys'):
            invocation.get_result(timeout=60)
    child.send(signal.SIGTERM)
    assert child.wait() == 0
    assert child.output().count("refused the arguments") == 1, "once a minute"
