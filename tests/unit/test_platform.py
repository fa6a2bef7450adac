"""Calls that some systems lack, and their fallbacks, which these tests force."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

from pynenc.exceptions import RunnerError
from pynenc.runner._workers import platform
from pynenc.runner._workers.channel import Channel


def _watches() -> list[Any]:
    return [pytest.param(platform.PidfdWatch, id="pidfd"), pytest.param(platform.SignalWatch, id="SIGCHLD")]


@pytest.fixture(params=_watches())
def watch(request: pytest.FixtureRequest) -> Any:
    selector = platform.new_selector()
    watch = request.param(selector)
    watch.selector = selector
    yield watch
    watch.close()
    selector.close()


def _child(code: str) -> int:
    return subprocess.Popen([sys.executable, "-c", code]).pid


def test_a_death_wakes_the_selector_and_is_told_once(watch: Any) -> None:
    pid = _child("import os; os._exit(7)")
    watch.add(pid)
    assert watch.pids() == [pid]
    found: list[tuple[int, int]] = []
    wait_until(lambda: watch.selector.select(10) and (found.extend(watch.ended()) or found))
    assert [(ended, os.waitstatus_to_exitcode(status)) for ended, status in found] == [(pid, 7)]
    assert watch.ended() == []
    assert watch.pids() == []


def test_a_watch_leaves_the_children_of_others_alone(watch: Any) -> None:
    other = subprocess.Popen([sys.executable, "-c", ""])
    pid = _child("import time; time.sleep(60)")
    watch.add(pid)
    wait_until(lambda: _is_zombie(other.pid))
    assert watch.ended() == []
    assert other.wait() == 0, "nobody has reaped it"
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: watch.ended() == [(pid, signal.SIGKILL)])


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_without_pidfd_the_signal_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    watch = platform.watch_deaths(selectors.SelectSelector())
    assert type(watch) is platform.SignalWatch
    watch.close()


def test_a_plain_signal_is_used_if_pidfd_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise PermissionError("not in this sandbox")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    watch = platform.watch_deaths(selectors.SelectSelector())
    assert type(watch) is platform.SignalWatch
    watch.close()


@pytest.mark.parametrize(
    "strip",
    [
        lambda patch: patch.delattr(os, "fork"),
        lambda patch: patch.delattr(platform.socket, "send_fds"),
        lambda patch: patch.setattr(sys, "executable", ""),
    ],
)
def test_the_error_of_a_platform_without_fork_names_the_alternative(
    monkeypatch: pytest.MonkeyPatch, strip: Callable[[pytest.MonkeyPatch], None]
) -> None:
    strip(monkeypatch)
    with pytest.raises(RunnerError, match="ProcessRunner"):
        platform.require_fork("ProcessRunner")


def test_memory_is_read_without_proc_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = platform.resident_mb()
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: (_ for _ in ()).throw(FileNotFoundError()))
    assert platform.resident_mb() >= now * 0.5 > 0


def test_the_end_of_a_process_is_described_in_words() -> None:
    assert platform.how_it_ended(9) == "killed by signal 9 (out of memory?)"
    assert platform.how_it_ended(11) == "killed by signal 11 (SIGSEGV)"
    assert "exit code 3" in platform.how_it_ended(3 << 8)
    assert "not known" in platform.how_it_ended(-1)


def test_a_channel_carries_messages_and_descriptors_in_order() -> None:
    ours, theirs = Channel.pair()
    other = Channel(theirs)
    reader, writer = os.pipe()
    assert ours.send({"first": 1})
    assert ours.send({"second": 2}, writer)
    assert ours.send({"third": 3})
    os.close(writer)
    first, second, third = other.drain()
    assert (first, third) == ({"first": 1}, {"third": 3})
    assert not os.get_inheritable(second["fd"])
    os.write(second["fd"], b"through")
    assert os.read(reader, 10) == b"through"
    os.close(second["fd"])
    os.close(reader)
    ours.close()
    assert other.drain() == []
    assert other.ended
    assert other.send({"nobody": True}) is False
    other.close()
