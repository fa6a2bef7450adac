"""A fresh process for each invocation."""

from __future__ import annotations

import os
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

from pynenc.conf.config_runner import ConfigProcessRunner
from pynenc.runner._workers.pool import ProcessPoolRunner
from pynenc.runner._workers.worker_handle import Member
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._workers.channel import Message

_SPARE = 2
"""Warm processes beyond those that have a slot: they hide the time that a fork takes."""

_HOLD_SEC = 0.01
"""When a body ends and others wait, it is likely that one of them can go on now: so long its slot is kept for it, for
taking a slot back from a process that waits for work costs that process."""

# What a member does with regard to slots. LISTENING and RUNNING hold one.
_WARM, _LISTENING, _RUNNING, _WAITING, _RESUMING, _OVER = "warm", "listening", "running", "waiting", "resuming", "over"
_HOLD_A_SLOT = (_LISTENING, _RUNNING)


class ProcessRunner(ProcessPoolRunner):
    """Runs each invocation in a process of its own, at most `max_processes` at a time: right for isolation.

    The processes are forked ahead, from a process that has imported the app. A waiting body keeps its process and lends
    its slot out; when it can go on, it gets a slot before new work does. So there can be more processes than slots.

    Args:
        app: the app; the runner becomes its runner.
    """

    _kind = "once"

    def _on_start(self) -> None:
        self._resuming: deque[Member] = deque()
        self._kept_until = 0.0
        super()._on_start()

    @cached_property
    def conf(self) -> ConfigProcessRunner:
        """The settings of this runner."""
        return ConfigProcessRunner(self.app.config_values, self.app.config_filepath)

    @property
    def max_parallel_slots(self) -> int:
        """The larger of `min_parallel_slots` and `max_processes` (0 is the number of CPUs)."""
        return max(self.conf.min_parallel_slots, self.conf.max_processes or os.cpu_count() or 1)

    def _wanted(self) -> int:
        """Those that are engaged, one for each free slot, and some that are warm."""
        engaged = (_LISTENING, _RUNNING, _WAITING, _RESUMING)
        good = sum(1 for member in self._members.values() if member.state in engaged and member.is_present)
        return good + self._free_slots() + _SPARE

    def runner_loop_iteration(self) -> None:
        """Supervise the processes. Blocks for up to a second; news of a process, or a stop, ends the wait."""
        kept = self._kept_until - clock.monotonic()
        self._listen(1.0 if kept <= 0 else kept)
        if self.running:
            self._grant()
            self._tend()

    def _heard(self, member: Member, message: Message) -> None:
        if "ready" in message:
            member.state = _WARM
        elif "took" in message:
            member.state = _RUNNING
        elif "lent" in message:
            member.state = _WAITING
        elif "resume" in message:
            member.state = _RESUMING
            self._resuming.append(member)
        elif "settled" in message or "bye" in message:
            if member.state in _HOLD_A_SLOT and self._count(_WAITING):
                self._kept_until = clock.monotonic() + _HOLD_SEC
            member.state, member.told = _OVER, True
        self._grant()

    def _left(self, member: Member) -> None:
        member.state = _OVER
        if member in self._resuming:
            self._resuming.remove(member)
        self._grant()

    def _count(self, *states: str) -> int:
        return sum(1 for one in self._members.values() if one.state in states and not one.answers.silent)

    def _free_slots(self) -> int:
        return max(0, self.max_parallel_slots - self._count(*_HOLD_A_SLOT))

    def _grant(self) -> None:
        """Hand out the free slots: to bodies that want to go on, then to processes that wait for work."""
        while self._resuming and self._free_slots():
            member = self._resuming.popleft()
            member.state = _RUNNING
            member.channel.send({"granted": True})
        if self._resuming:
            # Slots in which nothing runs yet are taken back.
            for member in self._listening_untold()[: len(self._resuming)]:
                self._tell_to_stop(member)
        elif self.running and clock.monotonic() >= self._kept_until:
            warm = [member for member in self._members.values() if member.state == _WARM and member.is_present]
            for member in warm[: self._free_slots()]:
                member.state = _LISTENING
                member.channel.send({"go": True})
            self._tend()

    def _listening_untold(self) -> list[Member]:
        return [member for member in self._members.values() if member.state == _LISTENING and member.is_present]
