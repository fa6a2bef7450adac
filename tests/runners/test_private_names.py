"""A runner class may use whatever private names it likes: the base class has one of its own, `_session`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.seed_runners import SevenMemberRunner

from pynenc import Pynenc
from pynenc.runner import (
    AsyncRunner,
    BaseRunner,
    DummyRunner,
    ExternalRunner,
    MultiThreadRunner,
    PersistentProcessRunner,
    ProcessRunner,
    ThreadRunner,
)
from pynenc.testing.runner_conformance import CHECKS, run_check

WORDS = """
    abandon active alive app args backlog become_copy begin beat bell bodies body broker buffer busy cache call
    cancel cancelled cards channel check check_executable children claim claims clock close closed cond conf config
    context core_logs count counter current cv deadline deaf_since decoding_begins decoding_ends dispatch done drain
    enabled end ended ends_log engine env error errors event events execute executor exit exited failed fault fetch
    finish finished flag free futures give_up go hand_back handle handlers hooks id idle import_modules inbox init
    interval invocations is_copy is_running iterate iteration jobs join kill kind last lender limit limit_begins
    limit_ends limits lines listen live lock log logger look_after loop loop_pulse main make_known members
    modules_imported mutex name native_wait new_pulse new_thread next numbers on_cancel open open_engine
    orchestrator outbox outcome owed parked paused pending pid poll pool presence process processes pulse queue
    queues ready recovery_minutes release report reset results resume run run_one runner running running_bodies
    schedule selector semaphore send settle shutdown signals size sleep slot slots spawn start start_thread started
    state status stop stop_event stop_signals stopped stopping store submit supervise tasks tend thread threads tick
    timeout timer timing total update wait wait_slice waiting wake wake_body watch work worker workers
"""

NAMES = tuple(f"_{word}" for word in WORDS.split())
"""What people call private attributes and methods of a runner, and what pynenc itself has called them."""


OWN = {"_threads", "_waiting", "_run_one", "_changed", "_slots_wanted"}
"""The names that the runner of these tests needs for its work."""


class AttributesOfItsOwn(SevenMemberRunner):
    """Sets every name to a value that nothing can work with, before and after `__init__` of the base."""

    def __init__(self, app: Any) -> None:
        self._set_all()
        super().__init__(app)
        self._set_all()

    def _set_all(self) -> None:
        for name in NAMES:
            if name not in OWN:
                setattr(self, name, False)


def _refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
    raise AssertionError("only this class may call its private methods")


MethodsOfItsOwn: Any = type(
    "MethodsOfItsOwn", (SevenMemberRunner,), {name: _refuse for name in NAMES if name not in OWN}
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("cls", [AttributesOfItsOwn, MethodsOfItsOwn])
def test_a_runner_with_private_names_of_its_own_conforms(cls: Any, check: Any, tmp_path: Path) -> None:
    run_check(check, cls, tmp_path, patience_sec=60)


def test_the_names_are_at_least_150() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 150


MEMBERS = {"_on_start", "_on_stop", "_on_stop_runner_loop", "_waiting_for_results"}
"""The underscored members that the interface documents."""


@pytest.mark.parametrize(
    "cls",
    [
        BaseRunner,
        DummyRunner,
        ExternalRunner,
        ThreadRunner,
        ProcessRunner,
        PersistentProcessRunner,
        MultiThreadRunner,
        AsyncRunner,
    ],
)
def test_a_runner_has_one_private_name(cls: Any, memory_env: None) -> None:
    classes = [one for one in cls.__mro__ if one.__module__.startswith("pynenc")]
    private = {name for one in classes for name in vars(one) if _is_private(name)}
    assert private <= MEMBERS
    runner = (SevenMemberRunner if cls is BaseRunner else cls)(Pynenc())
    assert {name for name in vars(runner) if _is_private(name)} <= {"_session", "_slots_wanted"}


def test_a_class_is_at_most_two_steps_below_the_base() -> None:
    for cls in (ExternalRunner, ThreadRunner, ProcessRunner, PersistentProcessRunner, MultiThreadRunner, AsyncRunner):
        assert cls.__mro__.index(BaseRunner) <= 2


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_abc_impl"


def test_a_base_class_may_keep_its_subclasses_from_the_base_runner(memory_env: None) -> None:
    class Base(SevenMemberRunner):
        def __init_subclass__(cls, **arguments: object) -> None:
            """Does not call that of `BaseRunner`."""

    class Mine(Base):
        pass

    assert Mine(Pynenc("mine")).app.app_id == "mine"
