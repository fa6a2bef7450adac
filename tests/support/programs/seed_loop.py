"""A runner with the seed's seven methods in the main thread, which prints its events."""

from __future__ import annotations

import threading
from types import FrameType

from support.seed_runners import RecordingRunner

from pynenc import Pynenc


class PrintingRunner(RecordingRunner):
    _told = False

    def _on_start(self) -> None:
        print("event: _on_start")

    def _on_stop(self) -> None:
        print("event: _on_stop")

    def runner_loop_iteration(self) -> None:
        if not self._told:
            print("iterating")
            self._told = True
        threading.Event().wait(0.01)

    def _on_stop_runner_loop(self) -> None:
        print("event: _on_stop_runner_loop")

    def stop_runner_loop(self, signum: int | None = None, frame: FrameType | None = None) -> None:
        print("event: stop_runner_loop", signum, "frame" if isinstance(frame, FrameType) else frame)
        super().stop_runner_loop(signum, frame)
        print("event: stop_runner_loop returned")


if __name__ == "__main__":
    PrintingRunner(Pynenc()).run()
    print("event: run returned")
