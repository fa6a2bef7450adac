"""A failed invocation of a group: one rule for `results` and `async_results`, on every store and in dev mode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from support.worlds import STORES, load_jobs, set_environment

NAMES = ("one", "two", "three")


@pytest.fixture(params=[*STORES, "dev"], ids=lambda kind: getattr(kind, "name", kind))
def group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    """Three invocations that have failed; in dev mode they run when asked for."""
    if request.param == "dev":
        monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", "1")
    set_environment(monkeypatch, tmp_path, STORES[0] if request.param == "dev" else request.param)
    jobs = load_jobs()
    group = jobs.faults.raise_value_error.parallelize([(name,) for name in NAMES])
    if request.param != "dev":
        for invocation in list(jobs.app.orchestrator.get_invocations_to_run(len(NAMES))):
            invocation.run()
    yield group
    jobs.app._runtime.store.close()


def test_an_async_iterator_goes_on_after_a_failed_member(group: Any) -> None:
    async def messages() -> list[str]:
        found: list[str] = []
        results = group.async_results()
        for _ in NAMES:
            try:
                async for value in results:
                    pytest.fail(f"a failed member gave {value!r}")
            except ValueError as error:
                found.append(str(error))
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        return found

    assert sorted(asyncio.run(messages())) == sorted(NAMES)


def test_return_exceptions_yields_the_exception_of_each_invocation(group: Any) -> None:
    async def collect() -> list[Any]:
        return [error async for error in group.async_results(return_exceptions=True)]

    for errors in (asyncio.run(collect()), list(group.results(return_exceptions=True))):
        assert sorted((type(error), str(error)) for error in errors) == sorted((ValueError, name) for name in NAMES)


def test_return_exceptions_false_as_a_call_is_refused(group: Any) -> None:
    with pytest.raises(TypeError, match="return_exceptions must be True"):
        group.results(return_exceptions=False)


def test_get_results_runs_every_invocation_before_it_raises_the_first_failure(group: Any) -> None:
    with pytest.raises(ValueError, match="one"):
        group.get_results()
    assert all(invocation.status.is_final() for invocation in group)


def test_an_async_iterator_that_is_closed_yields_no_more(group: Any) -> None:
    async def close() -> list[Any]:
        results = group.async_results(return_exceptions=True)
        await anext(results)
        await results.aclose()
        return [value async for value in results]

    assert asyncio.run(close()) == []
