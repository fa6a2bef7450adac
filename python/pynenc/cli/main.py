"""Parse the command line, run the command, and convert errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from pynenc import __version__
from pynenc._kernel.process import replace_closed_streams
from pynenc.cli import monitor, redis_acl, runner, show_config, status
from pynenc.cli._parser import Parser
from pynenc.exceptions import PynencError

OK, FAILED, INTERRUPTED = 0, 1, 130

_EXPECTED = (PynencError, ValueError, OSError)
"""Errors with a complete message; every other error is printed with its traceback."""

_APP_HELP = "the app: module, module:name, or file"
_VERBOSE_HELP = "log at debug level, show tracebacks of errors"

_EPILOG = """\
APP is a module (shop.tasks), a module and a name in it (shop.tasks:app, shop.tasks.app), or a file (shop/tasks.py,
shop/tasks.py:app). The working directory is searched for modules first. Without --app the command reads the *.py files
of the working directory as text, and imports the only file that creates an app.

exit codes: 0 success, or a stop by SIGINT or SIGTERM; 1 failure, stderr has the reason; 2 wrong usage;
130 interrupted by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of `pynenc`. Errors are printed to stderr; with `--verbose` with their traceback.

    Blocks until the command has ended: `runner start` until a signal stops it.

    Args:
        argv: the words behind the program's name; None takes those of this process.
    Returns:
        The exit code: 0 done, 1 failed, 130 interrupted by Ctrl-C.
    Raises:
        SystemExit: 2 for wrong usage, 0 after `--help` and `--version`.

    Example:
        >>> main(["status", "render", "--output", "statuses.txt"])
        0
    """
    if argv is None:
        replace_closed_streams()
    arguments = _parser().parse_args(argv)
    # Called from a user's program, a command must not change the state of the process.
    arguments.program = argv is None
    try:
        code = int(arguments.run(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has closed the pipe. No later write may reach it, not even one at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        print("pynenc: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if arguments.verbose or not isinstance(error, _EXPECTED):
            traceback.print_exc()
        print(f"pynenc: error: {str(error) or type(error).__name__}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pynenc",
        description="Run the tasks of an app, and inspect the app.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--app", metavar="APP", help=_APP_HELP)
    parser.add_argument("-v", "--verbose", action="store_true", help=_VERBOSE_HELP)
    parser.add_argument("--version", action="version", version=f"pynenc-rs {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    runner.add_parser(commands)
    show_config.add_parser(commands)
    status.add_parser(commands)
    redis_acl.add_parser(commands)
    monitor.add_parser(commands)
    _accept_behind_commands(parser)
    return parser


def _accept_behind_commands(parser: argparse.ArgumentParser) -> None:
    """Let each command accept the program's options too. An omitted option changes nothing."""
    for action in parser._actions:
        for command in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            if "-" in command.prefix_chars:
                command.add_argument("--app", metavar="APP", default=argparse.SUPPRESS, help=_APP_HELP)
                command.add_argument(
                    "-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help=_VERBOSE_HELP
                )
            _accept_behind_commands(command)
