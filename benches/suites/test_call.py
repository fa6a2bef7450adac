"""Step 1: what does a call cost before it reaches the store, and a body before it runs?"""

from __future__ import annotations

CALLS = 1_000


def test_bind_and_encode(measured, tasks) -> None:
    """Bind the arguments of a call and encode them."""
    task = tasks.keywords
    plan = task._plan

    def thousand() -> None:
        for number in range(CALLS):
            plan.encode(task._bind(number, "text", d=[1, 2, 3]))

    measured.rate(thousand, CALLS, rounds=20)


def test_decode_run_and_encode(measured, tasks) -> None:
    """Decode the arguments, run the body, encode the result."""
    task, codec = tasks.keywords, tasks.app._runtime.codec
    payload = task._plan.encode(task._bind(1, "text", d=[1, 2, 3]))[0]

    def thousand() -> None:
        for _ in range(CALLS):
            args, kwargs = task._apply(codec.decode_arguments(task, payload))
            codec.encode_result(task, task.func(*args, **kwargs))

    measured.rate(thousand, CALLS, rounds=20)


def pytest_generate_tests(metafunc) -> None:
    # No test here touches a store, so one kind is enough.
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", ["memory"])
