"""Outcomes, and how they are written while a store fails."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from pynenc import _core
from pynenc._execute import outcome
from pynenc._execute.outcome import MAX_DELAY_SEC, Outcome, settle_claim, unknown_task
from pynenc._tasks.unknown import UnknownTasks
from pynenc.exceptions import InvocationNotFoundError, InvocationStatusOwnershipError, StateBackendError
from pynenc.util.texts import NOTE_CHARS, describe


class Hostile(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even a text")


def _claim(releases: int = 0) -> _core.Claim:
    return _core.Claim(_core.new_invocation_id(), 1, "shop.pay", b"", None, 0, "default", 0, 0, releases)


@pytest.fixture
def app() -> Any:
    conf = SimpleNamespace(lease_sec=0.3, unknown_task_delay_sec=1.0, unknown_task_ttl=60.0)
    store = SimpleNamespace(history=lambda invocation_id: [])
    unknown_tasks = UnknownTasks()
    runtime = SimpleNamespace(store=store, kept=lambda make: unknown_tasks)
    return SimpleNamespace(conf=conf, logger=logging.getLogger("test"), _runtime=runtime)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time passes only by the pauses asked for."""
    taken: list[float] = []
    monkeypatch.setattr(outcome, "clock", SimpleNamespace(monotonic=lambda: sum(taken)))
    monkeypatch.setattr(outcome, "time", SimpleNamespace(sleep=taken.append))
    return taken


class FailingStore:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def settle(self, *args: Any, **kwargs: Any) -> int:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return int(answer)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (ValueError(), "ValueError"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (Hostile(), "Hostile: <its text cannot be made>"),
    ],
)
def test_an_exception_is_described_on_one_line(error: BaseException, text: str) -> None:
    assert describe(error) == text


def test_a_long_description_is_cut() -> None:
    assert len(describe(ValueError("x" * 10_000))) == NOTE_CHARS


def test_an_unknown_task_comes_back_later_each_time_but_never_much_later(app: Any) -> None:
    delays = [unknown_task(app, "me", _claim(releases), KeyError("shop.pay")).delay_sec for releases in (0, 1, 2, 50)]
    assert delays == [1.0, 2.0, 4.0, MAX_DELAY_SEC]
    given_back = unknown_task(app, "me", _claim(), KeyError("shop.pay"))
    assert given_back.kind == _core.RELEASE
    assert "task shop.pay is not known here" in given_back.note


def test_an_outcome_is_written_again_until_the_store_takes_it(app: Any, pauses: list[float]) -> None:
    app._runtime.store = FailingStore(StateBackendError("busy"), StateBackendError("busy"), _core.DONE)
    assert settle_claim(app, _claim(), Outcome(_core.SUCCESS, b""), None) == _core.DONE
    assert pauses == [0.05, 0.1]


def test_a_settlement_without_an_engine_gives_up_when_the_lease_is_over(app: Any, pauses: list[float]) -> None:
    app._runtime.store = FailingStore(StateBackendError("gone"))
    with pytest.raises(StateBackendError, match="gone"):
        settle_claim(app, _claim(), Outcome(_core.SUCCESS, b""), None)
    assert sum(pauses) <= app.conf.lease_sec


@pytest.mark.parametrize("error", [InvocationStatusOwnershipError("lost"), InvocationNotFoundError("id", "purged")])
def test_a_claim_that_is_gone_is_stale(app: Any, pauses: list[float], error: Exception) -> None:
    app._runtime.store = FailingStore(error)
    assert settle_claim(app, _claim(), Outcome(_core.SUCCESS, b""), None) == _core.STALE
    assert pauses == []
