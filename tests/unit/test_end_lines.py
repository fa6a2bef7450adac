"""The line of a finished invocation is written later, without a record, and is equal to that of a record."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from _pytest.logging import LogCaptureHandler
from support.waiting import wait_until

from pynenc import Pynenc, _core, context
from pynenc._execute.ends_log import EndsLog
from pynenc._execute.outcome import Outcome
from pynenc._logs import stream
from pynenc._logs.later import Later, flush_all
from pynenc.runner import ThreadRunner

NOW = 1_764_561_600.1239


def add(x: int, y: int) -> int:
    return x + y


@pytest.fixture(params=["text", "json"])
def write(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Write the line of one invocation; the app that wrote it."""
    app = Pynenc("shop", {"store_url": "memory://", "log_format": request.param})
    invocation = app.task(add)(1, 2)
    [claim] = app._runtime.store.claim("runner#1", 1, begin=True)
    runner = ThreadRunner(app)
    app.logger.filters.clear()
    log = EndsLog(app.logger, runner)

    def write() -> Any:
        for handler in [handler for handler in app.logger.handlers if isinstance(handler, LogCaptureHandler)]:
            # With a handler besides its own, an app writes each line at once.
            app.logger.removeHandler(handler)
        with monkeypatch.context() as patch, context.enter_invocation(invocation, runner):
            patch.setattr("time.time", lambda: NOW)
            patch.setattr("time.time_ns", lambda: int(NOW * 1e9))
            log.write(claim, Outcome(_core.SUCCESS), NOW - 1.5)
        log.flush()
        return app

    return write


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_the_line_is_that_of_a_record(write: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    logger = write().logger
    without = _line(capsys)
    assert "success, attempt 1, waited " in without
    logger.addFilter(lambda record: True)
    write()
    assert _line(capsys) == without


def test_no_record_is_made_for_our_own_handler_alone(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging, "LogRecord", None)
    monkeypatch.setattr(logging, "_logRecordFactory", None)
    write()
    assert "finished: success" in _line(capsys)


def test_other_handlers_filters_and_factories_see_the_record(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = write().logger
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logger.addHandler(keep := Keep())
    write()
    logger.removeHandler(keep)
    logger.handlers[0].addFilter(lambda record: seen.append(record) or True)
    write()
    logger.handlers[0].filters.clear()
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        seen.append(before(*args, **kwargs))
        return seen[-1]

    logging.setLogRecordFactory(factory)
    try:
        write()
    finally:
        logging.setLogRecordFactory(before)
    assert [record.outcome for record in seen] == ["success"] * 3  # type: ignore[attr-defined]
    logger.setLevel(logging.WARNING)
    capsys.readouterr()
    write()
    assert capsys.readouterr().err == ""


def test_a_stream_that_cannot_take_the_line_is_reported_by_logging(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise OSError("no space left")

        def flush(self) -> None:
            pass

    reported: list[object] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda self, record: reported.append(record))
    monkeypatch.setattr(sys, "stderr", Full())
    write()
    assert len(reported) == 1


def test_lines_of_finished_invocations_come_before_what_is_logged_after_them(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(EndsLog, "flush", lambda self: None)
    write()
    app = write()
    assert capsys.readouterr().err == "", "nothing is written at once"
    app.logger.warning("later")
    lines = capsys.readouterr().err.splitlines()
    assert ["finished" in line for line in lines] == [True, True, False]


def test_lines_are_written_without_another_line_or_a_flush(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(EndsLog, "flush", lambda self: None)
    app = write()
    seen: list[str] = []
    wait_until(lambda: seen.append(capsys.readouterr().err) or "finished" in seen[-1], "the line is written")
    wait_until(lambda: not any(thread.name == "pynenc-lines" for thread in threading.enumerate()), "no thread stays")
    write()
    wait_until(lambda: seen.append(capsys.readouterr().err) or "finished" in seen[-1], "another thread writes it")
    assert app.logger.handlers[0].ends is not None


def test_lines_are_written_at_once_if_no_thread_can_start(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(EndsLog, "flush", lambda self: None)
    monkeypatch.setattr(threading.Thread, "start", start)
    write()
    assert "finished" in _line(capsys)


def test_a_forked_child_writes_no_line_of_its_parent(
    write: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(EndsLog, "flush", lambda self: None)
    app = write()
    pid = os.fork()
    if pid == 0:
        app.logger.handlers[0].flush()
        os._exit(0)
    os.waitpid(pid, 0)
    app.logger.handlers[0].flush()
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_handler_of_a_signal_may_log_while_lines_are_written() -> None:
    """It runs on the thread that writes, which holds the lock already."""
    written: list[int] = []

    def write(items: list[int]) -> None:
        if not written:
            later.flush()
        written.extend(items)

    later = Later(write, threading.RLock())
    later._served = True
    for item in range(450):
        later.add(item)
    later.flush()
    assert sorted(written) == list(range(450))


def test_a_write_of_several_lines_to_a_pipe_ends_with_a_line_and_fits_into_one_write_of_the_system() -> None:
    """Other processes write to the same pipe: the system keeps only short writes together."""
    reading, writing = os.pipe()
    pieces: list[bytes] = []
    lines = stream._lines.setdefault(writing, stream.Lines(writing))
    try:
        lines.write = pieces.append  # type: ignore[method-assign]
        text = "".join(f"{'x' * (number % 300)}\n" for number in range(500)) + "y" * 9_000 + "\nend\n"
        stream.write_lines(writing, text)
    finally:
        del stream._lines[writing]
        os.close(reading)
        os.close(writing)
    assert b"".join(pieces).decode() == text
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert {len(piece) for piece in pieces if len(piece) > select.PIPE_BUF} == {9_001}


def test_what_waits_is_written_before_a_process_ends_without_its_exit_functions() -> None:
    written: list[int] = []
    later = Later(written.extend, threading.RLock())
    later._served = True
    later.add(1)
    flush_all()
    assert written == [1]
