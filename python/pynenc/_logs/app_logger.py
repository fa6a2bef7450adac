"""The logger of an app: one handler, and lines that name their invocation and their runner.

The context of a line is read when the line is emitted, from the context variables of the emitting code, so concurrent
invocations cannot be confused.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from pynenc import context
from pynenc._logs import stream as _log_stream
from pynenc._logs.ends import End, fields, message
from pynenc._logs.later import Later
from pynenc.util.texts import cut, escaped, indented

if TYPE_CHECKING:
    from pynenc._identity.runner_context import HasRunnerId
    from pynenc.conf.config_pynenc import ConfigPynenc

MAX_MESSAGE_CHARS = 16 * 1024
"""The maximum length of a logged message; a longer one keeps its beginning and its end."""

MAX_TRACEBACK_CHARS = 64 * 1024
"""Longest traceback that is logged."""

_RESET = "\x1b[0m"
_COLORS = {
    logging.DEBUG: "\x1b[2m",
    logging.INFO: "\x1b[36m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}


class HasSettings(Protocol):
    """An app, or its runtime."""

    @property
    def app_id(self) -> str:
        """The id of the app."""

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app."""


def create_logger(app: HasSettings) -> logging.Logger:
    """Make the logger of an app: `pynenc.<app_id>`, which does not pass its records on to the root logger.

    Args:
        app: the app, whose settings decide level, stream and format.
    Returns:
        The logger.
    """
    conf = app.conf
    logger = logging.getLogger(f"pynenc.{app.app_id}")
    logger.setLevel(conf.logging_level.upper())
    logger.propagate = False
    for handler in [handler for handler in logger.handlers if isinstance(handler, AppHandler)]:
        # The handler of an earlier app of this name.
        logger.removeHandler(handler)
    logger.addHandler(app_handler(conf, logger.name))
    return logger


def app_handler(conf: ConfigPynenc, logger_name: str = "") -> AppHandler:
    """Return a new handler with the format and the stream of an app's settings."""
    handler = AppHandler(conf.log_stream, logger_name)
    if conf.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        use_colors = conf.log_use_colors
        handler.setFormatter(
            TextFormatter(
                compact=conf.compact_log_context,
                # Asked for each record: the stream may have been redirected meanwhile.
                colored=lambda: use_colors and _is_terminal(handler.stream),
            )
        )
    return handler


class AppHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` or `sys.stdout` is at the time, so that redirections are obeyed."""

    def __init__(self, stream_name: str, logger_name: str) -> None:
        self._stream_name = stream_name
        logging.Handler.__init__(self)
        self._logger_name = logger_name
        self.ends: Later[End] = Later(self._write_ends, threading.RLock() if self.lock is None else self.lock)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Return the current stream."""
        found: TextIO = getattr(sys, self._stream_name)
        return found

    def handle(self, record: logging.LogRecord) -> bool:
        """Drop the record if the stream was closed when the program started."""
        return getattr(sys, self._stream_name) is not None and bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. A pipe, socket or terminal with a stopped reader does not block."""
        self.ends.flush()
        stream = self.stream
        descriptor = _log_stream.may_block(stream)
        if descriptor is None:
            super().emit(record)
            return
        try:
            _log_stream.write(descriptor, self.format(record) + self.terminator)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Give the reader a moment to read the waiting lines at the end of the program."""
        self.ends.flush()
        if _log_stream.may_block(self.stream) is None:
            super().flush()
        else:
            _log_stream.flush()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text for the stream, with characters that it cannot encode escaped."""
        text = super().format(record)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _write_ends(self, ends: list[End]) -> None:
        """Write the lines of several ends in one piece."""
        stream: TextIO | None = getattr(sys, self._stream_name)
        formatter = self.formatter
        if stream is None or not isinstance(formatter, (TextFormatter, JsonFormatter)):
            return
        try:
            text = formatter.ends(self._logger_name, ends)
            if not text.isascii():
                encoding = getattr(stream, "encoding", None) or "utf-8"
                text = text.encode(encoding, "backslashreplace").decode(encoding)
            descriptor = _log_stream.may_block(stream)
            if descriptor is None:
                stream.write(text)
                stream.flush()
            else:
                _log_stream.write_lines(descriptor, text)
        except Exception:
            # A stream that is full or closed.
            self.handleError(logging.LogRecord("pynenc", logging.INFO, __file__, 0, message(ends[0]), (), None))


class TextFormatter(logging.Formatter):
    """`<date> <time with ms and UTC offset> <LEVEL> <logger> [<task>: <invocation>] <message>`.

    A message is one line: newlines and control characters in it are escaped, so that no id, exception or argument can
    look like another line, or change the terminal. The lines of a traceback are indented. Texts are cut to
    `MAX_MESSAGE_CHARS` and `MAX_TRACEBACK_CHARS`.

    With `compact` the task is named without its module. Ids of invocations are never cut: they begin with the time, so
    their beginnings are alike, and only a whole id can be looked up.
    """

    def __init__(self, *, compact: bool = True, colored: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._compact = compact
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the traceback if there is one."""
        head = f"{_timestamp(record.created)} {self._level(record.levelno, record.levelname)} {record.name} "
        task_id, invocation_id = _running()
        if task_id is not None:
            shown = task_id.rpartition(".")[2] if self._compact else task_id
            head += escaped(f"[{shown}: {invocation_id}] ")
        lines = [head + escaped(cut(record.getMessage(), MAX_MESSAGE_CHARS))]
        # A line of a traceback may contain any text of an exception or a note.
        if record.exc_info:
            lines.append(indented(cut(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS)))
        if record.stack_info:
            lines.append(indented(cut(self.formatStack(record.stack_info), MAX_TRACEBACK_CHARS)))
        return "\n".join(lines)

    def _level(self, levelno: int, levelname: str) -> str:
        return f"{_COLORS.get(levelno, '')}{levelname}{_RESET}" if self._colored() else levelname

    def ends(self, logger_name: str, ends: list[End]) -> str:
        """Return the lines of ends of invocations, as `format` makes them, each with a newline.

        Args:
            logger_name: the name of the logger.
            ends: the ends.
        """
        after = f" {self._level(logging.INFO, 'INFO')} {logger_name} "
        shown: dict[str, str] = {}
        lines = []
        for end in ends:
            task_id = end[0]
            task = shown.get(task_id)
            if task is None:
                task = shown[task_id] = escaped(task_id.rpartition(".")[2] if self._compact else task_id)
            lines.append(f"{_timestamp(end[5])}{after}[{task}: {end[1]}] {message(end)}\n")
        return "".join(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object per record; fields without a value are null.

    The `extra` of a record is added beside the fields; a key with the name of a field becomes `extra_<name>`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the object as one line."""
        extra = {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD}
        error = cut(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS) if record.exc_info else None
        runner, running = context.current_runner.get(), _running()
        return _json(record.created, record.levelname, record.name, record.getMessage(), runner, *running, extra, error)

    def ends(self, logger_name: str, ends: list[End]) -> str:
        """Return the lines of ends of invocations, as `format` makes them, each with a newline.

        Args:
            logger_name: the name of the logger.
            ends: the ends.
        """
        return "".join(
            [
                _json(end[5], "INFO", logger_name, message(end), end[6], end[0], end[1], fields(end), None) + "\n"
                for end in ends
            ]
        )


def _json(
    created: float,
    levelname: str,
    name: str,
    message: str,
    runner: HasRunnerId | None,
    task_id: str | None,
    invocation_id: str | None,
    extra: dict[str, Any],
    error: str | None,
) -> str:
    message = cut(message, MAX_MESSAGE_CHARS)
    fields: dict[str, Any] = {
        "timestamp": _timestamp(created),
        "severity": levelname,
        "logger": name,
        "message": message,
        "runner_class": None if runner is None else type(runner).__name__,
        "runner_id": None if runner is None else str(runner.runner_id),
        "invocation_id": invocation_id,
        "task_id": task_id,
        "text": message if task_id is None else f"[{task_id}: {invocation_id}] {message}",
        "exception": error,
    }
    for key, value in extra.items():
        fields[f"extra_{key}" if key in fields else key] = value
    # Escaped to ASCII, so that it stays JSON on a stream of any encoding.
    try:
        return _ENCODER.encode(fields)
    except (ValueError, RecursionError):
        # The value contains itself, or is nested too deep.
        return json.dumps({key: value if _is_plain(value) else _as_text(value) for key, value in fields.items()})


_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _as_text(value: object) -> str:
    try:
        return cut(str(value), MAX_MESSAGE_CHARS)
    except Exception:
        return f"<{type(value).__name__}>"


_ENCODER = json.JSONEncoder(default=_as_text, skipkeys=True)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _running() -> tuple[str | None, str | None]:
    """Return the ids of the task and the invocation whose body logs; none outside of a body."""
    invocation = context.current_invocation.get()
    if invocation is None:
        return None, None
    return str(invocation.task.task_id), str(invocation.invocation_id)


_second = (-1, "", "")
"""The last second that was written as text: its number, date and time, offset. Replaced as a whole."""


def _timestamp(created: float) -> str:
    """Return date, time with milliseconds, and UTC offset. All but the milliseconds is formatted once a second."""
    global _second
    second = int(created)
    known = _second
    if known[0] != second:
        text = datetime.fromtimestamp(second, UTC).astimezone().isoformat(sep=" ")
        known = _second = (second, text[:19], text[19:])
    _, begin, offset = known
    return f"{begin}.{int((created - second) * 1000):03d}{offset}"


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
