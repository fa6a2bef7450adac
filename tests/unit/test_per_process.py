"""`OncePerProcess`: one value in this process, and another value in each forked child."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from pynenc._kernel.per_process import OncePerProcess, ProcessMark


def _in_child(check: Callable[[], bool]) -> bool:
    """Return the result of `check` in a forked child."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if check() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_threads_that_ask_at_once_get_one_value() -> None:
    barrier, found = threading.Barrier(8), list[object]()
    value: OncePerProcess[object] = OncePerProcess(object)

    def ask() -> None:
        barrier.wait(30)
        found.append(value.get())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len({id(one) for one in found}) == 1


def test_a_forked_child_makes_its_own_value() -> None:
    value: OncePerProcess[int] = OncePerProcess(os.getpid)
    assert value.get() == os.getpid()
    assert _in_child(lambda: value.peek() is None and value.get() == os.getpid() == value.peek())
    assert value.peek() == os.getpid()


def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def make() -> int:
        if threading.current_thread() is slow:
            inside.set()
            go_on.wait(30)
        return os.getpid()

    value: OncePerProcess[int] = OncePerProcess(make)
    slow = threading.Thread(target=value.get)
    slow.start()
    assert inside.wait(30)
    assert _in_child(lambda: value.get() == os.getpid())
    go_on.set()
    slow.join(30)
    assert value.peek() == os.getpid()


def test_a_value_that_could_not_be_made_is_made_at_the_next_use() -> None:
    problems = [RuntimeError("away")]

    def make() -> str:
        if problems:
            raise problems.pop()
        return "made"

    value = OncePerProcess(make)
    with pytest.raises(RuntimeError, match="away"):
        value.get()
    assert value.peek() is None
    assert value.get() == "made"


def test_a_value_can_be_replaced_or_forgotten() -> None:
    value = OncePerProcess(lambda: "made")
    value.put("other")
    assert value.get() == "other"
    value.forget()
    assert value.peek() is None
    assert value.get() == "made"


def test_a_mark_says_in_which_process_it_was_made() -> None:
    mark = ProcessMark()
    assert mark.is_here
    assert _in_child(lambda: not mark.is_here)
