"""`pynenc show_config`: print the settings of the app with the source of each value."""

from __future__ import annotations

import argparse
from typing import Any

from pynenc.cli._app import config_lines, header_lines, load_app


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "show_config",
        help="print the settings of the app",
        description="Print the settings of the app: each with value, unit, source and meaning. Secrets are masked.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the settings; return 0."""
    found = load_app(arguments)
    print("\n".join(header_lines(found)))
    print(f"\n{type(found.app.conf).__name__}:")
    print("\n".join(config_lines(found.app.conf)))
    return 0
