"""`pynenc show_config`: print the settings of the app with the source of each value."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pynenc.cli._app import config_lines, header_lines, load_app, shown_store
from pynenc.cli._runner_choice import runner_to_start
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.store_url import is_default_file
from pynenc.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc.app import Pynenc


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
    app = found.app
    print("\n".join(header_lines(found)))
    print(f"Store: {shown_store(app)}{' (the default: it goes by the working folder)' if _is_default(app) else ''}")
    print(f"Runner: {_runner_line(app)}")
    print(f"\n{type(app.conf).__name__}:")
    print("\n".join(config_lines(app.conf)))
    defaults = ConfigTask(app.config_values, app.config_filepath)
    print(f"\n{ConfigTask.__name__}, of tasks that say nothing else:")
    print("\n".join(config_lines(defaults)))
    return 0


def _is_default(app: Pynenc) -> bool:
    return is_default_file(app.conf)


def _runner_line(app: Pynenc) -> str:
    """The runner that `pynenc runner start` would start, and why; or why it would start none."""
    try:
        runner, reason = runner_to_start(app, None)
    except (ConfigError, ValueError) as error:
        return f"none can be started: {error}"
    return f"{type(runner).__name__} ({reason})"
