"""The log of an app: the app of a line, its format, and its stream."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
import threading
from typing import Any

import pytest
from support.seed_runners import RecordingRunner
from support.worlds import load_jobs

from pynenc import Pynenc, context
from pynenc._logs.app_logger import AppHandler

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (?P<level>\w+) (?P<logger>\S+) (?P<rest>.*)")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class Written:
    """The text written to stderr, which is no terminal here."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Written:
    """The stderr of this test."""
    return Written(capsys)


def _own_handlers(logger: logging.Logger) -> list[AppHandler]:
    return [handler for handler in logger.handlers if isinstance(handler, AppHandler)]


@pytest.fixture
def jobs(memory_env: None) -> Any:
    return load_jobs()


def _app(**values: Any) -> Pynenc:
    return Pynenc("shop", values)


def _rest(stream: io.StringIO | Written) -> list[str]:
    """The part of each line after time, level and logger."""
    found = [LINE.fullmatch(line) for line in stream.getvalue().splitlines()]
    assert all(found), stream.getvalue()
    return [match["rest"] for match in found if match]


def _objects(stream: io.StringIO | Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line_of_text_has_time_with_offset_level_logger_and_message(stderr: Written) -> None:
    _app().logger.warning("%d of %s", 3, "four")
    found = LINE.fullmatch(stderr.getvalue().rstrip("\n"))
    assert found is not None, stderr.getvalue()
    assert (found["level"], found["logger"], found["rest"]) == ("WARNING", "pynenc.shop", "3 of four")


def test_a_line_of_json_has_every_key_and_null_where_it_does_not_apply(stderr: Written) -> None:
    _app(log_format="json").logger.info("line one\nline two: %s", "ünï")
    [fields] = _objects(stderr)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", fields.pop("timestamp"))
    assert fields == {
        "severity": "INFO",
        "logger": "pynenc.shop",
        "message": "line one\nline two: ünï",
        "runner_class": None,
        "runner_id": None,
        "invocation_id": None,
        "task_id": None,
        "text": "line one\nline two: ünï",
        "exception": None,
    }


def test_within_a_body_text_names_task_and_invocation_and_the_module_too_unless_compact(
    jobs: Any, stderr: Written
) -> None:
    invocation = jobs.basics.add(1, 1)
    for compact in (True, False):
        app = Pynenc("shop", {"compact_log_context": compact})
        with context.enter_invocation(invocation, None):
            app.logger.info("here")
    identity = invocation.invocation_id
    assert _rest(stderr) == [f"[add: {identity}] here", f"[support.jobs.basics.add: {identity}] here"]


def test_within_a_body_json_names_task_invocation_and_runner(jobs: Any, stderr: Written) -> None:
    invocation, runner = jobs.basics.add(1, 1), RecordingRunner(jobs.app)
    logger = Pynenc("shop", {"log_format": "json"}).logger
    with context.enter_invocation(invocation, runner):
        logger.info("here")
    logger.info("there")
    inside, outside = _objects(stderr)
    assert inside["task_id"] == "support.jobs.basics.add"
    assert inside["invocation_id"] == invocation.invocation_id
    assert (inside["runner_class"], inside["runner_id"]) == ("RecordingRunner", runner.runner_id)
    assert inside["text"] == f"[support.jobs.basics.add: {invocation.invocation_id}] here"
    assert inside["message"] == "here"
    assert (outside["task_id"], outside["runner_id"], outside["text"]) == (None, None, "there")


def test_bodies_on_threads_at_the_same_time_sign_for_themselves(jobs: Any, stderr: Written) -> None:
    invocations = [jobs.basics.add(n, n) for n in range(4)]
    inside = threading.Barrier(len(invocations))
    logger = _app().logger

    def body(invocation: Any) -> None:
        with context.enter_invocation(invocation, None):
            inside.wait()
            for _ in range(20):
                logger.info("by %s", invocation.invocation_id)
            inside.wait()

    threads = [threading.Thread(target=body, args=(invocation,)) for invocation in invocations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = _rest(stderr)
    assert len(lines) == 80
    expected = {f"[add: {invocation.invocation_id}] by {invocation.invocation_id}" for invocation in invocations}
    assert set(lines) == expected


def test_log_lines_of_bodies_on_one_event_loop_name_their_own_invocation(jobs: Any, stderr: Written) -> None:
    invocations = [jobs.basics.add(n, n) for n in range(4)]
    logger = _app().logger

    async def body(invocation: Any) -> None:
        with context.enter_invocation(invocation, None):
            for _ in range(5):
                logger.info("by %s", invocation.invocation_id)
                await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*map(body, invocations))

    asyncio.run(all_of_them())
    lines = _rest(stderr)
    assert len(set(lines[:4])) == 4, "they did not take turns"
    assert set(lines) == {
        f"[add: {invocation.invocation_id}] by {invocation.invocation_id}" for invocation in invocations
    }


def test_the_logger_of_a_task_is_there_inside_and_outside_of_its_bodies(jobs: Any, stderr: Written) -> None:
    invocation = jobs.basics.add(1, 1)
    jobs.basics.add.logger.warning("outside")
    with context.enter_invocation(invocation, None):
        jobs.basics.add.logger.warning("inside")
    assert _rest(stderr) == ["outside", f"[add: {invocation.invocation_id}] inside"]


# -- exceptions --------------------------------------------------------------------------------------------------------


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("error", [KeyError("gone"), Mute()], ids=["ordinary", "mute"])
def test_an_exception_follows_its_line_with_traceback_and_cause(error: Exception, stderr: Written) -> None:
    for app in (_app(), _app(log_format="json")):
        try:
            try:
                raise LookupError("at first")
            except LookupError as cause:
                raise error from cause
        except Exception:
            app.logger.exception("it failed")
    text, _, last = stderr.getvalue().rstrip("\n").rpartition("\n")
    line, _, traceback = text.partition("\n")
    assert LINE.fullmatch(line)
    fields = json.loads(last)
    assert (fields["severity"], fields["message"], fields["text"]) == ("ERROR", "it failed", "it failed")
    for rendered in (traceback, fields["exception"]):
        assert rendered.startswith("Traceback (most recent call last):")
        assert "LookupError: at first" in rendered
        assert type(error).__name__ in rendered.splitlines()[-1]


def test_the_stack_follows_where_it_was_asked_for(stderr: Written) -> None:
    _app().logger.info("here", stack_info=True)
    assert "Stack (most recent call last):" in stderr.getvalue()
    assert "stack_info=True" in stderr.getvalue()


# -- where it goes -----------------------------------------------------------------------------------------------------


def test_the_log_goes_to_the_chosen_stream(capsys: pytest.CaptureFixture[str]) -> None:
    _app().logger.info("to stderr")
    _app(log_stream="stdout").logger.info("to stdout")
    printed = capsys.readouterr()
    assert printed.err.endswith(" to stderr\n")
    assert printed.out.endswith(" to stdout\n")
    assert printed.err.count("\n") == printed.out.count("\n") == 1


@pytest.mark.parametrize("name", ["stderr", "stdout"])
def test_the_stream_is_what_it_is_when_the_line_is_written(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = _app(log_stream=name).logger
    streams = [io.StringIO(), io.StringIO()]
    for number, stream in enumerate(streams):
        monkeypatch.setattr(sys, name, stream)
        logger.info("line %d", number)
    assert [_rest(stream) for stream in streams] == [["line 0"], ["line 1"]]


def test_a_process_without_stderr_loses_the_line_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logger = _app().logger
    logger.error("nobody hears it")
    assert _own_handlers(logger)[0].stream is None


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_characters_that_the_stream_cannot_encode_are_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    for log_format in ("text", "json"):
        _app(log_stream="stdout", log_format=log_format).logger.info("file \udcff of käse")
    text, line = written.getvalue().decode(encoding).splitlines()
    assert text.endswith("file \\udcff of " + ("käse" if encoding == "utf-8" else "k\\xe4se"))
    assert json.loads(line)["message"] == "file \udcff of käse"


def test_only_a_terminal_gets_colours_and_only_if_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = _app().logger
    for stream in (terminal := Terminal(), file := io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL, 35):
            logger.log(level, "a line")
    assert "\x1b" not in file.getvalue()
    levels = re.findall(r"\x1b\[([\d;]+)m(\w+)\x1b\[0m", terminal.getvalue())
    assert [level for _, level in levels] == ["INFO", "WARNING", "ERROR", "CRITICAL"]
    assert len({colour for colour, _ in levels}) == 4
    for app in (_app(log_use_colors=False), _app(log_format="json")):
        monkeypatch.setattr(sys, "stderr", stream := Terminal())
        app.logger.error("a line")
        assert "\x1b" not in stream.getvalue()
        assert "a line" in stream.getvalue()


# -- levels and handlers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_the_level_is_understood_in_any_case(level: str, spelling: Any, stderr: Written) -> None:
    app = _app(logging_level=spelling(level))
    assert app.conf.logging_level == level
    assert app.logger.level == getattr(logging, level.upper())
    app.logger.log(app.logger.level - 1, "too low")
    app.logger.log(app.logger.level, "high enough")
    assert stderr.getvalue().count("\n") == 1


def test_an_app_that_is_made_again_writes_each_line_once_and_as_the_new_one_says(stderr: Written) -> None:
    first = _app().logger
    second = _app(log_format="json", logging_level="error").logger
    assert first is second
    second.warning("too low")
    second.error("once")
    [fields] = _objects(stderr)
    assert fields["message"] == "once"
    assert len(_own_handlers(second)) == 1


def test_handlers_of_others_stay(stderr: Written) -> None:
    mine = logging.NullHandler()
    logger = _app().logger
    logger.addHandler(mine)
    try:
        _ = _app(log_format="json").logger
        assert mine in logger.handlers
        assert len(_own_handlers(logger)) == 1
    finally:
        logger.removeHandler(mine)


def test_records_do_not_reach_the_root_logger_nor_the_app_whose_name_is_a_prefix(stderr: Written) -> None:
    at_the_root = io.StringIO()
    handler = logging.StreamHandler(at_the_root)
    logging.getLogger().addHandler(handler)
    try:
        _ = _app().logger
        inner = Pynenc("shop.north").logger
        inner.error("once")
    finally:
        logging.getLogger().removeHandler(handler)
    assert inner.propagate is False
    assert _rest(stderr) == ["once"]
    assert at_the_root.getvalue() == ""


def test_asking_for_the_logger_twice_sets_it_up_once(stderr: Written) -> None:
    app = _app()
    handlers = _own_handlers(app.logger)
    assert len(handlers) == 1
    assert _own_handlers(app.logger) == handlers
