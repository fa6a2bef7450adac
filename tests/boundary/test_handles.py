"""Misused handles of the extension raise an error and never crash."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pynenc import _core
from pynenc.exceptions import ConfigError, InvocationNotFoundError, StateBackendError


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[_core.Store]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'store.db'}"
    store = _core.Store.open(url)
    yield store
    store.close()


def _signer() -> _core.Signer:
    return _core.Signer("app", [("k", b"0123456789abcdef")])


WRONG_SHAPES: list[tuple[str, Callable[[Any], Any]]] = [
    ("a URL that is no text", lambda store: _core.Store.open(1)),
    ("a durability that is none", lambda store: _core.Store.open("memory://", durability="sometimes")),
    ("a life of results below zero", lambda store: _core.Store.open("memory://", result_ttl_sec=-1.0)),
    ("a life of results that is no number", lambda store: _core.Store.open("memory://", result_ttl_sec=float("nan"))),
    ("a task without a name", lambda store: _core.TaskSpec("")),
    ("a priority that is no number", lambda store: _core.TaskSpec("m.f", priority=float("nan"))),
    ("no room to run", lambda store: _core.TaskSpec("m.f", running_limit=-1)),
    ("a call that is no tuple", lambda store: store.submit(_core.TaskSpec("m.f"), [b"x"])),
    ("arguments as text", lambda store: store.submit(_core.TaskSpec("m.f"), [("x", "", None, None)])),
    ("a task as text", lambda store: store.submit("m.f", [(b"x", "", None, None)])),
    ("a parent that is no id", lambda store: store.submit(_core.TaskSpec("m.f"), [(b"x", "", None, None)], "nobody")),
    ("a delay below zero", lambda store: store.submit(_core.TaskSpec("m.f"), [(b"", "", None, None)], None, 0, -1.0)),
    (
        "an endless delay",
        lambda store: store.submit(_core.TaskSpec("m.f"), [(b"", "", None, None)], None, 0, float("inf")),
    ),
    ("fewer than no claims", lambda store: store.claim("me", -1)),
    ("a lease below zero", lambda store: store.claim("me", 1, (), -1.0)),
    ("an unknown outcome", lambda store: store.settle(_core.new_invocation_id(), 1, 99)),
    ("an unknown status", lambda store: store.count(statuses=["finished"])),
    ("a status as text", lambda store: store.count(statuses="success")),
    ("ids as one text", lambda store: store.terminals(_core.new_invocation_id())),
    ("no slots", lambda store: _core.Engine(store, "me", slots=0)),
    ("too many slots", lambda store: _core.Engine(store, "me", slots=2**31)),
    ("as many slots as a number can say", lambda store: _core.Engine(store, "me", slots=2**64 - 1)),
    ("an engine on no store", lambda store: _core.Engine(None, "me", slots=1)),
    ("a lease of nothing", lambda store: _core.Engine(store, "me", slots=1, lease_sec=0.0)),
    ("a signer without keys", lambda store: _core.Signer("app", [])),
    ("a signing key without an id", lambda store: _core.Signer("app", [("", b"secret")])),
    ("a signing key as one text", lambda store: _core.Signer("app", ["k:secret"])),
    ("a secret as text", lambda store: _core.Signer("app", [("k", "secret")])),
    ("a signer that is none", lambda store: _core.TaskSpec("m.f", signer=b"secret")),
    ("a signature for no id", lambda store: _signer().sign("m.f", "nobody", _core.RESULT, b"")),
    ("a signature for no kind", lambda store: _signer().sign("m.f", _core.new_invocation_id(), 9, b"")),
    ("an envelope for no kind", lambda store: _signer().open("m.f", _core.new_invocation_id(), -1, b"")),
    ("an envelope as text", lambda store: _signer().open("m.f", _core.new_invocation_id(), _core.RESULT, "x")),
    ("the age of no id", lambda store: _core.invocation_age_sec("yesterday")),
]


@pytest.mark.parametrize(("what", "use"), WRONG_SHAPES, ids=[what for what, _ in WRONG_SHAPES])
def test_arguments_of_the_wrong_shape_are_refused(store: _core.Store, what: str, use: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError, ConfigError)):
        use(store)
    assert store.count() == 0


@pytest.mark.parametrize("invocation_id", ["", "x", "01890a5d-ac96-774b-bcce-b302099a8057", "\ud800", "0" * 10_000])
def test_ids_that_nobody_has_are_not_found(store: _core.Store, invocation_id: str) -> None:
    for read in (store.get, store.status, store.history, lambda one: store.terminals([one])):
        with pytest.raises((InvocationNotFoundError, ValueError)):
            read(invocation_id)


def test_a_closed_store_says_so(store: _core.Store) -> None:
    store.close()
    store.close()
    for use in (store.count, lambda: store.submit(_core.TaskSpec("m.f"), [(b"", "", None, None)])):
        with pytest.raises((StateBackendError, RuntimeError)):
            use()


def test_handles_cannot_be_pickled_or_made_by_hand(store: _core.Store) -> None:
    engine = _core.Engine(store, "me", slots=1)
    alarm = _core.LoopAlarm()
    for handle in (store, engine, store.waiter([]), alarm, store.completions(alarm), _signer()):
        with pytest.raises(TypeError):
            pickle.dumps(handle)
    for cls in (_core.Store, _core.Waiter, _core.Completions, _core.Lending):
        with pytest.raises(TypeError):
            cls()  # type: ignore[call-arg]
    engine.close()


def test_a_claim_can_be_pickled(store: _core.Store) -> None:
    store.submit(_core.TaskSpec("m.f", queue="lane"), [(b"payload", "", None, None)])
    (claim,) = store.claim("me", 1)
    copy = pickle.loads(pickle.dumps(claim))
    names = [name for name in dir(claim) if not name.startswith("_")]
    assert [getattr(copy, name) for name in names] == [getattr(claim, name) for name in names]


def test_every_handle_refuses_to_be_used_in_a_forked_child(store: _core.Store) -> None:
    engine = _core.Engine(store, "me", slots=1)
    spec = _core.TaskSpec("m.f")
    ((invocation_id, _),) = store.submit(spec, [(b"", "", None, None)])
    (claim,) = engine.claim(1)
    waiter, alarm = store.waiter([invocation_id]), _core.LoopAlarm()
    completions = store.completions(alarm)
    lending = completions.lend(engine, claim, [invocation_id])
    uses: dict[str, Callable[[], Any]] = {
        "count": store.count,
        "submit": lambda: store.submit(spec, [(b"", "", None, None)]),
        "claim": lambda: store.claim("me", 1),
        "waiter": lambda: store.waiter([invocation_id]),
        "wait": lambda: waiter.wait(0.0),
        "alarm": alarm.take,
        "add": lambda: completions.add([invocation_id]),
        "lend": lambda: completions.lend(engine, claim, [invocation_id]),
        "end": lambda: lending.end(True),
        "engine claim": lambda: engine.claim(1),
        "engine next": engine.next,
        "engine start": engine.start,
    }
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            for name, use in uses.items():
                try:
                    use()
                    os.write(writing, f"{name}: allowed\n".encode())
                except RuntimeError:
                    pass
                except BaseException as error:
                    os.write(writing, f"{name}: {error!r}\n".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as said:
        assert said.read() == ""
    assert store.count() == 1
    engine.close()


def test_waits_from_many_threads_on_one_waiter_do_not_crash(store: _core.Store) -> None:
    """Only one thread may use a waiter at a time. A second thread may be refused, but nothing breaks."""
    import threading

    ((invocation_id, _),) = store.submit(_core.TaskSpec("m.f"), [(b"", "", None, None)])
    waiter = store.waiter([invocation_id])
    outcomes: list[Any] = []

    def wait() -> None:
        try:
            outcomes.append(waiter.wait(0.2, False))
        except RuntimeError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(outcomes) == 8
