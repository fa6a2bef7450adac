"""Run a worker for one invocation that is stopped after it has claimed, before its loop begins."""

from __future__ import annotations

from support.worlds import load_jobs

from pynenc.runner._worker_process.once_worker import OnceWorker
from pynenc.runner._workers.channel import Channel


class StoppedAfterItsClaim(OnceWorker):
    """Does not return from its start before it has claimed and was told to stop."""

    def start(self) -> None:
        super().start()
        self.obey({"go": True})
        self._looked.wait()
        assert self._claimed is not None
        self.obey({"stop": True})


def main() -> None:
    app = load_jobs().app
    order = {"runner": "ProcessRunner", "conf": "ConfigProcessRunner", "settings": {}, "slots": 1, "max_tasks": 0}
    ours, theirs = Channel.pair()
    StoppedAfterItsClaim(app, Channel(theirs), order).run()
    theirs.close()
    print([name for message in ours.drain() for name in message], flush=True)


if __name__ == "__main__":
    main()
