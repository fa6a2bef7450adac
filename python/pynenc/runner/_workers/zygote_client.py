"""A runner's end of its zygote: start it, have workers forked, hear who ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc.runner._session.signals import STOP_SIGNALS
from pynenc.runner._workers.channel import Channel, Message
from pynenc.runner._workers.introduction import introduction
from pynenc.runner._workers.silence import Answers

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape

_PACKAGES = str(Path(os.path.abspath(__file__)).parents[3])
"""The folder that the package is in."""

_PROGRAM = (
    "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv[1]]; "
    "from pynenc.runner._workers.zygote import main; main(int(sys.argv[2]))"
)
"""The zygote. Not `-m`, which puts the working folder first: a `signal.py` there would be taken for Python's."""

_PATIENCE_SEC = 2.0
"""How long a zygote gets to end by itself; it needs milliseconds."""


class ZygoteClient:
    """One zygote, alive from the start of this object to its `close`. For the thread in `run()` only."""

    def __init__(self, app: AppShape) -> None:
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
                    [sys.executable, *_interpreter_flags(), "-c", _PROGRAM, _PACKAGES, str(theirs.fileno())],
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
        self.channel.send(introduction(app))

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


def _interpreter_flags() -> list[str]:
    """The options of this interpreter that its children must share to behave alike."""
    with contextlib.suppress(AttributeError):
        return list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]
    return []
