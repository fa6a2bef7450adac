"""Run workers for one invocation each that are stopped before they have an engine; print their messages."""

from __future__ import annotations

from support.worlds import load_jobs

from pynenc.runner._worker_process.once_worker import OnceWorker
from pynenc.runner._workers.channel import Channel

TIMES = 5


def main() -> None:
    app = load_jobs().app
    order = {"runner": "ProcessRunner", "conf": "ConfigProcessRunner", "settings": {}, "slots": 1, "max_tasks": 0}
    for _ in range(TIMES):
        ours, theirs = Channel.pair()
        worker = OnceWorker(app, Channel(theirs), order)
        worker.obey({"stop": True})
        worker.run()
        theirs.close()
        print(ours.drain(), flush=True)


if __name__ == "__main__":
    main()
