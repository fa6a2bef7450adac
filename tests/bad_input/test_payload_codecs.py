"""A `PayloadCodec` that fails causes a typed error, never a hang, and the runner continues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.seals import NEW_KEY, sign
from support.worlds import RUNNERS, STORES, World, make_world

from pynenc.exceptions import PayloadCodecError, SerializationError


@pytest.fixture(params=[(kind.name, keys) for kind in RUNNERS for keys in ((), (NEW_KEY,))], ids=str)
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[World]:
    """Each kind of runner on SQLite, with and without signatures; afterwards it still works and nothing is left."""
    name, keys = request.param
    sign(monkeypatch, *keys, codec="Moody")
    monkeypatch.setenv("PYNENC__DECODE_LIMIT_SEC", "1")
    runner_kind = next(kind for kind in RUNNERS if kind.name == name)
    world = make_world(next(kind for kind in STORES if kind.name == "sqlite"), runner_kind, monkeypatch, tmp_path)
    world.start(slots=1)
    yield world
    assert world.jobs.basics.add(20, 22).get_result(timeout=60) == 42
    assert world.app.orchestrator.count_invocations(statuses=["running", "pending", "paused"]) == 0
    world.close()


def test_a_codec_that_fails_is_typed_and_stops_nothing(world: World) -> None:
    payloads, faults, app = world.jobs.payloads, world.jobs.faults, world.app
    before = app.orchestrator.count_invocations()
    for error in ("OSError", "MemoryError", "RecursionError"):
        with pytest.raises(PayloadCodecError, match=rf"Moody\.encode failed for the arguments .* raised {error}"):
            payloads.of_str(f"encode:{error}")
    assert app.orchestrator.count_invocations() == before, "nothing of a call that is refused is stored"

    arguments = payloads.of_str("decode:ValueError")
    with pytest.raises(PayloadCodecError, match=r"Moody\.decode failed for the arguments .* raised ValueError"):
        arguments.get_result(timeout=60)

    # Joined in the body: neither the arguments nor a line of source hold the command.
    result = payloads.joined(["encode", ":", "LookupError"])
    with pytest.raises(PayloadCodecError, match=r"Moody\.encode failed for the result .* raised LookupError"):
        result.get_result(timeout=60)

    unread = payloads.joined(["decode", ":", "ZeroDivisionError"])
    with pytest.raises(PayloadCodecError, match=r"Moody\.decode failed for the result .* raised ZeroDivisionError"):
        unread.get_result(timeout=60)

    unsaid = faults.raise_joined(["encode", ":", "KeyError"])
    with pytest.raises(PayloadCodecError, match="could not encode the exception"):
        unsaid.get_result(timeout=60)


def test_a_codec_that_does_not_end_is_given_up_after_the_limit_of_decoding(world: World) -> None:
    endless = world.jobs.payloads.of_str("decode:never")
    with pytest.raises(SerializationError, match=r"took longer to decode than decode_limit_sec \(1 s\)"):
        endless.get_result(timeout=60)


def test_a_codec_that_would_end_the_runner_fails_its_invocation(world: World) -> None:
    payloads = world.jobs.payloads
    for error in ("SystemExit", "KeyboardInterrupt"):
        for invocation in (payloads.of_str(f"decode:{error}"), payloads.joined(["encode", ":", error])):
            with pytest.raises(Exception, match="on purpose") as raised:
                invocation.get_result(timeout=60)
            assert error in f"{type(raised.value).__name__}: {raised.value}"
