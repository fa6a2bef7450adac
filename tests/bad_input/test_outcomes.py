"""Bodies that end in an unusual way fail, typed; the runner lives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.ledger import Ledger
from support.worlds import RUNNERS, World

from pynenc.exceptions import PayloadTooLargeError, RemoteError, SerializationError


@pytest.fixture(params=[kind.name for kind in RUNNERS], autouse=True)
def canary(request: pytest.FixtureRequest, world: World) -> Iterator[None]:
    """On each kind of runner; after every fault the same runner still works, and leaves nothing running."""
    world.runner_kind = next(kind for kind in RUNNERS if kind.name == request.param)
    world.start(slots=1)
    yield
    assert world.jobs.basics.add(20, 22).get_result(timeout=30) == 42
    assert world.errors == []
    assert world.app.orchestrator.count_invocations(statuses=["running", "pending", "paused"]) == 0


def _raised_by(invocation: Any, error: type[Exception]) -> Any:
    """Return the raised exception, which must be of exactly this class: `except` would also accept a subclass."""
    with pytest.raises(error) as raised:
        invocation.get_result(timeout=30)
    # Of a subclass with the recorded text where the exception cannot make it here.
    assert isinstance(raised.value, error)
    assert type(raised.value).__qualname__ == error.__qualname__
    assert str(invocation.status) == "failed"
    return raised.value


def test_a_result_that_cannot_be_serialised_fails_the_task(world: World) -> None:
    error = _raised_by(world.jobs.faults.return_opaque(), SerializationError)
    for part in ("return_opaque", "Opaque"):
        assert part in str(error)


def test_a_result_above_the_limit_fails_the_task(world: World) -> None:
    error = _raised_by(world.jobs.faults.return_megabytes(9), PayloadTooLargeError)
    assert "return_megabytes" in str(error)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("raise_unprintable", "UnprintableError"),
        ("raise_unreducible", "UnreducibleError"),
        ("raise_picky", "PickyError"),
        ("raise_lying_args", "_LyingArgs"),
    ],
)
def test_an_exception_that_cannot_be_written_down_still_fails_the_task(world: World, name: str, error: str) -> None:
    _raised_by(getattr(world.jobs.faults, name)(), getattr(world.jobs.faults, error))


def test_an_exception_with_an_argument_that_cannot_be_written_down_arrives_with_its_text(world: World) -> None:
    error = _raised_by(world.jobs.faults.raise_with_opaque_argument(), ValueError)
    assert "Opaque object" in str(error)


def test_an_exception_class_unknown_at_the_client_arrives_as_a_remote_error_that_names_it(world: World) -> None:
    error = _raised_by(world.jobs.faults.raise_hidden(), RemoteError)
    assert error.type_name == "support.jobs.hidden.HiddenError"
    assert "nobody knows me" in error.message
    assert any("raise_hidden" in note for note in error.__notes__)


@pytest.mark.parametrize(
    ("name", "arguments", "type_name"),
    [
        ("exit_with", (3,), "builtins.SystemExit"),
        ("exit_in_coroutine", (), "builtins.SystemExit"),
        ("raise_keyboard_interrupt", (), "builtins.KeyboardInterrupt"),
        ("raise_generator_exit", (), "builtins.GeneratorExit"),
        ("raise_base_exception", (), "support.jobs.faults.OddBaseException"),
    ],
)
def test_an_exception_that_would_end_the_client_arrives_as_a_remote_error(
    world: World, name: str, arguments: tuple[Any, ...], type_name: str
) -> None:
    error = _raised_by(getattr(world.jobs.faults, name)(*arguments), RemoteError)
    assert error.type_name == type_name


def test_endless_recursion_fails_the_task(world: World) -> None:
    _raised_by(world.jobs.faults.recurse_for_ever(), RecursionError)


def test_an_argument_that_does_not_fit_its_annotation_fails_the_task_and_the_body_does_not_run(world: World) -> None:
    task = world.jobs.faults.take_int
    with pytest.raises(SerializationError) as refused:
        task("no number")
    # As a client that knows another annotation would store it.
    [(invocation_id, _)] = world.app._runtime.store.submit(
        task._plan.spec, [(b'\x01{"number":"no number"}', "", None, None)], None, 0
    )
    error = _raised_by(world.app.state_backend.get_invocation(invocation_id), SerializationError)
    assert str(refused.value).startswith(str(error)), "the remedy is added at the call"
    for part in ("take_int", "number"):
        assert part in str(error)
    assert Ledger.of_environment().of_kind("body") == []


def test_a_result_that_does_not_fit_its_annotation_is_refused(world: World) -> None:
    with pytest.raises(SerializationError, match="return_text_as_int"):
        world.jobs.faults.return_text_as_int().get_result(timeout=30)
