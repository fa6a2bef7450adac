"""Signed and encoded payloads: everything works as without them, and planted payloads are refused unread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.codecs import SECRET_WORD
from support.ledger import Ledger
from support.seals import NEW_KEY, OLD_KEY, PLANTED, forge, outcome_of, plant, sign
from support.worlds import World, combinations, make_world

from pynenc import _core
from pynenc.exceptions import (
    InvocationAbandonedError,
    InvocationConcurrencyWithDifferentArgumentsError,
    RetryError,
    SignatureError,
)


@pytest.fixture(params=combinations())
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A fresh store, and an app that signs and encodes its payloads."""
    sign(monkeypatch, NEW_KEY, OLD_KEY, codec="Veiled")
    store, runner_kind = request.param
    world = make_world(store, runner_kind, monkeypatch, tmp_path, roles=["worker"])
    yield world
    world.close()


def _refused(invocation: Any) -> SignatureError:
    with pytest.raises(SignatureError) as raised:
        invocation.get_result(timeout=30)
    assert str(invocation.invocation_id) in str(raised.value)
    return raised.value


def test_values_errors_retries_and_children_travel_sealed(world: World) -> None:
    jobs = world.jobs
    sent = jobs.payloads.of_str(SECRET_WORD)
    nothing = jobs.basics.nothing()
    failing = jobs.faults.raise_value_error(SECRET_WORD)
    retried = jobs.basics.ask_for_retry(2)
    exhausted = jobs.basics.ask_for_retry(9)
    many = jobs.basics.add.parallelize([(n, n) for n in range(30)])
    waiting = jobs.waits.wait_for(jobs.basics.add(20, 22))
    flags.raise_flag("a")
    limited = jobs.controls.one_at_a_time("a")
    registered = jobs.controls.once_per_key_or_error("key", 1)
    assert jobs.controls.once_per_key_or_error("key", 1).invocation_id == registered.invocation_id
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="value: registered 1, called with 2"):
        jobs.controls.once_per_key_or_error("key", 2)
    assert SECRET_WORD.encode() not in world.app._runtime.store.get(str(sent.invocation_id)).payload
    world.start(slots=2)
    assert sent.result == SECRET_WORD
    assert nothing.result is None
    assert retried.result == 2
    notes = [entry.note for entry in world.app.state_backend.get_history(retried.invocation_id)]
    assert "RetryError" in notes
    assert not [note for note in notes if "attempt" in note], "the message of an exception is encoded, or not stored"
    assert waiting.result == 42
    assert limited.result is not None
    assert sorted(many.results) == [2 * n for n in range(30)]
    with pytest.raises(ValueError, match=SECRET_WORD) as raised:
        failing.get_result(timeout=30)
    assert any("Traceback" in note for note in raised.value.__notes__)
    with pytest.raises(RetryError):
        exhausted.get_result(timeout=30)
    for invocation in (sent, nothing, failing):
        assert SECRET_WORD.encode() not in outcome_of(world.app, invocation)
    again = world.app.state_backend.get_invocation(sent.invocation_id)
    assert again.result == SECRET_WORD
    assert again.call.arguments.kwargs == {"value": SECRET_WORD}
    assert world.app.state_backend.get_result(sent.invocation_id) == SECRET_WORD
    assert type(world.app.state_backend.get_exception(failing.invocation_id)) is ValueError


def test_planted_arguments_are_refused_and_never_run(world: World) -> None:
    app, basics = world.app, world.jobs.basics
    elsewhere = app._runtime.store.get(str(basics.note("once").invocation_id)).payload
    planted = [
        plant(app, basics.note, b'\x01{"tag":"planted"}'),
        plant(app, basics.note, elsewhere),
        plant(app, basics.note, b""),
        plant(app, basics.note, elsewhere[:40]),
        plant(app, basics.add, elsewhere),
    ]
    world.start(slots=2)
    for invocation in planted:
        with pytest.raises(SignatureError, match="refused the arguments"):
            _ = app.state_backend.get_invocation(invocation.invocation_id).call.arguments
        _refused(invocation)
        history = [str(entry.status) for entry in app.state_backend.get_history(invocation.invocation_id)]
        assert history == ["registered", "pending", "running", "failed"], "once, and without a retry"
    assert basics.add(20, 22).get_result(timeout=30) == 42
    assert {event["tag"] for event in Ledger.of_environment().events()} <= {"once"}


def test_a_forged_outcome_is_refused_by_its_reader(world: World) -> None:
    app, basics = world.app, world.jobs.basics
    kinds = (_core.SUCCESS, _core.FAILURE)
    genuine = basics.add(1, 2)
    signed_arguments = app._runtime.store.get(str(genuine.invocation_id)).payload
    world.start(slots=2)
    assert genuine.result == 3
    copied = outcome_of(app, genuine)
    world.stop()
    for payload in (b"\x0142", b"\x04{}", b"", PLANTED, signed_arguments, copied, copied[:-1]):
        for outcome in kinds:
            victim = basics.add(20, 22)
            forge(app, victim, outcome, payload)
            before = app.refused_payloads
            kind = "result" if outcome == _core.SUCCESS else "exception"
            _refused(victim)
            again = app.state_backend.get_invocation(victim.invocation_id)
            _refused(again)
            view = app.state_backend.get_result if outcome == _core.SUCCESS else app.state_backend.get_exception
            with pytest.raises(SignatureError):
                view(victim.invocation_id)
            assert app.refused_payloads[kind] == before.get(kind, 0) + 3


def test_an_outcome_is_refused_under_the_other_status(world: World) -> None:
    app, basics = world.app, world.jobs.basics
    codec, task = app._runtime.codec, basics.add
    value = basics.add(20, 22)
    forge(app, value, _core.FAILURE, codec.encode_result(task, 42, value.invocation_id))
    error = basics.add(20, 22)
    forge(app, error, _core.SUCCESS, codec.encode_exception(task, ValueError("x"), error.invocation_id))
    _refused(value)
    _refused(error)


def test_a_reason_of_the_engine_is_text_that_is_never_decoded(world: World) -> None:
    app, basics = world.app, world.jobs.basics
    victim = basics.add(20, 22)
    (claim,) = app._runtime.store.claim("rogue", 1, begin=True)
    # A store that was written to from outside may contain this: no payload, and a reason in words.
    app._runtime.store.revoke("rogue", "\x01{}", 0)
    with pytest.raises(InvocationAbandonedError):
        victim.get_result(timeout=30)
    assert claim.invocation_id == victim.invocation_id
