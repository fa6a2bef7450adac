"""Records that no client has written: they fail with a typed error, and the runner continues."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.worlds import RUNNERS, World

from pynenc import _core
from pynenc.exceptions import SerializationError

_READS = "support.jobs.basics.add"


@pytest.fixture(params=[kind.name for kind in RUNNERS], autouse=True)
def canary(request: pytest.FixtureRequest, world: World) -> Iterator[None]:
    """On each kind of runner; after every message the same runner still works, and leaves nothing running."""
    world.runner_kind = next(kind for kind in RUNNERS if kind.name == request.param)
    world.start(slots=1)
    yield
    assert world.jobs.basics.add(20, 22).get_result(timeout=30) == 42
    assert world.errors == []
    assert world.app.orchestrator.count_invocations(statuses=["running", "pending", "paused"]) == 0


MESSAGES: dict[str, tuple[bytes, type[Exception], str]] = {
    "nothing": (b"", SerializationError, "nothing at all"),
    "random bytes": (b"\xfe\xed\x00\xff\x80", SerializationError, "unknown serializer"),
    "bytes that are no text": (b"\x01\xff\xfe\x00\x80", SerializationError, f"task {_READS}"),
    "cut off": (b'\x01{"a":20,"b":2', SerializationError, f"task {_READS}"),
    "more after the end": (b'\x01{"a":20,"b":22}}', SerializationError, f"task {_READS}"),
    "no names": (b"\x01[20,22]", SerializationError, f"task {_READS}"),
    "other names": (b'\x01{"x":20,"y":22}', SerializationError, f"task {_READS}"),
    "one too many": (b'\x01{"a":20,"b":22,"c":1}', SerializationError, f"task {_READS}"),
    "one missing": (b'\x01{"a":20}', TypeError, "add() missing 1 required positional argument: 'b'"),
    "of another type": (b'\x01{"a":"twenty","b":22}', SerializationError, f"task {_READS}"),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_arguments_that_cannot_be_read_fail_the_task_and_say_so(world: World, kind: str) -> None:
    payload, error, text = MESSAGES[kind]
    store, app = world.app._runtime.store, world.app
    assert app._runtime.codec.encode_arguments(world.jobs.basics.add, {"a": 1, "b": 2}) == b'\x01{"a":1,"b":2}'
    [(invocation_id, _)] = store.submit(_core.TaskSpec(_READS), [(payload, "", None, None)])
    invocation = app.state_backend.get_invocation(invocation_id)
    with pytest.raises(error) as raised:
        invocation.get_result(timeout=30)
    assert type(raised.value) is error
    assert text in str(raised.value)
    history = [str(entry.status) for entry in app.state_backend.get_history(invocation_id)]
    assert history == ["registered", "pending", "running", "failed"], "once, and without a retry"
