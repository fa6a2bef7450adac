"""`pynenc runner start` and `pynenc runner show_config`."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.sessions import session_of
from pynenc.cli._app import config_lines, header_lines, load_app, shown_store
from pynenc.cli._leave import leave_unless_quiet
from pynenc.cli._no_tasks import warn_if_no_tasks
from pynenc.cli._runner_choice import runner_to_start
from pynenc.exceptions import ConfigError
from pynenc.runner._session.signals import as_before_in_copies, in_copies, stop_signals
from pynenc.runner._session.task_loggers import show_task_loggers
from pynenc.runner._workers import preload  # noqa: F401
from pynenc.runner._workers.init import leave_init
from pynenc.runner.base_runner import BaseRunner
from pynenc.util.open_files import flush_open_files

if TYPE_CHECKING:
    from pynenc.app import Pynenc


_SHOWN_MODULES = 20


def add_parser(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser("runner", help="run the tasks of the app", description="Run the tasks of the app.")
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    start = actions.add_parser(
        "start",
        help="run tasks until SIGINT, SIGTERM or SIGHUP",
        description="Run the tasks of the app until SIGINT, SIGTERM or SIGHUP. The runner then claims no more, gives "
        "running bodies stop_grace_sec seconds to finish, hands the rest back to the queue, and exits with 0. A second "
        "signal ends the grace period.",
    )
    start.add_argument("--runner", metavar="CLASS", help="name of the runner class, instead of the configured one")
    start.add_argument("--processes", type=_positive, metavar="N", help="use at most N worker processes")
    start.add_argument("--threads", type=_positive, metavar="N", help="run at most N tasks at a time in a process")
    start.add_argument("--concurrency", type=_positive, metavar="N", help="run at most N tasks on an event loop")
    start.add_argument("--queues", type=_names, metavar="A,B", help="claim from these queues only")
    start.add_argument(
        "--import",
        action="append",
        dest="modules",
        metavar="MODULE",
        help="import this module of tasks too, like task_modules; may be repeated",
    )
    start.set_defaults(run=run_start)

    show = actions.add_parser(
        "show_config",
        help="print the settings of the runner",
        description="Print the settings of the runner that `runner start` would start.",
    )
    show.add_argument("--runner", metavar="CLASS", help="name of the runner class, instead of the configured one")
    show.set_defaults(run=run_show_config)


def run_start(arguments: argparse.Namespace) -> int:
    """Run the runner; return 0 after a stop by a signal."""
    if arguments.program:
        leave_init()
        # Exit functions run in the order opposite to that of their registration, so this one comes last.
        atexit.register(flush_open_files)
    with _stop_signals(ends_program=arguments.program) as stop:
        found = load_app(arguments)
        app = found.app
        runner, reason = runner_to_start(app, arguments.runner)
        _configure(runner, arguments)
        if arguments.modules:
            app.conf.task_modules = (*app.conf.task_modules, *arguments.modules)
        more = [f"Queues: {', '.join(runner.conf.queues) or 'all'}", f"Store: {shown_store(app)}"]
        _say(
            app,
            f"Starting runner for app: {app.app_id} ({found.location})",
            f"Runner: {type(runner).__name__} ({reason})",
            # The line of the log that follows has them, unless it is left out.
            *([] if app.logger.isEnabledFor(logging.INFO) else more),
        )
        _warn(app)
        # Import before `run`, so that almost no user code runs between the last check for a stop and the moment when
        # the runner takes over the signals.
        session_of(runner).import_ahead()
        _say_what_was_found(app)
        warn_if_no_tasks(found)
        if arguments.program:
            show_task_loggers(app)
        stop.insist()
        runner.run()
        if arguments.program:
            leave_unless_quiet(app, runner)
    return 0


def _say_what_was_found(app: Pynenc) -> None:
    """Print how many tasks this runner knows, by module."""
    modules = Counter(task_id.module for task_id in app.tasks)
    shown = ", ".join(f"{module} ({count})" for module, count in sorted(modules.items())[:_SHOWN_MODULES])
    more = len(modules) - _SHOWN_MODULES
    _say(app, f"Tasks: {len(app.tasks)}, in {shown or 'no module'}{f' and {more} more' if more > 0 else ''}")


def _say(app: Pynenc, *lines: str) -> None:
    """Print the lines, or log them if every line must be JSON."""
    for line in lines:
        if app.conf.log_format == "json":
            app.logger.info("%s", line)
        else:
            print(line, flush=True)


def run_show_config(arguments: argparse.Namespace) -> int:
    """Print the settings of the runner that would start; return 0."""
    found = load_app(arguments)
    runner, reason = runner_to_start(found.app, arguments.runner)
    print("\n".join(header_lines(found)))
    print(f"Runner class: {type(runner).__module__}.{type(runner).__qualname__} ({reason})")
    print(f"\n{type(runner.conf).__name__}:")
    print("\n".join(config_lines(runner.conf)))
    return 0


def _configure(runner: BaseRunner, arguments: argparse.Namespace) -> None:
    """Apply the options, which override every other source."""
    if arguments.queues is not None:
        runner.conf.queues = arguments.queues
    for option, names in _NUMBERS.items():
        number = getattr(arguments, option)
        if number is not None:
            _set_number(runner, option, names, number)


_NUMBERS = {
    "processes": (("num_processes", "max_processes", "processes"), ("min_processes",)),
    "threads": (("max_threads",), ("min_threads",)),
    "concurrency": (("concurrency",), ()),
}
"""For each option: the settings that it may set, and the settings that must not exceed it."""


def _set_number(runner: BaseRunner, option: str, names: tuple[tuple[str, ...], tuple[str, ...]], number: int) -> None:
    conf: Any = runner.conf
    most, least = names
    field = next((name for name in most if hasattr(conf, name)), None)
    # A runner with one slot per process inherits a setting for threads without using it.
    if field is None or (option == "threads" and hasattr(conf, "num_processes")):
        raise ConfigError(f"--{option} {number}: {type(runner).__name__} has no setting for the number of its {option}")
    setattr(conf, field, number)
    for name in (*least, "min_parallel_slots"):
        if hasattr(conf, name):
            setattr(conf, name, min(getattr(conf, name), number))


def _warn(app: Pynenc) -> None:
    """Warn of a configuration that works but is probably a mistake."""
    if runtime_of(app).store.kind == "memory":
        text = (
            "the store is in memory, so what other processes submit does not arrive here: set store_url "
            "(PYNENC__STORE_URL) to a store that processes share"
        )
        if app.conf.log_format == "json":
            app.logger.warning(text)
        else:
            print(f"pynenc: warning: {text}", file=sys.stderr)


class _StopRequested(BaseException):
    """A stop signal came before the runner started, or after its end."""


class _Stop:
    """Whether a stop signal came.

    The handler raises in the main thread, possibly inside code that catches every exception or converts it into
    another, as Python does for exceptions in a `__set_name__`.
    """

    requested = False
    insisted = False
    """Whether a later exception cannot come from the stop request."""

    def handle(self, signum: int, frame: object) -> None:
        """Handle a stop signal."""
        self.requested = True
        raise _StopRequested

    def insist(self) -> None:
        """Raise the request again if other code has caught it."""
        if self.requested:
            raise _StopRequested
        self.insisted = True


@contextlib.contextmanager
def _stop_signals(*, ends_program: bool) -> Iterator[_Stop]:
    """End the block quietly on a stop signal; the runner's `run` has its own handlers.

    A supervisor may send a stop signal while the app is being imported. With `ends_program` the signals are ignored
    afterwards, so that a late signal does not change the exit code of a clean stop.
    """
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {signum: signal.signal(signum, stop.handle) for signum in stop_signals()}
    settled = [signum for signum, handler in previous.items() if in_copies(signum, handler)]
    clean = False
    try:
        yield stop
        clean = True
    except BaseException as error:
        if not isinstance(error, _StopRequested) and (stop.insisted or not stop.requested):
            raise
        clean = True
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, signal.SIG_IGN if clean and ends_program else handler)
        for signum in settled:
            as_before_in_copies(signum)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"must be names separated by commas, got {text!r}")
    return names
