"""The log of a worker: its start, the end of each invocation, log lines of bodies, its stop."""

from __future__ import annotations

import importlib
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Processes

from pynenc.exceptions import InvocationAbandonedError, InvocationConcurrencyControlledError, TaskTimeoutError

PROCESS_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
RUNNERS = ["ThreadRunner", *PROCESS_RUNNERS]
FINISHED = re.compile(
    r"\[(?P<task>\w+): (?P<id>[\w-]+)\] finished: (?P<outcome>\w+), attempt (?P<attempt>\d+)"
    r"(, waited \d+\.\d{3} s, took \d+\.\d{3} s|, given up)$",
    re.MULTILINE,
)


@pytest.fixture
def logged(sqlite_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tasks, in the app of this test."""
    monkeypatch.setenv("PYNENC__FIND_TASK_MODULES", "false")
    sys.modules.pop("support.logged", None)
    return importlib.import_module("support.logged")


def _stopped(runner: Any) -> str:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    return str(runner.output())


def _ends(output: str) -> list[tuple[str, str, str, int]]:
    return [(m["task"], m["id"], m["outcome"], int(m["attempt"])) for m in FINISHED.finditer(output)]


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_the_log_of_a_runner_tells_its_start_each_end_and_its_stop(
    logged: Any, processes: Processes, runner_cls: str
) -> None:
    runner = processes.runner("support.logged", PYNENC__RUNNER_CLS=runner_cls)
    told, retried = logged.tell("hello"), logged.fail_once()
    failed, failed_async = logged.fail("no way"), logged.fail_async("no way")
    assert (told.get_result(timeout=60), retried.get_result(timeout=60)) == ("hello", 1)
    remote = []
    for invocation in (failed, failed_async):
        with pytest.raises(LookupError) as raised:
            invocation.get_result(timeout=60)
        remote.append("\n".join(raised.value.__notes__))
    output = _stopped(runner)
    lines = output.splitlines()
    [started] = [line for line in lines if "] started: " in line]
    assert f"INFO pynenc.{logged.app.app_id} [runner: {runner_cls}(" in started
    assert re.search(
        r"started: 8 tasks \(.*support\.logged\.tell.*\), queues: all, slots: \d+, store: sqlite:///", started
    )
    assert re.search(r"pynenc-rs \d+\.\d+\.\d+ on Python 3\.\d+", started)
    assert len([line for line in lines if re.search(r"\] stopped after \d+\.\d s$", line)]) == 1
    assert sorted(_ends(output)) == sorted(
        [
            ("tell", told.invocation_id, "success", 1),
            ("fail_once", retried.invocation_id, "success", 2),
            ("fail", failed.invocation_id, "failed", 1),
            ("fail_async", failed_async.invocation_id, "failed", 1),
        ]
    )
    # The line that the module of a task logs with its own logger.
    assert f"INFO support.logged [tell: {told.invocation_id}] told hello" in output
    assert "hidden" not in output
    # Tracebacks begin in the code of the task, here and at the caller.
    for text in (*remote, output):
        assert "support/logged.py" in text
        assert "pynenc/runner" not in text
        assert "pynenc/_execute" not in text


def test_lines_about_ends_can_be_left_out(logged: Any, processes: Processes) -> None:
    runner = processes.runner(
        "support.logged", PYNENC__RUNNER_CLS="PersistentProcessRunner", PYNENC__LOG_INVOCATIONS="false"
    )
    assert logged.tell("hello").get_result(timeout=60) == "hello"
    output = _stopped(runner)
    assert "told hello" in output
    assert "] started: " in output
    assert "finished" not in output


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "AsyncRunner"])
def test_every_line_of_a_json_log_is_json_and_keeps_what_was_given_as_extra(
    logged: Any, processes: Processes, runner_cls: str
) -> None:
    runner = processes.runner(
        "support.logged", PYNENC__RUNNER_CLS=runner_cls, PYNENC__LOG_FORMAT="json", PYNENC__LOG_STREAM="stdout"
    )
    told = logged.tell("hello")
    assert told.get_result(timeout=60) == "hello"
    records = [json.loads(line) for line in _stopped(runner).splitlines()]
    [start] = [record for record in records if record.get("event") == "runner_started"]
    assert start["store"] == logged.app._runtime.store.url
    assert "support.logged.tell" in start["tasks"]
    assert (start["queues"], start["slots"] > 0, start["runner_class"]) == ([], True, runner_cls)
    [line] = [record for record in records if record["logger"] == "support.logged"]
    assert (line["told"], line["extra_task_id"]) == ("hello", "mine")
    assert (line["task_id"], line["invocation_id"]) == ("support.logged.tell", told.invocation_id)
    [end] = [record for record in records if "took_sec" in record]
    assert (end["outcome"], end["attempt"], end["invocation_id"]) == ("success", 1, told.invocation_id)
    assert end["waited_sec"] >= 0 <= end["took_sec"]
    assert [record["event"] for record in records if "event" in record][-1] == "runner_stopped"


def test_a_timeout_on_an_event_loop_is_logged_once(logged: Any, processes: Processes) -> None:
    runner = processes.runner("support.logged", PYNENC__RUNNER_CLS="AsyncRunner")
    for task, where in ((logged.too_slow, "in too_slow"), (logged.stubborn, "")):
        invocation = task()
        with pytest.raises(TaskTimeoutError) as raised:
            invocation.get_result(timeout=60)
        assert where in "\n".join(getattr(raised.value, "__notes__", [""]))
    assert logged.tell("after it").get_result(timeout=60) == "after it"
    output = _stopped(runner)
    for name in ("too_slow", "stubborn"):
        errors = [
            line for line in output.splitlines() if " ERROR " in line and f"task support.logged.{name} fail" in line
        ]
        assert len(errors) == 1, output
    assert [(task, outcome) for task, _, outcome, _ in _ends(output)] == [
        ("too_slow", "failed"),
        ("stubborn", "failed"),
        ("tell", "success"),
    ]


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner"])
def test_a_dropped_call_is_a_warning_and_its_result_names_the_reason(
    shared_env: None, processes: Processes, runner_cls: str
) -> None:
    sys.modules.pop("support.logged", None)
    logged = importlib.import_module("support.logged")
    runner = processes.runner("support.logged", PYNENC__RUNNER_CLS=runner_cls)
    running = logged.only_one("gate")
    flags.await_flag("gate-started")
    for invocation in [logged.only_one("other") for _ in range(5)]:
        with pytest.raises(InvocationConcurrencyControlledError) as raised:
            invocation.get_result(timeout=60)
        assert "running_concurrency left no free place" in str(raised.value)
        assert "reroute_on_concurrency_control=False" in str(raised.value)
    runner.await_output("of support.logged.only_one was dropped: running_concurrency")
    flags.raise_flag("gate", "done")
    assert running.get_result(timeout=60) == "done"
    dropped = [line for line in _stopped(runner).splitlines() if "was dropped" in line]
    assert 1 <= len(dropped) <= 2, "once a minute in each process that claims"
    assert all(" WARNING " in line for line in dropped)


def test_a_runner_warns_of_a_queue_that_no_task_names(logged: Any, processes: Processes) -> None:
    runner = processes.runner("support.logged", PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__QUEUES="defualt,default")
    assert logged.tell("hello").get_result(timeout=60) == "hello"
    [warning] = [line for line in _stopped(runner).splitlines() if " WARNING " in line]
    assert "no task of this app names the queue 'defualt'" in warning
    assert "did you mean 'default'?" in warning


def test_a_task_with_a_misspelt_queue_is_named_to_the_runner_of_the_right_one(
    processes: Processes, sqlite_env: None
) -> None:
    Path("shop.py").write_text(
        "from pynenc import Pynenc\napp = Pynenc()\n@app.task(queue='mial')\ndef send() -> None: ...\n"
    )
    runner = processes.runner("shop", PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__QUEUES="mail")
    runner.await_output("(task shop.send names 'mial': one of the two may be misspelt)")
    assert "did you mean" not in _stopped(runner)


@pytest.mark.parametrize("runner_cls", PROCESS_RUNNERS)
def test_a_dead_letter_names_its_task_and_how_its_last_process_died(
    logged: Any, processes: Processes, runner_cls: str
) -> None:
    runner = processes.runner("support.logged", PYNENC__RUNNER_CLS=runner_cls, PYNENC__MAX_RECOVERIES="0")
    deadly = logged.die()
    with pytest.raises(InvocationAbandonedError) as raised:
        deadly.get_result(timeout=60)
    assert re.search(r"while running it, the last time: (killed|ended|exited).*; not run again", str(raised.value))
    line = f"invocation {deadly.invocation_id} of support.logged.die failed for good: its runners keep dying with it: "
    runner.await_output(line)
    assert f"ERROR pynenc.{logged.app.app_id} [runner: {runner_cls}(" in _stopped(runner)
