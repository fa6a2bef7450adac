"""The threads that bodies run on."""

from __future__ import annotations

import threading


class BodyThread(threading.Thread):
    """A thread that runs bodies: a daemon, while the threads that its bodies start are daemons only if they say so.

    A thread inherits from its starter whether it is a daemon, and users expect the default of a plain program.
    """

    _begun = False

    def run(self) -> None:
        """Run the target."""
        self._begun = True
        super().run()

    @property
    def daemon(self) -> bool:
        """True for the thread that starts this one, False for the threads that this one starts."""
        return not self._begun

    @daemon.setter
    def daemon(self, value: bool) -> None:
        raise RuntimeError("this thread runs bodies and is always a daemon")
