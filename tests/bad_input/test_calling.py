"""A call that cannot work is refused at the call, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import World, load_jobs

from pynenc.exceptions import PayloadTooLargeError, SerializationError

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("add", (1,), {}),
        ("add", (), {}),
        ("add", (1, 2, 3), {}),
        ("add", (1,), {"c": 2}),
        ("add", (1, 2), {"b": 3}),
        ("nothing", (1,), {}),
        ("shapes", (1,), {}),
        ("shapes", (), {"keyword": 1}),
        ("note", (), {"tag": "a", "other": 1}),
    ],
)
def test_wrong_arguments_raise_the_type_error_of_python(
    world: World, refused: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    task = getattr(world.jobs.basics, name)
    with pytest.raises(TypeError) as pythons:
        task.func(*args, **kwargs)
    with refused(TypeError) as ours:
        task(*args, **kwargs)
    assert str(ours.value) == str(pythons.value)


def test_wrong_arguments_are_refused_in_a_batch_too(world: World, refused: Any) -> None:
    with refused(TypeError):
        world.jobs.basics.add.parallelize([{"a": 1, "b": 2}, {"a": 1}])


def test_an_argument_that_cannot_be_serialised_is_named(world: World, refused: Any) -> None:
    task = world.jobs.faults.take_anything
    with refused(SerializationError) as raised:
        task(1, second=world.jobs.faults.Opaque())
    for part in ("take_anything", "second", "Opaque"):
        assert part in str(raised.value)


def test_an_argument_that_cannot_be_serialised_is_named_in_a_batch(world: World, refused: Any) -> None:
    task = world.jobs.faults.take_anything
    with refused(SerializationError) as raised:
        task.parallelize([(1,), (world.jobs.faults.Opaque(),)])
    assert "first" in str(raised.value)


def test_arguments_above_the_default_limit_are_refused(world: World, refused: Any) -> None:
    task = world.jobs.faults.take_anything
    with refused(PayloadTooLargeError) as raised:
        task("x" * (8 * MEBIBYTE + 1))
    assert "take_anything" in str(raised.value)
    assert isinstance(raised.value, SerializationError)


def test_arguments_below_the_default_limit_pass(world: World) -> None:
    text = "x" * (8 * MEBIBYTE - 1024)
    invocation = world.jobs.faults.take_anything(text)
    world.start()
    assert invocation.result == text


def test_the_limit_can_be_configured(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__MAX_PAYLOAD_BYTES", "1000")
    monkeypatch.setenv("PYNENC__APP_ID", "with-a-small-limit")
    jobs = load_jobs()
    with pytest.raises(PayloadTooLargeError, match="1000"):
        jobs.faults.take_anything("x" * 1000)
    assert jobs.app.orchestrator.count_invocations() == 0
    assert jobs.faults.take_anything("x" * 900).invocation_id


def test_arguments_nested_too_deep_are_refused_not_crashed_on(world: World, refused: Any) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with refused(SerializationError) as raised:
        world.jobs.faults.take_anything(nested)
    assert "first" in str(raised.value)


def test_an_argument_that_contains_itself_is_refused(world: World, refused: Any) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with refused(SerializationError):
        world.jobs.faults.take_anything(loop)
