"""Taking the stop signals and giving them back."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import warnings
from types import FrameType

import pytest

from pynenc.runner._session.signals import STOP_SIGNALS, SignalTakeover


def _handler(signum: int | None = None, frame: FrameType | None = None) -> None:
    """Any handler."""


def test_the_first_handlers_come_back_however_often_they_were_taken() -> None:
    before = [signal.getsignal(signum) for signum in STOP_SIGNALS]
    takeover = SignalTakeover()
    takeover.take(_handler)
    takeover.take(_handler)
    assert [signal.getsignal(signum) for signum in STOP_SIGNALS] == [_handler] * len(STOP_SIGNALS)
    takeover.give_back()
    assert [signal.getsignal(signum) for signum in STOP_SIGNALS] == before
    takeover.give_back()
    assert [signal.getsignal(signum) for signum in STOP_SIGNALS] == before


def test_a_runner_in_another_thread_takes_no_signals_and_warns() -> None:
    before = [signal.getsignal(signum) for signum in STOP_SIGNALS]
    caught: list[warnings.WarningMessage] = []

    def take() -> None:
        with warnings.catch_warnings(record=True) as log:
            warnings.simplefilter("always")
            takeover = SignalTakeover()
            takeover.take(_handler)
            takeover.give_back()
            caught.extend(log)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert [warning.category for warning in caught] == [UserWarning]
    assert "stop_runner_loop" in str(caught[0].message)
    assert [signal.getsignal(signum) for signum in STOP_SIGNALS] == before


def test_a_handler_that_was_not_made_by_python_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda signum, handler: calls.append(handler))
    takeover = SignalTakeover()
    takeover.take(_handler)
    takeover.give_back()
    assert calls == [_handler] * len(STOP_SIGNALS), "None cannot be installed, so it is not tried"


COPIES = """
import os, signal, sys

def told_before_it_is_ready():
    # Between the fork and the package's own hook.
    os.kill(os.getpid(), signal.SIGTERM)

if sys.argv[1] == "early":
    os.register_at_fork(after_in_child=told_before_it_is_ready)
from pynenc.cli.runner import _stop_signals
from pynenc.runner._session.signals import SignalTakeover

with _stop_signals(ends_program=False):
    takeover = SignalTakeover()
    takeover.take(lambda signum, frame: None)
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        while True:
            signal.pause()
    if sys.argv[1] == "late":
        os.kill(pid, signal.SIGTERM)
    print(signal.Signals(os.WTERMSIG(os.waitpid(pid, 0)[1])).name)
    print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


@pytest.mark.parametrize("moment", ["early", "late"])
def test_a_copy_dies_of_sigterm_whenever_it_comes(moment: str) -> None:
    """Signals as `multiprocessing.Pool` expects them of its workers: the command line's handlers below those of the
    runner.
    """
    done = subprocess.run([sys.executable, "-c", COPIES, moment], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["SIGTERM", "set()"], done.stderr
