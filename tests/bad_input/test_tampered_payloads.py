"""Signed payloads with one flipped bit in the store: none is accepted, and no body runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ledger import Ledger
from support.seals import NEW_KEY, flipped, forge, outcome_of, rewrite, sign
from support.worlds import RUNNERS, STORES, World, load_jobs, make_world

from pynenc import Pynenc, _core
from pynenc._execute.execution import execute
from pynenc.exceptions import InvocationAbandonedError, SignatureError

SAMPLES = 200


@pytest.fixture(params=STORES, ids=lambda store: store.name)
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A fresh store, an app that signs, and a ThreadRunner that the test may start."""
    sign(monkeypatch, NEW_KEY)
    world = make_world(request.param, RUNNERS[0], monkeypatch, tmp_path)
    yield world
    world.close()


def _texts(seed: int) -> list[str]:
    """Texts of many sizes; the longest are not stored in the record itself."""
    return [f"{number}-" + "x" * (number**2 // 8) for number in random.Random(seed).sample(range(SAMPLES), SAMPLES)]


def _all_refused(
    app: Any, invocations: list[Any], counts: dict[str, int], refusal: type[Exception] = SignatureError
) -> None:
    for invocation in invocations:
        with pytest.raises(refusal, match=str(invocation.invocation_id)):
            invocation.get_result(timeout=60)
    assert app.refused_payloads == counts


def _arguments(app: Any, invocations: list[Any]) -> list[tuple[str, bytes]]:
    """The ids and the stored arguments of queued invocations."""
    ids = [str(invocation.invocation_id) for invocation in invocations]
    return [(one, app._runtime.store.get(one).payload) for one in ids]


def test_flipped_arguments_are_refused_and_never_run(world: World, seed: int) -> None:
    app, note, random_ = world.app, world.jobs.basics.note, random.Random(seed)
    invocations = list(note.parallelize([(text,) for text in _texts(seed)]).invocations)
    if world.store.name == "memory":
        # No other process can write to this store; a runner treats such a claim in the same way.
        for claim in app._runtime.store.claim("rogue", SAMPLES, begin=True):
            fields = list(claim.__reduce__()[1])
            fields[3] = flipped(claim.payload, random_)
            outcome = execute(app._runtime, _core.Claim(*fields), app.runner._session.hooks)
            assert outcome.kind == _core.FAILURE
            app._runtime.store.settle(claim.invocation_id, claim.fence, outcome.kind, outcome.payload)
    else:
        arguments = _arguments(app, invocations)
        rewrite(world, [(one, payload, flipped(payload, random_)) for one, payload in arguments])
        world.start(slots=2)
    _all_refused(app, invocations, {"arguments": SAMPLES})
    assert Ledger.of_environment().events() == []


@pytest.mark.parametrize("world", [kind for kind in STORES if kind.name == "redis"], indirect=True, ids=["redis"])
def test_the_checksum_of_redis_notices_flipped_arguments_before_the_signature(world: World, seed: int) -> None:
    app, note, random_ = world.app, world.jobs.basics.note, random.Random(seed)
    invocations = list(note.parallelize([(text,) for text in _texts(seed)]).invocations)
    arguments = _arguments(app, invocations)
    rewrite(world, [(one, payload, flipped(payload, random_)) for one, payload in arguments], with_checksums=False)
    world.start(slots=2)
    _all_refused(app, invocations, {}, InvocationAbandonedError)
    assert Ledger.of_environment().events() == []


@pytest.mark.parametrize("kind", ["result", "exception"])
def test_flipped_outcomes_are_refused_by_their_reader(world: World, kind: str, seed: int) -> None:
    app, random_ = world.app, random.Random(seed)
    task = world.jobs.payloads.of_str if kind == "result" else world.jobs.faults.raise_value_error
    texts = _texts(seed)
    invocations: list[Any] = []
    if world.store.name == "memory":
        codec = app._runtime.codec
        for text in texts:
            invocation = task(text)
            invocations.append(invocation)
            if kind == "result":
                payload = codec.encode_result(task, text, invocation.invocation_id)
            else:
                payload = codec.encode_exception(task, ValueError(text), invocation.invocation_id)
            forge(app, invocation, _core.SUCCESS if kind == "result" else _core.FAILURE, flipped(payload, random_))
    else:
        world.start(slots=2)
        invocations += task.parallelize([(text,) for text in texts]).invocations
        outcomes = []
        for invocation in invocations:
            try:
                invocation.get_result(timeout=60)
            except ValueError:
                assert kind == "exception"
            outcomes.append((str(invocation.invocation_id), outcome_of(app, invocation)))
        world.stop()
        rewrite(world, [(one, payload, flipped(payload, random_)) for one, payload in outcomes])
        # A client that has not received the true outcomes with a notification.
        Pynenc._clear_instances()
        app = load_jobs().app
    read_again = [app.state_backend.get_invocation(str(invocation.invocation_id)) for invocation in invocations]
    _all_refused(app, read_again, {kind: SAMPLES})
