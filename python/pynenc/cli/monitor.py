"""`pynenc monitor`: the command of pynenc's web monitor. This build has none and raises an error."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from pynenc.exceptions import NotOfferedError


def add_parser(commands: Any) -> None:
    """Add the command without a help text, which would list it.

    The command accepts all options of pynenc's command, so that the error is about the missing monitor.
    """
    parser = commands.add_parser("monitor", prefix_chars="+", add_help=False)
    parser.add_argument("options", nargs="*")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> NoReturn:
    """Raises `NotOfferedError`."""
    raise NotOfferedError(
        "pynenc monitor: this build has no web monitor. app.orchestrator counts and lists invocations by status, and "
        "app.state_backend has their histories."
    )
