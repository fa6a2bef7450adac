"""Leave a database with finished and waiting invocations, and close it."""

from __future__ import annotations

import threading

from support.jobs import app, basics

from pynenc.runner import ThreadRunner

if __name__ == "__main__":
    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert len(list(basics.add.parallelize([(n, n) for n in range(400)]).results)) == 400
    runner.stop_runner_loop()
    thread.join()
    basics.add.parallelize([(n, n) for n in range(400)])
    app._runtime.store.close()
