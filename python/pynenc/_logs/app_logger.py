"""The logger of an app: one handler of our own, lines that name the invocation and the runner they speak for.

What a line says about its context is read when it is emitted, from the context variables of the emitting code, so
invocations that run at the same time cannot sign for each other.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from pynenc import context
from pynenc._logs import stream as _log_stream
from pynenc.util.texts import cut, escaped, indented

if TYPE_CHECKING:
    from pynenc.conf.config_pynenc import ConfigPynenc

MAX_MESSAGE_CHARS = 16 * 1024
"""Longest message that is logged; of a longer one begin and end are."""

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
        # Of an app of this name that was made before.
        logger.removeHandler(handler)
    logger.addHandler(app_handler(conf))
    return logger


def app_handler(conf: ConfigPynenc) -> AppHandler:
    """A new handler that writes as the settings of an app say."""
    handler = AppHandler(conf.log_stream)
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

    def __init__(self, stream_name: str) -> None:
        self._stream_name = stream_name
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream as it is now."""
        found: TextIO = getattr(sys, self._stream_name)
        return found

    def handle(self, record: logging.LogRecord) -> bool:
        """Drop the record if the stream was closed when the program started."""
        return getattr(sys, self._stream_name) is not None and bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. A pipe, socket or terminal whose reader stands still holds nobody up."""
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
        """At the end of the program: give the reader a moment for what waits."""
        if _log_stream.may_block(self.stream) is None:
            super().flush()
        else:
            _log_stream.flush()

    def format(self, record: logging.LogRecord) -> str:
        """The record as text that the stream can take: what it cannot encode is escaped, instead of lost."""
        text = super().format(record)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def write_line(self, line: str) -> None:
        """Write one line that is formatted already. Raises what the stream raises."""
        stream: TextIO | None = getattr(sys, self._stream_name)
        if stream is None:
            return
        text = line + self.terminator
        if not text.isascii():
            encoding = getattr(stream, "encoding", None) or "utf-8"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        with self.lock or contextlib.nullcontext():
            descriptor = _log_stream.may_block(stream)
            if descriptor is None:
                stream.write(text)
                stream.flush()
            else:
                _log_stream.write(descriptor, text)


def write_info(logger: logging.Logger, created: float, message: str, fields: Callable[[], dict[str, object]]) -> None:
    """Log a line of INFO with what `fields` returns as its `extra`, as `logger.info` does, for a fraction of the price.

    No record is made where nothing but the handler of pynenc would see it: no other handler, filter, formatter or
    factory of records.

    Args:
        created: the time of the line, in seconds of `time.time()`.
    """
    formatter = _only_formatter(logger)
    if formatter is not None:
        handler, line = logger.handlers[0], formatter.line
        try:
            cast(AppHandler, handler).write_line(line(created, logging.INFO, logger.name, message, fields))
            return
        except (OSError, ValueError):
            # A stream that is full or closed: the handler reports what it cannot write.
            pass
    # Without a look at the stack, which would take longer than all the rest.
    if not logger.isEnabledFor(logging.INFO):
        return
    extra = fields()
    logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, message, (), None, "write_info", extra))


def _only_formatter(logger: logging.Logger) -> TextFormatter | JsonFormatter | None:
    handlers = logger.handlers
    if len(handlers) != 1 or type(handlers[0]) is not AppHandler or logger.propagate or logger.filters:
        return None
    handler = handlers[0]
    if handler.filters or handler.level > logging.INFO or not logger.isEnabledFor(logging.INFO) or logger.disabled:
        return None
    formatter = handler.formatter
    known = type(formatter) is TextFormatter or type(formatter) is JsonFormatter
    return formatter if known and logging.getLogRecordFactory() is logging.LogRecord else None  # type: ignore[return-value]


class TextFormatter(logging.Formatter):
    """`<date> <time with ms and UTC offset> <LEVEL> <logger> [<task>: <invocation>] <message>`.

    A message is one line: newlines and control characters in it are escaped, so that nothing in an id, an exception or
    an argument can look like another line, or change the terminal. The lines of a traceback are indented. Texts are cut
    to `MAX_MESSAGE_CHARS` and `MAX_TRACEBACK_CHARS`.

    With `compact` the task is named without its module. Ids of invocations are never cut: they begin with the time, so
    their beginnings are alike, and a whole one can be looked up.
    """

    def __init__(self, *, compact: bool = True, colored: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._compact = compact
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        """The line, followed by the traceback if there is one."""
        lines = [
            self.line(record.created, record.levelno, record.name, record.getMessage(), levelname=record.levelname)
        ]
        # A line of a traceback may be whatever somebody has put into an exception or a note.
        if record.exc_info:
            lines.append(indented(cut(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS)))
        if record.stack_info:
            lines.append(indented(cut(self.formatStack(record.stack_info), MAX_TRACEBACK_CHARS)))
        return "\n".join(lines)

    def line(
        self,
        created: float,
        levelno: int,
        name: str,
        message: str,
        fields: Callable[[], dict[str, object]] | None = None,
        *,
        levelname: str | None = None,
    ) -> str:
        """The line without a traceback. Text shows no `fields`."""
        level = levelname or logging.getLevelName(levelno)
        if self._colored():
            level = f"{_COLORS.get(levelno, '')}{level}{_RESET}"
        head = f"{_timestamp(created)} {level} {name} "
        task_id, invocation_id = _running()
        if task_id is not None:
            shown = task_id.rpartition(".")[2] if self._compact else task_id
            head += escaped(f"[{shown}: {invocation_id}] ")
        return head + escaped(cut(message, MAX_MESSAGE_CHARS))


class JsonFormatter(logging.Formatter):
    """One JSON object per record; what a field does not apply to is null.

    What a record was given as `extra` stands beside the fields; where it has the name of a field, as `extra_<name>`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The object as one line."""
        extra = {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD}
        error = cut(self.formatException(record.exc_info), MAX_TRACEBACK_CHARS) if record.exc_info else None
        return self.line(
            record.created, record.levelno, record.name, record.getMessage(), lambda: extra, record.levelname, error
        )

    def line(
        self,
        created: float,
        levelno: int,
        name: str,
        message: str,
        extra: Callable[[], dict[str, Any]],
        levelname: str | None = None,
        error: str | None = None,
    ) -> str:
        """The object of these parts as one line."""
        message = cut(message, MAX_MESSAGE_CHARS)
        task_id, invocation_id = _running()
        runner = context.current_runner.get()
        fields: dict[str, Any] = {
            "timestamp": _timestamp(created),
            "severity": levelname or logging.getLevelName(levelno),
            "logger": name,
            "message": message,
            "runner_class": None if runner is None else type(runner).__name__,
            "runner_id": None if runner is None else str(runner.runner_id),
            "invocation_id": invocation_id,
            "task_id": task_id,
            "text": message if task_id is None else f"[{task_id}: {invocation_id}] {message}",
            "exception": error,
        }
        for key, value in extra().items():
            fields[f"extra_{key}" if key in fields else key] = value
        # Escaped to ASCII, so that it stays JSON on a stream of any encoding.
        try:
            return _ENCODER.encode(fields)
        except (ValueError, RecursionError):
            # What was given holds itself, or is nested too deep.
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
    """Task and invocation of the body that logs; none outside of one."""
    invocation = context.current_invocation.get()
    if invocation is None:
        return None, None
    return str(invocation.task.task_id), str(invocation.invocation_id)


_second = (-1, "", "")
"""The last second that was written as text: its number, date and time, offset. Replaced as a whole."""


def _timestamp(created: float) -> str:
    """Date, time with milliseconds, and UTC offset. All but the milliseconds is made once a second."""
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
