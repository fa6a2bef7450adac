"""A runner's end of its zygote: start it, have workers forked, hear who ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from pynenc._task_modules import task_module_names
from pynenc.app_info import AppInfo
from pynenc.runner._channel import Channel, Message
from pynenc.runner._signals import STOP_SIGNALS
from pynenc.runner._silence import Answers

if TYPE_CHECKING:
    from pynenc.app import Pynenc

_PATIENCE_SEC = 2.0
"""How long a zygote gets to end by itself; it needs milliseconds."""


class Nursery:
    """One zygote, alive from the start of this object to its `close`. For the thread in `run()` only."""

    def __init__(self, app: Pynenc) -> None:
        """Starts the process and tells it what to import; does not wait for it. Raises `OSError` if there is none."""
        self.loaded = False
        """Whether it has imported the app, so that it can fork."""
        self.problem = "the process that workers are forked from ended before it had imported the app"
        self.answers = Answers()
        """Whether it answers."""
        self.channel, theirs = Channel.pair()
        try:
            # Until it has handlers of its own, a Ctrl-C in the terminal would end it with a traceback.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, *_interpreter_flags(), "-m", __package__ + "._zygote", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        except BaseException:
            self.channel.close()
            raise
        finally:
            theirs.close()
        self.channel.send(_introduction(app))

    @property
    def pid(self) -> int:
        """Of the zygote."""
        return self._process.pid

    def fork(self, message: Message) -> Channel | None:
        """Have a worker forked, with this order; the channel to it. None if the zygote is gone."""
        ours, theirs = Channel.pair()
        with theirs:
            if self.channel.send(message, theirs.fileno()):
                return ours
        ours.close()
        return None

    def kill(self) -> None:
        """End it as it is. The workers end with it."""
        self._process.kill()

    def close(self) -> None:
        """End the zygote, and with it every worker that is left. Blocks for a moment; leaves no zombie."""
        self.channel.close()
        try:
            self._process.wait(_PATIENCE_SEC)
        except subprocess.TimeoutExpired:
            # It is importing, and does not look.
            self._process.kill()
            self._process.wait()


def _introduction(app: Pynenc) -> Message:
    """What a zygote has to know to be, for tasks, what this process is."""
    settings: dict[str, Any] = {
        name: getattr(app.conf, name) for name in app.conf._sources if app.conf.source_of(name) == "assignment"
    }
    return {
        "pid": os.getpid(),
        "path": sys.path,
        "app": AppInfo.from_app(app).to_json(),
        "modules": task_module_names(app),
        "settings": {name: _plain(value) for name, value in settings.items()},
    }


def _plain(value: Any) -> Any:
    """A setting as JSON can carry it; the field makes of it what it was."""
    value = getattr(value, "value", value)
    return list(value) if isinstance(value, (tuple, set, frozenset)) else value


def _interpreter_flags() -> list[str]:
    """The options of this interpreter that its children must share to behave alike."""
    with contextlib.suppress(AttributeError):
        return list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]
    return []


def plain_settings(conf: Any) -> dict[str, Any]:
    """The values of a configuration that are no defaults, for a worker to have the same ones."""
    return {name: _plain(getattr(conf, name)) for name in conf._sources if conf.source_of(name) != "default"}
