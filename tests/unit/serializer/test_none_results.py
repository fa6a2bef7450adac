"""None where the annotation of the result does not take it: the invocation fails, whether somebody reads it or not."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.testing import isolated

app = Pynenc("none-results")


@app.task
def number() -> int:
    return None  # type: ignore[return-value]


@app.task
def numbers() -> list[int]:
    return None  # type: ignore[return-value]


@app.task
def pair() -> tuple[int, str]:
    return None  # type: ignore[return-value]


@app.task
def nothing() -> None:
    return None


@app.task
def anything() -> Any:
    return None


@app.task
def perhaps() -> Optional[int]:  # noqa: UP045
    return None


@app.task
def text_or_none() -> str | None:
    return None


@app.task
def not_annotated():  # type: ignore[no-untyped-def]
    return None


@pytest.mark.parametrize("task", [number, numbers, pair], ids=str)
@pytest.mark.parametrize("dev_mode", [False, True])
def test_a_none_result_fails_at_the_end_of_the_body(task: Any, dev_mode: bool) -> None:
    with isolated(app, dev_mode_force_sync_tasks=dev_mode) as test:
        invocation = task()
        if not dev_mode:
            test.drain()
        assert invocation.status == "failed"
        with pytest.raises(SerializationError, match=r"does not fit the annotation: Expected .*, got `null`"):
            invocation.get_result(timeout=30)


@pytest.mark.parametrize("task", [nothing, anything, perhaps, text_or_none, not_annotated], ids=str)
def test_a_none_result_succeeds_if_the_annotation_accepts_it(task: Any) -> None:
    with isolated(app) as test:
        invocation = task()
        test.drain()
        assert invocation.status == "success"
        assert invocation.get_result(timeout=30) is None
