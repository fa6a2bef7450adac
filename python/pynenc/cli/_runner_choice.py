"""Which runner the command line starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc.exceptions import ConfigError
from pynenc.runner.base_runner import BaseRunner, DummyRunner
from pynenc.runner.choose import choose_runner_cls, runner_called

if TYPE_CHECKING:
    from pynenc.app import Pynenc


def runner_to_start(app: Pynenc, name: str | None) -> tuple[BaseRunner, str]:
    """The runner to start, and why this one.

    First the one that was asked for, then one that the module of the app has made, then the configured one, then
    whichever suits the store.

    Raises:
        ConfigError: `DummyRunner` was chosen on purpose.
        ValueError: no runner class of this name was imported.
    """
    if name is not None:
        runner_cls, reason = runner_called(name), "asked for with --runner"
    else:
        configured, source = app.conf.runner_cls, app.conf.source_of("runner_cls")
        if configured == DummyRunner.__name__ and source != "default":
            raise _dummy(f"runner_cls is set to it (from {source})")
        current = app.runner
        if not isinstance(current, DummyRunner):
            return current, f"runner_cls is {configured!r}" if type(
                current
            ).__name__ == configured else "made by the app"
        runner_cls, reason = choose_runner_cls(app)
    if issubclass(runner_cls, DummyRunner):
        raise _dummy(reason)
    return runner_cls(app), reason


def _dummy(reason: str) -> ConfigError:
    return ConfigError(
        f"DummyRunner runs nothing and cannot be started: {reason}. Choose another one, such as "
        "`runner start --runner ThreadRunner`."
    )
