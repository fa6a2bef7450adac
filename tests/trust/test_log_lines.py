"""Text in payloads, exceptions and notes cannot look like another log line, and cannot fill the disk."""

from __future__ import annotations

import enum
import json
import logging
import re
import threading
from typing import Any

import pytest
from support.waiting import wait_until

from pynenc import Pynenc
from pynenc._logs.app_logger import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS
from pynenc.exceptions import SerializationError
from pynenc.invocation import DistributedInvocation
from pynenc.runner import ThreadRunner

FORGED = "2026-01-01 00:00:00.000+00:00 INFO pynenc.shop all is well"
EVIL = f"x\n{FORGED}\r\n{FORGED}\x1b[2J\x1b]0;title\x07\x9b31m\u2028{FORGED}\x85{FORGED}\u202e\x00\x7f end"
HARMLESS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
LARGE = 8_000_000


class Color(enum.Enum):
    RED = "red"


@pytest.fixture
def app(memory_env: None) -> Pynenc:
    return Pynenc("shop", {"logging_level": "debug"})


def _lines(text: str) -> list[str]:
    """The lines as a reader of the log sees them: none is forged, and none contains control codes of a terminal."""
    lines = text.rstrip("\n").split("\n")
    for line in lines:
        assert not HARMLESS.search(line), repr(line)
    return lines


def _is_forged(line: str) -> bool:
    return line.startswith(FORGED[:20])


def test_a_message_is_one_line_whatever_its_arguments_are(app: Pynenc, capsys: pytest.CaptureFixture[str]) -> None:
    app.logger.info("got %s", EVIL)
    app.logger.info(EVIL)
    lines = _lines(capsys.readouterr().err)
    assert len(lines) == 2
    assert not any(map(_is_forged, lines))
    assert "x\\n2026-01-01" in lines[0]
    assert "\\x1b[2J" in lines[0]


@pytest.mark.parametrize("note", [True, False])
def test_no_line_of_a_traceback_looks_like_a_record(
    app: Pynenc, capsys: pytest.CaptureFixture[str], note: bool
) -> None:
    error = ValueError("short" if note else EVIL)
    if note:
        error.add_note(EVIL)
    try:
        try:
            raise LookupError(EVIL)
        except LookupError as cause:
            raise error from cause
    except ValueError:
        app.logger.exception("it failed")
    first, *rest = _lines(capsys.readouterr().err)
    assert first.endswith("it failed")
    assert not any(RECORD.match(line) for line in rest)
    assert any(FORGED in line for line in rest), "it is shown, as what it is"


def test_a_failing_body_and_a_planted_record_forge_nothing(
    memory_env: None, capsys: pytest.CaptureFixture[str]
) -> None:
    from pynenc import _core

    app = Pynenc("shop", {"logging_level": "debug", "unknown_task_delay_sec": 0.02})

    def job(text: str) -> None:
        raise RuntimeError(text)

    job.__qualname__ = "job"
    task = app.task(job)
    invocation = task(EVIL)
    [(planted, _)] = app._runtime.store.submit(_core.TaskSpec(f"evil.{EVIL}"), [(b"\x01{}", "", None, None)])
    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        with pytest.raises(RuntimeError):
            invocation.get_result(timeout=60)
        wait_until(lambda: app._runtime.store.get(planted).releases > 0, "the unknown task is refused")
    finally:
        runner.stop_runner_loop()
        thread.join(60)
    lines = _lines(capsys.readouterr().err)
    assert not any(map(_is_forged, lines))
    assert any("evil.x\\n" in line for line in lines)


def test_json_lines_stay_one_line_each(memory_env: None, capsys: pytest.CaptureFixture[str]) -> None:
    app = Pynenc("shop", {"log_format": "json"})
    app.logger.info("got %s", EVIL)
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == f"got {EVIL}"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_large_argument_makes_no_large_line(
    memory_env: None, log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Pynenc("shop", {"log_format": log_format})
    app.logger.info("got %s", "x" * LARGE)
    try:
        raise ValueError("y" * LARGE)
    except ValueError:
        app.logger.exception("it failed")
    text = capsys.readouterr().err
    assert len(text) < 4 * MAX_MESSAGE_CHARS + 2 * MAX_TRACEBACK_CHARS
    assert "characters left out" in text


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Color, "z" * LARGE),
        (dict[Color, int], {"z" * LARGE: 1}),
        (dict[str, int], {"z" * LARGE: "no"}),
        (int, "z" * LARGE),
    ],
    ids=str,
)
def test_a_message_about_a_large_value_is_cut_before_it_is_raised(app: Pynenc, hint: Any, value: Any) -> None:
    def job(value):  # type: ignore[no-untyped-def]
        return value

    job.__qualname__ = "job"
    job.__annotations__ = {"value": hint, "return": hint}
    task: Any = app.task(job)
    for read, body in (
        (app._runtime.codec.decode_arguments, {"value": value}),
        (app._runtime.codec.decode_result, value),
    ):
        with pytest.raises(SerializationError) as raised:
            read(task, b"\x01" + json.dumps(body).encode())
        error: BaseException | None = raised.value
        assert len(str(error)) < 5000
        assert error is not None
        assert error.__cause__ is None or len(str(error.__cause__)) < 5000


def test_a_large_unknown_argument_is_cut_in_the_log_of_the_runner(
    app: Pynenc, capsys: pytest.CaptureFixture[str]
) -> None:
    from pynenc import _core

    def job(value: int) -> int:
        return value

    job.__qualname__ = "job"
    task = app.task(job)
    body = b"\x01" + json.dumps({"q" * 1_000_000: 1}).encode()
    [(planted, _)] = app._runtime.store.submit(_core.TaskSpec(str(task.task_id)), [(body, "", None, None)])
    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        with pytest.raises(SerializationError) as raised:
            DistributedInvocation(app, planted).get_result(timeout=60)
    finally:
        runner.stop_runner_loop()
        thread.join(60)
    assert len(str(raised.value)) < 5000
    assert len(capsys.readouterr().err) < 100_000


def test_ordinary_text_is_logged_as_it_is(app: Pynenc, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("plain", "ünïcödé ✓ 日本", "a\ttab", "back\\slash \\n"):
        app.logger.log(logging.INFO, "%s", text)
        assert capsys.readouterr().err.endswith(f"{text}\n")
