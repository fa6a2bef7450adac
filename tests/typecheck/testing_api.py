"""What a type checker sees of `pynenc.testing`. Never run: `make lint` checks it with mypy --strict."""

from typing import Any, assert_type

from pynenc import Pynenc
from pynenc.testing import AppTest, IsolateApp, StartRunner, isolated

app = Pynenc(app_id="typecheck")


@app.task
def work(x: int, y: str = "") -> float:
    return x + len(y)


def asserting(test: AppTest) -> None:
    """Assertions check the arguments as calls do, and know the result."""
    assert_type(test.assert_submitted(work, 1, y="a").result, float)
    assert_type([one.result for one in test.submitted(work)], list[float])
    assert_type([one.result for one in test.drain(limit=3)], list[Any])
    test.assert_not_submitted(work)
    test.assert_submitted(work, "wrong")  # type: ignore[arg-type]
    test.assert_submitted(work, 1, z=2)  # type: ignore[call-arg]


def isolating(pynenc_test: IsolateApp, pynenc_runner: StartRunner) -> None:
    """The context manager and the fixtures."""
    with isolated(app, "sqlite", max_depth=3) as test:
        assert_type(test, AppTest)
    assert_type(pynenc_test(app, manual_clock=True), AppTest)
    pynenc_runner(app, max_threads=2)
    pynenc_test("shop")  # type: ignore[arg-type]
