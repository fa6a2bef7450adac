"""Looks for awaits that take long are few, however many there are and whenever they have begun."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc._wait.loops import LoopWaits

BEGUN_EVERY_SEC = 0.0015


class _Selector(selectors.SelectSelector):
    """Advances the time of the loop instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """Its time passes as soon as nothing else is to be done."""

    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.now


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of the polls for awaits, by the clock of the loop."""
    moments: list[float] = []
    say_why_late = LoopWaits.say_why_late

    def counted(waits: LoopWaits, before: float) -> float | None:
        moments.append(asyncio.get_running_loop().time())
        return say_why_late(waits, before)

    monkeypatch.setattr(LoopWaits, "say_why_late", counted)
    return moments


@pytest.mark.parametrize("patience_sec", [0.5, 5.0, 20.0])
def test_awaits_begun_one_after_the_other_are_looked_at_now_and_then(
    sqlite_env: None, looks: list[float], patience_sec: float
) -> None:
    jobs = load_jobs()
    jobs.app.conf.wait_warning_sec = patience_sec
    invocation = jobs.basics.add(1, 2)

    async def begin(number: int) -> None:
        await asyncio.sleep(number * BEGUN_EVERY_SEC)
        await invocation

    async def main() -> None:
        awaits = [asyncio.create_task(begin(number)) for number in range(2000)]
        await asyncio.sleep(patience_sec + 10)
        for one in awaits:
            one.cancel()
        await asyncio.gather(*awaits, return_exceptions=True)

    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main())
    assert looks[0] == pytest.approx(patience_sec), "not before the first is late"
    pace = max(8.0, patience_sec / 5)
    assert all(later - earlier >= pace - 1e-6 for earlier, later in itertools.pairwise(looks)), looks
    assert len(looks) >= 2, "those that began later are looked at too"


def test_a_loop_without_awaits_polls_nothing(sqlite_env: None, looks: list[float]) -> None:
    jobs = load_jobs()
    invocation = jobs.basics.add(1, 2)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(invocation.async_result(), 1)
        await asyncio.sleep(60)

    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main())
    assert looks == []
